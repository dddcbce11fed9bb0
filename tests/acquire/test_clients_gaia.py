"""Gaia's client asks the loopback archive, through pyvo and by DataLink."""

import logging
import shutil
import socket
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from metalyra.acquire.clients import (
    QueryError,
    acquire_query,
    find_product,
    make_source,
    plan_requests,
    read_stars,
)
from metalyra.acquire.connection import DownloadError, RetryPolicy
from metalyra.acquire.services import find_services, read_archives
from metalyra.acquire.sources import SourceError
from metalyra.core.chunks import chunk_of
from metalyra.surveys import survey
from testbench.loopback import Faults, LoopbackArchive
from testbench.simulate import simulate_sky, write_archives

ARCHIVES = read_archives()
LIST = {"archive": "gaia_dr3", "product": "rrlyrae", "types": ["RRab", "RRc"]}
CURVES = {"archive": "gaia_dr3", "product": "epoch_photometry", "stars": ["stars.csv"]}

pytestmark = [
    pytest.mark.usefixtures("rerouted"),
    # pyvo leaves it to the garbage collector to close their connections.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("sky")
    write_archives(simulate_sky({"n_rrab": 12, "n_rrab_field": 3, "n_rrc": 6}, seed=5), path)
    return path


@pytest.fixture
def ask(tmp_path):
    """Ask for a product, perhaps with other names or limits; returns the file."""

    def make(query, stars=None, name="file", policy=None, **names):
        product = find_product(query, ARCHIVES["archives"])
        product = replace(product, names={**product.names, "rows": 100, **names})
        make_source(
            product,
            query,
            stars,
            tmp_path / name,
            tmp_path / "replies",
            find_services({}, ARCHIVES["services"]),
            policy or RetryPolicy(attempts=5, pause=0.0, timeout=5.0, slots=tmp_path / "slots"),
        )
        return tmp_path / name

    return make


def contents(path):
    with zipfile.ZipFile(path) as container:
        return {name: container.read(name) for name in container.namelist()}


def listed(path):
    return survey("gaia_dr3").read_stars([path])


def test_the_list_of_stars_is_read_as_if_it_were_the_archives_own(ask, archive, folder):
    stars = listed(ask(LIST, name="stars.csv.gz")).set_index("star_id")
    own = listed(folder / "gaia_dr3/vari_rrlyrae.csv.gz").set_index("star_id")
    own = own[own["pulsation_type"].isin(["RRab", "RRc"])]
    own = own[~own.index.duplicated()]
    assert len(stars) == len(own) > 10
    for column in ("ra", "dec", "period", "archive_phi31"):
        found, expected = (
            pd.to_numeric(table.loc[stars.index, column], errors="coerce") for table in (stars, own)
        )
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert {entry.agent for entry in archive.log} <= {archive.log[0].agent}
    assert archive.log[0].agent.startswith("MetaLyra/")


def test_the_next_release_is_a_change_of_names_alone(ask, folder, monkeypatch, tmp_path):
    shutil.copytree(folder / "gaia_dr3", tmp_path / "sky/gaia_dr4")
    with LoopbackArchive(tmp_path / "sky") as next_year:
        monkeypatch.setenv("METALYRA_ARCHIVES", next_year.address)
        path = ask({**LIST, "archive": "gaia_dr4"}, name="dr4.csv")
        stars = survey("gaia_dr4").read_stars([path])
        curves = ask({**CURVES, "archive": "gaia_dr4"}, stars, "dr4.zip")
    assert len(stars) > 10
    found = survey("gaia_dr4").read_light_curves([curves], stars, "G")
    assert len({curve.star_id for curve in found if curve.table is not None}) > 10


def test_pyvo_asks_the_copy_at_the_aip_for_the_same(ask):
    here = pd.read_csv(ask({**LIST, "archive": "gaia_dr2"}, name="esa.csv"))
    there = pd.read_csv(ask({**LIST, "archive": "gaia_dr2_aip"}, name="aip.csv"))
    pd.testing.assert_frame_equal(here, there)
    assert len(here) > 5


@pytest.mark.parametrize("rows", [7, 20])
def test_a_list_that_the_archive_cuts_is_asked_for_in_parts(ask, archive, rows):
    whole = ask(LIST, name="whole.csv").read_bytes()
    parts = ask(LIST, name="parts.csv", rows_per_request=rows, rows=rows).read_bytes()
    assert parts == whole
    queries = [entry for entry in archive.log if entry.method == "POST"]
    assert len(queries) > 3


def test_a_limit_draws_the_same_stars_whole_or_in_parts(ask, archive):
    query = {**LIST, "limit": 10}
    whole = ask(query, name="whole.csv")
    assert len(pd.read_csv(whole)) == 10
    parts = ask(query, name="parts.csv", rows_per_request=9, rows=40)
    assert parts.read_bytes() == whole.read_bytes()
    queries = [entry for entry in archive.log if entry.method == "POST"]
    assert len(queries) > 10


def test_a_query_that_the_archive_refuses_fails_with_its_words(ask, archive, tmp_path):
    for name in ("gaia_dr3", "gaia_dr2_aip"):
        with pytest.raises(QueryError, match=r"refuses the query.*no_such_column"):
            ask({**LIST, "archive": name, "where": "rr.no_such_column > 3"})
    assert not (tmp_path / "file").exists()
    # Nothing was tried twice.
    assert len([entry for entry in archive.log if entry.path.endswith("/async")]) == 2


def test_batches_of_light_curves_have_every_star_once(ask, folder):
    stars = listed(folder / "gaia_dr3/vari_rrlyrae.csv.gz").drop_duplicates("star_id")
    whole = contents(ask(CURVES, stars, "whole.zip", ids_per_request=100))
    assert len(whole) > 10
    product = find_product(CURVES, ARCHIVES["archives"])
    query = {**CURVES, "batches": 3}
    batches = [
        read_stars(product, query, [folder / "gaia_dr3/vari_rrlyrae.csv.gz"], batch)
        for batch in range(3)
    ]
    assert sorted(pd.concat(batches)["star_id"]) == sorted(stars["star_id"])
    for number, batch in enumerate(batches):
        assert {chunk_of(star_id, 3) for star_id in batch["star_id"]} == {number}
    joined = {}
    for number, batch in enumerate(batches):
        joined |= contents(ask(query, batch, f"{number}.zip", ids_per_request=2))
    assert joined == whole


def test_light_curves_are_the_archives_own_files(ask, folder):
    stars = listed(folder / "gaia_dr3/vari_rrlyrae.csv.gz").drop_duplicates("star_id")
    delivered = survey("gaia_dr3").read_light_curves([ask(CURVES, stars, "a.zip")], stars, "G")
    stored = survey("gaia_dr3").read_light_curves(
        [folder / "gaia_dr3/epoch_photometry.zip"], stars, "G"
    )
    expected = {curve.star_id: curve.table for curve in stored if curve.table is not None}
    found = {curve.star_id: curve.table for curve in delivered if curve.table is not None}
    assert len(found) > 10
    for star_id, table in found.items():
        np.testing.assert_allclose(table, expected[star_id])


def test_the_light_curves_at_the_aip_are_the_same(ask, folder):
    stars = survey("gaia_dr2").read_stars([folder / "gaia_dr2/vari_rrlyrae.csv.gz"])
    stars = stars.drop_duplicates("star_id")

    def read(path):
        curves = survey("gaia_dr2").read_light_curves([path], stars, "G")
        tables = {curve.star_id: curve.table for curve in curves}
        return {
            key: table.sort_values("time") for key, table in tables.items() if table is not None
        }

    query = {**CURVES, "archive": "gaia_dr2"}
    files = read(ask(query, stars, "esa.zip"))
    query = {**CURVES, "archive": "gaia_dr2_aip"}
    table = ask(query, stars, "aip.csv", ids_per_request=5)
    assert table.read_bytes() == ask(query, stars, "again.csv", rows_per_request=600).read_bytes()
    points = read(table)
    assert len(points) > 10
    for star_id, curve in points.items():
        np.testing.assert_allclose(curve, files[star_id])
    assert ask(query, stars[:0], "nobody.csv").read_text().strip() in ("", '""')


def test_a_star_that_the_archive_has_nothing_of_is_absent(ask):
    stars = pd.DataFrame({"star_id": ["4111834567779557376"]})
    assert contents(ask(CURVES, stars, "nothing.zip")) == {}
    assert contents(ask(CURVES, stars[:0], "nobody.zip")) == {}


def test_no_request_is_above_the_archives_limit():
    product = find_product(CURVES, ARCHIVES["archives"])
    stars = pd.DataFrame({"star_id": [str(10**17 + n) for n in range(1201)]})
    requests = plan_requests(product, CURVES, stars)
    sizes = [request.parameters["ID"].count(",") + 1 for request in requests]
    assert sum(sizes) == 1201
    assert max(sizes) <= product.names["ids_per_request"]


def test_a_reply_is_never_fetched_twice(ask, archive, folder, tmp_path):
    stars = listed(folder / "gaia_dr3/vari_rrlyrae.csv.gz").drop_duplicates("star_id")
    first = ask(CURVES, stars, "a.zip", ids_per_request=5).read_bytes()
    asked = len(archive.log)
    replies = sorted((tmp_path / "replies").glob("*.zip"))
    # The preflight has no reply that is kept, but its word is.
    assert asked - 1 == len(replies) == -(-len(stars) // 5)
    (tmp_path / "a.zip").unlink()
    assert ask(CURVES, stars, "a.zip", ids_per_request=5).read_bytes() == first
    assert len(archive.log) == asked
    replies[0].unlink()
    assert ask(CURVES, stars, "a.zip", ids_per_request=5).read_bytes() == first
    assert len(archive.log) == asked + 1


def test_a_run_that_fails_keeps_the_replies_that_came(ask, archive, folder, tmp_path):
    stars = listed(folder / "gaia_dr3/vari_rrlyrae.csv.gz").drop_duplicates("star_id")
    whole = ask(CURVES, stars, "whole.zip", ids_per_request=5).read_bytes()
    for reply in (tmp_path / "replies").iterdir():
        reply.unlink()
    archive.reset(Faults(at={4: "server_error"}))
    impatient = RetryPolicy(attempts=1, timeout=5.0, connections_per_host=1)
    with pytest.raises(DownloadError, match="500"):
        ask(CURVES, stars, "a.zip", impatient, ids_per_request=5)
    assert not (tmp_path / "a.zip").exists()
    assert len(list((tmp_path / "replies").iterdir())) == 2
    archive.reset()
    assert ask(CURVES, stars, "a.zip", impatient, ids_per_request=5).read_bytes() == whole
    # Those that were missing, and another preflight: the archive may have changed its words.
    assert len(archive.log) == -(-len(stars) // 5) - 2 + 1


@pytest.fixture
def stars(folder):
    return listed(folder / "gaia_dr3/vari_rrlyrae.csv.gz").drop_duplicates("star_id")


def forget(tmp_path):
    for reply in (tmp_path / "replies").iterdir():
        reply.unlink()


QUESTIONS = {
    "tap at ESA": LIST,
    "tap at the AIP": {**LIST, "archive": "gaia_dr2_aip"},
    "data": CURVES,
}
PATIENT = RetryPolicy(attempts=5, pause=0.0, timeout=5.0)


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(
    "kind", ["server_error", "too_many_requests", "html", "truncated", "reset", "reset_in_body"]
)
def test_every_request_is_sent_again_when_it_fails(ask, archive, stars, tmp_path, question, kind):
    right = ask(QUESTIONS[question], stars, "right").read_bytes()
    forget(tmp_path)
    archive.reset(Faults(rate=1.0, kinds=(kind,), in_a_row=1, retry_after=0))
    assert ask(QUESTIONS[question], stars, "again", PATIENT).read_bytes() == right
    assert archive.faults_done[kind] > 0


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("kind", ["wrong_bytes", "cut", "expired_job", "aborted_job"])
def test_a_wrong_reply_to_any_request_changes_nothing(
    ask, archive, stars, tmp_path, question, kind
):
    right = ask(QUESTIONS[question], stars, "right").read_bytes()
    for number in range(1, len(archive.log) + 1):
        forget(tmp_path)
        archive.reset(Faults(at={number: kind}))
        assert ask(QUESTIONS[question], stars, "again", PATIENT).read_bytes() == right


def test_without_network_a_query_says_what_would_make_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("METALYRA_OFFLINE", "1")
    settings = {
        "star_files": [],
        "replies": tmp_path / "replies",
        "archives": ARCHIVES["archives"],
        "services": find_services({}, ARCHIVES["services"]),
        "policy": RetryPolicy(),
    }
    with pytest.raises(
        SourceError, match=r"'a/b\.csv' is missing.*gaia_dr3 would make it.*by hand"
    ):
        acquire_query("a/b.csv", LIST, 0, destination=tmp_path / "b.csv", mirror=None, **settings)
    (tmp_path / "mirror/a").mkdir(parents=True)
    (tmp_path / "mirror/a/b.csv").write_text("x\n")
    acquire_query(
        "a/b.csv", LIST, 0, destination=tmp_path / "b.csv", mirror=tmp_path / "mirror", **settings
    )
    assert (tmp_path / "b.csv").read_text() == "x\n"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"archive": "gaia_dr5", "product": "rrlyrae"}, "'gaia_dr5' is unknown; allowed: gaia_dr3"),
        ({"archive": "gaia_dr3", "product": "cepheids"}, "no product 'cepheids'; allowed: rrlyrae"),
    ],
)
def test_an_unknown_product_is_named_with_those_there_are(query, message):
    with pytest.raises(QueryError, match=message):
        find_product(query, ARCHIVES["archives"])


