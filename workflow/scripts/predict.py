"""Predict the metallicities of a chunk of a sample."""

from pathlib import Path

from job import logged
from metalyra.prediction import predict_stars, read_card
from metalyra.selection import select_stars
from metalyra.tables import read_table, write_table

with logged(snakemake):
    model = Path(snakemake.input.card).parent
    fits = select_stars(
        read_table(snakemake.input.fits),
        read_table(snakemake.input.stars),
        snakemake.params.pulsation_type,
    )
    predicted = predict_stars(model, fits, read_table(snakemake.input.folded))
    predictions = fits[["star_id", "status"]].merge(
        predicted, how="left", on="star_id", validate="one_to_one"
    )
    write_table(predictions, snakemake.output[0], {"relation": read_card(model)["relation"]})
