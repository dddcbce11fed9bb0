import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal

from metalyra.surveys import SurveyError, check_stars, survey
from metalyra.surveys.formats.time_scales import to_heliocentric
from metalyra.surveys.formats.vvv_tables import MAX_SEPARATION
from metalyra.surveys.formats.vvv_zero_points import APERTURES, name_observation
from tests.core.test_containers import write_tar
from tests.surveys.test_serialisations import serialise

VVV = survey("vvv")
MAGNITUDES = "14.183 0.028 14.081 0.026 13.974 0.028 13.780 0.031 13.632 0.036"
REAL = ["b31759", "b31797", "b31883"]


def read_curves(paths, ids, band="Ks"):
    curves = VVV.read_light_curves(paths, pd.DataFrame({"star_id": ids}), band)
    return {curve.star_id: curve for curve in curves}


def casu_row(**changes: str) -> str:
    """One row of a CASU file that passes every cut."""
    row = ["x"] * 39
    row[2], row[6], row[7], row[11] = "Ks", "55275.84055", "0.08", "0.012"
    row[20:30] = MAGNITUDES.split()
    row[35], row[36], row[38] = "1", "0.44", "91.8"
    for column, value in changes.items():
        row[int(column[1:])] = value
    return " ".join(row) + "\n"


def test_a_casu_row_becomes_a_row_for_each_aperture(tmp_path):
    path = tmp_path / "a_xmatch.dat"
    path.write_text(casu_row())
    table = read_curves([path], ["a"])["a"].table
    assert table["aperture"].tolist() == [*APERTURES]
    assert table["mag"].tolist() == [14.183, 14.081, 13.974, 13.780, 13.632]
    assert table["mag_err"].tolist() == [0.028, 0.026, 0.028, 0.031, 0.036]
    assert set(table["time"]) == {55275.84055}
    assert set(table["zp_err"]) == {0.012}


@pytest.mark.parametrize(
    "change",
    [
        {"_2": "H"},
        {"_7": f"{MAX_SEPARATION + 0.01}"},
        {"_35": "-3"},
        {"_36": "0.51"},
        {"_38": "59.9"},
        {"_38": "59.9 1"},
    ],
)
def test_a_casu_row_that_fails_a_cut_is_dropped(tmp_path, change):
    path = tmp_path / "a_xmatch.dat"
    path.write_text(casu_row() + casu_row(**change) + casu_row())
    assert len(read_curves([path], ["a"])["a"].table) == 2 * len(APERTURES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no columns; a CASU file has 39, one with corrected zero points 16"),
        ("1 2 3\n", "3 columns"),
        ("1 2 3\n1 2\n", "2, 3 columns"),
        (" ".join(["x"] * 16), "not a number"),
        (casu_row(_6="noon"), "noon"),
    ],
)
def test_an_unreadable_light_curve_is_a_problem_of_its_star_only(tmp_path, text, message):
    path = write_tar(
        tmp_path / "x.tar.gz", {"a.dat": text.encode(), "b_xmatch.dat": casu_row().encode()}
    )
    curves = read_curves([path], ["a", "b"])
    assert curves["a"].table is None
    assert curves["a"].problem.startswith("a.dat: ")
    assert message in curves["a"].problem
    assert len(curves["b"].table) == len(APERTURES)


def test_corrected_files_are_of_one_band(tmp_path):
    path = tmp_path / "a.dat"
    path.write_text(" ".join(["1.0"] * 16))
    assert "are for Ks, not for J" in read_curves([path], ["a"], "J")["a"].problem


def test_stars_are_lists(tmp_path):
    path = tmp_path / "stars.csv"
    path.write_text("id,ra,dec\na,270.5,-30.5\nb,270.6,-30.6\n")
    stars = check_stars(VVV.read_stars([path]), periods_required=False)
    assert stars["status"].tolist() == ["ok", "ok"]
    assert stars["pulsation_type"].tolist() == ["RRab", "RRab"]
    assert stars["ra"].tolist() == [270.5, 270.6]


