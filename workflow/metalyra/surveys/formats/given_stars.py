"""Star lists as users have them: types in any spelling, sexagesimal angles, several spectra."""

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from metalyra.core.arrays import Floats
from metalyra.core.tables import GIVEN
from metalyra.surveys.formats.column_names import (
    STAR_ALIASES,
    Aliases,
    name_columns,
    require_columns,
)
from metalyra.surveys.formats.given_tables import GivenTable, read_given_file
from metalyra.surveys.formats.star_tables import TYPE_ASSUMED, merge_star_tables
from metalyra.surveys.formats.text_tables import check_identifiers, to_degrees
from metalyra.surveys.interface import SurveyError

logger = logging.getLogger(__name__)

PUBLISHED: Mapping[str, str] = {
    "feh": "archive_feh",
    "feh_err": "archive_feh_err",
    "fold": "archive_fold",
}
"""What a star list may know besides, and its name in the star table."""

_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("ab", "0", "a", "fu", "f", "fundamental", "fundamentalmode"), "RRab"),
    **dict.fromkeys(("c", "1", "1o", "o1", "fo", "firstovertone"), "RRc"),
    **dict.fromkeys(("d", "01", "f1o", "doublemode"), "RRd"),
}
_UNITS_OF_DAYS: Mapping[str, float] = {
    **dict.fromkeys(("d", "day", "days"), 1.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 1 / 24),
    **dict.fromkeys(("min", "minute", "minutes"), 1 / 1440),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1 / 86400),
    **dict.fromkeys(("yr", "a", "year"), 365.25),
}
_UNITS_OF_DEGREES: Mapping[str, float] = {
    **dict.fromkeys(("deg", "degree", "degrees", "°"), 1.0),
    **dict.fromkeys(("hourangle", "h", "hr", "hour", "hours"), 15.0),
    **dict.fromkeys(("rad", "radian"), 180 / np.pi),
    **dict.fromkeys(("arcsec",), 1 / 3600),
}
_SPECTRA = ("archive_feh", "archive_feh_err")


def read_star_tables(
    paths: Sequence[Path], columns: Mapping[str, str], aliases: Aliases = STAR_ALIASES
) -> pd.DataFrame:
    """Read a user's star lists, tables of any kind, as one.

    Parameters
    ----------
    paths
        Tables with a column `star_id` and, if known, `period` (d), `ra`, `dec` (deg, or
        sexagesimal), `pulsation_type`, `feh`, `feh_err` (dex) and `fold`, or other names of
        these (`metalyra.surveys.formats.column_names`).
    columns
        The user's names of columns, by ours.
    aliases
        Names of columns that are understood.

    Returns
    -------
    pandas.DataFrame
        Text of `star_id`, `period` and `pulsation_type` (RRab where there is none), `ra` and
        `dec` (deg, NaN if unknown); `archive_feh`, `archive_feh_err` (dex) and `n_spectra`
        where the list has [Fe/H], and `archive_fold`; all other columns as ``given_<name>``.
        Rows of a star that differ in [Fe/H] alone are its spectra, and become one: see
        `merge_spectra`.

    Raises
    ------
    SurveyError
        If a file is no table, misses a column, has two of one meaning, or a row has no name.
    """
    tables = [read_star_table(path, read_given_file(path), columns, aliases) for path in paths]
    stars = merge_star_tables(tables)
    unknown = stars["pulsation_type"].isna()
    return stars.assign(
        pulsation_type=stars["pulsation_type"].fillna("RRab"), **{TYPE_ASSUMED: unknown}
    )


def merge_spectra(stars: pd.DataFrame) -> pd.DataFrame:
    """Return a star list in which every star with several spectra has their mean.

    Rows of one `star_id` are its spectra if they differ in `archive_feh` and
    `archive_feh_err` and in nothing else. The mean is weighted by the inverse variances where
    all have an error, and its error is theirs; else it is the plain mean, without an error.

    Parameters
    ----------
    stars
        With the columns `archive_feh` and `archive_feh_err` (dex).

    Returns
    -------
    pandas.DataFrame
        In the order of the first rows, with `n_spectra`, the number of rows with a [Fe/H].
    """
    others = stars.columns.difference([*_SPECTRA])
    merged = stars.assign(n_spectra=stars["archive_feh"].notna().astype(int))
    repeated = stars["star_id"].duplicated(keep=False)
    drop: list[int] = []
    for _, rows in stars[repeated].groupby("star_id", sort=False):
        same = rows[others].drop_duplicates()
        spectra = rows[[*_SPECTRA]].drop_duplicates()
        if len(same) > 1 or len(spectra) == 1:
            continue  # other stars of the same name, or the same row again
        known = rows.dropna(subset="archive_feh")
        feh, error = _mean_of_spectra(known["archive_feh"], known["archive_feh_err"])
        first = rows.index[0]
        merged.loc[first, [*_SPECTRA, "n_spectra"]] = [feh, error, len(known)]
        drop += list(rows.index[1:])
    return merged.drop(index=drop).reset_index(drop=True).astype({"n_spectra": int})


def normalise_type(text: str) -> str:
    """Return ``RRab``, ``RRc`` or ``RRd`` for the spellings of these types, else the text."""
    plain = re.sub(r"[^a-z0-9]", "", text.lower())
    plain = re.sub(r"^(rrlyrae|rrlyr|rr)", "", plain)
    return _TYPES.get(plain, text.strip())


def _mean_of_spectra(feh: pd.Series, errors: pd.Series) -> tuple[float, float]:
    if not len(feh):
        return np.nan, np.nan
    if (errors > 0).all():
        weights = errors**-2.0
        return float((feh * weights).sum() / weights.sum()), float(weights.sum() ** -0.5)
    return float(feh.mean()), np.nan


