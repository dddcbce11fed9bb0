"""Tables as users have them: text with any separator, ECSV, FITS, VOTable and Parquet.

The content says what a table is, not the name of its file. Long tables of text, Parquet and FITS
are read by parts; the others at once.
"""

import bz2
import csv
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.parquet as pq

from metalyra.core.arrays import Booleans, Floats
from metalyra.core.containers import read_file
from metalyra.surveys.formats.serialisations import NAME, UNIT, read_fits_parts, read_tables
from metalyra.surveys.formats.text_tables import NULLS
from metalyra.surveys.interface import SurveyError

BATCH_ROWS = 200_000
"""Rows of a long table that are in memory at a time."""

TABLE_SUFFIXES = (
    *(".csv", ".tsv", ".dat", ".txt", ".lc", ".tbl", ".ecsv"),
    *(".fits", ".fit", ".vot", ".votable", ".xml", ".parquet"),
)
"""Ends of the names of files that hold a table, before ``.gz`` or ``.bz2``."""

COMPRESSIONS = (".gz", ".bz2")

_HEAD_BYTES = 65_536
_LONGEST_MESSAGE = 200
_SEPARATORS = ("\t", ",", ";", "|")
_SAMPLED_LINES = 50
_MISSING = frozenset(text.lower() for text in (*NULLS, "--", "-", "...", "INDEF", "masked"))
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")
_MJD_ZERO = pd.Timestamp("1858-11-17")
_MAGICS: Mapping[bytes, str] = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}
_NO_TABLES: Mapping[bytes, str] = {
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"\xd0\xcf\x11\xe0": "a file of an old office program; save it as CSV",
    b"\x89HDF": "an HDF5 file; save it as Parquet or FITS",
    b"\xfd7zXZ": "compressed with xz; use gzip",
    b"7z\xbc\xaf": "a 7z archive; use zip",
}


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, size: int = -1, /) -> bytes | None:
        """Read so many bytes, or all."""


@dataclass(frozen=True)
class GivenTable:
    """A table, or a part of one, with the columns as they were found.

    Attributes
    ----------
    columns
        Arrow arrays, or lists of text, by name.
    units
        Of the columns that have one, as the file writes it.
    odd_rows
        What is wrong with rows that have more or fewer cells than there are columns, by
        their place.
    """

    columns: Mapping[str, pa.ChunkedArray | pa.Array | list[str]]
    units: Mapping[str, str] = field(default_factory=dict)
    odd_rows: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return list(self.columns)

    def text(self, name: str) -> pd.Series:
        """Return the cells of a column as text without blanks at its ends; nothing is ``""``.

        Raises
        ------
        ValueError
            If the numbers of the column are not whole, so that no text gives them back.
        """
        values = self.columns[name]
        if isinstance(values, list):
            return pd.Series(values, dtype="str").str.strip()
        if pa.types.is_floating(values.type):
            numbers = values.to_pandas()
            known = numbers.dropna()
            if (known % 1 != 0).any() or (known.abs() >= 2**53).any():
                raise ValueError(
                    f"its column {name!r} holds numbers with a decimal point, whose last digits "
                    "are lost; save it as text or as whole numbers"
                )
            values = pa.array(numbers.astype("Int64"))
        cells = pd.Series(values.cast(pa.string()).to_pandas(), dtype="str")
        return cells.fillna("").str.strip()

    def numbers(self, name: str, *, dates: bool = False) -> tuple[Floats, Booleans]:
        """Return the cells of a column as numbers, and which cells hold something else.

        A missing cell is NaN. Dates, where they may be, are MJD (d), those with a time zone in
        UTC.

        Raises
        ------
        ValueError
            If the column holds dates where there may be none, or times of another kind.
        """
        values = self.columns[name]
        if isinstance(values, list):
            return _parse_cells(values)
        if pa.types.is_temporal(values.type):
            if not dates:
                raise ValueError(f"its column {name!r} holds {values.type}, which is no number")
            return _to_mjd(values, name), np.zeros(len(values), dtype=bool)
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            return _parse_cells(values.fill_null("").to_pylist())
        try:
            floats = np.asarray(values.cast(pa.float64(), safe=False), dtype=float)
        except pa.ArrowException:
            return np.full(len(values), np.nan), np.ones(len(values), dtype=bool)
        return floats, np.zeros(len(values), dtype=bool)

    def cell(self, name: str, row: int) -> str:
        """Return a cell as it is shown in a message."""
        values = self.columns[name]
        return str(values[row] if isinstance(values, list) else values[row].as_py())[:40]

    def take(self, rows: Booleans) -> "GivenTable":
        """Return the table with some of its rows only."""
        if rows.all():
            return self
        chosen = np.flatnonzero(rows)
        place = {int(row): new for new, row in enumerate(chosen)}
        columns = {
            name: [values[row] for row in chosen]
            if isinstance(values, list)
            else values.take(pa.array(chosen))
            for name, values in self.columns.items()
        }
        odd = {place[row]: text for row, text in self.odd_rows.items() if row in place}
        return GivenTable(columns, self.units, odd)


