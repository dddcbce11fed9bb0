"""Read the published networks of a model into ours."""

from pathlib import Path

from job import logged
from metalyra.predict import convert_published_network

with logged(snakemake):
    for member, weights in enumerate(snakemake.input.weights):
        convert_published_network(
            snakemake.input.architecture,
            weights,
            Path(snakemake.output[0]) / f"member_{member}.keras",
            sequence=snakemake.params.sequence,
        )
