import numpy as np
import pandas as pd

from metalyra.surveys import check_stars, survey
from testbench.simulate import simulate_survey, write_survey

SETTINGS = {"n_rrab": 30, "n_rrc": 10, "labelled": 0.5}
OWN = survey("own")


def test_a_simulated_survey_is_read_as_own_stars(tmp_path):
    stars, light_curves = tmp_path / "stars.csv", tmp_path / "light_curves.csv"
    write_survey(simulate_survey(SETTINGS, 1), stars, light_curves)
    table = check_stars(OWN.read_stars([stars]))
    assert table["pulsation_type"].value_counts().to_dict() == {"RRab": 30, "RRc": 10}
    assert set(table["status"]) == {"ok"}
    labelled = table["archive_feh"].notna()
    assert 10 <= labelled.sum() <= 30
    assert (labelled == table["archive_feh_err"].notna()).all()
    curves = list(OWN.read_light_curves([light_curves], table, "V"))
    assert {curve.star_id for curve in curves} == set(table["star_id"])
    assert all(len(curve.table) >= 100 for curve in curves)


def test_a_star_does_not_depend_on_how_many_there_are():
    one = simulate_survey(SETTINGS, 1)
    other = simulate_survey({**SETTINGS, "n_rrab": 5}, 1)
    shared = one.stars["star_id"].isin(other.stars["star_id"])
    pd.testing.assert_frame_equal(
        one.stars[shared].reset_index(drop=True), other.stars, check_exact=True
    )


def test_the_light_curves_have_the_periods_of_the_stars():
    simulated = simulate_survey(SETTINGS, 2)
    star = simulated.stars.iloc[0]
    points = simulated.light_curves[simulated.light_curves["star_id"] == star["star_id"]]
    scatter = {}
    for name, period in (("right", star["period"]), ("wrong", 0.91 * star["period"])):
        order = np.argsort(points["time"].to_numpy() / period % 1)
        scatter[name] = np.median(np.abs(np.diff(points["mag"].to_numpy()[order])))
    assert scatter["right"] < 0.5 * scatter["wrong"]
