import gzip

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from metalyra.surveys import SurveyError, check_stars, survey
from tests.core.test_containers import write_folder, write_tar

OGLE = survey("ogle")

IDENT = """\
OGLE-BLG-RRLYR-00001  RRab  17:05:07.49 -32:37:57.2  BLG617.31.76111   BLG342.1.1234
OGLE-BLG-RRLYR-00002  RRc   17:05:08.09 -00:56:38.1
OGLE-BLG-RRLYR-00003  RRd   17:05:09.88 +32:39:52.8
"""
RRAB = (
    "OGLE-BLG-RRLYR-00001  15.836 17.100  0.55556356 0.00000162  "
    "7000.28852  0.274  0.139 5.209  0.061 2.564\n"
)
RRC = (
    "OGLE-BLG-RRLYR-00002  15.290    -    0.26128887 0.00000029  "
    "7000.17646  0.177  0.132 4.889  0.000   -  \n"
)


@pytest.fixture
def files(tmp_path):
    for name, text in {"ident.dat": IDENT, "RRab.dat": RRAB, "RRc.dat": RRC}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def read_curves(paths, ids, band="I"):
    curves = OGLE.read_light_curves(paths, pd.DataFrame({"star_id": ids}), band)
    return {curve.star_id: curve for curve in curves}


def test_parameter_files_say_which_stars_and_ident_where(files):
    stars = check_stars(OGLE.read_stars([files / "ident.dat", files / "RRab.dat"]))
    assert stars["star_id"].tolist() == ["OGLE-BLG-RRLYR-00001"]
    star = stars.iloc[0]
    assert star["ra"] == pytest.approx(15 * (17 + 5 / 60 + 7.49 / 3600), abs=1e-9)
    assert star["dec"] == pytest.approx(-(32 + 37 / 60 + 57.2 / 3600), abs=1e-9)
    assert (star["period"], star["archive_amplitude"]) == (0.55556356, 0.274)
    assert star["archive_phi31"] == pytest.approx(2.564 + np.pi)


def test_ident_alone_is_a_list_of_stars(files):
    stars = check_stars(OGLE.read_stars([files / "ident.dat"]), periods_required=False)
    assert stars["pulsation_type"].tolist() == ["RRab", "RRc", "RRd"]
    assert_allclose(stars["dec"], [-32.632556, -0.943917, 32.664667], atol=1e-6)


def test_nulls_of_the_archive_are_missing(files):
    stars = OGLE.read_stars([files / "RRc.dat"])
    assert stars["archive_phi31"].isna().all()
    assert stars["archive_r31"].tolist() == [0.0]
    assert stars["ra"].isna().all()


def test_a_text_for_a_period_reaches_the_status(files):
    (files / "RRab.dat").write_text(RRAB.replace("0.55556356", "   unknwn "))
    stars = check_stars(OGLE.read_stars([files / "RRab.dat"]))
    assert stars["status"].tolist() == ["invalid_period"]


def test_shorter_identifiers_shift_the_byte_columns(tmp_path):
    (tmp_path / "ident.dat").write_text(IDENT.replace("-BLG-", "-GD-"))
    (tmp_path / "RRab.dat").write_text(RRAB.replace("-BLG-", "-GD-"))
    stars = OGLE.read_stars([tmp_path / "ident.dat", tmp_path / "RRab.dat"])
    assert stars["star_id"].tolist() == ["OGLE-GD-RRLYR-00001"]
    assert stars["period"].astype(float).tolist() == [0.55556356]
    assert stars["dec"][0] == pytest.approx(-32.632556, abs=1e-6)


# Lines in the byte columns of the READMEs of OGLE-III (LMC) and OGLE-IV (SMC).
OLD_IDENT = (
    "OGLE-LMC-RRLYR-00001  LMC158.8    216 RRab  04:27:45.47 -70:43:12.0                \n"
    "OGLE-LMC-RRLYR-00009  LMC157.5  12640 RRd   04:29:08.87 -69:36:59.5 LMC_SC15-12    \n"
)
OLD_RRAB = (
    "OGLE-LMC-RRLYR-00001  18.798 19.391  0.6347522 0.0000016  "
    "2184.64705  0.508  0.510 4.358  0.280 2.718\n"
    "OGLE-LMC-RRLYR-00003  18.651   -     0.6564975 0.0000013  "
    "2171.43774  0.436  0.465 4.579  0.312   -  \n"
)
SMALL_IDENT = "OGLE-SMC-RRLYR-0001  RRab  00:17:21.84 -73:13:22.5  SMC738.23.1\n"


