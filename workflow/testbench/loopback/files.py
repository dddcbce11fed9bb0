"""Files at the addresses where their archives have them."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from metalyra.acquire.sources import Source
from metalyra.core.containers import stream_members
from testbench.loopback.messages import Reply, Request, not_found

SITES = {
    "ogle": "https://www.astrouw.edu.pl/ogle/",
    "github": "https://github.com/",
}
"""Services that are trees of files, and where they are."""

_OGLE_TABLE = re.compile(r"ogle4/OCVS/(?P<field>\w+)/rrlyr/(?P<file>[\w.]+)")
_OGLE_LIGHT_CURVES = {".o4": "ogle4/OCVS", ".o3": "ogle3/OIII-CVS"}


class FileTree:
    """Serves the files of a folder under the addresses that the registry gives them.

    Parameters
    ----------
    folder
        Laid out as the mirror.
    sources
        The registry.
    service
        A key of `SITES`, or ``files`` for all files by their names in the mirror.
    """

    def __init__(self, folder: Path, sources: Mapping[str, Source], service: str) -> None:
        self._folder = folder
        self._service = service
        site = SITES.get(service)
        self._names = {
            unquote(source.url[len(site) :]): name
            for name, source in sources.items()
            if site and source.url and source.url.startswith(site)
        }

    def reply(self, request: Request) -> Reply:
        """Answer a request for a file, or for a part of it."""
        if request.method not in ("GET", "HEAD"):
            return Reply(405, b"", {"Allow": "GET, HEAD"})
        address = "/".join(request.parts[1:])
        if address in self._members:
            name, member = self._members[address]
            content = next(
                entry.data for entry in stream_members(self._folder / name) if entry.path == member
            )
            return _send(request, content, self._folder / name)
        path = self._folder / self._find(address)
        if not (path.resolve().is_relative_to(self._folder.resolve()) and path.is_file()):
            return not_found(request.path)
        return _send(request, path.read_bytes(), path)

    def _find(self, address: str) -> str:
        """Return the name that a file has in the mirror."""
        if self._service == "ogle" and (match := _OGLE_TABLE.fullmatch(address)):
            return f"ogle_ocvs/ogle4/{match['field']}/{match['file']}"
        return address if self._service == "files" else self._names.get(address, "")

    @cached_property
    def _members(self) -> dict[str, tuple[str, str]]:
        """Addresses of OGLE's single light curves: the file that has each, and its path there."""
        if self._service != "ogle":
            return {}
        members = {}
        for packed in sorted((self._folder / "ogle_ocvs/ogle4").glob("*/phot.tar.gz")):
            name = packed.relative_to(self._folder).as_posix()
            for entry in stream_members(packed):
                members[f"ogle4/OCVS/{packed.parent.name}/rrlyr/{entry.path}"] = name, entry.path
        for curve in sorted((self._folder / "ogle_ocvs/lightcurves").glob("*.o[34]")):
            tree = _OGLE_LIGHT_CURVES[curve.suffix]
            address = f"{tree}/blg/rrlyr/phot/I/OGLE-BLG-RRLYR-{curve.stem}.dat"
            members[address] = curve.relative_to(self._folder).as_posix(), curve.name
        examples = self._folder / "lcfit_examples"
        if (examples / "test1.lst").is_file():
            for name in re.findall(
                r"^b(\d{5})", (examples / "test1.lst").read_text(), re.MULTILINE
            ):
                address = f"ogle4/OCVS/blg/rrlyr/phot/I/OGLE-BLG-RRLYR-{name}.dat"
                members[address] = f"lcfit_examples/test_photometry/b{name}.dat", f"b{name}.dat"
        return members


def _send(request: Request, content: bytes, path: Path) -> Reply:
    """Return a file, the part of it that a range names, or the news that it has not changed."""
    status = path.stat()
    changed = datetime.fromtimestamp(int(status.st_mtime), UTC)
    tag = f'"{status.st_size:x}-{status.st_mtime_ns:x}"'
    headers = {
        "Content-Type": "application/octet-stream",
        "Accept-Ranges": "bytes",
        "ETag": tag,
        "Last-Modified": format_datetime(changed, usegmt=True),
    }
    if request.headers.get("if-none-match") == tag:
        return Reply(304, b"", headers)
    asked = request.headers.get("range", "")
    condition = request.headers.get("if-range")
    if not asked.startswith("bytes=") or "," in asked or not _holds(condition, tag, changed):
        return Reply(200, content, headers)
    first, _, last = asked.removeprefix("bytes=").partition("-")
    if not first.isdigit():  # the last bytes of the file
        start, stop = max(len(content) - int(last or 0), 0), len(content)
    else:
        start, stop = int(first), min(int(last) + 1 if last else len(content), len(content))
    if start >= stop:
        return Reply(416, b"", {**headers, "Content-Range": f"bytes */{len(content)}"})
    span = f"bytes {start}-{stop - 1}/{len(content)}"
    return Reply(206, content[start:stop], {**headers, "Content-Range": span})


def _holds(condition: str | None, tag: str, changed: datetime) -> bool:
    """Say whether the file is the one that a client has the first part of."""
    if condition is None or condition == tag:
        return True
    return not condition.startswith(('"', "W/")) and parsedate_to_datetime(condition) == changed
