"""Write a trained stack as a model that the library comes with."""

from pathlib import Path

from job import logged
from metalyra.predict import ship_model

with logged(snakemake):
    ship_model(
        Path(snakemake.input.card).parent,
        Path(snakemake.output.card).parent,
        snakemake.params.description,
    )
