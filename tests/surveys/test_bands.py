import pytest

from metalyra.surveys import SURVEYS
from metalyra.surveys.bands import resolve_band


@pytest.mark.parametrize(
    ("names", "band"),
    [
        (["g", "zg", "ZTF g", "ztf_g", "g_ztf", "g'", "SDSS g", "SLOAN/SDSS.g", "gP1"], "g"),
        (["r", "zr", "LSST-r", "Palomar/ZTF.r", "PS1 r", "Pan-STARRS r", "r_P1"], "r"),
        (["i", "zi", "sdss_i"], "i"),
        (["I", "I_C", "Ic", "Cousins I", "OGLE I", "i_cousins"], "I"),
        (["V", "Johnson V", "V_johnson", "ASAS-SN V", "CRTS V"], "V"),
        (["G", "Gaia G", "phot_g", "phot_g_mean_mag", "GAIA/GAIA3.G", "gaia"], "G"),
        (["BP", "bp", "G_BP", "phot_bp", "gaia_bp", "GAIA/GAIA3.Gbp"], "BP"),
        (["RP", "rp", "g_rp", "phot_rp_mean_mag"], "RP"),
        (["W1", "w1", "WISE W1", "w1mpro"], "W1"),
        (["TESS", "tess"], "TESS"),
        (["Kepler", "kepler", "Kp"], "Kepler"),
        (["Ks", "ks", "K_s", "2MASS Ks", "VVV Ks"], "Ks"),
        (["ASAS-SN g", "rubin g"], "g"),
        (["u", "LSST u"], "u"),
        (["y", "lsst_y"], "y"),
    ],
)
def test_a_band_has_one_name(names, band):
    assert {name: resolve_band(name) for name in names} == dict.fromkeys(names, band)


@pytest.mark.parametrize("name", ["K", "F606W", "v", "my filter", "1", "Rc2", "", "unfiltered"])
def test_any_other_name_is_left_as_it_is(name):
    assert resolve_band(f" {name} ") == name


def test_a_letter_keeps_its_case():
    assert [resolve_band(letter) for letter in "gGiIvVrRjJ"] == list("gGiIvVrRjJ")


def test_the_bands_of_all_archives_keep_their_names():
    for survey in SURVEYS.values():
        assert [resolve_band(band) for band in survey.bands] == [*survey.bands]
