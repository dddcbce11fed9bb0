"""Describe how good the cross-match of a sample is."""

from job import logged
from metalyra.core import read_table, write_csv, write_table
from metalyra.match import match_by_chance, summarise_match

with logged(snakemake):
    stars, reference, matched = (
        read_table(snakemake.input[name]) for name in ("stars", "reference", "matched")
    )
    by_chance = match_by_chance(stars, reference, **snakemake.params.settings)
    write_table(by_chance, snakemake.output.by_chance)
    write_csv(
        summarise_match(stars, reference, matched, by_chance),
        snakemake.output.table,
        float_format="%.6f",
    )
