"""What a client is to the rest of the library."""

import gzip
import io
import math
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from metalyra.acquire.queries import Request, Settings
from metalyra.core.tables import replace_when_complete

T = TypeVar("T")

SYNC_ROWS = 2000
"""Rows at which archives cut, without a word, what they answer at once."""

_MEMBER_DATE = (1980, 1, 1, 0, 0, 0)


class QueryError(ValueError):
    """A query that cannot be asked, or a reply that is no answer; the message says why."""


class OverflowingReplyError(Exception):
    """A reply that the archive has cut at its limit of rows."""


Ask = Callable[[Request], Path]
"""Sends a request of a preflight and returns the file of its reply, which is soon gone.

It raises `metalyra.acquire.connection.RefusedError` or `QueryError` if the archive refuses.
"""


def ask_nothing(
    product: Settings, query: Settings, stars: pd.DataFrame | None, ask: Ask
) -> dict[str, Any]:
    """Do without a preflight: the archive's names are known."""
    return {}


@dataclass(frozen=True)
class Client:
    """How one product of an archive is asked for.

    Attributes
    ----------
    count_parts
        Returns how many parts the requests have at first, from the product, the query and
        the number of stars.
    plan
        Returns the requests, from the product, the query, the stars (None if the product
        needs none) and the number of parts; every request is below the archive's limits
        unless the product has more rows than was thought.
    assemble
        Makes the final file of the replies, in the order of the requests. Gets the
        product, the query, the stars, the replies and the file to write.
    preflight
        Asks the archive for its own names and words before the requests are planned, and
        returns those settings of the product that follow. Gets the product, the query, the
        stars and a function that sends a request.
    """

    count_parts: Callable[[Settings, Settings, int], int]
    plan: Callable[[Settings, Settings, pd.DataFrame | None, int], list[Request]]
    assemble: Callable[[Settings, Settings, pd.DataFrame | None, Sequence[Path], Path], None]
    preflight: Callable[[Settings, Settings, pd.DataFrame | None, Ask], dict[str, Any]] = (
        ask_nothing
    )


def required(stars: pd.DataFrame | None) -> pd.DataFrame:
    """Return the stars that a product is asked for.

    Raises
    ------
    QueryError
        If there are none because the query names no stars.
    """
    if stars is None:
        raise QueryError("this product is asked for stars: name star files, or their star_ids")
    return stars


def read_reply(path: Path) -> bytes:
    """Return the content of a reply, decompressed if it is compressed."""
    data = path.read_bytes()
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


def count_parts(stars: int, stars_per_request: int) -> int:
    """Return how many requests so many stars need: at least one."""
    return max(1, math.ceil(stars / stars_per_request))


def split_stars(stars: list[T], parts: int) -> list[list[T]]:
    """Return consecutive stars in so many parts of about equal size, or fewer."""
    size = max(1, math.ceil(len(stars) / parts))
    return [stars[start : start + size] for start in range(0, len(stars), size)]


def ask_for_table(product: Settings, adql: str) -> Request:
    """Return the request for the table that a query makes, up to the product's row limit."""
    return Request(
        service=product["service"],
        path=product["path"],
        protocol=product["protocol"],
        suffix=".csv",
        parameters={"QUERY": adql},
        row_limit=product["rows_per_request"],
    )


def ask_at_once(product: Settings, adql: str) -> Request:
    """Return the request for a small table, answered at once and without a job.

    Jobs of anonymous users may wait for minutes.
    """
    return Request(
        service=product["service"],
        path=f"{product['path']}/sync",
        protocol="tap_sync",
        suffix=".csv",
        parameters={"QUERY": adql},
        row_limit=SYNC_ROWS,
    )


def read_tables(product: Settings, replies: Sequence[Path]) -> list[pd.DataFrame]:
    """Read the replies to requests of `ask_for_table`, without interpreting their numbers.

    Raises
    ------
    OverflowingReplyError
        If the archive may have cut one of them.
    """
    tables = [read_table(path) for path in replies]
    if any(len(table) >= product["rows_per_request"] for table in tables):
        raise OverflowingReplyError
    return tables


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV reply without interpreting its numbers."""
    return pd.read_csv(io.BytesIO(read_reply(path)), dtype="str", keep_default_na=False)


def write_bytes(data: bytes, destination: Path) -> None:
    """Write a file, compressed if its name says so; the same bytes every time."""
    if destination.name.endswith(".gz"):
        data = gzip.compress(data, mtime=0)
    with replace_when_complete(destination) as temporary:
        temporary.write_bytes(data)


def write_csv(table: pd.DataFrame, destination: Path) -> None:
    """Write a table as CSV, compressed if its name says so; the same bytes every time."""
    with replace_when_complete(destination) as temporary, temporary.open("wb") as file:
        if not destination.name.endswith(".gz"):
            table.to_csv(file, index=False, lineterminator="\n")
            return
        with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as compressed:
            table.to_csv(compressed, index=False, lineterminator="\n")


def write_zip(destination: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """Write a zip file of members, given as name and content; the same bytes every time."""
    with (
        replace_when_complete(destination) as temporary,
        zipfile.ZipFile(temporary, "w") as container,
    ):
        for name, data in members:
            container.writestr(zipfile.ZipInfo(name, _MEMBER_DATE), data, zipfile.ZIP_DEFLATED)
