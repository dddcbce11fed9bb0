"""The clients against DaCHS, the TAP server in Debian: an implementation that is not ours.

``apt install gavodachs2-server`` installs it, with PostgreSQL. The test makes a database and a
server of its own, for the time that it takes.
"""

import grp
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pandas as pd
import pytest
import requests
from benchmarks.archives import QUERIES, Study, make_holdings, read_limited_archives

from metalyra.acquire.clients import acquire_query
from metalyra.acquire.services import find_services
from metalyra.acquire.sources import SourceError
from metalyra.core.tables import read_table
from metalyra.surveys import ingest, survey
from testbench.loopback import LoopbackArchive
from testbench.loopback.holdings import open_holdings

SCHEMA = "gdr2"
TABLES = ("vari_rrlyrae", "gaia_source", "epoch_photometry")
STARS, CURVES = "gaia_dr2/aip.csv.gz", "gaia_dr2/aip_epochs.csv"
TYPES = {"long": "bigint", "double": "double precision", "char": "text", "boolean": "boolean"}

# astroquery and pyvo leave it to the garbage collector to close their connections.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sky")
    make_holdings(folder)
    return folder


@pytest.fixture(scope="module")
def dachs(sky) -> Iterator[str]:
    """Base URL of a DaCHS server with the simulated stars of Gaia DR2."""
    programs = find_programs()
    folder = Path(tempfile.mkdtemp(prefix="dachs"))
    server = Server(folder, programs)
    try:
        server.start_database()
        server.import_tables(sky)
        yield server.start()
    finally:
        server.stop()
        shutil.rmtree(folder)


def find_programs() -> Path:
    """Return the folder of PostgreSQL's programs, or skip the tests."""
    if shutil.which("dachs") is None:
        pytest.skip("DaCHS is not installed (Debian: apt install gavodachs2-server)")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not folders:
        pytest.skip("PostgreSQL, which DaCHS needs, is not installed")
    return folders[-1].parent


