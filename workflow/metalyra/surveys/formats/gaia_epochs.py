"""Gaia's epoch photometry in every layout the archives have served.

Rows are points (a transit in one band: columns `band`, `time`, `mag`, ...), transits (columns
`g_transit_time`, `bp_obs_time`, ...) or sources (the same columns with arrays in their
cells, the RAW data structure). A file has one source (INDIVIDUAL) or many (COMBINED, RAW,
answers of TAP services). The data models are those of the archive's documentation, GDR2
14.7.2 and GDR3 20.7.1 (epoch_photometry), and of an answer of 2026.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as compute

from metalyra.surveys.formats.serialisations import (
    holds_lists,
    parse_lists,
    read_tables,
    to_flags,
    to_numbers,
)
from metalyra.surveys.formats.text_tables import check_columns
from metalyra.surveys.interface import LightCurve, SurveyError

POGSON = 2.5 / np.log(10)
"""Magnitude error of a relative flux error."""


@dataclass(frozen=True)
class PointColumns:
    """Names of the columns that hold the points of a light curve.

    Attributes
    ----------
    time, mag, flux_over_error
        Time (d), magnitude, and flux divided by its error.
    rejected
        Flag of the points that the variability analysis rejected.
    """

    time: str
    mag: str
    flux_over_error: str
    rejected: str

    def needed(self, use_flags: bool) -> tuple[str, ...]:
        """Return the columns that are read."""
        names = (self.time, self.mag, self.flux_over_error)
        return (*names, self.rejected) if use_flags else names


@dataclass(frozen=True)
class EpochColumns:
    """Names of the columns of epoch photometry, in all layouts.

    Attributes
    ----------
    source_id, band
        Names of the source's and of the band's column.
    points
        Columns where a row is a point.
    by_band
        Columns of each band where a row is a transit or a source.
    """

    source_id: str
    band: str
    points: PointColumns
    by_band: Mapping[str, PointColumns]

    def names(self) -> set[str]:
        """Return every name."""
        points = (self.points, *self.by_band.values())
        return {self.source_id, self.band, *(name for of in points for name in of.needed(True))}


def read_epochs(
    data: bytes, columns: EpochColumns, band: str, *, use_flags: bool, source_id: str | None = None
) -> Iterator[LightCurve]:
    """Read the light curves of a file in one band, from any layout and serialisation.

    Parameters
    ----------
    data
        The content of the file.
    columns
        Names of its columns.
    band
        One of those in `columns.by_band`.
    use_flags
        Drop the points that the archive's variability analysis rejected.
    source_id
        The source of a file that does not say it itself.

    Yields
    ------
    LightCurve
        `time` (d), `mag` and `mag_err` of the points that have a time. One of many sources
        whose rows cannot be read has a `problem`; the others follow.

    Raises
    ------
    ValueError
        If the file has no layout known here, or its only source cannot be read.
    """
    for table in read_tables(data, columns.names()):
        sources = _name_sources(table, columns, source_id)
        try:
            yield from _read_points(table, sources, columns, band, use_flags)
        except SurveyError:
            raise
        except (ValueError, pa.ArrowException):
            if len(set(sources)) == 1:
                raise
            yield from _read_one_by_one(table, sources, columns, band, use_flags)


def list_sources(data: bytes, columns: EpochColumns) -> list[str]:
    """Return the sources of a file that says which it has, each once; of no table, none."""
    try:
        tables = read_tables(data)
    except (ValueError, pa.ArrowException):
        return []
    return [
        source
        for table in tables
        if columns.source_id in table.column_names
        for source in table[columns.source_id].cast(pa.string()).unique().to_pylist()
    ]


def _read_one_by_one(
    table: pa.Table, sources: np.ndarray, columns: EpochColumns, band: str, use_flags: bool
) -> Iterator[LightCurve]:
    """Read the sources of a table each by itself, to find those that cannot be read."""
    for source in dict.fromkeys(sources):
        own = sources == source
        rows = table.filter(pa.array(own))
        try:
            yield from _read_points(rows, sources[own], columns, band, use_flags)
        except (ValueError, pa.ArrowException) as error:
            yield LightCurve(source, None, str(error))


def _read_points(
    table: pa.Table, sources: np.ndarray, columns: EpochColumns, band: str, use_flags: bool
) -> list[LightCurve]:
    """Return the light curves of one table, whose rows are of these sources."""
    names = set(table.column_names)
    by_transit = columns.by_band[band]
    if by_transit.time in names and columns.band not in names:
        needed = by_transit.needed(use_flags)
        check_columns("its header", names, needed)
        cells = [table[name] for name in needed]
        if any(map(holds_lists, cells)):
            cells, sources = _explode(cells, sources)
    else:
        needed = columns.points.needed(use_flags)
        check_columns("its header", names, (columns.band, *needed))
        of_band = np.asarray(table[columns.band]) == band
        cells = [table[name].filter(pa.array(of_band)) for name in needed]
        sources = sources[of_band]
    time, mag, ratio = map(to_numbers, cells[:3])
    kept = np.isfinite(time)
    if use_flags:
        # A null flag is of a band that was not observed; only a raised one rejects.
        kept &= ~to_flags(cells[3])
    with np.errstate(divide="ignore"):
        error = POGSON / np.where(ratio > 0, ratio, np.nan)
    points = pd.DataFrame({"time": time[kept], "mag": mag[kept], "mag_err": error[kept]})
    return [
        LightCurve(str(source), curve)
        for source, curve in points.groupby(sources[kept], sort=False)
    ]


def _name_sources(table: pa.Table, columns: EpochColumns, source_id: str | None) -> np.ndarray:
    """Return the source of each row: that of its column, of the file, or of the file's name."""
    if columns.source_id in table.column_names:
        return np.asarray(table[columns.source_id].cast(pa.string()))
    metadata = table.schema.metadata or {}
    name = metadata.get(columns.source_id.encode(), (source_id or "").encode()).decode()
    if not name:
        check_columns("its header", table.column_names, [columns.source_id])
    return np.full(len(table), name, dtype=object)


def _explode(
    cells: list[pa.ChunkedArray], sources: np.ndarray
) -> tuple[list[pa.Array], np.ndarray]:
    """Return one row a transit from one row a source."""
    lists = [parse_lists(column).combine_chunks() for column in cells]
    lengths = [compute.fill_null(compute.list_value_length(column), 0) for column in lists]
    if any(not length.equals(lengths[0]) for length in lengths):
        raise ValueError("the arrays of a source differ in length")
    rows = np.repeat(np.arange(len(sources)), lengths[0].to_numpy())
    return [compute.list_flatten(column) for column in lists], sources[rows]
