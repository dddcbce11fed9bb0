"""Light curves in tables as users have them: which rows are whose, and what they say.

A row counts if it is of a wanted star, in the wanted band, and not flagged. Of the rows that
count, one that holds something else than numbers makes the light curve of its star unreadable;
one with a flux that is not positive, or a time that cannot be one, is left out and counted.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from metalyra.core.arrays import Booleans, Floats
from metalyra.core.registry import ask_whether_meant
from metalyra.core.tables import GIVEN
from metalyra.surveys.bands import resolve_band
from metalyra.surveys.formats.column_names import (
    CURVE_ALIASES,
    STAR_ALIASES,
    TIMES,
    Aliases,
    check_given,
    name_columns,
    require_columns,
    simplify,
)
from metalyra.surveys.formats.given_tables import GivenTable, unnest
from metalyra.surveys.formats.time_scales import (
    TimeScale,
    convert_times,
    parse_conversion,
    parse_scale,
    scale_of_column,
)
from metalyra.surveys.interface import MAGNITUDES, BandError, LightCurve, SurveyError

logger = logging.getLogger(__name__)

ZERO_POINT_NJY = 31.4
"""AB magnitude of a flux of 1 nJy (LSE-163 of the Rubin Observatory)."""

LATEST_TIME = 1e7
"""Number of days beyond which a time is none; the Julian date of today is 2.46e6."""

_EXPECTED = "time is in days (a date as its MJD, JD or HJD), mag and mag_err in magnitudes"
_POGSON = 2.5 / np.log(10.0)
_DAYS: Mapping[str, float] = {"d": 1.0, "day": 1.0, "h": 1 / 24, "min": 1 / 1440, "s": 1 / 86400}
_CLEAN = frozenset(("0", "0.0", "false", "f", "n", "no", ""))


@dataclass(frozen=True)
class Conventions:
    """How the tables of a survey's light curves are understood.

    Attributes
    ----------
    columns
        The user's names of columns, by ours.
    aliases
        Names of columns that are understood, by ours.
    source, target
        What the times are and what they become; see `parse_conversion`.
    zero_point
        Magnitude of a flux of 1; by default that of the column's unit.
    bands
        Names of bands that only this survey has, by how its tables have them.
    flags
        Columns that are 0 or false for a good measurement, by `simplify`'s name.
    in_order
        Our columns of which the first alias that a table has counts.
    identifiers
        Column of the star list with all identifiers that a star has in the tables.
    nested
        Column that holds the measurements of a star as lists, as HATS catalogues have it.
    many_tables
        Whether a file of a folder that is not named after a star is a table of many.
    visits
        Columns of a table of visits, its key and its time, that the times are looked up in.
    bands_named
        Whether the measurements of a table without a column `band` are in no band, rather than
        in that which is wanted.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    aliases: Aliases = field(default_factory=lambda: CURVE_ALIASES)
    source: TimeScale | None = None
    target: TimeScale | None = None
    zero_point: float | None = None
    bands: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    in_order: tuple[str, ...] = ()
    identifiers: str = ""
    nested: str = ""
    many_tables: bool = False
    visits: tuple[str, str] | None = None
    bands_named: bool = False

    def resolve(self, band: str) -> str:
        """Return the name of the band that a cell of a table has."""
        return self.bands.get(band.strip(), resolve_band(band))


def make_conventions(
    base: Conventions,
    columns: Mapping[str, str] | None = None,
    time_scale: str | None = None,
    magnitude_zero_point: float | None = None,
) -> Conventions:
    """Return conventions with what a user says of the tables.

    Raises
    ------
    SurveyError
        If a column or time scale is unknown, or a zero point no number.
    """
    check_given(columns or {}, STAR_ALIASES, base.aliases)
    source, target = parse_conversion(time_scale) if time_scale else (base.source, base.target)
    zero_point = base.zero_point if magnitude_zero_point is None else magnitude_zero_point
    if zero_point is not None and not np.isfinite(zero_point):
        raise SurveyError(f"magnitude_zero_point: {zero_point} is no number")
    return replace(
        base, columns={**(columns or {})}, source=source, target=target, zero_point=zero_point
    )


