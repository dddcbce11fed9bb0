"""Find the modes of distributions of [Fe/H]."""

from compared_sides import read_side
from job import logged
from metalyra.core import write_csv, write_table
from metalyra.products import join_sides, summarise_distributions

with logged(snakemake):
    stars = join_sides(
        read_side(snakemake.input, f"side{place}", settings)
        for place, settings in enumerate(snakemake.params.sides)
    )
    write_table(stars, snakemake.output.stars)
    write_csv(summarise_distributions(stars), snakemake.output.modes)
