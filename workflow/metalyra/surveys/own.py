"""The user's own stars: a table of stars, and light curves as one table each or one long table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from metalyra.core.containers import (
    MEMBER_LIMIT,
    Member,
    is_collection,
    list_members,
    stream_members,
)
from metalyra.surveys.formats.given_curves import Conventions, CurveReader, make_conventions
from metalyra.surveys.formats.given_stars import read_star_tables
from metalyra.surveys.formats.given_tables import read_given, stream_given, strip_table_suffix
from metalyra.surveys.interface import MAGNITUDES, LightCurve, Survey, SurveyError, register


def read_stars(paths: Sequence[Path], columns: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Read tables of stars.

    Parameters
    ----------
    paths
        Tables as `metalyra.surveys.formats.given_stars.read_star_tables` takes them.
    columns
        The user's names of columns, by ours.
    """
    return read_star_tables(paths, columns or {})


def read_light_curves(
    paths: Sequence[Path],
    stars: pd.DataFrame,
    band: str,
    conventions: Conventions | None = None,
) -> Iterator[LightCurve]:
    """Stream the user's light curves.

    Parameters
    ----------
    paths
        Folders or archives of tables named after their stars, with the columns `time` (d),
        `mag` or `flux`, and perhaps `mag_err` or `flux_err` and `band` (a file of two or three
        columns of numbers needs no header), or long tables with `star_id` besides. Other
        names of these columns are understood, see `metalyra.surveys.formats.column_names`;
        others are not used. Dates in a Parquet table become MJD (d), those with a time zone
        in UTC.
    stars
        The stars wanted.
    band
        Where a table has a column `band`, only its rows of this band count.
    conventions
        How the tables are understood, beside what their columns are called.

    Raises
    ------
    SurveyError
        If a long table cannot be read or misses a column, or no row is in the band.
    """
    reader = CurveReader(conventions or Conventions(), stars, band)
    tables = [file for path in paths for file in _list_tables(path, reader)]
    if reader.conventions.visits:
        tables = [file for file in tables if not _take_visits(file, reader)]
    for path in tables:
        if is_collection(path) and not _holds_one_table(path, reader.wanted):
            for member in stream_members(path):
                star_id = strip_table_suffix(member.name)
                if star_id is not None and star_id in reader.wanted:
                    yield from read_member(path, star_id, member, reader)
        elif path not in paths and strip_table_suffix(path.name) in reader.wanted:
            [member] = stream_members(path)
            yield from read_member(path.parent, str(strip_table_suffix(path.name)), member, reader)
        else:
            yield from reader.read_many(path, stream_given(path))
    reader.check_bands(", ".join(map(str, paths)))


def read_member(
    path: Path, star_id: str, member: Member, reader: CurveReader
) -> Iterator[LightCurve]:
    """Give the light curve of the star that a file of a folder or archive is named after."""
    place = f"{path}/{member.path}"
    try:
        if member.data is None:
            raise SurveyError(f"{place}: {member.problem}")
        table = read_given(place, member.data, [*MAGNITUDES], MEMBER_LIMIT)
        yield from reader.read_single(place, star_id, table)
    except ValueError as error:
        yield LightCurve(star_id, None, str(error))


def make_survey(
    name: str,
    conventions: Conventions,
    columns: Mapping[str, str] | None = None,
    time_scale: str | None = None,
    magnitude_zero_point: float | None = None,
) -> Survey:
    """Return a survey of a user's files.

    Parameters
    ----------
    name
        In the configuration.
    conventions
        How its tables are understood.
    columns, time_scale, magnitude_zero_point
        What the user says of them; see `metalyra.surveys.formats.given_curves.Conventions`.

    Raises
    ------
    SurveyError
        If a column or time scale is unknown.
    """
    said = make_conventions(conventions, columns, time_scale, magnitude_zero_point)
    return Survey(
        name=name,
        bands=(),
        time_scale="the user's own",
        columns=MAGNITUDES,
        read_stars=partial(read_stars, columns=said.columns),
        read_light_curves=partial(read_light_curves, conventions=said),
        archive_columns=("archive_feh", "archive_feh_err"),
        of_user=True,
        read_with=partial(make_survey, name, conventions),
        read_other_band=partial(read_light_curves, conventions=replace(said, bands_named=True)),
    )


OWN = register(make_survey("own", Conventions()), __name__)


def _list_tables(path: Path, reader: CurveReader) -> list[Path]:
    """Return the tables of a folder whose files may be of many stars, or the path itself."""
    if not (reader.conventions.many_tables and path.is_dir()):
        return [path]
    return [
        file
        for file in sorted(path.rglob("*"))
        if file.is_file() and strip_table_suffix(file.name) is not None
    ]


def _take_visits(path: Path, reader: CurveReader) -> bool:
    """Take the times of the visits of a table, if it is one of visits."""
    parts = stream_given(path)
    return reader.take_visits(next(parts)) and all(map(reader.take_visits, parts))


def _holds_one_table(path: Path, wanted: Mapping[str, int]) -> bool:
    """Say whether a zip holds one long table, rather than the light curve of a star."""
    if not path.name.lower().endswith(".zip"):
        return False
    names = list_members(path)
    return len(names) == 1 and strip_table_suffix(names[0]) not in wanted
