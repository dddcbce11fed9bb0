"""Read what the members of a published model predict for stars with labels."""

from job import logged
from metalyra.core import write_table
from metalyra.train import read_published_predictions

with logged(snakemake):
    write_table(read_published_predictions(snakemake.input[0]), snakemake.output[0])
