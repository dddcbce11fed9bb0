"""Label the stars of a sample with metallicities."""

from job import logged
from metalyra.core import list_columns, read_table, read_tables, write_table
from metalyra.label import AS_PUBLISHED, estimate_metallicity, read_relations, take_published

with logged(snakemake):
    relation = snakemake.params.relation
    # The curves are three quarters of the fits, and of the memory that they take.
    fits = read_tables(snakemake.input.fits, list_columns(snakemake.input.fits[0]))
    stars = read_table(snakemake.input.stars)
    if relation == AS_PUBLISHED:
        labels = take_published(fits, stars)
    else:
        relations = read_relations(*snakemake.input.relations)
        labels = estimate_metallicity(
            fits, stars, relation, relations[relation], **snakemake.params.settings
        )
    write_table(labels, snakemake.output[0], {"relation": relation})
