"""Further bands of the same files, in which the periods of a sample are looked for."""

import logging

import pandas as pd
import pytest

from metalyra.core.tables import read_table
from metalyra.surveys import SurveyError, ingest, ingest_other_bands, survey
from tests.core.test_containers import write_zip
from tests.surveys.test_gaia import ID, epochs, product, write_stars
from tests.surveys.test_rubin import SOURCES, VISITS
from tests.surveys.test_ztf import IRSA, OIDS

CURVES = pd.DataFrame(
    {
        "star_id": ["b", "a", "a", "b", "a", "b"],
        "time": [3.0, 2.0, 1.0, 1.0, 4.0, 2.0],
        "mag": [15.0, 15.2, 15.1, 14.0, 16.0, 15.5],
        "filter": ["I", "I", "I", "V", "V", "z_SDSS"],
    }
)
STARS = "star_id,period,ra,dec,oid\n"


def read(tmp_path, name, stars, curves, band, others, chunks=1):
    """Return the tables of all chunks, as a sample of the survey has them."""
    source, out = survey(name), tmp_path / "others"
    table = ingest(source, [stars], curves, band, tmp_path / "own", chunks)
    ingest_other_bands(source, table, curves, band, others, out, chunks)
    return pd.concat(
        [read_table(out / f"{chunk}.parquet") for chunk in range(chunks)], ignore_index=True
    )


@pytest.fixture
def stars(tmp_path):
    path = tmp_path / "stars.csv"
    path.write_text(f"{STARS}a,0.5,,,\nb,0.6,,,\n")
    return path


def test_further_bands_come_in_order_of_star_and_time(tmp_path, stars, caplog):
    caplog.set_level(logging.INFO)
    CURVES.to_csv(tmp_path / "curves.csv", index=False)
    curves = [tmp_path / "curves.csv"]
    table = read(tmp_path, "own", stars, curves, "V", ["z", "I", "Ks"])
    assert table.columns.tolist() == ["star_id", "band", "time", "mag", "mag_err"]
    assert table["star_id"].tolist() == ["a", "a", "b", "b"]
    assert table["band"].tolist() == ["I", "I", "z", "I"]
    assert table["mag"].tolist() == [15.1, 15.2, 15.5, 15.0]
    assert "band I: 3 measurements of 2 stars" in caplog.text
    missing = "no star has a measurement in band Ks; there are I (3), V (2), z (1)"
    assert missing in caplog.text
    parts = read(tmp_path, "own", stars, curves, "V", ["z", "I"], chunks=3)
    pd.testing.assert_frame_equal(
        parts.sort_values(["star_id", "time"], ignore_index=True), table, check_dtype=False
    )


def test_a_table_without_bands_is_of_no_further_band(tmp_path, stars, caplog):
    CURVES.drop(columns="filter").to_csv(tmp_path / "curves.csv", index=False)
    table = read(tmp_path, "own", stars, [tmp_path / "curves.csv"], "V", ["I"])
    assert len(table) == 0
    assert table.columns.tolist() == ["star_id", "band", "time", "mag", "mag_err"]
    assert "no star has a measurement in band I; there are no name (6)" in caplog.text


def test_times_on_another_scale_than_those_of_the_band_are_left_out(tmp_path, stars, caplog):
    folder = tmp_path / "curves"
    folder.mkdir()
    of_band = CURVES.groupby("filter")
    of_band.get_group("V").rename(columns={"time": "HJD"}).to_csv(folder / "v.csv", index=False)
    of_band.get_group("I").rename(columns={"time": "MJD"}).to_csv(folder / "i.csv", index=False)
    paths = [folder / "v.csv", folder / "i.csv"]
    assert len(read(tmp_path, "own", stars, paths, "V", ["I"])) == 0
    assert "its parts have times on two scales" in caplog.text


def test_gaia_has_three_bands(tmp_path):
    path = write_zip(tmp_path / "x.zip", {product(): epochs().encode()})
    stars = write_stars(tmp_path, f"source_id,pf,p1_o,best_classification\n{ID},0.6,,RRab\n")
    table = read(tmp_path, "gaia_dr3", stars, [path], "G", ["BP", "RP"])
    assert table[["star_id", "band", "time"]].to_numpy().tolist() == [[ID, "BP", 1703.6]]


def test_ztf_finds_the_objects_of_a_star_in_all_filters(tmp_path):
    IRSA.to_csv(tmp_path / "lc.csv", index=False)
    stars = tmp_path / "stars.csv"
    stars.write_text(f"{STARS}A,0.5,280,10,{OIDS}\nB,0.6,281,11,7\nC,0.6,281,11,\nD,0.6,9,1,\n")
    table = read(tmp_path, "ztf", stars, [tmp_path / "lc.csv"], "g", ["r"])
    assert table[["star_id", "time"]].to_numpy().tolist() == [["A", 2458221.9]]


def test_rubin_looks_up_the_times_of_all_bands(tmp_path):
    folder = tmp_path / "dp1"
    folder.mkdir()
    SOURCES.to_csv(folder / "ForcedSource.csv", index=False)
    VISITS.to_csv(folder / "Visit.csv", index=False)
    stars = tmp_path / "stars.csv"
    stars.write_text("objectId,ra,dec,period\n611256447031836758,53,-28,0.5\n")
    table = read(tmp_path, "rubin", stars, [folder], "g", ["r"])
    assert table["band"].tolist() == ["r"]
    assert table["time"][0] == pytest.approx(2460623.6, abs=0.01)


def test_files_that_do_not_say_their_band_have_no_further_one(tmp_path):
    stars = pd.DataFrame({"star_id": ["a"], "status": ["ok"]})
    with pytest.raises(SurveyError, match="survey dg22 do not say their band"):
        ingest_other_bands(survey("dg22"), stars, [], "G", ["Ks"], tmp_path, 1)
