"""Count the stars of every stage, and fail if one is lost."""

from pathlib import Path

from job import logged
from metalyra.core import read_table, replace_when_complete
from metalyra.products import make_ledger
from stage_tables import STATUS, read_stages

with logged(snakemake):
    ledger = make_ledger(
        read_stages(snakemake.input, snakemake.params.study),
        read_table(snakemake.input.catalogue, ["sample", *STATUS]),
    )
    with replace_when_complete(Path(snakemake.output[0])) as temporary:
        ledger.to_csv(temporary, index=False)
