"""Collect light curves that the populations of a stack learn from without labels."""

import pandas as pd

from job import logged
from metalyra.core import read_table, read_tables, write_table
from metalyra.train import select_unlabelled

with logged(snakemake):
    files, params = snakemake.input, snakemake.params
    fits, folded, known = [], [], set()
    for name in params.samples:
        chosen = select_unlabelled(
            read_table(files[f"stars_{name}"]),
            read_tables(files[f"fits_{name}"]),
            read_table(files.development),
            read_table(files.trained),
            params.pulsation_type,
            most=params.most,
            seed=params.seed,
        )
        chosen = chosen[~chosen["star_id"].isin(known)]
        known |= set(chosen["star_id"])
        fits.append(chosen)
        folded.append(read_tables(files[f"folded_{name}"], star_ids=set(chosen["star_id"])))
    write_table(pd.concat(fits, ignore_index=True), snakemake.output.fits)
    write_table(pd.concat(folded, ignore_index=True), snakemake.output.folded)
