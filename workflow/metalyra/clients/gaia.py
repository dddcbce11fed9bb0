"""Gaia: lists of RR Lyrae stars by TAP, and their light curves by DataLink."""

import math
import zipfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pandas as pd

from metalyra.clients.interface import (
    Client,
    OverflowingReplyError,
    QueryError,
    read_text_reply,
    write_csv,
    write_zip,
)
from metalyra.queries import Request, Settings, select_light_curves, select_rr_lyrae


def _count_table_parts(product: Settings, query: Settings, stars: int) -> int:
    """Return the parts that a list of stars is asked for in at first."""
    few = query.get("limit", math.inf) <= product["rows_per_request"]
    if few or "region" in query:
        return 1
    return math.ceil(product["rows"] / product["rows_per_request"])


def _plan_table(
    product: Settings, query: Settings, stars: pd.DataFrame | None, parts: int
) -> list[Request]:
    return [
        Request(
            service=product["service"],
            path=product["path"],
            protocol=product["protocol"],
            suffix=".csv",
            parameters={"QUERY": select_rr_lyrae(product, query, part, parts)},
            row_limit=product["rows_per_request"],
        )
        for part in range(parts)
    ]


def _assemble_table(
    product: Settings,
    query: Settings,
    stars: pd.DataFrame | None,
    replies: Sequence[Path],
    destination: Path,
) -> None:
    """Join the parts of a list of stars, in order of their identifiers."""
    tables = [read_text_reply(path) for path in replies]
    asked_for_fewer = len(tables) == 1 and "limit" in query
    if not asked_for_fewer and any(len(part) >= product["rows_per_request"] for part in tables):
        raise OverflowingReplyError
    stars = pd.concat(tables, ignore_index=True).drop_duplicates("source_id")
    if "limit" in query:
        index = stars["random_index"].astype("int64").rename("index")
        stars = stars.loc[index.sort_values().index[: query["limit"]]]
    order = stars["source_id"].astype("int64").sort_values(kind="stable").index
    write_csv(stars.loc[order], destination)


def _count_light_curve_parts(product: Settings, query: Settings, stars: int) -> int:
    return max(1, math.ceil(stars / product["ids_per_request"]))


def _split(stars: pd.DataFrame, parts: int) -> list[list[str]]:
    """Return the identifiers of stars in parts of about equal size."""
    ids = [str(number) for number in sorted(map(int, stars["star_id"]))]
    size = max(1, math.ceil(len(ids) / parts))
    return [ids[start : start + size] for start in range(0, len(ids), size)]


def _plan_light_curves(
    product: Settings, query: Settings, stars: pd.DataFrame | None, parts: int
) -> list[Request]:
    return [
        Request(
            service=product["service"],
            path=product["path"],
            protocol="data",
            suffix=".zip",
            parameters={
                "ID": ",".join(ids),
                "RELEASE": product["release"],
                "RETRIEVAL_TYPE": product["retrieval_type"],
                "DATA_STRUCTURE": product["data_structure"],
                "FORMAT": query.get("format", "csv"),
                "VALID_DATA": "false",
                "USE_ZIP_ALWAYS": "true",
            },
        )
        for ids in _split(stars, parts)
    ]


def _assemble_light_curves(
    product: Settings,
    query: Settings,
    stars: pd.DataFrame | None,
    replies: Sequence[Path],
    destination: Path,
) -> None:
    """Put the files of all replies into one zip, in order of name."""
    with ExitStack() as stack:
        members: dict[str, zipfile.ZipFile] = {}
        for path in replies:
            reply = stack.enter_context(zipfile.ZipFile(path))
            for name in reply.namelist():
                if name in members:
                    raise QueryError(f"{path}: {name} is in {members[name].filename}, too")
                members[name] = reply
        write_zip(destination, ((name, members[name].read(name)) for name in sorted(members)))


def _plan_points(
    product: Settings, query: Settings, stars: pd.DataFrame | None, parts: int
) -> list[Request]:
    return [
        Request(
            service=product["service"],
            path=product["path"],
            protocol=product["protocol"],
            suffix=".csv",
            parameters={"QUERY": select_light_curves(product, ids)},
            row_limit=product["rows_per_request"],
        )
        for ids in _split(stars, parts)
    ]


def _assemble_points(
    product: Settings,
    query: Settings,
    stars: pd.DataFrame | None,
    replies: Sequence[Path],
    destination: Path,
) -> None:
    """Put the points of all replies into one table, in order of all its columns."""
    tables = [read_text_reply(path) for path in replies]
    if any(len(table) >= product["rows_per_request"] for table in tables):
        raise OverflowingReplyError
    points = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    points = points.sort_values([*points.columns], kind="stable") if len(points) else points
    write_csv(points, destination)


TABLE = Client(_count_table_parts, _plan_table, _assemble_table)

LIGHT_CURVES = Client(_count_light_curve_parts, _plan_light_curves, _assemble_light_curves)

TAP_LIGHT_CURVES = Client(_count_light_curve_parts, _plan_points, _assemble_points)
