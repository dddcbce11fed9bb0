"""VizieR: catalogues asked for in its own language (ASU), or by TAP."""

import re
from collections.abc import Mapping, Sequence

from testbench.loopback.adql import AdqlError
from testbench.loopback.formats import VOTABLE, error_votable, write_votable
from testbench.loopback.messages import Reply, Request
from testbench.loopback.tables import Column, Database, Table
from testbench.loopback.tap import TapService

_UNLIMITED = 2**30
_DEGREES = {"-c.rd": 1.0, "-c.rm": 1 / 60, "-c.rs": 1 / 3600}
_CENTRE = re.compile(r"([\d.]+) ?([-+][\d.]+)")
_COMPARISON = re.compile(r"(<=|>=|<|>|=|!=)?\s*(.+)")


class CatalogueService:
    """Serves catalogues.

    Parameters
    ----------
    database
        Tables called ``<catalogue>/<table>``, with positions in `RAJ2000` and `DEJ2000`.
    tap
        The TAP service of the same tables.
    """

    def __init__(self, database: Database, tap: TapService) -> None:
        self._database = database
        self._tap = tap

    def reply(self, request: Request) -> Reply:
        """Answer a question in either language."""
        if "viz-bin" not in request.parts:
            return self._tap.reply(request)
        if request.parts[-1] != "votable":
            return error_votable(f"No {request.parts[-1]} here; ask for votable")
        asked = _read_options(request)
        wanted = asked.get("-source", "").split(",")
        names = [
            name
            for name in self._database.names
            if any(name == source or name.startswith(f"{source}/") for source in wanted if source)
        ]
        try:
            tables = [self._select(name, asked) for name in names]
        except AdqlError as error:
            return error_votable(str(error))
        body = write_votable(*tables, binary=False)
        return Reply(200, body, {"Content-Type": VOTABLE})

    def _select(self, name: str, asked: Mapping[str, str]) -> Table:
        """Return the rows and columns asked for."""
        columns = self._database.columns(name)
        known = {column.name: column for column in columns}
        conditions = [_condition(known[key], value) for key, value in asked.items() if key in known]
        conditions += _region(asked)
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        shown = ", ".join(f'"{column}"' for column in _shown(columns, asked))
        limit = asked.get("-out.max", "50")
        query = f'SELECT {shown} FROM "{name}"{where}'  # noqa: S608 (a database of our own)
        rows = int(limit) if limit.isdigit() else _UNLIMITED
        table = self._database.query(query, rows)
        return Table(table.columns, table.rows, name)


def _read_options(request: Request) -> dict[str, str]:
    """Return the options of a question; lists come as lines between marks."""
    options = {name.lower(): value for name, value in request.parameters.items()}
    lines = iter(request.body.decode().splitlines())
    for line in lines:
        name, _, value = line.partition("=")
        if value.startswith("<<"):
            end = value[2:]
            listed = []
            for entry in lines:
                if entry == end:
                    break
                listed.append(entry)
            value = "\n".join(listed)
        options[name] = value
    return options


def _shown(columns: Sequence[Column], asked: Mapping[str, str]) -> list[str]:
    """Return the columns asked for that the table has; all of them for ``*``."""
    names = [column.name for column in columns]
    wanted = [name for name in asked.get("-out", "*").split(",") if name]
    if "-out.all" in asked or "*" in wanted:
        return names
    return [name for name in wanted if name in names] or names


def _condition(column: Column, value: str) -> str:
    """Return a constraint on a column, as in ``<0.5``, ``0.4..0.6`` or ``RRab``."""
    low, dots, high = value.partition("..")
    if dots:
        return f'"{column.name}" BETWEEN {float(low)!r} AND {float(high)!r}'
    sign, bound = _COMPARISON.fullmatch(value.strip()).groups()
    if column.datatype == "char":
        text = bound.replace("'", "''")
        return f"\"{column.name}\" {sign or '='} '{text}'"
    return f'"{column.name}" {sign or "="} {float(bound)!r}'


def _region(asked: Mapping[str, str]) -> list[str]:
    """Return the condition that a position is in a circle around one of the centres."""
    centres = _CENTRE.findall(asked.get("-c", ""))
    radius = next((float(asked[key]) * scale for key, scale in _DEGREES.items() if key in asked), 0)
    circles = [
        f'1 = CONTAINS(POINT("RAJ2000", "DEJ2000"), CIRCLE({ra}, {dec}, {radius!r}))'
        for ra, dec in centres
    ]
    return [f"({' OR '.join(circles)})"] if circles else []
