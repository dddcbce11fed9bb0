import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from metalyra.surveys import SurveyError
from metalyra.surveys.formats.text_tables import (
    check_columns,
    parse_numbers,
    read_star_list,
    to_degrees,
)


def test_numbers_are_read_past_comments_and_empty_lines():
    data = b"# time mag\n 1.5 2e1\n\n-3 nan\r\n"
    assert_array_equal(parse_numbers(data), [[1.5, 20.0], [-3.0, np.nan]])
    assert_array_equal(parse_numbers(b"1, 2\n3,\n", b","), [[1.0, 2.0], [3.0, np.nan]])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no rows"),
        (b"# only a comment\n", "no rows"),
        (b"1 2\n1 2 3\n", "row 2 has 3 columns, the first has 2"),
        (b"1 2\n1 ****\n", r"row 2 holds '\*\*\*\*', which is not a number"),
        (b"<html>\n<body>\n", "row 1 holds '<html>'"),
        (b"1 \xff\xfe\n", "row 1 holds"),
    ],
)
def test_what_is_no_table_of_numbers_is_said(data, message):
    with pytest.raises(ValueError, match=message):
        parse_numbers(data)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_table_or_a_value_error(data):
    try:
        numbers = parse_numbers(data)
    except ValueError:
        return
    assert numbers.ndim == 2
    assert numbers.size > 0


def test_a_missing_and_an_unknown_column_are_named_with_what_is_allowed():
    with pytest.raises(SurveyError, match=r"x\.csv: no column 'mag'; it needs time, mag"):
        check_columns("x.csv", ["time"], ["time", "mag"])
    with pytest.raises(SurveyError, match=r"unknown column 'flux'.*may have mag_err"):
        check_columns("x.csv", ["time", "flux"], ["time"], ["time", "mag_err"])
    check_columns("x.csv", ["time", "flux"], ["time"])


@pytest.mark.parametrize(
    "text",
    [
        "# id period\na 0.5\nb 0.6\n",
        "a 0.5\nb 0.6\n",
        "star_id,period\na,0.5\nb,0.6\n",
        "\ufeffid , period\na , 0.5\nb , 0.6\n",
    ],
)
def test_a_star_list_may_have_a_header(tmp_path, text):
    path = tmp_path / "stars.lst"
    path.write_text(text, encoding="utf-8")
    stars = read_star_list(path)
    assert stars["star_id"].tolist() == ["a", "b"]
    assert stars["period"].tolist() == ["0.5", "0.6"]
    assert stars["ra"].isna().all()


def test_the_number_of_columns_tells_what_a_bare_list_holds(tmp_path):
    path = tmp_path / "stars.lst"
    for line, columns in (
        ("a", ["star_id"]),
        ("a 270.1 -30.2", ["star_id", "ra", "dec"]),
        ("a 270.1 -30.2 0.5", ["star_id", "ra", "dec", "period"]),
    ):
        path.write_text(line + "\n")
        stars = read_star_list(path)
        assert stars.dropna(axis="columns").columns.tolist() == columns
        assert stars["ra"].dtype == float


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,period,colour\na,0.5,red\n", "unknown column 'colour'; it needs star_id and may have"),
        ("a 1 2 3 4 5 6\n", "7 columns without a header"),
        ("", "empty"),
        ("id,period\na,0.5\n,0.6\n", "row 2 has no star_id"),
    ],
)
def test_a_wrong_star_list_is_an_error_that_names_it(tmp_path, text, message):
    path = tmp_path / "stars.lst"
    path.write_text(text)
    with pytest.raises(SurveyError, match=rf"stars\.lst: .*{message}"):
        read_star_list(path)


def test_sexagesimal_angles():
    degrees = to_degrees(pd.Series(["-00:30:36.0", "+10:15:00", "10:15", "x"], dtype="str"))
    assert_array_equal(degrees, [-0.51, 10.25, np.nan, np.nan])
    hours = to_degrees(pd.Series(["17:05:27.27"], dtype="str"), hours=True)
    assert hours[0] == pytest.approx(15 * (17 + 5 / 60 + 27.27 / 3600), abs=1e-12)