def read_star_table(
    path: Path | str,
    table: GivenTable,
    given: Mapping[str, str],
    aliases: Aliases = STAR_ALIASES,
) -> pd.DataFrame:
    """Return the star list that a table has; see `read_star_tables`.

    Parameters
    ----------
    path
        Where the table comes from, for messages.
    table
        With the columns as they were found.
    given, aliases
        The user's names of columns, and those that are understood, by ours.
    """
    named = name_columns(path, table.names, aliases, given)
    require_columns(path, table.names, named, ("star_id",))
    for row, problem in table.odd_rows.items():
        raise SurveyError(f"{path}: row {row + 1} {problem}")
    try:
        stars = pd.DataFrame({"star_id": table.text(named["star_id"])})
        check_identifiers(path, stars["star_id"])
        stars["ra"] = _angles(path, table, named.get("ra"), stars["star_id"], hours=True)
        stars["dec"] = _angles(path, table, named.get("dec"), stars["star_id"], hours=False)
        stars["period"] = _periods(path, table, named.get("period"))
        stars["pulsation_type"] = _types(table, named.get("pulsation_type"))
        for name, ours in PUBLISHED.items():
            if name in named:
                stars[ours] = _metallicities(path, table, named[name], stars["star_id"])
    except ValueError as error:
        raise SurveyError(f"{path}: {error}".replace(f"{path}: {path}: ", f"{path}: ")) from error
    if "feh" in named:
        stars["archive_feh_err"] = stars.get("archive_feh_err", np.nan)
    taken = {*named.values()}
    passing = {
        f"{GIVEN}{name.strip()}": _pass_through(table, name)
        for name in table.names
        if name not in taken and name.strip()
    }
    stars = pd.concat(
        [stars, pd.DataFrame({k: v for k, v in passing.items() if v is not None})], axis="columns"
    )
    return merge_spectra(stars) if "feh" in named else stars


def _periods(path: Path | str, table: GivenTable, name: str | None) -> pd.Series:
    """Return the periods as text, in days, None where there is none."""
    if name is None:
        return pd.Series([None] * len(table), dtype=object)
    unit = _unit_of(table, name)
    if unit is not None and unit not in _UNITS_OF_DAYS:
        raise SurveyError(f"{path}: its column {name!r} is in {unit!r}, which is no time")
    factor = _UNITS_OF_DAYS.get(unit or "d", 1.0)
    values = table.columns[name]
    if isinstance(values, list):
        text = table.text(name)
    else:
        numbers, bad = table.numbers(name)
        text = pd.Series([repr(float(value)) for value in numbers], dtype="str")
        text = text.mask(bad, pd.Series([table.cell(name, row) for row in range(len(table))]))
    if factor != 1.0:
        in_days = pd.to_numeric(text, errors="coerce") * factor
        text = text.where(in_days.isna(), in_days.map(repr))
    missing = text.str.lower().isin(["", "nan", "--", "null", "none", "na", "n/a", "<na>"])
    return text.astype(object).mask(missing, None)


def _types(table: GivenTable, name: str | None) -> pd.Series:
    if name is None:
        return pd.Series([None] * len(table), dtype=object)
    text = table.text(name)
    missing = text.str.lower().isin(["", "nan", "--", "-", "null", "none", "na", "n/a", "<na>"])
    return text.astype(object).map(normalise_type).mask(missing, None)


def _angles(
    path: Path | str, table: GivenTable, name: str | None, star_ids: pd.Series, *, hours: bool
) -> pd.Series:
    """Return angles in degrees, NaN where there is none; sexagesimal ones of `ra` are hours."""
    if name is None:
        return pd.Series(np.nan, index=range(len(table)))
    unit = _unit_of(table, name)
    if unit is not None and unit not in _UNITS_OF_DEGREES:
        raise SurveyError(f"{path}: its column {name!r} is in {unit!r}, which is no angle")
    numbers, bad = table.numbers(name)
    degrees = pd.Series(numbers * _UNITS_OF_DEGREES.get(unit or "deg", 1.0))
    if bad.any():
        text = table.text(name)[bad]
        in_degrees = text.str.contains("d|°", case=False)
        parsed = to_degrees(text, hours=hours)
        degrees[bad] = parsed.where(~(in_degrees & hours), to_degrees(text)).to_numpy()
        unknown = degrees.isna() & bad
        if unknown.any():
            row = int(np.flatnonzero(unknown)[0])
            logger.warning(
                "%s: %d values of %r are no angles and are left out; row %d, star %s, has %r",
                *(path, unknown.sum(), name, row + 1, star_ids[row], table.cell(name, row)),
            )
    return degrees


def _metallicities(path: Path | str, table: GivenTable, name: str, star_ids: pd.Series) -> Floats:
    """Return numbers that a training uses, so that none may be lost."""
    numbers, bad = table.numbers(name)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise SurveyError(
            f"{path}: row {row + 1}, star {star_ids[row]}, has {table.cell(name, row)!r} in the "
            f"column {name!r}, which is not a number; leave the cell empty if it is unknown"
        )
    return numbers


def _unit_of(table: GivenTable, name: str) -> str | None:
    unit = table.units.get(name, "").strip().lower()
    return unit or None


def _pass_through(table: GivenTable, name: str) -> pd.Series | None:
    """Return a column as the list has it; None for one of lists."""
    values = table.columns[name]
    if isinstance(values, list):
        return pd.Series(values, dtype="str").str.strip()
    try:
        return pd.Series(values.to_pandas()) if _is_plain(values.type) else None
    except (ValueError, TypeError):
        return None


def _is_plain(kind: object) -> bool:
    return not (pa.types.is_nested(kind) or pa.types.is_binary(kind))
