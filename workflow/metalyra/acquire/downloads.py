"""Files over the network: politely, resumed, verified, complete or not at all."""

import email.utils
import fcntl
import gzip
import hashlib
import http.client
import logging
import os
import re
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urlsplit

from metalyra import __version__

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

USER_AGENT = f"MetaLyra/{__version__}"
"""What the archives' logs know us by."""

PASSING_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that say: later."""

LONGEST_PAUSE = 120.0
"""Longest pause (s) that an archive may ask for."""

_SCHEMES = ("http", "https", "ftp")
_BLOCK = 2**18
_SLOT_INTERVAL = 0.05
_HEAD = 2048
_GZIP, _ZIP = b"\x1f\x8b", b"PK"
_TEXTS = (".csv", ".dat", ".lst", ".par", ".txt")
_NOT_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_PAGE = re.compile(rb"^(\xef\xbb\xbf)?\s*(<!doctype html|<html|<head)", re.IGNORECASE)
_TITLE = re.compile(rb"<title[^>]*>\s*([^<]*?)\s*</title>", re.IGNORECASE)


@dataclass(frozen=True)
class Courtesy:
    """How archives are asked.

    Attributes
    ----------
    pauses
        Seconds to wait before each new attempt when an archive fails in passing; its
        ``Retry-After`` goes before them.
    timeout
        Seconds without a byte after which a connection is given up.
    connections_per_host
        Connections to one host at a time, of all jobs that share `slots`.
    slots
        Folder of the locks that count connections; None for no count.
    progress
        Seconds between two lines of the log about one download.
    sleep
        Waits.
    """

    pauses: tuple[float, ...] = (2.0, 4.0, 8.0, 16.0)
    timeout: float = 60.0
    connections_per_host: int = 2
    slots: Path | None = None
    progress: float = 30.0
    sleep: Callable[[float], None] = time.sleep


def make_courtesy(settings: Mapping[str, Any], slots: Path | None) -> Courtesy:
    """Return the courtesy that a study's configuration key `downloads` asks for.

    Parameters
    ----------
    settings
        `attempts`, `pause` (s, doubled from one attempt to the next), `timeout` (s) and
        `connections_per_host`.
    slots
        See `Courtesy`.
    """
    return Courtesy(
        pauses=tuple(settings["pause"] * 2.0**n for n in range(settings["attempts"] - 1)),
        timeout=settings["timeout"],
        connections_per_host=settings["connections_per_host"],
        slots=slots,
    )


class DownloadError(Exception):
    """A file or reply that cannot be had."""


class AbsentError(DownloadError):
    """A file that the archive does not have."""


class PassingError(DownloadError):
    """A failure that may pass.

    Parameters
    ----------
    message
        What has failed.
    wait
        Seconds that the archive asks to wait, if it does.
    """

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


def persist(action: Callable[[], Result], what: str, courtesy: Courtesy) -> Result:
    """Return what an action returns, tried again after a pause when it fails in passing.

    Raises
    ------
    DownloadError
        If it fails for good, or too often; the message has the number of attempts.
    """
    for attempt, pause in enumerate((*courtesy.pauses, None), start=1):
        try:
            return action()
        except AbsentError:
            raise
        except DownloadError as error:
            if pause is None or not isinstance(error, PassingError):
                tries = f"after {attempt} attempts" if attempt > 1 else "at the first attempt"
                raise DownloadError(f"{what} failed {tries} ({error})") from error
            wait = pause if error.wait is None else error.wait
            logger.warning("%s (%s); again in %g s", what, error, wait)
            courtesy.sleep(wait)
    raise AssertionError("unreachable")


def parse_retry_after(text: str | None, now: float) -> float | None:
    """Return the seconds to wait that a ``Retry-After`` header asks for, as it may be long.

    Parameters
    ----------
    text
        Whole seconds, or a date of HTTP; anything else asks for nothing.
    now
        The time (s since 1970).
    """
    if not text:
        return None
    if text.strip().isdigit():
        return min(float(text), LONGEST_PAUSE)
    try:
        date = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return min(max(date.timestamp() - now, 0.0), LONGEST_PAUSE)


@contextmanager
def host_slot(url: str, courtesy: Courtesy) -> Iterator[None]:
    """Hold one of the few connections that all jobs may have to a host at a time.

    The kernel lets go of a slot however its job ends. On a file system without locks there
    is no limit.
    """
    if courtesy.slots is None:
        yield
        return
    courtesy.slots.mkdir(parents=True, exist_ok=True)
    host = urlsplit(url).netloc
    while True:
        for number in range(courtesy.connections_per_host):
            with (courtesy.slots / f"{host}.{number}").open("w") as slot:
                try:
                    fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                except OSError as error:
                    logger.debug("%s: no locks on this file system (%s)", courtesy.slots, error)
                yield
                return
        time.sleep(_SLOT_INTERVAL)


def download(
    url: str,
    destination: Path,
    courtesy: Courtesy,
    *,
    size: int | None = None,
    sha256: str | None = None,
) -> None:
    """Fetch a file; nothing is under its name before it is verified.

    A download that was interrupted goes on where it was, if the server can and says that
    the file is the same; ``.<name>.partial`` is kept for that.

    Parameters
    ----------
    url
        Of http, https or ftp.
    destination
        Final name.
    courtesy
        How the archive is asked.
    size, sha256
        What the file must have, if known. Without them the server must say its length.

    Raises
    ------
    DownloadError
        If the file cannot be had or is not the one.
    """
    if urlsplit(url).scheme not in _SCHEMES:
        raise DownloadError(f"{url} is not of {', '.join(_SCHEMES)}")
    destination.parent.mkdir(parents=True, exist_ok=True)
    partial = _Partial(destination.with_name(f".{destination.name}.partial"))

    def attempt() -> None:
        resumed = _transfer(url, partial, courtesy, known=size is not None or sha256 is not None)
        try:
            check_file(partial.path, destination.name, size, sha256)
        except DownloadError as error:
            partial.discard()
            if resumed:
                raise PassingError(f"{error}, after it was resumed") from error
            raise
        os.replace(partial.path, destination)
        partial.discard()

    try:
        persist(attempt, url, courtesy)
    finally:
        partial.keep_if_resumable()


def check_file(path: Path, name: str, size: int | None = None, sha256: str | None = None) -> None:
    """Raise unless a file is what it should be, by its size and hash or by its content.

    Parameters
    ----------
    path
        The file.
    name
        Its final name, which says what is expected.
    size, sha256
        What it must have, if known.

    Raises
    ------
    PassingError
        If it is a web page, or damaged: archives in trouble send both.
    DownloadError
        If it is another file.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if _PAGE.match(head) and not name.endswith((".html", ".htm")):
        title = _TITLE.search(head)
        said = f" ({title[1].decode(errors='replace')})" if title else ""
        raise PassingError(f"a web page{said} came instead of {name}")
    found = path.stat().st_size
    if size is not None and found < size:
        raise PassingError(f"it has {found} bytes, the registry has {size}: cut short")
    if size not in (None, found):
        raise DownloadError(f"it has size {found}, the registry has {size}")
    if sha256 is None:
        _check_content(path, name)
        return
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256:
        raise DownloadError(f"it has sha256 {digest}, the registry has {sha256}")