def unnest(table: GivenTable, name: str) -> GivenTable:
    """Return a table with a row for every entry of the lists in a column.

    Parameters
    ----------
    table
        A row an object.
    name
        Column of lists of groups, or of groups of lists, as HATS catalogues have light
        curves. Its parts become columns, before the table's own of the same name.

    Raises
    ------
    ValueError
        If the column holds no such thing.
    """
    values = table.columns[name]
    if isinstance(values, list):
        raise ValueError(f"its column {name!r} holds text, where lists are expected")
    cells = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if isinstance(cells, pa.ChunkedArray):
        cells = pa.concat_arrays(cells.chunks)
    if pa.types.is_struct(cells.type):
        parts = dict(zip([entry.name for entry in cells.type], cells.flatten(), strict=True))
        counts = compute.fill_null(compute.list_value_length(next(iter(parts.values()))), 0)
        inner = {part: compute.list_flatten(lists) for part, lists in parts.items()}
    elif pa.types.is_nested(cells.type) and pa.types.is_struct(cells.type.value_type):
        counts = compute.fill_null(compute.list_value_length(cells), 0)
        groups = compute.list_flatten(cells)
        inner = dict(zip([entry.name for entry in groups.type], groups.flatten(), strict=True))
    else:
        raise ValueError(f"its column {name!r} holds {cells.type}, where light curves are expected")
    rows = np.repeat(np.arange(len(cells)), np.asarray(counts))
    if any(len(part) != len(rows) for part in inner.values()):
        raise ValueError(f"the lists in its column {name!r} differ in length")
    outer = {
        other: [column[row] for row in rows]
        if isinstance(column, list)
        else column.take(pa.array(rows))
        for other, column in table.columns.items()
        if other != name and other not in inner
    }
    return GivenTable({**outer, **inner}, table.units)


def strip_table_suffix(file_name: str) -> str | None:
    """Return the name of a file of a table without its endings; None if it is not of one.

    ``a.b.csv.gz`` is ``a.b``. Hidden files and read-me files hold no table.
    """
    if file_name.startswith(".") or file_name.lower().startswith("readme"):
        return None
    stem = file_name
    for suffix in COMPRESSIONS:
        if stem.lower().endswith(suffix):
            stem = stem[: -len(suffix)]
    for suffix in TABLE_SUFFIXES:
        if stem.lower().endswith(suffix):
            return stem[: -len(suffix)] or None
    return None


def read_given(
    place: object, data: bytes, headerless: Sequence[str] = (), limit: int = 2**31
) -> GivenTable:
    """Read one table.

    Parameters
    ----------
    place
        The file, for the message.
    data
        Its content, compressed with gzip, bzip2 or zip or not.
    headerless
        See `read_text_parts`.
    limit
        Most bytes, not compressed.

    Raises
    ------
    SurveyError
        If it is no table, or holds several.
    """
    try:
        data = _decompress(data, limit)
        tables = _read_binary(data)
        if tables is None:
            tables = list(read_text_parts(io.BytesIO(data), None, headerless))
        first, *others = tables
    except (ValueError, OSError, pa.ArrowException, csv.Error) as error:
        raise SurveyError(f"{place}: {_in_words(error)}") from error
    if others:
        raise SurveyError(f"{place}: {1 + len(others)} tables in one file; give one file each")
    return first


def read_given_file(path: Path) -> GivenTable:
    """Read one table of a file."""
    return read_given(path, read_file(path))


