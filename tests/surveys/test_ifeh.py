"""The calibrators' tables and light curves are read as they were published."""

import io
import tarfile

import numpy as np
import pandas as pd
import pytest

from metalyra.surveys.formats.star_tables import check_stars
from metalyra.surveys.ifeh import (
    IFEH,
    SMALLEST_ERROR,
    average_spectra,
    read_calibrators,
    read_light_curves,
    read_stars,
)
from metalyra.surveys.interface import SurveyError

TABLES = ("CHR_X_phot_single.dat", "LIT_hires_feh_1_X_phot.dat", "LIT_hires_feh_2_X_phot.dat")
HEADER = (
    "# name type instrument feh e_feh source shift RA DEC use use_id keep Nep period totamp "
    "A1 A2 A3 A1_e A2_e A3_e phi1 phi2 phi3 phi1_e phi2_e phi3_e phi21 phi21_e phi31 phi31_e "
    "meanmag meanmag_e cost phcov snr order minmax"
)
FITTED = (
    "151 0.36 0.93 0.26 0.16 0.11 0.000 0.005 0.005 0.0 2.5 -0.7 0.01 0.03 0.04 8.8 0.05 5.5 "
    "0.07 11.3 0.003 0.08 0.96 332.8 8 0.96"
)
UNFITTED = '""  ' * len(FITTED.split())


def make_row(name, star_type, feh, shift, use, use_id, keep, fitted) -> str:
    fitted = FITTED if fitted else UNFITTED
    return (
        f"  {name} {star_type} UVES {feh} 0.1 Source {shift} 10.0 -20.0 "
        f"{use} {use_id} {keep} {fitted}"
    )


@pytest.fixture
def tables(tmp_path):
    rows = {
        "first.dat": [
            make_row("AA_Aql", "RRab", -0.5, 0.0, "asas", "2038-02", "1.0", True),
            make_row("SV_Eri", "RRab-BL", -1.7, 0.0, "monson", "SVEri", "0.0", False),
            make_row("UU_Cet", "RRab", -1.3, 0.0, "NaN", "NaN", '""', False),
            make_row("AR_Per", "RRab", -0.4, 0.0, "NaN", "NaN", '""', False),
        ],
        "second.dat": [
            make_row("UU_Cet", "RRab", -1.1, -0.19, "asas", "0004-16", "1.0", True),
            make_row("AA_Aql", "RRab", -0.3, -0.19, "asas", "2038-02", "1.0", True),
        ],
    }
    paths = []
    for name, lines in rows.items():
        paths.append(tmp_path / name)
        paths[-1].write_text("\n".join([HEADER, *lines]) + "\n")
    return paths


@pytest.fixture
def published(mirror):
    return [mirror / "dekany_2021_ifeh" / name for name in TABLES]


def test_a_star_has_one_identifier_in_all_tables(tables):
    spectra = read_calibrators(tables)
    assert spectra["star_id"].tolist() == [
        *("2038-02", "SVEri", "0004-16", "AR_Per"),
        *("0004-16", "2038-02"),
    ]


def test_metallicities_are_shifted_to_the_common_scale(tables):
    np.testing.assert_allclose(
        read_calibrators(tables)["feh"], [-0.5, -1.7, -1.3, -0.4, -1.29, -0.49]
    )


def test_flags_and_rounded_errors_are_read(tables):
    spectra = read_calibrators(tables)
    assert spectra["keep"].tolist() == [True, False, False, False, True, True]
    assert spectra["blazhko"].tolist() == [False, True, False, False, False, False]
    assert set(spectra["pulsation_type"]) == {"RRab"}
    assert spectra.loc[0, "a1_err"] == SMALLEST_ERROR
    assert spectra.loc[0, "a2_err"] == 0.005
    assert np.isnan(spectra.loc[1, "a1_err"])


def test_stars_are_listed_once_with_the_period_of_any_table(tables):
    stars = check_stars(read_stars(tables)).set_index("star_id")
    assert sorted(stars.index) == ["0004-16", "2038-02", "AR_Per", "SVEri"]
    assert stars.loc["0004-16", "period"] == 0.36
    assert stars["status"].to_dict() == {
        "0004-16": "ok",
        "2038-02": "ok",
        "AR_Per": "invalid_period",
        "SVEri": "invalid_period",
    }


