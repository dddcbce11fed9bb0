"""Gather the catalogue of a study."""

from pathlib import Path

import metalyra
from job import logged
from metalyra.catalogue import write_catalogue
from stage_tables import read_catalogue

with logged(snakemake):
    write_catalogue(
        read_catalogue(snakemake.input, snakemake.params.study),
        Path(snakemake.output.parquet).parent,
        {"study": snakemake.config["study"], "metalyra": metalyra.__version__},
    )
