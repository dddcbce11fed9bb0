"""Gaia's light curves from a HATS copy: Parquet files of parts of the sky, a row a source.

Whole files are fetched, which have all sources of their part of the sky, and what is wanted is
taken out of them: a way to many stars, or to a few on a day on which the archive is busy.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metalyra.acquire.clients.interface import (
    Ask,
    Client,
    QueryError,
    read_table,
    required,
    write_zip,
)
from metalyra.acquire.queries import Request, Settings

_CELL_BITS, _CELL_ORDER = 35, 12
_FILES_A_FOLDER = 10_000
_MEMBER = "EPOCH_PHOTOMETRY_{number:05d}.parquet"


def _settle(
    product: Settings, query: Settings, stars: pd.DataFrame | None, ask: Ask
) -> dict[str, Any]:
    """Ask which parts of the sky there are files of: pixels of HEALPix, of several orders."""
    listed = read_table(ask(_request(product, "partition_info.csv", ".csv")))
    if not {"Norder", "Npix"} <= {*listed}:
        raise QueryError(f"partition_info.csv has the columns {', '.join(map(str, listed))}")
    rows = listed[["Norder", "Npix"]].to_numpy(np.int64)
    return {"partitions": rows.tolist()}


def _request(product: Settings, name: str, suffix: str) -> Request:
    path = f"{product['path']}{name}"
    return Request(service=product["service"], path=path, protocol="file", suffix=suffix)


def _plan(
    product: Settings, query: Settings, stars: pd.DataFrame | None, parts: int
) -> list[Request]:
    """Ask for the files whose part of the sky has stars, by the cell in their identifiers."""
    cells = required(stars)["star_id"].to_numpy(np.int64) >> _CELL_BITS
    here: dict[int, set[int]] = {}
    requests = []
    for order, pixel in product.get("partitions", []):
        if order not in here:
            here[order] = {*(cells >> 2 * (_CELL_ORDER - order)).tolist()}
        if pixel in here[order]:
            folder = pixel // _FILES_A_FOLDER * _FILES_A_FOLDER
            name = f"dataset/Norder={order}/Dir={folder}/Npix={pixel}.parquet"
            requests.append(_request(product, name, ".parquet"))
    return requests


def _assemble(
    product: Settings,
    query: Settings,
    stars: pd.DataFrame | None,
    replies: Sequence[Path],
    destination: Path,
) -> None:
    """Put the stars' rows of every file into one zip."""
    import pyarrow.parquet as pq

    wanted = sorted(map(int, required(stars)["star_id"]))
    members = []
    for number, path in enumerate(replies):
        table = pq.read_table(path, filters=[(product["identifier"], "in", wanted)])
        if table.num_rows:
            buffer = io.BytesIO()
            pq.write_table(table, buffer)
            members.append((_MEMBER.format(number=number), buffer.getvalue()))
    write_zip(destination, members)


LIGHT_CURVES = Client(lambda product, query, stars: 1, _plan, _assemble, _settle)
