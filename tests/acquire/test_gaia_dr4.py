"""Gaia DR4 before its release: the loopback archive in the names of the draft, and in others."""

import json
import logging
import shutil
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from metalyra.acquire.clients import QueryError, find_product, make_source
from metalyra.acquire.clients.gaia_neighbours import carry_over
from metalyra.acquire.connection import (
    ACCOUNT_VARIABLES,
    DownloadError,
    RetryPolicy,
    log_in,
    open_session,
)
from metalyra.acquire.services import find_services, read_archives
from metalyra.surveys import survey
from metalyra.surveys.formats.gaia_releases import RELEASES_FILE, read_releases
from testbench.loopback import Faults, LoopbackArchive
from testbench.loopback.gaia_tables import old_identifier
from testbench.simulate import simulate_sky, write_archives

ARCHIVES = read_archives()
LIST = {"archive": "gaia_dr4", "product": "rrlyrae"}
CURVES = {"archive": "gaia_dr4", "product": "epoch_photometry", "stars": ["stars.csv"]}
POLICY = RetryPolicy(attempts=5, pause=0.0, timeout=5.0)

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A sky whose DR4 is its DR3, each star once."""
    path = tmp_path_factory.mktemp("sky")
    write_archives(simulate_sky({"n_rrab": 12, "n_rrab_field": 2, "n_rrc": 4}, seed=5), path)
    shutil.copytree(path / "gaia_dr3", path / "gaia_dr4")
    stars = pd.read_csv(path / "gaia_dr4/vari_rrlyrae.csv.gz", dtype=str, keep_default_na=False)
    stars.drop_duplicates("source_id").to_csv(path / "gaia_dr4/vari_rrlyrae.csv.gz", index=False)
    return path


@pytest.fixture(scope="module")
def draft(folder):
    with LoopbackArchive(folder, dr4="draft", vocabulary="new", looks=1) as running:
        yield running


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Ask an archive for a product, perhaps with other names; returns the file."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("METALYRA_OFFLINE", raising=False)

    def make(archive, query, stars=None, name="file", policy=POLICY, **names):
        monkeypatch.setenv("METALYRA_ARCHIVES", archive.address)
        archive.reset(archive.faults)
        product = find_product(query, ARCHIVES["archives"])
        product = replace(product, names={**product.names, **names})
        replies, services = tmp_path / f"{name}.replies", find_services({}, ARCHIVES["services"])
        make_source(product, query, stars, tmp_path / name, replies, services, policy)
        return tmp_path / name

    return make


@pytest.fixture(scope="module")
def listed(folder):
    return survey("gaia_dr4").read_stars([folder / "gaia_dr4/vari_rrlyrae.csv.gz"])


def read_curves(path, stars, name="gaia_dr4", band="G"):
    curves = survey(name).read_light_curves([path], stars, band)
    return {curve.star_id: curve.table for curve in curves if curve.table is not None}


def words(path):
    [settled] = path.with_name(f"{path.name}.replies").glob("settled_*.json")
    return json.loads(settled.read_text())


def test_every_star_is_listed_with_the_best_position_there_is(ask, draft, listed, caplog):
    caplog.set_level(logging.INFO)
    path = ask(draft, LIST, name="stars.csv")
    assert words(path)["type"] == "best_class_name"
    stars = survey("gaia_dr4").read_stars([path]).set_index("star_id")
    assert sorted(stars.index) == sorted(listed["star_id"])
    expected = listed.set_index("star_id").loc[stars.index]
    assert stars["pulsation_type"].tolist() == expected["pulsation_type"].tolist()
    cells = stars["position_from_cell"]
    assert 0 < cells.sum() < len(stars) / 5
    np.testing.assert_allclose(stars.loc[~cells, "ra"], expected.loc[~cells, "ra"], rtol=1e-9)
    absent = pd.read_csv(path)["random_index"].isna()
    assert absent.sum() > cells.sum()
    said = f"{absent.sum()} are not in gaiadr4.gaia_source; {absent.sum() - cells.sum()} of these"
    assert said in caplog.text
    assert f"{cells.sum()} only the cell" in caplog.text
    # In parts, and with fewer stars than there are.
    parts = ask(draft, LIST, name="parts.csv", rows=30, rows_per_request=12)
    assert parts.read_bytes() == path.read_bytes()
    few = [
        ask(draft, {**LIST, "limit": 5}, name=f"{n}.csv", rows=30, rows_per_request=n).read_bytes()
        for n in (99, 4)
    ]
    assert few[0] == few[1]
    assert few[0].count(b"\n") == 6


def test_a_list_without_random_index(ask, folder):
    """A release that has neither a random index nor other tables."""
    with LoopbackArchive(folder, dr4="as_dr3") as archive:
        names = {"names_of": "gaia_dr3", "random_index": None, "rows": 30}
        files = [
            ask(archive, {**LIST, "limit": 5}, name=f"{n}.csv", rows_per_request=n, **names)
            for n in (99, 4)
        ]
    whole, parts = (path.read_text() for path in files)
    assert whole == parts
    assert whole.count("\n") == 6
    assert "draw" not in whole


@pytest.mark.parametrize("mode", ["draft", "draft_with_flags_of_dr3", "as_dr3"])
def test_light_curves_are_those_that_the_analysis_used(ask, draft, folder, listed, mode):
    with LoopbackArchive(folder, dr4=mode, vocabulary="new") as archive:
        path = ask(archive, CURVES, listed, "curves.zip", ids_per_request=10)
    product = "EPOCH_FLAGS_VARI" if mode == "draft" else ""
    assert words(path) == {"data_structure": "DATAMODEL_STANDARD", "flag_product": product}
    with zipfile.ZipFile(path) as container:
        kinds = {name.partition("-")[0] for name in container.namelist()}
    assert kinds == {"EPOCH_PHOTOMETRY", *filter(None, [product])}
    expected = read_curves(folder / "gaia_dr3/epoch_photometry.zip", listed, "gaia_dr3")
    found = read_curves(path, listed)
    assert len(found) > 10
    for star_id, table in found.items():
        # A row a transit has no transit twice.
        by_time = [
            one.drop_duplicates("time").sort_values("time") for one in (table, expected[star_id])
        ]
        np.testing.assert_allclose(*by_time, rtol=1e-12)


@pytest.mark.parametrize(
    ("vocabulary", "release", "word"),
    [
        ("old", "gaia_dr3", "INDIVIDUAL"),
        ("new", "gaia_dr3", "DATAMODEL_STANDARD"),
        ("old", "gaia_dr4", "INDIVIDUAL"),
    ],
)
def test_the_words_of_the_server_are_found_with_one_star(
    ask, folder, listed, vocabulary, release, word
):
    with LoopbackArchive(folder, dr4="as_dr3", vocabulary=vocabulary) as archive:
        path = ask(archive, {**CURVES, "archive": release}, listed, "curves.zip")
        tried = len(archive.log)
        assert words(path)["data_structure"] == word
        assert len(read_curves(path, listed, release)) > 10
        path.unlink()
        ask(archive, {**CURVES, "archive": release}, listed, "curves.zip")
        assert archive.log == []
    assert tried == 2 + (
        word != ARCHIVES["archives"][release]["products"]["epoch_photometry"]["structures"][0]
    )


def test_what_no_word_gets_is_one_error_with_the_words(ask, folder, listed, tmp_path):
    """As before the release: the archive answers 500, whatever it is asked."""
    (tmp_path / "empty/gaia_dr3").mkdir(parents=True)
    with LoopbackArchive(tmp_path / "empty") as archive:
        with pytest.raises(DownloadError, match=r"5 attempts.*no word for DATA_STR"):
            ask(archive, CURVES, listed, "curves.zip")
        with pytest.raises(QueryError, match=r"refuses the query.*gaiadr4.vari_rrlyrae"):
            ask(archive, LIST)
    assert not list((tmp_path / "curves.zip.replies").glob("*"))


def test_a_renamed_column_that_is_needed_is_one_error_with_those_there_are(ask, draft, monkeypatch):
    text = RELEASES_FILE.read_text().replace("[best_classification, best_class_name]", "[kind]")
    monkeypatch.setattr("metalyra.acquire.clients.gaia.read_releases", lambda: _read_releases(text))
    with pytest.raises(
        QueryError, match=r"gaiadr4\.vari_rrlyrae: no column for pulsation_type \(kind\); its.*pf,"
    ):
        ask(draft, LIST)


def _read_releases(text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "releases.yaml"
        path.write_text(text)
        return read_releases(path)


def test_a_release_without_flags_needs_the_word_of_the_study(ask, folder, listed, monkeypatch):
    with LoopbackArchive(folder, dr4="draft") as archive:
        monkeypatch.setattr(
            "testbench.loopback.datalink.EpochPhotometry._has_flag_product", lambda *_: False
        )
        with pytest.raises(DownloadError, match=r"no EPOCH_FLAGS_VARI.*gaia_dr4_without_flags"):
            ask(archive, CURVES, listed, "curves.zip")
        query = {**CURVES, "product": "epoch_photometry_without_flags"}
        path = ask(archive, query, listed, "curves.zip")
    assert len(read_curves(path, listed, "gaia_dr4_without_flags")) > 10


@pytest.mark.parametrize(
    "kind", ["server_error", "too_many_requests", "html", "truncated", "reset"]
)
def test_every_request_of_a_release_day_may_fail_once(ask, draft, listed, kind):
    right = {
        "stars.csv": ask(draft, LIST, name="right.csv").read_bytes(),
        "curves.zip": ask(draft, CURVES, listed, "right.zip").read_bytes(),
    }
    draft.faults = Faults(rate=1.0, kinds=(kind,), in_a_row=1, retry_after=0)
    try:
        for name, query in (("stars.csv", LIST), ("curves.zip", CURVES)):
            path = ask(draft, query, listed if query is CURVES else None, name)
            assert path.read_bytes() == right[name]
            assert draft.faults_done[kind] > 0
    finally:
        draft.faults = Faults()


# An account


def test_an_account_of_the_environment_logs_in_and_is_in_no_log(
    ask, folder, listed, monkeypatch, caplog, tmp_path
):
    caplog.set_level(logging.DEBUG)
    for variable, value in zip(ACCOUNT_VARIABLES, ("ann", "very-secret"), strict=True):
        monkeypatch.setenv(variable, value)
    with LoopbackArchive(folder, dr4="draft", account=("ann", "very-secret")) as archive:
        ask(archive, LIST, name="stars.csv")
        ask(archive, CURVES, listed, "curves.zip")
        monkeypatch.setenv(ACCOUNT_VARIABLES[1], "very-wrong")
        with pytest.raises(
            DownloadError, match=r"401.*correct or unset METALYRA_GAIA_USER"
        ) as told:
            ask(archive, LIST, name="again.csv")
        log = json.dumps(archive.describe_log())
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert "very-" not in caplog.text + log + str(told.value)
    assert b"very-" not in written
    monkeypatch.delenv(ACCOUNT_VARIABLES[0])
    with LoopbackArchive(folder, dr4="draft") as archive:
        ask(archive, LIST, name="third.csv")
        assert "login" not in json.dumps(archive.describe_log())


def test_no_password_goes_over_the_network_unencrypted(monkeypatch):
    for variable in ACCOUNT_VARIABLES:
        monkeypatch.setenv(variable, "x")
    with pytest.raises(DownloadError, match="not https"):
        log_in(open_session(), "http://gea.example/tap-server/tap")


# Copies


@pytest.mark.parametrize("copy", ["gaia_dr3_vizier", "gaia_dr3_aip", "gaia_dr3_hats"])
def test_a_copy_has_the_same_light_curves(ask, draft, folder, listed, copy):
    name = "curves.zip" if copy.endswith("hats") else "curves.csv"
    path = ask(draft, {**CURVES, "archive": copy}, listed, name, ids_per_request=15)
    expected = read_curves(folder / "gaia_dr3/epoch_photometry.zip", listed, "gaia_dr3", "BP")
    found = read_curves(path, listed, "gaia_dr3", "BP")
    assert len(found) > 10
    for star_id, table in found.items():
        by_time = [
            one.drop_duplicates("time").sort_values("time") for one in (table, expected[star_id])
        ]
        np.testing.assert_allclose(*by_time, rtol=1e-3)
        np.testing.assert_allclose(*(one[["time", "mag"]] for one in by_time), rtol=1e-12)


# Identifiers


def test_a_list_of_the_release_before_is_carried_over(ask, draft, listed, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    old = listed.assign(star_id=old_identifier(listed["star_id"].astype("int64")).astype(str))
    old.loc[0, "star_id"] = "4111834567779557376"
    query = {"archive": "gaia_dr4", "product": "stars_of_dr3", "stars": ["x"]}
    path = ask(draft, query, old, "carried.csv", ids_per_request=5)
    carried = survey("gaia_dr4").read_stars([path])
    assert carried["star_id"].tolist()[1:] == listed["star_id"].tolist()[1:]
    assert carried["period"].astype(str).tolist()[1:] == listed["period"].astype(str).tolist()[1:]
    # The star without a neighbour keeps its name, and will have no light curve.
    table = pd.read_csv(path, dtype=str)
    assert table.loc[0, ["source_id", "carried_over"]].tolist() == ["4111834567779557376", "none"]
    assert {*table["carried_over"]} == {"none", "one", "probable"}
    assert "1 none" in caplog.text
    crosswalk = pd.read_csv(
        ask(draft, {**query, "product": "dr3_neighbourhood"}, old, "crosswalk.csv"), dtype=str
    )
    assert {"source_id", "old_source_id", "angular_distance", "probable_match"} <= {*crosswalk}
    assert {*crosswalk["old_source_id"]} == {*old["star_id"][1:]}


def test_neighbours_are_chosen_by_the_archive_or_by_their_distance():
    stars = pd.DataFrame(
        {"star_id": ["1", "2", "3", "4", "5"], "period": [0.5, 0.6, 0.7, 0.8, 0.9]}
    )
    rows = [
        ("11", "1", "0.2", "0.1", "false"),
        ("12", "1", "0.9", "0.1", "true"),
        ("21", "2", "0.5", "-0.1", ""),
        ("22", "2", "0.4", "0.4", ""),
        ("31", "3", "0.1", "0.0", "true"),
        ("31", "4", "0.3", "0.0", "true"),
    ]
    names = ["source_id", "old_source_id", "angular_distance", "magnitude_difference"]
    neighbours = pd.DataFrame(rows, columns=[*names, "probable_match"])
    carried = carry_over(stars, neighbours)
    assert carried["star_id"].tolist() == ["12", "22", "31", "4", "5"]
    assert carried["carried_over"].tolist() == ["probable", "nearest", "one", "shared", "none"]
    assert carried["old_star_id"].tolist() == stars["star_id"].tolist()
    plain = carry_over(stars, neighbours[names[:3]])
    assert plain["star_id"].tolist() == ["11", "22", "31", "4", "5"]
