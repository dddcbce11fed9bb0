"""Draw how the members of an ensemble were trained."""

from job import logged
from metalyra.figures import learning_curves, save_figure
from metalyra.tables import read_table

with logged(snakemake):
    histories = {member: read_table(path) for member, path in enumerate(snakemake.input)}
    save_figure(learning_curves(histories, snakemake.wildcards.model), snakemake.output[0])
