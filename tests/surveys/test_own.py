import gzip

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from metalyra.surveys import SurveyError, check_stars, survey
from tests.core.test_containers import write_folder

OWN = survey("own")


def read_curves(path, ids, band="G"):
    curves = OWN.read_light_curves([path], pd.DataFrame({"star_id": ids}), band)
    return {curve.star_id: curve for curve in curves}


def test_stars_need_a_name_and_a_period(tmp_path):
    path = tmp_path / "stars.csv"
    path.write_text("star_id, period\n007, 0.5\n4071632917964102401,text\na,0.3\na,0.3\n")
    stars = check_stars(OWN.read_stars([path]))
    assert stars["star_id"].tolist() == ["007", "4071632917964102401", "a", "a#2"]
    assert stars["status"].tolist() == ["ok", "invalid_period", "ok", "duplicate_id"]
    assert stars["pulsation_type"].tolist() == ["RRab"] * 4
    assert stars["ra"].isna().all()


def test_a_star_may_be_called_like_a_missing_value(tmp_path):
    path = tmp_path / "stars.csv"
    names = ["nan", "NA", "null", "None"]
    rows = "".join(f"{name},0.5,NaN\n" for name in names)
    path.write_text(f"star_id,period,pulsation_type\n{rows}b,NA,RRc\n")
    stars = check_stars(OWN.read_stars([path]))
    assert stars["star_id"].tolist() == [*names, "b"]
    assert stars["status"].tolist() == ["ok"] * 4 + ["invalid_period"]
    assert stars["pulsation_type"].tolist() == ["RRab"] * 4 + ["RRc"]
    long = tmp_path / "x.csv"
    long.write_text("star_id,time,mag,mag_err\nnan,1,15,\nnan,2,NaN,0.1\nNA,1,16,nan\n")
    curves = read_curves(long, names)
    assert {*curves} == {"nan", "NA"}
    np.testing.assert_array_equal(curves["nan"].table["mag"], [15.0, np.nan])
    np.testing.assert_array_equal(curves["nan"].table["mag_err"], [np.nan, 0.1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("star,period,id\na,1,b\n", "the columns 'star' and 'id' are all star_id; say which one"),
        ("star_id,period,P\na,1,2\n", "the columns 'period' and 'P' are all period; say which"),
        ("str_id,period\na,1\n", "no column 'star_id'; did you mean str_id. it has str_id, period"),
        ("a,0.5\nb,0.6\n", "it has no header; the first line must name the columns"),
        ("star_id,period\n,1\n", "row 1 has no star_id"),
        ("star_id,period\na,1\nb\n", "row 2 has 1 cells, the header names 2 columns"),
        ("star_id,feh\na,-1.5\nb,poor\n", "row 2, star b, has 'poor' in the column 'feh', which"),
        ("star_id,x,x\na,1,2\n", "it has two columns 'x'"),
        ("", "empty"),
        ('star_id,period\n"a,0.5\n', "not a table"),
    ],
)
def test_a_wrong_star_table_is_an_error_that_names_it(tmp_path, text, message):
    path = tmp_path / "stars.csv"
    path.write_text(text)
    with pytest.raises(SurveyError, match=rf"stars\.csv: .*{message}"):
        OWN.read_stars([path])


@pytest.mark.parametrize(
    "data",
    [
        b"time,mag,mag_err\n1.5,15.0,0.1\n2.5,15.5,\n",
        b"mag,mag_err,time\n15.0,0.1,1.5\n15.5,,2.5\n",
        b"1.5,15.0,0.1\n2.5,15.5,nan\n",
        b"# time mag mag_err\n1.5 15.0 0.1\r\n2.5 15.5 nan\r\n",
        b"\xef\xbb\xbf time , mag , mag_err\n1.5 , 15.0 , 0.1\n2.5 , 15.5 , \n",
    ],
)
def test_a_light_curve_is_a_csv_of_its_star(tmp_path, data):
    table = read_curves(write_folder(tmp_path / "x", {"a.csv": data}), ["a"])["a"].table
    assert table.columns.tolist() == ["time", "mag", "mag_err"]
    np.testing.assert_array_equal(table, [[1.5, 15.0, 0.1], [2.5, 15.5, np.nan]])


