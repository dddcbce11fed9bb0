import gzip

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from metalyra.surveys import SurveyError, check_stars, survey
from metalyra.surveys.gaia import locate_source
from tests.test_archives import write_folder, write_zip

DR2, DR3 = survey("gaia_dr2"), survey("gaia_dr3")

HEADER = (
    "source_id,transit_id,band,time,mag,flux,flux_error,flux_over_error,"
    "rejected_by_photometry,rejected_by_variability,other_flags,solution_id\n"
)
ID = "4071632917964102400"


def epochs(star_id: str = ID) -> str:
    return HEADER + "".join(
        f"{star_id},{row}\n"
        for row in (
            "1,G,1700.5,15.5,100,1,100,false,false,1,3",
            "2,G,1701.5,15.6,100,1,50,true,true,1,3",
            "3,G,,,,,,false,false,1,3",
            "4,G,1703.5,15.7,100,1,-1,false,,1,3",
            "5,BP,1703.6,16.0,100,1,20,false,false,1,3",
        )
    )


def product(star_id: str = ID) -> str:
    return f"EPOCH_PHOTOMETRY-Gaia DR3 {star_id}.csv"


def read_curves(paths, ids, band="G", release=DR3):
    curves = release.read_light_curves(paths, pd.DataFrame({"star_id": ids}), band)
    return {curve.star_id: curve for curve in curves}


def test_dr3_keeps_what_the_variability_analysis_kept(tmp_path):
    path = write_zip(tmp_path / "x.zip", {product(): epochs().encode()})
    table = read_curves([path], [ID])[ID].table
    assert table["time"].tolist() == [1700.5, 1703.5]
    assert table["mag"].tolist() == [15.5, 15.7]
    assert_allclose(table["mag_err"], [2.5 / np.log(10) / 100, np.nan])
    assert read_curves([path], [ID], "BP")[ID].table["mag"].tolist() == [16.0]


def test_dr2_is_taken_without_its_flags(tmp_path):
    path = write_zip(tmp_path / "x.zip", {product(): epochs().encode()})
    table = read_curves([path], [ID], release=DR2)[ID].table
    assert table["time"].tolist() == [1700.5, 1701.5, 1703.5]


def test_stars_are_known_by_their_column_not_by_the_name_of_the_file(tmp_path):
    other = "5937083312263887616"
    rows = epochs() + epochs(other).removeprefix(HEADER)
    path = write_folder(tmp_path / "x", {f"../x/{product('123456')}": rows.encode()})
    assert {*read_curves([path], [ID, other])} == {ID, other}
    assert {*read_curves([path], [other])} == {other}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no column 'source_id'; it needs source_id, band, time"),
        (HEADER.encode() + b"x\n", ""),
        (b"\xff\xfe\x00", ""),
        (epochs().replace("band,", "colour,").encode(), "band"),
        (epochs().replace("1700.5", "text").encode(), "text"),
    ],
)
def test_an_unreadable_product_is_a_problem_of_its_star_only(tmp_path, data, message):
    other = "5937083312263887616"
    path = write_zip(tmp_path / "x.zip", {product(): data, product(other): epochs(other).encode()})
    curves = read_curves([path], [ID, other])
    assert curves[ID].table is None
    assert product() in curves[ID].problem
    assert message in curves[ID].problem
    assert len(curves[other].table) == 2


def write_stars(tmp_path, text):
    path = tmp_path / "vari_rrlyrae.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    return path


def test_the_mode_says_which_period_counts(tmp_path):
    path = write_stars(
        tmp_path,
        "source_id,pf,p1_o,best_classification,phi31_g,ra,dec\n"
        "1,0.6,0.4,RRab,2.0,10.0,-20.0\n2,,0.3,RRc,2.0,,\n3,0.5,0.37,RRd,,1,2\n4,,,RRab,,1,2\n",
    )
    stars = check_stars(DR3.read_stars([path]))
    assert stars["period"].tolist()[:3] == [0.6, 0.3, 0.37]
    assert stars["status"].tolist() == ["ok", "ok", "wrong_pulsation_type", "invalid_period"]
    assert_allclose(stars["archive_phi31"][:2], [2.0 + np.pi, 2.0 + np.pi])
    assert (stars["ra"][0], stars["dec"][0]) == (10.0, -20.0)
    assert stars[["ra", "dec"]].notna().all(axis=None)