@pytest.mark.parametrize("star_id", REAL)
def test_real_rows_that_pass_the_cuts_are_the_corrected_ones(mirror, star_id):
    folder = mirror / "vvv_zero_points/test_data"
    raw = read_curves([folder / f"{star_id}_xmatch.dat"], [star_id])[star_id].table
    corrected = read_curves([folder / f"{star_id}.dat~"], [star_id])[star_id].table
    assert_array_equal(raw["aperture"], corrected["aperture"])
    assert_allclose(raw["time"], corrected["time"], atol=1e-9)
    assert_allclose(raw["mag_err"], corrected["mag_err"], atol=1e-9)
    # The correction is a few hundredths of a magnitude.
    assert 0 < np.abs(raw["mag"] - corrected["mag"]).median() < 0.05


def test_the_real_example_of_lcfit(mirror):
    folder = mirror / "lcfit_examples"
    stars = VVV.read_stars([folder / "test2.lst"])
    assert stars[["star_id", "period"]].to_numpy().tolist() == [["b12700", "0.415326"]]
    path = folder / "test_photometry/b12700.dat"
    table = read_curves([path], ["b12700"])["b12700"].table
    assert len(table) == len(APERTURES) * len(path.read_text().splitlines())
    assert table.iloc[1].tolist() == [55298.80825, 14.408, 0.033, 2.0, 0.015]


def read_casu(path) -> pd.DataFrame:
    """Read the columns of a CASU file that ESO and the VSA have, too."""
    rows = [line.split() for line in path.read_text().splitlines()]
    rows = [row for row in rows if len(row) == 39 and row[2] == "Ks"]
    table = pd.DataFrame({"mjd": [float(row[5]) for row in rows]})
    table["hjd"] = [float(row[6]) for row in rows]
    for aperture in APERTURES:
        for name, at in (("", 18 + 2 * aperture), ("Err", 19 + 2 * aperture)):
            table[f"aperMag{aperture}{name}"] = [float(row[at]) for row in rows]
    for name, at in (("modelDistSecs", 7), ("class", 35), ("ell", 36), ("confidence", 38)):
        table[name] = [float(row[at]) for row in rows]
    return table


def position_of(path) -> tuple[float, float]:
    hours, minutes, seconds, degrees, arcmin, arcsec = map(
        float, path.read_text().splitlines()[0].split()[12:18]
    )
    dec = np.copysign(abs(degrees) + arcmin / 60 + arcsec / 3600, degrees)
    return 15 * (hours + minutes / 60 + seconds / 3600), dec


@pytest.mark.parametrize("star_id", REAL)
def test_heliocentric_times_are_those_of_casu(mirror, star_id):
    path = mirror / f"vvv_zero_points/test_data/{star_id}_xmatch.dat"
    table = read_casu(path)
    difference = to_heliocentric(table["mjd"], *position_of(path)) - table["hjd"]
    # CASU has five decimals; a few of its times are minutes off in its file itself.
    wrong = np.abs(difference) > 1.1e-5
    assert wrong.sum() == {"b31759": 3, "b31797": 1, "b31883": 5}[star_id]
    assert np.ptp(table["hjd"] - table["mjd"]) > 5e-3