def _check_content(path: Path, name: str) -> None:
    """Raise unless a file can be read to its end as what its name says."""
    lower = name.lower()
    try:
        if lower.endswith((".gz", ".tgz")):
            with gzip.open(path) as content:
                while content.read(_BLOCK):
                    pass
        elif lower.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                if damaged := archive.testzip():
                    raise PassingError(f"{name} is damaged at {damaged}")
        elif lower.endswith(_TEXTS) and _NOT_TEXT.search(path.read_bytes()):
            raise PassingError(f"{name} is not the text that its name says")
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise PassingError(f"{name} is damaged or cut short ({error})") from error


class _Partial:
    """A file on its way, with what its server says to recognise it by."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mark = path.with_name(f"{path.name}.validator")

    def request_headers(self) -> dict[str, str]:
        """Return what asks for the rest of the file, or for all of it."""
        if not (self.path.is_file() and self._mark.is_file() and self.path.stat().st_size):
            return {}
        return {
            "Range": f"bytes={self.path.stat().st_size}-",
            "If-Range": self._mark.read_text(),
        }

    def begin(self, headers: http.client.HTTPMessage) -> None:
        """Forget what there is, and note how the new file can be recognised."""
        self.discard()
        etag = headers.get("ETag", "")
        validator = headers.get("Last-Modified") if etag.startswith("W/") or not etag else etag
        if validator and headers.get("Accept-Ranges") == "bytes":
            self._mark.write_text(validator)

    def discard(self) -> None:
        """Forget what there is."""
        self.path.unlink(missing_ok=True)
        self._mark.unlink(missing_ok=True)

    def keep_if_resumable(self) -> None:
        """Forget what no server can go on with."""
        if not self._mark.is_file():
            self.discard()


def _transfer(url: str, partial: _Partial, courtesy: Courtesy, *, known: bool) -> bool:
    """Fetch what is missing of a file; return whether something was there already."""
    headers = {"User-Agent": USER_AGENT, **partial.request_headers()}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 (the scheme is checked)
    try:
        with (
            host_slot(url, courtesy),
            urllib.request.urlopen(request, timeout=courtesy.timeout) as reply,  # noqa: S310
        ):
            resumed = getattr(reply, "status", None) == 206
            if resumed:
                end = _end_of_range(reply.headers, partial.path.stat().st_size)
            else:
                partial.begin(reply.headers)
                end = getattr(reply, "length", None)
            if not known and end is None:
                raise PassingError("the server does not say how long the file is")
            _copy(reply, partial.path, end, courtesy)
            missing = 0 if end is None else end - partial.path.stat().st_size
            if missing:
                raise PassingError(f"the reply ended {missing} bytes too early")
            return resumed
    except urllib.error.HTTPError as error:
        with error:
            wait = parse_retry_after(error.headers.get("Retry-After"), time.time())
        if error.code == 416:
            partial.discard()
        if error.code in (404, 410):
            raise AbsentError(f"failed at the first attempt ({error})") from error
        if error.code in PASSING_STATUSES | {416}:
            raise PassingError(str(error), wait) from error
        raise DownloadError(str(error)) from error
    except (OSError, http.client.HTTPException) as error:
        raise PassingError(str(error) or type(error).__name__) from error


def _end_of_range(headers: http.client.HTTPMessage, start: int) -> int:
    """Return the size of the file when the reply has gone on where the file ends."""
    sent = headers.get("Content-Range", "")
    match = re.fullmatch(rf"bytes {start}-(\d+)/(\d+|\*)", sent)
    if match is None or match[2] not in ("*", str(int(match[1]) + 1)):
        raise PassingError(f"the server went on at {sent!r} instead of byte {start}")
    return int(match[1]) + 1


def _copy(reply: BinaryIO, path: Path, total: int | None, courtesy: Courtesy) -> None:
    """Append a reply to a file, with a line in the log from time to time."""
    with path.open("ab") as file:
        told = time.monotonic()
        while block := reply.read(_BLOCK):
            file.write(block)
            if time.monotonic() - told > courtesy.progress:
                told = time.monotonic()
                of = f" of {total / 1e6:.0f}" if total else ""
                logger.info("%s: %.0f%s MB", path.name, file.tell() / 1e6, of)