def test_a_source_id_holds_its_position():
    ra, dec = locate_source(pd.Series(["2125982599341232896"]))  # RR Lyr
    assert_allclose([ra[0], dec[0]], [291.3663, 42.7844], atol=50 / 3600)


def test_catalogued_periods_are_another_star_file(tmp_path):
    periods = tmp_path / "periods.csv"
    periods.write_text(
        f"source_id,ogle_id,ogle_period,ogle_type,r2_4harm\n{ID},OGLE-1,0.5,RRab,0.9\n"
    )
    path = write_stars(
        tmp_path,
        f"source_id,pf,p1_o,best_classification\n{ID},0.6,,RRab\n5937083312263887616,0.7,,RRab\n",
    )
    assert DR3.read_stars([periods, path])["period"].tolist() == ["0.5", "0.7"]
    assert DR3.read_stars([path, periods])["period"].tolist() == ["0.6", "0.7"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("source_id,pf,best_classification\n1,0.6,RRab\n", "no column 'p1_o'; it needs source_id"),
        ("source_id,ogle_period\n1,0.6\n", "no column 'ogle_id'"),
        ("source_id,pf,p1_o,best_classification\n4.07e18,0.6,,RRab\n", "row 1 .*4.07e18"),
        ("", "empty"),
    ],
)
def test_a_wrong_star_file_is_an_error_that_names_it(tmp_path, text, message):
    path = write_stars(tmp_path, text)
    with pytest.raises(SurveyError, match=rf"vari_rrlyrae\.csv\.gz.*{message}"):
        DR3.read_stars([path])


@pytest.fixture(scope="module")
def real(mirror):
    """The real star table, and the light curves of its stars."""
    folder = mirror / "gaia_dr3"
    files = [folder / "ogle_periods_for_gaia_dr3.csv", folder / "vari_rrlyrae_subset.csv.gz"]
    stars = check_stars(DR3.read_stars(files)).set_index("star_id", drop=False)
    archives = sorted((folder / "epoch_photometry").glob("*.zip"))
    return stars, read_curves(archives, stars["star_id"])


def test_real_products_have_the_clean_epochs_of_the_archive(real):
    stars, curves = real
    assert (stars["status"] == "ok").all()
    assert all(curve.problem is None for curve in curves.values())
    found = pd.Series({star_id: len(curve.table) for star_id, curve in curves.items()})
    expected = stars["archive_n_epochs"].reindex(found.index).dropna()
    # 896 have an OGLE period, 864 are in the archive's table, 57 are both.
    assert (len(found), len(expected)) == (1703, 864)
    assert (found[expected.index] == expected).all()


def test_real_phases_are_those_of_the_sine_series(real):
    stars, curves = real
    stars = stars[stars["archive_phi31"].notna() & (stars["archive_n_epochs"] > 40)]
    differences = []
    for star_id, star in stars.loc[stars.index.intersection([*curves])].iterrows():
        table = curves[star_id].table
        angle = 2 * np.pi * table["time"].to_numpy()[:, None] / star["period"] * np.arange(1, 6)
        design = np.hstack([np.ones((len(table), 1)), np.sin(angle), np.cos(angle)])
        solution = np.linalg.lstsq(design, table["mag"].to_numpy(), rcond=None)[0]
        phase = np.arctan2(solution[6:], solution[1:6])
        differences.append(
            [star[f"archive_phi{k}1"] - (phase[k - 1] - k * phase[0]) for k in (2, 3)]
        )
    angles = np.angle(np.exp(1j * np.array(differences)))
    assert len(angles) > 50
    assert (np.abs(np.median(angles, axis=0)) < 0.02).all()
    assert (np.median(np.abs(angles), axis=0) < 0.1).all()


def test_real_cells_hold_the_ogle_positions(mirror):
    stars = DR3.read_stars([mirror / "gaia_dr3/ogle_periods_for_gaia_dr3.csv"])
    ogle = survey("ogle").read_stars([mirror / "ogle_ocvs/ogle4/blg/ident_edit.dat"])
    both = stars.merge(ogle, left_on="ogle_id", right_on="star_id", suffixes=("", "_ogle"))
    assert len(both) > 300
    offset = np.hypot(
        (both["ra"] - both["ra_ogle"]) * np.cos(np.radians(both["dec"])),
        both["dec"] - both["dec_ogle"],
    )
    assert offset.max() < 60 / 3600
