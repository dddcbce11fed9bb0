"""Bring a source to the study: from the mirror or the archive, verified."""

from pathlib import Path

from job import logged
from metalyra.sources import acquire, find_mirror, find_source

with logged(snakemake):
    acquire(
        find_source(snakemake.wildcards.source, Path(snakemake.input.registry)),
        Path(snakemake.output[0]),
        find_mirror(snakemake.config["mirror"]),
    )
