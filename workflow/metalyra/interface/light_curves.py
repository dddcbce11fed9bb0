"""Light curves as one has them in Python, read by the rules for a user's files.

Only fluxes without a unit or zero point are another matter: here they make relative magnitudes,
whose zero is the median flux of the star. The shape of a light curve, and so its [Fe/H], needs no
more.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from metalyra.interface.tables import find_columns, gather, join_columns, take_table, unit_of
from metalyra.surveys.formats.column_names import name_columns
from metalyra.surveys.formats.given_curves import Conventions, CurveReader, zero_point_of_unit
from metalyra.surveys.formats.given_tables import GivenTable
from metalyra.surveys.interface import MAGNITUDES, LightCurve, SurveyError

RELATIVE = (
    "magnitudes are relative, -2.5 log10 of the flux over its median: mean_mag has no zero point"
)
"""Caveat of a star whose fluxes have no unit."""

_HOW = "give arrays of time (d) and mag, or a table with columns for time and mag or flux"


@dataclass(frozen=True)
class GivenCurves:
    """Light curves as they were given.

    Attributes
    ----------
    of_stars
        A table for each of some stars, or what is wrong with it.
    long
        A table with a column for the star, or None.
    """

    of_stars: Mapping[str, GivenTable | ValueError]
    long: GivenTable | None = None

    @property
    def tables(self) -> list[GivenTable]:
        """All tables."""
        tables = [self.long, *self.of_stars.values()]
        return [table for table in tables if isinstance(table, GivenTable)]


def take_curve(time: Any, mag: Any = None, mag_err: Any = None) -> GivenTable:
    """Return the light curve of one star as a table.

    Parameters
    ----------
    time
        Times (d), dates or a Time of astropy; or a table, see `take_table`.
    mag, mag_err
        Magnitudes and their errors (mag), or fluxes with units. A single error is that of
        all.

    Raises
    ------
    ValueError
        If something is no light curve: it says what.
    """
    if isinstance(time, str | Path) or find_columns(time) is not None:
        if mag is not None:
            raise ValueError(
                "the first argument is a table, which has the magnitudes; name what follows, such "
                "as period=0.55"
            )
        return take_table(time, "the light curve", [*MAGNITUDES])
    if mag is None:
        raise ValueError(f"there are no magnitudes; {_HOW}")
    given = {"time": gather(time), "mag": gather(mag)}
    if mag_err is not None:
        errors = gather(mag_err)
        given["mag_err"] = errors if np.ndim(errors) else np.repeat(errors, np.size(given["mag"]))
    for name, values in given.items():
        if np.ndim(values) != 1:
            raise ValueError(f"{name} has {np.ndim(values)} dimensions, not one; {_HOW}")
    unit = unit_of(given["mag"])
    if unit == "":
        raise ValueError(
            "mag is a quantity without dimension: give mag.value if it holds magnitudes, or a "
            "table with a column flux"
        )
    if unit is not None and "mag" not in unit.lower():
        given = {name.replace("mag", "flux"): values for name, values in given.items()}
    return join_columns(given, "the light curve")


def gather_curves(light_curves: Any, star_ids: list[str]) -> GivenCurves:
    """Return the light curves of many stars.

    Parameters
    ----------
    light_curves
        A long table with a column for the star, or a dictionary of light curves by star,
        each what `take_curve` takes, or a tuple of time, mag and perhaps mag_err. The light
        curve of a single star needs no name.
    star_ids
        The stars wanted.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if isinstance(light_curves, Mapping) and not _is_table(light_curves):
        named = {str(name): curve for name, curve in light_curves.items()}
        return GivenCurves({name: _attempt(named[name]) for name in star_ids if name in named})
    table = take_table(light_curves, "light_curves")
    if "star_id" not in _name(table, Conventions()) and len(star_ids) == 1:
        return GivenCurves({star_ids[0]: table})
    return GivenCurves({}, table)


def _is_table(given: Mapping[Any, Any]) -> bool:
    """Say whether a mapping is of columns rather than of stars."""
    named = name_columns("light_curves", [str(name) for name in given], Conventions().aliases, {})
    return "time" in named and bool({"mag", "flux"} & {*named})


def _attempt(given: Any) -> GivenTable | ValueError:
    """Return the light curve of one star, or what is wrong with it."""
    time, *others = given if isinstance(given, tuple) else (given,)
    try:
        return take_curve(time, *others)
    except (ValueError, OSError) as problem:
        return ValueError(str(problem))


def name_star(table: GivenTable, conventions: Conventions) -> str:
    """Return what the table of one star calls it; nothing if it does not.

    Raises
    ------
    ValueError
        If it has several stars.
    """
    column = _name(table, conventions).get("star_id")
    names = [] if column is None else [name for name in table.text(column).unique() if name]
    if len(names) > 1:
        raise ValueError(
            f"the table has the light curves of {len(names)} stars ({', '.join(names[:3])}, ...); "
            "say with star_id which one counts, or take metalyra.predict, which takes many"
        )
    return "".join(names)


def given_curves(table: GivenTable, star_id: str, conventions: Conventions) -> GivenCurves:
    """Return the light curve of one star, which may be some rows of a table."""
    if "star_id" in _name(table, conventions):
        column = _name(table, conventions)["star_id"]
        if not (rows := (table.text(column) == star_id).to_numpy()).any():
            raise ValueError(f"the table has no row of the star {star_id}")
        return GivenCurves({}, table.take(rows))
    return GivenCurves({star_id: table})


