"""Tables as the archives serialise them: CSV, ECSV, VOTable, FITS and Parquet.

The content says what it is, not the name: the Gaia archive calls ECSV files ``.csv`` and
VOTables ``.xml``. Units are not interpreted, for the archive writes some that no parser
takes, such as ``'electron'.s**-1``; they are kept as text, with the fields of the table. Astropy
is only imported when a table needs it.
"""

import gzip
import io
import re
import warnings
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv

from metalyra.surveys.formats.text_tables import NULLS, read_text

if TYPE_CHECKING:
    from astropy.table import Table

FILE_NAME = re.compile(r".+\.((csv|ecsv|vot|votable|xml|fits?)(\.gz)?|parquet)", re.IGNORECASE)
"""Names of files that may hold a table."""

DECOMPRESSED_LIMIT = 2**30
"""Largest table that is read (bytes)."""

UNIT, NAME = b"unit", b"name"
"""Metadata of a field: the unit of a column, and its name as the file has it."""

_GZIP = b"\x1f\x8b"

_PLAIN_HEADER = re.compile(rb"[\w ]+(,[\w ]+)+\r?")


def read_tables(data: bytes, columns: Collection[str] | None = None) -> list[pa.Table]:
    """Read the tables of a file, usually one.

    Parameters
    ----------
    data
        The content of the file, compressed with gzip or not.
    columns
        Columns of a CSV that are read, if it has them; all if None.

    Returns
    -------
    list of pyarrow.Table
        Column names in lower case. The columns of a CSV are text; the others have the types
        of the file. Parameters that are the same for all rows (a VOTable's PARAM, the
        keywords of a FITS header, the metadata of an ECSV) are in the schema's metadata.

    Raises
    ------
    ValueError
        If it is no table, or the archive's message instead of one.
    """
    if data.startswith(_GZIP):
        data = _decompress(data)
    head = data[:2000].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"SIMPLE  ="):
        return _read_fits(data)
    if data.startswith(b"PAR1"):
        return [_read_parquet(data)]
    if head.startswith(b"<"):
        if b"votable" not in head.lower():
            raise ValueError("a web page or other markup, not a table")
        return _read_votable(data)
    if head.startswith(b"# %ECSV"):
        return [_read_ecsv(data)]
    return [_read_csv(data, columns)]


def read_text_columns(place: object, data: bytes) -> pd.DataFrame:
    """Read a file with one table, in any serialisation, with every cell as text.

    Parameters
    ----------
    place
        The file, for the message.
    data
        Its content.

    Returns
    -------
    pandas.DataFrame
        Numbers in as many digits as give them back; NaN where there is no value. Column
        names in lower case.

    Raises
    ------
    SurveyError, ValueError
        If it is not one table.
    """
    if not data.startswith((_GZIP, b"SIMPLE  =", b"<", b"# %ECSV")):
        return read_text(place, data).rename(columns=str.lower)
    table, *others = read_tables(data)
    if others:
        raise ValueError(f"{1 + len(others)} tables in one file")
    return pd.DataFrame(
        {
            name: table[name].cast(pa.string()).to_pandas().astype("str")
            for name in table.column_names
            if not pa.types.is_nested(table.schema.field(name).type)
        }
    )


def find_header(data: bytes) -> bytes | None:
    """Return the first line of a CSV file that can be joined with others; None of other files.

    It has rows, a last one that may lack its end, and no quotes, which might hide that end.
    """
    header, _, rows = data.partition(b"\n")
    plain = _PLAIN_HEADER.fullmatch(header) is not None and b'"' not in rows and bool(rows.strip())
    return header if plain else None


def join_csv(files: Sequence[bytes]) -> bytes:
    """Return one CSV file with the rows of several that have the same `find_header`."""
    header, _, _ = files[0].partition(b"\n")
    return b"\n".join([header, *(data[len(header) + 1 :].rstrip(b"\r\n") for data in files), b""])