def stream_given(path: Path, rows: int | None = None) -> Iterator[GivenTable]:
    """Read a long table by parts.

    Parameters
    ----------
    path
        Its file.
    rows
        Number of rows of a part, of text, Parquet and FITS; by default `BATCH_ROWS`. Other
        tables come at once.

    Raises
    ------
    SurveyError
        If it is no table.
    """
    rows = rows or BATCH_ROWS
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if head.startswith(b"PAR1"):
            yield from _read_parquet(path, rows)
        elif head.startswith(b"SIMPLE  ="):
            yield from (_from_arrow(part) for part in read_fits_parts(path, rows))
        elif _is_markup(head):
            yield read_given(path, read_file(path))
        else:
            with _open_decompressed(path, head) as stream:
                head = stream.read(_HEAD_BYTES) or b""
                if head.startswith((b"PAR1", b"SIMPLE  =")) or _is_markup(head):
                    yield read_given(path, head + (stream.read() or b""))
                else:
                    yield from read_text_parts(_Rewound(head, stream), rows)
    except SurveyError:
        raise
    except (
        *(ValueError, pa.ArrowException, csv.Error, OSError, EOFError),
        *(zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError),
    ) as error:
        raise SurveyError(f"{path}: {_in_words(error)}") from error


def read_text_parts(
    stream: Readable, rows: int | None, headerless: Sequence[str] = ()
) -> Iterator[GivenTable]:
    """Read a table of text by parts of so many rows, or at once.

    Parameters
    ----------
    stream
        Its bytes.
    rows
        Most rows of a part; all if None.
    headerless
        Names of the columns of a table without a header, of which it must have two.

    Raises
    ------
    ValueError
        If it is none, or has no header.
    """
    head = stream.read(_HEAD_BYTES) or b""
    encoding = _find_encoding(head)
    lines = io.TextIOWrapper(
        io.BufferedReader(_Rewound(head, stream)),
        encoding=encoding,
        errors="replace",
        newline="",
    )
    sampled: list[str] = []
    for line in lines:
        sampled.append(line)
        if len(sampled) > _SAMPLED_LINES and not line.lstrip().startswith("#"):
            break
    separator, names, skipped = find_layout(sampled)
    if names is None:
        names = _name_by_place(sampled[skipped], separator, headerless)
    cells = split_lines(chain(sampled[skipped:], lines), separator)
    yield _to_columns(names, list(islice(cells, rows)))
    while rows is not None and (part := list(islice(cells, rows))):
        yield _to_columns(names, part)


def _name_by_place(line: str, separator: str | None, headerless: Sequence[str]) -> list[str]:
    """Return the names of the columns of a text without a header."""
    count = len(_split_line(line, separator))
    if not headerless:
        raise ValueError("it has no header; the first line must name the columns")
    if not 2 <= count <= len(headerless):
        raise ValueError(f"{count} columns without a header; they are {', '.join(headerless)}")
    return list(headerless[:count])


def find_layout(lines: Sequence[str]) -> tuple[str | None, list[str] | None, int]:
    """Return what separates the columns of a text, their names, and the line of the first row.

    Parameters
    ----------
    lines
        The first lines.

    Returns
    -------
    separator
        None for white space; an empty text if there is one column only.
    names
        Of the columns; None if there is no header. A header is the first line that is no
        comment, or the last comment before it if that has as many names as there are columns.
    skipped
        Number of lines before the first row.

    Raises
    ------
    ValueError
        If there is nothing.
    """
    content = [place for place, line in enumerate(lines) if line.strip(" \t\r\n#")]
    rows = [place for place in content if not lines[place].lstrip().startswith("#")]
    if not content:
        raise ValueError("it is empty")
    comments = [place for place in content if not rows or place < rows[0]]
    first = rows[0] if rows else comments[-1]
    sample = [lines[place] for place in rows[:20]] or [lines[first]]
    separator = _find_separator(sample)
    cells = _split_line(lines[first].lstrip().lstrip("#"), separator)
    if rows and not any(is_number_or_missing(cell) and cell for cell in cells):
        return separator, cells, first + 1
    if not rows:
        return separator, cells, len(lines)
    if comments:
        text = lines[comments[-1]].lstrip().lstrip("#").strip()
        for tried in (separator, None, ","):
            names = _split_line(text, tried)
            if len(names) == len(cells) and not any(is_number_or_missing(name) for name in names):
                return separator, names, first
    return separator, None, first


