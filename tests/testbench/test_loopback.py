"""The loopback archive, asked by the clients that ask the real ones."""

import gzip
import http.client
import io
import socket
import subprocess
import sys
import tarfile
import threading
import time
import urllib.error
import urllib.request
import warnings
import zipfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import requests
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.table import Table

import metalyra
from metalyra.acquire.sources import read_registry
from testbench.loopback import KINDS, Entry, Faults, LoopbackArchive
from testbench.loopback.__main__ import main
from testbench.loopback.adql import AdqlError, translate
from testbench.loopback.messages import Request
from testbench.loopback.tables import Database
from testbench.simulate import simulate_sky, write_archives

# astroquery and pyvo leave it to the garbage collector to close their connections.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SETTINGS = {"n_rrab": 8, "n_rrab_field": 2, "n_rrc": 3}
IDENT = "ogle4/OCVS/blg/rrlyr/ident.dat"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The native files of a small simulated sky."""
    path = tmp_path_factory.mktemp("sky")
    write_archives(simulate_sky(SETTINGS, seed=3), path)
    return path


@pytest.fixture(autouse=True)
def no_defects(caplog):
    """The archive misbehaves on command only."""
    yield
    assert [record.getMessage() for record in caplog.records if "loopback" in record.name] == []


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    """No proxy stands between clients and this machine."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(scope="module")
def archive(folder):
    with LoopbackArchive(folder, id_limit=4, row_limit=100, looks=1) as running:
        yield running


@pytest.fixture
def new_archive(folder):
    """A function that starts another archive, which ends with the test."""
    with ExitStack() as running:
        yield lambda **settings: running.enter_context(LoopbackArchive(folder, **settings))


@pytest.fixture(scope="module")
def stars(folder):
    return pd.read_csv(folder / "gaia_dr3/vari_rrlyrae.csv.gz")


@pytest.fixture(scope="module")
def curves(folder):
    """The light curves of DR3 that can be read, by source."""
    found = {}
    with zipfile.ZipFile(folder / "gaia_dr3/epoch_photometry.zip") as products:
        for name in products.namelist():
            content = products.read(name)
            if content.startswith(b"source_id,transit_id") and content.count(b"\n") > 20:
                curve = pd.read_csv(io.BytesIO(content))
                found[int(curve["source_id"].iloc[0])] = curve
    return found


@pytest.fixture
def gaia(archive, monkeypatch):
    """astroquery's client for the Gaia archive, sent to the loopback archive."""
    with monkeypatch.context() as patch:
        # When it is imported it asks the real archive for news.
        patch.setattr(socket, "create_connection", lambda *_, **__: _no_network())
        from astroquery.gaia import GaiaClass
    return GaiaClass(
        gaia_tap_server=archive.address,
        gaia_data_server=archive.address,
        tap_server_context="gaia/tap-server",
        data_server_context="gaia/data-server",
    )


def _no_network():
    raise OSError("no network in tests")


@pytest.fixture
def tap(archive):
    from pyvo.dal import TAPService

    return TAPService(f"{archive.address}/gaia_aip/tap")


def get(archive, path, **headers):
    return requests.get(f"{archive.address}/{path}", headers=headers, timeout=10)


# Files


def test_files_are_where_their_archives_have_them(archive, folder):
    for path, name in {
        f"ogle/{IDENT}": "ogle_ocvs/ogle4/blg/ident.dat",
        "ogle/ogle4/OCVS/blg/rrlyr/phot.tar.gz": "ogle_ocvs/ogle4/blg/phot.tar.gz",
        "files/gaia_dr3/vari_rrlyrae.csv.gz": "gaia_dr3/vari_rrlyrae.csv.gz",
    }.items():
        assert get(archive, path).content == (folder / name).read_bytes()


def test_a_light_curve_of_ogle_is_there_alone(archive, folder):
    with tarfile.open(folder / "ogle_ocvs/ogle4/blg/phot.tar.gz") as packed:
        member = packed.next()
        content = packed.extractfile(member).read()
    assert get(archive, f"ogle/ogle4/OCVS/blg/rrlyr/{member.name}").content == content


@pytest.mark.parametrize(
    "path",
    [
        "ogle/ogle4/OCVS/blg/rrlyr/RRd.dat",
        "ogle/ogle4/OCVS/blg/rrlyr/..",
        "files/../secret",
        "files/%2e%2e/secret",
        "files/",
        "nowhere/x",
        "",
    ],
)
def test_what_is_not_there_is_not_found(archive, folder, path):
    (folder.parent / "secret").write_text("not for the network")
    assert get(archive, path).status_code == 404


