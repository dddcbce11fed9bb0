"""Draw the metallicities of a sample against the simulated ones."""

from job import logged
from metalyra.core import read_table
from metalyra.products import predicted_against_true, save_figure

with logged(snakemake):
    sample = snakemake.wildcards.sample
    pairs = read_table(snakemake.input[0])
    stars = pairs[pairs["sample"] == sample]
    figure = predicted_against_true(
        stars["feh_true"], stars["feh"], title=sample, true_label="Simulated [Fe/H] (dex)"
    )
    save_figure(figure, snakemake.output[0])
