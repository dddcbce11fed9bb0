"""Read the networks of a published model into ours."""

from pathlib import Path

from job import logged
from metalyra.published import convert_published_model

with logged(snakemake):
    convert_published_model(
        Path(snakemake.input.architecture).parent,
        Path(snakemake.output.card).parent,
        name=snakemake.params.name,
        band=snakemake.params.settings["band"],
        relation=snakemake.params.settings["relation"],
        sequence=snakemake.params.settings["sequence"],
        members=snakemake.params.settings["members"],
    )
