"""Write the card of a published model, and the stars that it was trained on."""

from pathlib import Path

import yaml

from job import logged
from metalyra.core import write_table
from metalyra.predict import list_training_stars, make_published_card, write_card
from metalyra.train import read_training_stars

with logged(snakemake):
    settings = snakemake.params.settings
    known = yaml.safe_load(Path(snakemake.input.known).read_text())
    stars = snakemake.input.training_stars
    training_stars = read_training_stars(stars[0]) if stars else None
    card = make_published_card(
        snakemake.input.architecture,
        snakemake.input.weights,
        name=snakemake.wildcards.model,
        band=settings["band"],
        relation=settings["relation"],
        sequence=settings["sequence"],
        pulsation_type=settings["pulsation_type"],
        known=known.get(settings["published"]),
        training_stars=training_stars,
    )
    write_table(list_training_stars(training_stars), snakemake.output.training_set)
    write_card(card, snakemake.output.card)