def test_every_file_of_the_mirror_is_served_under_its_address(mirror):
    """By its URL in the registry, if it has one of a known service, and by its name."""
    sites = {"github": "https://github.com/", "ogle": "https://www.astrouw.edu.pl/ogle/"}
    with LoopbackArchive(mirror) as archive:
        for source in read_registry().values():
            if not (mirror / source.name).is_file():
                continue
            size = str(source.size)
            head = requests.head(f"{archive.address}/files/{source.name}", timeout=10)
            assert (head.status_code, head.headers["Content-Length"]) == (200, size)
            for service, site in sites.items():
                if source.url and source.url.startswith(site):
                    url = f"{archive.address}/{service}/{source.url[len(site) :]}"
                    assert requests.head(url, timeout=10).headers["Content-Length"] == size


def test_a_part_of_a_file(archive):
    path = f"ogle/{IDENT}"
    whole = get(archive, path)
    tag, changed = whole.headers["ETag"], whole.headers["Last-Modified"]
    size = len(whole.content)
    for asked, expected in (
        ("bytes=5-9", slice(5, 10)),
        ("bytes=5-", slice(5, None)),
        ("bytes=-7", slice(-7, None)),
        (f"bytes=5-{size + 9}", slice(5, None)),
    ):
        for condition in ({}, {"If-Range": tag}, {"If-Range": changed}):
            part = get(archive, path, Range=asked, **condition)
            assert part.status_code == 206
            assert part.content == whole.content[expected]
            assert part.headers["Content-Range"].endswith(f"/{size}")


def test_a_part_that_cannot_be_had(archive):
    path = f"ogle/{IDENT}"
    whole = get(archive, path)
    assert get(archive, path, Range=f"bytes={len(whole.content)}-").status_code == 416
    for condition in ('"another"', "Sat, 01 Jan 2000 00:00:00 GMT"):
        replaced = get(archive, path, Range="bytes=5-9", **{"If-Range": condition})
        assert (replaced.status_code, replaced.content) == (200, whole.content)
    assert get(archive, path, **{"If-None-Match": whole.headers["ETag"]}).status_code == 304


# ADQL


@pytest.fixture(scope="module")
def sky_database():
    sources = pd.DataFrame(
        {
            "source_id": [1, 2, 3],
            "ra": [359.9, 0.1, 180.0],
            "dec": [0.0, 0.0, 89.0],
            "mag": [10.0, np.nan, 12.5],
            "kept": [True, False, True],
        }
    )
    stars = pd.DataFrame({"source_id": [3, 1], "type": ["RRc", "RRab"]})
    database = Database({"gaia.source": lambda: sources, "gaia.star": lambda: stars})
    yield database
    database.close()


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT source_id FROM gaia.source ORDER BY source_id", [(1,), (2,), (3,)]),
        ("select top 2 source_id from gaia.source order by dec desc, ra", [(3,), (2,)]),
        ("SELECT DISTINCT TOP 1 dec FROM gaia.source ORDER BY 1", [(0.0,)]),
        ("SELECT source_id FROM gaia.source ORDER BY source_id OFFSET 2", [(3,)]),
        ('SELECT "mag" FROM gaia.source WHERE mag IS NULL', [(None,)]),
        ("SELECT COUNT(*) AS n, MAX(mag) FROM gaia.source -- all of them", [(3, 12.5)]),
        ("SELECT MOD(source_id, 2) FROM gaia.source WHERE source_id = 3", [(1,)]),
        ("SELECT s.type, g.mag FROM gaia.star AS s JOIN gaia.source AS g USING (source_id) "
         "WHERE g.mag BETWEEN 9 AND 11", [("RRab", 10.0)]),
        ("SELECT gaia.source.mag FROM gaia.source JOIN gaia.star "
         "ON gaia.source.source_id = gaia.star.source_id WHERE type IN ('RRc')", [(12.5,)]),
        ("SELECT source_id FROM (SELECT TOP 1 * FROM gaia.source ORDER BY mag DESC) AS x", [(3,)]),
        ("SELECT source_id FROM gaia.source WHERE kept = 'true' ORDER BY 1", [(1,), (3,)]),
        ("SELECT source_id FROM gaia.source WHERE 1 = CONTAINS(POINT('ICRS', ra, dec), "
         "CIRCLE('ICRS', 0, 0, 0.11)) ORDER BY 1", [(1,), (2,)]),
        ("SELECT source_id FROM gaia.source WHERE 1 = CONTAINS(POINT(ra, dec), "
         "CIRCLE(POINT(0, 0), 0.09))", []),
        ("SELECT source_id FROM gaia.source WHERE 1 = CONTAINS(POINT('ICRS', ra, dec), "
         "BOX('ICRS', 0.1, 0, 0.3, 1))", [(2,)]),
        ("SELECT ROUND(DISTANCE(POINT('ICRS', ra, dec), POINT('ICRS', 0, 89)), 9) "
         "FROM gaia.source WHERE source_id = 3", [(2.0,)]),
        ("SELECT ROUND(DISTANCE(359.9, 0, 0.1, 0), 9), TRUNCATE(1.58, 1)", [(0.2, 1.5)]),
    ],
)  # fmt: skip
def test_queries(sky_database, query, rows):
    assert sky_database.query(query, 10).rows == rows


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "expected SELECT"),
        ("DROP TABLE gaia.source", "expected SELECT"),
        ("SELECT 1; SELECT 2", "';' at position 9"),
        ("SELECT * FROM gaia.source LIMIT 3", "'LIMIT', which is not ADQL"),
        ("SELECT load_extension('x')", "Unknown function 'load_extension'"),
        ("SELECT (1", r"expected '\)'"),
        ("SELECT 1)", "closes nothing"),
        ("SELECT nothing_there FROM gaia.source", "Unknown column nothing_there"),
        ('SELECT "nothing there" FROM gaia.source', "Unknown column nothing there"),
        ("SELECT ra FROM gaia.sources", "Unknown table gaia.sources"),
        ("SELECT ra FROM gaia.source WHERE", "Cannot parse query"),
    ],
)
def test_what_is_no_query_is_refused(sky_database, query, message):
    with pytest.raises(AdqlError, match=message):
        sky_database.query(query, 10)


