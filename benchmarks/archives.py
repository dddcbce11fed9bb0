"""How the acquire stage stands archives that misbehave.

A run brings one source of every kind to a study from a loopback archive: files with and
without a known hash, lists of stars by TAP from two archives, light curves by DataLink, by position
and one by one, a catalogue; DR4 in the names of its draft. It must end with the bytes of an
undisturbed run, or with one clear error, after which a second run without faults completes it;
whatever happens, no other bytes are under a final name.
"""

import argparse
import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from metalyra.acquire import (
    RetryPolicy,
    SourceError,
    acquire,
    acquire_query,
    find_services,
    find_source,
    read_archives,
)
from testbench.loopback import KINDS, Faults, LoopbackArchive
from testbench.loopback.server import VARIABLE
from testbench.simulate import simulate_sky, write_archives

SKY = {"n_rrab": 3, "n_rrab_field": 1, "n_rrc": 2}
OGLE = "ogle_ocvs/ogle4/blg"
FILES = (f"{OGLE}/ident.dat", f"{OGLE}/RRab.dat", f"{OGLE}/phot.tar.gz", "vvv/stars.csv")
OGLE_URL = "https://www.astrouw.edu.pl/ogle/ogle4/OCVS/blg/rrlyr/"

# Each query needs the files before it.
QUERIES = {
    "gaia_dr2/rrlyrae.csv.gz": {"archive": "gaia_dr2", "product": "rrlyrae"},
    "gaia_dr2/aip.csv.gz": {"archive": "gaia_dr2_aip", "product": "rrlyrae"},
    "gaia_dr2/epochs.zip": {
        "archive": "gaia_dr2",
        "product": "epoch_photometry",
        "stars": ["gaia_dr2/rrlyrae.csv.gz"],
    },
    "gaia_dr2/aip_epochs.csv": {
        "archive": "gaia_dr2_aip",
        "product": "epoch_photometry",
        "stars": ["gaia_dr2/aip.csv.gz"],
    },
    "gaia_dr3/rrlyrae.csv.gz": {
        "archive": "gaia_dr3",
        "product": "rrlyrae",
        "types": ["RRc", "RRd"],
    },
    "gaia_dr3/epochs.zip": {
        "archive": "gaia_dr3",
        "product": "epoch_photometry",
        "stars": ["gaia_dr3/rrlyrae.csv.gz"],
    },
    "gaia_dr4/rrlyrae.csv.gz": {"archive": "gaia_dr4", "product": "rrlyrae", "types": ["RRd"]},
    "gaia_dr4/epochs.zip": {
        "archive": "gaia_dr4",
        "product": "epoch_photometry",
        "stars": ["gaia_dr4/rrlyrae.csv.gz"],
    },
    f"{OGLE}/phot_i.zip": {
        "archive": "ogle4",
        "product": "light_curves",
        "band": "I",
        "stars": [f"{OGLE}/RRab.dat"],
    },
    "vvv/eso.csv": {"archive": "eso_vvv", "product": "epochs", "stars": ["vvv/stars.csv"]},
    "vvv/vsa.csv": {"archive": "vsa_vvv", "product": "epochs", "stars": ["vvv/stars.csv"]},
    "layden_1994.vot": {"archive": "vizier", "product": "layden_1994"},
}

# As the configuration key `downloads` would have it; a real study waits longer.
PATIENCE = RetryPolicy(attempts=4, pause=0.001, timeout=1.0, connections_per_host=1)

# Small enough for several requests to some products, and one to the others.
LIMITS = {"ids_per_request": 20, "positions_per_request": 20, "rows": 1000}

STARS = 4
"""OGLE light curves that are asked for one by one."""

SHORT = (
    f"{OGLE}/RRab.dat",
    "vvv/stars.csv",
    "gaia_dr4/rrlyrae.csv.gz",
    "gaia_dr2/aip.csv.gz",
    "gaia_dr4/epochs.zip",
    "layden_1994.vot",
)
"""A source for each way in which archives are asked."""


