"""Compare the catalogue with the simulated truth."""

from pathlib import Path

import pandas as pd

from job import logged
from metalyra.core import read_table, replace_when_complete, write_table
from metalyra.products import compare_with_truth, pair_with_truth

with logged(snakemake):
    pairs = pair_with_truth(
        read_table(snakemake.input.catalogue),
        pd.read_csv(snakemake.input.truth, dtype={"star_id": str}),
        snakemake.params.surveys,
    )
    write_table(pairs, snakemake.output.pairs)
    with replace_when_complete(Path(snakemake.output.table)) as temporary:
        compare_with_truth(pairs).to_csv(temporary, index=False, float_format="%.4f")
