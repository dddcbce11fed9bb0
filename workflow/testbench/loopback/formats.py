"""Tables in the formats that archives deliver.

VOTable is written here, because the archives' own unit strings, which no library writes,
must go out as they are.
"""

import base64
import csv
import gzip
import io
import json
import math
import struct
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from testbench.loopback.messages import Reply
from testbench.loopback.tables import Column, Table

VOTABLE = "application/x-votable+xml"

_CODES = {"long": ">q", "double": ">d"}
_NUMPY = {"long": np.int64, "double": np.float64, "boolean": np.bool_, "char": np.str_}
_FITS_CODES = {"long": "K", "double": "D", "boolean": "L"}
_NO_INTEGER = -(2**63)
# An array of VOTable's TABLEDATA has no empty items.
_MISSING_ITEMS = {"long": "0", "double": "NaN", "boolean": "?", "char": ""}

_ALIASES = {
    "": "votable",
    "application/x-votable+xml": "votable",
    "text/xml": "votable",
    "votable/b2": "votable",
    "votable/td": "votable_plain",
    "application/x-votable+xml;serialization=tabledata": "votable_plain",
    "application/x-votable+xml;serialization=binary2": "votable",
    "text/csv": "csv",
    "application/fits": "fits",
    "application/json": "json",
}
_TYPES = {
    "votable": (VOTABLE, "vot"),
    "votable_plain": (VOTABLE, "vot"),
    "votable_gzip": (VOTABLE, "vot"),
    "csv": ("text/csv", "csv"),
    "fits": ("application/fits", "fits"),
    "ecsv": ("text/ecsv", "ecsv"),
    "json": ("application/json", "json"),
}

COMPRESSED = ("votable_gzip", "ecsv", "fits")
"""Formats that the Gaia archive sends compressed with gzip, whether asked for or not."""


def find_format(asked: str) -> str | None:
    """Return the name of a format that is asked for by name or MIME type; None if unknown."""
    asked = asked.replace(" ", "").lower()
    name = _ALIASES.get(asked, asked)
    return name if name in _TYPES else None


def write_table(table: Table, name: str) -> bytes:
    """Return a table in a format.

    Parameters
    ----------
    table
        What to write.
    name
        As `find_format` returns it.
    """
    match name:
        case "csv":
            return write_csv(table)
        case "fits":
            return write_fits(table)
        case "ecsv":
            return write_ecsv(table)
        case "json":
            return write_json(table)
        case _:
            return write_votable(table, binary=name != "votable_plain")


def send_table(table: Table, name: str, stem: str, compressed: Sequence[str] = ()) -> Reply:
    """Return the reply that has a table, compressed if the archive compresses the format."""
    kind, suffix = _TYPES[name]
    body = write_table(table, name)
    headers = {"Content-Type": kind}
    if name in compressed:
        body = gzip.compress(body, mtime=0)
        headers["Content-Encoding"] = "gzip"
    headers["Content-Disposition"] = f'attachment;filename="{stem}.{suffix}"'
    return Reply(200, body, headers)


def write_votable(*tables: Table, binary: bool = True, parameters: str = "") -> bytes:
    """Return tables as VOTable 1.4, in BINARY2 or TABLEDATA.

    Parameters
    ----------
    tables
        What to write, each as a resource of its own.
    binary
        BINARY2 rather than TABLEDATA.
    parameters
        XML elements that stand before the columns.
    """
    return _document(*(_resource(table, binary, parameters) for table in tables))


def error_votable(message: str, status: int = 400) -> Reply:
    """Return the reply of a service of the Virtual Observatory that could not do its work."""
    body = _document(
        '<RESOURCE type="results">\n'
        f'<INFO name="QUERY_STATUS" value="ERROR">{escape(message)}</INFO>\n</RESOURCE>\n'
    )
    return Reply(status, body, {"Content-Type": VOTABLE})


