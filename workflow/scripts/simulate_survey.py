"""Simulate a survey with spectroscopic metallicities, in the tables of a user's own stars."""

from pathlib import Path

from job import logged
from testbench.simulate import simulate_survey, write_survey

with logged(snakemake):
    write_survey(
        simulate_survey(snakemake.params.settings, snakemake.params.seed),
        Path(snakemake.output.stars),
        Path(snakemake.output.light_curves),
    )
