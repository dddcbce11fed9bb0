"""Draw our Fourier phases of a sample against those of its archive."""

from job import logged
from metalyra.core import read_table, read_tables
from metalyra.products import archive_comparison, save_figure

with logged(snakemake):
    figure = archive_comparison(
        read_tables(snakemake.input.fits), read_table(snakemake.input.stars)
    )
    save_figure(figure, snakemake.output[0])
