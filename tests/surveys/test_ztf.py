import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metalyra.core.tables import read_metadata, read_table
from metalyra.surveys import SurveyError, ingest, survey

# Columns of IRSA's light-curve service; star A is two objects of g and one of r.
IRSA = pd.DataFrame(
    {
        "oid": [461109200009563, 461109200009563, 1456111300011213, 1456111300011213, 4611, 7],
        "expid": 1,
        "hjd": [2458217.9, 2458218.9, 2458219.9, 2458220.9, 2458221.9, 2458222.9],
        "mjd": [58217.4, 58218.4, 58219.4, 58220.4, 58221.4, 58222.4],
        "mag": [15.0, 15.1, 15.2, 15.3, 14.5, 16.0],
        "magerr": 0.02,
        "catflags": [0, 0, 32768, 0, 0, 0],
        "filtercode": ["zg", "zg", "zg", "zg", "zr", "zg"],
        "ra": 280.0,
        "dec": 10.0,
        "chi": 1.0,
        "sharp": 0.0,
        "field": 461,
        "ccdid": 9,
        "qid": 2,
    }
)
OIDS = "461109200009563 1456111300011213 4611"


@pytest.fixture
def stars(tmp_path):
    path = tmp_path / "stars.csv"
    path.write_text(f"name,ra,dec,period,oid\nA,280,10,0.5,{OIDS}\nB,281,11,0.6,8\n")
    return path


def read(tmp_path, stars, curves, band="ZTF g"):
    from metalyra.surveys.bands import resolve_band

    table = ingest(survey("ztf"), [stars], [curves], resolve_band(band), tmp_path / "out", 1)
    return table, read_table(tmp_path / "out/0.parquet")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_objects_of_a_star_are_joined_and_clean(tmp_path, stars, kind):
    path = tmp_path / f"lc.{kind}"
    IRSA.to_csv(path, index=False) if kind == "csv" else IRSA.to_parquet(path)
    table, curves = read(tmp_path, stars, path)
    assert table["status"].tolist() == ["ok", "no_light_curve"]
    assert curves["time"].tolist() == [2458217.9, 2458218.9, 2458220.9]
    assert curves["mag"].tolist() == [15.0, 15.1, 15.3]
    assert set(curves["band"]) == {"g"}
    assert read_metadata(tmp_path / "out/0.parquet")["time_scale"] == "HJD"
    _, red = read(tmp_path, stars, path, "zr")
    assert red["mag"].tolist() == [14.5]


def test_a_file_may_be_named_after_its_star(tmp_path, stars):
    folder = tmp_path / "lc"
    folder.mkdir()
    IRSA[IRSA["oid"] != 7].to_csv(folder / "A.csv", index=False)
    IRSA[IRSA["oid"] == 7].assign(oid=8).to_csv(folder / "query_2.csv", index=False)
    table, curves = read(tmp_path, stars, folder)
    assert table["status"].tolist() == ["ok", "ok"]
    assert curves["star_id"].tolist() == ["A", "A", "A", "B"]


@pytest.mark.parametrize("layout", ["lists of groups", "groups of lists"])
def test_the_nested_light_curves_of_a_hats_catalogue_are_read(tmp_path, stars, layout):
    epochs = {
        "hmjd": [58217.4, 58218.4],
        "mag": [15.0, 15.1],
        "magerr": [0.02, 0.02],
        "clrcoeff": [0.0, 0.0],
        "catflags": [0, 4],
    }
    if layout == "lists of groups":
        rows = [{name: values[place] for name, values in epochs.items()} for place in (0, 1)]
        nested = pa.array([rows, [], rows])
    else:
        nested = pa.StructArray.from_arrays(
            [pa.array([values, [], values]) for values in epochs.values()], [*epochs]
        )
    path = tmp_path / "hats.parquet"
    pq.write_table(
        pa.table(
            {
                "objectid": pa.array([461109200009563, 1456111300011213, 4611], pa.int64()),
                "filterid": pa.array([1, 1, 2], pa.int8()),
                "objra": [280.0, 280.0, 280.0],
                "nepochs": [2, 0, 2],
                "lightcurve": nested,
            }
        ),
        path,
    )
    table, curves = read(tmp_path, stars, path)
    assert table["status"].tolist() == ["ok", "no_light_curve"]
    np.testing.assert_array_equal(curves[["time", "mag", "mag_err"]], [[58217.4, 15.0, 0.02]])
    assert read_metadata(tmp_path / "out/0.parquet")["time_scale"] == "HMJD"


def test_an_object_is_of_one_star(tmp_path, stars):
    stars.write_text("name,period,oid\nA,0.5,1 2\nB,0.6,2\n")
    (tmp_path / "lc.csv").write_text("oid,hjd,mag\n1,2458217.9,15\n")
    with pytest.raises(SurveyError, match="says of A and of B that they are oid 2"):
        read(tmp_path, stars, tmp_path / "lc.csv")
