"""Light curves in tables of any kind."""

import bz2
import gzip
import io
import logging
import zipfile

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy import units
from astropy.table import Table
from astropy.time import Time

from metalyra.core.tables import read_table
from metalyra.surveys import SurveyError, ingest, survey
from metalyra.surveys.formats.column_names import CURVE_ALIASES, TIMES
from tests.core.test_containers import write_folder, write_tar, write_zip

CURVE = Table(
    {
        "HJD": [2457000.5, 2457001.5, 2457002.5],
        "Magnitude": [15.0, 15.5, 15.25],
        "e_mag": [0.01, 0.02, np.nan],
        "Filter": ["zg", "zr", "zg"],
    }
)


def read_curves(path, ids=("a",), band="g", positions=(np.nan, np.nan), **reading):
    stars = pd.DataFrame({"star_id": list(ids), "ra": positions[0], "dec": positions[1]})
    curves = survey("own", reading).read_light_curves([path], stars, band)
    return {curve.star_id: curve for curve in curves}


def serialise(table: Table, kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind == "parquet":
        table.to_pandas().to_parquet(buffer)
    elif kind in ("fits", "vot"):
        table.write(buffer, format={"fits": "fits", "vot": "votable"}[kind])
    else:
        text = io.StringIO()
        formats = {"ecsv": "ascii.ecsv", "csv": "ascii.csv", "dat": "ascii.basic"}
        table.write(text, format=formats[kind])
        buffer.write(text.getvalue().encode())
    return buffer.getvalue()


KINDS = ["csv", "dat", "ecsv", "fits", "vot", "parquet"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("container", ["folder", "zip", "tar", "gz", "bz2"])
def test_the_light_curve_of_a_star_may_be_of_any_kind(tmp_path, kind, container):
    name, data = f"a.{kind}", serialise(CURVE, kind)
    match container:
        case "zip":
            path = write_zip(tmp_path / "x.zip", {name: data, "other.csv": b"x"})
        case "tar":
            path = write_tar(tmp_path / "x.tar.gz", {f"field/{name}": data})
        case "gz":
            path = write_folder(tmp_path / "x", {f"{name}.gz": gzip.compress(data)})
        case "bz2":
            path = write_folder(tmp_path / "x", {f"{name}.bz2": bz2.compress(data)})
        case _:
            path = write_folder(tmp_path / "x", {name: data, "README.txt": b"x"})
    curve = read_curves(path)["a"]
    assert curve.problem is None
    np.testing.assert_array_equal(
        curve.table, [[2457000.5, 15.0, 0.01], [2457002.5, 15.25, np.nan]]
    )
    assert curve.time_scale == "HJD"
    assert curve.left_out == {"in band r": 1}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("compress", ["", "gz", "zip"])
def test_a_long_table_may_be_of_any_kind(tmp_path, kind, compress, monkeypatch):
    monkeypatch.setattr("metalyra.surveys.formats.given_tables.BATCH_ROWS", 2)
    table = CURVE.copy()
    table["Source_ID"] = np.array([4071632917964102401, 8, 4071632917964102401])
    data = serialise(table, kind)
    path = tmp_path / f"lc.{kind}{'.' * bool(compress)}{compress}"
    if compress == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"lc.{kind}", data)
    else:
        path.write_bytes(gzip.compress(data) if compress else data)
    stars = pd.DataFrame({"star_id": ["4071632917964102401", "8"]})
    parts = [*survey("own").read_light_curves([path], stars, "g")]
    assert {part.star_id for part in parts} == {*stars["star_id"]}
    found = pd.concat([part.table for part in parts if part.star_id != "8"])
    assert found["time"].tolist() == [2457000.5, 2457002.5]
    assert found["mag"].tolist() == [15.0, 15.25]


def test_every_alias_is_understood(tmp_path):
    for ours in ("time", "mag", "mag_err", "flux", "flux_err", "band"):
        for name in CURVE_ALIASES[ours]:
            columns = {"time": "1", "mag": "15"} if "flux" not in ours else {"time": "1"}
            columns = {**columns, **({"flux": "10"} if ours == "flux_err" else {}), ours: "2"}
            columns = {(name if key == ours else key): cell for key, cell in columns.items()}
            text = ",".join(columns).upper() + "\n" + ",".join(columns.values()) + "\n"
            path = write_folder(tmp_path / "x", {"a.csv": text.encode()})
            reading = {"magnitude_zero_point": 20.0} if "flux" in ours else {}
            curve = read_curves(path, band="2", **reading)["a"]
            assert curve.problem is None, name
            assert len(curve.table) == 1, name


@pytest.mark.parametrize("name", TIMES)
def test_a_column_of_times_says_what_they_are(tmp_path, name):
    start = {"bt": 1700.0, "bk": 1000.0, "rj": 57000.0}.get(name[:2], 57000.0)
    start = start if name[0] == "m" or name[:2] in ("hm", "bm", "bt", "bk", "rj") else 2457000.0
    start = 57000.0 if name.startswith(("mid", "exp")) else start
    path = write_folder(tmp_path / "x", {"a.csv": f"{name},mag\n{start},15\n".encode()})
    said = read_curves(path)["a"].time_scale
    assert said is not None
    assert "JD" in said
    assert "constant" not in said


def test_times_that_cannot_be_what_their_column_says_are_not_called_so(tmp_path):
    path = write_folder(tmp_path / "x", {"a.csv": b"hjd,mag\n7000.5,15\n"})
    assert read_curves(path)["a"].time_scale == "HJD, less a constant"
    curve = read_curves(path, time_scale="HJD - 2450000")["a"]
    assert curve.time_scale == "HJD - 2450000"
    curve = read_curves(path, time_scale="MJD UTC to BJD TDB")["a"]
    assert curve.table is None
    assert curve.problem == f"{path}/a.csv: its times, such as 7000.5, are no MJD UTC (time_scale)"


def test_times_are_converted_where_the_user_says_so(tmp_path):
    path = write_folder(tmp_path / "x", {"a.csv": b"time,mag\n57000,15\n57182,15\n"})
    kept = read_curves(path, time_scale="MJD UTC")["a"]
    assert kept.table["time"].tolist() == [57000.0, 57182.0]
    at_position = read_curves(path, positions=(270.0, 0.0), time_scale="MJD UTC to BJD TDB")["a"]
    shift = (at_position.table["time"] - 2400000.5 - kept.table["time"]) * 86400
    assert shift.between(-450, 600).all()
    assert np.ptp(shift) > 880
    assert at_position.time_scale == "BJD TDB"
    without = read_curves(path, time_scale="MJD UTC to BJD TDB")["a"]
    assert without.time_scale == "JD TDB"


def test_the_times_of_an_astropy_table_say_their_scale(tmp_path):
    table = Table(
        {"time": Time([57000.0, 57001.0], format="mjd", scale="tai"), "mag": [15.0, 16.0]}
    )
    path = write_folder(tmp_path / "x", {"a.ecsv": serialise(table, "ecsv")})
    curve = read_curves(path)["a"]
    assert curve.time_scale == "MJD TAI"
    np.testing.assert_allclose(curve.table["time"], [57000.0, 57001.0])


def test_times_on_two_scales_are_no_light_curve(tmp_path):
    path = write_folder(
        tmp_path / "x", {"a.csv": b"hjd,mag\n2457000.5,15\n", "a.dat": b"mjd mag\n57000 15\n"}
    )
    (tmp_path / "s.csv").write_text("id,period\na,0.5\n")
    stars = ingest(survey("own"), [tmp_path / "s.csv"], [path], "g", tmp_path / "out", 1)
    assert stars["status"].tolist() == ["unreadable_light_curve"]
    assert stars["reason"][0].startswith("its parts have times on two scales, HJD and MJD")
    assert len(read_table(tmp_path / "out/0.parquet")) == 0


def test_fluxes_become_magnitudes(tmp_path):
    path = write_folder(
        tmp_path / "x", {"a.csv": b"t,flux,flux_err\n1,1000,10\n2,-5,10\n3,0,10\n4,,\n"}
    )
    curve = read_curves(path, magnitude_zero_point=31.4)["a"]
    np.testing.assert_allclose(
        curve.table, [[1, 23.9, 2.5 / np.log(10) / 100], [4, np.nan, np.nan]]
    )
    assert curve.left_out == {"with a flux that is not positive": 2}
    problem = read_curves(path)["a"].problem
    assert (
        "'flux' holds fluxes; give the magnitude of a flux of 1 with magnitude_zero_po" in problem
    )
    faint = write_folder(tmp_path / "y", {"a.csv": b"t,flux_nJy,err\n1,1000,10\n"})
    np.testing.assert_allclose(read_curves(faint)["a"].table, [[1, 23.9, 2.5 / np.log(10) / 100]])


@pytest.mark.parametrize(("unit", "magnitude"), [("nJy", 31.4), ("uJy", 23.9), ("Jy", 8.9)])
@pytest.mark.parametrize("kind", ["ecsv", "fits", "vot"])
def test_the_unit_of_a_flux_has_its_zero_point(tmp_path, unit, magnitude, kind):
    table = Table({"time": [1.0], "flux": [1.0]})
    table["flux"].unit = unit
    path = write_folder(tmp_path / "x", {f"a.{kind}": serialise(table, kind)})
    assert read_curves(path)["a"].table["mag"].tolist() == pytest.approx([magnitude])
    table["flux"].unit = units.adu
    path = write_folder(tmp_path / "x", {f"a.{kind}": serialise(table, kind)})
    assert "holds fluxes in" in read_curves(path)["a"].problem
    table.rename_column("flux", "mag")
    path = write_folder(tmp_path / "x", {f"a.{kind}": serialise(table, kind)})
    assert "not magnitudes; call it flux and give magnitude_zero_point" in (
        read_curves(path)["a"].problem
    )


def test_other_units_are_heeded(tmp_path):
    table = Table({"time": [86400.0], "mag": [15000.0]})
    table["time"].unit, table["mag"].unit = "s", "mmag"
    path = write_folder(tmp_path / "x", {"a.ecsv": serialise(table, "ecsv")})
    np.testing.assert_allclose(read_curves(path)["a"].table[["time", "mag"]], [[1.0, 15.0]])


def test_the_bands_there_are_are_named_if_none_fits(tmp_path):
    path = tmp_path / "x.csv"
    rows = "a,1,15,zg\n" * 3 + "b,1,15,zr\n" * 2 + "b,2,15,\nc,1,15,W9\n"
    path.write_text("id,mjd,mag,filtercode\n" + rows)
    with pytest.raises(
        SurveyError,
        match=r"no measurement of the stars is in band i; there are g \(3\), r \(2\), no name",
    ):
        read_curves(path, "ab", band="i")


def test_columns_without_use_are_named_once(tmp_path, caplog):
    curves = {f"{star}.csv": b"time,mag,airmass\n1,15,x\n2,16,1.2\n" for star in "ab"}
    with caplog.at_level(logging.INFO):
        found = read_curves(write_folder(tmp_path / "x", curves), "ab")
    assert [len(curve.table) for curve in found.values()] == [2, 2]
    assert caplog.text.count("not used are its columns airmass") == 1


def test_what_is_left_out_is_counted(tmp_path, caplog):
    rows = "".join(f"a,{day},15\n" for day in (1, 1e300, 1e9, 2))
    (tmp_path / "x.csv").write_text("id,time,mag\n" + rows)
    (tmp_path / "s.csv").write_text("id,period\na,0.5\n")
    with caplog.at_level(logging.INFO):
        ingest(survey("own"), [tmp_path / "s.csv"], [tmp_path / "x.csv"], "g", tmp_path / "out", 1)
    assert "left out: 2 measurements of 1 stars at a time beyond 1e+07 d" in caplog.text
    assert read_table(tmp_path / "out/0.parquet")["time"].tolist() == [1.0, 2.0]


def test_a_row_of_another_length_is_its_stars_problem(tmp_path):
    (tmp_path / "x.csv").write_text("id,time,mag\na,1,15\nb,1\nb,2,15\nc,1,15,9\nd,1,15\n")
    curves = read_curves(tmp_path / "x.csv", "abcd")
    assert {star for star, curve in curves.items() if curve.table is not None} == {"a", "d"}
    assert curves["b"].problem == f"{tmp_path}/x.csv: row 2 has 2 cells, the header names 3 columns"
    assert ": row 4 has 4 cells" in curves["c"].problem


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_a_bad_row_counts_wherever_a_long_table_is_cut(tmp_path, monkeypatch, rows):
    monkeypatch.setattr("metalyra.surveys.formats.given_tables.BATCH_ROWS", rows)
    lines = "".join(f"{star},{day},{15 + day}\n" for day in range(4) for star in "ab")
    (tmp_path / "x.csv").write_text("id,time,mag\n" + lines + "b,9,faint\n")
    (tmp_path / "s.csv").write_text("id,period\na,0.5\nb,0.5\n")
    stars = ingest(
        survey("own"), [tmp_path / "s.csv"], [tmp_path / "x.csv"], "g", tmp_path / "out", 1
    )
    assert stars["status"].tolist() == ["ok", "unreadable_light_curve"]
    assert stars["reason"].tolist()[0] == ""
    assert stars["reason"][1].startswith(f"{tmp_path}/x.csv: row 9 holds 'faint', which is not a n")
    assert set(read_table(tmp_path / "out/0.parquet")["star_id"]) == {"a"}


def test_every_star_without_a_light_curve_has_its_reason(tmp_path):
    folder = write_folder(
        tmp_path / "curves",
        {
            "a.csv": b"time,mag\n1,15\n",
            "c.csv": b"time,mag,band\n1,15,r\n",
            "d.csv": b"time,mag\n1,x",
        },
    )
    (tmp_path / "s.csv").write_text(
        "id,period,type\na,0.5,\nb,0.5,\nc,0.5,\nd,0.5,\ne,,\nf,long,\ng,-1,\nh,inf,\ni,0.5,d\n"
        "a,0.5,\nx/y,0.5,\n"
    )
    stars = ingest(survey("own"), [tmp_path / "s.csv"], [folder], "g", tmp_path / "out", 1)
    assert dict(zip(stars["star_id"], stars["reason"], strict=True)) == {
        "a": "",
        "b": f"there is no file b.csv (.dat, .fits, ...) in {folder}",
        "c": "none of its 1 measurements counts: 1 in band r",
        "d": f"{folder}/d.csv: row 1 holds 'x', which is not a number; time is in days (a date as "
        "its MJD, JD or HJD), mag and mag_err in magnitudes",
        "e": "the star list has no period of it",
        "f": "its period is 'long', which is not a number",
        "g": "its period is -1, which is not positive",
        "h": "its period is inf, which is not finite",
        "i": "its type is 'RRd'; known: RRab, RRc",
        "a#2": "row 1 of the star list is the same star",
        "x/y": "no file can have its name; give one long table with the column star_id",
    }


def test_a_star_list_without_periods_is_refused_unless_they_are_found(tmp_path):
    (tmp_path / "s.csv").write_text("id,perid\na,0.5\n")
    (tmp_path / "x.csv").write_text("id,time,mag\na,1,15\n")
    files = [tmp_path / "s.csv"], [tmp_path / "x.csv"], "g", tmp_path / "out", 1
    with pytest.raises(SurveyError, match=r"s\.csv: no column 'period' .*; did you mean perid\? "):
        ingest(survey("own"), *files)
    stars = ingest(survey("own"), *files, periods_required=False)
    assert stars["status"].tolist() == ["ok"]


def test_the_time_scale_travels_to_the_chunks(tmp_path):
    (tmp_path / "s.csv").write_text("id,period\na,0.5\n")
    (tmp_path / "x.csv").write_text("id,mjd,mag\na,57000,15\n")
    ingest(survey("own"), [tmp_path / "s.csv"], [tmp_path / "x.csv"], "g", tmp_path / "out", 1)
    assert pq.read_schema(tmp_path / "out/0.parquet").metadata[b"time_scale"] == b"MJD"
