"""The archives' clients: files that an archive makes on request.

A query of a study becomes requests below the archive's limits. Every reply is stored as it
came and never fetched twice, so that a run that was stopped loses one request at most; the
final file is made of the replies when all are there.
"""

import hashlib
import json
import logging
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from metalyra.acquire.clients import gaia, gaia_hats, gaia_neighbours, ogle, vizier, vvv
from metalyra.acquire.clients.interface import Client, OverflowingReplyError, QueryError
from metalyra.acquire.clients.protocols import send
from metalyra.acquire.connection import DownloadError, RetryPolicy, persist
from metalyra.acquire.queries import Request, Settings
from metalyra.acquire.services import Services
from metalyra.acquire.sources import (
    OFFLINE_VARIABLE,
    SourceError,
    by_hand,
    is_offline,
    link_or_copy,
)
from metalyra.core.chunks import chunk_of
from metalyra.core.tables import replace_when_complete
from metalyra.surveys import SurveyError, survey

__all__ = [
    "CLIENTS",
    "Product",
    "QueryError",
    "acquire_query",
    "find_product",
    "make_source",
    "plan_requests",
    "read_stars",
]

logger = logging.getLogger(__name__)

CLIENTS: Mapping[str, Client] = {
    "gaia_table": gaia.TABLE,
    "gaia_hats": gaia_hats.LIGHT_CURVES,
    "gaia_light_curves": gaia.LIGHT_CURVES,
    "gaia_neighbours": gaia_neighbours.NEIGHBOURS,
    "gaia_new_identifiers": gaia_neighbours.NEW_IDENTIFIERS,
    "gaia_tap_light_curves": gaia.TAP_LIGHT_CURVES,
    "ogle_light_curves": ogle.LIGHT_CURVES,
    "vizier_catalogue": vizier.CATALOGUE,
    "vvv_epochs": vvv.EPOCHS,
}
"""The clients, by their name in resources/archives.yaml."""

_MOST_PARTS = 4096


@dataclass(frozen=True)
class Product:
    """What an archive makes: its client, and the archive's names.

    Attributes
    ----------
    client
        Knows how to ask.
    names
        The product's entry of resources/archives.yaml.
    survey
        Reads the stars that the product is asked for.
    citation
        Whose work it is.
    """

    client: Client
    names: Settings
    survey: str
    citation: str


def find_product(query: Settings, archives: Mapping[str, Any]) -> Product:
    """Return the product that a query asks for.

    Raises
    ------
    QueryError
        If there is no such archive or product, naming those there are.
    """
    archive, name = query["archive"], query["product"]
    if archive not in archives:
        raise QueryError(f"the archive {archive!r} is unknown; allowed: {', '.join(archives)}")
    products = archives[archive]["products"]
    if name not in products:
        raise QueryError(
            f"the archive {archive} has no product {name!r}; allowed: {', '.join(products)}"
        )
    names = products[name]
    return Product(
        CLIENTS[names["client"]], names, archives[archive]["survey"], archives[archive]["citation"]
    )


def read_stars(
    product: Product, query: Settings, files: Sequence[Path], batch: int
) -> pd.DataFrame | None:
    """Return the stars of one batch that an archive is asked for.

    Parameters
    ----------
    product, query
        See `plan_requests`.
    files
        The star files of the query, in the formats of its `survey`; without any, its `star_ids`
        are the stars. With `types`, only stars of these pulsation types.
    batch
        Number of the batch. A star's batch follows from its name alone.

    Returns
    -------
    pandas.DataFrame or None
        With at least `star_id`, each once; None if the query is not of stars.

    Raises
    ------
    metalyra.surveys.SurveyError
        If a file is wrong.
    """
    chosen = query.get("star_ids")
    if files:
        stars = survey(query.get("survey", product.survey)).read_stars(files)
        stars = stars.drop_duplicates("star_id")
        if "types" in query:
            stars = stars[stars["pulsation_type"].isin(query["types"])]
        stars = stars if chosen is None else stars[stars["star_id"].isin(chosen)]
    elif chosen is not None:
        stars = pd.DataFrame({"star_id": list(dict.fromkeys(chosen))})
    else:
        return None
    batches = query.get("batches", 1)
    return stars[[chunk_of(star_id, batches) == batch for star_id in stars["star_id"]]]


def plan_requests(
    product: Product, query: Settings, stars: pd.DataFrame | None = None
) -> list[Request]:
    """Return what would be asked at first; more follows only if a reply overflows.

    Parameters
    ----------
    product
        See `find_product`.
    query
        An entry of the study's queries.
    stars
        The stars it is asked for, where the product needs some: at least `star_id` and,
        for products by position, `ra` and `dec` (deg).
    """
    parts = product.client.count_parts(product.names, query, 0 if stars is None else len(stars))
    return product.client.plan(product.names, query, stars, parts)


