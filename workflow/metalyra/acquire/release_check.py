"""Whether a release of Gaia is there, and what the archive calls its things.

Read only. The archive's TAP schema is the sign of a release, not a folder that answers. What
differs from the release's block of ``resources/gaia_releases.yaml`` is listed, a block for what
was found is proposed, and all replies are kept with their hashes.
"""

import argparse
import difflib
import hashlib
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from metalyra.acquire.clients.gaia import ask_for_product, read_product_header
from metalyra.acquire.clients.interface import QueryError, ask_at_once, ask_for_table, read_table
from metalyra.acquire.clients.protocols import send
from metalyra.acquire.connection import USUAL, DownloadError, RefusedError, RetryPolicy
from metalyra.acquire.queries import Request, quote, select_header
from metalyra.acquire.services import Services, find_services, read_archives
from metalyra.core.tables import replace_when_complete
from metalyra.surveys.formats.gaia_epochs import check_header
from metalyra.surveys.formats.gaia_releases import (
    BANDS,
    RELEASES_FILE,
    Columns,
    Flags,
    Release,
    Table,
    read_blocks,
    read_releases,
)
from metalyra.surveys.interface import SurveyError

ABSENT, AS_EXPECTED, DIFFERENT = "absent", "as_expected", "different"
"""What a release may be."""

EXIT_STATUSES = {AS_EXPECTED: 0, DIFFERENT: 1, ABSENT: 2}
"""Of the command; 3 where the archive could not be asked."""

_WORDS = ("DATAMODEL_STANDARD", "INDIVIDUAL", "DATAMODEL_GAIA", "RAW", "COMBINED")
_ONE_FILE_A_SOURCE = _WORDS[:2]
_TYPES = ("RRab", "RRc")
_REPORT, _PROPOSAL, _REPLIES, _SUMS = "report.txt", "proposed.yaml", "replies", "SHA256SUMS"


@dataclass
class ReleaseReport:
    """What was found of a release.

    Attributes
    ----------
    release
        Its name in the configuration.
    state
        One of `ABSENT`, `AS_EXPECTED` and `DIFFERENT`.
    found
        What there is, for people.
    differences
        What its block says otherwise.
    block
        The block as it would be right.
    """

    release: str
    state: str = AS_EXPECTED
    found: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    block: dict[str, Any] = field(default_factory=dict)

    def differ(self, difference: str) -> None:
        """Note what is not as the block has it."""
        self.differences.append(difference)
        self.state = DIFFERENT

    @property
    def headline(self) -> str:
        """The result in a line."""
        said = {
            ABSENT: "is not there yet",
            AS_EXPECTED: "is there, and as expected",
            DIFFERENT: f"is there, and different in {len(self.differences)} points",
        }
        return f"{self.release} {said[self.state]}"

    def describe(self) -> str:
        """Return the report as text."""
        parts = [self.headline, "", *self.found]
        if self.differences:
            parts += ["", "Different from resources/gaia_releases.yaml:"]
            parts += [f"- {difference}" for difference in self.differences]
            parts += ["", "A block for what was found, to be looked through:", "", self.proposal]
        return "\n".join(parts).rstrip() + "\n"

    @property
    def proposal(self) -> str:
        """The block as YAML."""
        text: str = yaml.safe_dump(
            {self.release: self.block}, sort_keys=False, default_flow_style=None, width=100
        )
        return text


class _Archive:
    """Asks the archive, and keeps its replies under names that say what was asked."""

    def __init__(
        self, product: Mapping[str, Any], services: Services, policy: RetryPolicy, folder: Path
    ) -> None:
        self.product = product
        self._services, self._policy, self._folder = services, policy, folder

    def table(self, name: str, adql: str, *, at_once: bool = True) -> list[dict[str, str]]:
        """Return the rows of an answer."""
        asked = ask_at_once if at_once else ask_for_table
        reply = self.send(asked(self.product, adql), f"{name}.csv")
        table = read_table(reply)
        names = [str(name).lower() for name in table]
        return [dict(zip(names, map(str, row), strict=True)) for row in table.to_numpy()]

    def header(self, name: str, table: str) -> list[str]:
        """Return the columns of a table, in lower case."""
        reply = self.send(ask_at_once(self.product, select_header(table)), f"{name}.csv")
        return [str(column).lower() for column in read_table(reply)]

    def send(self, request: Request, name: str) -> Path:
        """Send a request, and return its reply; to what is refused, 500 is an answer, too."""
        policy = self._policy
        if request.protocol == "data":
            policy = replace(policy, transient=policy.transient - {500})
        path = self._folder / name
        with replace_when_complete(path) as temporary:
            send(request, self._services.url(request.service, request.path), temporary, policy)
        return path


