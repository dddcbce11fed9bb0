"""Draw the distributions of true and predicted metallicities of an ensemble's stars."""

from job import logged
from metalyra.core import read_table
from metalyra.products import metallicity_histogram, save_figure

with logged(snakemake):
    stars = read_table(snakemake.input[0])
    samples = {"labels": stars["feh"], "predictions": stars["feh_predicted"]}
    save_figure(metallicity_histogram(samples, snakemake.wildcards.model), snakemake.output[0])