class Server:
    """A DaCHS server and its database, in a folder."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder, self._programs = folder, programs
        self._database, self._port = free_port(), free_port()
        self._process: subprocess.Popen | None = None
        # PostgreSQL refuses to be run by root.
        self._user = "postgres" if os.geteuid() == 0 else None
        self._group = self._user or grp.getgrgid(os.getegid()).gr_name
        (folder / "gavorc").write_text(
            f"[general]\nrootDir: {folder}/gavo\ntempDir: {folder}/tmp\ncacheDir: {folder}/cache\n"
            f"group: {self._group}\n[web]\nbindAddress: 127.0.0.1\nserverPort: {self._port}\n"
            f"serverURL: http://127.0.0.1:{self._port}\n"
        )
        self._environment = {
            **os.environ,
            "GAVOSETTINGS": str(folder / "none"),
            "GAVOCUSTOM": str(folder / "gavorc"),
            "HOME": str(folder),
        }
        # Debian's Python must not find the modules of this one.
        for name in ("PYTHONPATH", "VIRTUAL_ENV"):
            self._environment.pop(name, None)
        self._give_away()

    def start_database(self) -> None:
        """Make the database and the folders of DaCHS."""
        data = self._folder / "database"
        self._run(self._programs / "initdb", "-D", data, "-A", "trust", "-E", "UTF8",
                  "--locale", "C.UTF-8", "-U", "admin")  # fmt: skip
        options = f"-k {self._folder} -p {self._database} -c listen_addresses=127.0.0.1 -F"
        log = self._folder / "database.log"
        self._run(self._programs / "pg_ctl", "-D", data, "-w", "-l", log, "-o", options, "start")
        place = f"host=127.0.0.1 port={self._database} user=admin dbname="
        self._run("psql", f"{place}postgres", "-c", "CREATE DATABASE gavo")
        self._run("dachs", "init", "-d", f"{place}gavo")

    def import_tables(self, sky: Path) -> None:
        """Import the tables that the loopback archive has of the same files."""
        folder = self._folder / "gavo/inputs" / SCHEMA
        folder.mkdir(parents=True)
        database = open_holdings(sky)["gaia_aip"]
        parts = []
        for name in TABLES:
            table = database.query(f"SELECT * FROM {SCHEMA}.{name}", 10**6)
            names = [column.name for column in table.columns]
            pd.DataFrame(table.rows, columns=names).to_csv(folder / f"{name}.csv", index=False)
            columns = "".join(
                f"<column name={quoteattr(column.name)} type={quoteattr(TYPES[column.datatype])}"
                + (' required="True"/>' if column.datatype == "long" else "/>")
                for column in table.columns
            )
            parts.append(
                f'<table id="{name}" onDisk="True" adql="True">{columns}</table>'
                f'<data id="import_{name}"><sources>{name}.csv</sources><csvGrammar/>'
                f'<make table="{name}"><rowmaker idmaps="*"/></make></data>'
            )
        (folder / "q.rd").write_text(
            f'<resource schema="{SCHEMA}"><meta name="title">Simulated stars</meta>'
            '<meta name="creationDate">2026-01-01T00:00:00Z</meta><meta name="creator">us</meta>'
            '<meta name="description">Stars</meta><meta name="subject">stars</meta>'
            f"{''.join(parts)}</resource>"
        )
        self._give_away()
        self._run("dachs", "imp", f"{SCHEMA}/q")

    def start(self) -> str:
        """Start the server, and return its base URL when it answers."""
        log = (self._folder / "server.log").open("w")
        self._process = subprocess.Popen(
            ["dachs", "serve", "debug"], stdout=log, stderr=log, **self._options()
        )
        url = f"http://127.0.0.1:{self._port}/"
        for _ in range(120):
            try:
                requests.get(f"{url}tap/availability", timeout=10).raise_for_status()
            except requests.RequestException:
                time.sleep(0.5)
            else:
                return url
        raise TimeoutError((self._folder / "server.log").read_text())

    def stop(self) -> None:
        """Stop the server and the database."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
        if (self._folder / "database/postmaster.pid").is_file():
            data = self._folder / "database"
            self._run(self._programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")

    def _run(self, *command: object) -> None:
        result = subprocess.run(
            [*map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **self._options(),
        )
        assert result.returncode == 0, result.stdout

    def _options(self) -> dict[str, object]:
        owner = {"user": self._user, "group": self._group, "extra_groups": []} if self._user else {}
        return {"cwd": self._folder, "env": self._environment, **owner}

    def _give_away(self) -> None:
        """Give the files to the user that runs the server."""
        if self._user is not None:
            for path in (self._folder, *self._folder.rglob("*")):
                shutil.chown(path, self._user)


def free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


@pytest.fixture
def ask(sky, tmp_path, monkeypatch):
    """A function that brings a file from the service at a base URL."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("METALYRA_OFFLINE", raising=False)
    described = read_limited_archives()

    def bring(name: str, url: str, stars: list[Path] | None = None, **more: object) -> Path:
        folder = tmp_path / url.rpartition(":")[2].strip("/").replace("/", "_")
        folder.mkdir(exist_ok=True)
        acquire_query(
            name,
            {**QUERIES[name], **more},
            0,
            star_files=stars or [],
            destination=folder / Path(name).name,
            mirror=None,
            replies=folder / "replies",
            archives=described["archives"],
            services=find_services({"gaia_aip": url}, described["services"]),
            policy=Study(folder, sky).policy,
        )
        return folder / Path(name).name

    return bring


@pytest.fixture
def loopback(sky):
    with LoopbackArchive(sky) as archive:
        yield f"{archive.address}/gaia_aip/"


@pytest.mark.parametrize(
    "wishes",
    [
        {},
        {"types": ["RRab"], "magnitudes": [15, 17]},
        {"region": {"ra": 270.0, "dec": -30.0, "radius": 6.0}},
        {"limit": 5},
        {"where": "rr.pf > 0.55"},
    ],
)
def test_both_archives_give_the_same_list(dachs, loopback, ask, wishes):
    lists = [ask(STARS, url, **wishes).read_bytes() for url in (dachs, loopback)]
    assert lists[0] == lists[1]
    assert len(lists[0]) > 100


def test_both_archives_give_the_same_light_curves(dachs, loopback, ask, tmp_path):
    samples = []
    for number, url in enumerate((dachs, loopback)):
        stars = ask(STARS, url)
        curves = ask(CURVES, url, [stars])
        folder = tmp_path / str(number)
        table = ingest(survey("gaia_dr2"), [stars], [curves], "G", folder, 1)
        samples.append((table, read_table(folder / "0.parquet")))
    for one, other in zip(*samples, strict=True):
        pd.testing.assert_frame_equal(one, other)
    assert samples[0][1]["star_id"].nunique() > 10


def test_a_refused_query_is_one_clear_error(dachs, ask):
    with pytest.raises(SourceError, match=r"refuses the query.*colour"):
        ask(STARS, dachs, where="rr.colour > 1")