class CurveReader:
    """Reads the light curves of the stars of a list, and counts what it leaves out.

    Parameters
    ----------
    conventions
        How the tables are understood.
    stars
        The stars wanted: `star_id`, and `ra` and `dec` (deg) where known.
    band
        The band wanted.
    """

    def __init__(self, conventions: Conventions, stars: pd.DataFrame, band: str) -> None:
        self.conventions = conventions
        self.band = band
        self.wanted = dict(zip(stars["star_id"], range(len(stars)), strict=True))
        unknown = np.full(len(stars), np.nan)
        self._ra = [float(angle) for angle in stars.get("ra", unknown)]
        self._dec = [float(angle) for angle in stars.get("dec", unknown)]
        self._star_of = _list_identifiers(stars, f"{GIVEN}{conventions.identifiers}")
        self._bands: Counter[str] = Counter()
        self._in_band = 0
        self._ignored: set[str] = set()
        self._times: dict[str, float] = {}

    def take_visits(self, table: GivenTable) -> bool:
        """Take the times of a table of visits; say whether it is one."""
        columns = self._find_visits(table)
        if columns is None or "flux" in name_columns(
            "", table.names, self._aliases, {}, [*self._aliases]
        ):
            return False
        visit, time = columns
        times, _ = table.numbers(time, dates=True)
        self._times.update(zip(table.text(visit), times.tolist(), strict=True))
        return True

    def _find_visits(self, table: GivenTable) -> tuple[str, str] | None:
        wanted = [simplify(name) for name in self.conventions.visits or ()]
        found = {simplify(name): name for name in table.names}
        if not wanted or not set(wanted) <= set(found):
            return None
        return found[wanted[0]], found[wanted[1]]

    def _prepare(self, place: object, table: GivenTable) -> GivenTable:
        """Return a table with a row a measurement, and with its times."""
        conventions = self.conventions
        nested = next((name for name in table.names if simplify(name) == conventions.nested), None)
        if conventions.nested and nested is not None:
            table = unnest(table, nested)
        if conventions.visits is None:
            return table
        key, time = conventions.visits
        found = {simplify(name): name for name in table.names}
        if simplify(key) not in found or {*TIMES, "time"} & set(found):
            return table
        if not self._times:
            raise SurveyError(
                f"{place}: its measurements have no time; put a table with the columns {key} and "
                f"{time} beside it"
            )
        times = table.text(found[simplify(key)]).map(self._times).astype(float)
        columns = {**table.columns, time: pa.array(times.to_numpy(), from_pandas=True)}
        return GivenTable(columns, table.units, table.odd_rows)

    def read_single(self, place: object, star_id: str, table: GivenTable) -> Iterator[LightCurve]:
        """Give the light curve of the star that a table is named after.

        Raises
        ------
        SurveyError
            If the table cannot be read.
        """
        table = self._prepare(place, table)
        aliases = {name: self._aliases[name] for name in self._aliases if name != "star_id"}
        named = self._name(place, table, aliases)
        for row, problem in table.odd_rows.items():
            raise SurveyError(f"{place}: row {row + 1} {problem}")
        if not len(table):
            raise SurveyError(f"{place}: it has no rows")
        stars = pd.Series(star_id, index=range(len(table)))
        yield from self._split(place, table, named, stars, 0)

    def read_many(self, place: object, parts: Iterator[GivenTable]) -> Iterator[LightCurve]:
        """Give the light curves of a long table, part by part.

        Parameters
        ----------
        place
            The table, for messages.
        parts
            Its parts.

        Raises
        ------
        SurveyError
            If the table misses a column.
        """
        first_row = 0
        named: dict[str, str] | None = None
        for part in parts:
            table = self._prepare(place, part)
            if named is None:
                named = self._name(place, table, self._aliases, "star_id")
            try:
                ids = table.text(named["star_id"])
            except ValueError as error:
                raise SurveyError(f"{place}: {error}") from error
            ids = ids.map(self._star_of) if self._star_of else ids
            yield from self._split(place, table, named, ids, first_row)
            first_row += len(table)

    def check_bands(self, places: str) -> None:
        """Raise `SurveyError` if there were rows of the stars, and none in the band."""
        if self._bands and not self._in_band:
            found = ", ".join(
                f"{name or 'no name'} ({count})" for name, count in self._bands.most_common()
            )
            meant = ask_whether_meant(self.band, self._bands)
            raise BandError(
                f"{places}: no measurement of the stars is in band {self.band}; {meant}there are "
                f"{found}; set band to one of them",
                found,
            )

    @property
    def _aliases(self) -> Aliases:
        return self.conventions.aliases

    def _name(
        self, place: object, table: GivenTable, aliases: Aliases, *more: str
    ) -> dict[str, str]:
        """Return which columns of a table are which of ours."""
        conventions = self.conventions
        named = name_columns(place, table.names, aliases, conventions.columns, conventions.in_order)
        measured = "mag"
        if "flux" in named and ("mag" not in named or conventions.zero_point is not None):
            measured = "flux"
            named.pop("mag", None)
            error = named.pop("mag_err", None)
            if "flux_err" not in named and error is not None:
                named["flux_err"] = error
        elif "flux" in conventions.columns or conventions.zero_point is not None:
            measured = "flux"
        else:
            for unused in ("flux", "flux_err"):
                named.pop(unused, None)
        require_columns(place, table.names, named, (*more, "time", measured))
        ignored = {name for name in table.names if name not in named.values()} - self._ignored
        ignored = {name for name in ignored if simplify(name) not in conventions.flags}
        if ignored:
            self._ignored |= ignored
            logger.info("%s: not used are its columns %s", place, ", ".join(sorted(ignored)))
        return named

    def _split(
        self,
        place: object,
        table: GivenTable,
        named: Mapping[str, str],
        stars: "pd.Series[str]",
        first_row: int,
    ) -> Iterator[LightCurve]:
        """Give the light curves of a part of a table, of the wanted stars in the wanted band."""
        wanted = stars.isin(self.wanted.keys()).to_numpy()
        rows = np.flatnonzero(wanted)
        if not rows.size:
            return
        table = table.take(wanted)
        left_out = self._leave_out(table, named)
        used = np.flatnonzero(left_out == "")
        self._in_band += used.size
        measured, problems, left_out[used], scale = self._measure(
            place, table.take(left_out == ""), named
        )
        values = np.full((rows.size, len(MAGNITUDES)), np.nan)
        values[used] = measured
        counts = left_out == ""
        wrong = {int(used[row]): text for row, text in problems.items()}
        codes, names = pd.factorize(stars.to_numpy()[wanted])
        order = np.argsort(codes, kind="stable")
        for star_id, of_star in zip(
            names, np.split(order, np.flatnonzero(np.diff(codes[order])) + 1), strict=True
        ):
            bad = next((row for row in of_star if row in wrong), None) if wrong else None
            if bad is not None:
                row = first_row + int(rows[bad]) + 1
                yield LightCurve(str(star_id), None, f"{place}: row {row} {wrong[bad]}")
                continue
            kept = of_star[counts[of_star]]
            others = left_out[of_star[~counts[of_star]]] if len(kept) < len(of_star) else ()
            yield self._on_its_scale(place, str(star_id), values[kept], scale, Counter(others))

    def _leave_out(self, table: GivenTable, named: Mapping[str, str]) -> NDArray[np.object_]:
        """Return why rows are left out for their band or a flag; an empty text if they are not."""
        left_out = np.full(len(table), "", dtype=object)
        if "band" in named:
            codes, texts = pd.factorize(table.text(named["band"]))
            bands = [self.conventions.resolve(str(text)) for text in texts]
            for code, (band, count) in enumerate(zip(bands, np.bincount(codes), strict=True)):
                self._bands[band] += int(count)
                if band != self.band:
                    left_out[codes == code] = f"in band {band}" if band else "in no band"
        elif self.conventions.bands_named:
            self._bands[""] += len(table)
            left_out[:] = "in no band"
        for name in table.names:
            if simplify(name) in self.conventions.flags:
                flagged = ~table.text(name).str.lower().isin(_CLEAN).to_numpy()
                left_out[flagged & (left_out == "")] = f"flagged in {name}"
        return left_out

    def _measure(
        self, place: object, table: GivenTable, named: Mapping[str, str]
    ) -> tuple[Floats, dict[int, str], NDArray[np.object_], TimeScale | None]:
        """Return times and magnitudes, what is wrong with rows, and why rows are left out."""
        problems = dict(table.odd_rows)
        values: dict[str, Floats] = {}
        for ours in ("time", "mag", "mag_err", "flux", "flux_err"):
            if ours in named:
                try:
                    values[ours], bad = table.numbers(named[ours], dates=ours == "time")
                except ValueError as error:
                    raise SurveyError(f"{place}: {error}; {_EXPECTED}") from error
                for row in np.flatnonzero(bad).tolist():
                    cell = table.cell(named[ours], row)
                    problems.setdefault(row, f"holds {cell!r}, which is not a number; {_EXPECTED}")
        time = values["time"] * self._days(place, table, named["time"])
        dropped = np.full(len(table), "", dtype=object)
        dropped[np.abs(time) > LATEST_TIME] = f"at a time beyond {LATEST_TIME:.0e} d"
        if self._times:
            dropped[np.isnan(time)] = "of a visit whose time is not known"
        if "flux" in values:
            positive = values["flux"] > 0
            dropped[~positive & ~np.isnan(values["flux"])] = "with a flux that is not positive"
            mag, mag_err = self._to_magnitudes(place, table, named, values, positive)
        else:
            factor = self._magnitudes(place, table, named["mag"])
            mag = values["mag"] * factor
            mag_err = values.get("mag_err", np.full(len(table), np.nan)) * factor
        measured = np.column_stack([time, mag, mag_err])
        return measured, problems, dropped, self._scale_of(table, named["time"])

    def _to_magnitudes(
        self,
        place: object,
        table: GivenTable,
        named: Mapping[str, str],
        values: Mapping[str, Floats],
        positive: Booleans,
    ) -> tuple[Floats, Floats]:
        """Return magnitudes of fluxes, and their errors; NaN of those that are not positive."""
        zero_point = self.conventions.zero_point
        if zero_point is None:
            zero_point = zero_point_of_unit(place, named["flux"], table.units.get(named["flux"]))
        flux = np.where(positive, values["flux"], np.nan)
        errors = values.get("flux_err", np.full(len(table), np.nan))
        with np.errstate(all="ignore"):
            return zero_point - 2.5 * np.log10(flux), _POGSON * errors / flux

    def _on_its_scale(
        self,
        place: object,
        star_id: str,
        values: Floats,
        scale: TimeScale | None,
        left_out: Mapping[str, int],
    ) -> LightCurve:
        """Return a light curve with its times on the scale that the user wants."""
        name, time = scale.name if scale else None, values[:, 0]
        if scale is not None and not scale.holds(time):
            if self.conventions.source is not None:
                middle = np.nanmedian(time)
                problem = f"{place}: its times, such as {middle:.10g}, are no {name} (time_scale)"
                return LightCurve(star_id, None, problem)
            name = f"{name}, less a constant"
        elif scale is not None and self.conventions.target is not None:
            row = self.wanted[star_id]
            values[:, 0], scale = convert_times(
                time, scale, self.conventions.target, self._ra[row], self._dec[row]
            )
            name = scale.name
        curve = pd.DataFrame(values, columns=[*MAGNITUDES])
        return LightCurve(star_id, curve, time_scale=name, left_out=left_out)

    def _scale_of(self, table: GivenTable, name: str) -> TimeScale | None:
        """Return the scale of a column of times: what the user says, its unit, its name."""
        if self.conventions.source is not None:
            return self.conventions.source
        _, _, said = table.units.get(name, "").partition(" ")
        return parse_scale(said) if said.startswith("MJD") else scale_of_column(simplify(name))

    def _days(self, place: object, table: GivenTable, name: str) -> float:
        unit = table.units.get(name, "d").partition(" ")[0].strip().lower() or "d"
        factor = _DAYS.get(unit, _DAYS.get(unit.rstrip("s"), np.nan))
        if np.isnan(factor):
            raise SurveyError(f"{place}: its column {name!r} is in {unit!r}, which is no time")
        return factor

    def _magnitudes(self, place: object, table: GivenTable, name: str) -> float:
        unit = table.units.get(name, "mag").lower()
        if "mag" not in unit:
            raise SurveyError(
                f"{place}: its column {name!r} is in {unit!r}, not magnitudes; call it flux and "
                "give magnitude_zero_point"
            )
        return 1e-3 if "mmag" in unit else 1.0