def parse_lists(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return lists of text from cells such as ``[1.5, null]``, ``{1.5,NULL}`` or ``(1.5,)``.

    Cells that are lists already stay as they are.
    """
    if pa.types.is_nested(cells.type):
        return cells
    return compute.split_pattern(compute.utf8_trim(cells, characters=" []{}()"), ",")


def holds_lists(cells: pa.ChunkedArray) -> bool:
    """Say whether the cells of a column are lists, or text that begins like one."""
    if pa.types.is_nested(cells.type):
        return True
    if not pa.types.is_string(cells.type):
        return False
    return bool(compute.any(compute.match_substring_regex(cells, r"^\s*[\[{(]")).as_py())


def to_numbers(values: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return values or text as floats, NaN where there is none.

    Raises
    ------
    pyarrow.ArrowInvalid
        If a text is not a number.
    """
    if pa.types.is_string(values.type):
        values = _clean(values)
    return np.asarray(values.cast(pa.float64()), dtype=float)


def to_integers(values: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return values or text as whole numbers of 64 bits, -1 where there is none.

    Raises
    ------
    pyarrow.ArrowInvalid
        If a text is not a whole number.
    """
    if pa.types.is_string(values.type):
        values = _clean(values)
    return np.asarray(compute.fill_null(values.cast(pa.int64()), -1), dtype=np.int64)


def to_flags(values: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return values or text (``true``, ``T``, ``1``) as booleans, False where there is none."""
    if pa.types.is_string(values.type):
        values = compute.is_in(
            compute.utf8_lower(_clean(values)), value_set=pa.array(["true", "t", "1"])
        )
    return np.asarray(compute.fill_null(values.cast(pa.bool_()), False), dtype=bool)


def _clean(text: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Strip a text of white space and quotes, and make nulls of what stands for them."""
    text = compute.utf8_trim(text, characters=" \"'")
    missing = compute.is_in(text, value_set=pa.array(NULLS))
    return compute.if_else(missing, pa.scalar(None, pa.string()), text)


def _decompress(data: bytes) -> bytes:
    try:
        with gzip.open(io.BytesIO(data)) as stream:
            content = stream.read(DECOMPRESSED_LIMIT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"damaged or cut short ({error})") from error
    if len(content) > DECOMPRESSED_LIMIT:
        raise ValueError(f"more than {DECOMPRESSED_LIMIT} bytes long")
    return content


def _read_csv(data: bytes, columns: Collection[str] | None) -> pa.Table:
    header = data.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].decode(errors="replace")
    names = [name.strip(" \"'\r") for name in header.split(",")]
    chosen = [name for name in names if columns is None or name.lower() in columns]
    if not chosen:
        return pa.table({})
    table = pyarrow.csv.read_csv(
        io.BytesIO(data),
        read_options=pyarrow.csv.ReadOptions(
            use_threads=False, column_names=names, skip_rows=1, block_size=max(2**20, len(data))
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=chosen,
            null_values=NULLS,
            strings_can_be_null=True,
        ),
    )
    return table.rename_columns([name.lower() for name in chosen])


def _read_votable(data: bytes) -> list[pa.Table]:
    from astropy.io import votable

    # What the archives write is not always valid; what it says is clear all the same.
    try:
        document = votable.parse(io.BytesIO(data), verify="ignore")
    except Exception as error:  # the parser lets through whatever its parts raise
        raise ValueError(f"not a VOTable ({error})") from error
    for resource in document.resources:
        for info in resource.infos:
            if info.name == "QUERY_STATUS" and info.value in ("ERROR", "OVERFLOW"):
                said = (info.content or "").strip()
                raise ValueError(
                    f"the archive says: {said or 'error'}"
                    if info.value == "ERROR"
                    else "cut off at the archive's limit of rows"
                )
    return [
        _to_arrow(
            element.to_table(use_names_over_ids=True),
            {parameter.name: parameter.value for parameter in element.params},
        )
        for element in document.iter_tables()
        if not element.is_empty()
    ]


def _read_fits(data: bytes) -> list[pa.Table]:
    from astropy.io import fits
    from astropy.table import Table
    from astropy.utils.exceptions import AstropyUserWarning

    try:
        with _strict(), fits.open(io.BytesIO(data)) as document:
            return [
                _to_arrow(Table.read(unit), dict(unit.header))
                for unit in document
                if isinstance(unit, fits.BinTableHDU | fits.TableHDU)
            ]
    except (OSError, TypeError, KeyError, ValueError, AstropyUserWarning) as error:
        raise ValueError(f"not a FITS table ({error})") from error


def _read_parquet(data: bytes) -> pa.Table:
    """Read a Parquet file; what is nested in a column becomes columns of lists of its own."""
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(data))
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"not a Parquet table ({error})") from error
    columns: dict[str, pa.Array] = {}
    for name in table.column_names:
        cells = table[name].combine_chunks()
        if pa.types.is_struct(cells.type):
            for field in cells.type:
                columns[field.name.lower()] = compute.struct_field(cells, field.name)
        else:
            columns[name.lower()] = cells
    return pa.table(columns)


def _read_ecsv(data: bytes) -> pa.Table:
    from astropy.table import Table

    try:
        with _strict():
            table = Table.read(io.BytesIO(data), format="ascii.ecsv")
    except Exception as error:  # as for VOTables
        raise ValueError(f"not an ECSV table ({error})") from error
    return _to_arrow(table, table.meta)


def read_ipac(data: bytes) -> pa.Table:
    """Read a table of IPAC, as IRSA writes them: ``|`` around names, fixed columns of values.

    Raises
    ------
    ValueError
        If it is none.
    """
    from astropy.table import Table

    try:
        with _strict():
            table = Table.read(data.decode(errors="replace"), format="ascii.ipac")
    except Exception as error:  # as for VOTables
        raise ValueError(f"not an IPAC table ({error})") from error
    return _to_arrow(table, {})


@contextmanager
def _strict() -> Iterator[None]:
    """Take a truncated file, of which astropy only warns, for an error, and no unit at all."""
    from astropy.units import UnitsWarning
    from astropy.utils.exceptions import AstropyUserWarning

    with warnings.catch_warnings():
        warnings.simplefilter("error", AstropyUserWarning)
        warnings.simplefilter("ignore", UnitsWarning)
        yield


def _to_arrow(table: "Table", parameters: Mapping[str, object]) -> pa.Table:
    """Return an Arrow table, its masked cells as nulls, with parameters as metadata."""
    columns, fields = [], []
    for name in table.colnames:
        values, unit = table[name], str(getattr(table[name], "unit", None) or "")
        if hasattr(values, "mjd"):  # a column of times
            values, unit = values.mjd, f"d MJD {values.scale.upper()}"
        mask = np.ma.getmaskarray(values)
        columns.append(_column_to_arrow(np.asarray(np.ma.getdata(values)), mask))
        about = {NAME: name.encode(), **({UNIT: unit.encode()} if unit else {})}
        fields.append(pa.field(name.lower(), columns[-1].type, metadata=about))
    metadata = {str(key).lower(): _text(value) for key, value in parameters.items()}
    return pa.table(columns, schema=pa.schema(fields, metadata=metadata))


def read_fits_parts(path: Path, rows: int) -> Iterator[pa.Table]:
    """Read the only table of a FITS file by parts of so many rows, from the disk as needed.

    Raises
    ------
    ValueError
        If it is none, or holds several tables.
    """
    from astropy.io import fits
    from astropy.table import Table
    from astropy.utils.exceptions import AstropyUserWarning

    try:
        with _strict(), fits.open(path, memmap=True) as document:
            units = [unit for unit in document if isinstance(unit, fits.BinTableHDU)]
            if len(units) != 1:
                raise ValueError(f"{len(units)} tables in one file, where one is expected")
            [unit] = units
            for first in range(0, max(1, len(unit.data)), rows):
                part = fits.BinTableHDU(unit.data[first : first + rows], unit.header)
                yield _to_arrow(Table.read(part), {})
    except (OSError, TypeError, KeyError, ValueError, AstropyUserWarning) as error:
        raise ValueError(f"not a FITS table ({error})") from error


def _column_to_arrow(values: np.ndarray, mask: np.ndarray) -> pa.Array:
    if values.ndim > 1:
        return pa.array(np.ma.array(values, mask=mask).tolist())
    if values.dtype.kind in "OSU":
        cells = zip(values, mask, strict=True)
        return pa.array([None if hidden else _cell(cell) for cell, hidden in cells])
    return pa.array(values.astype(values.dtype.newbyteorder("=")), mask=mask)


def _cell(cell: object) -> object:
    """Return a cell as text or as a list with None for what is masked."""
    if isinstance(cell, np.ndarray | list | tuple):
        return np.ma.array(cell).tolist()
    return _text(cell)


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