def read_one(
    given: GivenCurves, stars: pd.DataFrame, band: str, conventions: Conventions
) -> tuple[pd.DataFrame, LightCurve, str]:
    """Return the light curve of the only star of a list: its table, itself, and a caveat.

    Raises
    ------
    ValueError
        If it cannot be read, or there is none.
    """
    for curve, caveat in read_curves(given, stars, band, conventions):
        if curve.table is None:
            raise ValueError(curve.problem)
        return curve.table, curve, caveat
    raise ValueError("the light curve has no measurements")


def find_bands(tables: Iterable[GivenTable], conventions: Conventions) -> list[str]:
    """Return the bands that light curves say they are in."""
    bands: set[str] = set()
    for table in tables:
        if name := _name(table, conventions).get("band"):
            bands |= {conventions.resolve(text) for text in table.text(name).unique()}
    return sorted(bands - {""})


def read_curves(
    given: GivenCurves, stars: pd.DataFrame, band: str, conventions: Conventions
) -> Iterator[tuple[LightCurve, str]]:
    """Give the light curves of stars in a band, each with a caveat in words.

    Parameters
    ----------
    given
        The light curves.
    stars
        The stars wanted: `star_id`, and `ra` and `dec` (deg) where known.
    band
        The band wanted.
    conventions
        How the tables are understood.

    Raises
    ------
    SurveyError
        If a long table lacks a column.
    """
    if given.long is not None:
        table = _with_units_of_values(given.long, conventions)
        relative = _is_relative(table, conventions)
        reader = CurveReader(_conventions_of(conventions, relative), stars, band)
        for curve in reader.read_many("light_curves", iter([table])):
            yield _centre(curve) if relative else (curve, "")
    for star_id, found in given.of_stars.items():
        try:
            if isinstance(found, ValueError):
                raise found
            table = _with_units_of_values(found, conventions)
            relative = _is_relative(table, conventions)
            reader = CurveReader(_conventions_of(conventions, relative), stars, band)
            for curve in reader.read_single(f"light curve of {star_id}", star_id, table):
                yield _centre(curve) if relative else (curve, "")
        except ValueError as problem:
            yield LightCurve(star_id, None, str(problem)), ""


def _name(table: GivenTable, conventions: Conventions) -> dict[str, str]:
    return name_columns("the light curves", table.names, conventions.aliases, conventions.columns)


def _is_relative(table: GivenTable, conventions: Conventions) -> bool:
    """Say whether a table has fluxes of which nobody says what they are, and no magnitudes."""
    named = _name(table, conventions)
    flux = named.get("flux")
    if flux is None or "mag" in named or conventions.zero_point is not None:
        return False
    unit = table.units.get(flux)
    try:
        zero_point_of_unit("the light curves", flux, unit)
    except SurveyError:
        if unit and not _is_of_flux(unit):
            raise SurveyError(
                f"the column {flux!r} is in {unit!r}, which is no unit of flux"
            ) from None
        return True
    return False


_OF_COUNTS = frozenset(("electron", "ct", "adu", "DN", "ph", "pix", "s"))


def _is_of_flux(unit: str) -> bool:
    """Say whether a unit can be that of a flux; also one that astropy does not know."""
    from astropy import units

    try:
        known = units.Unit(unit)
    except ValueError:
        return True
    bases = {base.to_string() for base in known.decompose().bases}
    of_counts = bases <= _OF_COUNTS and bases != {"s"}
    return of_counts or bool(known.is_equivalent("W / m2"))


def _with_units_of_values(table: GivenTable, conventions: Conventions) -> GivenTable:
    """Return a table whose errors are in the units of what they are errors of.

    Raises
    ------
    ValueError
        If they cannot be had in these.
    """
    named = _name(table, conventions)
    for name in ("mag", "flux"):
        values, errors = named.get(name, ""), named.get(f"{name}_err", "")
        wanted, own = table.units.get(values), table.units.get(errors)
        if not wanted or not own or wanted == own:
            continue

        try:
            factor = float(_plain_unit(own).to(_plain_unit(wanted)))
        except ValueError:
            raise ValueError(f"{errors!r} is in {own!r}, and {values!r} in {wanted!r}") from None
        numbers, bad = table.numbers(errors)
        if not bad.any():
            scaled = pa.array(numbers * factor, from_pandas=True)
            table = replace(
                table,
                columns={**table.columns, errors: scaled},
                units={**table.units, errors: wanted},
            )
    return table


def _plain_unit(text: str) -> Any:
    """Return a unit; of magnitudes of a known flux, such as mag(AB), magnitudes."""
    from astropy import units

    unit = units.Unit(text)
    return getattr(unit, "function_unit", unit)


def _conventions_of(conventions: Conventions, relative: bool) -> Conventions:
    return replace(conventions, zero_point=0.0) if relative else conventions


def _centre(curve: LightCurve) -> tuple[LightCurve, str]:
    """Return a light curve of fluxes in magnitudes about their median, and a caveat."""
    if curve.table is None:
        return curve, ""
    lost = sum(count for why, count in curve.left_out.items() if "not positive" in why)
    if lost > len(curve.table):
        problem = (
            f"{lost} of {lost + len(curve.table)} fluxes are not positive, so that they make no "
            "magnitudes; give fluxes that are not centred on zero"
        )
        return replace(curve, table=None, problem=problem), ""
    mag = curve.table["mag"]
    return replace(curve, table=curve.table.assign(mag=mag - mag.median())), RELATIVE
