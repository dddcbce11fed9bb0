"""Cross-match a sample with its reference."""

from job import logged
from metalyra.crossmatch import match_stars
from metalyra.tables import read_table, write_table

with logged(snakemake):
    matched = match_stars(
        read_table(snakemake.input.stars),
        read_table(snakemake.input.reference),
        **snakemake.params.settings,
    )
    write_table(matched, snakemake.output[0])