@pytest.mark.parametrize("serialisation", ["binary2", "tabledata", "fits", "csv"])
@pytest.mark.parametrize("named", ["star_id", "sourceID", "file"])
def test_an_answer_of_the_vsa_gives_the_light_curve_of_casu(mirror, tmp_path, serialisation, named):
    path = mirror / "vvv_zero_points/test_data/b31797_xmatch.dat"
    expected = read_curves([path], ["b31797"])["b31797"].table
    rows = read_casu(path)
    # The VSA has flags for what the confidence map says.
    rows["ppErrBits"] = np.where(rows["confidence"] < 60, 2**16, 16)
    rows = rows.assign(filterID=5, flag=0).drop(columns=["hjd", "confidence"])
    bad = [rows.iloc[:2].assign(**{name: value}) for name, value in CUT.items()]
    rows = pd.concat([rows, *bad], ignore_index=True)
    rows = rows.drop(columns=["class"]) if serialisation == "csv" else rows
    ra, dec = position_of(path)
    star_id = "b31797" if named != "sourceID" else "515587300001"
    if named != "file":
        rows.insert(0, named, star_id if named == "star_id" else int(star_id))
    table = Table.from_pandas(rows)
    file = tmp_path / (f"{star_id}.xml" if named == "file" else "answer.csv")
    file.write_bytes(serialise(table, serialisation))
    stars = pd.DataFrame({"star_id": [star_id], "ra": [ra], "dec": [dec]})
    ((found),) = VVV.read_light_curves([file], stars, "Ks")
    order = ["time", "aperture"]
    found, expected = (
        part.sort_values(order, ignore_index=True) for part in (found.table, expected)
    )
    if serialisation == "csv":
        found = found[found["mag"].isin(expected["mag"])].reset_index(drop=True)
    assert_allclose(found["time"], expected["time"], atol=2e-5)
    for column in ("mag", "mag_err", "aperture"):
        assert_array_equal(found[column], expected[column])
    assert found["zp_err"].isna().all()


# What is cut of the VSA's detections; -0.9999995e9 is its missing value.
CUT = {
    "filterID": 4,
    "flag": 1,
    "ppErrBits": 256,
    "modelDistSecs": MAX_SEPARATION + 0.01,
    "ell": 0.51,
    "mjd": np.nan,
}


def test_missing_magnitudes_of_the_vsa_are_dropped(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        "MJD,ksAperMag1,ksAperMag1Err,ksAperMag3,ksAperMag3Err\n"
        "55000.5,-0.9999995e9,-0.9999995e9,15.1,0.02\n55001.5,15.0,0.01,99.9,9.9\n"
    )
    table = read_curves_at([path], "a")
    assert table["aperture"].tolist() == [1, 3]
    assert table["mag"].tolist() == [15.0, 15.1]
    assert_allclose(table["time"], [55002.0, 55001.0], atol=0.006)


def read_curves_at(paths, star_id, ra=270.0, dec=-30.0):
    stars = pd.DataFrame({"star_id": [star_id], "ra": [ra], "dec": [dec]})
    (curve,) = VVV.read_light_curves(paths, stars, "Ks")
    return curve.table


def test_an_answer_of_eso_has_one_aperture(tmp_path):
    path = tmp_path / "answer.csv"
    path.write_text("SOURCEID,MJD,KSMAG,KSERR\n515587300001,55000.5,15.1,0.02\n7,1,2,3\n")
    table = read_curves_at([path], "515587300001", ra=np.nan)
    assert table.drop(columns="zp_err").to_numpy().tolist() == [[55001.0, 15.1, 0.02, 1]]


def test_a_table_of_many_stars_has_our_columns(tmp_path):
    path = tmp_path / "epochs.csv"
    path.write_text(
        "star_id,band,time,mag,mag_err,aperture\na,Ks,55001.5,15.0,0.01,3\n"
        "a,H,55001.5,16.0,0.01,3\nb,Ks,55002.5,15.5,0.02,3\nc,Ks,1,2,3,3\n"
    )
    curves = read_curves([path], ["a", "b"])
    assert {*curves} == {"a", "b"}
    assert curves["a"].table["mag"].tolist() == [15.0]
    with_error = tmp_path / "x.csv"
    with_error.write_text(
        path.read_text().replace("aperture", "aperture,zp_err").replace(",3\n", ",3,0.01\n")
    )
    assert read_curves([with_error], ["a"])["a"].table["zp_err"].tolist() == [0.01]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("star_id,mjd\na,1\n", "no column 'ksapermag3'"),
        ("star_id,ksAperMag3\na,1\n", "no column 'mjd'"),
        ("mjd,ksAperMag3\n1,2\n", "no column 'star_id'"),
        ("star_id,time,mag\na,1,2\n", "no column 'mag_err'"),
        ("star_id,mjd,ksAperMag3\na,1,bright\n", "bright"),
        ("<html>", "web page"),
    ],
)
def test_a_wrong_table_of_many_stars_is_an_error_and_of_one_its_problem(tmp_path, text, message):
    path = tmp_path / "epochs.csv"
    path.write_text(text)
    with pytest.raises(SurveyError, match=rf"epochs\.csv: .*{message}"):
        read_curves([path], ["a"])
    if "star_id'" not in message:
        single = tmp_path / "a.csv"
        single.write_text(text)
        assert message in read_curves([single], ["a"])["a"].problem


