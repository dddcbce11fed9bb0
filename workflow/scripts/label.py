"""Estimate the metallicities of a sample by a relation."""

from job import logged
from metalyra.relations import estimate_metallicity, read_relations
from metalyra.tables import read_table, read_tables, write_table

with logged(snakemake):
    relation = snakemake.params.relation
    labels = estimate_metallicity(
        read_tables(snakemake.input.fits),
        read_table(snakemake.input.stars),
        relation,
        read_relations(*snakemake.input.relations)[relation],
    )
    write_table(labels, snakemake.output[0], {"relation": relation})
