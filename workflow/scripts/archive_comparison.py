"""Draw our Fourier phases of a sample against those of its archive."""

from job import logged
from metalyra.figures import archive_comparison, save_figure
from metalyra.tables import read_table, read_tables

with logged(snakemake):
    figure = archive_comparison(
        read_tables(snakemake.input.fits), read_table(snakemake.input.stars)
    )
    save_figure(figure, snakemake.output[0])