def test_results_know_their_columns(sky_database):
    table = sky_database.query("SELECT ra AS ra, mag, kept, 1 + 1 AS n, 'x' AS t, ra "
                               "FROM gaia.source", 2)  # fmt: skip
    described = [(column.name, column.datatype) for column in table.columns]
    assert described == [
        ("ra", "double"),
        ("mag", "double"),
        ("kept", "boolean"),
        ("n", "long"),
        ("t", "char"),
        ("ra_2", "double"),
    ]
    assert table.overflow


def test_names_of_a_query():
    assert {"gaia.source", "j/x/1/table", "s.ra"} <= translate(
        'SELECT s.ra FROM Gaia.Source AS s, "J/x/1/table"'
    )[1]


# The Gaia archive, by astroquery


@pytest.mark.parametrize(
    "output", ["votable", "votable_plain", "votable_gzip", "csv", "ecsv", "fits", "json"]
)
def test_a_query_gives_the_same_in_every_format(gaia, stars, output):
    job = gaia.launch_job(
        "SELECT rr.source_id, p1_o, num_clean_epochs_g, best_classification, gs.ra, gs.dec "
        "FROM gaiadr3.vari_rrlyrae AS rr JOIN gaiadr3.gaia_source AS gs "
        "ON gs.source_id = rr.source_id WHERE rr.p1_o > 0 ORDER BY rr.source_id",
        output_format=output,
    )
    table = job.get_results()
    table.convert_bytestring_to_unicode()
    periods = pd.to_numeric(stars["p1_o"], errors="coerce")
    expected = stars[periods > 0].sort_values("source_id", kind="stable")
    assert len(table) == len(expected) > 0
    for name in ("source_id", "ra", "dec", "num_clean_epochs_g", "best_classification"):
        np.testing.assert_array_equal(np.asarray(table[name]), expected[name])
    np.testing.assert_array_equal(np.asarray(table["p1_o"]), periods[expected.index])


def test_large_formats_come_compressed(archive):
    query = {"QUERY": "SELECT TOP 1 source_id FROM gaiadr3.gaia_source", "LANG": "ADQL"}
    for output, compressed in {"votable_gzip": True, "fits": True, "csv": False}.items():
        reply = requests.post(
            f"{archive.address}/gaia/tap-server/tap/sync",
            data={**query, "FORMAT": output},
            timeout=10,
        )
        assert (reply.headers.get("Content-Encoding") == "gzip") is compressed
        assert reply.headers["Content-Disposition"].startswith("attachment;filename=")


def test_a_job_of_the_gaia_archive(gaia, stars):
    job = gaia.launch_job_async(
        "SELECT COUNT(*) AS n FROM gaiadr3.vari_rrlyrae", output_format="csv", background=True
    )
    assert [job.get_phase(update=True) for _ in range(2)] == ["EXECUTING", "COMPLETED"]
    assert job.get_results()["n"][0] == len(stars)
    assert job.jobid in {listed.jobid for listed in gaia.list_async_jobs()}
    again = gaia.load_async_job(jobid=job.jobid)
    assert again.parameters["query"].startswith("SELECT COUNT")