def split_lines(lines: Iterable[str], separator: str | None) -> Iterator[list[str]]:
    """Give the cells of the lines of a text that are neither empty nor a comment.

    Raises
    ------
    csv.Error
        If a quotation mark is not closed.
    """
    content = (line for line in lines if line.strip() and not line.lstrip().startswith("#"))
    if separator:
        if separator == "|":
            content = (line.strip().strip("|") for line in content)
        yield from csv.reader(content, delimiter=separator, skipinitialspace=True, strict=True)
    else:
        for line in content:
            yield _split_line(line, separator)


def is_number_or_missing(text: str) -> bool:
    """Say whether a cell holds a number, or what stands for none."""
    if text.strip().lower() in _MISSING:
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def _split_line(line: str, separator: str | None) -> list[str]:
    line = line.strip(" \r\n") if separator == "\t" else line.strip()
    if separator == "":
        return [line.strip('"')]
    if separator is None and '"' not in line:
        return line.split()
    if separator is None:
        return next(csv.reader([re.sub(r"\s+", " ", line)], delimiter=" "), [])
    if separator == "|":
        line = line.strip("|")
    cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    return [cell.strip() for cell in cells]


def _find_separator(sample: Sequence[str]) -> str | None:
    """Return the separator that splits the first line, and the most lines into as many cells."""
    best, most = None, 0
    for separator in _SEPARATORS:
        counts = [len(_split_line(line, separator)) for line in sample]
        agreeing = counts.count(counts[0])
        if counts[0] > 1 and agreeing > most:
            best, most = separator, agreeing
    if best is None and len(_split_line(sample[0], None)) == 1:
        return ""
    return best


def _to_columns(names: Sequence[str], rows: Sequence[list[str]]) -> GivenTable:
    """Return the columns of rows of cells."""
    names = [name.strip() for name in names]
    while names and not names[-1]:
        names.pop()
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise ValueError(f"it has two columns {doubled[:40]!r}")
    width = len(names)
    odd: dict[int, str] = {}
    table: list[list[str]] = []
    for place, row in enumerate(rows):
        cells = row
        while len(cells) > width and not cells[-1].strip():
            cells = cells[:-1]
        if len(cells) != width:
            odd[place] = f"has {len(cells)} cells, the header names {width} columns"
            cells = [*cells, *[""] * width][:width]
        table.append(cells)
    columns = {
        name: list(values)
        for name, values in zip(
            names, zip(*table, strict=True) if table else [()] * width, strict=True
        )
    }
    return GivenTable(columns, {}, odd)


def _parse_cells(cells: Sequence[str]) -> tuple[Floats, Booleans]:
    """Return text as numbers, and which cells hold something else."""
    try:
        return np.array(cells, dtype=float), np.zeros(len(cells), dtype=bool)
    except (ValueError, OverflowError):
        text = pd.Series(cells, dtype="str").str.strip()
        missing = text.str.lower().isin(_MISSING)
        numbers = pd.to_numeric(text.mask(missing), errors="coerce").to_numpy(dtype=float)
        return numbers, (np.isnan(numbers) & ~missing.to_numpy() & (text.str.lower() != "nan"))


def _to_mjd(values: pa.ChunkedArray | pa.Array, name: str) -> Floats:
    dates = pd.Series(values.to_pandas(date_as_object=False))
    if not pd.api.types.is_datetime64_any_dtype(dates):
        raise ValueError(f"its column {name!r} holds {dates.dtype}, which is no time in days")
    if dates.dt.tz is not None:
        dates = dates.dt.tz_convert("UTC").dt.tz_localize(None)
    return np.asarray((dates - _MJD_ZERO) / pd.Timedelta(days=1), dtype=float)


def _find_encoding(head: bytes) -> str:
    """Return the encoding of a text.

    Raises
    ------
    ValueError
        If it is no text.
    """
    for magic, what in _NO_TABLES.items():
        if head.startswith(magic):
            raise ValueError(f"not a table but {what}")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if _MAGICS.keys() & {head[:2], head[:3], head[:4]}:
        raise ValueError("compressed more than once; unpack it")
    strange = sum(byte < 9 or 13 < byte < 32 for byte in head)
    if b"\0" in head or strange > len(head) / 20:
        raise ValueError("not a table: it holds bytes that are no text")
    try:
        # A letter of several bytes may be cut at the end of the head.
        head[: max(0, len(head) - 4)].decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig"