def check_release(
    name: str,
    archives: Mapping[str, Any],
    services: Services,
    policy: RetryPolicy,
    folder: Path,
    releases: Path = RELEASES_FILE,
) -> ReleaseReport:
    """Compare a release with the archive, and write what was found.

    Parameters
    ----------
    name
        The release, which its archive has the name of, too.
    archives
        See `metalyra.acquire.services.read_archives`.
    services, policy
        Where and how the archive is asked.
    folder
        Gets ``report.txt``, ``proposed.yaml`` if something is different, and the replies with
        their SHA-256.
    releases
        The file with the blocks of the releases.

    Raises
    ------
    metalyra.acquire.connection.DownloadError, QueryError
        If the archive cannot be asked.
    """
    release, block = read_releases(releases)[name], read_blocks(releases)[name]
    products = archives[name]["products"]
    report = ReleaseReport(name, block=deepcopy(block))
    folder.mkdir(parents=True, exist_ok=True)
    for file in (_REPORT, _PROPOSAL):
        (folder / file).unlink(missing_ok=True)
    shutil.rmtree(folder / _REPLIES, ignore_errors=True)
    archive = _Archive(products["rrlyrae"], services, policy, folder / _REPLIES)
    try:
        tables = _find_tables(release, archive, report)
        if tables is None:
            report.state = ABSENT
        else:
            _check_tables(release, tables, archive, report)
            photometry = _Archive(products["epoch_photometry"], services, policy, folder / _REPLIES)
            _check_light_curves(release, archive, photometry, report)
    finally:
        _write_sums(folder)
    asked = f"Asked {datetime.now(UTC):%Y-%m-%d %H:%M} UTC; the replies are in {folder / _REPLIES}"
    _write(folder / _REPORT, f"{report.describe()}\n{asked}\n")
    if report.differences:
        _write(folder / _PROPOSAL, report.proposal)
    return report


def _write(path: Path, text: str) -> None:
    with replace_when_complete(path) as temporary:
        temporary.write_text(text)


def _write_sums(folder: Path) -> None:
    """Write the hashes of the replies, as ``sha256sum --check`` reads them."""
    files = sorted((folder / _REPLIES).glob("*"))
    sums = (f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)
    if files:
        _write(folder / _REPLIES / _SUMS, "".join(sums))


# Tables


def _find_tables(release: Release, archive: _Archive, report: ReleaseReport) -> set[str] | None:
    """Return the tables of a release, without their schema; None if it has no schema."""
    short = "dr" + release.data_release[-1]
    rows = archive.table(
        "tables",
        "SELECT schema_name, table_name\nFROM tap_schema.tables\n"
        f"WHERE schema_name LIKE {quote(f'%{short}%')}",
    )
    by_schema: dict[str, set[str]] = {}
    for row in rows:
        schema, name = row["schema_name"], row["table_name"].rpartition(".")[2]
        by_schema.setdefault(schema.lower(), set()).add(name.lower())
    if not by_schema:
        return None
    if release.schema not in by_schema:
        schema = max(by_schema, key=lambda name: (release.stars.name in by_schema[name], name))
        report.differ(f"the schema is {schema}, not {release.schema}")
        report.block["schema"] = schema
    schema = report.block["schema"]
    report.found.append(f"{schema} has {len(by_schema[schema])} tables")
    return by_schema[schema]


