"""Gather the catalogue of a study, and all the estimates behind it."""

from pathlib import Path

import metalyra
from job import logged
from metalyra.core import write_table
from metalyra.products import describe_flags, make_catalogue, make_estimates, write_catalogue
from stage_tables import read_measured

with logged(snakemake):
    measured = read_measured(snakemake.input, snakemake.params.study)
    about = {"study": snakemake.config["study"], "metalyra": metalyra.__version__}
    about |= describe_flags(snakemake.params.study)
    write_catalogue(make_catalogue(*measured), Path(snakemake.output.parquet).parent, about)
    write_table(make_estimates(*measured), snakemake.output.estimates, about)
