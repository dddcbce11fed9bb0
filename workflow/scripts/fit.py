"""Fit the light curves of a chunk of a sample."""

from job import logged
from metalyra.core import read_metadata, read_table, select_chunk, write_table
from metalyra.fit import fit_stars

with logged(snakemake):
    fits, folded = fit_stars(
        select_chunk(
            read_table(snakemake.input.stars),
            int(snakemake.wildcards.chunk),
            snakemake.params.chunks,
        ),
        read_table(snakemake.input.light_curves),
        snakemake.params.settings,
        snakemake.params.seed,
    )
    # The times of the table, such as `epoch`, are on the scale of the survey.
    write_table(fits, snakemake.output.fits, read_metadata(snakemake.input.light_curves))
    write_table(folded, snakemake.output.folded)
