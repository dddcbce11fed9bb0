"""A small sky of RR Lyrae stars with known [Fe/H], as the archives would publish it."""

from testbench.simulate.archive_files import archive_files, write_archives
from testbench.simulate.plain_tables import simulate_stars
from testbench.simulate.sky import Archive, Sky, simulate_sky
from testbench.simulate.survey import SimulatedSurvey, simulate_survey, write_survey

__all__ = [
    "Archive",
    "SimulatedSurvey",
    "Sky",
    "archive_files",
    "simulate_sky",
    "simulate_stars",
    "simulate_survey",
    "write_archives",
    "write_survey",
]
