"""The registry of remote files, and how a study gets one.

A source is looked up in this order: where the study keeps it, if it is there and verified;
a folder laid out as the mirror; the archive. Nothing else of the library uses the network.
"""

import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import pooch
import yaml

from metalyra.acquire.connection import USUAL, DownloadError, RetryPolicy
from metalyra.acquire.downloads import download
from metalyra.acquire.services import Services
from metalyra.core.resources import MIRROR_VARIABLE, RESOURCES
from metalyra.core.tables import replace_when_complete

logger = logging.getLogger(__name__)

REGISTRY = RESOURCES / "sources.yaml"
"""The project's registry."""

OFFLINE_VARIABLE = "METALYRA_OFFLINE"


class SourceError(Exception):
    """A source that is unknown, absent, or not what the registry says."""


@dataclass(frozen=True)
class Source:
    """One file of an archive.

    Attributes
    ----------
    name
        Path in the mirror and below ``results/<study>/sources``.
    citation, licence
        Whose work it is, and what may be done with it.
    url
        Where the archive has it; None if no archive has this very file.
    origin
        How it was made or can be obtained by hand.
    size, sha256
        Size (bytes) and digest; None where the archive may change the file.
    recipe, made_from
        How it is made where neither mirror nor archive has it, and the names of the sources
        that takes, by their part in it: see `metalyra.acquire.reconstruction`.
    """

    name: str
    citation: str
    licence: str
    url: str | None = None
    origin: str | None = None
    size: int | None = None
    sha256: str | None = None
    recipe: str | None = None
    made_from: Mapping[str, Sequence[str]] = field(default_factory=dict)


def read_registry(path: Path = REGISTRY) -> dict[str, Source]:
    """Read a registry.

    Parameters
    ----------
    path
        YAML: ``collections``, each with `citation`, `licence`, perhaps `origin` and `url` (a
        prefix), and `files`: names with perhaps `url` (the rest), `origin`, `size`, `sha256`,
        and `made`: `recipe`, and lists of sources by their part in it.

    Returns
    -------
    dict
        The sources by name.

    Raises
    ------
    SourceError
        If an entry has an unknown key, or a name leads out of the mirror.
    """
    registry: dict[str, Source] = {}
    for title, collection in yaml.safe_load(path.read_text())["collections"].items():
        prefix = collection.get("url", "")
        for name, entry in collection["files"].items():
            where = f"{path}: collection {title!r}, file {name!r}"
            strange = {*entry} - {"url", "origin", "size", "sha256", "made"}
            if strange:
                raise SourceError(
                    f"{where}: unknown key {min(strange)!r}; a file has url, origin, size, sha256, "
                    "made"
                )
            made = dict(entry.get("made", {}))
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise SourceError(f"{where}: the name must be a path inside the mirror")
            registry[name] = Source(
                name=name,
                citation=collection["citation"],
                licence=collection["licence"],
                url=prefix + entry["url"] if "url" in entry else None,
                origin=entry.get("origin", collection.get("origin")),
                size=entry.get("size"),
                sha256=entry.get("sha256"),
                recipe=made.pop("recipe", None),
                made_from=made,
            )
    return registry


def find_source(name: str, registry: Path = REGISTRY, services: Services | None = None) -> Source:
    """Return a source of the registry.

    Parameters
    ----------
    name
        Its name.
    registry
        For `read_registry`.
    services
        Where the archives' services are, if not where the registry says.

    Raises
    ------
    SourceError
        If the registry does not have it.
    """
    sources = read_registry(registry)
    if name not in sources:
        raise SourceError(
            f"unknown source {name!r}; the known ones are in {registry}, where a new one needs "
            "its citation, its licence and, if it is fixed, its size and sha256"
        )
    source = sources[name]
    return replace(source, url=services.locate(source.url, name)) if services else source


def find_mirror(configured: Path | str | None) -> Path | None:
    """Return the mirror: the configured folder, else that of ``METALYRA_MIRROR``, else none."""
    folder = configured or os.environ.get(MIRROR_VARIABLE)
    return Path(folder) if folder else None


