"""Draw light curves of a sample with their fits."""

from job import logged
from metalyra.core import read_rows, read_tables
from metalyra.products import choose_light_curves, light_curve_panel, save_figure

with logged(snakemake):
    fits = read_tables(snakemake.input.fits)
    show = snakemake.params.show
    shown = choose_light_curves(fits, show["stars"], show["first"], show["worst"])
    folded = read_rows(snakemake.input.folded, shown)
    save_figure(light_curve_panel(shown, fits, folded), snakemake.output[0])
