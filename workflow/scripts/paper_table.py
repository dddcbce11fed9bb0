"""Write a table of a paper."""

from job import logged
from metalyra.core import read_table, read_tables
from metalyra.products import table1, table5, write_paper_table

with logged(snakemake):
    make_table = table5 if "model" in snakemake.params.product else table1
    table = make_table(
        read_table(snakemake.input.stars),
        read_tables(snakemake.input.fits),
        read_tables(snakemake.input.metallicities),
    )
    write_paper_table(table, snakemake.output[0])
