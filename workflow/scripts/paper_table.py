"""Write a table of a paper."""

from job import logged
from metalyra.core import read_table, read_tables
from metalyra.products import LAYOUTS, write_paper_table

with logged(snakemake):
    table = LAYOUTS[snakemake.params.layout].make(
        read_table(snakemake.input.stars),
        read_tables(snakemake.input.fits),
        read_tables(snakemake.input.metallicities),
    )
    write_paper_table(table, snakemake.output[0])
