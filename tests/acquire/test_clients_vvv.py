"""The client for VVV epochs: pyvo asks the loopback archive by position."""

from dataclasses import replace

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
from metalyra.acquire.clients.interface import OverflowingReplyError
from metalyra.acquire.connection import RetryPolicy
from metalyra.acquire.services import find_services, read_archives
from metalyra.surveys import SurveyError, survey
from testbench.simulate import simulate_sky, write_archives

ARCHIVES = read_archives()
QUERIES = {
    name: {"archive": name, "product": "epochs", "stars": ["stars.csv"]}
    for name in ("eso_vvv", "vsa_vvv")
}

# pyvo leaves it to the garbage collector to close its connections.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("sky")
    write_archives(simulate_sky({"n_rrab": 8, "n_rrab_field": 1, "n_rrc": 10}, seed=6), path)
    return path


@pytest.fixture
def stars(folder):
    stars = survey("vvv").read_stars([folder / "vvv/stars.csv"])
    return stars.dropna(subset=["ra", "dec"]).drop_duplicates("star_id")


@pytest.fixture
def ask(rerouted, tmp_path):
    """Ask for the epochs of some stars, perhaps with other limits; returns the file."""

    def make(query, stars, name="epochs.csv.gz", **names):
        product = find_product(query, ARCHIVES["archives"])
        product = replace(product, names={**product.names, **names})
        make_source(
            product,
            query,
            stars,
            tmp_path / name,
            tmp_path / "replies",
            find_services({}, ARCHIVES["services"]),
            RetryPolicy(attempts=2, pause=0.0, timeout=5.0),
        )
        return tmp_path / name

    return make


@pytest.mark.parametrize("name", QUERIES)
def test_the_epochs_are_read_as_light_curves(ask, stars, folder, name):
    def read(path):
        curves = survey("vvv").read_light_curves([path], stars, "Ks")
        return {curve.star_id: curve.table for curve in curves if curve.table is not None}

    found = read(ask(QUERIES[name], stars))
    own = read(folder / "vvv/light_curves.tar.gz")
    assert len(found) >= 5
    for star_id, table in found.items():
        for aperture in set(table["aperture"]):
            curve, expected = (
                part[(part["aperture"] == aperture) & (part["mag"] < 90)].sort_values("time")
                for part in (table, own[star_id])
            )
            np.testing.assert_allclose(curve["mag"], expected["mag"], atol=1e-4)
            # From MJD and back: the Earth's radius is 0.02 s.
            np.testing.assert_allclose(curve["time"], expected["time"], atol=1e-4, rtol=0)


def test_the_bytes_are_the_same_however_the_query_is_split(ask, archive, stars):
    whole = ask(QUERIES["eso_vvv"], stars, "whole.csv").read_bytes()
    single = ask(QUERIES["eso_vvv"], stars, "single.csv", positions_per_request=1).read_bytes()
    assert single == whole
    rows = whole.count(b"\n") // 3
    asked = len(archive.log)
    assert ask(QUERIES["eso_vvv"], stars, "cut.csv", rows_per_request=rows).read_bytes() == whole
    assert len(archive.log) > asked + 5


def test_only_the_nearest_source_is_the_star():
    product = find_product(QUERIES["eso_vvv"], ARCHIVES["archives"])
    stars = pd.DataFrame({"star_id": ["a", "b"], "ra": [10.0, 20.0], "dec": [0.0, 5.0]})
    query = {**QUERIES["eso_vvv"], "radius": 2.0}
    [request] = plan_requests(product, query, stars)
    assert "CIRCLE('ICRS', 10.0000000, 0.0000000, 0.0005556)" in request.parameters["QUERY"]


def test_sources_beside_the_star_are_left_out(tmp_path):
    product = find_product(QUERIES["eso_vvv"], ARCHIVES["archives"])
    stars = pd.DataFrame({"star_id": ["a", "b"], "ra": [10.0, 20.0], "dec": [0.0, 5.0]})
    arcsec = 1 / 3600
    reply = tmp_path / "reply.csv"
    reply.write_text(
        "source_id,ra,dec,MJD,KSMAG,KSERR\n"
        f"7,{10 + 0.6 * arcsec},0.0,55000.2,14.2,0.01\n"
        f"7,{10 + 0.6 * arcsec},0.0,55000.1,14.1,0.01\n"
        f"8,10.0,{0.2 * arcsec},55000.1,16.0,0.01\n"
        f"9,20.0,{5 + 1.5 * arcsec},55000.1,15.0,0.01\n"
    )
    product.client.assemble(
        product.names, QUERIES["eso_vvv"], stars, [reply, reply], tmp_path / "a.csv"
    )
    table = pd.read_csv(tmp_path / "a.csv")
    assert table[["star_id", "source_id"]].to_numpy().tolist() == [["a", 8]]
    with pytest.raises(OverflowingReplyError):
        product.client.assemble(
            {**product.names, "rows_per_request": 4},
            QUERIES["eso_vvv"],
            stars,
            [reply],
            tmp_path / "a.csv",
        )


