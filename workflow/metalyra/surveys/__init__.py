"""The surveys: one module reads the native formats of each archive.

A module of this package makes a `Survey`, or one for each release, and registers it. The
formats that they share are in `metalyra.surveys.formats`.
"""

from metalyra.core.registry import UnknownNameError
from metalyra.surveys.formats.star_tables import check_stars
from metalyra.surveys.ingestion import ingest
from metalyra.surveys.interface import SURVEYS, LightCurve, Survey, SurveyError

__all__ = [
    "SURVEYS",
    "LightCurve",
    "Survey",
    "SurveyError",
    "check_stars",
    "ingest",
    "survey",
]


def survey(name: str) -> Survey:
    """Return a survey by its name in the configuration.

    Raises
    ------
    SurveyError
        If there is none, naming those there are.
    """
    try:
        return SURVEYS[name]
    except UnknownNameError as error:
        raise SurveyError(str(error)) from error
