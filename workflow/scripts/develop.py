"""Make the development set of a model."""

import json

from job import logged
from metalyra.core import OK, read_table, read_tables, write_table
from metalyra.train import (
    choose_cuts,
    make_sequences,
    make_training_set,
    select_stars,
    write_sequences,
)

with logged(snakemake):
    stars = read_table(snakemake.input.stars)
    params = snakemake.params
    fits = select_stars(read_tables(snakemake.input.fits), stars, params.pulsation_type)
    folds = params.folds
    if folds == "published":
        listed = stars[stars["archive_fold"].notna()]
        folds = dict(zip(listed["star_id"], listed["archive_fold"].astype(int), strict=True))
    cuts, not_applied = choose_cuts(params.cuts, params.optional_cuts, stars.columns)
    columns = params.label_columns
    label_fits = None
    if columns:
        label_fits = read_tables(snakemake.input.label_fits, ["star_id", *columns.values()])
        label_fits = label_fits.rename(columns={own: name for name, own in columns.items()})
    development = make_training_set(
        fits,
        read_table(snakemake.input.labels),
        label_fits=label_fits,
        stars=stars,
        matched=stars if params.through_match else None,
        cuts=cuts,
        folds=folds,
        repeats=params.repeats,
        fewest_stars=params.fewest_stars,
        seed=params.seed,
    )
    about = {"cuts": json.dumps(cuts), "cuts_not_applied": json.dumps(not_applied)}
    write_table(development, snakemake.output.table, about)
    used = (development["status"] == OK).to_numpy()
    star_ids, sequences = make_sequences(
        fits[used],
        read_tables(snakemake.input.folded, star_ids=set(fits.loc[used, "star_id"])),
        params.sequence,
    )
    write_sequences(snakemake.output.sequences, star_ids, sequences)
