import email.utils
import ftplib
import functools
import gc
import gzip
import hashlib
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from metalyra.acquire.connection import (
    AbsentError,
    DownloadError,
    RetryPolicy,
    TransientError,
    host_slot,
    open_session,
    parse_retry_after,
    persist,
)
from metalyra.acquire.downloads import check_file, download
from metalyra.study.model import Downloads

ROOT = Path(__file__).parents[2]
CONTENT = b"1234.5 16.789 0.012\n" * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
TAG = '"abc"'


class Archive(BaseHTTPRequestHandler):
    """Serves `content`; of the next replies, `cuts` says after how many bytes they end."""

    content = CONTENT
    tag = TAG
    cuts: list[int]
    asked: list[tuple[str | None, str | None]]

    def do_GET(self):
        asked, condition = self.headers["Range"], self.headers["If-Range"]
        self.asked.append((asked, condition))
        start = int(asked[len("bytes=") : -1]) if asked and condition == self.tag else 0
        body = self.content[start:]
        self.send_response(206 if start else 200)
        if start:
            last = len(self.content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(self.content)}")
        if self.tag:
            self.send_header("ETag", self.tag)
            self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def serve(monkeypatch):
    """Start a server with some attributes of `Archive`; returns its URL and its handler."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    servers = []

    def start(handler=Archive, **attributes):
        handler = type("Handler", (handler,), {"cuts": [], "asked": [], **attributes})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/phot.dat", handler

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def waited():
    return []


@pytest.fixture
def policy(waited):
    return RetryPolicy(attempts=3, pause=0.5, timeout=5.0, sleep=waited.append)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("100000", 120.0),
        (email.utils.formatdate(1_000_030, usegmt=True), 30.0),
        (email.utils.formatdate(999_000, usegmt=True), 0.0),
        (email.utils.formatdate(2_000_000, usegmt=True), 120.0),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
    ],
)
def test_the_pause_that_an_archive_asks_for_is_in_seconds_or_a_date(monkeypatch, text, seconds):
    monkeypatch.setattr(time, "time", lambda: 1_000_000)
    assert parse_retry_after(text) == seconds


def test_a_transient_error_is_tried_again_after_longer_and_longer_pauses(policy, waited):
    failures = [TransientError("busy"), TransientError("wait", 9.0)]

    def action():
        if failures:
            raise failures.pop(0)
        return "done"

    assert persist(action, "it", policy) == "done"
    assert waited == [0.5, 9.0]


@pytest.mark.parametrize(
    ("error", "message", "attempts"),
    [
        (TransientError("busy"), r"^it failed after 3 attempts \(busy\)$", 3),
        (DownloadError("no"), r"^it failed at the first attempt \(no\)$", 1),
        (AbsentError("gone"), "^gone$", 1),
    ],
)
def test_what_fails_for_good_says_after_how_many_attempts(policy, error, message, attempts):
    tried = []

    def action():
        tried.append(1)
        raise error

    with pytest.raises(DownloadError, match=message):
        persist(action, "it", policy)
    assert len(tried) == attempts


def test_a_download_goes_on_where_it_was_cut(tmp_path, serve, policy):
    url, handler = serve(cuts=[7000, 9000])
    download(url, tmp_path / "phot.dat", policy, sha256=SHA256)
    assert (tmp_path / "phot.dat").read_bytes() == CONTENT
    assert handler.asked == [(None, None), ("bytes=7000-", TAG), ("bytes=16000-", TAG)]
    assert [path.name for path in tmp_path.iterdir()] == ["phot.dat"]


def test_a_run_goes_on_where_the_last_one_was_stopped(tmp_path, serve, policy):
    url, handler = serve(cuts=[7000, 100, 100])
    with pytest.raises(DownloadError, match=r"failed after 3 attempts .* bytes too early"):
        download(url, tmp_path / "phot.dat", policy)
    assert not (tmp_path / "phot.dat").exists()
    download(url, tmp_path / "phot.dat", policy)
    assert (tmp_path / "phot.dat").read_bytes() == CONTENT
    assert handler.asked[-1] == ("bytes=7200-", TAG)


def test_a_file_that_has_changed_meanwhile_is_fetched_anew(tmp_path, serve, policy):
    url, handler = serve(cuts=[7000, 0, 0])
    with pytest.raises(DownloadError):
        download(url, tmp_path / "phot.dat", policy)
    handler.content, handler.tag = CONTENT[::-1].strip() + b"\n", '"new"'
    download(url, tmp_path / "phot.dat", policy)
    assert (tmp_path / "phot.dat").read_bytes() == handler.content


def test_a_resumed_file_that_is_wrong_is_fetched_anew(tmp_path, serve, policy):
    url, handler = serve(cuts=[7000])
    (tmp_path / ".phot.dat.partial").write_bytes(b"another file")
    (tmp_path / ".phot.dat.partial.validator").write_text(TAG)
    download(url, tmp_path / "phot.dat", policy, sha256=SHA256)
    assert (tmp_path / "phot.dat").read_bytes() == CONTENT
    assert handler.asked[0] == ("bytes=12-", TAG)
    assert (None, None) in handler.asked


def test_without_a_validator_a_download_begins_anew_and_leaves_nothing(tmp_path, serve, policy):
    url, handler = serve(cuts=[7000, 7000, 7000], tag="")
    with pytest.raises(DownloadError, match="bytes too early"):
        download(url, tmp_path / "phot.dat", policy)
    assert handler.asked == [(None, None)] * 3
    assert [*tmp_path.iterdir()] == []


def test_a_long_download_tells_how_far_it_is(tmp_path, serve, caplog):
    caplog.set_level("INFO")
    url, _ = serve(content=CONTENT * 30)
    download(url, tmp_path / "phot.dat", RetryPolicy(progress=0.0))
    lines = [record.getMessage() for record in caplog.records if " MB" in record.getMessage()]
    assert lines[-1].endswith(": 1 of 1 MB")
    assert len(lines) > 2
    caplog.clear()
    download(url, tmp_path / "again.dat", RetryPolicy())
    assert caplog.records == []


def test_a_server_that_goes_on_elsewhere_is_not_believed(tmp_path, serve, policy):
    class Elsewhere(Archive):
        def send_header(self, name, value):
            super().send_header(name, "bytes 3-9/10" if name == "Content-Range" else value)

    url, _ = serve(Elsewhere, cuts=[7000])
    with pytest.raises(DownloadError, match="instead of byte 7000"):
        download(url, tmp_path / "phot.dat", policy)
    assert not (tmp_path / "phot.dat").exists()


def test_a_reply_of_unknown_length_is_believed_only_if_the_file_is_known(tmp_path, serve, policy):
    class Vague(Archive):
        def send_header(self, name, value):
            if name != "Content-Length":
                super().send_header(name, value)

    url, _ = serve(Vague, tag="")
    with pytest.raises(DownloadError, match="does not say how long"):
        download(url, tmp_path / "phot.dat", policy)
    download(url, tmp_path / "phot.dat", policy, size=len(CONTENT), sha256=SHA256)
    assert (tmp_path / "phot.dat").read_bytes() == CONTENT


def test_a_silent_server_is_given_up(tmp_path, serve, waited):
    silence = threading.Event()

    class Silent(Archive):
        def do_GET(self):
            silence.wait(10)

    url, _ = serve(Silent)
    policy = RetryPolicy(attempts=2, pause=0.0, timeout=0.1, sleep=waited.append)
    with pytest.raises(DownloadError, match=r"failed after 2 attempts .*timed out"):
        download(url, tmp_path / "phot.dat", policy)
    silence.set()


def test_a_resumed_reply_that_is_cut_without_a_length_is_not_taken_for_the_rest(
    tmp_path, serve, policy
):
    class Vague(Archive):
        def send_header(self, name, value):
            if name != "Content-Length" or len(self.asked) == 1:
                super().send_header(name, value)

    url, handler = serve(Vague, cuts=[7000, 1000])
    download(url, tmp_path / "phot.dat", policy)
    assert (tmp_path / "phot.dat").read_bytes() == CONTENT
    assert handler.asked[-1] == ("bytes=8000-", TAG)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.dat", b"<!DOCTYPE html><title>Login</title>", r"a web page \(Login\) came instead"),
        ("a.zip", b" \n<HTML><body>", "a web page came instead of a.zip"),
        ("a.tar.gz", gzip.compress(CONTENT, mtime=0)[:-9], "is damaged or cut short"),
        ("a.gz", CONTENT, "is damaged or cut short"),
        ("a.zip", b"PK\x03\x04 and so on", "is damaged or cut short"),
        ("a.dat", CONTENT + b"\x00\x01", "not the text that its name says"),
    ],
)
def test_what_is_not_what_its_name_says_is_refused_by_its_content(tmp_path, name, content, message):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(TransientError, match=message):
        check_file(tmp_path / "file", name)


def test_a_file_is_compared_with_what_is_registered(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    check_file(path, "a.dat", len(CONTENT), SHA256)
    with pytest.raises(DownloadError, match="has size"):
        check_file(path, "a.dat", len(CONTENT) - 1)
    with pytest.raises(TransientError, match="cut short"):
        check_file(path, "a.dat", len(CONTENT) + 1)
    with pytest.raises(DownloadError, match="has sha256"):
        check_file(path, "a.dat", sha256="0" * 64)


def test_a_reply_that_nobody_closes_is_closed(serve, policy, monkeypatch):
    url, _ = serve()
    body = open_session(policy).get(url, stream=True).raw
    body.read = functools.partial(body.read, decode_content=True)  # as PyVO does: a cycle
    assert body.read(4) == CONTENT[:4]
    complaints = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    del body
    gc.collect()
    assert not complaints


def test_connections_to_a_host_are_counted_over_all_jobs(tmp_path):
    policy = RetryPolicy(connections_per_host=2, slots=tmp_path / "slots")
    entered, leave = threading.Semaphore(0), threading.Event()

    def job(url):
        with host_slot(url, policy):
            entered.release()
            leave.wait(10)

    urls = ["http://a.org/1", "http://a.org/2", "http://a.org:80/3", "http://a.org/4"]
    threads = [threading.Thread(target=job, args=(url,)) for url in urls]
    for thread in threads:
        thread.start()
    # Two of one host and the one of another port hold a slot; the fourth waits.
    assert [entered.acquire(timeout=5) for _ in range(3)] == [True] * 3
    assert not entered.acquire(timeout=0.3)
    leave.set()
    assert entered.acquire(timeout=5)
    for thread in threads:
        thread.join()


def test_the_configuration_says_how_archives_are_asked():
    defaults = Downloads.defaults()
    assert len(defaults) == 4
    assert RetryPolicy(**defaults) == RetryPolicy()


class FtpServer:
    """What pooch uses of ftplib, with `files` to be had; `failures` come first."""

    files: dict[str, bytes]
    failures: list[Exception]

    def __init__(self, timeout):
        self.timeout = timeout

    def connect(self, host, port):
        assert (host, port, self.timeout) == ("archive.example", 21, 5.0)

    def login(self, **_):
        if self.failures:
            raise self.failures.pop(0)

    def retrbinary(self, command, write, blocksize):
        name = command.removeprefix("RETR ")
        if name not in self.files:
            raise ftplib.error_perm(f"550 {name}: no such file")
        write(self.files[name])

    def close(self):
        pass

    quit = close


@pytest.fixture
def ftp(monkeypatch):
    server = type("Server", (FtpServer,), {"files": {"/phot.dat": CONTENT}, "failures": []})
    monkeypatch.setattr(ftplib, "FTP", server)
    return server


def test_a_known_file_comes_by_ftp(tmp_path, ftp, policy, waited):
    ftp.failures = [TimeoutError("timed out"), ftplib.error_temp("421 too many users")]
    download("ftp://archive.example/phot.dat", tmp_path / "a.dat", policy, sha256=SHA256)
    assert (tmp_path / "a.dat").read_bytes() == CONTENT
    assert waited == [0.5, 1.0]
    assert [path.name for path in tmp_path.iterdir()] == ["a.dat"]


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        ("gone.dat", {"sha256": SHA256}, "first attempt .*no such file"),
        ("phot.dat", {"sha256": "0" * 64}, "has sha256"),
        ("phot.dat", {}, "does not say how long"),
    ],
)
def test_what_ftp_has_not_or_cannot_vouch_for_is_refused(
    tmp_path, ftp, policy, name, known, message
):
    with pytest.raises(DownloadError, match=message):
        download(f"ftp://archive.example/{name}", tmp_path / "a.dat", policy, **known)
    assert [*tmp_path.iterdir()] == []
