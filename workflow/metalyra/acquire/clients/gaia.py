"""Gaia: lists of RR Lyrae stars by TAP, and their light curves by DataLink."""

import logging
import math
import zipfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metalyra.acquire.clients.interface import (
    Ask,
    Client,
    QueryError,
    ask_at_once,
    ask_for_table,
    count_parts,
    read_table,
    read_tables,
    required,
    split_stars,
    write_csv,
    write_zip,
)
from metalyra.acquire.connection import RefusedError, TransientError
from metalyra.acquire.gaia_names import name_columns, name_fallback
from metalyra.acquire.queries import (
    DRAW,
    DRAW_MODULUS,
    Request,
    Settings,
    fallback_alias,
    select_header,
    select_light_curves,
    select_rr_lyrae,
)
from metalyra.core.containers import stream_members
from metalyra.surveys.formats.gaia_releases import read_releases
from metalyra.surveys.formats.serialisations import read_tables as read_any_tables
from metalyra.surveys.interface import SurveyError

logger = logging.getLogger(__name__)

_STARS_TRIED = 10
_ARCHIVES_TROUBLE = "HTTP 500"


def _settle_table(
    product: Settings, query: Settings, stars: pd.DataFrame | None, ask: Ask
) -> dict[str, Any]:
    """Ask which columns the tables of a release have whose names are not certain."""
    release = read_releases()[product["names_of"]]
    tables = (release.stars, release.sources)
    certain = all(len(names) == 1 for table in tables for names in table.columns.names.values())
    if certain and not release.fallbacks:
        return {}
    schema = product["schema"]
    here, sources = (
        table.columns.resolve(name, _read_header(product, name, ask))
        for table, name in zip(tables, (product["table"], product["source_table"]), strict=True)
    )
    fallbacks = []
    for table in release.fallbacks:
        try:
            found = _read_header(product, f"{schema}.{table.name}", ask)
            fallbacks.append(name_fallback(table, schema, found, sources))
        except (QueryError, RefusedError, SurveyError) as error:
            logger.warning("%s is not used: %s", table.name, error)
    return {**name_columns(release, here, sources), "fallbacks": fallbacks}


def _read_header(product: Settings, table: str, ask: Ask) -> list[str]:
    """Return the columns of a table, in lower case."""
    reply = ask(ask_at_once(product, select_header(table)))
    return [str(name).lower() for name in read_table(reply)]


def _count_table_parts(product: Settings, query: Settings, stars: int) -> int:
    """Return the parts that a list of stars is asked for in at first."""
    few = query.get("limit", math.inf) <= product["rows_per_request"]
    if few or "region" in query:
        return 1
    return math.ceil(int(product["rows"]) / int(product["rows_per_request"]))


def _plan_table(
    product: Settings, query: Settings, stars: pd.DataFrame | None, parts: int
) -> list[Request]:
    """Split by the remainder of the identifiers; of an odd number, see `select_rr_lyrae`."""
    parts = parts if parts % 2 else parts + 1
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
    identifier = product["identifier"]
    listed = pd.concat(tables, ignore_index=True).drop_duplicates(identifier)
    if "limit" in query:
        listed = _draw(listed, product, query["limit"])
    order = np.argsort(listed[identifier].to_numpy(np.int64), kind="stable")
    write_csv(_take_from_fallbacks(product, listed.iloc[order], destination), destination)


def _draw(stars: pd.DataFrame, product: Settings, limit: int) -> pd.DataFrame:
    """Return so many stars, as the archive would draw them."""
    if random_index := product["random_index"]:
        stars = stars[stars[random_index] != ""]
        index = stars[random_index].to_numpy(np.int64)
    else:
        index = stars[product["identifier"]].to_numpy(np.int64) % DRAW_MODULUS
    return stars.iloc[np.argsort(index, kind="stable")[:limit]]


def _take_from_fallbacks(product: Settings, stars: pd.DataFrame, destination: Path) -> pd.DataFrame:
    """Fill in what the table of sources does not have, and count the stars that it lacks."""
    stars = stars.drop(columns=DRAW, errors="ignore")
    # Every source of the table has a position.
    positions = product["source_columns"][0]
    absent = (stars[positions] == "").sum()
    for number, other in enumerate(product["fallbacks"]):
        alias = fallback_alias(number)
        for name in other["columns"]:
            values = stars.pop(f"{alias}_{name}")
            stars[name] = stars[name].where(stars[name] != "", values)
    lost = (stars[positions] == "").sum()
    others = " and ".join(other["table"] for other in product["fallbacks"]) or "no other table"
    logger.info(
        "%s: %d stars, of which %d are not in %s; %d of these have a position in %s, %d only the "
        "cell of their identifier",
        *(destination.name, len(stars), absent, product["source_table"]),
        *(absent - lost, others, lost),
    )
    return stars