def test_what_the_archive_answers_at_once_is_cut_without_a_word(new_archive, stars):
    running = new_archive(sync_limit=5)
    query = {"QUERY": "SELECT source_id FROM gaiadr3.vari_rrlyrae", "LANG": "ADQL", "FORMAT": "csv"}
    address = f"{running.address}/gaia/tap-server/tap"
    at_once = requests.post(f"{address}/sync", data=query, timeout=10)
    assert (at_once.status_code, at_once.text.count("\n")) == (200, 1 + 5)
    job = requests.post(f"{address}/async", data={**query, "PHASE": "RUN"}, timeout=10)
    requests.get(job.url, timeout=10)
    result = requests.get(f"{job.url}/results/result", timeout=10)
    assert result.text.count("\n") == 1 + len(stars)


def test_the_schema_lists_the_tables_of_a_release_and_their_columns(new_archive, folder, tmp_path):
    query = "SELECT table_name FROM tap_schema.tables WHERE schema_name LIKE '%dr3%'"
    address = f"{new_archive().address}/gaia/tap-server/tap/sync"
    asked = {"QUERY": query, "LANG": "ADQL", "FORMAT": "csv"}
    tables = requests.post(address, data=asked, timeout=10).text.split()
    assert tables == ["table_name", "gaiadr3.vari_rrlyrae", "gaiadr3.gaia_source"]
    asked["QUERY"] = (
        "SELECT column_name FROM tap_schema.columns WHERE table_name = 'gaiadr3.gaia_source'"
    )
    assert "random_index" in requests.post(address, data=asked, timeout=10).text.split()


@pytest.mark.parametrize(
    ("vocabulary", "words"),
    [("old", {"INDIVIDUAL", "COMBINED", "RAW"}), ("new", {"DATAMODEL_STANDARD", "DATAMODEL_GAIA"})],
)
def test_a_word_that_the_data_server_does_not_know_is_an_error_of_the_server(
    new_archive, curves, vocabulary, words
):
    running = new_archive(vocabulary=vocabulary)
    asked = {"ID": next(iter(curves)), "RELEASE": "Gaia DR3", "RETRIEVAL_TYPE": "EPOCH_PHOTOMETRY"}
    address = f"{running.address}/gaia/data-server/data"
    for word in ("INDIVIDUAL", "COMBINED", "RAW", "DATAMODEL_STANDARD", "DATAMODEL_GAIA"):
        reply = requests.post(address, data={**asked, "DATA_STRUCTURE": word}, timeout=10)
        assert reply.status_code == (200 if word in words else 500)
    # A release that is not there yet.
    asked |= {"RELEASE": "Gaia DR4", "DATA_STRUCTURE": min(words)}
    assert requests.post(address, data=asked, timeout=10).status_code == 500


def test_a_wrong_query_is_refused_in_the_archives_words(gaia):
    wrong = "SELECT colour FROM gaiadr3.gaia_source"
    with pytest.raises(requests.HTTPError, match="Unknown column colour"):
        gaia.launch_job(wrong)
    with pytest.raises(requests.HTTPError, match="Unknown column colour"):
        gaia.launch_job_async(wrong)
    job = gaia.launch_job_async(wrong, background=True)
    assert job.wait_for_job_end()[1] == "ERROR"
    assert "Unknown column colour" in job.get_error()


def test_tables_of_the_gaia_archive(gaia):
    tables = {table.get_qualified_name(): table for table in gaia.load_tables()}
    assert {f"gaiadr{n}.{table}" for n in (2, 3) for table in ("gaia_source", "vari_rrlyrae")} <= {
        *tables
    }
    (ra,) = [
        column for column in gaia.load_table("gaiadr3.gaia_source").columns if column.name == "ra"
    ]
    assert (ra.unit, ra.ucd) == ("deg", "pos.eq.ra;meta.main")


def test_a_table_that_is_sent_with_a_query(gaia, stars):
    mine = Table({"source_id": [int(stars["source_id"][0]), 5], "label": ["there", "missing"]})
    for launch in (gaia.launch_job, gaia.launch_job_async):
        found = launch(
            "SELECT label, ra FROM tap_upload.mine LEFT JOIN gaiadr3.gaia_source USING (source_id) "
            "ORDER BY label",
            upload_resource=mine,
            upload_table_name="mine",
        ).get_results()
        assert found["label"].tolist() == ["missing", "there"]
        assert found["ra"].mask.tolist() == [True, False]
        assert found["ra"][1] == stars["ra"][0]