def make_holdings(folder: Path) -> Path:
    """Write what the archives hold, and return the registry of their files."""
    write_archives(simulate_sky(SKY, seed=11), folder)
    shutil.copytree(folder / "gaia_dr3", folder / "gaia_dr4")
    catalogue = folder / "hds_metallicities/layden_1994_abundances.dat"
    catalogue.parent.mkdir()
    catalogue.write_text("name_match,feh,err_feh\nSW_And,-0.38,0.17\nXX_And,-2.01,0.07\n")
    entries: dict[str, dict[str, object]] = {name: {} for name in FILES}
    for name in FILES:
        content = (folder / name).read_bytes()
        if name.startswith(OGLE):
            entries[name]["url"] = OGLE_URL + name.removeprefix(f"{OGLE}/")
        else:
            entries[name]["origin"] = "simulated"
        # The archive may change the others.
        if not name.endswith(".dat"):
            entries[name] |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    registry = folder / "registry.yaml"
    collection = {"citation": "simulated", "licence": "MIT", "files": entries}
    registry.write_text(yaml.safe_dump({"collections": {"simulated": collection}}))
    return registry


@cache
def read_limited_archives() -> dict[str, Any]:
    """Read the project's archives, with `LIMITS`."""
    described = read_archives()
    for archive in described["archives"].values():
        for product in archive["products"].values():
            product |= {name: limit for name, limit in LIMITS.items() if name in product}
    return described


@dataclass(frozen=True)
class Study:
    """Where a study keeps its sources, and how it asks for them."""

    folder: Path
    registry: Path
    names: tuple[str, ...] = (*FILES, *QUERIES)
    policy: RetryPolicy = PATIENCE

    def acquire(self, name: str) -> None:
        """Bring a source, as the rule `acquire` does.

        Raises
        ------
        SourceError
            If it cannot be had.
        """
        described = read_limited_archives()
        services = find_services({}, described["services"])
        if name not in QUERIES:
            source = find_source(name, self.registry, services)
            acquire(source, self.path(name), None, self.policy)
        elif not self.path(name).is_file():  # else Snakemake would not ask again
            acquire_query(
                name,
                QUERIES[name],
                0,
                star_files=[self._shorten(name, self.path(path)) for path in self.lists(name)],
                destination=self.path(name),
                mirror=None,
                replies=self.folder / "replies" / name,
                archives=described["archives"],
                services=services,
                policy=self.policy,
            )

    def lists(self, name: str) -> list[str]:
        """Return the lists of stars that a source is asked for."""
        return QUERIES.get(name, {}).get("stars", [])

    def path(self, name: str) -> Path:
        """Return where a source is."""
        return self.folder / "sources" / name

    def _shorten(self, name: str, stars: Path) -> Path:
        """Keep the first stars of a list where light curves are asked for one by one."""
        if not name.startswith(OGLE):
            return stars
        lines = stars.read_bytes().splitlines(keepends=True)
        short = self.folder / stars.name
        short.write_bytes(b"".join(lines[:STARS]))
        return short

    def digests(self, names: Sequence[str]) -> dict[str, str]:
        """Return the SHA-256 of all that is under the final names of sources and replies."""
        files = [path for name in names for path in (self.folder / "replies" / name).glob("*")]
        files += [self.path(name) for name in names]
        return {
            path.relative_to(self.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if path.is_file() and not path.name.startswith(".")
        }


@dataclass
class Outcome:
    """What came of a run with faults, and of the restart after it.

    Attributes
    ----------
    faults, requests
        How many there were, faults by kind.
    error
        How the run ended, unless it ended right.
    defects
        What must not be: files with wrong bytes, unclear errors, a restart that fails.
    """

    faults: Counter[str]
    requests: int
    error: SourceError | None
    defects: list[str]


class Campaign:
    """Runs with faults, each in a folder of its own.

    Parameters
    ----------
    archive
        The loopback archive; its address must be in the environment.
    registry
        See `make_holdings`.
    folder
        For the studies.

    Attributes
    ----------
    requests
        How many requests a source makes, without faults.
    """

    def __init__(self, archive: LoopbackArchive, registry: Path, folder: Path) -> None:
        self._archive, self._registry, self._folder = archive, registry, folder
        self._number = 0
        self._undisturbed = Study(folder / "undisturbed", registry)
        self.requests: dict[str, int] = {}
        for name in self._undisturbed.names:
            archive.reset()
            self._undisturbed.acquire(name)
            self.requests[name] = len(archive.log)

    def run(self, faults: Faults, names: Sequence[str] = (*FILES, *QUERIES)) -> Outcome:
        """Bring sources with faults, then again without, as after a restart.

        Parameters
        ----------
        faults
            Of the first run.
        names
            The sources; the lists of stars that they need are there already.
        """
        self._number += 1
        study = Study(self._folder / str(self._number), self._registry)
        for listed in {path for name in names for path in study.lists(name)} - {*names}:
            study.path(listed).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self._undisturbed.path(listed), study.path(listed))
        right = self._undisturbed.digests(names)
        self._archive.reset(faults)
        error = None
        defects = []
        try:
            for name in names:
                study.acquire(name)
        except SourceError as problem:
            error = problem
        except Exception as problem:
            defects.append(f"the unclear error {problem!r}")
        done, requests = self._archive.faults_done, len(self._archive.log)
        wrong = {*study.digests(names).items()} - {*right.items()}
        defects += [f"wrong bytes: {name}" for name, _ in sorted(wrong)]
        if error or defects:
            self._archive.reset()
            for name in names:
                study.acquire(name)
        missing = {*right.items()} - {*study.digests(names).items()}
        defects += [f"not completed: {name}" for name, _ in sorted(missing)]
        shutil.rmtree(study.folder)
        return Outcome(done, requests, error, defects)


