"""Choose the trials of a search that go on to the next round."""

import pandas as pd

from job import logged
from metalyra.core import read_table, write_table
from metalyra.train import next_round

with logged(snakemake):
    results = pd.concat(map(read_table, snakemake.input), ignore_index=True)
    trials = next_round(results, snakemake.params.metric, snakemake.params.trials)
    write_table(trials, snakemake.output[0])