def _list_identifiers(stars: pd.DataFrame, column: str) -> dict[str, str]:
    """Return the star that each identifier of a column of the star list is of; none without it."""
    if column not in stars:
        return {}
    star_of = dict(zip(stars["star_id"], stars["star_id"], strict=True))
    for star_id, cell in zip(stars["star_id"], stars[column].astype("str"), strict=True):
        for identifier in re.findall(r"[^\s,;|\[\]()]+", cell):
            other = star_of.setdefault(identifier, star_id)
            if other != star_id:
                raise SurveyError(
                    f"the star list says of {other} and of {star_id} that they are "
                    f"{column.removeprefix(GIVEN)} {identifier}; an identifier is of one star"
                )
    return star_of


def zero_point_of_unit(place: object, name: str, unit: str | None) -> float:
    """Return the AB magnitude of a flux of 1 in a unit, or in that which a name ends with."""
    text = unit or {"njy": "nJy", "ujy": "uJy", "mjy": "mJy", "jy": "Jy"}.get(
        simplify(name).rpartition("_")[2], ""
    )
    if text:
        from astropy import units

        try:
            factor = float(units.Unit(text).to(units.nJy))
        except (ValueError, TypeError, units.UnitConversionError):
            pass
        else:
            return float(ZERO_POINT_NJY - 2.5 * np.log10(factor))
    raise SurveyError(
        f"{place}: its column {name!r} holds fluxes{f' in {text}' if text else ''}; give the "
        "magnitude of a flux of 1 with magnitude_zero_point (31.4 for nJy and AB)"
    )