def test_the_log_tells_of_a_job_that_takes_its_time(ask, folder, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    with LoopbackArchive(folder, looks=3) as slow:
        monkeypatch.setenv("METALYRA_ARCHIVES", slow.address)
        ask({**LIST, "limit": 3}, policy=RetryPolicy(progress=0.0))
    assert "the job is" in caplog.text
    assert "1 of 1 requests are answered" in caplog.text


def test_light_curves_are_asked_for_in_the_words_of_astroquery(monkeypatch, tmp_path):
    """A release that is to come included, whose words are in no documentation yet."""

    class Listener:
        def load_data(self, params_dict, output_file, verbose):
            self.heard = params_dict
            zipfile.ZipFile(output_file, "w").close()

    def no_network(*_, **__):
        raise OSError("no network in tests")

    with monkeypatch.context() as patch:
        # When it is imported it asks the real archive for news.
        patch.setattr(socket, "create_connection", no_network)
        from astroquery.gaia import GaiaClass
    monkeypatch.chdir(tmp_path)
    listener = Listener()
    gaia = GaiaClass(datalink_handler=listener, show_server_messages=False)
    stars = pd.DataFrame({"star_id": ["4111834567779557376", "5978423987417346304"]})
    for archive_name in ("gaia_dr2", "gaia_dr3", "gaia_dr4"):
        product = find_product({**CURVES, "archive": archive_name}, ARCHIVES["archives"])
        # Of DR4 the flags are a product of their own.
        request, *flags = plan_requests(product, CURVES, stars)
        assert [one.parameters["RETRIEVAL_TYPE"] for one in flags] == (
            ["EPOCH_FLAGS_VARI"] if archive_name == "gaia_dr4" else []
        )
        gaia.load_data(
            [*stars["star_id"]],
            data_release=product.names["release"],
            retrieval_type="EPOCH_PHOTOMETRY",
            format="csv",
        )
        # The version that is installed has the words of before 2026.
        word = {"DATA_STRUCTURE": product.names["structures"][0]}
        assert request.parameters == {**listener.heard, **word}
