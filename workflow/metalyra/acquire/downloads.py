"""Files over the network: politely, resumed, verified, complete or not at all."""

import ftplib
import gzip
import logging
import os
import re
import time
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pooch
from urllib3 import HTTPResponse

from metalyra.acquire.connection import (
    AbsentError,
    DownloadError,
    RetryPolicy,
    TransientError,
    describe_status,
    host_slot,
    open_session,
    persist,
    raise_for_transient_status,
    transient_errors,
)

logger = logging.getLogger(__name__)

_SCHEMES = ("http", "https", "ftp")
_BLOCK = 2**18
_HEAD = 2048
_TEXTS = (".csv", ".dat", ".lst", ".par", ".txt")
_NOT_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_PAGE = re.compile(rb"^(\xef\xbb\xbf)?\s*(<!doctype html|<html|<head)", re.IGNORECASE)
_TITLE = re.compile(rb"<title[^>]*>\s*([^<]*?)\s*</title>", re.IGNORECASE)


def download(
    url: str,
    destination: Path,
    policy: RetryPolicy,
    *,
    size: int | None = None,
    sha256: str | None = None,
) -> None:
    """Fetch a file; nothing is under its name before it is verified.

    A download that was interrupted goes on where it was, if the server can and says that
    the file is the same; ``.<name>.partial`` is kept for that. (pooch checks hashes and speaks
    FTP, but its downloads over HTTP neither go on nor count connections.)

    Parameters
    ----------
    url
        Of http, https or ftp.
    destination
        Final name.
    policy
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
    transfer = _transfer_by_ftp if url.startswith("ftp:") else _transfer
    partial = _Partial(destination.with_name(f".{destination.name}.partial"))

    def attempt() -> None:
        resumed = transfer(url, partial, policy, known=size is not None or sha256 is not None)
        try:
            check_file(partial.path, destination.name, size, sha256)
        except DownloadError as error:
            partial.discard()
            if resumed:
                raise TransientError(f"{error}, after it was resumed") from error
            raise
        os.replace(partial.path, destination)
        partial.discard()

    try:
        persist(attempt, url, policy)
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
    TransientError
        If it is a web page, or damaged: archives in trouble send both.
    DownloadError
        If it is another file.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if _PAGE.match(head) and not name.endswith((".html", ".htm")):
        title = _TITLE.search(head)
        said = f" ({title[1].decode(errors='replace')})" if title else ""
        raise TransientError(f"a web page{said} came instead of {name}")
    found = path.stat().st_size
    if size is not None and found < size:
        raise TransientError(f"it has {found} bytes, the registry has {size}: cut short")
    if size not in (None, found):
        raise DownloadError(f"it has size {found}, the registry has {size}")
    if sha256 is None:
        _check_content(path, name)
        return
    if (digest := pooch.file_hash(path)) != sha256:
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
            with zipfile.ZipFile(path) as container:
                if damaged := container.testzip():
                    raise TransientError(f"{name} is damaged at {damaged}")
        elif lower.endswith(_TEXTS) and _NOT_TEXT.search(path.read_bytes()):
            raise TransientError(f"{name} is not the text that its name says")
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise TransientError(f"{name} is damaged or cut short ({error})") from error


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

    def begin(self, headers: Mapping[str, str]) -> None:
        """Forget what there is, and note how the new file can be recognised."""
        self.discard()
        etag = headers.get("ETag", "")
        weak = etag.startswith("W/") or not etag
        validator = headers.get("Last-Modified") if weak else etag
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


def _transfer(url: str, partial: _Partial, policy: RetryPolicy, *, known: bool) -> bool:
    """Fetch what is missing of a file; return whether something was there already."""
    headers = {"Accept-Encoding": "identity", **partial.request_headers()}
    with (
        transient_errors(),
        host_slot(url, policy),
        open_session() as session,
        session.get(url, headers=headers, timeout=policy.timeout, stream=True) as reply,
    ):
        if reply.status_code == 416:
            partial.discard()
            raise TransientError(describe_status(reply))
        if reply.status_code in (404, 410):
            raise AbsentError(f"{url} failed at the first attempt ({describe_status(reply)})")
        raise_for_transient_status(reply)
        if not reply.ok:
            raise DownloadError(describe_status(reply))
        reply.raw.enforce_content_length = False  # the part that has come is of use
        resumed = reply.status_code == 206
        end: int | None
        if resumed:
            end = _end_of_range(reply.headers, partial.path.stat().st_size)
        else:
            partial.begin(reply.headers)
            end = reply.raw.length_remaining
        if not known and end is None:
            raise TransientError("the server does not say how long the file is")
        _copy(reply.raw, partial.path, end, policy)
        missing = 0 if end is None else end - partial.path.stat().st_size
        if missing:
            raise TransientError(f"the reply ended {missing} bytes too early")
        return resumed


def _transfer_by_ftp(url: str, partial: _Partial, policy: RetryPolicy, *, known: bool) -> bool:
    """Fetch a file, all of it; return that nothing was there already."""
    if not known:
        raise DownloadError("FTP does not say how long the file is")
    partial.discard()
    try:
        with host_slot(url, policy):
            pooch.FTPDownloader(timeout=policy.timeout)(url, str(partial.path), None)
    except ftplib.error_perm as error:
        raise DownloadError(str(error)) from error
    except ftplib.all_errors as error:
        raise TransientError(str(error) or type(error).__name__) from error
    return False


def _end_of_range(headers: Mapping[str, str], start: int) -> int:
    """Return the size of the file when the reply has gone on where the file ends."""
    sent = headers.get("Content-Range", "")
    match = re.fullmatch(rf"bytes {start}-(\d+)/(\d+|\*)", sent)
    if match is None or match[2] not in ("*", str(int(match[1]) + 1)):
        raise TransientError(f"the server went on at {sent!r} instead of byte {start}")
    return int(match[1]) + 1


def _copy(reply: HTTPResponse, path: Path, total: int | None, policy: RetryPolicy) -> None:
    """Append a reply to a file, with a line in the log from time to time."""
    with path.open("ab") as file:
        told = time.monotonic()
        while block := reply.read(_BLOCK, decode_content=False):
            file.write(block)
            if time.monotonic() - told > policy.progress:
                told = time.monotonic()
                of = f" of {total / 1e6:.0f}" if total else ""
                logger.info("%s: %.0f%s MB", path.name, file.tell() / 1e6, of)
