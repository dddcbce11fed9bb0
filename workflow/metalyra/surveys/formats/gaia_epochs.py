"""Gaia's epoch photometry in every layout the archives have served.

Rows are points (a transit in one band: columns `band`, `time`, `mag`, ...), transits (columns
`g_transit_time`, `bp_obs_time`, ...) or sources (the same columns with arrays in their
cells, the RAW data structure). A file has one source (INDIVIDUAL) or many (COMBINED, RAW,
answers of TAP services). The data models are those of the archive's documentation, GDR2
14.7.2 and GDR3 20.7.1 (epoch_photometry), of an answer of 2026, and of the draft of DR4; the
names of each release are in ``resources/gaia_releases.yaml``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as compute
from numpy.typing import NDArray

from metalyra.surveys.formats.gaia_releases import (
    Columns,
    Flags,
    Release,
    describe_missing,
)
from metalyra.surveys.formats.serialisations import (
    holds_lists,
    parse_lists,
    read_tables,
    to_flags,
    to_integers,
    to_numbers,
)
from metalyra.surveys.interface import LightCurve, SurveyError

POGSON = 2.5 / np.log(10)
"""Magnitude error of a relative flux error."""

_ERROR_ROLES = ("flux_over_error", "flux", "flux_error")

Verdict = tuple[NDArray[np.int64], NDArray[np.bool_]]
"""The transits of a source in order, and whether the flag of each is raised."""

Verdicts = Mapping[str, Verdict]
"""The verdict on each source."""


class MissingFlagsError(SurveyError):
    """Flags that a release keeps in a product of their own, which is not there."""


@dataclass(frozen=True)
class _Layout:
    """Where the points of a band are in a table.

    Attributes
    ----------
    columns
        The table's columns by role.
    of_points
        Whether a row is a point of a band that stands in a column.
    """

    columns: Mapping[str, str]
    of_points: bool

    @property
    def error_columns(self) -> list[str]:
        """The columns that a magnitude error is made of: one, or flux and its error."""
        if "flux_over_error" in self.columns:
            return [self.columns["flux_over_error"]]
        return [self.columns["flux"], self.columns["flux_error"]]


@dataclass(frozen=True)
class _Judgement:
    """What says which transits count: a column, a product of its own, or nothing.

    Attributes
    ----------
    column
        Of the flags, in the table itself.
    used
        Whether a flag that is raised in this column says that the transit was used.
    product
        The flags that `Verdicts` are of.
    """

    column: str | None = None
    used: bool = False
    product: Flags | None = None


@dataclass(frozen=True)
class _Points:
    """Points of one band, in arrays of the same length.

    Attributes
    ----------
    sources
        The source of each.
    time, mag, ratio
        Time (d), magnitude, and flux over its error.
    kept
        False for what the archive's analysis did not use, if a column says so.
    transits
        Identifiers, where the flags are in a product of their own.
    """

    sources: np.ndarray
    time: np.ndarray
    mag: np.ndarray
    ratio: np.ndarray
    kept: np.ndarray
    transits: NDArray[np.int64] | None


def read_epochs(
    data: bytes,
    release: Release,
    band: str,
    *,
    verdicts: Verdicts | None = None,
    source_id: str | None = None,
) -> Iterator[LightCurve]:
    """Read the light curves of a file in one band, from any layout and serialisation.

    Parameters
    ----------
    data
        The content of the file.
    release
        Names of its columns, and where the flags of its transits are.
    band
        One of Gaia's.
    verdicts
        The flags of `read_flags`, for a release that has them in a product of their own; None
        if there is no file of that product.
    source_id
        The source of a file that does not say it itself.

    Yields
    ------
    LightCurve
        `time` (d), `mag` and `mag_err` of the points that have a time and that the archive's
        variability analysis has not rejected. One of many sources whose rows cannot be read
        has a `problem`, as has one that the product of flags does not know; the others follow.

    Raises
    ------
    ValueError
        If the file has no layout known here, or its only source cannot be read.
    MissingFlagsError
        If the flags are in a product that there is no file of.
    """
    for table in read_tables(data, release.epoch_names):
        sources = _name_sources(table, release, source_id)
        try:
            layout = _find_layout(table.column_names, release, band)
        except SurveyError:
            # Of a CSV only the columns wanted were read; the message is to have all.
            _find_layout(_read_header(data), release, band)
            raise
        try:
            yield from _read_curves(table, sources, layout, release, band, verdicts)
        except SurveyError:
            raise
        except (ValueError, pa.ArrowException):
            if len(set(sources)) == 1:
                raise
            yield from _read_one_by_one(table, sources, layout, release, band, verdicts)


def read_flags(
    data: bytes, flags: Flags, band: str, source_id: str | None = None
) -> Iterator[tuple[str, Verdict]]:
    """Read a file of the product that has the flags of transits.

    Parameters
    ----------
    data
        The content of the file; its layouts are those of the epoch photometry.
    flags
        Its columns.
    band
        One of Gaia's.
    source_id
        The source of a file that does not say it itself.

    Yields
    ------
    source : str
    verdict : tuple of ndarray
        Its transits in order (of one that comes twice, the verdict is the stricter one), and
        whether the flag of each is raised; a flag without a value is not.

    Raises
    ------
    ValueError
        If the file cannot be read, or has no such columns.
    """
    for table in read_tables(data):
        sources = _name_by_column(table, "source_id", source_id)
        found = {*table.column_names, "source_id"}
        columns = flags.columns.of_band(band).resolve("its header", found)
        cells = [table[columns[role]] for role in ("transit_id", "flag")]
        if any(map(holds_lists, cells)):
            cells, sources = _explode(cells, sources)
        transits, raised = to_integers(cells[0]), to_flags(cells[1])
        # Of one transit, what rejects comes first.
        order = np.lexsort((raised if flags.marks == "used" else ~raised, transits))
        table_of = pd.DataFrame({"transit": transits[order], "raised": raised[order]})
        for source, rows in table_of.groupby(sources[order], sort=False):
            once = rows.drop_duplicates("transit")
            verdict = once["transit"].to_numpy(np.int64), once["raised"].to_numpy(bool)
            yield str(source), verdict


def check_header(names: Sequence[str], release: Release, band: str) -> Flags | None:
    """Return where the flags of the transits are, if the columns of a file can be read.

    Parameters
    ----------
    names
        The columns, in lower case.
    release
        Names of the columns that are needed.
    band
        One of Gaia's.

    Returns
    -------
    Flags or None
        None of a release whose transits are all taken.

    Raises
    ------
    SurveyError
        If a column is missing, naming its role, its names and the columns.
    """
    _find_layout(list(names), release, band)
    judgement = _find_judgement(list(names), release, band)
    in_column = (flags for flags in release.flags if flags.where == "column")
    return judgement.product or (next(in_column) if judgement.column else None)


def list_sources(data: bytes, release: Release) -> list[str]:
    """Return the sources of a file that says which it has, each once; of no table, none."""
    try:
        tables = read_tables(data)
    except (ValueError, pa.ArrowException):
        return []
    return [
        source
        for table in tables
        if (name := _source_column(table, release)) is not None
        for source in table[name].cast(pa.string()).unique().to_pylist()
    ]


def _read_header(data: bytes) -> list[str]:
    """Return all columns of a file; of an empty one, none."""
    try:
        return [name for table in read_tables(data) for name in table.column_names]
    except (ValueError, pa.ArrowException):
        return []


def _read_one_by_one(
    table: pa.Table,
    sources: np.ndarray,
    layout: _Layout,
    release: Release,
    band: str,
    verdicts: Verdicts | None,
) -> Iterator[LightCurve]:
    """Read the sources of a table each by itself, to find those that cannot be read."""
    for source in dict.fromkeys(sources):
        own = sources == source
        rows = table.filter(pa.array(own))
        try:
            yield from _read_curves(rows, sources[own], layout, release, band, verdicts)
        except (ValueError, pa.ArrowException) as error:
            yield LightCurve(source, None, str(error))


def _find_layout(names: list[str], release: Release, band: str) -> _Layout:
    """Return where a table has the points of a band.

    Raises
    ------
    SurveyError
        If it has no layout, naming what is missing for the one that it is nearest to.
    """
    points, transits = release.points, release.transits_by_band[band]
    of_points = "time" not in transits.find(names) or "band" in points.find(names)
    if of_points and len(points.missing(names)) >= len(transits.missing(names)) > 0:
        of_points = False
    columns = points if of_points else transits
    layout = _Layout(columns.resolve("its header", names), of_points)
    flux_errors = {"flux", "flux_error"} <= {*layout.columns}
    if "flux_over_error" not in layout.columns and not flux_errors:
        missing = [role for role in _ERROR_ROLES if role not in layout.columns]
        raise SurveyError(describe_missing("its header", columns.names, missing, names))
    return layout


def _find_judgement(names: list[str], release: Release, band: str) -> _Judgement:
    """Return what says which transits of a table count.

    Raises
    ------
    SurveyError
        If the flags of the release are in a column that the table does not have.
    """
    for flags in release.flags:
        if flags.where == "product":
            return _Judgement(product=flags)
        if (column := flags.find(names, band)) is not None:
            return _Judgement(column=column, used=flags.marks == "used")
    if not release.flags:
        return _Judgement()
    wanted = {"flag": tuple(name for flags in release.flags for name in flags.names)}
    of_band = Columns(wanted, frozenset(wanted)).of_band(band)
    raise SurveyError(describe_missing("its header", of_band.names, ["flag"], names))


def _read_curves(
    table: pa.Table,
    sources: np.ndarray,
    layout: _Layout,
    release: Release,
    band: str,
    verdicts: Verdicts | None,
) -> list[LightCurve]:
    """Return the light curves of one table, whose rows are of these sources."""
    judgement = _find_judgement(table.column_names, release, band)
    if judgement.product is not None and verdicts is None:
        raise MissingFlagsError(
            f"there is no file of {judgement.product.retrieval_type} among the light curves, and "
            "they have no flags of their own; ask the archive for it, or let the survey "
            f"{release.survey}_without_flags take every transit"
        )
    points = _read_points(table, sources, layout, band, judgement)
    kept = points.kept & np.isfinite(points.time)
    with np.errstate(divide="ignore"):
        error = POGSON / np.where(points.ratio > 0, points.ratio, np.nan)
    curves = pd.DataFrame({"time": points.time, "mag": points.mag, "mag_err": error})
    if judgement.product is None or verdicts is None or points.transits is None:
        return [
            LightCurve(str(source), curve)
            for source, curve in curves[kept].groupby(points.sources[kept], sort=False)
        ]
    found = []
    for key, curve in curves.groupby(points.sources, sort=False):
        source, rows = str(key), curve.index.to_numpy()
        if source not in verdicts:
            problem = f"{judgement.product.retrieval_type} has no flags of it"
            found.append(LightCurve(source, None, problem))
        else:
            good = _judge(points.transits[rows], *verdicts[source], judgement.product)
            found.append(LightCurve(source, curve[good & kept[rows]]))
    return found


def _judge(
    transits: NDArray[np.int64],
    known: NDArray[np.int64],
    raised: NDArray[np.bool_],
    flags: Flags,
) -> NDArray[np.bool_]:
    """Say which transits of a source count; one that its flags do not know is not raised."""
    place = np.minimum(np.searchsorted(known, transits), known.size - 1)
    flagged: NDArray[np.bool_] = (known[place] == transits) & raised[place]
    return flagged if flags.marks == "used" else ~flagged


def _read_points(
    table: pa.Table, sources: np.ndarray, layout: _Layout, band: str, judgement: _Judgement
) -> _Points:
    """Return the points of a band, one a row."""
    columns = [layout.columns["time"], layout.columns["mag"], *layout.error_columns]
    numbers = len(columns)
    if judgement.product is not None:
        names = {"transit_id": judgement.product.columns.names["transit_id"]}
        columns.append(
            Columns(names, frozenset(names)).resolve("its header", table.column_names)["transit_id"]
        )
    if judgement.column is not None:
        columns.append(judgement.column)
    if layout.of_points:
        of_band = np.asarray(table[layout.columns["band"]]) == band
        cells = [table[name].filter(pa.array(of_band)) for name in columns]
        sources = sources[of_band]
    else:
        cells = [table[name] for name in columns]
        if any(map(holds_lists, cells)):
            cells, sources = _explode(cells, sources)
    time, mag, *errors = map(to_numbers, cells[:numbers])
    kept = np.ones(len(time), dtype=bool)
    if judgement.column is not None:
        # A null flag is of a band that was not observed.
        raised = to_flags(cells[-1])
        kept = raised if judgement.used else ~raised
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = errors[0] if len(errors) == 1 else errors[0] / errors[1]
    transits = None if judgement.product is None else to_integers(cells[numbers])
    return _Points(sources, time, mag, ratio, kept, transits)


def _source_column(table: pa.Table, release: Release) -> str | None:
    """Return the column that has the source, if the table has one."""
    for columns in (release.points, release.transits):
        if (name := columns.find(table.column_names).get("source_id")) is not None:
            return name
    return None


def _name_sources(table: pa.Table, release: Release, source_id: str | None) -> np.ndarray:
    """Return the source of each row: that of its column, of the file, or of the file's name."""
    column = _source_column(table, release)
    return _name_by_column(table, column or release.points.names["source_id"][0], source_id)


def _name_by_column(table: pa.Table, column: str, source_id: str | None) -> np.ndarray:
    if column in table.column_names:
        return np.asarray(table[column].cast(pa.string()))
    metadata = table.schema.metadata or {}
    name = metadata.get(column.encode(), (source_id or "").encode()).decode()
    if not name:
        names = {"source_id": (column,)}
        raise SurveyError(describe_missing("its header", names, names, table.column_names))
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
