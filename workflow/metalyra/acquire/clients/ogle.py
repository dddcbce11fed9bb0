"""OGLE: light curves of single stars, from the tree of files of its collection.

For thousands of stars the packed light curves (``phot.tar.gz``, sources of their own) are kinder.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from metalyra.acquire.clients.interface import Client, QueryError, required, write_zip
from metalyra.acquire.queries import Request, Settings

_STAR_ID = re.compile(r"OGLE-(?P<field>[A-Z]+)-RRLYR-\d+")
_SUFFIX = ".dat"


def _plan(
    product: Settings, query: Settings, stars: pd.DataFrame | None, parts: int
) -> list[Request]:
    return [
        Request(
            service=product["service"],
            path=product["path"].format(
                field=_field_of(star_id, product["fields"]), band=query["band"], star_id=star_id
            ),
            protocol="file",
            suffix=_SUFFIX,
            optional=True,
        )
        for star_id in sorted(required(stars)["star_id"])
    ]


def _field_of(star_id: str, fields: Settings) -> str:
    """Return the folder of a star's part of the sky."""
    match = _STAR_ID.fullmatch(star_id)
    if match is None or match["field"] not in fields:
        raise QueryError(
            f"{star_id!r} is no star of the collection; a name is like OGLE-BLG-RRLYR-00001, of "
            f"{', '.join(fields)}"
        )
    return str(fields[match["field"]])


def _assemble(
    product: Settings,
    query: Settings,
    stars: pd.DataFrame | None,
    replies: Sequence[Path],
    destination: Path,
) -> None:
    """Put the light curves that there are into one zip, named as in ``phot.tar.gz``."""
    names = (
        f"phot/{query['band']}/{star_id}{_SUFFIX}" for star_id in sorted(required(stars)["star_id"])
    )
    write_zip(
        destination,
        (
            (name, path.read_bytes())
            for name, path in zip(names, replies, strict=True)
            if path.stat().st_size
        ),
    )


LIGHT_CURVES = Client(lambda product, query, stars: 1, _plan, _assemble)
