"""Read the stars and light curves of a sample."""

from pathlib import Path

from job import logged
from metalyra.core import write_table
from metalyra.surveys import ingest, survey

with logged(snakemake):
    stars = ingest(
        survey(snakemake.params.survey, snakemake.params.reading),
        [Path(path) for path in snakemake.input.stars],
        [Path(path) for path in snakemake.input.light_curves],
        snakemake.params.band,
        Path(snakemake.output.light_curves[0]).parent,
        len(snakemake.output.light_curves),
        listed_by=survey(snakemake.params.listed_by, snakemake.params.reading),
        periods_required=snakemake.params.periods_required,
        assume_types=snakemake.params.assume_types,
        observed_only=snakemake.params.only_with_light_curves,
    )
    write_table(stars, snakemake.output.stars)
