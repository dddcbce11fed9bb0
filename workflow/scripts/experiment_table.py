"""Write the table of an experiment: the metrics of its models, and what they took."""

import json
from pathlib import Path

from job import logged
from metalyra.products import read_cpu_time, tabulate_experiment, write_paper_table

with logged(snakemake):
    models = snakemake.params.models
    table = tabulate_experiment(
        list(models.values()),
        [json.loads(Path(card).read_text()) for card in snakemake.input.cards],
        [read_cpu_time(snakemake.input[f"training_{model}"]) for model in models],
    )
    write_paper_table(table, snakemake.output[0])
