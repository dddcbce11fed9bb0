import hashlib
import os
import subprocess

import pytest

from metalyra.acquire.inventory import Places
from metalyra.acquire.provenance import describe_configuration, find_commit, trace_sources
from metalyra.acquire.services import find_services, read_archives
from metalyra.core.resources import RESOURCES

STARS, CURVES = "gaia_dr3/rrlyrae.csv.gz", "gaia_dr3/epoch_photometry/0.zip"
QUERIES = {
    STARS: {"archive": "gaia_dr3", "product": "rrlyrae", "types": ["RRab"]},
    "gaia_dr3/epoch_photometry/{batch}.zip": {
        "archive": "gaia_dr3",
        "product": "epoch_photometry",
        "stars": [STARS],
        "batches": 2,
    },
}
REGISTERED = "ogle_ocvs/ogle4/blg/RRc.dat"


@pytest.fixture
def places(tmp_path) -> Places:
    archives = read_archives(RESOURCES / "archives.yaml")
    for name in (STARS, CURVES, REGISTERED):
        path = tmp_path / "sources" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")
        os.utime(path, (1_796_212_800, 1_796_212_800))  # 2026-12-02, noon
    return Places(
        tmp_path / "sources",
        tmp_path / "mirror",
        archives["archives"],
        find_services({}, archives["services"]),
    )


def trace(places: Places, tmp_path, **settings) -> dict:
    names = [STARS, CURVES, REGISTERED]
    traced = trace_sources(names, QUERIES, places, tmp_path / "replies", **settings)
    return {entry["source"]: entry for entry in traced}


def test_a_source_of_an_archive_has_its_day_its_size_and_its_digest(places, tmp_path):
    traced = trace(places, tmp_path)
    for name, entry in traced.items():
        content = f"content of {name}".encode()
        assert (entry["from"], entry["retrieved"]) == ("archive", "2026-12-02")
        assert entry["size"] == len(content)
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        assert entry["citation"]
    assert traced[REGISTERED]["url"].startswith("https://")


def test_a_query_is_given_as_the_archive_got_it_with_its_replies(places, tmp_path):
    folder = tmp_path / "replies" / STARS
    folder.mkdir(parents=True)
    (folder / "reply.csv").write_text("source_id")
    traced = trace(places, tmp_path)
    asked = traced[STARS]["asked"][0]
    assert "FROM gaiadr3.vari_rrlyrae AS rr" in asked
    assert "rr.best_classification IN ('RRab')" in asked
    assert traced[STARS]["replies"] == {"reply.csv": hashlib.sha256(b"source_id").hexdigest()}
    assert traced[CURVES]["asked"][0] == f"for the stars of {STARS}, batch 0 of 2"
    assert "retrieval_type: EPOCH_PHOTOMETRY" in traced[CURVES]["asked"]


def test_what_the_archive_has_settled_on_is_what_it_was_asked(places, tmp_path):
    folder = tmp_path / "replies" / CURVES
    folder.mkdir(parents=True)
    (folder / "settled_00.json").write_text('{"data_structure": "RAW"}')
    assert "data_structure: RAW" in trace(places, tmp_path)[CURVES]["asked"]


@pytest.mark.parametrize("linked", [True, False])
def test_a_source_of_the_mirror_has_no_day(places, tmp_path, linked):
    path, original = places.folder / STARS, places.mirror / STARS
    original.parent.mkdir(parents=True)
    original.write_bytes(path.read_bytes())
    if linked:
        path.unlink()
        path.symlink_to(original)
    entry = trace(places, tmp_path)[STARS]
    assert (entry["from"], entry["retrieved"]) == ("mirror", None)
    assert entry["asked"]
    assert str(tmp_path) not in str(entry)


def test_a_simulated_source_has_no_archive(places, tmp_path):
    for entry in trace(places, tmp_path, simulated=True).values():
        assert set(entry) == {"source", "from", "retrieved", "size", "sha256"}
        assert entry["from"] == "simulated"


def test_the_machine_is_no_part_of_the_configuration():
    config = {
        "seed": 1,
        "chunks": 4,
        "mirror": "/home/me",
        "samples": {"a": {"chunks": 4, "band": "G"}},
    }
    found = describe_configuration(config)
    assert found["keys"] == {"seed": 1, "samples": {"a": {"band": "G"}}}
    other = describe_configuration({**config, "chunks": 9, "mirror": None})
    assert found == other
    assert found["sha256"] != describe_configuration({**config, "seed": 2})["sha256"]


def test_the_commit_of_a_repository_says_if_files_differ(tmp_path):
    assert find_commit(tmp_path) is None
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    (tmp_path / "file").write_text("one")
    for arguments in (("init", "-q"), ("add", "file"), (*who, "commit", "-qm", "first")):
        subprocess.run(["git", "-C", tmp_path, *arguments], check=True)
    commit = find_commit(tmp_path)
    assert len(commit) == 40
    (tmp_path / "file").write_text("two")
    assert find_commit(tmp_path) == f"{commit}-modified"
    (tmp_path / "inner").mkdir()
    assert find_commit(tmp_path / "inner") is None
