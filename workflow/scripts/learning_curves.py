"""Draw how the members of an ensemble were trained."""

from job import logged
from metalyra.core import read_table
from metalyra.products import learning_curves, save_figure

with logged(snakemake):
    histories = {member: read_table(path) for member, path in enumerate(snakemake.input)}
    save_figure(learning_curves(histories, snakemake.wildcards.model), snakemake.output[0])