def test_ogle_iii_has_its_own_byte_columns(tmp_path):
    (tmp_path / "ident.dat").write_text(OLD_IDENT)
    (tmp_path / "RRab.dat").write_text(OLD_RRAB)
    stars = OGLE.read_stars([tmp_path / "RRab.dat", tmp_path / "ident.dat"])
    assert stars["period"].astype(float).tolist() == [0.6347522, 0.6564975]
    assert_allclose(stars["archive_period_err"].astype(float), [1.6e-6, 1.3e-6])
    assert_allclose(stars["archive_time_of_maximum"], [2184.64705, 2171.43774])
    assert stars["archive_amplitude"].tolist() == [0.508, 0.436]
    assert stars["archive_mean_v_mag"].isna().tolist() == [False, True]
    assert_allclose(stars["archive_phi31"], [2.718 + np.pi, np.nan])
    assert_allclose(stars["ra"], [66.939458, np.nan], atol=1e-6)
    assert_allclose(stars["dec"], [-70.72, np.nan], atol=1e-6)
    listed = OGLE.read_stars([tmp_path / "ident.dat"])
    assert listed["pulsation_type"].tolist() == ["RRab", "RRd"]


def test_the_small_cloud_has_shorter_identifiers(tmp_path):
    (tmp_path / "ident.dat").write_text(SMALL_IDENT)
    (tmp_path / "RRab.dat").write_text(RRAB.replace("BLG-RRLYR-00001", "SMC-RRLYR-0001"))
    stars = OGLE.read_stars([tmp_path / "RRab.dat", tmp_path / "ident.dat"])
    assert stars["star_id"].tolist() == ["OGLE-SMC-RRLYR-0001"]
    assert stars["period"].astype(float).tolist() == [0.55556356]
    assert stars["ra"][0] == pytest.approx(15 * (17 / 60 + 21.84 / 3600))
    (tmp_path / "OGLE-SMC-RRLYR-0001.dat").write_text("2457000.5 15.1 0.01\n")
    curves = read_curves([tmp_path / "OGLE-SMC-RRLYR-0001.dat"], stars["star_id"])
    assert curves["OGLE-SMC-RRLYR-0001"].table["time"].tolist() == [7000.5]


def test_the_on_line_catalogue_has_hours_and_nulls(tmp_path):
    names = "ID Subtype RA DECL I P_1 dP_1 T0_1 A_1 R21_1 phi21_1 R31_1 phi31_1"
    row = "OGLE-LMC-RRLYR-00001 RRab 4.462630 -70.71999 18.798 -99.99 0.1 1.0 0.5 0.5 4.4 0.3"
    cepheid = row.replace("RRLYR-00001 RRab", "CEP-0001 F1")
    path = tmp_path / "ogle3_rrlyr.txt.gz"
    text = f"# Columns:\n# {names}\n{row} -99.99\n{cepheid} -99.99\n"
    path.write_bytes(gzip.compress(text.replace(" ", "\t").encode()))
    stars = check_stars(OGLE.read_stars([path]))
    assert stars["ra"][0] == pytest.approx(66.93945)
    assert stars["status"].tolist() == ["invalid_period"]
    assert stars["archive_phi31"].isna().all()