def make_zero_points(path, observations, chips, corrections, errors):
    """Write a table in the published layout, with fields that are not read."""
    fields = [("field", "S4"), ("obsid", "S15"), ("chip", "i4"), ("Nstar", "i4")]
    fields += [(f"{name}{k}", "f4") for name in ("ap", "sig", "zperr") for k in APERTURES]
    table = np.zeros(len(observations), dtype=fields)
    table["obsid"], table["chip"] = observations, chips
    for k in APERTURES:
        table[f"ap{k}"], table[f"zperr{k}"] = corrections[:, k - 1], errors[:, k - 1]
    np.save(path, table)


def test_zero_points_are_corrected_by_observation_and_chip(mirror, tmp_path):
    """The three stars' corrections, taken from them as a table, give their corrected files."""
    folder = mirror / "vvv_zero_points/test_data"
    rows, corrections, errors = [], [], []
    for star_id in REAL:
        raw = read_curves([folder / f"{star_id}_xmatch.dat"], [star_id])[star_id].table
        corrected = read_curves([folder / f"{star_id}.dat~"], [star_id])[star_id].table
        corrections.append((raw["mag"] - corrected["mag"]).to_numpy().reshape(-1, 5))
        errors.append(corrected["zp_err"].to_numpy().reshape(-1, 5))
        lines = (folder / f"{star_id}_xmatch.dat").read_text().splitlines()
        times = {float(line.split()[6]): line.split() for line in lines if " Ks " in line}
        rows += [times[time] for time in raw["time"][::5]]
    order = np.random.default_rng(1).permutation(len(rows))[5:]
    table = tmp_path / "zpcorrtable.npy"
    make_zero_points(
        table,
        [rows[i][0] for i in order],
        [int(rows[i][3]) for i in order],
        np.concatenate(corrections)[order],
        np.concatenate(errors)[order],
    )
    paths = [table, *(folder / f"{star_id}_xmatch.dat" for star_id in REAL)]
    kept = 0
    for star_id, curve in read_curves(paths, REAL).items():
        expected = read_curves([folder / f"{star_id}.dat~"], [star_id])[star_id].table
        expected = expected[expected["time"].isin(curve.table["time"])]
        assert_allclose(curve.table[expected.columns], expected, atol=1e-6)
        kept += len(curve.table) // 5
    # Epochs without a correction are dropped.
    assert kept == len(rows) - 5


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"not a table", "no table of zero-point corrections"), (None, "ap1, ap2")],
)
def test_a_strange_table_of_zero_points_is_refused(tmp_path, content, message):
    path = tmp_path / "zpcorrtable.npy"
    if content is None:
        np.save(path, np.zeros(3, dtype=[("obsid", "S15"), ("chip", "i4")]))
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_curves([path], ["a"])


@pytest.mark.parametrize(
    ("file", "observation"),
    [
        ("v20100319_00505_st.fit", "v20100319_00505"),
        ("server:/disk48/vsa/20100319_v1.3/v20100319_00505_st.fits.fz", "v20100319_00505"),
        ("v20100319_00505", "v20100319_00505"),
        ("v20100319_00505_st_tl.fit", ""),
        ("v20100319_505_st.fit", ""),
        ("e20100319_0505_st.fit", ""),
        ("", ""),
    ],
)
def test_an_observation_is_named_by_the_image_of_a_pawprint(file, observation):
    assert name_observation(file) == observation
