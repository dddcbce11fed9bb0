"""Where the files of a study come from, as a data release has to say it.

Nothing here is downloaded: what is in the study is looked at.
"""

import hashlib
import json
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import metalyra
from metalyra.acquire.clients import Product, find_product, plan_requests
from metalyra.acquire.inventory import SHOWN_REQUESTS, Places
from metalyra.acquire.queries import Settings, find_query
from metalyra.acquire.sources import read_registry
from metalyra.core.digests import digest_file

LIBRARIES = ("numpy", "pandas", "pyarrow", "astropy", "scikit-learn")
"""Whose versions are named; models name theirs."""

_SETTLED = "settled_*.json"

_OF_THE_MACHINE = ("mirror", "downloads", "gpu", "container", "chunks", "members_per_job")
"""Keys of a configuration that change no value."""


def trace_sources(
    names: Sequence[str],
    queries: Mapping[str, Settings],
    places: Places,
    replies: Path,
    *,
    simulated: bool = False,
) -> list[dict[str, Any]]:
    """Return where each source of a study has come from, with its digest.

    Parameters
    ----------
    names
        The sources, which are in the study.
    queries
        The study's queries.
    places
        Where sources may be.
    replies
        Folder of what archives have answered to queries.
    simulated
        Whether the sky is a simulated one.

    Returns
    -------
    list of dict
        `source`, `from` (``simulated``, ``mirror``, ``archive``, or ``made`` of other sources),
        `retrieved` (UTC day on which the archive's file was written here; None for others),
        `size` (bytes), `sha256`, `citation` and `licence`; of what the registry knows `url`; of
        a query `archive`, `product`, what it asks for (`query`), how (`asked`) and the archive's
        `replies` with their digests. Without times of day and absolute paths.
    """
    registry = read_registry(places.registry)
    traced = []
    for name in names:
        path = places.folder / name
        about: dict[str, Any] = {"source": name}
        found = find_query(name, queries)
        if simulated:
            about |= {"from": "simulated", "retrieved": None}
        elif _is_of_mirror(name, places, replies):
            about |= {"from": "mirror", "retrieved": None}
        elif found is None and registry[name].recipe and registry[name].url is None:
            parts = [part for made in registry[name].made_from.values() for part in made]
            about |= {"from": "made", "retrieved": None, "made_from": parts}
        else:
            about |= {"from": "archive", "retrieved": _day_of(path)}
        about |= {"size": path.stat().st_size, "sha256": digest_file(path)}
        if found is not None and not simulated:
            about |= _trace_query(*found, places, replies / name)
        elif name in registry and not simulated:
            source = registry[name]
            about |= {"url": source.url, "citation": source.citation, "licence": source.licence}
        traced.append(about)
    return traced


def _is_of_mirror(name: str, places: Places, replies: Path) -> bool:
    """Say whether a source was taken from the mirror, of which it is a link or a copy."""
    if (places.folder / name).is_symlink():
        return True
    in_mirror = places.mirror is not None and (places.mirror / name).is_file()
    return in_mirror and not (replies / name).is_dir()


def _trace_query(query: Settings, batch: int, places: Places, replies: Path) -> dict[str, Any]:
    """Return what an archive was asked, and what it has answered."""
    product = _settle(find_product(query, places.archives), replies)
    about: dict[str, Any] = {
        "archive": query["archive"],
        "product": query["product"],
        "citation": product.citation,
        "licence": None,
        "query": {key: value for key, value in query.items() if key not in ("archive", "product")},
    }
    if product.names.get("of_stars"):
        about["asked"] = _ask_for_stars(product, query, batch)
    else:
        requests = plan_requests(product, query)
        about["asked"] = [request.describe() for request in requests[:SHOWN_REQUESTS]]
        if len(requests) > SHOWN_REQUESTS:
            about["asked"].append(f"and {len(requests) - SHOWN_REQUESTS} more like these")
    if replies.is_dir():
        files = sorted(path for path in replies.rglob("*") if path.is_file())
        about["replies"] = {
            path.relative_to(replies).as_posix(): digest_file(path) for path in files
        }
    return about


def _settle(product: Product, replies: Path) -> Product:
    """Return a product with the names and words that its archive has settled on."""
    settled: dict[str, Any] = {}
    for path in sorted(replies.glob(_SETTLED)):
        settled |= json.loads(path.read_text())
    return replace(product, names={**product.names, **settled})


def _ask_for_stars(product: Product, query: Settings, batch: int) -> list[str]:
    """Return in words what an archive is asked for stars, which are too many to be named."""
    words = {
        key: value
        for key, value in product.names.items()
        if isinstance(value, str) and key not in ("client", "names_of")
    }
    lines = [f"{key}: {value}" for key, value in sorted(words.items())]
    files = ", ".join(query.get("stars", [])) or "star_ids"
    return [f"for the stars of {files}, batch {batch} of {query.get('batches', 1)}", *lines]


def trace_models(cards: Sequence[Path]) -> dict[str, Any]:
    """Return what models were made with, by name: the digest of the card, and its versions."""
    return {
        card["name"]: {
            "card_sha256": digest_file(path),
            "training_set_sha256": card["provenance"].get("training_set_sha256"),
            "versions": card["versions"],
        }
        for path in cards
        for card in [json.loads(path.read_text(encoding="utf-8"))]
    }


def describe_software(root: Path, libraries: Iterable[str] = LIBRARIES) -> dict[str, Any]:
    """Return the versions of what a study is computed with.

    Parameters
    ----------
    root
        Folder of the repository; its commit is named if there is one.
    libraries
        By the names of their packages.
    """
    versions = {name: version(name) for name in libraries}
    return {
        "metalyra": metalyra.__version__,
        "commit": find_commit(root),
        "python": platform.python_version(),
        **versions,
    }


def find_commit(root: Path) -> str | None:
    """Return the commit of a repository, with ``-modified`` if files differ; None without one."""

    def ask(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        asked = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
        return asked.stdout.strip()

    try:
        if Path(ask("rev-parse", "--show-toplevel")).resolve() != root.resolve():
            return None
        changed = ask("status", "--porcelain", "--untracked-files=no")
        return ask("rev-parse", "HEAD") + ("-modified" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def describe_configuration(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a study's configuration with its digest, without what is of the machine.

    Parameters
    ----------
    config
        Complete, as `metalyra.study.configuration.resolve_config` returns it.

    Returns
    -------
    dict
        `sha256`, of the JSON text without spaces and with sorted keys, and `keys`.
    """
    keys = _of_the_study(config)
    text = json.dumps(keys, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return {"sha256": hashlib.sha256(text.encode()).hexdigest(), "keys": keys}


def _of_the_study(value: Any) -> Any:
    """Return settings as plain data without the keys of the machine."""
    if isinstance(value, Mapping):
        return {
            str(key): _of_the_study(entry)
            for key, entry in value.items()
            if key not in _OF_THE_MACHINE
        }
    return [_of_the_study(entry) for entry in value] if isinstance(value, list | tuple) else value


def _day_of(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%d")
