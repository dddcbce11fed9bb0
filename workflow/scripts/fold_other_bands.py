"""Fold the light curves of a chunk of a sample in further bands."""

from job import logged
from metalyra.core import read_table, write_table
from metalyra.fit import fold_other_bands

with logged(snakemake):
    light_curves = read_table(snakemake.input.light_curves)
    # A further band may be there for the periods alone.
    chosen = light_curves["band"].isin(snakemake.params.bands)
    folded = fold_other_bands(read_table(snakemake.input.fits), light_curves[chosen])
    write_table(folded, snakemake.output[0])
