"""Predict the metallicities of a chunk of a sample."""

from pathlib import Path

from job import logged
from metalyra.prediction import predict_metallicities, read_card
from metalyra.selection import select_stars
from metalyra.sequences import make_sequences
from metalyra.tables import read_table, write_table

with logged(snakemake):
    model = Path(snakemake.input.card).parent
    card = read_card(model)
    fits = select_stars(
        read_table(snakemake.input.fits),
        read_table(snakemake.input.stars),
        snakemake.params.pulsation_type,
    )
    sequences = make_sequences(fits, read_table(snakemake.input.folded), card["sequence"])
    predicted = predict_metallicities(model, *sequences)
    predictions = fits[["star_id", "status"]].merge(
        predicted, how="left", on="star_id", validate="one_to_one"
    )
    write_table(predictions, snakemake.output[0], {"relation": card["relation"]})