def _check_tables(
    release: Release, tables: set[str], archive: _Archive, report: ReleaseReport
) -> None:
    """Look for the columns of every table that is asked for, and count the stars."""
    block, schema = report.block, report.block["schema"]
    stars = _check_table("stars", release.stars, block["stars"], tables, archive, report)
    sources = _check_table("sources", release.sources, block["sources"], tables, archive, report)
    for table, part in zip(release.fallbacks, block["fallbacks"], strict=True):
        _check_table("fallbacks", table, part, tables, archive, report)
    if release.neighbours is not None:
        _check_table("neighbours", release.neighbours, block["neighbours"], tables, archive, report)
    if "pulsation_type" in stars:
        kind, name = stars["pulsation_type"], f"{schema}.{release.stars.name}"
        rows = archive.table(
            "types", f"SELECT {kind}, COUNT(*) AS stars\nFROM {name}\nGROUP BY {kind}"
        )
        counts = {row[kind]: int(row["stars"]) for row in rows}
        said = ", ".join(f"{count} {word or 'without a type'}" for word, count in counts.items())
        report.found.append(f"{name}: {sum(counts.values())} stars, {release.rows} thought; {said}")
        for word in _TYPES:
            if word not in counts:
                report.differ(f"no star of {name} is called {word}")
    if {"source_id"} <= {*stars} & {*sources}:
        _count_without_source(release, stars, sources, archive, report)


def _check_table(
    key: str,
    table: Table,
    part: dict[str, Any],
    tables: set[str],
    archive: _Archive,
    report: ReleaseReport,
) -> dict[str, str]:
    """Return the columns of a table by role, and note those that are missing or new."""
    name = f"{report.block['schema']}.{table.name}"
    if table.name not in tables:
        close = difflib.get_close_matches(table.name, sorted(tables), n=3)
        nearest = f"; nearest are {', '.join(close)}" if close else ""
        report.differ(f"{key}: there is no table {name}{nearest}")
        return {}
    rows = archive.table(
        f"columns_{table.name}",
        f"SELECT column_name\nFROM tap_schema.columns\nWHERE table_name = {quote(name)}",
    )
    columns = [row["column_name"].lower() for row in rows]
    # An archive may call its tables otherwise there.
    columns = columns or archive.header(f"header_{table.name}", name)
    return _compare(f"{key} ({name})", table.columns, part, columns, report)


def _compare(
    place: str,
    columns: Columns,
    part: dict[str, Any],
    found: Sequence[str],
    report: ReleaseReport,
) -> dict[str, str]:
    """Note what columns a table lacks, and put those it has first in the block."""
    here = columns.find(found)
    unknown = [name for name in found if name not in here.values()]
    for role, names in columns.names.items():
        if role in here:
            others = [name for name in names if name != here[role]]
            part["columns"][role] = [here[role], *others]
            continue
        close = difflib.get_close_matches(names[0], unknown, n=3)
        part["columns"][role] = [*close, *names]
        nearest = f"; nearest are {', '.join(close)}" if close else ""
        need = "needed" if role in columns.required else "can be done without"
        report.differ(f"{place}: no column for {role} ({' or '.join(names)}), {need}{nearest}")
    report.found.append(
        f"{place}: {len(here)} of {len(columns.names)} columns; others there: "
        f"{', '.join(unknown) or 'none'}"
    )
    return here


def _count_without_source(
    release: Release,
    stars: Mapping[str, str],
    sources: Mapping[str, str],
    archive: _Archive,
    report: ReleaseReport,
) -> None:
    """Count the stars that the table of sources lacks; the answer may take too long to have."""
    schema = report.block["schema"]
    source = sources["source_id"]
    adql = (
        f"SELECT COUNT(*) AS stars\nFROM {schema}.{release.stars.name} AS rr\n"
        f"LEFT JOIN {schema}.{release.sources.name} AS gs "
        f"ON gs.{source} = rr.{stars['source_id']}\nWHERE gs.{source} IS NULL"
    )
    try:
        [row] = archive.table("without_source", adql, at_once=False)
    except (DownloadError, QueryError) as error:
        report.found.append(f"the stars without a row in {release.sources.name}: {error}")
    else:
        report.found.append(f"{row['stars']} stars have no row in {schema}.{release.sources.name}")


# Light curves


