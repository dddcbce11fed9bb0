"""Choose the trials of the first round of a bracket."""

from job import logged
from metalyra.core import write_table
from metalyra.train import start_bracket

with logged(snakemake):
    params, wildcards = snakemake.params, snakemake.wildcards
    trials = start_bracket(
        params.search, params.training, int(wildcards.bracket), params.seed, wildcards.search
    )
    write_table(trials, snakemake.output[0])
