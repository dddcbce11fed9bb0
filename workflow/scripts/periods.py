"""Find or check the periods of a chunk of a sample."""

from job import logged
from metalyra.core import read_table, select_chunk, write_table
from metalyra.fit import find_periods

with logged(snakemake):
    stars = select_chunk(
        read_table(snakemake.input.stars),
        int(snakemake.wildcards.chunk),
        snakemake.params.chunks,
    )
    others = read_table(*snakemake.input.others) if snakemake.input.others else None
    found = find_periods(
        stars,
        read_table(snakemake.input.light_curves),
        snakemake.params.mode,
        # A further band may be there for the shapes alone.
        others if others is None else others[others["band"].isin(snakemake.params.bands)],
    )
    write_table(found, snakemake.output[0])
