"""Draw the metric of a search's trials against what they try."""

from job import logged
from metalyra.core import read_table
from metalyra.products import save_figure, search_trials

with logged(snakemake):
    figure = search_trials(
        read_table(snakemake.input[0]), snakemake.params.metric, snakemake.wildcards.search
    )
    save_figure(figure, snakemake.output[0])
