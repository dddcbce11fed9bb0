"""Measure how well models do for labelled stars of few and of many epochs."""

from job import logged
from metalyra.core import read_table, read_tables, write_csv, write_table
from metalyra.products import measure_by_epochs, pair_with_labels

with logged(snakemake):
    params, inputs = snakemake.params, snakemake.input
    pairs = pair_with_labels(
        read_tables(inputs.fits, ["star_id", "n_epochs"]),
        read_table(inputs.labels),
        {model: read_tables(inputs[f"predictions_{model}"]) for model in params.models},
    )
    write_table(pairs, snakemake.output.pairs)
    write_csv(measure_by_epochs(pairs, params.models, params.edges), snakemake.output.table)
