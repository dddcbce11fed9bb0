import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from metalyra.core.containers import stream_members
from metalyra.surveys import SurveyError, check_stars, survey
from tests.core.test_containers import write_tar

DG22 = survey("dg22")

TABLE = """\
# id  Name  RA  DEC  period  meanmag_k totamp_k aper snr prob crossid_gaia remark
100  7  17:05:27.27  -34:33:50.9  0.643188  14.657  0.171  3  78.5  0.99  ""  "a remark"
200  27  17:06:58.67  -00:59:07.7  0.440602  15.538  0.245  2  56.8  0.96  ""  ""
"""


@pytest.fixture
def stars(tmp_path):
    path = tmp_path / "inner_bulge_new_rrab.dat"
    path.write_text(TABLE)
    return check_stars(DG22.read_stars([path]))


def read_curves(path, stars):
    return {curve.star_id: curve for curve in DG22.read_light_curves([path], stars, "Ks")}


def test_a_star_is_called_by_its_name_in_the_paper(stars):
    assert stars["star_id"].tolist() == ["7", "27"]
    assert stars["id"].tolist() == ["100", "200"]
    assert stars["status"].tolist() == ["ok", "ok"]
    assert_allclose(stars["ra"], [256.363625, 256.744458], atol=1e-6)
    assert_allclose(stars["dec"], [-34.564139, -0.985472], atol=1e-6)
    assert stars["archive_snr"].tolist() == [78.5, 56.8]


def test_repeated_phases_are_dropped(tmp_path, stars):
    data = b"0.10 14.1\n0.60 14.2\n0.99 14.3\n1.00 14.4\n1.10 14.1\n"
    table = read_curves(write_tar(tmp_path / "x.tar.gz", {"x/100_bin.dat": data}), stars)["7"].table
    assert table["phase"].tolist() == [0.1, 0.6, 0.99]
    assert table["mag"].tolist() == [14.1, 14.2, 14.3]
    assert_allclose(table["time"], np.array([0.1, 0.6, 0.99]) * 0.643188)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no rows"),
        (b"0.1 15 1\n", "3 columns"),
        (b"0.1 x\n", "not a number"),
        (b"7000.5 15\n", r"phase 7000.5 is not in \[0, 2\)"),
        (b"-0.1 15\n", "phase -0.1"),
    ],
)
def test_an_unreadable_light_curve_is_a_problem_of_its_star_only(tmp_path, stars, data, message):
    path = write_tar(tmp_path / "x.tar", {"100_bin.dat": data, "200_bin.dat": b"0.1 15\n"}, "w")
    curves = read_curves(path, stars)
    with pytest.raises(ValueError, match=message):
        raise ValueError(curves["7"].problem)
    assert len(curves["27"].table) == 1


def test_a_development_table_is_of_gaia_stars(tmp_path):
    path = tmp_path / "dev.csv"
    path.write_text("id,period,FeH,fold\n2125982599341232896,0.56,-1.5,3\n")
    star = check_stars(DG22.read_stars([path])).iloc[0]
    assert (star["archive_feh"], star["archive_fold"], star["status"]) == (-1.5, 3, "ok")
    assert_allclose([star["ra"], star["dec"]], [291.3663, 42.7844], atol=50 / 3600)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.dat", TABLE.replace("period", "P"), "no column 'period'; it needs id, Name"),
        ("x.csv", "id,FeH\n1,2\n", "no column 'period'"),
        ("x.csv", "id,period,colour\n1,2,3\n", "unknown column 'colour'.*may have FeH, fold"),
    ],
)
def test_a_wrong_star_file_is_an_error_that_names_it(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(SurveyError, match=rf"{name}: .*{message}"):
        DG22.read_stars([path])


def test_every_real_star_has_its_light_curve(mirror):
    folder = mirror / "dekany_grebel_2022"
    stars = check_stars(DG22.read_stars([folder / "inner_bulge_new_rrab.dat"]))
    assert len(stars) == 4447
    assert (stars["status"] == "ok").all()
    assert stars["star_id"].tolist()[:5] == ["7", "27", "36", "64", "108"]
    assert stars[["ra", "dec"]].notna().all(axis=None)
    curves = read_curves(folder / "lc_target_k.tar.gz", stars)
    assert set(curves) == set(stars["star_id"])
    for curve in curves.values():
        assert curve.problem is None
        assert curve.table["phase"].between(0, 1, inclusive="left").all()
        assert (curve.table["mag"] == curve.table["mag"].to_numpy()).all()


def test_every_real_development_curve_is_read(mirror):
    path = mirror / "dekany_grebel_2022/lc_dev_g.tar.gz"
    listed = DG22.read_stars([mirror / "dekany_grebel_2022/g_dev_reconstructed.csv"])
    assert len(read_curves(path, listed)) == len(listed) == 3567
    # Every star of the archive, whether its period is known or not.
    ids = [member.name.removesuffix("_bin.dat") for member in stream_members(path)]
    stars = pd.DataFrame({"star_id": ids, "id": ids, "period": "unknown"})
    curves = read_curves(path, stars)
    assert len(curves) == 13_323
    assert all(curve.problem is None for curve in curves.values())
