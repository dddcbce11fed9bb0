"""The archives: one module reads the native formats of each."""

from collections.abc import Mapping

from metalyra.surveys.dg22 import DG22
from metalyra.surveys.gaia import GAIA
from metalyra.surveys.ifeh import IFEH
from metalyra.surveys.ingestion import ingest
from metalyra.surveys.interface import LightCurve, Survey, SurveyError
from metalyra.surveys.ogle import OGLE
from metalyra.surveys.own import OWN
from metalyra.surveys.star_tables import check_stars
from metalyra.surveys.vvv import VVV

__all__ = ["SURVEYS", "LightCurve", "Survey", "SurveyError", "check_stars", "ingest", "survey"]

SURVEYS: Mapping[str, Survey] = {
    survey.name: survey for survey in (OGLE, *GAIA, VVV, DG22, IFEH, OWN)
}
"""The surveys, by their name in the configuration."""


def survey(name: str) -> Survey:
    """Return a survey by its name in the configuration.

    Raises
    ------
    SurveyError
        If there is none, naming those there are.
    """
    if name not in SURVEYS:
        raise SurveyError(f"unknown survey {name!r}; known are {', '.join(SURVEYS)}")
    return SURVEYS[name]
