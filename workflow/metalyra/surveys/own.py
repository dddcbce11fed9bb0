"""The user's own stars: a CSV of stars, and light curves as one CSV each or one long table."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from metalyra.core.containers import Member, is_collection, read_file, stream_members
from metalyra.surveys.formats.star_tables import merge_star_tables
from metalyra.surveys.formats.text_tables import (
    NULLS,
    STAR_COLUMNS,
    check_columns,
    check_identifiers,
    fill_columns,
    is_number,
    parse_numbers,
    read_text,
)
from metalyra.surveys.interface import MAGNITUDES, LightCurve, Survey, SurveyError, register

_LONG_COLUMNS = ("star_id", *MAGNITUDES, "band")
_SPECTROSCOPIC = {"feh": "archive_feh", "feh_err": "archive_feh_err"}
_REQUIRED = ("time", "mag")
_BATCH_ROWS = 200_000
_DATE = re.compile(rb"\d{4}-\d\d?-\d\d?")
_EXPECTED = "time is in days (a date as its MJD, JD or HJD), mag and mag_err in magnitudes"
_MJD_ZERO = pd.Timestamp("1858-11-17")
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")


def read_stars(paths: Sequence[Path]) -> pd.DataFrame:
    """Read CSV files of stars.

    Parameters
    ----------
    paths
        Tables with the columns `star_id` and `period` (d) and, if known, `ra`, `dec` (deg)
        and `pulsation_type`, spectroscopic `feh` and its `feh_err` (dex). A star without a type
        is taken for an RRab.

    Raises
    ------
    SurveyError
        If a column is missing or unknown.
    """
    tables = []
    for path in paths:
        # A star may be called "nan" or "NA".
        table = read_text(path, read_file(path), keep_default_na=False)
        check_columns(path, table.columns, ("star_id", "period"), (*STAR_COLUMNS, *_SPECTROSCOPIC))
        others = table.columns.difference(["star_id"])
        table[others] = table[others].mask(table[others].isin(NULLS))
        check_identifiers(path, table["star_id"])
        published = {
            new: pd.to_numeric(table[old], errors="coerce").astype(float)
            for old, new in _SPECTROSCOPIC.items()
            if old in table
        }
        tables.append(fill_columns(table).assign(**published))
    stars = merge_star_tables(tables)
    return stars.assign(pulsation_type=stars["pulsation_type"].fillna("RRab"))


def read_light_curves(
    paths: Sequence[Path], stars: pd.DataFrame, band: str
) -> Iterator[LightCurve]:
    """Stream the user's light curves.

    Parameters
    ----------
    paths
        Folders or archives of ``<star_id>.csv`` with the columns `time` (d), `mag` and
        perhaps `mag_err` (a file of two or three columns of numbers needs no header), or
        long tables, ``.parquet`` or ``.csv``, with `star_id` and perhaps `band` besides.
        Dates and timestamps in a Parquet table become MJD (d), those with a time zone in UTC.
    stars
        The stars wanted.
    band
        Where a long table has a column `band`, only its rows of this band count.

    Raises
    ------
    SurveyError
        If a long table cannot be read, or misses a column or has an unknown one.
    """
    wanted = set(stars["star_id"])
    for path in paths:
        if is_collection(path):
            for member in stream_members(path):
                star_id = member.name.removesuffix(".csv")
                if star_id != member.name and star_id in wanted:
                    yield _light_curve(star_id, member)
        else:
            for rows in _read_long(path):
                yield from _split(path, rows, wanted, band)


OWN = register(
    Survey(
        name="own",
        bands=(),
        time_scale="the user's own",
        columns=MAGNITUDES,
        read_stars=read_stars,
        read_light_curves=read_light_curves,
        archive_columns=("archive_feh", "archive_feh_err"),
    ),
    __name__,
)


def _light_curve(star_id: str, member: Member) -> LightCurve:
    """Read the CSV of one star."""
    try:
        return LightCurve(star_id, _read_single(member))
    except ValueError as error:
        return LightCurve(star_id, None, f"{member.path}: {error}")


def _read_single(member: Member) -> pd.DataFrame:
    """Read the CSV of one star, with or without a header, or raise ValueError."""
    if member.data is None:
        raise ValueError(member.problem)
    first, _, rest = member.data.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")
    delimiter = b"," if b"," in first else None
    cells = first.lstrip(b"# ").split(delimiter)
    if all(is_number(cell) for cell in cells):
        names = [*MAGNITUDES][: len(cells)]
        rest = first + b"\n" + rest
    elif any(map(_DATE.match, cells)):
        raise ValueError(f"{first.strip()[:40].decode(errors='replace')!r} has a date; {_EXPECTED}")
    else:
        names = [cell.strip().decode(errors="replace") for cell in cells]
    if len(cells) < len(_REQUIRED) or len(names) != len(cells):
        raise ValueError(f"{len(cells)} columns without a header; they are {', '.join(MAGNITUDES)}")
    check_columns("its header", names, _REQUIRED, [*MAGNITUDES])
    try:
        numbers = parse_numbers(rest, delimiter)
    except ValueError as error:
        raise ValueError(f"{error}; {_EXPECTED}") from None
    if numbers.shape[1] != len(names):
        raise ValueError(f"the header names {len(names)} columns, a row has {numbers.shape[1]}")
    return pd.DataFrame(numbers, columns=names).reindex(columns=[*MAGNITUDES])


def _read_long(path: Path) -> Iterator[pd.DataFrame]:
    """Give a long table by parts."""
    if path.suffix == ".parquet":
        try:
            with pq.ParquetFile(path) as file:
                names = [
                    name for name in file.schema_arrow.names if not _PANDAS_INDEX.fullmatch(name)
                ]
                check_columns(path, names, _LONG_COLUMNS[:3], _LONG_COLUMNS)
                for batch in file.iter_batches(_BATCH_ROWS, columns=names):
                    # An index with a name, such as star_id, is a column like any other.
                    table = batch.to_pandas(ignore_metadata=True, date_as_object=False)
                    yield _without_dates(path, table)
        except pa.ArrowException as error:
            raise SurveyError(f"{path}: not a Parquet table ({error})") from error
    elif path.suffix in (".csv", ".gz"):
        try:
            with pd.read_csv(
                path,
                dtype=str,
                skipinitialspace=True,
                keep_default_na=False,
                chunksize=_BATCH_ROWS,
            ) as parts:
                for number, part in enumerate(parts):
                    table = part.rename(columns=str.strip)
                    if number == 0:
                        check_columns(path, table.columns, _LONG_COLUMNS[:3], _LONG_COLUMNS)
                    yield table
        except (pd.errors.EmptyDataError, pd.errors.ParserError, EOFError, OSError) as error:
            raise SurveyError(f"{path}: not a table ({error})") from error
    else:
        raise SurveyError(
            f"{path}: light curves are a folder of <star_id>.csv, or one .parquet or .csv table"
        )


def _without_dates(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose dates of `time` are MJD (d); other dates are no magnitudes."""
    for name in table.columns.intersection([*MAGNITUDES]):
        if pd.api.types.is_datetime64_any_dtype(table[name]) and name == "time":
            dates = table[name]
            if dates.dt.tz is not None:
                dates = dates.dt.tz_convert("UTC").dt.tz_localize(None)
            table[name] = (dates - _MJD_ZERO) / pd.Timedelta(days=1)
        elif table[name].dtype.kind in "mM" or isinstance(table[name].dtype, pd.DatetimeTZDtype):
            raise SurveyError(f"{path}: its column {name!r} holds {table[name].dtype}; {_EXPECTED}")
    return table


def _split(path: Path, rows: pd.DataFrame, wanted: set[str], band: str) -> Iterator[LightCurve]:
    """Give the light curves of a part of a long table."""
    rows = rows.assign(star_id=rows["star_id"].astype("str").str.strip())
    rows = rows[rows["star_id"].isin(wanted)]
    if "band" in rows:
        rows = rows[rows["band"].astype("str").str.strip() == band]
    text = rows.reindex(columns=[*MAGNITUDES])
    text = text.mask(text.isin(NULLS))
    numbers = text.apply(pd.to_numeric, errors="coerce").astype(float)
    garbage = (text.notna() & numbers.isna()).any(axis="columns")
    for star_id, table in numbers.groupby(rows["star_id"], sort=False):
        bad = garbage[table.index]
        if bad.any():
            cells = text.loc[bad.idxmax()].tolist()
            problem = f"{path}: the row {cells} holds something that is not a number; {_EXPECTED}"
            yield LightCurve(str(star_id), None, problem)
        else:
            yield LightCurve(str(star_id), table.reset_index(drop=True))
