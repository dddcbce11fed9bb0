"""Star tables: several files made one, and every row given a status."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from metalyra.core.phase_differences import WINDOW_CENTRES, wrap_around
from metalyra.core.registry import ask_whether_meant
from metalyra.core.tables import GIVEN
from metalyra.surveys.formats.text_tables import STAR_COLUMNS, check_identifiers
from metalyra.surveys.interface import SurveyError

PULSATION_TYPES = ("RRab", "RRc")
"""The pulsation types that there are relations and models for."""


TYPE_ASSUMED = "type_assumed"
"""Column of what a reader returns: True for a star of whose type a user's list says nothing."""


UNKNOWN_TYPE = "unknown"
"""Pulsation type of a star that an archive's list says nothing of."""


def merge_star_tables(
    tables: Sequence[pd.DataFrame], descriptions: Sequence[pd.DataFrame] = ()
) -> pd.DataFrame:
    """Join the star files of one survey by star.

    Parameters
    ----------
    tables
        Tables with the column `star_id`. Every star of the first is kept, with its
        repetitions, then every star of the second that the first does not have, and so on.
    descriptions
        Tables that add columns and values to these stars, but no stars.

    Returns
    -------
    pandas.DataFrame
        All columns of all tables. Where a star's own row has no value, it is the one of
        the first table that has it.
    """
    known: set[str] = set()
    rows = []
    for table in tables:
        rows.append(table[~table["star_id"].isin(known)])
        known.update(rows[-1]["star_id"])
    merged = pd.concat(rows, ignore_index=True)
    for table in (*tables, *descriptions):
        first = table.dropna(subset="star_id").drop_duplicates("star_id").set_index("star_id")
        for column in first.columns:
            values = merged["star_id"].map(first[column])
            if column in merged:
                values = merged[column].where(merged[column].notna(), values)
            merged[column] = values
    return merged


def to_sine_series(stars: pd.DataFrame) -> pd.DataFrame:
    """Return a star table with `archive_phi21` and `archive_phi31` of the sine series.

    OGLE and Gaia give them for the series ``m0 + sum A_k cos(2 pi k t / P + phi_k)``. With
    ``cos x = sin(x + pi/2)`` every phi_k grows by pi/2, so that phi21 = phi_2 - 2 phi_1
    changes by -pi/2 and phi31 = phi_3 - 3 phi_1 by -pi. Both come in the window of the
    star's pulsation type, or in that of RRab for types that have none.
    """
    converted = stars.copy()
    for k, shift in ((2, -np.pi / 2), (3, -np.pi)):
        column = f"archive_phi{k}1"
        if column not in stars:
            continue
        centres = {kind: windows[k] for kind, windows in WINDOW_CENTRES.items()}
        centre = stars["pulsation_type"].map(centres).fillna(centres["RRab"])
        phase = np.asarray(stars[column], dtype=np.float64) + shift
        converted[column] = wrap_around(phase, np.asarray(centre, dtype=np.float64))
    return converted


def check_stars(
    raw: pd.DataFrame, periods_required: bool = True, assume_types: bool = True
) -> pd.DataFrame:
    """Make the stars table: unique identifiers, numbers in their columns, a status each.

    Parameters
    ----------
    raw
        What a survey's `read_stars` returns.
    periods_required
        False for a sample whose periods and pulsation types come from a match; then a
        star without them is still ok, and `metalyra.match.crossmatch` has the last word.
    assume_types
        False where types are found later: one that the reader has assumed is then empty.

    Returns
    -------
    pandas.DataFrame
        The rows of `raw` in their order: `star_id`, `ra`, `dec` (deg, NaN if unknown),
        `period` (d, NaN unless positive and finite), `pulsation_type`, the survey's
        columns, and `status`: ``ok``, ``duplicate_id`` (the second star ``ID`` is called
        ``ID#2``), ``invalid_period`` or ``wrong_pulsation_type``.

    Raises
    ------
    SurveyError
        If a row has no identifier.
    """
    raw = raw.reset_index(drop=True)
    if not assume_types and TYPE_ASSUMED in raw:
        raw = raw.assign(pulsation_type=raw["pulsation_type"].mask(raw[TYPE_ASSUMED], ""))
    ids = raw["star_id"].astype("str").str.strip()
    check_identifiers("the star list", ids)
    repeated = ids.duplicated()
    stars = pd.DataFrame(
        {
            "star_id": _make_unique(ids),
            "ra": _within(raw["ra"], 0.0, 360.0),
            "dec": _within(raw["dec"], -90.0, 90.0),
            "period": _positive(raw["period"]),
            "pulsation_type": raw["pulsation_type"].astype("str").str.strip(),
        }
    )
    extra = raw.columns.difference([*STAR_COLUMNS, TYPE_ASSUMED, "status"], sort=False)
    stars = pd.concat([stars, raw[extra]], axis="columns")
    status = pd.Series("ok", index=stars.index)
    if periods_required:
        status = status.mask(~stars["pulsation_type"].isin(PULSATION_TYPES), "wrong_pulsation_type")
        status = status.mask(stars["period"].isna(), "invalid_period")
    stars["status"] = status.mask(repeated, "duplicate_id")
    return stars


