"""Compare the catalogue with the simulated truth."""

import pandas as pd

from job import logged
from metalyra.core import read_table, write_csv, write_table
from metalyra.products import compare_with_truth, pair_with_truth

with logged(snakemake):
    pairs = pair_with_truth(
        read_table(snakemake.input.catalogue),
        pd.read_csv(snakemake.input.truth, dtype={"star_id": str}),
        snakemake.params.surveys,
    )
    write_table(pairs, snakemake.output.pairs)
    write_csv(compare_with_truth(pairs), snakemake.output.table)