def _count_light_curve_parts(product: Settings, query: Settings, stars: int) -> int:
    return count_parts(stars, product["ids_per_request"])


def split_identifiers(stars: pd.DataFrame | None, parts: int) -> list[list[str]]:
    """Return the identifiers of stars in parts of about equal size."""
    return split_stars(
        [str(number) for number in sorted(map(int, required(stars)["star_id"]))], parts
    )


def _settle_light_curves(
    product: Settings, query: Settings, stars: pd.DataFrame | None, ask: Ask
) -> dict[str, Any]:
    """Find the word for one file a source, and where the flags are, with one star."""
    identifiers = sorted(map(int, required(stars)["star_id"]))
    if not identifiers:
        return {}
    refused: dict[str, str] = {}
    for word in product["structures"]:
        settled = {**product, "data_structure": word}
        try:
            reply = ask(ask_for_product(settled, query, identifiers[:1], product["retrieval_type"]))
        except RefusedError as error:
            refused[word] = str(error)
            continue
        flags = _find_flag_product(settled, query, identifiers, reply, ask)
        return {"data_structure": word, "flag_product": flags}
    said = "; ".join(f"{word}: {words}" for word, words in refused.items())
    message = f"the archive takes no word for DATA_STRUCTURE ({said})"
    if any(_ARCHIVES_TROUBLE in words for words in refused.values()):
        raise TransientError(message)
    raise QueryError(message)


def _find_flag_product(
    product: Settings, query: Settings, identifiers: Sequence[int], reply: Path, ask: Ask
) -> str:
    """Return the product that has the flags; nothing if the light curves have their own."""
    flags: str = product["flag_product"]
    if not flags:
        return ""
    for identifier in identifiers[1 : 1 + _STARS_TRIED]:
        if header := read_product_header(reply):
            break
        reply = ask(ask_for_product(product, query, [identifier], product["retrieval_type"]))
    else:
        header = read_product_header(reply)
    if {*header} & {*product["flag_columns"]}:
        return ""
    try:
        ask(ask_for_product(product, query, identifiers[:1], flags))
    except RefusedError as error:
        if _ARCHIVES_TROUBLE in str(error):
            # The archive's trouble, or it does not know the product; after some attempts, that.
            raise TransientError(_without_flags(flags, error)) from error
        raise QueryError(_without_flags(flags, error)) from error
    return flags


def _without_flags(flags: str, error: Exception) -> str:
    return (
        f"the light curves have no flags, and the archive has no {flags} ({error}); to take every "
        "transit, ask for the product epoch_photometry_without_flags and read it as the survey "
        "gaia_dr4_without_flags"
    )


def read_product_header(reply: Path) -> list[str]:
    """Return the columns of the first light curve of a reply; none if it has no light curve."""
    for member in stream_members(reply):
        if member.data is None:
            raise TransientError(f"{member.path}: {member.problem}")
        return [name for table in read_any_tables(member.data) for name in table.column_names]
    return []


def ask_for_product(
    product: Settings, query: Settings, identifiers: Sequence[int | str], retrieval_type: str
) -> Request:
    """Return the request for one product of sources."""
    return Request(
        service=product["service"],
        path=product["path"],
        protocol="data",
        suffix=".zip",
        parameters={
            "ID": ",".join(map(str, identifiers)),
            "RELEASE": product["release"],
            "RETRIEVAL_TYPE": retrieval_type,
            "DATA_STRUCTURE": product.get("data_structure", product["structures"][0]),
            "FORMAT": query.get("format", "csv"),
            "VALID_DATA": "false",
            "USE_ZIP_ALWAYS": "true",
        },
    )


def _plan_light_curves(
    product: Settings, query: Settings, stars: pd.DataFrame | None, parts: int
) -> list[Request]:
    wanted = [product["retrieval_type"], *filter(None, [product["flag_product"]])]
    return [
        ask_for_product(product, query, ids, retrieval_type)
        for ids in split_identifiers(stars, parts)
        for retrieval_type in wanted
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
        ask_for_table(product, select_light_curves(product, ids))
        for ids in split_identifiers(stars, parts)
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


TABLE = Client(_count_table_parts, _plan_table, _assemble_table, _settle_table)

LIGHT_CURVES = Client(
    _count_light_curve_parts, _plan_light_curves, _assemble_light_curves, _settle_light_curves
)

TAP_LIGHT_CURVES = Client(_count_light_curve_parts, _plan_points, _assemble_points)
