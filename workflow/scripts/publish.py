"""Read the networks of a published model into ours."""

from pathlib import Path

import yaml

from job import logged
from metalyra.predict import convert_published_model
from metalyra.train import read_training_stars

with logged(snakemake):
    params, settings = snakemake.params, snakemake.params.settings
    known = yaml.safe_load(Path(snakemake.input.known).read_text())
    training_stars = snakemake.input.training_stars
    convert_published_model(
        Path(snakemake.input.architecture).parent,
        Path(snakemake.output.card).parent,
        name=params.name,
        band=settings["band"],
        relation=settings["relation"],
        sequence=settings["sequence"],
        members=settings["members"],
        pulsation_type=settings["pulsation_type"],
        known=known.get(settings["published"]),
        training_stars=read_training_stars(training_stars[0]) if training_stars else None,
    )
