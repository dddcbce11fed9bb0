"""Draw a figure of a study, by its name."""

from job import logged
from metalyra.products import FIGURES, Subject, save_figure

with logged(snakemake):
    subject = Subject(
        dict(snakemake.wildcards.items()),
        dict(snakemake.input.items()),
        snakemake.params.settings,
        snakemake.params.titles,
    )
    drawn = FIGURES[snakemake.params.figure](subject)
    for path in snakemake.output:
        save_figure(drawn, path)
