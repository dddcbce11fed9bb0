"""Draw the metric of a search's trials against what they try."""

from job import logged
from metalyra.figures import save_figure, search_trials
from metalyra.tables import read_table

with logged(snakemake):
    figure = search_trials(
        read_table(snakemake.input[0]), snakemake.params.metric, snakemake.wildcards.search
    )
    save_figure(figure, snakemake.output[0])
