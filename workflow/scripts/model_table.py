"""Write a table of a paper that compares models."""

from job import logged
from metalyra.core import read_table
from metalyra.products import LAYOUTS, write_copies, write_paper_table

with logged(snakemake):
    layout = LAYOUTS[snakemake.params.layout]
    models = {model: {} for model in snakemake.params.models}
    for name, path in snakemake.input.items():
        part, _, model = name.partition("_OF_")
        models[model][part] = read_table(path)
    table = layout.make(models)
    write_paper_table(table, snakemake.output.csv)
    write_copies(table, snakemake.output.csv, layout.title)
