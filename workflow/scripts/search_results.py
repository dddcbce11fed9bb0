"""Find the best trial of a search."""

from pathlib import Path

import pandas as pd
import yaml

from job import logged
from metalyra.core import read_table, replace_when_complete, write_csv, write_table
from metalyra.train import describe_best

with logged(snakemake):
    params = snakemake.params
    results = pd.concat(map(read_table, snakemake.input), ignore_index=True)
    best = describe_best(results, params.search, params.network, params.training)
    write_table(results, snakemake.output.table)
    write_csv(results, snakemake.output.csv)
    with replace_when_complete(Path(snakemake.output.best)) as path:
        path.write_text(yaml.safe_dump(best, sort_keys=False))
