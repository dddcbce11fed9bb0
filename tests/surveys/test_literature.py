from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from metalyra.surveys import SurveyError
from metalyra.surveys.formats.literature import (
    SOLAR_IRON,
    average_metallicities,
    normalise_name,
    read_literature,
    read_metallicities,
)
from metalyra.surveys.ifeh import read_calibrators

POSITIONS = Path(__file__).parents[2] / "resources/literature_positions.csv"


def write(tmp_path, text):
    path = tmp_path / "abundances.dat"
    path.write_text(text)
    return path


def test_neutral_iron_is_the_metallicity(tmp_path):
    path = write(tmp_path, "name_match,phase,feIh,err_feIh,feIIh\nV701_Pup,0.377,-2.81,0.28,-2.9\n")
    assert read_metallicities(path).to_dict("records") == [
        {"name": "V701_Pup", "feh": -2.81, "feh_err": 0.28, "phase": 0.377}
    ]


def test_abundances_are_relative_to_the_sun(tmp_path):
    path = write(tmp_path, "name_match,log_eps_feI_phot,err_log_eps_feI_phot\nSW_And,7.1,0.1\n")
    (row,) = read_metallicities(path).to_dict("records")
    assert row["feh"] == pytest.approx(7.1 - SOLAR_IRON)
    assert row["feh_err"] == 0.1


def test_the_sun_is_no_star_of_the_table(tmp_path):
    path = write(tmp_path, "name|phi|fehI|err_fehI\nsol|0|0|0\nSC_Sci|0.055|-1.98|0.29\n")
    assert read_metallicities(path)["name"].tolist() == ["SC_Sci"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "empty"), ("feh\n-1\n", "no column 'name'"), ("name\na\n", "no column 'feh'")],
)
def test_a_wrong_table_is_an_error_that_names_it(tmp_path, text, message):
    with pytest.raises(SurveyError, match=rf"abundances\.dat: .*{message}"):
        read_metallicities(write(tmp_path, text))


@pytest.mark.parametrize(
    "spellings",
    [
        ("RR_Cet", "RR Cet", "rrcet", " RR  Cet "),
        ("V445_Oph", "V0445 Oph", "v445oph"),
        ("ASAS_J132225\u20132042.3", "ASAS J132225-2042.3", "ASAS-132225-2042.3"),
        ("KIC_7030715", "KIC-7030715", "KIC 7030715"),
        ("CSS_J015133.8+141105", "CSS J015133.8+141105"),
        ("TYC_4887-622-1", "TYC 4887-622-1"),
    ],
)
def test_a_star_has_one_name_however_it_is_spelt(spellings):
    assert len({normalise_name(name) for name in spellings}) == 1


def test_different_stars_have_different_names():
    names = ("V44_Oph", "V440_Oph", "X_Ari", "XX_Ari", "TYC_4887-622-1", "TYC_488-7622-1", "V_Ind")
    assert len({normalise_name(name) for name in names}) == len(names)


def papers(**tables) -> dict[str, pd.DataFrame]:
    return {name: pd.DataFrame(rows) for name, rows in tables.items()}


def test_spectra_are_weighted_within_a_paper_and_papers_count_alike():
    means = average_metallicities(
        papers(
            first={"name": ["RR_Cet"] * 2, "feh": [-1.0, -1.5], "feh_err": [0.1, 0.2]},
            second={"name": ["rr cet", "X_Ari"], "feh": [-1.6, -2.5], "feh_err": [0.3, 0.1]},
        )
    ).set_index("name")
    of_first, variance = (-1.0 * 100 - 1.5 * 25) / 125, 1 / 125
    assert means.loc["RR_Cet", "feh"] == pytest.approx((of_first - 1.6) / 2)
    # The papers differ by more than their errors say.
    assert means.loc["RR_Cet", "feh_err"] == pytest.approx(abs(of_first + 1.6) / 2)
    assert means.loc["RR_Cet", "feh_err"] > np.sqrt(variance + 0.3**2) / 2
    assert means.loc["RR_Cet", ["n_spectra", "n_papers"]].tolist() == [3, 2]
    assert means.loc["RR_Cet", "papers"] == "first; second"
    assert means.loc["X_Ari", ["feh", "feh_err", "n_spectra"]].tolist() == [-2.5, 0.1, 1]


