"""What archives are asked, as text: ADQL and the parameters of their services.

Everything here is pure; `metalyra.acquire.clients` sends it.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

BATCH = "{batch}"
"""Stands in the name of a query for the number of the batch of stars."""

DRAW, DRAW_MODULUS = "draw", 1_000_003
"""Column and divisor of the remainder by which stars are drawn that have no random index."""

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """One question to an archive.

    Attributes
    ----------
    service, path
        The service, and the path below its base URL.
    protocol
        A key of `metalyra.acquire.clients.protocols.PROTOCOLS`.
    parameters
        What is asked, as the protocol wants it.
    suffix
        Of the reply's name; says what it is.
    row_limit
        Number of rows at which the archive has cut the reply; None where it does not.
    optional
        What the archive has not is an empty reply, not an error.
    """

    service: str
    path: str
    protocol: str
    suffix: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    row_limit: int | None = None
    optional: bool = False

    @property
    def name(self) -> str:
        """Return the name of the reply, the same for the same question."""
        asked = json.dumps([self.service, self.path, *sorted(self.parameters.items())])
        return hashlib.sha256(asked.encode()).hexdigest()[:16] + self.suffix

    def describe(self) -> str:
        """Return the question for people."""
        where = f"-- {self.service}: {self.path} ({self.protocol})"
        if "QUERY" in self.parameters:
            return f"{where}\n{self.parameters['QUERY']}"
        lines = [f"   {name}={_shorten(value)}" for name, value in self.parameters.items()]
        return "\n".join([where, *lines])


def _shorten(text: str) -> str:
    """Return the ends of a long text."""
    return text if len(text) <= 120 else f"{text[:80]} ... {text[-25:]} ({text.count(',') + 1})"


def expand_batches(name: str, queries: Mapping[str, Settings]) -> list[str]:
    """Return the files that a name stands for: one for each batch of a query, or itself."""
    if name not in queries or BATCH not in name:
        return [name]
    return [name.replace(BATCH, str(batch)) for batch in range(queries[name]["batches"])]


def find_query(name: str, queries: Mapping[str, Settings]) -> tuple[Settings, int] | None:
    """Return the query that makes a file, with the number of the file's batch.

    Parameters
    ----------
    name
        The file.
    queries
        By name, which has `BATCH` in it if there are several files.
    """
    if name in queries:
        return queries[name], 0
    for template, query in queries.items():
        if BATCH in template:
            before, after = map(re.escape, template.split(BATCH))
            match = re.fullmatch(rf"{before}(\d+){after}", name)
            if match and int(match[1]) < query["batches"]:
                return query, int(match[1])
    return None


def quote(text: str) -> str:
    """Return a text as ADQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def circle(ra: str, dec: str, centre: tuple[float, float], radius: float) -> str:
    """Return the condition that a position is in a circle; all in degrees.

    Parameters
    ----------
    ra, dec
        Columns of the position.
    centre
        Right ascension and declination.
    """
    where = f"{centre[0]:.7f}, {centre[1]:.7f}, {radius:.7f}"
    return f"1 = CONTAINS(POINT('ICRS', {ra}, {dec}), CIRCLE('ICRS', {where}))"


def between(column: str, bounds: Sequence[float | None], *, period: float | None = None) -> str:
    """Return the condition that a column is within bounds, null where there is none.

    With a `period`, a lower bound above the upper one means the way around, through zero.
    """
    low, high = bounds
    if low is None:
        return f"{column} <= {high}"
    if high is None:
        return f"{column} >= {low}"
    if period is not None and low > high:
        return f"({column} >= {low} OR {column} <= {high})"
    return f"{column} BETWEEN {low} AND {high}"


def in_region(region: Settings, alias: str) -> list[str]:
    """Return the conditions that a source is in a region of the sky.

    Parameters
    ----------
    region
        Either `ra`, `dec` and `radius`, or bounds of `l` and `b` (all in degrees).
    alias
        Of the table with the columns `ra`, `dec`, `l` and `b`.
    """
    if "radius" in region:
        centre = (region["ra"], region["dec"])
        return [circle(f"{alias}.ra", f"{alias}.dec", centre, region["radius"])]
    periods = {"l": 360.0, "b": None}
    return [
        between(f"{alias}.{column}", region[column], period=period)
        for column, period in periods.items()
        if column in region
    ]


