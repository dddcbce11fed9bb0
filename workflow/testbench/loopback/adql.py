"""ADQL in the words of SQLite.

SQLite knows nearly all of it. What differs: ``TOP n`` becomes ``LIMIT n``, delimited
identifiers get brackets (SQLite takes a quoted name that it does not know for a text), and
regions of the sky are texts that the functions of `FUNCTIONS` make and read.
"""

import math
import re
from collections.abc import Callable
from typing import Any


class AdqlError(ValueError):
    """A query that is not ADQL, or more of it than this archive understands."""


_TOKENS = re.compile(
    r"""
    (?P<space>(?:\s+|--[^\n]*)+)
    |(?P<string>'(?:[^']|'')*')
    |(?P<delimited>"(?:[^"]|"")+")
    |(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<symbol><>|!=|<=|>=|\|\||[-+*/=<>(),.])
    """,
    re.VERBOSE,
)

# What may stand before a parenthesis: key words, and the functions that SQLite has, too.
_BEFORE_PARENTHESIS = re.compile(
    r"""
    SELECT|FROM|WHERE|HAVING|ON|USING|IN|EXISTS|AND|OR|NOT|JOIN|AS|BY|THEN|ELSE|WHEN|BETWEEN|LIKE
    |UNION|ALL|EXCEPT|INTERSECT
    |ABS|CEILING|DEGREES|EXP|FLOOR|LOG|LOG10|MOD|PI|POWER|RADIANS|SQRT|ROUND|ACOS|ASIN|ATAN|ATAN2
    |COS|SIN|TAN|COUNT|AVG|MAX|MIN|SUM|LOWER|UPPER|COALESCE|CAST
    """,
    re.VERBOSE | re.IGNORECASE,
)
_FOREIGN_WORD = re.compile(
    "LIMIT|INSERT|UPDATE|DELETE|DROP|CREATE|ATTACH|PRAGMA|GLOB", re.IGNORECASE
)


def translate(query: str) -> tuple[str, set[str]]:
    """Translate a query.

    Parameters
    ----------
    query
        One ADQL `SELECT`.

    Returns
    -------
    sql : str
        The same for SQLite, with the functions of `FUNCTIONS`.
    names : set of str
        All names in it, as dotted paths in lower case with all that they start with.

    Raises
    ------
    AdqlError
        If the query is not one, with the place and what was found there.
    """
    tokens = _split(query)
    if not tokens or tokens[0][1].upper() not in ("SELECT", "WITH"):
        raise AdqlError(f"Encountered {tokens[0][1] if tokens else 'nothing'!r}; expected SELECT")
    _check(tokens)
    sql, end = _translate_level(tokens, 0)
    if end != len(tokens):
        raise AdqlError("Encountered ')' that closes nothing")
    return sql, _names(tokens)


def _split(query: str) -> list[tuple[str, str]]:
    """Return the kind and text of each token."""
    tokens: list[tuple[str, str]] = []
    position = 0
    while position < len(query):
        match = _TOKENS.match(query, position)
        if match is None:
            raise AdqlError(f"Encountered {query[position]!r} at position {position + 1}")
        if match.lastgroup != "space":
            tokens.append((match.lastgroup, match[0]))
        position = match.end()
    return tokens


def _check(tokens: list[tuple[str, str]]) -> None:
    """Refuse what is not ADQL, or not known here."""
    for (kind, word), following in zip(tokens, [*tokens[1:], ("", "")], strict=True):
        if kind != "word":
            continue
        if _FOREIGN_WORD.fullmatch(word):
            raise AdqlError(f"Encountered {word!r}, which is not ADQL")
        known = word.upper() in FUNCTIONS or _BEFORE_PARENTHESIS.fullmatch(word)
        if following[1] == "(" and not known:
            raise AdqlError(f"Unknown function {word!r}")


def _translate_level(tokens: list[tuple[str, str]], start: int) -> tuple[str, int]:
    """Translate up to the parenthesis that closes this level; return its place too."""
    words: list[str] = []
    rows = skipped = None
    position = start
    while position < len(tokens):
        kind, token = tokens[position]
        word = token.upper() if kind == "word" else token
        if word == "(":
            inside, position = _translate_level(tokens, position + 1)
            if position >= len(tokens):
                raise AdqlError("Encountered the end of the query; expected ')'")
            words.append(f"({inside})")
        elif word == ")":
            break
        elif word in ("TOP", "OFFSET") and _kind(tokens, position + 1) == "number":
            position += 1
            if word == "TOP":
                rows = tokens[position][1]
            else:
                skipped = tokens[position][1]
        elif kind == "delimited":
            words.append("[" + token[1:-1].replace('""', '"') + "]")
        elif kind == "string" and token.lower() in ("'true'", "'false'"):
            words.append(str(int(token.lower() == "'true'")))
        else:
            words.append(token)
        position += 1
    if rows is not None or skipped is not None:
        words.append(f"LIMIT {-1 if rows is None else rows}")
    if skipped is not None:
        words.append(f"OFFSET {skipped}")
    return " ".join(words).replace(" . ", "."), position


