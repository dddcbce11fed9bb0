import pytest

from metalyra.surveys import SurveyError
from metalyra.surveys.formats.literature import SOLAR_IRON, read_metallicities


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
