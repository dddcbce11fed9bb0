"""Gaia: lists of RR Lyrae stars by TAP, and their light curves by DataLink."""

import math
import zipfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pandas as pd

from metalyra.acquire.clients.interface import (
    Client,
    QueryError,
    ask_for_table,
    count_parts,
    read_table,
    read_tables,
    required,
    split_stars,
    write_csv,
    write_zip,
)
from metalyra.acquire.queries import Request, Settings, select_light_curves, select_rr_lyrae


def _count_table_parts(product: Settings, query: Settings, stars: int) -> int:
    """Return the parts that a list of stars is asked for in at first."""
    few = query.get("limit", math.inf) <= product["rows_per_request"]
    if few or "region" in query:
        return 1
    return math.ceil(int(product["rows"]) / int(product["rows_per_request"]))


def _plan_table(
    product: Settings, query: Settings, stars: pd.DataFrame | None, parts: int
) -> list[Request]:
    return [
        ask_for_table(product, select_rr_lyrae(product, query, part, parts))
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
    asked_for_fewer = len(replies) == 1 and "limit" in query
    tables = [read_table(replies[0])] if asked_for_fewer else read_tables(product, replies)
    stars = pd.concat(tables, ignore_index=True).drop_duplicates("source_id")
    if "limit" in query:
        index = stars["random_index"].astype("int64").rename("index")
        stars = stars.loc[index.sort_values().index[: query["limit"]]]
    order = stars["source_id"].astype("int64").sort_values(kind="stable").index
    write_csv(stars.loc[order], destination)


def _count_light_curve_parts(product: Settings, query: Settings, stars: int) -> int:
    return count_parts(stars, product["ids_per_request"])


def _split(stars: pd.DataFrame | None, parts: int) -> list[list[str]]:
    """Return the identifiers of stars in parts of about equal size."""
    return split_stars(
        [str(number) for number in sorted(map(int, required(stars)["star_id"]))], parts
    )


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
        ask_for_table(product, select_light_curves(product, ids)) for ids in _split(stars, parts)
    ]


def _assemble_points(
    product: Settings,
    query: Settings,
    stars: pd.DataFrame | None,
    replies: Sequence[Path],
    destination: Path,
) -> None:
    """Put the points of all replies into one table, in order of all its columns."""
    tables = read_tables(product, replies)
    points = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    points = points.sort_values([*points.columns], kind="stable") if len(points) else points
    write_csv(points, destination)


TABLE = Client(_count_table_parts, _plan_table, _assemble_table)

LIGHT_CURVES = Client(_count_light_curve_parts, _plan_light_curves, _assemble_light_curves)

TAP_LIGHT_CURVES = Client(_count_light_curve_parts, _plan_points, _assemble_points)
