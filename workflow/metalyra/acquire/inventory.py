"""What a study takes from archives: where each source comes from, and what would be asked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from metalyra.acquire.clients import find_product, plan_requests, read_stars
from metalyra.acquire.queries import Settings, find_query
from metalyra.acquire.services import Services
from metalyra.acquire.sources import REGISTRY, Source, SourceError, is_verified, read_registry

SHOWN_REQUESTS = 3
"""Requests shown of a query that has many alike."""


@dataclass(frozen=True)
class Places:
    """Where sources may be.

    Attributes
    ----------
    folder
        Of the study's sources.
    mirror
        Folder laid out as the mirror, or None.
    registry
        For `metalyra.acquire.sources.read_registry`.
    archives, services
        See `metalyra.acquire.services`.
    """

    folder: Path
    mirror: Path | None
    archives: Mapping[str, Any]
    services: Services
    registry: Path = REGISTRY

    def find(self, name: str) -> Path | None:
        """Return the file of a source in the study or the mirror, verified or not."""
        for folder in (self.folder, self.mirror):
            if folder is not None and (folder / name).is_file():
                return folder / name
        return None


def list_sources(
    names: Sequence[str], queries: Mapping[str, Settings], places: Places
) -> pd.DataFrame:
    """Return where each source of a study comes from; nothing is downloaded.

    Parameters
    ----------
    names
        The sources.
    queries
        The study's queries.
    places
        Where sources may be.

    Returns
    -------
    pandas.DataFrame
        `source`, `here` (in the study, and what the registry knows), `place` (``here``,
        ``mirror``, an address, the archive that is asked, or why it is nowhere) and `size`
        (bytes; missing where only the archive knows).
    """
    registry = read_registry(places.registry)
    return pd.DataFrame(
        [_describe_source(name, registry, queries, places) for name in names],
        columns=["source", "here", "place", "size"],
    ).astype({"size": "Int64"})


def _describe_source(
    name: str, registry: Mapping[str, Source], queries: Mapping[str, Settings], places: Places
) -> tuple[str, bool, str, int | None]:
    found = find_query(name, queries)
    if found is None and name not in registry:
        raise SourceError(f"unknown source {name!r}: neither in {places.registry} nor a query")
    file = places.find(name)
    if (
        file is not None
        and file.is_relative_to(places.folder)
        and (found is not None or registry[name].recipe or is_verified(registry[name], file))
    ):
        return name, True, "here", file.stat().st_size
    if places.mirror is not None and (places.mirror / name).is_file():
        return name, False, "mirror", (places.mirror / name).stat().st_size
    if found is not None:
        query, _ = found
        return name, False, f"{query['archive']}: {query['product']}", None
    source = registry[name]
    if source.recipe:
        parts = [part for names in source.made_from.values() for part in names]
        return name, False, f"made from {', '.join(parts)}", None
    url = places.services.locate(source.url, name)
    place = url or f"in no archive: {source.origin}"
    return name, False, place, source.size


def describe_queries(queries: Mapping[str, Settings], places: Places) -> Iterator[str]:
    """Give what the archives would be asked, a text for each query; nothing is sent.

    The light curves of stars can be asked for in detail only when the list of the stars is
    in the study or the mirror.
    """
    for name, query in queries.items():
        product = find_product(query, places.archives)
        found = [places.find(source) for source in query.get("stars", [])]
        files = [path for path in found if path is not None]
        lines = [f"## {name}", f"-- {query['archive']}: {query['product']}; {product.citation}"]
        if len(files) < len(found):
            lines.append(f"-- for the stars of {', '.join(query['stars'])}, which are not here yet")
        else:
            stars = read_stars(product, query, files, 0)
            if stars is not None:
                lines.append(f"-- the {len(stars)} stars of batch 0")
            requests = plan_requests(product, query, stars)
            lines += [request.describe() for request in requests[:SHOWN_REQUESTS]]
            if len(requests) > SHOWN_REQUESTS:
                lines.append(f"-- and {len(requests) - SHOWN_REQUESTS} more like these")
        yield "\n".join(lines)