def _is_markup(head: bytes) -> bool:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return start.startswith((b"<", b"# %ECSV"))


def _read_binary(data: bytes) -> list[GivenTable] | None:
    """Read the tables of a file that is not plain text; None for one that is."""
    if data.startswith(b"PAR1"):
        return [_from_arrow(_without_index(pq.read_table(pa.BufferReader(data))))]
    if data.startswith(b"SIMPLE  =") or _is_markup(data[:2000]):
        tables = [_from_arrow(table) for table in read_tables(data)]
        if not tables:
            raise ValueError("it holds no table")
        return tables
    return None


def _read_parquet(path: Path, rows: int) -> Iterator[GivenTable]:
    with pq.ParquetFile(path) as file:
        names = [name for name in file.schema_arrow.names if not _PANDAS_INDEX.fullmatch(name)]
        empty = True
        for batch in file.iter_batches(rows, columns=names):
            empty = False
            yield _from_arrow(pa.Table.from_batches([batch]))
        if empty:
            yield _from_arrow(file.schema_arrow.empty_table().select(names))


def _without_index(table: pa.Table) -> pa.Table:
    return table.select([name for name in table.column_names if not _PANDAS_INDEX.fullmatch(name)])


def _from_arrow(table: pa.Table) -> GivenTable:
    """Return an Arrow table, with the units that its fields have."""
    columns: dict[str, pa.ChunkedArray] = {}
    units: dict[str, str] = {}
    for entry in table.schema:
        values = table[entry.name]
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        about = entry.metadata or {}
        name = about.get(NAME, entry.name.encode()).decode()
        columns[name] = values
        if UNIT in about:
            units[name] = about[UNIT].decode()
    return GivenTable(columns, units)


def _decompress(data: bytes, limit: int) -> bytes:
    """Return the content of a file that is compressed with gzip, bzip2 or zip."""
    kind = next((kind for magic, kind in _MAGICS.items() if data.startswith(magic)), None)
    if kind is None:
        return data
    try:
        with _open_content(kind, io.BytesIO(data)) as stream:
            content = stream.read(limit + 1) or b""
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
        raise ValueError(_in_words(error)) from error
    if len(content) > limit:
        raise ValueError(f"more than {limit} bytes long")
    return content


@contextmanager
def _open_decompressed(path: Path, head: bytes) -> Iterator[Readable]:
    kind = next((kind for magic, kind in _MAGICS.items() if head.startswith(magic)), None)
    with path.open("rb") as file:
        if kind is None:
            yield file
        else:
            with _open_content(kind, file) as stream:
                yield stream


@contextmanager
def _open_content(kind: str, file: IO[bytes]) -> Iterator[Readable]:
    """Open what a compressed file holds; of a zip, its only member."""
    if kind == "zip":
        with zipfile.ZipFile(file) as archive:
            members = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(members) != 1:
                raise ValueError(f"a zip with {len(members)} files, where one table is expected")
            with archive.open(members[0]) as stream:
                yield stream
    else:
        with gzip.open(file) if kind == "gzip" else bz2.open(file) as stream:
            yield stream


def _in_words(error: Exception) -> str:
    """Say what is wrong with a file that cannot be read."""
    said = " ".join(str(error).split())
    said = said if len(said) <= _LONGEST_MESSAGE else f"{said[:_LONGEST_MESSAGE]}..."
    if isinstance(error, SurveyError):
        return str(error)
    if isinstance(error, EOFError | zlib.error | zipfile.BadZipFile | OSError | RuntimeError):
        return f"damaged or cut short ({said})"
    if isinstance(error, pa.ArrowException | csv.Error | UnicodeError):
        return f"not a table ({said})"
    return said


class _Rewound(io.RawIOBase):
    """A stream whose first bytes have been read already."""

    def __init__(self, head: bytes, stream: Readable) -> None:
        self._head = head
        self._stream = stream

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer."""
        if self._head:
            part, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        else:
            part = self._stream.read(len(buffer)) or b""
        buffer[: len(part)] = part
        return len(part)