@contextmanager
def campaign(folder: Path) -> Iterator[Campaign]:
    """Start a loopback archive, and a campaign against it, in a folder."""
    holdings, studies = folder / "holdings", folder / "studies"
    registry = make_holdings(holdings)
    before = {name: os.environ.get(name) for name in (VARIABLE, "no_proxy")}
    with LoopbackArchive(holdings, registry=registry, dr4="draft") as archive:
        os.environ |= {VARIABLE: archive.address, "no_proxy": "127.0.0.1"}
        try:
            yield Campaign(archive, registry, studies)
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def quick(**settings: object) -> Faults:
    """Return faults that cost little time."""
    return Faults(**{"latency": 0.01, "hang": 0.05, "retry_after": 0, **settings})


def sweep(running: Campaign, names: Sequence[str]) -> Iterator[Outcome]:
    """Give the outcome of every kind of fault at every request for sources that can have it."""
    for name in names:
        for number in range(1, running.requests[name] + 1):
            for kind in KINDS:
                outcome = running.run(quick(at={number: kind}), [name])
                if outcome.faults:
                    yield outcome


def draw(running: Campaign, rate: float, seed: int, faults: int) -> Iterator[Outcome]:
    """Give the outcomes of runs with faults drawn at random, until there are enough faults."""
    while faults > 0:
        outcome = running.run(quick(rate=rate, seed=seed, in_a_row=5))
        faults -= outcome.faults.total()
        seed += 1
        yield outcome


def main() -> None:
    """Print what came of two campaigns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=1000, help="drawn at random, at least")
    parser.add_argument("--rate", type=float, default=0.1, help="share of the replies")
    parser.add_argument("--seed", type=int, default=0, help="of the first run")
    options = parser.parse_args()
    logging.getLogger("metalyra").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder, campaign(Path(folder)) as running:
        drawn = draw(running, options.rate, options.seed, options.faults)
        defects = _report("every kind of fault at every request", sweep(running, running.requests))
        defects += _report(f"faults at {options.rate:.0%} of the requests", drawn)
    raise SystemExit(bool(defects))


def _report(title: str, runs: Iterator[Outcome]) -> int:
    """Print what came of runs, and return the number of defects."""
    started, cpu = time.monotonic(), time.process_time()
    outcomes = list(runs)
    faults: Counter[str] = sum((outcome.faults for outcome in outcomes), Counter())
    requests = sum(outcome.requests for outcome in outcomes)
    errors = sum(outcome.error is not None for outcome in outcomes)
    defects = Counter(defect for outcome in outcomes for defect in outcome.defects)
    print(title)
    for kind in KINDS:
        print(f"  {kind:20} {faults[kind]:6}")
    print(f"  {'all':20} {faults.total():6} faults, {requests} requests, {len(outcomes)} runs")
    print(f"  ended right at once {len(outcomes) - errors}, after one error and a restart {errors}")
    print(f"  {time.monotonic() - started:.0f} s, {time.process_time() - cpu:.0f} s of CPU")
    print(f"  defects {defects.total()}")
    for defect, number in defects.most_common():
        print(f"    {number} x {defect}")
    return defects.total()


if __name__ == "__main__":
    main()