def test_papers_that_agree_by_chance_are_no_better_than_their_errors():
    means = average_metallicities(
        papers(
            first={"name": ["X_Ari"], "feh": [-2.5], "feh_err": [0.1]},
            second={"name": ["X_Ari"], "feh": [-2.5], "feh_err": [0.2]},
        )
    )
    assert means["feh_err"].tolist() == pytest.approx([np.hypot(0.1, 0.2) / 2])


def test_an_error_that_no_paper_gives_is_unknown():
    means = average_metallicities(
        papers(
            first={"name": ["X_Ari", "RR_Cet"], "feh": [-2.5, -1.5]},
            second={"name": ["X_Ari"], "feh": [-2.1], "feh_err": [0.1]},
            third={"name": ["SW_And", "SW_And"], "feh": [-0.1, -0.3], "feh_err": [0.1, None]},
        )
    ).set_index("name")
    assert means.loc["X_Ari", "feh"] == pytest.approx(-2.3)
    assert means.loc["X_Ari", "feh_err"] == pytest.approx(0.2)
    # Where one spectrum of a paper has no error, all count alike.
    assert means.loc["SW_And", "feh"] == pytest.approx(-0.2)
    assert means.loc[["RR_Cet", "SW_And"], "feh_err"].isna().all()


def test_stars_of_the_literature_get_positions_by_their_names(tmp_path):
    path = tmp_path / "one_1990.dat"
    path.write_text("name_match,feh\nRR_Cet,-1.5\nNo_Star,-1\n")
    places = tmp_path / "positions.csv"
    places.write_text("# sources\nname,ra,dec,source\nRR Cet,23.0,1.25,a.dat\n")
    stars = read_literature([path], places).set_index("star_id")
    assert stars.loc["RR_Cet", ["ra", "dec", "papers"]].tolist() == [23.0, 1.25, "one_1990"]
    assert stars.loc["No_Star", ["ra", "dec"]].isna().all()


def test_stars_of_identifiers_and_of_names_are_not_mixed(tmp_path):
    (tmp_path / "a.csv").write_text("source_id,feh\n123456,-1.5\n")
    (tmp_path / "b.csv").write_text("name,feh\nRR_Cet,-1.5\n")
    assert read_literature([tmp_path / "a.csv"])["star_id"].tolist() == ["123456"]
    with pytest.raises(SurveyError, match="a: no column 'name'"):
        read_literature([tmp_path / "a.csv", tmp_path / "b.csv"])


def test_the_positions_are_those_of_their_sources(mirror):
    known = pd.read_csv(POSITIONS, comment="#")
    assert not known["name"].map(normalise_name).duplicated().any()
    listed = {
        normalise_name(name)
        for path in (mirror / "hds_metallicities").iterdir()
        for name in read_metallicities(path)["name"]
    }
    assert {normalise_name(name) for name in known["name"]} <= listed
    for source, rows in known.groupby("source"):
        if source.startswith("ogle_ocvs"):
            text = (mirror / source).read_text(errors="replace")
            [line] = [line for line in text.splitlines() if line.endswith("VY Nor")]
            assert line.split()[2:4] == ["16:31:33.13", "-53:58:23.8"]
            expected = pd.DataFrame({"ra": [247.88804], "dec": [-53.97328]})
        else:
            table = read_calibrators([mirror / source])
            table = table.assign(key=table["name"].map(normalise_name)).drop_duplicates("key")
            expected = table.set_index("key").loc[rows["name"].map(normalise_name), ["ra", "dec"]]
        np.testing.assert_allclose(rows[["ra", "dec"]], expected, atol=1e-5)
    assert len(known) == 165
