import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from metalyra.core.containers import (
    ContainerError,
    is_collection,
    list_members,
    read_file,
    stream_members,
)

CONTENT = {"phot/I/a.dat": b"1 2 3\n" * 500, "phot/V/b.dat": b"", "c.dat": b"x" * 512}


def write_tar(path: Path, content: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in content.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def write_zip(path: Path, content: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def write_folder(path: Path, content: dict[str, bytes]) -> Path:
    for name, data in content.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("x.tar.gz", write_tar),
        ("x.tgz", write_tar),
        ("x.tar", lambda path, content: write_tar(path, content, "w")),
        ("x.zip", write_zip),
        ("folder", write_folder),
    ],
)
def test_every_container_gives_the_same_members(tmp_path, name, write):
    path = write(tmp_path / name, CONTENT)
    assert is_collection(path)
    assert {member.path: member.data for member in stream_members(path)} == CONTENT
    assert sorted(list_members(path)) == ["a.dat", "b.dat", "c.dat"]


def test_the_members_of_a_zip_are_listed_without_being_read(tmp_path):
    path = write_zip(tmp_path / "x.zip", CONTENT)
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("phot/I/a.dat").header_offset
    # Of a member that cannot be read, the directory still has the name.
    data = bytearray(path.read_bytes())
    data[start : start + 4] = bytes(4)
    path.write_bytes(data)
    assert next(stream_members(path)).data is None
    assert list_members(path) == ["a.dat", "b.dat", "c.dat"]


def test_a_plain_file_stands_for_itself(tmp_path):
    plain, packed = tmp_path / "a.dat", tmp_path / "a.dat.gz"
    plain.write_bytes(b"1 2")
    packed.write_bytes(gzip.compress(b"1 2"))
    assert not is_collection(packed)
    for path in (plain, packed):
        (member,) = stream_members(path)
        assert (member.name, member.folders, member.data) == ("a.dat", (), b"1 2")
        assert read_file(path) == b"1 2"


def test_paths_and_links_of_an_archive_have_no_effect(tmp_path):
    path = tmp_path / "work" / "evil.tar.gz"
    path.parent.mkdir()
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    device = tarfile.TarInfo("device")
    device.type = tarfile.CHRTYPE
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(link)
        archive.addfile(device)
        for name in ("../../outside.dat", "/absolute.dat", "link/passwd"):
            entry = tarfile.TarInfo(name)
            entry.size = 2
            archive.addfile(entry, io.BytesIO(b"ok"))
    members = list(stream_members(path))
    assert [member.name for member in members] == ["outside.dat", "absolute.dat", "passwd"]
    assert [item.name for item in tmp_path.rglob("*")] == ["work", "evil.tar.gz"]


@pytest.mark.parametrize("write", [write_tar, write_zip, write_folder])
def test_a_member_over_the_limit_does_not_stop_the_others(tmp_path, write):
    path = write(
        tmp_path / {write_tar: "x.tar.gz", write_zip: "x.zip", write_folder: "x"}[write],
        {"a.dat": b"x", "b.dat": b"0" * 20_000, "c.dat": b"y"},
    )
    first, large, last = stream_members(path, limit=10_000)
    assert (first.data, last.data) == (b"x", b"y")
    assert large.data is None
    assert "at most 10000 are read" in large.problem


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.6, 0.95, 0.999])
@pytest.mark.parametrize("suffix", ["tar.gz", "tar", "zip"])
def test_a_truncated_archive_is_an_error_that_names_it(tmp_path, suffix, kept):
    content = {f"star{i}.dat": bytes([i]) * 700 for i in range(50)}
    path = tmp_path / f"cut.{suffix}"
    if suffix == "zip":
        write_zip(path, content)
    else:
        write_tar(path, content, "w:gz" if suffix == "tar.gz" else "w")
    whole = path.read_bytes()
    # A tar may end in more zeros than it needs; cut into what it holds.
    end = len(whole.rstrip(b"\0")) if suffix == "tar" else len(whole)
    path.write_bytes(whole[: int(kept * end)])
    with pytest.raises(ContainerError, match=rf"cut\.{suffix}: damaged or cut short"):
        list(stream_members(path))


def test_a_tar_cut_between_two_members_is_an_error(tmp_path):
    path = write_tar(tmp_path / "cut.tar", {"a": b"x" * 512, "b": b"y" * 512}, "w")
    path.write_bytes(path.read_bytes()[:1024])
    read = []
    with pytest.raises(ContainerError, match="the last member read is 'a'"):
        read.extend(member.path for member in stream_members(path))
    assert read == ["a"]


def test_a_damaged_tar_header_is_not_taken_for_the_end(tmp_path):
    path = write_tar(tmp_path / "x.tar", {"a": b"x", "b": b"y", "c": b"z"}, "w")
    data = bytearray(path.read_bytes())
    data[1024 + 100] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ContainerError, match=r"x\.tar"):
        list(stream_members(path))


def test_a_changed_byte_in_a_gzip_is_an_error(tmp_path):
    path = write_tar(tmp_path / "x.tar.gz", CONTENT)
    data = bytearray(path.read_bytes())
    data[-6] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ContainerError, match=r"x\.tar\.gz"):
        list(stream_members(path))


def test_a_tar_header_cannot_ask_for_unlimited_memory(tmp_path):
    long_name = tarfile.TarInfo("a" * 30_000)
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(long_name)
    with pytest.raises(ContainerError, match="a header claims"):
        list(stream_members(path, limit=20_000))


def test_a_damaged_member_of_a_zip_does_not_stop_the_others(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in ("a", "b", "c"):
            archive.writestr(name, f"content of {name}")
    path.write_bytes(path.read_bytes().replace(b"content of b", b"c0ntent of b"))
    first, damaged, last = stream_members(path)
    assert (first.data, last.data) == (b"content of a", b"content of c")
    assert damaged.data is None
    assert "damaged" in damaged.problem


def test_text_under_an_archives_name_is_an_error(tmp_path):
    for suffix in ("tar", "tar.gz", "zip"):
        path = tmp_path / f"page.{suffix}"
        path.write_text("<html>not found</html>" * 100)
        with pytest.raises(ContainerError, match=rf"page\.{suffix}"):
            list(stream_members(path))


def test_a_damaged_compressed_file_is_reported(tmp_path):
    path = tmp_path / "a.dat.gz"
    path.write_bytes(gzip.compress(b"1 2 3" * 100)[:-9])
    (member,) = stream_members(path)
    assert member.data is None
    assert "cut short" in member.problem
    with pytest.raises(ContainerError, match=r"a\.dat\.gz: damaged or cut short"):
        read_file(path)


def test_a_missing_file_is_named(tmp_path):
    for name in ("x.tar.gz", "x.zip", "x.dat", "x.csv.gz"):
        with pytest.raises(FileNotFoundError, match=name):
            list(stream_members(tmp_path / name))
