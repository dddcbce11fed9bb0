"""Cross-match a sample with its reference."""

from job import logged
from metalyra.core import read_table, write_table
from metalyra.match import match_stars

with logged(snakemake):
    matched = match_stars(
        read_table(snakemake.input.stars),
        read_table(snakemake.input.reference),
        **snakemake.params.settings,
    )
    write_table(matched, snakemake.output[0])