def write_csv(table: Table) -> bytes:
    """Return a table as CSV, numbers with all their digits."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([column.name for column in table.columns])
    for row in table.rows:
        writer.writerow(
            [
                "" if value is None else _text(value, column)
                for value, column in zip(row, table.columns, strict=True)
            ]
        )
    return buffer.getvalue().encode()


def write_fits(table: Table) -> bytes:
    """Return a table as FITS."""
    from astropy.io import fits

    columns = []
    for number, column in enumerate(table.columns):
        values = [row[number] for row in table.rows]
        code = _FITS_CODES.get(column.datatype)
        if column.is_array:
            array = np.empty(len(values), dtype=object)
            array[:] = [np.array(value, _NUMPY[column.datatype]) for value in values]
            columns.append(fits.Column(column.name, f"P{code}()", unit=column.unit, array=array))
            continue
        missing = {"long": _NO_INTEGER, "double": np.nan, "boolean": False, "char": ""}
        filled = [missing[column.datatype] if value is None else value for value in values]
        array = np.array(filled, _NUMPY[column.datatype])
        code = code or f"{max(array.dtype.itemsize // 4, 1)}A"
        null = _NO_INTEGER if column.datatype == "long" else None
        columns.append(
            fits.Column(column.name, code, unit=column.unit or None, null=null, array=array)
        )
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(buffer)
    return buffer.getvalue()


def write_ecsv(table: Table) -> bytes:
    """Return a table as ECSV."""
    lines = ["%ECSV 1.0", "---", "delimiter: ','", "datatype:"]
    names = {"long": "int64", "double": "float64", "boolean": "bool", "char": "string"}
    for column in table.columns:
        lines += ["-", f"  name: {column.name}"]
        kind = "string" if column.is_array else names[column.datatype]
        lines.append(f"  datatype: {kind}")
        if column.is_array:
            lines.append(f"  subtype: {names[column.datatype]}[null]")
        for key, value in (("unit", column.unit), ("description", column.description)):
            if value:
                lines.append(f"  {key}: {json.dumps(value)}")
    head = "".join(f"# {line}\n" for line in lines)
    return head.encode() + write_csv(table)


def write_json(table: Table) -> bytes:
    """Return a table as the Gaia archive's JSON: the columns' descriptions, then the rows."""
    metadata = [
        {
            "name": column.name,
            "datatype": column.datatype,
            "unit": column.unit or None,
            "ucd": column.ucd or None,
            "description": column.description or None,
        }
        for column in table.columns
    ]
    rows = [[_plain(value) for value in row] for row in table.rows]
    return json.dumps({"metadata": metadata, "data": rows}).encode()


def _plain(value: object) -> object:
    """Return a value that JSON has."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _document(*resources: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
        f"{''.join(resources)}</VOTABLE>\n"
    ).encode()


def _resource(table: Table, binary: bool, parameters: str) -> str:
    """Return a table with the status of the query; what was left out is said at the end."""
    fields = "".join(_field(column) for column in table.columns)
    data = _binary(table) if binary else _table_data(table)
    name = f" name={quoteattr(table.name)}" if table.name else ""
    overflow = '<INFO name="QUERY_STATUS" value="OVERFLOW"/>\n' if table.overflow else ""
    return (
        '<RESOURCE type="results">\n<INFO name="QUERY_STATUS" value="OK"/>\n'
        f"<TABLE{name}>\n{parameters}{fields}<DATA>\n{data}</DATA>\n</TABLE>\n{overflow}"
        "</RESOURCE>\n"
    )


def _field(column: Column) -> str:
    attributes = {"name": column.name, "datatype": column.datatype}
    if column.is_array or column.datatype == "char":
        attributes["arraysize"] = "*"
    attributes |= {
        key: value for key, value in (("unit", column.unit), ("ucd", column.ucd)) if value
    }
    written = " ".join(f"{key}={quoteattr(value)}" for key, value in attributes.items())
    description = (
        f"<DESCRIPTION>{escape(column.description)}</DESCRIPTION>" if column.description else ""
    )
    return f"<FIELD {written}>{description}</FIELD>\n"


def _table_data(table: Table) -> str:
    rows = (
        "".join(
            f"<TD>{'' if value is None else escape(_text(value, column, ' '))}</TD>"
            for value, column in zip(row, table.columns, strict=True)
        )
        for row in table.rows
    )
    return "<TABLEDATA>\n" + "".join(f"<TR>{row}</TR>\n" for row in rows) + "</TABLEDATA>\n"


def _binary(table: Table) -> str:
    stream = b"".join(_binary_row(row, table.columns) for row in table.rows)
    encoded = base64.encodebytes(stream).decode()
    return f'<BINARY2>\n<STREAM encoding="base64">\n{encoded}</STREAM>\n</BINARY2>\n'


def _binary_row(row: Sequence[object], columns: Sequence[Column]) -> bytes:
    """Return a row after the bits that say which of its values are missing."""
    missing = "".join("1" if value is None else "0" for value in row)
    width = -(-len(columns) // 8)
    flags = int(missing.ljust(8 * width, "0"), 2).to_bytes(width, "big")
    return flags + b"".join(map(_binary_value, row, columns))


def _binary_value(value: object, column: Column) -> bytes:
    if column.is_array:
        items = value or []
        one = Column(column.name, column.datatype)
        return struct.pack(">i", len(items)) + b"".join(_binary_value(item, one) for item in items)
    if column.datatype == "boolean":
        return b"?" if value is None else b"T" if value else b"F"
    if column.datatype == "char":
        encoded = "" if value is None else str(value)
        return struct.pack(">i", len(encoded.encode())) + encoded.encode()
    missing = 0 if column.datatype == "long" else math.nan
    return struct.pack(_CODES[column.datatype], missing if value is None else value)


def _text(value: object, column: Column, separator: str = ",") -> str:
    """Return a value in letters, numbers with all their digits."""
    if column.is_array:
        one = Column(column.name, column.datatype)
        missing = _MISSING_ITEMS[column.datatype] if separator == " " else "null"
        items = separator.join(missing if item is None else _text(item, one) for item in value)
        return items if separator == " " else f"[{items}]"
    if column.datatype == "boolean":
        return "true" if value else "false"
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else repr(value)
    return str(value)