def test_a_list_names_stars_by_number_and_adds_periods(files):
    (files / "test.lst").write_text("# id period\nb00001 0.4\n00009 0.6\n")
    stars = check_stars(OGLE.read_stars([files / "test.lst", files / "ident.dat"]))
    assert stars["star_id"].tolist() == ["OGLE-BLG-RRLYR-00001", "OGLE-BLG-RRLYR-00009"]
    assert stars["period"].tolist() == [0.4, 0.6]
    assert stars["ra"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("stars.dat", "x", "no OGLE star file by its name; known are ident"),
        ("RRab.dat", "<html>\n", "line 1 begins with '<html>'"),
        ("ident.dat", "", "empty"),
        ("RRab.dat", RRAB.replace("  15.836", " 15.836"), "not where the archive's README has"),
        ("ident.dat", IDENT + "OGLE-BLG-RRLYR-1  RRab\n", "differ in length"),
        ("ogle3.txt", "# ID RA\n", "no column 'Subtype'"),
        ("x.lst", "V1 0.5\n", "'V1' is no OGLE star"),
    ],
)
def test_a_wrong_star_file_is_an_error_that_names_it(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(SurveyError, match=rf"{name}.*{message}"):
        OGLE.read_stars([path])


def test_light_curves_come_from_any_container_in_their_band(tmp_path):
    content = {
        "phot/I/OGLE-BLG-RRLYR-00001.dat": b"7000.5 15.1 0.01\n7001.5 15.2 0.02\n",
        "phot/V/OGLE-BLG-RRLYR-00001.dat": b"7000.5 17.1 0.01\n",
        "phot/I/OGLE-BLG-RRLYR-00002.dat": b"2457000.5 15.1 0.01\n",
        "phot/I/README": b"not a light curve",
    }
    ids = ["OGLE-BLG-RRLYR-00001", "OGLE-BLG-RRLYR-00002"]
    for path in (write_tar(tmp_path / "phot.tar.gz", content), write_folder(tmp_path, content)):
        curves = read_curves([path], ids)
        assert curves[ids[0]].table["mag"].tolist() == [15.1, 15.2]
        assert curves[ids[1]].table["time"].tolist() == [7000.5]
        assert read_curves([path], ids, "V")[ids[0]].table["mag"].tolist() == [17.1]
        assert [*read_curves([path], ids[1:])] == ids[1:]


@pytest.mark.parametrize("name", ["OGLE-BLG-RRLYR-02950.dat", "02950.o4", "02950.o3", "b02950.dat"])
def test_single_files_are_known_by_their_names(tmp_path, name):
    (tmp_path / name).write_text("1.5 15.0 0.1\n")
    star_id = "OGLE-BLG-RRLYR-02950"
    curves = read_curves([tmp_path / name], [star_id])
    assert curves[star_id].table.to_numpy().tolist() == [[1.5, 15.0, 0.1]]


def test_a_single_file_of_no_star_is_an_error(tmp_path):
    (tmp_path / "curve.txt").write_text("1.5 15.0 0.1\n")
    with pytest.raises(SurveyError, match=r"curve\.txt: no OGLE light curve by its name"):
        read_curves([tmp_path / "curve.txt"], [])


@pytest.mark.parametrize("data", [b"", b"garbage", b"1 2\n", b"1 2 3 4\n", b"\x1f\x8b\x00"])
def test_an_unreadable_light_curve_is_a_problem_of_its_star_only(tmp_path, data):
    ids = [f"OGLE-BLG-RRLYR-0000{i}" for i in range(3)]
    good = b"1.5 15.0 0.1\n"
    content = {f"I/{star}.dat": good for star in ids} | {f"I/{ids[1]}.dat": data}
    curves = read_curves([write_tar(tmp_path / "phot.tar.gz", content)], ids)
    assert curves[ids[1]].table is None
    assert f"I/{ids[1]}.dat: " in curves[ids[1]].problem
    assert len(curves[ids[0]].table) == len(curves[ids[2]].table) == 1


def test_magnitudes_that_are_not_finite_are_left_to_the_fit(tmp_path):
    (tmp_path / "00001.o4").write_text("1.5 nan 0.1\n2.5 inf 0.1\n")
    curves = read_curves([tmp_path / "00001.o4"], ["OGLE-BLG-RRLYR-00001"])
    assert not np.isfinite(curves["OGLE-BLG-RRLYR-00001"].table["mag"]).any()


def test_real_star_files(mirror):
    disk = mirror / "ogle_ocvs/ogle4/gd"
    kinds = ["RRab", "RRc", "RRd", "aRRd"]
    stars = check_stars(
        OGLE.read_stars([disk / "ident.dat", *(disk / f"{kind}.dat" for kind in kinds)])
    )
    for kind in kinds:
        lines = (disk / f"{kind}.dat").read_text().splitlines()
        assert (stars["pulsation_type"] == kind).sum() == len(lines)
    assert stars[["ra", "dec", "period"]].notna().all(axis=None)
    ok = stars["pulsation_type"].isin(["RRab", "RRc"])
    assert stars["status"].eq("ok").tolist() == ok.tolist()


def test_the_two_real_catalogues_agree_on_positions_and_types(mirror):
    old = OGLE.read_stars([mirror / "ogle_ocvs/ogle3_rrlyr.txt.gz"]).set_index("star_id")
    new = OGLE.read_stars([mirror / "ogle_ocvs/ogle4/blg/ident_edit.dat"]).set_index("star_id")
    assert len(old) == 44_217
    both = old.index.intersection(new.index)
    assert len(both) > 16_000
    separation = np.hypot(
        (old["ra"] - new["ra"])[both] * np.cos(np.radians(new["dec"][both])),
        (old["dec"] - new["dec"])[both],
    )
    assert separation.quantile(0.99) < 1 / 3600
    old, new = old.loc[both], new.loc[both]
    assert (old["pulsation_type"] == new["pulsation_type"]).mean() > 0.98


def test_real_light_curves_have_the_phases_of_the_catalogue(mirror):
    numbers = ["02950", "06498", "07640", "08185", "13534"]
    stars = check_stars(OGLE.read_stars([mirror / "ogle_ocvs/ogle3_rrlyr.txt.gz"]))
    stars = stars.set_index("star_id", drop=False).loc[[f"OGLE-BLG-RRLYR-{n}" for n in numbers]]
    paths = [mirror / f"ogle_ocvs/lightcurves/{number}.o3" for number in numbers]
    curves = {curve.star_id: curve.table for curve in OGLE.read_light_curves(paths, stars, "I")}
    assert len(curves) == 5
    for star_id, star in stars.iterrows():
        table = curves[star_id]
        angle = 2 * np.pi * table["time"].to_numpy()[:, None] / star["period"] * np.arange(1, 9)
        design = np.hstack([np.ones((len(table), 1)), np.sin(angle), np.cos(angle)])
        solution = np.linalg.lstsq(design, table["mag"].to_numpy(), rcond=None)[0]
        phase = np.arctan2(solution[9:], solution[1:9])
        for k in (2, 3):
            difference = star[f"archive_phi{k}1"] - (phase[k - 1] - k * phase[0])
            assert abs(np.angle(np.exp(1j * difference))) < 0.1, (star_id, k)


def test_probabilities_of_the_blazhko_effect_describe_the_stars_of_a_list(files):
    path = files / "blazhko.csv"
    path.write_text("star_id,blazhko_probability\n00001,0.25\nOGLE-BLG-RRLYR-00009,0.9\nb00002,\n")
    stars = OGLE.read_stars([files / "RRab.dat", path, files / "RRc.dat"])
    assert stars["star_id"].tolist() == ["OGLE-BLG-RRLYR-00001", "OGLE-BLG-RRLYR-00002"]
    column = "archive_blazhko_probability"
    assert stars[column].fillna(-1).tolist() == [0.25, -1]
    assert column in OGLE.archive_columns
    assert column not in OGLE.read_stars([files / "RRab.dat"])
    with pytest.raises(SurveyError, match=r"blazhko\.csv: no file says which stars there are"):
        OGLE.read_stars([path])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("00001,1.2", "row 1 has the probability '1.2'; allowed is a number from 0 to 1"),
        ("00001,high", "row 1 has the probability 'high'"),
        ("V1,0.5", "'V1' is no OGLE star"),
    ],
)
def test_a_wrong_probability_is_an_error(files, rows, message):
    path = files / "blazhko_2017.csv"
    path.write_text(f"star_id,blazhko_probability\n{rows}\n")
    with pytest.raises(SurveyError, match=message):
        OGLE.read_stars([files / "RRab.dat", path])
