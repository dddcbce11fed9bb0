"""Write a table of a paper that lists the stars of a sample."""

from job import logged
from metalyra.core import read_table, read_tables
from metalyra.products import LAYOUTS, write_copies, write_paper_table

with logged(snakemake):
    layout = LAYOUTS[snakemake.params.layout]
    table = layout.make(
        read_table(snakemake.input.stars),
        read_tables(snakemake.input.fits),
        read_tables(snakemake.input.metallicities),
    )
    write_paper_table(table, snakemake.output.csv)
    write_copies(table, snakemake.output.csv, layout.title)
