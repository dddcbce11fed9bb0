"""Make the development set of a model."""

from job import logged
from metalyra.core import OK, read_table, read_tables, write_table
from metalyra.train import make_sequences, make_training_set, select_stars, write_sequences

with logged(snakemake):
    stars = read_table(snakemake.input.stars)
    fits = select_stars(read_tables(snakemake.input.fits), stars, snakemake.params.pulsation_type)
    folds = snakemake.params.folds
    if folds == "published":
        listed = stars[stars["archive_fold"].notna()]
        folds = dict(zip(listed["star_id"], listed["archive_fold"].astype(int), strict=True))
    development = make_training_set(
        fits,
        read_table(snakemake.input.labels),
        stars=stars,
        matched=stars if "reference_id" in stars else None,
        cuts=snakemake.params.cuts,
        folds=folds,
        repeats=snakemake.params.repeats,
        fewest_stars=snakemake.params.fewest_stars,
        seed=snakemake.params.seed,
    )
    write_table(development, snakemake.output.table)
    used = (development["status"] == OK).to_numpy()
    star_ids, sequences = make_sequences(
        fits[used],
        read_tables(snakemake.input.folded, star_ids=set(fits.loc[used, "star_id"])),
        snakemake.params.sequence,
    )
    write_sequences(snakemake.output.sequences, star_ids, sequences)
