"""Choose the trials of the first round of a bracket."""

from job import logged
from metalyra.search import start_bracket
from metalyra.tables import write_table

with logged(snakemake):
    params, wildcards = snakemake.params, snakemake.wildcards
    trials = start_bracket(
        params.search, params.training, int(wildcards.bracket), params.seed, wildcards.search
    )
    write_table(trials, snakemake.output[0])