def test_errors_are_optional(tmp_path):
    folder = write_folder(tmp_path / "x", {"a.csv": b"time,mag\n1,15\n", "b.csv": b"1 15\n"})
    for curve in read_curves(folder, ["a", "b"]).values():
        assert curve.table["mag_err"].isna().all()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is empty"),
        (b"15.0\n", "1 columns without a header; they are time, mag, mag_err"),
        (b"1,2,3,4\n", "4 columns without a header"),
        (
            b"time,mga\n1,2\n",
            "no column 'mag'; did you mean mga? it has time, mga; name yours with",
        ),
        (b"time,flux\n1,2\n", "its column 'flux' holds fluxes; give the magnitude of a flux of 1"),
        (b"time,mag\n", "no rows"),
        (b"time,mag\n1,2,3\n", "row 1 has 3 cells, the header names 2 columns"),
        (b"time,mag\n1,bright\n", "row 1 holds 'bright', which is not a number"),
        (b"mjd,hjd,mag\n1,1,15\n", "the columns 'mjd' and 'hjd' are all time; say which one count"),
        (b"\x00\x01\x02", "it holds bytes that are no text"),
    ],
)
def test_an_unreadable_light_curve_is_a_problem_of_its_star_only(tmp_path, data, message):
    folder = write_folder(tmp_path / "x", {"a.csv": data, "b.csv": b"time,mag\n1,15\n"})
    curves = read_curves(folder, ["a", "b"])
    assert curves["a"].table is None
    assert curves["a"].problem.startswith(f"{folder}/a.csv: ")
    assert message in curves["a"].problem
    assert len(curves["b"].table) == 1


def test_an_identifier_is_never_a_path(tmp_path):
    write_folder(tmp_path, {"secret.csv": b"time,mag\n1,15\n", "x/a.csv": b"time,mag\n1,15\n"})
    names = ["../secret", str(tmp_path / "secret"), "x/../../secret", "a\0", "a"]
    assert [*read_curves(tmp_path / "x", names)] == ["a"]


LONG = pd.DataFrame(
    {
        "star_id": ["a", "b", "a", "c"],
        "time": [2.0, 1.0, 1.0, 3.0],
        "mag": [15.0, 16.0, 15.5, 17.0],
        "band": ["G", "G", "G", "BP"],
    }
)


def write_long(path, table):
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", ["x.parquet", "x.csv", "x.csv.gz"])
def test_a_long_table_holds_all_stars(tmp_path, name):
    path = write_long(tmp_path / name, LONG)
    curves = read_curves(path, ["a", "b", "c"])
    assert curves["a"].table["mag"].tolist() == [15.0, 15.5]
    assert len(curves["c"].table) == 0
    assert curves["c"].left_out == {"in band BP": 1}
    curves = read_curves(path, ["a", "c"], "BP")
    assert (len(curves["a"].table), len(curves["c"].table)) == (0, 1)


@pytest.mark.parametrize(
    ("table", "index"),
    [(LONG.iloc[[0, 2, 3]], "__index_level_0__"), (LONG.set_index("star_id"), "star_id")],
)
def test_the_index_of_a_data_frame_does_no_harm(tmp_path, table, index):
    path = tmp_path / "x.parquet"
    table.to_parquet(path)
    assert index in pq.read_schema(path).names
    assert read_curves(path, ["a", "b"])["a"].table["mag"].tolist() == [15.0, 15.5]


def test_a_long_table_is_read_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("metalyra.surveys.formats.given_tables.BATCH_ROWS", 1)
    for name in ("x.parquet", "x.csv"):
        path = write_long(tmp_path / name, LONG)
        parts = [*OWN.read_light_curves([path], pd.DataFrame({"star_id": ["a"]}), "G")]
        assert [part.table["mag"].tolist() for part in parts] == [[15.0], [15.5]]


