"""Read the light curves of a sample in other bands than its own."""

from pathlib import Path

from job import logged
from metalyra.core import read_table
from metalyra.surveys import ingest_other_bands, survey

with logged(snakemake):
    ingest_other_bands(
        survey(snakemake.params.survey, snakemake.params.reading),
        read_table(snakemake.input.stars),
        [Path(path) for path in snakemake.input.light_curves],
        snakemake.params.band,
        snakemake.params.other_bands,
        Path(snakemake.output[0]).parent,
        len(snakemake.output),
    )