@pytest.mark.parametrize("layout", ["bands", "transits"])
@pytest.mark.parametrize("structure", ["INDIVIDUAL", "COMBINED", "RAW"])
@pytest.mark.parametrize("output", ["votable", "votable_plain", "csv", "fits", "json"])
def test_light_curves_have_the_same_points_in_every_form(
    gaia, archive, new_archive, curves, layout, structure, output
):
    running = new_archive(layout=layout) if layout == "transits" else archive
    gaia = type(gaia)(
        gaia_data_server=running.address,
        gaia_tap_server=running.address,
        tap_server_context="gaia/tap-server",
        data_server_context="gaia/data-server",
        show_server_messages=False,
    )
    wanted = list(curves)[:3]
    with warnings.catch_warnings():
        # The archive's unit of flux is in no standard.
        warnings.simplefilter("ignore")
        products = gaia.load_data(
            wanted,
            data_release="Gaia DR3",
            retrieval_type="EPOCH_PHOTOMETRY",
            data_structure=structure,
            format=output,
        )
    suffix = {"csv": "csv", "fits": "fits", "json": "json"}.get(output, "xml")
    names = (
        {f"EPOCH_PHOTOMETRY-Gaia DR3 {source}.{suffix}" for source in wanted}
        if structure == "INDIVIDUAL"
        else {f"EPOCH_PHOTOMETRY_{structure}.{suffix}"}
    )
    assert set(products) == names
    magnitudes = np.concatenate([_g_magnitudes(_first(product)) for product in products.values()])
    expected = pd.concat([curves[source] for source in wanted]).query("band == 'G'")["mag"]
    np.testing.assert_array_equal(
        np.sort(magnitudes[np.isfinite(magnitudes)]), np.sort(expected.dropna())
    )


def _first(product):
    table = product[0] if isinstance(product, list) else product
    return table if isinstance(table, Table) else table.to_table()


def _g_magnitudes(table):
    """Return the G magnitudes of a table, whatever its layout; NaN where there is none."""
    if "band" in table.colnames:
        rows = np.asarray(table["band"]).astype(str) == "G"
        values = [value for value, kept in zip(table["mag"], rows, strict=True) if kept]
    else:
        values = []
        for cell in table["g_transit_mag"]:
            if isinstance(cell, str):
                cell = [np.nan if item == "null" else item for item in cell.strip("[]").split(",")]
            values += list(np.ma.atleast_1d(cell))
    return np.array(
        [np.nan if value is None or value is np.ma.masked else float(value) for value in values]
    )


def test_light_curves_as_csv_are_the_files_themselves(archive, folder, curves):
    source = next(iter(curves))
    reply = requests.post(
        f"{archive.address}/gaia/data-server/data",
        data={"ID": f"Gaia DR3 {source},7", "FORMAT": "csv", "USE_ZIP_ALWAYS": "true"},
        timeout=10,
    )
    name = f"EPOCH_PHOTOMETRY-Gaia DR3 {source}.csv"
    with (
        zipfile.ZipFile(folder / "gaia_dr3/epoch_photometry.zip") as products,
        zipfile.ZipFile(io.BytesIO(reply.content)) as sent,
    ):
        assert sent.namelist() == [name]
        assert sent.read(name) == products.read(name)


def test_too_many_light_curves_are_refused(gaia, curves):
    with pytest.raises(requests.HTTPError, match="5, is above the limit of 4"):
        gaia.load_data(list(curves)[:5], retrieval_type="EPOCH_PHOTOMETRY", format="csv")


def test_links_lead_to_the_light_curves(gaia, curves):
    source = next(iter(curves))
    links = gaia.get_datalinks([source, 7])
    assert links["ID"].tolist() == [f"Gaia DR3 {source}"]
    content = requests.get(links["access_url"][0], params={"FORMAT": "csv"}, timeout=10).text
    assert pd.read_csv(io.StringIO(content)).equals(curves[source])


def test_the_mirrors_stars_and_light_curves(mirror):
    """The counts are those of the mirror's README."""
    with LoopbackArchive(mirror) as archive:
        from pyvo.dal import TAPService

        tap = TAPService(f"{archive.address}/gaia/tap-server/tap")
        table = tap.run_sync(
            "SELECT best_classification, COUNT(*) AS n FROM gaiadr3.vari_rrlyrae "
            "GROUP BY best_classification ORDER BY best_classification"
        ).to_table()
        assert table["n"].tolist() == [8000, 6629]
        sources = tap.run_sync("SELECT COUNT(*) AS n FROM gaiadr3.gaia_source").to_table()
        assert sources["n"][0] >= 14629


# A standard service, by pyvo


def test_pyvo_at_once_and_by_a_job(tap, stars):
    query = "SELECT source_id, ra FROM gdr3.vari_rrlyrae JOIN gdr3.gaia_source USING (source_id)"
    for table in (tap.run_sync(query).to_table(), tap.run_async(query).to_table()):
        np.testing.assert_array_equal(np.sort(table["ra"]), np.sort(stars["ra"]))
        assert table["ra"].unit == "deg"