def _kind(tokens: list[tuple[str, str]], position: int) -> str:
    return tokens[position][0] if position < len(tokens) else ""


def _names(tokens: list[tuple[str, str]]) -> set[str]:
    """Return the dotted paths of a query, with all that they start with."""
    names: set[str] = set()
    path: list[str] = []
    before = ""
    for kind, token in tokens:
        if kind in ("word", "delimited"):
            name = token.strip('"').lower()
            path = [*path, name] if before == "." else [name]
            names.add(".".join(path))
        before = token
    return names


def _point(*arguments: Any) -> str:
    """Make a point of [coordinate system,] longitude and latitude (deg)."""
    longitude, latitude = _without_system(arguments)
    return f"POINT {longitude!r} {latitude!r}"


def _circle(*arguments: Any) -> str:
    """Make a circle of [coordinate system,] centre and radius (deg)."""
    *centre, radius = _without_system(arguments)
    return f"CIRCLE {_shape(_point(*_coordinates(centre)))} {radius!r}"


def _box(*arguments: Any) -> str:
    """Make a box of [coordinate system,] centre, width and height (deg)."""
    *centre, width, height = _without_system(arguments)
    return f"BOX {_shape(_point(*_coordinates(centre)))} {width!r} {height!r}"


def _distance(*arguments: Any) -> float | None:
    """Return the angle (deg) between two points, given as points or as four numbers."""
    if None in arguments:
        return None
    if len(arguments) == 2:
        arguments = (*_numbers(arguments[0]), *_numbers(arguments[1]))
    longitude1, latitude1, longitude2, latitude2 = map(math.radians, arguments)
    across = math.sin((longitude1 - longitude2) / 2) ** 2
    along = math.sin((latitude1 - latitude2) / 2) ** 2
    haversine = along + math.cos(latitude1) * math.cos(latitude2) * across
    return math.degrees(2 * math.asin(min(math.sqrt(haversine), 1)))


def _contains(point: str | None, region: str | None) -> int | None:
    """Say (1 or 0) whether a point is in a circle or box."""
    if point is None or region is None:
        return None
    longitude, latitude = _numbers(point)
    centre_longitude, centre_latitude, *size = _numbers(region)
    if region.startswith("CIRCLE"):
        if abs(latitude - centre_latitude) > size[0]:
            return 0
        return int(_distance(longitude, latitude, centre_longitude, centre_latitude) <= size[0])
    across = abs((longitude - centre_longitude + 180) % 360 - 180)
    return int(across <= size[0] / 2 and abs(latitude - centre_latitude) <= size[1] / 2)


def _truncate(value: float | None, digits: int = 0) -> float | None:
    return None if value is None else math.trunc(value * 10**digits) / 10**digits


def _remainder(number: float | None, divisor: float | None) -> float | None:
    """Return the remainder, of whole numbers of 64 bits without a loss."""
    if number is None or divisor is None:
        return None
    if isinstance(number, int) and isinstance(divisor, int):
        return int(math.copysign(abs(number) % abs(divisor), number))
    return math.fmod(number, divisor)


def _without_system(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Drop the name of a coordinate system, which comes first if it is there."""
    first = arguments[0]
    named = isinstance(first, str) and not first.startswith("POINT")
    return arguments[1:] if named else arguments


def _coordinates(centre: list[Any]) -> list[float]:
    return _numbers(centre[0]) if isinstance(centre[0], str) else centre


def _numbers(shape: str) -> list[float]:
    return [float(word) for word in shape.split()[1:]]


def _shape(point: str) -> str:
    return point.removeprefix("POINT ")


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "POINT": _point,
    "CIRCLE": _circle,
    "BOX": _box,
    "DISTANCE": _distance,
    "CONTAINS": _contains,
    "COORD1": lambda point: _numbers(point)[0],
    "COORD2": lambda point: _numbers(point)[1],
    "TRUNCATE": _truncate,
    "MOD": _remainder,
}
"""The functions of ADQL that SQLite does not have."""
