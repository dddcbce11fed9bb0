import hashlib
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from metalyra.acquire.connection import RetryPolicy
from metalyra.acquire.sources import (
    REGISTRY,
    Source,
    SourceError,
    acquire,
    find_mirror,
    find_source,
    is_verified,
    locate,
    read_registry,
)

CONTENT = b"star period\n" * 1000
SOURCE = Source(
    name="survey/stars.dat",
    citation="A. Author (2000)",
    licence="MIT",
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
)


class Archive(BaseHTTPRequestHandler):
    """Answers each request with the next of `replies`: a status, or a way to misbehave."""

    replies: list[int | str]
    agents: list[str]

    def do_GET(self):
        reply = self.replies.pop(0)
        self.agents.append(self.headers["User-Agent"])
        self.send_response(reply if isinstance(reply, int) else 200)
        if reply == 429:
            self.send_header("Retry-After", "7")
        body = b"" if isinstance(reply, int) and reply != 200 else CONTENT
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write({"cut": body[:5000], "wrong": body[::-1]}.get(reply, body))

    def log_message(self, *arguments):
        pass


@pytest.fixture
def archive(monkeypatch):
    """An archive on this machine: its URL, and the handler whose replies a test sets."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = type("Handler", (Archive,), {"replies": [], "agents": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/stars.dat", handler
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("METALYRA_OFFLINE", raising=False)
    monkeypatch.delenv("METALYRA_MIRROR", raising=False)


@pytest.fixture
def folder(tmp_path):
    """A mirror that has the source."""
    path = tmp_path / "mirror" / SOURCE.name
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    return tmp_path / "mirror"


def files(path):
    return {item for item in path.rglob("*") if item.is_file()}


def test_the_mirror_comes_before_the_network(tmp_path, folder, archive):
    url, handler = archive
    destination = tmp_path / "results" / "stars.dat"
    assert acquire(replace(SOURCE, url=url), destination, folder) == destination
    assert destination.read_bytes() == CONTENT
    assert handler.agents == []


def test_a_verified_file_is_not_touched(tmp_path, folder):
    destination = tmp_path / "stars.dat"
    acquire(SOURCE, destination, folder)
    before = destination.lstat()
    acquire(SOURCE, destination, None)
    assert destination.lstat().st_mtime_ns == before.st_mtime_ns


def test_a_file_of_the_mirror_is_linked_and_never_written_to(tmp_path, folder, archive):
    destination = tmp_path / "results" / "stars.dat"
    acquire(SOURCE, destination, folder)
    assert destination.readlink() == (folder / SOURCE.name).resolve()
    url, handler = archive
    handler.replies = [200]
    (folder / SOURCE.name).write_bytes(CONTENT[::-1])
    acquire(replace(SOURCE, url=url), destination, None)
    assert not destination.is_symlink()
    assert destination.read_bytes() == CONTENT
    assert (folder / SOURCE.name).read_bytes() == CONTENT[::-1]


def test_a_link_to_a_mirror_that_is_gone_is_told(tmp_path, folder):
    destination = tmp_path / "stars.dat"
    acquire(SOURCE, destination, folder)
    (folder / SOURCE.name).rename(tmp_path / "elsewhere")
    with pytest.raises(SourceError, match=rf"links to {folder}/survey/stars\.dat, which is gone"):
        acquire(SOURCE, destination, folder)


def test_without_links_a_file_of_the_mirror_is_copied(tmp_path, folder, monkeypatch):
    def refuse(self, target):
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    acquire(SOURCE, tmp_path / "stars.dat", folder)
    assert not (tmp_path / "stars.dat").is_symlink()
    assert (tmp_path / "stars.dat").read_bytes() == CONTENT


def test_a_file_that_is_not_the_source_is_replaced(tmp_path, folder):
    destination = tmp_path / "stars.dat"
    for wrong in (CONTENT[:-1], CONTENT[::-1]):
        destination.unlink(missing_ok=True)
        destination.write_bytes(wrong)
        assert not is_verified(SOURCE, destination)
        acquire(SOURCE, destination, folder)
        assert destination.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("wrong", "what"), [(CONTENT[:-1], "has size"), (CONTENT[::-1], "has sha256")]
)
def test_a_corrupt_file_of_the_mirror_is_named(tmp_path, folder, wrong, what):
    (folder / SOURCE.name).write_bytes(wrong)
    with pytest.raises(SourceError, match=rf"{folder}/survey/stars\.dat {what}"):
        acquire(SOURCE, tmp_path / "stars.dat", folder)
    assert files(tmp_path) == {folder / SOURCE.name}


def test_a_missing_source_says_where_from_and_how_by_hand(tmp_path, monkeypatch):
    monkeypatch.setenv("METALYRA_OFFLINE", "1")
    source = replace(SOURCE, url="https://archive.example/stars.dat", origin="made by hand")
    with pytest.raises(SourceError) as caught:
        acquire(source, tmp_path / "stars.dat", tmp_path / "mirror")
    message = str(caught.value)
    for part in (
        "'survey/stars.dat' is missing",
        str(tmp_path / "mirror"),
        "https://archive.example/stars.dat",
        "METALYRA_OFFLINE",
        "made by hand",
        "<mirror>/survey/stars.dat",
        "METALYRA_MIRROR",
    ):
        assert part in message


def test_a_source_of_no_archive_says_so(tmp_path):
    with pytest.raises(SourceError, match="no mirror is configured; no archive has this very file"):
        locate(SOURCE, tmp_path / "stars.dat", None)


def test_locate_says_where_a_source_would_come_from(tmp_path, folder):
    source = replace(SOURCE, url="https://archive.example/stars.dat")
    destination = tmp_path / "stars.dat"
    assert locate(source, destination, None) == source.url
    assert locate(source, destination, folder) == folder / SOURCE.name
    destination.write_bytes(CONTENT)
    assert locate(source, destination, folder) == destination


@pytest.mark.parametrize("failures", [[], [500], [503, "cut", 429, 502]])
def test_a_download_outlives_failures_that_pass(tmp_path, archive, failures):
    url, handler = archive
    handler.replies = [*failures, 200]
    waited = []
    acquire(
        replace(SOURCE, url=url, size=None, sha256=None),
        tmp_path / "stars.dat",
        policy=RetryPolicy(sleep=waited.append),
    )
    assert (tmp_path / "stars.dat").read_bytes() == CONTENT
    assert len(waited) == len(failures)
    assert waited == [7.0 if reply == 429 else 2.0 ** (i + 1) for i, reply in enumerate(failures)]
    assert all(agent.startswith("MetaLyra/") for agent in handler.agents)


@pytest.mark.parametrize(
    ("replies", "message"),
    [
        ([404], "failed at the first attempt"),
        ([500] * 3, "failed after 3 attempts"),
        (["cut"] * 3, "bytes too early"),
        (["wrong"], "has sha256"),
    ],
)
def test_a_download_that_fails_for_good_leaves_nothing(tmp_path, archive, replies, message):
    url, handler = archive
    handler.replies = list(replies)
    with pytest.raises(SourceError, match=message) as caught:
        acquire(
            replace(SOURCE, url=url),
            tmp_path / "stars.dat",
            policy=RetryPolicy(attempts=3, pause=0.0, sleep=lambda seconds: None),
        )
    assert "survey/stars.dat" in str(caught.value)
    assert handler.replies == []
    assert files(tmp_path) == set()


def test_only_network_addresses_are_opened(tmp_path):
    with pytest.raises(SourceError, match="is not of http, https, ftp"):
        acquire(replace(SOURCE, url="file:///etc/passwd"), tmp_path / "stars.dat")


def test_an_unknown_source_names_the_registry():
    with pytest.raises(SourceError, match=rf"'no/such\.dat'.*{REGISTRY}"):
        find_source("no/such.dat")


def test_the_mirror_is_configured_or_in_the_environment(tmp_path, monkeypatch):
    assert find_mirror(None) is None
    monkeypatch.setenv("METALYRA_MIRROR", str(tmp_path))
    assert find_mirror(None) == tmp_path
    assert find_mirror("elsewhere").name == "elsewhere"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.dat": {"md5": "0"}}, "unknown key 'md5'"),
        ({"../a.dat": {}}, "inside the mirror"),
        ({"/etc/passwd": {}}, "inside the mirror"),
    ],
)
def test_a_wrong_registry_is_refused(tmp_path, files, message):
    path = tmp_path / "sources.yaml"
    path.write_text(
        yaml.safe_dump({"collections": {"x": {"citation": "c", "licence": "l", "files": files}}})
    )
    with pytest.raises(SourceError, match=message):
        read_registry(path)


MADE_BY_USERS = {"ogle_ocvs/blazhko.csv"}
"""Sources that nobody has published: they may be anyone's, and anything."""


def test_every_source_says_whose_it_is_and_where_it_comes_from():
    for name, source in read_registry().items():
        assert source.citation
        assert source.licence
        assert source.url or source.origin
        assert source.url or source.sha256 or source.made_from or name in MADE_BY_USERS
        assert (source.size is None) == (source.sha256 is None)


def test_the_registry_is_the_mirror(mirror):
    registry = read_registry()
    listed = dict(
        reversed(line.split(maxsplit=1))
        for line in (mirror / "SHA256SUMS").read_text().splitlines()
    )
    del listed["README.md"]
    fixed = {name: source for name, source in registry.items() if source.sha256}
    assert {name: source.sha256 for name, source in fixed.items()} == listed
    for name, source in fixed.items():
        assert source.size == (mirror / name).stat().st_size
