"""What a TAP service says of itself: its tables, capabilities and availability."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from testbench.loopback.messages import Reply, text
from testbench.loopback.tables import Column

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
_DATA_SERVICE = 'xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1"'
_VOSI = "http://www.ivoa.net/xml/VOSI"


def describe_tables(tables: dict[str, Sequence[Column]], *, esa: bool) -> Reply:
    """Return the tables of a service.

    Parameters
    ----------
    tables
        Columns by the name of the table; none where only names are asked for.
    esa
        With the attributes that ESA's archives add, which their client needs.
    """
    esa_names = 'xmlns:esatapplus="http://esa.int/xml/EsaTapPlus"' if esa else ""
    schemas: dict[str, list[str]] = {}
    for name in tables:
        schemas.setdefault(name.rpartition(".")[0] or "public", []).append(name)
    content = "".join(
        f"<schema><name>{escape(schema)}</name>\n"
        + "".join(_describe_table(name, tables[name], esa) for name in names)
        + "</schema>\n"
        for schema, names in schemas.items()
    )
    return _xml(
        f'<vosi:tableset xmlns:vosi="{_VOSI}Tables/v1.0" {_DATA_SERVICE} {_XSI} {esa_names}>\n'
        f"{content}</vosi:tableset>\n"
    )


def describe_table(name: str, columns: Sequence[Column]) -> Reply:
    """Return one table of a service."""
    attributes = f'xmlns:vosi="{_VOSI}Tables/v1.0" {_DATA_SERVICE} {_XSI}'
    return _xml(
        _describe_table(name, columns, False)
        .replace("<table", f"<vosi:table {attributes}")
        .replace("</table>", "</vosi:table>")
    )


def describe_capabilities(address: str, limit: int) -> Reply:
    """Return what a service can do.

    Parameters
    ----------
    address
        Of the service.
    limit
        Most rows of an answer.
    """
    others = "".join(
        f'<capability standardID="ivo://ivoa.net/std/VOSI#{name}">'
        f'<interface xsi:type="vs:ParamHTTP" role="std"><accessURL use="full">{address}/{name}'
        "</accessURL></interface></capability>\n"
        for name in ("capabilities", "availability", "tables")
    )
    return _xml(
        f'<vosi:capabilities xmlns:vosi="{_VOSI}Capabilities/v1.0" '
        f'xmlns:tr="http://www.ivoa.net/xml/TAPRegExt/v1.0" {_DATA_SERVICE} {_XSI}>\n'
        '<capability standardID="ivo://ivoa.net/std/TAP" xsi:type="tr:TableAccess">\n'
        '<interface xsi:type="vs:ParamHTTP" role="std" version="1.1">'
        f'<accessURL use="base">{address}</accessURL></interface>\n'
        '<language><name>ADQL</name><version ivo-id="ivo://ivoa.net/std/ADQL#v2.0">2.0</version>'
        "<description>ADQL 2.0</description></language>\n"
        "<outputFormat><mime>application/x-votable+xml</mime><alias>votable</alias></outputFormat>\n"
        "<outputFormat><mime>text/csv</mime><alias>csv</alias></outputFormat>\n"
        '<uploadMethod ivo-id="ivo://ivoa.net/std/TAPRegExt#upload-inline"/>\n'
        f'<outputLimit><default unit="row">{limit}</default><hard unit="row">{limit}</hard>'
        f"</outputLimit>\n</capability>\n{others}</vosi:capabilities>\n"
    )


def describe_availability() -> Reply:
    """Return that the service is there."""
    return _xml(
        f'<vosi:availability xmlns:vosi="{_VOSI}Availability/v1.0">'
        "<vosi:available>true</vosi:available></vosi:availability>\n"
    )


def _describe_table(name: str, columns: Sequence[Column], esa: bool) -> str:
    flags = ' esatapplus:flags="0"' if esa else ""
    # ESA's archives give the name without its schema, the standard gives all of it.
    written = name.rpartition(".")[2] if esa else name
    described = "".join(
        f"<column{flags}><name>{escape(column.name)}</name>"
        f"<description>{escape(column.description)}</description>"
        f"<unit>{escape(column.unit)}</unit><ucd>{escape(column.ucd)}</ucd>"
        f'<dataType xsi:type="vs:VOTableType">{column.datatype}</dataType></column>\n'
        for column in columns
    )
    return f"<table><name>{escape(written)}</name>\n{described}</table>\n"


def _xml(content: str) -> Reply:
    return text(_HEAD + content, kind="text/xml")