def select_rr_lyrae(product: Settings, query: Settings, part: int = 0, parts: int = 1) -> str:
    """Return the ADQL that selects RR Lyrae stars of a Gaia release with their positions.

    Stars that the table of sources does not have are kept, without a position or with that of
    another table; a bound on what only the table of sources knows leaves them out.

    Parameters
    ----------
    product
        The archive's names: `table`, `source_table`, `identifier`, `source_identifier`,
        `type`, `magnitude`, `columns`, `source_columns`, `random_index` (or None) and
        `fallbacks`, see `metalyra.acquire.gaia_names.name_fallback`.
    query
        The study's wishes, all optional: `types`, `region` (see `in_region`), `magnitudes`
        (bounds), `where` (more ADQL; the tables are ``rr`` and ``gs``) and `limit`, the
        number of stars, which are drawn by the archive's random index or, where it has none, by
        a remainder of their identifiers.
    part, parts
        Ask only for one of so many parts (an odd number), of about equal size.
    """
    identifier = f"rr.{product['identifier']}"
    columns = [f"rr.{column}" for column in product["columns"]]
    columns += [f"gs.{column}" for column in product["source_columns"]]
    joins = [
        f"LEFT JOIN {product['source_table']} AS gs "
        f"ON gs.{product['source_identifier']} = {identifier}"
    ]
    for number, other in enumerate(product["fallbacks"]):
        alias = fallback_alias(number)
        columns += [
            f"{alias}.{column} AS {alias}_{name}" for name, column in other["columns"].items()
        ]
        joins.append(
            f"LEFT JOIN {other['table']} AS {alias} ON {alias}.{other['identifier']} = {identifier}"
        )
    conditions = _wishes(product, query)
    if parts > 1:
        # Odd, for all identifiers of one kind are multiples of 128.
        conditions.append(f"MOD({identifier}, {parts}) = {part}")
    drawn = "limit" in query and parts == 1
    order = f"gs.{product['random_index']}" if product["random_index"] else DRAW
    if drawn and order == DRAW:
        columns.append(f"MOD({identifier}, {DRAW_MODULUS}) AS {DRAW}")
    elif drawn:
        conditions.append(f"{order} IS NOT NULL")
    lines = [
        f"SELECT TOP {query['limit']}" if drawn else "SELECT",
        "    " + ",\n    ".join(columns),
        f"FROM {product['table']} AS rr",
        *joins,
    ]
    if conditions:
        lines.append("WHERE " + "\n    AND ".join(conditions))
    if drawn:
        lines.append(f"ORDER BY {order}")
    return "\n".join(lines)


def _wishes(product: Settings, query: Settings) -> list[str]:
    """Return the conditions that a study has for its stars."""
    conditions = []
    if "types" in query:
        types = ", ".join(map(quote, query["types"]))
        conditions.append(f"rr.{product['type']} IN ({types})")
    if "region" in query:
        conditions += in_region(query["region"], "gs")
    if "magnitudes" in query:
        conditions.append(between(f"gs.{product['magnitude']}", query["magnitudes"]))
    if "where" in query:
        conditions.append(f"({query['where']})")
    return conditions


def fallback_alias(number: int) -> str:
    """Return what a query calls a table that has what the table of sources has not."""
    return f"fb{number}"


def select_header(table: str) -> str:
    """Return the ADQL whose answer has all columns of a table, and hardly a row."""
    return f"SELECT TOP 1 *\nFROM {table}"


def select_light_curves(product: Settings, identifiers: Sequence[str]) -> str:
    """Return the ADQL that selects the light curves of sources, one row a point.

    Parameters
    ----------
    product
        The archive's names: `table`, `identifier` and `columns`.
    identifiers
        Whole numbers, as text.
    """
    return "\n".join(
        [
            f"SELECT {', '.join(product['columns'])}",
            f"FROM {product['table']}",
            f"WHERE {product['identifier']} IN ({', '.join(identifiers)})",
        ]
    )


def select_epochs(
    product: Settings, positions: Sequence[tuple[float, float]], radius: float
) -> str:
    """Return the ADQL that selects the epochs of the sources at some positions.

    Parameters
    ----------
    product
        The archive's names: `tables` (of a FROM clause), `identifier`, `ra` and `dec` of the
        source, `columns` of the epoch, and perhaps `conditions`.
    positions
        Right ascensions and declinations (deg).
    radius
        Largest distance (deg).
    """
    source = {"source_id": product["identifier"], "ra": product["ra"], "dec": product["dec"]}
    columns = [f"{column} AS {name}" for name, column in source.items()] + product["columns"]
    chosen = ",\n    ".join(columns)
    places = "\n    OR ".join(
        circle(product["ra"], product["dec"], position, radius) for position in positions
    )
    conditions = [*product.get("conditions", []), f"({places})"]
    return "\n".join(
        [
            "SELECT",
            f"    {chosen}",
            f"FROM {product['tables']}",
            "WHERE " + "\n    AND ".join(conditions),
        ]
    )
