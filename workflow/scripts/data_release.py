"""Make the catalogue of a study ready for a data release."""

import json
from pathlib import Path

from job import logged
from metalyra.core import read_table
from metalyra.products import (
    READ_ESTIMATES,
    make_release_table,
    read_release,
    write_data_release,
)

with logged(snakemake):
    files, settings = snakemake.input, snakemake.params.settings
    release = read_release(
        snakemake.config["study"], settings, [files.published, *files.calibrated], files.cards
    )
    table = make_release_table(
        read_table(files.catalogue), read_table(files.estimates, list(READ_ESTIMATES)), settings
    )
    provenance = json.loads(Path(files.provenance).read_text(encoding="utf-8"))
    write_data_release(Path(snakemake.output.readme).parent, table, release, provenance)
