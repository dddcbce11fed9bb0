"""Join the samples that a model is trained on."""

import pandas as pd

from job import logged
from metalyra.core import read_table, read_tables, write_table
from metalyra.train import SampleTables, join_samples, list_usable_stars

with logged(snakemake):
    files, names = snakemake.input, snakemake.params.samples
    joined = join_samples(
        {
            name: SampleTables(
                read_table(files[f"stars_{name}"]),
                read_tables(files[f"fits_{name}"]),
                read_table(files[f"labels_{name}"]),
            )
            for name in names
        },
        through_match=snakemake.params.through_match,
    )
    for stage, table in joined._asdict().items():
        write_table(table, snakemake.output[stage])
    folded = [
        read_tables(files[f"folded_{name}"], star_ids=list_usable_stars(joined, name))
        for name in names
    ]
    write_table(pd.concat(folded, ignore_index=True), snakemake.output.folded)