def test_pyvo_is_told_what_is_wrong(tap):
    from pyvo.dal import DALQueryError

    for run in (tap.run_sync, tap.run_async):
        with pytest.raises(DALQueryError, match=r"Unknown table gdr3\.nowhere"):
            run("SELECT * FROM gdr3.nowhere")


def test_pyvo_is_told_that_rows_are_missing(tap):
    from pyvo.dal import DALOverflowWarning

    with pytest.warns(DALOverflowWarning):
        table = tap.run_sync("SELECT source_id FROM gdr3.epoch_photometry").to_table()
    assert len(table) == 100


def test_pyvo_knows_the_service(tap):
    assert (tap.maxrec, tap.hardlimit) == (100, 100)
    assert "gdr3.gaia_source" in set(tap.tables.keys())
    columns = {column.name: column for column in tap.tables["gdr3.gaia_source"].columns}
    assert str(columns["ra"].unit) == "deg"


def test_the_life_of_a_job(tap):
    job = tap.submit_job("SELECT TOP 3 source_id FROM gdr2.gaia_source")
    assert job.phase == "PENDING"
    job.run()
    assert job.wait().phase == "COMPLETED"
    assert len(job.fetch_result()) == 3
    assert "gaia_source" in job.query
    assert job.job_id in {listed.jobid for listed in tap.get_job_list()}
    url = job.url
    job.delete()
    assert requests.get(url, timeout=10).status_code == 404
    stopped = tap.submit_job("SELECT TOP 3 source_id FROM gdr2.gaia_source")
    stopped.abort()
    assert stopped.phase == "ABORTED"


# VVV and VizieR

EPOCHS = {
    "eso/tap_cat": "SELECT s.SOURCEID, m.MJD AS mjd, m.KSMAG AS mag FROM VVV_CAT_V2 AS s "
    "JOIN VVV_MPHOT_Ks_V2 AS m ON m.SOURCEID = s.SOURCEID "
    "WHERE 1 = CONTAINS(POINT('ICRS', s.RA2000, s.DEC2000), CIRCLE('ICRS', {}, {}, 0.0003))",
    "vsa/vsa": "SELECT s.sourceID, d.mjd AS mjd, d.aperMag1 AS mag FROM VVVDR4.vvvSource AS s "
    "JOIN VVVDR4.vvvSourceXDetectionBestMatch AS b ON b.sourceID = s.sourceID "
    "JOIN VVVDR4.vvvDetection AS d ON d.multiframeID = b.multiframeID AND d.extNum = b.extNum "
    "AND d.seqNum = b.seqNum WHERE d.filterID = 5 AND "
    "1 = CONTAINS(POINT('ICRS', s.ra, s.dec), CIRCLE('ICRS', {}, {}, 0.0003))",
}


@pytest.mark.parametrize("service", EPOCHS)
def test_epochs_of_a_position(new_archive, folder, service):
    from pyvo.dal import TAPService

    star = pd.read_csv(folder / "vvv/stars.csv").iloc[0]
    with tarfile.open(folder / "vvv/light_curves.tar.gz") as packed:
        curve = np.loadtxt(packed.extractfile(f"{star['id']}.dat"))
    tap = TAPService(f"{new_archive().address}/{service}")
    epochs = tap.run_sync(EPOCHS[service].format(star["ra"], star["dec"])).to_table()
    np.testing.assert_array_equal(epochs["mag"], curve[:, 1])
    # Light takes 499 s from the Sun to the Earth.
    assert np.abs(curve[:, 0] - 0.5 - epochs["mjd"]).max() < 500 / 86400
    assert np.ptp(curve[:, 0] - epochs["mjd"]) > 100 / 86400


def test_epochs_of_real_stars(mirror):
    from pyvo.dal import TAPService

    with LoopbackArchive(mirror) as archive:
        table = TAPService(f"{archive.address}/eso/tap_cat").run_sync(
            "SELECT SOURCEID, COUNT(*) AS n, MIN(MJD) AS first FROM VVV_MPHOT_Ks_V2 "
            "GROUP BY SOURCEID ORDER BY SOURCEID"
        )
        lines = [
            [line.split() for line in path.read_text().splitlines()]
            for path in sorted((mirror / "vvv_zero_points/test_data").glob("*_xmatch.dat"))
        ]
    rows = [[float(row[5]) for row in star if row[2] == "Ks"] for star in lines]
    assert table["n"].tolist() == [len(star) for star in rows]
    assert table["first"].tolist() == [min(star) for star in rows]


