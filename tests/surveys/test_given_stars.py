import logging

import numpy as np
import pandas as pd
import pytest
from astropy import units
from astropy.table import MaskedColumn, Table

from metalyra.surveys import SurveyError, check_stars, survey
from metalyra.surveys.formats.column_names import STAR_ALIASES
from metalyra.surveys.formats.given_stars import normalise_type

OWN = survey("own")

TABLE = Table(
    {
        "Source_ID": np.array([4071632917964102401, 7], dtype=np.int64),
        "RAJ2000": [266.5, 10.0],
        "DEJ2000": [-29.0, 5.0],
        "P": [0.512345678901, 0.3],
        "Type": ["RRab", "c"],
        "FeH": MaskedColumn([-1.25, 0.0], mask=[False, True]),
        "e_FeH": MaskedColumn([0.1, 0.0], mask=[False, True]),
        "Note": ["bulge", "field, north"],
        "Vmag": [15.25, 16.0],
    }
)


def write(table: Table, path):
    kind = path.name.partition(".")[2]
    if kind == "parquet":
        table.to_pandas().to_parquet(path)
    else:
        formats = {"vot": "votable", "fits": "fits", "ecsv": "ascii.ecsv", "csv": "ascii.csv"}
        table.write(path, format=formats[kind])
    return path


@pytest.mark.parametrize("kind", ["csv", "ecsv", "vot", "fits", "parquet"])
def test_a_star_list_may_be_of_any_kind(tmp_path, kind):
    stars = check_stars(OWN.read_stars([write(TABLE, tmp_path / f"s.{kind}")]))
    assert stars["star_id"].tolist() == ["4071632917964102401", "7"]
    assert stars["period"].tolist() == [0.512345678901, 0.3]
    assert stars["pulsation_type"].tolist() == ["RRab", "RRc"]
    np.testing.assert_array_equal(stars[["ra", "dec"]], [[266.5, -29.0], [10.0, 5.0]])
    np.testing.assert_array_equal(stars["archive_feh"], [-1.25, np.nan])
    np.testing.assert_array_equal(stars["archive_feh_err"], [0.1, np.nan])
    assert stars["n_spectra"].tolist() == [1, 0]
    assert stars["given_Note"].tolist() == ["bulge", "field, north"]
    assert stars["given_Vmag"].astype(float).tolist() == [15.25, 16.0]
    assert stars["status"].tolist() == ["ok", "ok"]


