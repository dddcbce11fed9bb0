"""Join the chunks of a star table with periods, in the order of the star list."""

from job import logged
from metalyra.core import order_as, read_table, read_tables, write_table

with logged(snakemake):
    listed = read_table(snakemake.input.stars, ["star_id"])
    write_table(order_as(read_tables(snakemake.input.chunks), listed), snakemake.output[0])