def test_the_spectra_of_a_star_are_averaged_by_their_errors(tables):
    stars = read_stars(tables).set_index("star_id")
    assert stars["n_spectra"].to_dict() == {"0004-16": 2, "2038-02": 2, "AR_Per": 1, "SVEri": 1}
    np.testing.assert_allclose(stars.loc["0004-16", "archive_feh"], (-1.3 - 1.29) / 2)
    np.testing.assert_allclose(stars.loc["0004-16", "archive_feh_err"], 0.1 / np.sqrt(2))
    spectra = pd.DataFrame(
        {"star_id": ["b", "a", "b"], "feh": [-1.0, -2.0, -1.5], "feh_err": [0.1, 0.3, 0.2]}
    )
    means = average_spectra(spectra).set_index("star_id")
    np.testing.assert_allclose(means.loc["b", "archive_feh"], (-1.0 * 100 - 1.5 * 25) / 125)
    np.testing.assert_allclose(means.loc["b", "archive_feh_err"], 125**-0.5)
    assert means.loc["a"].to_list() == [-2.0, 0.3, 1]


def test_a_star_of_another_photometry_is_known_by_its_name_in_asas(tmp_path):
    """The tables have it under the name of the photometry that was used, the archive another."""
    header = HEADER.replace(" DEC ", " DEC ID_ASAS ")
    row = make_row("DH_Peg", "RRc", -1.3, 0.0, "monson", "DHPeg", "1.0", True)
    path, archive = tmp_path / "table.dat", tmp_path / "photometry"
    path.write_text(f"{header}\n{row.replace(' -20.0 ', ' -20.0 221526+06 ')}\n")
    archive.mkdir()
    for name in ("221526+06", "999999-99"):
        (archive / f"{name}.lc").write_text("2500.1 11.0 0.02\n")
    stars = read_stars([path, archive]).set_index("star_id")
    assert stars.index.tolist() == ["DHPeg", "221526+06", "999999-99"]
    found = stars.loc["221526+06"]
    assert (found["name"], found["pulsation_type"], found["period"]) == ("DH_Peg", "RRc", 0.36)
    assert found["archive_feh"] == pytest.approx(-1.3)
    assert pd.isna(found["photometry"])
    assert stars.loc["999999-99", "pulsation_type"] == "unknown"
    # Without the archive's list, the tables alone say which stars there are.
    assert read_stars([path])["star_id"].tolist() == ["DHPeg"]


def test_a_file_that_is_no_such_table_is_named(tmp_path):
    path = tmp_path / "other.dat"
    path.write_text("# id period\n a 0.5\n")
    with pytest.raises(SurveyError, match=r"other\.dat: no column 'name'"):
        read_calibrators([path])


def test_light_curves_are_read_and_a_bad_one_is_reported(tmp_path):
    files = {
        "photometry/a.lc": b"2500.1 11.0 0.02 -0.1 0.5\n2501.1 11.2 0.03 0.1 0.6\n",
        "photometry/b.lc": b"2500.1 bright 0.02 -0.1 0.5\n",
        "photometry/c.lc": b"2500.1 11.0\n",
        "photometry/unwanted.lc": b"2500.1 11.0 0.02 -0.1 0.5\n",
        "photometry/a.txt": b"not a light curve\n",
    }
    path = tmp_path / "photometry.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    stars = pd.DataFrame({"star_id": ["a", "b", "c"]})
    curves = {curve.star_id: curve for curve in read_light_curves([path], stars, "I")}
    assert sorted(curves) == ["a", "b", "c"]
    assert list(curves["a"].table) == [*IFEH.columns]
    assert curves["a"].table["mag_err"].tolist() == [0.02, 0.03]
    assert curves["b"].table is None
    assert "bright" in curves["b"].problem
    assert curves["c"].table is None
    assert "2 columns" in curves["c"].problem


def test_every_published_spectrum_is_read(published):
    spectra = read_calibrators(published)
    assert len(spectra) == 522 + 178 + 110
    assert spectra[["star_id", "feh", "feh_err", "ra", "dec"]].notna().all(axis=None)
    assert spectra.groupby("name")["star_id"].nunique().max() == 1


def test_every_star_with_asas_photometry_has_its_light_curve(published, mirror):
    stars = read_stars(published)
    archive = mirror / "dekany_2021_ifeh" / "photometry.tar.gz"
    curves = list(read_light_curves([archive], stars, "I"))
    assert all(curve.table is not None for curve in curves)
    assert {curve.star_id for curve in curves} == set(
        stars.loc[stars["photometry"] == "asas", "star_id"]
    )
