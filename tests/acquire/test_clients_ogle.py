"""OGLE's client: files of single stars from the loopback archive."""

import re
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from metalyra.acquire.clients import (
    QueryError,
    find_product,
    make_source,
    plan_requests,
    read_stars,
)
from metalyra.acquire.connection import DownloadError, RetryPolicy
from metalyra.acquire.services import find_services, read_archives
from metalyra.surveys import survey
from testbench.loopback import Faults
from testbench.simulate import simulate_sky, write_archives

ARCHIVES = read_archives()
QUERY = {"archive": "ogle4", "product": "light_curves", "band": "I", "stars": ["ident.dat"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("sky")
    write_archives(simulate_sky({"n_rrab": 8, "n_rrab_field": 1, "n_rrc": 2}, seed=4), path)
    return path


@pytest.fixture
def ask(rerouted, tmp_path):
    """Ask for the light curves of some stars; returns the file."""

    def make(stars, policy=None):
        make_source(
            find_product(QUERY, ARCHIVES["archives"]),
            QUERY,
            stars,
            tmp_path / "phot.zip",
            tmp_path / "replies",
            find_services({}, ARCHIVES["services"]),
            policy or RetryPolicy(attempts=4, pause=0.0, timeout=5.0),
        )
        return tmp_path / "phot.zip"

    return make


@pytest.fixture
def stars(folder):
    product = find_product(QUERY, ARCHIVES["archives"])
    stars = read_stars(product, QUERY, [folder / "ogle_ocvs/ogle4/blg/ident.dat"], 0)
    # Some files of the simulated sky are no light curves, but web pages or noise.
    return stars[~stars["star_id"].isin(spoilt(folder))]


def spoilt(folder):
    found = set()
    with tarfile.open(folder / "ogle_ocvs/ogle4/blg/phot.tar.gz") as container:
        for entry in container:
            if entry.isfile() and re.search(rb"[\x00-\x08]|<", container.extractfile(entry).read()):
                found.add(Path(entry.name).stem)
    return found


def test_single_files_are_as_the_packed_ones(ask, stars, folder):
    curves = {
        curve.star_id: curve.table
        for curve in survey("ogle").read_light_curves([ask(stars)], stars, "I")
    }
    packed = survey("ogle").read_light_curves(
        [folder / "ogle_ocvs/ogle4/blg/phot.tar.gz"], stars, "I"
    )
    count = 0
    for curve in packed:
        if curve.table is not None:
            np.testing.assert_array_equal(curves[curve.star_id], curve.table)
            count += 1
    assert count > 5


def test_a_star_that_the_archive_has_not_is_absent_and_asked_for_once(ask, archive, stars):
    known = zipfile.ZipFile(ask(stars)).namelist()
    more = pd.concat([stars, pd.DataFrame({"star_id": ["OGLE-BLG-RRLYR-99999"]})])
    assert zipfile.ZipFile(ask(more)).namelist() == known
    asked = len(archive.log)
    ask(more)
    assert len(archive.log) == asked


def test_a_file_that_the_archive_has_damaged_costs_one_star(ask, folder):
    with tarfile.open(folder / "ogle_ocvs/ogle4/blg/phot.tar.gz") as container:
        noise = {
            Path(entry.name).stem
            for entry in container
            if entry.isfile() and b"\x00" in container.extractfile(entry).read()
        }
    assert noise
    stars = pd.DataFrame({"star_id": [*noise, "OGLE-BLG-RRLYR-00001"]})
    curves = survey("ogle").read_light_curves([ask(stars)], stars, "I")
    assert {curve.star_id for curve in curves if curve.table is None} == noise


def test_an_archive_that_misbehaves_changes_nothing(ask, archive, stars, tmp_path):
    right = ask(stars).read_bytes()
    for reply in (tmp_path / "replies").iterdir():
        reply.unlink()
    kinds = ("server_error", "too_many_requests", "html", "truncated", "cut", "reset_in_body")
    archive.reset(Faults(rate=0.7, kinds=kinds, seed=2, retry_after=0))
    assert ask(stars).read_bytes() == right
    assert sum(archive.faults_done.values()) > 5


def test_what_fails_is_not_taken_for_absent(ask, archive, stars, tmp_path):
    archive.reset(Faults(at={4: "server_error"}))
    with pytest.raises(DownloadError, match="500"):
        ask(stars, RetryPolicy(attempts=1, connections_per_host=1))
    assert not (tmp_path / "phot.zip").exists()
    assert len([*(tmp_path / "replies").iterdir()]) == 3


@pytest.mark.parametrize(
    ("archive_name", "star_id", "path"),
    [
        ("ogle4", "OGLE-LMC-RRLYR-00001", "ogle4/OCVS/lmc/rrlyr/phot/I/OGLE-LMC-RRLYR-00001.dat"),
        ("ogle4", "OGLE-GD-RRLYR-00001", "ogle4/OCVS/gd/rrlyr/phot/I/OGLE-GD-RRLYR-00001.dat"),
        ("ogle3", "OGLE-BLG-RRLYR-1", "ogle3/OIII-CVS/blg/rrlyr/phot/I/OGLE-BLG-RRLYR-1.dat"),
    ],
)
def test_a_star_is_looked_for_where_the_readmes_say(archive_name, star_id, path):
    query = {**QUERY, "archive": archive_name, "star_ids": [star_id]}
    product = find_product(query, ARCHIVES["archives"])
    [request] = plan_requests(product, query, read_stars(product, query, [], 0))
    assert (request.service, request.path) == ("ogle", path)


@pytest.mark.parametrize("star_id", ["02950", "OGLE-GAL-RRLYR-00001", "../../../etc/passwd"])
def test_what_is_no_star_of_the_collection_is_refused(star_id):
    product = find_product(QUERY, ARCHIVES["archives"])
    with pytest.raises(QueryError, match=r"is no star of the collection; .* BLG, GD, LMC, SMC"):
        plan_requests(product, QUERY, pd.DataFrame({"star_id": [star_id]}))


def test_the_simulated_tree_is_as_the_readmes_describe_it(folder):
    with tarfile.open(folder / "ogle_ocvs/ogle4/blg/phot.tar.gz") as container:
        assert any(name.startswith("phot/I/OGLE-BLG-RRLYR-") for name in container.getnames())
