"""Read one published network into ours."""

from job import logged
from metalyra.predict import convert_published_network

with logged(snakemake):
    convert_published_network(
        snakemake.input.architecture,
        snakemake.input.weights,
        snakemake.output[0],
        sequence=snakemake.params.sequence,
    )
