import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from metalyra.surveys import check_stars, survey
from metalyra.surveys.vvv import APERTURES, MAX_SEPARATION
from tests.test_archives import write_tar

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