def test_nothing_found_is_an_empty_table(ask, stars):
    elsewhere = stars.assign(dec=-stars["dec"])
    for some in (elsewhere, stars[:0]):
        table = pd.read_csv(ask(QUERIES["eso_vvv"], some))
        assert list(table) == ["star_id", "source_id", "ra", "dec", "MJD", "KSMAG", "KSERR"]
        assert table.empty


def test_stars_without_positions_cannot_be_asked_for():
    product = find_product(QUERIES["eso_vvv"], ARCHIVES["archives"])
    with pytest.raises(QueryError, match="asked by position"):
        plan_requests(product, QUERIES["eso_vvv"], pd.DataFrame({"star_id": ["a"]}))


def test_the_epochs_of_ogles_stars(ask, folder):
    """Each star once, and only those of the types that are asked for."""
    query = {
        **{"archive": "vsa_vvv", "product": "epochs", "survey": "ogle", "types": ["RRab"]},
        "batches": 2,
    }
    product = find_product(query, ARCHIVES["archives"])
    files = [folder / f"ogle_ocvs/ogle4/blg/{name}.dat" for name in ("ident", "RRab", "RRc")]
    listed = survey("ogle").read_stars(files)
    wanted = set(listed.loc[listed["pulsation_type"] == "RRab", "star_id"])
    assert listed["star_id"].duplicated().any()
    assert wanted < set(listed["star_id"])
    batches = [read_stars(product, query, files, batch) for batch in range(2)]
    names = [name for stars in batches for name in stars["star_id"]]
    assert sorted(names) == sorted(wanted)
    [table] = [pd.read_csv(ask(query, pd.concat(batches)))]
    assert table["star_id"].str.startswith("OGLE-BLG-RRLYR-").all()
    assert 5 < table["star_id"].nunique() <= len(wanted)


def test_epochs_come_with_the_keys_of_their_zero_points(ask, stars, tmp_path):
    """A table of corrections for all images but those of one chip."""
    query = {**QUERIES["vsa_vvv"], "product": "epochs_of_chips"}
    path = ask(query, stars)
    rows = pd.read_csv(path)
    assert {"multiframeID", "extNum", "camNum", "fileName"} <= {*rows}
    images = rows[rows["camNum"] != 7].drop_duplicates("multiframeID")
    observations = images["fileName"].str.extract(r"(v\d{8}_\d{5})_st\.fit$")[0]
    numbers = range(1, 6)
    table = np.zeros(
        len(images),
        dtype=[("obsid", "S15"), ("chip", "i4")]
        + [(f"{name}{k}", "f8") for name in ("ap", "zperr") for k in numbers],
    )
    table["obsid"], table["chip"] = observations.to_numpy(dtype="S15"), images["camNum"]
    for k in numbers:
        table[f"ap{k}"], table[f"zperr{k}"] = 0.01 * k * images["camNum"], 0.001 * k
    np.save(tmp_path / "zpcorrtable.npy", table)

    def read(*paths):
        curves = survey("vvv").read_light_curves(list(paths), stars, "Ks")
        tables = pd.concat(curve.table.assign(star_id=curve.star_id) for curve in curves)
        # One of the simulated light curves has each row twice.
        return tables.drop_duplicates(["star_id", "time", "aperture"], keep=False)

    raw, corrected = read(path), read(path, tmp_path / "zpcorrtable.npy")
    assert raw["zp_err"].isna().all()
    keys = ["star_id", "time", "aperture"]
    pairs = raw.merge(corrected, "left", keys, suffixes=("", "_corrected"), validate="1:1")
    pairs = pairs[pairs["aperture"] == 1].sort_values(keys)
    known = rows[rows["aperMag1"].between(0, 90)].drop_duplicates(["star_id", "mjd"], keep=False)
    known = known.sort_values(["star_id", "mjd"])
    chips = known["camNum"].where(known["camNum"] != 7).to_numpy()
    assert 0 < np.isnan(chips).sum() < len(chips) / 8
    np.testing.assert_allclose(pairs["mag"] - pairs["mag_corrected"], 0.01 * chips, atol=1e-9)
    assert (corrected["zp_err"] == 0.001 * corrected["aperture"]).all()
    # Without image and chip nothing is corrected, and nothing is passed off as corrected.
    rows.drop(columns="fileName").to_csv(tmp_path / "no_file.csv", index=False)
    with pytest.raises(SurveyError, match="corrected by image and chip: no column 'filename'"):
        read(tmp_path / "no_file.csv", tmp_path / "zpcorrtable.npy")
    tiles = rows["fileName"].str.replace("_st.fit", "_st_tl.fit", regex=False)
    rows.assign(fileName=tiles).to_csv(tmp_path / "tiles.csv", index=False)
    with pytest.raises(SurveyError, match=r"no detection is of a pawprint.*_st_tl\.fit"):
        read(tmp_path / "tiles.csv", tmp_path / "zpcorrtable.npy")
