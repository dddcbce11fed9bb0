"""What a survey is to the rest of the library, and the registry of all."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from metalyra.core.registry import Registry


class SurveyError(ValueError):
    """A file or setting that a survey cannot use; the message says what it takes."""


class BandError(SurveyError):
    """A band that files do not have.

    Parameters
    ----------
    problem
        What it says.
    found
        The bands that there are, with the number of measurements in each.
    """

    def __init__(self, problem: str, found: str) -> None:
        super().__init__(problem)
        self.found = found


@dataclass(frozen=True, slots=True)
class LightCurve:
    """The light curve of one star, or a part of it, as one file has it.

    Attributes
    ----------
    star_id
        A star of the star table.
    table
        The survey's light-curve columns, one row per measurement; None if unreadable.
    problem
        Why it is unreadable.
    time_scale
        Time scale of the times, if it is not that of the survey.
    left_out
        Number of measurements that do not count, by why: ``in band V``.
    """

    star_id: str
    table: pd.DataFrame | None
    problem: str | None = None
    time_scale: str | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Survey:
    """The native formats of one archive.

    Attributes
    ----------
    name
        Name in the configuration.
    bands
        Photometric bands the archive has; empty if any name will do.
    time_scale
        Time scale of `time`.
    columns
        Columns of the light curves with their types, `time`, `mag` and `mag_err` first.
    read_stars
        Reads star files into one table with at least `star_id`, `ra`, `dec` (deg),
        `period` (d, as the file has it) and `pulsation_type`.
    read_light_curves
        Streams the light curves of the stars of a table, in one band, from files, folders
        or archives. A star may come in several parts.
    archive_columns
        The columns ``archive_*``, published values, that the stars may come with.
    of_user
        Whether the files are a user's own, not an archive's.
    read_with
        Makes the survey of files with other names of columns (`columns`), with times on a
        known scale (`time_scale`) or fluxes (`magnitude_zero_point`); a user's files only.
    names
        Digest of the names that the reader takes from ``resources/``; what is read with other
        names is read anew.
    read_other_band
        As `read_light_curves`, in a band beside that of the sample: only measurements whose
        band the files say. None if they do not.
    by_position
        Whether its light curves are asked for by position, so that the star list may be another
        archive's, with that one's identifiers.
    title
        What figures call it; without one, its name.
    """

    name: str
    bands: tuple[str, ...]
    time_scale: str
    columns: Mapping[str, type]
    read_stars: Callable[[Sequence[Path]], pd.DataFrame]
    read_light_curves: Callable[[Sequence[Path], pd.DataFrame, str], Iterator[LightCurve]]
    archive_columns: tuple[str, ...] = ()
    of_user: bool = False
    read_with: "Callable[..., Survey] | None" = None
    names: str = ""
    read_other_band: Callable[[Sequence[Path], pd.DataFrame, str], Iterator[LightCurve]] | None = (
        None
    )
    by_position: bool = False
    title: str = ""

    def check_band(self, band: str) -> None:
        """Raise `SurveyError` unless the survey has the band."""
        if self.bands and band not in self.bands:
            raise SurveyError(
                f"survey {self.name!r} has no band {band!r}; its bands: {', '.join(self.bands)}"
            )


MAGNITUDES: Mapping[str, type] = {"time": float, "mag": float, "mag_err": float}
"""The columns that every light curve has."""

OF_THE_STAR = (
    *("archive_period_err", "archive_blazhko_probability"),
    *("archive_feh", "archive_feh_err", "archive_fold"),
)
"""Published columns that say something of a star, whatever band its light curves are in."""

SURVEYS: Registry[Survey] = Registry("survey", "metalyra.surveys")
"""The surveys, by their name in the configuration."""


def register(survey: Survey, module: str) -> Survey:
    """Register a survey under its name, and return it.

    Parameters
    ----------
    survey
        What a module of this package makes.
    module
        The module, its ``__name__``.
    """
    return SURVEYS.register(survey.name, module)(survey)