def require_periods(paths: Sequence[Path], raw: pd.DataFrame) -> None:
    """Raise `SurveyError` unless a user's star list has the period of some star.

    Parameters
    ----------
    paths
        Its files, for the message.
    raw
        What the survey's `read_stars` returns, with other columns as ``given_<name>``.
    """
    if raw["period"].notna().any() or raw.empty:
        return
    others = [name.removeprefix(GIVEN) for name in map(str, raw) if name.startswith(GIVEN)]
    has = ", ".join(others[:30]) or "no other"
    raise SurveyError(
        f"{', '.join(map(str, paths))}: no column 'period' with the period (d) of any star; "
        f"{ask_whether_meant('period', others)}other columns are: {has}; name yours with columns: "
        "{period: <name>}, or let periods be found with periods: find"
    )


def explain_statuses(raw: pd.DataFrame, stars: pd.DataFrame) -> "pd.Series[str]":
    """Say in words why stars of a list are not ok.

    Parameters
    ----------
    raw, stars
        What `check_stars` was given and has made of it.

    Returns
    -------
    Series
        Of every star; empty for those that are ok.
    """
    raw = raw.reset_index(drop=True)
    reasons = pd.Series("", index=stars.index, dtype=object)
    first_row: dict[str, int] = {}
    for row, star_id in enumerate(raw["star_id"].astype("str").str.strip()):
        first_row.setdefault(star_id, row)
        status = stars["status"].iloc[row]
        if status == "duplicate_id":
            reasons.iloc[row] = f"row {first_row[star_id] + 1} of the star list is the same star"
        elif status == "wrong_pulsation_type":
            known = ", ".join(PULSATION_TYPES)
            reasons.iloc[row] = f"its type is {stars['pulsation_type'].iloc[row]!r}; known: {known}"
        elif status == "invalid_period":
            given = raw["period"].iloc[row]
            if pd.isna(given) or not str(given).strip():
                reasons.iloc[row] = "the star list has no period of it"
            elif pd.isna(number := pd.to_numeric(given, errors="coerce")):
                reasons.iloc[row] = f"its period is {str(given)[:40]!r}, which is not a number"
            else:
                what = "positive" if np.isfinite(number) else "finite"
                reasons.iloc[row] = f"its period is {str(given)[:40]}, which is not {what}"
    return reasons.astype("str")


def _make_unique(ids: pd.Series) -> pd.Series:
    """Call the second star ``ID`` ``ID#2``, or by the next number whose name is free."""
    taken = set(ids)
    unique = ids.copy()
    repeated = ids.groupby(ids).cumcount().loc[lambda count: count > 0]
    for row, number in zip(repeated.index, repeated, strict=True):
        number += 1
        while (name := f"{ids[row]}#{number}") in taken:
            number += 1
        taken.add(name)
        unique[row] = name
    return unique


def _numbers(values: pd.Series) -> pd.Series:
    return pd.to_numeric(values, errors="coerce").astype(float)


def _positive(values: pd.Series) -> pd.Series:
    numbers = _numbers(values)
    return numbers.where((numbers > 0) & np.isfinite(numbers))


def _within(values: pd.Series, lowest: float, highest: float) -> pd.Series:
    numbers = _numbers(values)
    return numbers.where(numbers.between(lowest, highest))