def _check_light_curves(
    release: Release, archive: _Archive, photometry: _Archive, report: ReleaseReport
) -> None:
    """Ask for one star's light curve in every word for its structure, and for its flags."""
    table = f"{report.block['schema']}.{release.stars.name}"
    identifier = report.block["stars"]["columns"]["source_id"][0]
    try:
        [star, *_] = archive.table("star", f"SELECT TOP 1 {identifier}\nFROM {table}")
    except (QueryError, ValueError) as error:
        report.differ(f"no star to ask a light curve of: {error}")
        return
    source = int(star[identifier])
    taken = []
    headers: dict[str, list[str]] = {}
    for word in _WORDS:
        said = _ask(photometry, source, "EPOCH_PHOTOMETRY", word, headers)
        report.found.append(f"EPOCH_PHOTOMETRY as {word}: {said}")
        taken += [word] if word in headers else []
    usable = [word for word in _ONE_FILE_A_SOURCE if word in taken]
    if not {*usable} & {*release.structures}:
        report.differ(
            f"the light curve of {source} is to be had in no structure of "
            f"{', '.join(release.structures)}"
        )
        return
    report.block["structures"] = usable
    header = headers[usable[0]]
    if not header:
        report.differ(f"{source} has no light curve; nothing is known of its columns")
        return
    _check_epochs(release, source, usable[0], header, photometry, report)


def _ask(
    photometry: _Archive, source: int, kind: str, word: str, headers: dict[str, list[str]]
) -> str:
    """Ask for a product of a source; return what came of it, and note its columns."""
    product = {**photometry.product, "data_structure": word}
    try:
        reply = photometry.send(ask_for_product(product, {}, [source], kind), f"{kind}_{word}.zip")
    except RefusedError as error:
        return re.sub(r"^\S+: ", "", str(error))
    headers[word] = read_product_header(reply)
    return f"columns {', '.join(headers[word])}" if headers[word] else "taken, nothing of the star"


def _check_epochs(
    release: Release,
    source: int,
    word: str,
    header: Sequence[str],
    photometry: _Archive,
    report: ReleaseReport,
) -> None:
    """Look for the columns of a light curve, and for the flags of its transits."""
    wanted: Flags | None = None
    for band in BANDS:
        try:
            wanted = check_header(header, release, band)
        except SurveyError as error:
            report.differ(f"epochs, {band}: {error}")
    if wanted is None or wanted.where != "product":
        where = "in a column of the light curves" if wanted else "not found or not asked for"
        report.found.append(f"the flags are {where}")
        return
    flags: dict[str, list[str]] = {}
    said = _ask(photometry, source, wanted.retrieval_type, word, flags)
    report.found.append(f"{wanted.retrieval_type} as {word}: {said}")
    if word not in flags:
        report.differ(f"flags: the product {wanted.retrieval_type} is not to be had ({said})")
        return
    for band in BANDS:
        try:
            names = wanted.columns.of_band(band)
            names.resolve("flags", {*flags[word], "source_id"})
        except SurveyError as error:
            report.differ(f"{error} (of {band})")


# The command


@contextmanager
def _folder_for(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a release, print what was found, and return the exit status."""
    described = read_archives()
    archives = described["archives"]
    names = [name.removeprefix("gaia_") for name in read_releases() if name in archives]
    parser = argparse.ArgumentParser(
        prog="python -m metalyra.acquire.release_check",
        description="Is a release of Gaia there, and as expected? Exit status 0: it is; 1: it is "
        "there and different; 2: it is not there yet; 3: the archive does not answer.",
    )
    parser.add_argument("release", choices=names)
    parser.add_argument("--folder", type=Path, help="for the report and the archive's replies")
    options = parser.parse_args(arguments)
    name = f"gaia_{options.release}"
    try:
        with _folder_for(options.folder) as folder:
            services = find_services({}, described["services"])
            report = check_release(name, archives, services, USUAL, folder)
    except (DownloadError, QueryError) as error:
        print(f"{name}: the archive does not answer: {error}", file=sys.stderr)
        return 3
    print(report.describe(), end="")
    return EXIT_STATUSES[report.state]


if __name__ == "__main__":
    sys.exit(main())