def make_source(
    product: Product,
    query: Settings,
    stars: pd.DataFrame | None,
    destination: Path,
    replies: Path,
    services: Services,
    policy: RetryPolicy,
) -> None:
    """Ask an archive for all of a product, and make the final file of its replies.

    Parameters
    ----------
    product, query, stars
        See `plan_requests`.
    destination
        The final file.
    replies
        Folder of the raw replies.
    services
        Where the archives' services are.
    policy
        How they are asked.

    Raises
    ------
    QueryError
        If the archive refuses the query.
    metalyra.acquire.connection.DownloadError
        If a reply cannot be had. Those that came are kept.
    """
    client = product.client
    names = {**product.names, **_settle(product, query, stars, replies, services, policy)}
    parts = client.count_parts(names, query, 0 if stars is None else len(stars))
    while True:
        requests = client.plan(names, query, stars, parts)
        try:
            paths = _fetch(requests, replies, services, policy)
        except (DownloadError, QueryError):
            # The next run asks the archive for its names again: they may have changed.
            _settled_file(product, replies).unlink(missing_ok=True)
            raise
        try:
            client.assemble(names, query, stars, paths, destination)
        except OverflowingReplyError:
            parts *= 2
            if parts > _MOST_PARTS:
                raise QueryError(
                    f"{destination.name}: the archive cuts even one of {parts // 2} parts"
                ) from None
            logger.info("%s: the archive cut a reply; asking for %d parts", destination, parts)
        else:
            return


def _settle(
    product: Product,
    query: Settings,
    stars: pd.DataFrame | None,
    replies: Path,
    services: Services,
    policy: RetryPolicy,
) -> dict[str, Any]:
    """Return what an archive says of its own names, as stored with the replies or now."""
    stored = _settled_file(product, replies)
    if stored.is_file():
        found: dict[str, Any] = json.loads(stored.read_text())
        return found
    # To a wrong word the data server answers 500, as in trouble: the next word is tried at once.
    once = {"data": replace(policy, transient=policy.transient - {500})}

    def ask(request: Request) -> Path:
        path, url = folder / request.name, services.url(request.service, request.path)
        send(request, url, path, once.get(request.protocol, policy))
        return path

    def attempt() -> dict[str, Any]:
        try:
            return product.client.preflight(product.names, query, stars, ask)
        except SurveyError as error:
            raise QueryError(f"{error}; correct resources/gaia_releases.yaml") from error

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        settled = persist(attempt, f"the preflight of {product.names['service']}", policy)
    if settled:
        with replace_when_complete(stored) as temporary_file:
            temporary_file.write_text(json.dumps(settled, indent=1) + "\n")
        logger.info("%s: %s", stored, settled)
    return settled


def _settled_file(product: Product, replies: Path) -> Path:
    """Return where it is stored what an archive says of its own names.

    With other names in resources/, it is asked again.
    """
    names = json.dumps(product.names, sort_keys=True)
    return replies / f"settled_{hashlib.sha256(names.encode()).hexdigest()[:16]}.json"


def acquire_query(
    name: str,
    query: Settings,
    batch: int,
    *,
    star_files: Sequence[Path],
    destination: Path,
    mirror: Path | None,
    replies: Path,
    archives: Mapping[str, Any],
    services: Services,
    policy: RetryPolicy,
) -> None:
    """Bring a file that an archive makes to its place in the study.

    Parameters
    ----------
    name
        Path in the mirror, which is looked at first.
    query, batch
        See `metalyra.acquire.queries.find_query`.
    star_files
        The stars that the archive is asked for, if it is asked for stars.
    destination, replies, services, policy
        See `make_source`.
    mirror
        Folder laid out as the mirror, or None.
    archives
        See `find_product`.

    Raises
    ------
    SourceError
        If the file cannot be had. The message says what to do.
    """
    if mirror is not None and (mirror / name).is_file():
        logger.info("%s: from %s", name, mirror / name)
        link_or_copy(mirror / name, destination)
        return
    product = find_product(query, archives)
    if is_offline():
        looked = f"not in the mirror {mirror}" if mirror else "no mirror is configured"
        raise SourceError(
            f"source {name!r} is missing: {looked}; the archive {query['archive']} would make it, "
            f"but {OFFLINE_VARIABLE} forbids the network. {by_hand(name)}"
        )
    stars = read_stars(product, query, star_files, batch)
    try:
        make_source(product, query, stars, destination, replies, services, policy)
    except (DownloadError, QueryError) as error:
        raise SourceError(f"source {name!r}: {error}. {by_hand(name)}") from error


def _fetch(
    requests: Sequence[Request], folder: Path, services: Services, policy: RetryPolicy
) -> list[Path]:
    """Return the replies to requests, those that are not there yet from the archive."""
    progress = _Progress(len(requests), policy.progress)
    stop = threading.Event()

    def reply_to(request: Request) -> Path:
        path = folder / request.name
        if not path.exists() and not stop.is_set():
            try:
                with replace_when_complete(path) as temporary:
                    send(request, services.url(request.service, request.path), temporary, policy)
            except BaseException:
                stop.set()
                raise
        progress.step()
        return path

    with ThreadPoolExecutor(policy.connections_per_host) as pool:
        return list(pool.map(reply_to, requests))


class _Progress:
    """Tells the log from time to time how many requests are done."""

    def __init__(self, total: int, interval: float) -> None:
        self._total, self._interval = total, interval
        self._done, self._told = 0, time.monotonic()
        self._lock = threading.Lock()

    def step(self) -> None:
        """Count one request."""
        with self._lock:
            self._done += 1
            if self._done == self._total or time.monotonic() - self._told > self._interval:
                self._told = time.monotonic()
                logger.info("%d of %d requests are answered", self._done, self._total)
