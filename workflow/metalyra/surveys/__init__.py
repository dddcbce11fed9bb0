"""The surveys: one module reads the native formats of each archive.

A module of this package makes a `Survey`, or one for each release, and registers it. The
formats that they share are in `metalyra.surveys.formats`.
"""

from collections.abc import Mapping
from typing import Any

from metalyra.core.registry import UnknownNameError
from metalyra.surveys.formats.star_tables import check_stars
from metalyra.surveys.ingestion import ingest
from metalyra.surveys.interface import SURVEYS, LightCurve, Survey, SurveyError
from metalyra.surveys.other_bands import ingest_other_bands

__all__ = [
    "SURVEYS",
    "LightCurve",
    "Survey",
    "SurveyError",
    "check_stars",
    "ingest",
    "ingest_other_bands",
    "survey",
]


def survey(name: str, reading: Mapping[str, Any] | None = None) -> Survey:
    """Return a survey by its name in the configuration.

    Parameters
    ----------
    name
        As in the configuration.
    reading
        What a user says of files of their own: `columns`, `time_scale`,
        `magnitude_zero_point`.

    Raises
    ------
    SurveyError
        If there is none, naming those there are, or what the user says has no meaning.
    """
    try:
        found = SURVEYS[name]
    except UnknownNameError as error:
        raise SurveyError(str(error)) from error
    return found.read_with(**reading) if reading and found.read_with else found