@pytest.fixture
def vizier(mirror):
    """astroquery's client for VizieR, sent to a loopback archive."""
    from astroquery import cache_conf
    from astroquery.vizier import VizierClass

    with LoopbackArchive(mirror) as archive, cache_conf.set_temp("cache_active", False):

        class Vizier(VizierClass):
            def _server_to_url(self, return_type="votable"):
                return f"{archive.address}/vizier/viz-bin/{return_type}"

        yield Vizier


def test_catalogues(vizier, mirror):
    (table,) = vizier(columns=["**"], row_limit=-1).get_catalogs("J/ApJS/261/33")
    assert len(table) == 4447
    assert (table["Per"][0], table["Ksmag"][0]) == (0.643188, 14.657)
    assert table["RAJ2000"][0] == pytest.approx(15 * (17 + 5 / 60 + 27.27 / 3600))
    both = vizier(row_limit=3).get_catalogs(["III/176", "J/AJ/110/2319"])
    assert [len(one) for one in both] == [3, 3]


def test_constraints_on_a_catalogue(vizier):
    (table,) = vizier(columns=["Name", "Per"], row_limit=-1).query_constraints(
        catalog="J/ApJS/261/33/table5", Per="0.5..0.6", Ksmag="<14"
    )
    assert table.colnames == ["Name", "Per"]
    assert 0.5 <= table["Per"].min() < table["Per"].max() <= 0.6
    (nearby,) = vizier().query_region(
        SkyCoord("17h05m27.27s -34d33m50.9s"), radius=10 * units.arcsec, catalog="J/ApJS/261/33"
    )
    assert nearby["Name"].tolist() == [7]


def test_catalogues_by_tap(mirror):
    from pyvo.dal import TAPService

    with LoopbackArchive(mirror) as archive:
        tap = TAPService(f"{archive.address}/vizier/TAPVizieR/tap")
        table = tap.run_sync('SELECT COUNT(*) AS n FROM "J/ApJS/261/33/table5"').to_table()
    assert table["n"].tolist() == [4447]


# Misbehaviour


def fetch(archive, path=f"ogle/{IDENT}", timeout=5):
    return urllib.request.urlopen(f"{archive.address}/{path}", timeout=timeout)


@pytest.mark.parametrize(
    ("kind", "status"), [("server_error", 500), ("unavailable", 503), ("too_many_requests", 429)]
)
def test_statuses(new_archive, kind, status):
    archive = new_archive(faults=Faults(at={1: kind}, retry_after=3))
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(archive)
    with caught.value as error:
        assert error.code == status
        assert error.headers.get("Retry-After") == (None if status == 500 else "3")
    assert fetch(archive).status == 200


def test_a_page_instead_of_a_file(new_archive):
    reply = fetch(new_archive(faults=Faults(at={1: "html"})))
    assert reply.status == 200
    assert b"<html>" in reply.read()


def test_wrong_bytes(new_archive, folder):
    content = (folder / "ogle_ocvs/ogle4/blg/ident.dat").read_bytes()
    spoilt = fetch(new_archive(faults=Faults(at={1: "wrong_bytes"}))).read()
    assert len(spoilt) == len(content)
    assert spoilt != content
    assert spoilt[:100] == content[:100]


def test_replies_that_end_too_early(new_archive, folder):
    size = (folder / "ogle_ocvs/ogle4/blg/ident.dat").stat().st_size
    archive = new_archive(faults=Faults(at={1: "truncated", 2: "cut", 3: "reset_in_body"}))
    with pytest.raises(http.client.IncompleteRead) as caught:
        fetch(archive).read()
    assert len(caught.value.partial) == size // 2
    reply = fetch(archive)
    assert reply.length is None
    assert len(reply.read()) == size // 2
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        fetch(archive).read()
    assert len(fetch(archive).read()) == size


def test_a_dropped_connection(new_archive):
    archive = new_archive(faults=Faults(at={1: "reset"}))
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        fetch(archive)
    assert archive.log[0].status == 0


@pytest.mark.parametrize("kind", ["latency", "hang"])
def test_late_replies(new_archive, kind):
    archive = new_archive(faults=Faults(at={1: kind}, **{kind: 0.3}))
    started = time.monotonic()
    assert fetch(archive).status == 200
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize(
    ("kind", "phase"), [("aborted_job", "ABORTED"), ("failed_job", "ERROR"), ("expired_job", None)]
)
def test_jobs_that_come_to_nothing(new_archive, kind, phase):
    from pyvo.dal import DALServiceError, TAPService

    # 1 makes the job and 4 starts it; after each of them the client looks at it, at 2, 3 and 5.
    archive = new_archive(faults=Faults(at={6: kind}))
    job = TAPService(f"{archive.address}/gaia_aip/tap").submit_job("SELECT 1 AS one")
    job.run()
    if phase:
        assert job.phase == phase
    else:
        with pytest.raises(DALServiceError, match="404"):
            _ = job.phase
    assert archive.faults_done == {kind: 1}