def test_numbers_for_identifiers_are_their_digits(tmp_path):
    path = write_long(
        tmp_path / "x.parquet",
        pd.DataFrame({"star_id": [4071632917964102401], "time": [1.0], "mag": [2.0]}),
    )
    assert {*read_curves(path, ["4071632917964102401"])} == {"4071632917964102401"}


def test_text_among_the_numbers_is_a_problem_of_its_star_only(tmp_path):
    path = write_long(tmp_path / "x.csv", LONG.assign(mag=["15", "faint", "15.5", ""]))
    curves = read_curves(path, ["a", "b"])
    assert curves["b"].table is None
    assert "faint" in curves["b"].problem
    assert len(curves["a"].table) == 2


@pytest.mark.parametrize("kind", ["ns", "s", "with a time zone", "dates"])
def test_dates_in_a_parquet_table_are_days(tmp_path, kind):
    dates = pd.Series(pd.to_datetime(["2015-01-01 00:00", "2015-01-01 12:00", None]))
    days = [57023.0, 57023.5, np.nan]
    if kind == "dates":
        dates, days = dates.dt.date, [57023.0, 57023.0, np.nan]
    elif kind == "with a time zone":
        dates = dates.dt.tz_localize("UTC").dt.tz_convert("America/Santiago")
    else:
        dates = dates.astype(f"datetime64[{kind}]")
    table = pd.DataFrame({"star_id": "a", "time": dates, "mag": 15.0})
    path = write_long(tmp_path / "x.parquet", table)
    np.testing.assert_array_equal(read_curves(path, ["a"])["a"].table["time"], days)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("mag", pd.to_datetime(["2015-01-01"])),
        ("time", pd.to_timedelta([1], unit="D")),
        ("mag_err", pd.to_datetime(["2015-01-01"]).tz_localize("UTC")),
    ],
)
def test_other_dates_in_a_parquet_table_are_an_error(tmp_path, column, values):
    table = pd.DataFrame({"star_id": ["a"], "time": [1.0], "mag": [2.0]}).assign(**{column: values})
    path = write_long(tmp_path / "x.parquet", table)
    with pytest.raises(SurveyError, match=rf"x\.parquet: its column '{column}'.*in days"):
        read_curves(path, ["a"])


@pytest.mark.parametrize(
    "data", [b"time,mag\n2015-01-01,15\n", b"2015-01-01,15\n", b"2015-01-01T00:00 15 0.1\n"]
)
def test_dates_in_a_text_are_unreadable_and_the_problem_says_what_is_expected(tmp_path, data):
    folder = write_folder(tmp_path / "x", {"a.csv": data})
    problem = read_curves(folder, ["a"])["a"].problem
    assert "2015-01-01" in problem
    assert "time is in days (a date as its MJD, JD or HJD)" in problem
    long = tmp_path / "long.csv"
    long.write_text("star_id,time,mag\na,2015-01-01,15\n")
    problem = read_curves(long, ["a"])["a"].problem
    assert "2015-01-01" in problem
    assert "time is in days" in problem


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("x.csv", b"star_id,time\na,1\n", "no column 'mag'; it has star_id, time; name yours with"),
        ("x.csv", b"time,mag\n1,2\n", "no column 'star_id'; it has time, mag"),
        ("x.csv", b"", "it is empty"),
        (
            "x.csv.gz",
            gzip.compress(b"star_id,time,mag\n" * 99, mtime=0)[:-9],
            "damaged or cut short",
        ),
        (
            "x.csv.gz",
            gzip.compress(gzip.compress(b"star_id,time,mag\n", mtime=0), mtime=0),
            "compressed more than onc",
        ),
        ("x.parquet", b"PAR1", "not a table"),
        ("x.fits", b"", "it is empty"),
        ("x.csv", b"<!DOCTYPE html><html>404</html>", "a web page or other markup, not a table"),
        ("x.csv", b"%PDF-1.7", "not a table but a PDF"),
        ("x.csv", bytes(257) + b"ustar" + bytes(250), "not a table but a tar archive; unpack it"),
    ],
)
def test_a_wrong_long_table_is_an_error_that_names_it(tmp_path, name, data, message):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(SurveyError, match=rf"{name}: .*{message}"):
        read_curves(path, ["a"])
