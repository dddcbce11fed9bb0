"""The registry of remote files, and how a study gets one.

A source is looked up in this order: where the study keeps it, if it is there and verified;
a folder laid out as the mirror; the archive. Nothing else of the library uses the network.
"""

import hashlib
import http.client
import logging
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import yaml

from metalyra import __version__
from metalyra.tables import replace_when_complete

logger = logging.getLogger(__name__)

REGISTRY = Path(__file__).parents[2] / "resources" / "sources.yaml"
"""The project's registry."""

MIRROR_VARIABLE = "METALYRA_MIRROR"
OFFLINE_VARIABLE = "METALYRA_OFFLINE"

_BLOCK = 2**20
_TIMEOUT = 60.0
_PAUSES = (2.0, 4.0, 8.0, 16.0)
_LONGEST_PAUSE = 120.0
_PASSING_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_SCHEMES = ("http", "https", "ftp")


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
    """

    name: str
    citation: str
    licence: str
    url: str | None = None
    origin: str | None = None
    size: int | None = None
    sha256: str | None = None


def read_registry(path: Path = REGISTRY) -> dict[str, Source]:
    """Read a registry.

    Parameters
    ----------
    path
        YAML: ``collections``, each with `citation`, `licence`, perhaps `origin` and `url` (a
        prefix), and `files`: names with perhaps `url` (the rest), `origin`, `size`, `sha256`.

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
            strange = {*entry} - {"url", "origin", "size", "sha256"}
            if strange:
                raise SourceError(
                    f"{where}: unknown key {min(strange)!r}; a file has url, origin, size, sha256"
                )
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
            )
    return registry


def find_source(name: str, registry: Path = REGISTRY) -> Source:
    """Return a source of the registry.

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
    return sources[name]


def find_mirror(configured: Path | str | None) -> Path | None:
    """Return the mirror: the configured folder, else that of ``METALYRA_MIRROR``, else none."""
    folder = configured or os.environ.get(MIRROR_VARIABLE)
    return Path(folder) if folder else None


def is_verified(source: Source, path: Path) -> bool:
    """Say whether a file is there and is the source as the registry knows it."""
    if not path.is_file() or source.size not in (None, path.stat().st_size):
        return False
    if source.sha256 is None:
        return True
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == source.sha256


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
    offline = os.environ.get(OFFLINE_VARIABLE, "0") not in ("", "0")
    if source.url is not None and not offline:
        return source.url
    looked = f"not in the mirror {mirror}" if mirror else "no mirror is configured"
    where = f"it would come from {source.url}" if source.url else "no archive has this very file"
    if source.url and offline:
        where += f", but {OFFLINE_VARIABLE} forbids the network"
    origin = f" ({source.origin})" if source.origin else ""
    raise SourceError(
        f"source {source.name!r} is missing: {looked}; {where}{origin}. {_by_hand(source)}"
    )


def acquire(
    source: Source,
    destination: Path,
    mirror: Path | None = None,
    *,
    pauses: tuple[float, ...] = _PAUSES,
    sleep: Callable[[float], None] = time.sleep,
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
    pauses
        Seconds to wait before each new attempt when the network or the archive fails in
        passing; an archive's ``Retry-After`` goes before them.
    sleep
        Waits.

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
    if isinstance(place, Path):
        logger.info("%s: from %s", source.name, place)
        with place.open("rb") as stream:
            _store(source, place, stream, destination)
    else:
        logger.info("%s: from %s", source.name, place)
        _download(source, place, destination, pauses, sleep)
    return destination


def _download(
    source: Source,
    url: str,
    destination: Path,
    pauses: tuple[float, ...],
    sleep: Callable[[float], None],
) -> None:
    """Fetch a file, again after a pause when the failure may pass."""
    if url.split(":")[0] not in _SCHEMES:
        raise SourceError(f"source {source.name!r}: {url} is not of {', '.join(_SCHEMES)}")
    request = urllib.request.Request(  # noqa: S310 (the scheme is checked)
        url, headers={"User-Agent": f"MetaLyra/{__version__}"}
    )
    for attempt, pause in enumerate((*pauses, None), start=1):
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as stream:  # noqa: S310
                _store(source, url, stream, destination)
            return
        except (OSError, http.client.HTTPException) as error:
            passing = True
            if isinstance(error, urllib.error.HTTPError):
                error.close()
                passing = error.code in _PASSING_STATUSES
            if pause is None or not passing:
                tries = f"after {attempt} attempts" if attempt > 1 else "at the first attempt"
                raise SourceError(
                    f"source {source.name!r}: {url} failed {tries} ({error}). {_by_hand(source)}"
                ) from error
            wait = _asked_pause(error) or pause
            logger.warning("%s: %s (%s); again in %g s", source.name, url, error, wait)
            sleep(wait)


def _asked_pause(error: Exception) -> float | None:
    """Return the seconds that an archive asks to wait, if it does and they are few."""
    headers = getattr(error, "headers", None)
    text = headers.get("Retry-After", "") if headers is not None else ""
    return min(float(text), _LONGEST_PAUSE) if text.isdigit() else None


def _store(source: Source, place: Path | str, stream: BinaryIO, destination: Path) -> None:
    """Copy a stream into its final place if it is the source."""
    digest, size = hashlib.sha256(), 0
    with replace_when_complete(destination) as temporary:
        with temporary.open("wb") as file:
            while block := stream.read(_BLOCK):
                file.write(block)
                digest.update(block)
                size += len(block)
        if getattr(stream, "length", None):
            raise ConnectionError(f"the reply ended {stream.length} bytes too early")
        expected: Mapping[str, tuple[object, object]] = {
            "size": (source.size, size),
            "sha256": (source.sha256, digest.hexdigest()),
        }
        for what, (registered, found) in expected.items():
            if registered not in (None, found):
                raise SourceError(
                    f"source {source.name!r}: {place} has {what} {found}, the registry has "
                    f"{registered}. Replace or remove the file, or correct the registry"
                )


def _by_hand(source: Source) -> str:
    return (
        f"To provide it by hand, put the file at <mirror>/{source.name}, where <mirror> is the "
        f"folder of the configuration key `mirror` or of the variable {MIRROR_VARIABLE}."
    )