def test_only_jobs_can_expire(new_archive):
    archive = new_archive(faults=Faults(at={1: "expired_job"}))
    assert fetch(archive).status == 200
    assert not archive.faults_done


def test_a_reply_without_a_body_has_none_to_damage(new_archive):
    archive = new_archive(faults=Faults(at={1: "wrong_bytes", 2: "cut"}))
    for _ in range(2):
        reply = requests.post(
            f"{archive.address}/gaia_aip/tap/async", data={"QUERY": "x"}, allow_redirects=False,
            timeout=10,
        )  # fmt: skip
        assert reply.status_code == 303
    assert not archive.faults_done


def requests_of(number):
    return [Request("GET", f"/files/{n}") for n in range(number)]


def test_faults_depend_on_the_request_and_not_on_the_order():
    faults = Faults(rate=0.4, seed=5)
    drawn = {request.path: faults.choose(request, 1, 1, 0) for request in requests_of(300)}
    backwards = requests_of(300)[::-1]
    assert drawn == {request.path: faults.choose(request, 9, 1, 0) for request in backwards}
    share = np.mean([fault is not None for fault in drawn.values()])
    assert 0.3 < share < 0.5
    assert set(drawn.values()) - {None} == set(KINDS) - {"expired_job", "aborted_job", "failed_job"}
    other = Faults(rate=0.4, seed=6)
    assert drawn != {request.path: other.choose(request, 1, 1, 0) for request in requests_of(300)}


def test_patience_is_rewarded(new_archive):
    archive = new_archive(faults=Faults(rate=1.0, kinds=("server_error",), in_a_row=2))
    statuses = [get(archive, f"ogle/{IDENT}").status_code for _ in range(6)]
    assert statuses == [500, 500, 200, 500, 500, 200]
    assert archive.faults_done == {"server_error": 4}


def test_faults_can_be_limited_to_a_path(new_archive):
    faults = Faults(rate=1.0, kinds=("html",), below="/files/")
    archive = new_archive(faults=faults)
    assert get(archive, f"ogle/{IDENT}").content[:4] == b"OGLE"
    assert b"<html>" in get(archive, "files/gaia_dr3/vari_rrlyrae.csv.gz").content


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kinds": ("flood",)}, "unknown fault 'flood'.*latency"),
        ({"at": {1: "flood"}}, "unknown fault 'flood'"),
        ({"rate": 1.5}, "rate of faults is 1.5"),
    ],
)
def test_a_wrong_plan_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Faults(**settings)


# The log


def test_the_log_says_what_was_asked_for(new_archive):
    archive = new_archive(faults=Faults(at={2: "unavailable"}))
    for _ in range(2):
        get(archive, f"ogle/{IDENT}", **{"User-Agent": "a test"})
    told = get(archive, "loopback/log").json()
    assert [entry["status"] for entry in told["requests"]] == [200, 503]
    assert told["requests"][0]["agent"] == "a test"
    assert told["requests"][0]["path"] == f"/ogle/{IDENT}"
    assert told["faults"] == {"unavailable": 1}
    assert [Entry(**entry) for entry in told["requests"]] == archive.log
    archive.reset()
    assert archive.log == []
    assert get(archive, f"ogle/{IDENT}").status_code == 200


def test_the_log_counts_requests_at_a_time(new_archive):
    faults = Faults(rate=1.0, kinds=("latency",), latency=0.5, in_a_row=99)
    archive = new_archive(faults=faults)
    threads = [
        threading.Thread(target=get, args=(archive, f"{service}/x"))
        for service in ("ogle", "ogle", "ogle", "files")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert archive.most_at_once == {"ogle": 3, "files": 1}


def test_it_runs_alone(folder, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(metalyra.__file__).parents[1]))
    command = [sys.executable, "-m", "testbench.loopback", "--mirror", str(folder)]
    with subprocess.Popen(
        [*command, "--faults", "html", "--rate", "1"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            lines = [process.stdout.readline() for _ in range(2)]
            variable, _, address = lines[1].removeprefix("export ").strip().partition("=")
            assert variable == "METALYRA_ARCHIVES"
            assert b"<html>" in requests.get(f"{address}/ogle/{IDENT}", timeout=10).content
        finally:
            process.terminate()


def test_it_needs_a_folder(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--mirror", str(tmp_path / "none")])
    assert "must name a folder" in capsys.readouterr().err


def test_compressed_lists_are_whole(archive, folder):
    reply = get(archive, "files/gaia_dr2/vari_rrlyrae.csv.gz")
    assert gzip.decompress(reply.content).startswith(b"source_id")