def list_ingredients(source: Source, mirror: Path | None) -> dict[str, list[str]]:
    """Return the names of the sources that a source is made from, by their part in it.

    Nothing where it has no recipe, or the mirror has it.
    """
    if mirror is not None and (mirror / source.name).is_file():
        return {}
    return {part: list(names) for part, names in source.made_from.items()}


def is_verified(source: Source, path: Path) -> bool:
    """Say whether a file is there and is the source as the registry knows it."""
    if not path.is_file() or source.size not in (None, path.stat().st_size):
        return False
    return source.sha256 is None or pooch.file_hash(path) == source.sha256


def is_offline() -> bool:
    """Say whether ``METALYRA_OFFLINE`` forbids the network."""
    return os.environ.get(OFFLINE_VARIABLE, "0") not in ("", "0")


def locate(source: Source, destination: Path, mirror: Path | None) -> Path | str:
    """Return where a source would be taken from: the destination, the mirror, or a URL.

    Raises
    ------
    SourceError
        If it is nowhere, or only on a network that ``METALYRA_OFFLINE=1`` forbids.
    """
    if is_verified(source, destination):
        return destination
    if mirror is not None and (mirror / source.name).is_file():
        return mirror / source.name
    offline = is_offline()
    if source.url is not None and not offline:
        return source.url
    looked = f"not in the mirror {mirror}" if mirror else "no mirror is configured"
    if destination.is_symlink() and not destination.exists():
        looked = f"{destination} links to {destination.readlink()}, which is gone; {looked}"
    where = f"it would come from {source.url}" if source.url else "no archive has this very file"
    if source.url and offline:
        where += f", but {OFFLINE_VARIABLE} forbids the network"
    origin = f" ({source.origin})" if source.origin else ""
    raise SourceError(
        f"source {source.name!r} is missing: {looked}; {where}{origin}. {by_hand(source.name)}"
    )


def acquire(
    source: Source,
    destination: Path,
    mirror: Path | None = None,
    policy: RetryPolicy = USUAL,
) -> Path:
    """Bring a source to its place in the study: verified, complete, or not at all.

    Parameters
    ----------
    source
        What to bring.
    destination
        The file's final name; an earlier file is kept if it is the source.
    mirror
        Folder laid out as the mirror; asked before the network.
    policy
        How the archive is asked.

    Returns
    -------
    Path
        `destination`.

    Raises
    ------
    SourceError
        If the source is nowhere, is not what the registry says, or the network fails for
        good. The message names the source, its place and what to do.
    """
    place = locate(source, destination, mirror)
    if place == destination:
        return destination
    logger.info("%s: from %s", source.name, place)
    if isinstance(place, Path):
        _take_from_mirror(source, place, destination)
        return destination
    try:
        download(place, destination, policy, size=source.size, sha256=source.sha256)
    except DownloadError as error:
        raise SourceError(f"source {source.name!r}: {error}. {by_hand(source.name)}") from error
    return destination


def _take_from_mirror(source: Source, place: Path, destination: Path) -> None:
    """Bring a file of the mirror into its final place if it is the source."""
    found: Mapping[str, tuple[object, Callable[[], object]]] = {
        "size": (source.size, lambda: place.stat().st_size),
        "sha256": (source.sha256, lambda: pooch.file_hash(place)),
    }
    for what, (registered, measure) in found.items():
        if registered is not None and (value := measure()) != registered:
            raise SourceError(
                f"source {source.name!r}: {place} has {what} {value}, the registry has "
                f"{registered}. Replace or remove the file, or correct the registry"
            )
    link_or_copy(place, destination)


def link_or_copy(place: Path, destination: Path) -> None:
    """Put a link to a file into its final place, or a copy where there are no links.

    Parameters
    ----------
    place
        The file, in the mirror.
    destination
        The final name; what is there, be it a link, is replaced and not written to.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    with replace_when_complete(destination) as temporary:
        try:
            temporary.symlink_to(place.resolve())
        except OSError as error:
            logger.debug("%s: no links on this file system (%s)", destination, error)
            shutil.copyfile(place, temporary)


def by_hand(name: str) -> str:
    """Return how a source is provided by hand, for an error message."""
    return (
        f"To provide it by hand, put the file at <mirror>/{name}, where <mirror> is the folder "
        f"of the configuration key `mirror` or of the variable {MIRROR_VARIABLE}."
    )
