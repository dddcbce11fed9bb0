"""Count the stars of every stage, and fail if one is lost."""

from job import logged
from metalyra.core import read_table, write_csv
from metalyra.products import make_ledger
from stage_tables import STATUS, read_stages

with logged(snakemake):
    ledger = make_ledger(
        read_stages(snakemake.input, snakemake.params.study),
        read_table(snakemake.input.catalogue, ["sample", *STATUS]),
    )
    write_csv(ledger, snakemake.output[0])
