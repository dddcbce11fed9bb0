"""VizieR: the catalogues of papers, as it delivers them."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from metalyra.acquire.clients.interface import Client, read_reply, write_bytes
from metalyra.acquire.queries import Request, Settings


def _plan(
    product: Settings, query: Settings, stars: pd.DataFrame | None, parts: int
) -> list[Request]:
    return [
        Request(
            service=product["service"],
            path=product["path"],
            protocol="vizier",
            suffix=".vot",
            parameters={"catalogue": product["catalogue"]},
        )
    ]


def _assemble(
    product: Settings,
    query: Settings,
    stars: pd.DataFrame | None,
    replies: Sequence[Path],
    destination: Path,
) -> None:
    """Take the only reply, compressed if the name says so."""
    write_bytes(read_reply(replies[0]), destination)


CATALOGUE = Client(lambda product, query, stars: 1, _plan, _assemble)
