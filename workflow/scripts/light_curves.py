"""Draw some light curves of a sample with their fits."""

from job import logged
from metalyra.figures import light_curve_panel, save_figure
from metalyra.ledger import OK
from metalyra.tables import read_table

with logged(snakemake):
    fits = read_table(snakemake.input.fits)
    shown = fits.loc[fits["status"] == OK, "star_id"].head(snakemake.params.stars).to_list()
    figure = light_curve_panel(shown, fits, read_table(snakemake.input.folded))
    save_figure(figure, snakemake.output[0])