@pytest.mark.parametrize(
    "text",
    [
        "star_id,period\na b,0.5\nc,0.6\n",
        "star_id;period\na b;0.5\nc;0.6\n",
        "star_id\tperiod\na b\t0.5\nc\t0.6\n",
        "| star_id | period |\n| a b | 0.5 |\n| c | 0.6 |\n",
        'star_id period\n"a b" 0.5\nc 0.6\n',
        "# a comment; with, marks\n\nstar_id,period\n# another\na b,0.5\n\nc,0.6\n",
        '"star_id","period"\n"a b","0.5"\n"c","0.6"\n',
        "# star_id, period\na b,0.5\nc,0.6\n",
        "NAME , Period (d)\r\na b , 0.5\r\nc , 0.6\r\n",
        "\ufeffstar_id,period,\na b,0.5,\nc,0.6,\n",
    ],
)
def test_text_may_have_any_separator_quotes_and_comments(tmp_path, text):
    (tmp_path / "s.txt").write_text(text, encoding="utf-8")
    stars = OWN.read_stars([tmp_path / "s.txt"])
    assert stars["star_id"].tolist() == ["a b", "c"]
    assert stars["period"].tolist() == ["0.5", "0.6"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_a_name_may_have_any_letters(tmp_path, encoding):
    (tmp_path / "s.csv").write_text("id,per\nRR Lyræ,0.5\n", encoding=encoding)
    assert OWN.read_stars([tmp_path / "s.csv"])["star_id"].tolist() == ["RR Lyræ"]


def test_every_alias_is_understood_and_in_one_place(tmp_path):
    for ours, others in STAR_ALIASES.items():
        for name in others:
            path = tmp_path / "s.csv"
            path.write_text(f"{'x' if ours == 'star_id' else 'star_id'},{name.upper()}\n1,0.5\n")
            stars = OWN.read_stars([path])
            assert f"given_{name.upper()}" not in stars, name


def test_a_column_may_be_named_by_the_user(tmp_path):
    (tmp_path / "s.csv").write_text("who,P_puls,period,met\na,0.5,9,-1\n")
    own = survey("own", {"columns": {"star_id": "who", "period": "P_puls", "feh": "MET"}})
    [star] = own.read_stars([tmp_path / "s.csv"]).to_dict("records")
    assert (star["star_id"], star["period"], star["archive_feh"]) == ("a", "0.5", -1.0)
    assert star["given_period"] == "9"
    with pytest.raises(SurveyError, match=r"columns: 'perod' is unknown; did you mean period\?"):
        survey("own", {"columns": {"perod": "P"}})


@pytest.mark.parametrize(
    ("spellings", "kind"),
    [
        (("ab", "RR0", "RRAB", "rrab", "RRab", "RR Lyr ab", "FU", "0"), "RRab"),
        (("c", "RR1", "RRC", "RRc", "1O", "FO"), "RRc"),
        (("d", "RRd", "RR01", "01"), "RRd"),
        (("EW", "Cep", "RRLYR?", "b"), None),
    ],
)
def test_types_have_many_spellings(spellings, kind):
    for text in spellings:
        assert normalise_type(text) == (kind or text)


@pytest.mark.parametrize(
    ("ra", "dec"),
    [
        ("17:45:40.0", "-29:00:28"),
        ("17h45m40s", "-29d00m28s"),
        ("17 45 40.00", "−29 00 28.0"),
        ("266.4166666667", "-29.0077777778"),
        ("266d25m00s", "-29°00'28\""),
    ],
)
def test_angles_may_be_sexagesimal(tmp_path, ra, dec):
    path = tmp_path / "s.tsv"
    path.write_text(f"id\tra\tdec\tp\na\t{ra}\t{dec}\t0.5\n")
    [star] = OWN.read_stars([path]).to_dict("records")
    assert star["ra"] == pytest.approx(266.4166666667)
    assert star["dec"] == pytest.approx(-29.0077777778)


def test_what_is_no_angle_is_said_and_left_out(tmp_path, caplog):
    (tmp_path / "s.csv").write_text("id,ra,dec,p\na,17:65:00,5,0.5\nb,east,6,0.5\n")
    with caplog.at_level(logging.WARNING):
        stars = OWN.read_stars([tmp_path / "s.csv"])
    assert stars["ra"].isna().all()
    assert "2 values of 'ra' are no angles and are left out; row 1, star a, has '17:65:00'" in (
        caplog.text
    )


def test_units_of_columns_are_heeded(tmp_path):
    table = Table({"id": ["a"], "ra": [12.0], "dec": [0.5], "period": [12.0]})
    table["ra"].unit, table["dec"].unit, table["period"].unit = "hourangle", "rad", "h"
    path = tmp_path / "s.ecsv"
    table.write(path)
    [star] = check_stars(OWN.read_stars([path])).to_dict("records")
    assert star["ra"] == 180.0
    assert star["dec"] == pytest.approx(np.degrees(0.5))
    assert star["period"] == 0.5
    table["period"].unit = units.Jy
    table.write(path, overwrite=True)
    with pytest.raises(SurveyError, match=r"s\.ecsv: its column 'period' is in 'jy'"):
        OWN.read_stars([path])


def test_the_spectra_of_a_star_become_their_mean(tmp_path):
    rows = ["a,-1.0,0.1", "b,-2.0,", "a,-1.2,0.2", "b,-1.0,0.3", "c,-1,0.1", "c,-1,0.1", "d,,"]
    (tmp_path / "s.csv").write_text(
        "id,feh,e_feh,period\n" + "".join(f"{row},0.5\n" for row in rows)
    )
    stars = check_stars(OWN.read_stars([tmp_path / "s.csv"]))
    assert stars["star_id"].tolist() == ["a", "b", "c", "c#2", "d"]
    assert stars["status"].tolist() == ["ok", "ok", "ok", "duplicate_id", "ok"]
    assert stars["n_spectra"].tolist() == [2, 2, 1, 1, 0]
    assert stars["archive_feh"][0] == pytest.approx(-1.04)  # (-1/0.01 - 1.2/0.04) / 125
    assert stars["archive_feh_err"][0] == pytest.approx(125**-0.5)
    assert stars["archive_feh"][1] == -1.5
    assert np.isnan(stars["archive_feh_err"][1])


def test_rows_that_differ_in_more_are_other_stars(tmp_path):
    (tmp_path / "s.csv").write_text("id,feh,period\na,-1,0.5\na,-2,0.6\n")
    stars = check_stars(OWN.read_stars([tmp_path / "s.csv"]))
    assert stars["status"].tolist() == ["ok", "duplicate_id"]
    assert stars["archive_feh"].tolist() == [-1.0, -2.0]


def test_numbers_that_are_no_identifiers_are_refused(tmp_path):
    pd.DataFrame({"id": [4.071632917964102e18], "p": [0.5]}).to_parquet(tmp_path / "s.parquet")
    with pytest.raises(SurveyError, match="'id' holds numbers with a decimal point, whose last"):
        OWN.read_stars([tmp_path / "s.parquet"])
    pd.DataFrame({"id": [7.0], "p": [0.5]}).to_parquet(tmp_path / "s.parquet")
    assert OWN.read_stars([tmp_path / "s.parquet"])["star_id"].tolist() == ["7"]
