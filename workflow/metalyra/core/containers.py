"""Files, folders and archives as a stream of members held in memory.

Nothing is ever extracted to disk, so the paths, links and devices that an archive names
have no effect: a member's path is text, and its bytes come with a limit on their size.
"""

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path, PurePosixPath

MEMBER_LIMIT = 64 * 2**20
"""Largest member that is read (bytes); the longest light curve known here has 0.4 MB."""

_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")

_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257

_DAMAGE = (
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


class ContainerError(ValueError):
    """A file that cannot be read to its end; the message names it."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive or folder, or a file that stands for itself.

    Attributes
    ----------
    path
        Path as the archive has it. It is a label: never a place to read or write.
    data
        The content, decompressed; None if it cannot be read.
    problem
        Why there is no content.
    """

    path: str
    data: bytes | None
    problem: str | None = None

    @property
    def name(self) -> str:
        """Last part of the path."""
        return PurePosixPath(self.path).name

    @property
    def folders(self) -> tuple[str, ...]:
        """The other parts of the path."""
        return PurePosixPath(self.path).parts[:-1]


def is_collection(path: Path) -> bool:
    """Say whether a path is a folder or an archive, rather than one plain file."""
    return path.is_dir() or path.name.lower().endswith(".zip") or _is_tar(path)


def stream_members(
    path: Path, limit: int = MEMBER_LIMIT, chosen: Callable[[str], bool] = bool
) -> Iterator[Member]:
    """Give the regular files of a folder, tar, tar.gz or zip, or a single file, one by one.

    Parameters
    ----------
    path
        A folder (read with its subfolders, in order of name), an archive, or one file,
        which may be compressed with gzip.
    limit
        Size (bytes) above which a member is reported and not read.
    chosen
        Says of a member's name whether it is given; by default every one is.

    Yields
    ------
    Member
        A member that is damaged or too large has a `problem`; the others follow.

    Raises
    ------
    ContainerError
        If the archive itself is damaged or ends too early, after the members before the
        damage were given.
    FileNotFoundError
        If there is nothing at `path`.
    """
    name = path.name.lower()
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file() and not file.name.startswith(".") and chosen(file.name):
                yield _single_member(file, file.relative_to(path).as_posix(), limit)
    elif _is_tar(path):
        yield from (member for member in _tar_members(path, limit) if chosen(member.name))
    elif name.endswith(".zip"):
        yield from _zip_members(path, limit, chosen)
    elif chosen(path.name):
        yield _single_member(path, path.name, limit)


def list_members(path: Path) -> list[str]:
    """Return the names of the members that `stream_members` gives, without their folders.

    Of a zip, only the directory at its end is read; so what it holds is read once, by whoever
    wants the contents.

    Raises
    ------
    ContainerError
        If the file is damaged or ends too early.
    FileNotFoundError
        If there is nothing at `path`.
    """
    if path.is_dir() or not path.name.lower().endswith(".zip"):
        return [member.name for member in stream_members(path)]
    with path.open("rb") as stream, _open_zip(path, stream) as archive:
        return [
            PurePosixPath(entry.filename).name for entry in archive.infolist() if not entry.is_dir()
        ]


def read_file(path: Path, limit: int = 2**31) -> bytes:
    """Return the content of one file, decompressed if its name ends in ``.gz``.

    Raises
    ------
    ContainerError
        If it is damaged or larger than `limit` bytes.
    """
    member = _single_member(path, path.name, limit)
    if member.data is None:
        raise ContainerError(f"{path}: {member.problem}")
    return member.data


def _is_tar(path: Path) -> bool:
    """Say whether a file is a tar, by its name or, for the Gaia archive's jobs, its content."""
    name = path.name.lower()
    if name.endswith(_TAR_SUFFIXES) or not name.endswith(".gz"):
        return name.endswith(_TAR_SUFFIXES)
    try:
        with gzip.open(path) as stream:
            return stream.read(tarfile.BLOCKSIZE)[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC)
    except _DAMAGE:
        return False


class _LimitedStream:
    """Refuses a read so large that only a forged header would ask for it."""

    def __init__(self, stream: BufferedIOBase, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self.seek = stream.seek
        self.tell = stream.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= self._limit:
            raise tarfile.ReadError(f"a header claims {size} bytes")
        return self._stream.read(size)


def _tar_members(path: Path, limit: int) -> Iterator[Member]:
    """Give the members of a tar file, compressed or not."""
    compressed = not path.name.lower().endswith(".tar")
    last = "nothing"
    with gzip.open(path) if compressed else path.open("rb") as stream:
        try:
            source = _LimitedStream(stream, max(limit, tarfile.RECORDSIZE))
            # Of a file, reading needs what a limited stream has.
            with tarfile.open(fileobj=source, mode="r:") as archive:  # type: ignore[call-overload]
                while (entry := archive.next()) is not None:
                    archive.members.clear()  # else every header stays in memory
                    if not entry.isreg() or entry.issparse():
                        continue
                    if entry.size > limit:
                        yield Member(entry.name, None, _too_large(entry.size, limit))
                    else:
                        yield Member(entry.name, archive.extractfile(entry).read())
                    last = repr(entry.name)
                _check_end(stream, archive.offset)
        except _DAMAGE as error:
            raise ContainerError(
                f"{path}: damaged or cut short; the last member read is {last} ({error})"
            ) from error


def _check_end(stream: BufferedIOBase, offset: int) -> None:
    """Raise unless a tar ends with its end mark and a gzip stream with its checksum.

    `tarfile` takes a header that it cannot read for the end of the archive.
    """
    stream.seek(offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("no end mark")
    while stream.read(2**20):
        pass


def _zip_members(path: Path, limit: int, chosen: Callable[[str], bool] = bool) -> Iterator[Member]:
    """Give the members of a zip file."""
    with path.open("rb") as stream, _open_zip(path, stream) as archive:
        for entry in archive.infolist():
            if entry.is_dir() or not chosen(PurePosixPath(entry.filename).name):
                continue
            try:
                with archive.open(entry) as content:
                    data = content.read(limit + 1)
            except _DAMAGE as error:
                yield Member(entry.filename, None, f"damaged ({error})")
            else:
                yield _limited(entry.filename, data, limit)


def _open_zip(path: Path, stream: BufferedIOBase) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(stream)
    except _DAMAGE as error:
        raise ContainerError(f"{path}: damaged or cut short ({error})") from error


def _single_member(path: Path, name: str, limit: int) -> Member:
    """Read one file, decompressed if its name ends in ``.gz``."""
    compressed = path.name.lower().endswith(".gz")
    try:
        with gzip.open(path) if compressed else path.open("rb") as stream:
            data = stream.read(limit + 1)
    except FileNotFoundError:
        raise
    except _DAMAGE as error:
        return Member(name, None, f"damaged or cut short ({error})")
    return _limited(name[: -len(".gz")] if compressed else name, data, limit)


def _limited(name: str, data: bytes, limit: int) -> Member:
    """Return a member unless it is larger than allowed."""
    if len(data) > limit:
        return Member(name, None, _too_large(f"more than {limit}", limit))
    return Member(name, data)


def _too_large(size: int | str, limit: int) -> str:
    return f"{size} bytes long; at most {limit} are read"
