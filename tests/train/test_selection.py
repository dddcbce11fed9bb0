import numpy as np
import pandas as pd
import pytest

from metalyra.train.selection import apply_cuts, choose_cuts, select_stars


def test_stars_of_another_type_or_without_period_are_marked_and_other_statuses_stay():
    fits = pd.DataFrame(
        {
            "star_id": ["a", "b", "c", "d", "e"],
            "status": ["ok", "ok", "too_few_epochs", "ok", "ok"],
            "period": [0.5, 0.3, 0.3, 0.6, float("nan")],
        }
    )
    stars = pd.DataFrame(
        {
            "star_id": ["e", "d", "c", "b", "a"],
            "pulsation_type": ["RRab", "RRab", "RRc", "RRc", "RRab"],
        }
    )
    selected = select_stars(fits, stars, "RRab")
    expected = ["ok", "wrong_pulsation_type", "too_few_epochs", "ok", "invalid_period"]
    assert selected["status"].to_list() == expected
    pd.testing.assert_frame_equal(selected.drop(columns="status"), fits.drop(columns="status"))
    assert fits["status"].to_list() == ["ok", "ok", "too_few_epochs", "ok", "ok"]


def test_cuts_are_inclusive_and_tried_in_order():
    table = pd.DataFrame({"snr": [30.0, 29.9, np.nan, 50.0], "n_epochs": [20, 10, 20, 200]})
    failed = apply_cuts(table, {"snr": [30, None], "n_epochs": [20, 100]})
    assert failed.tolist() == ["", "snr", "snr", "n_epochs"]
    with pytest.raises(
        ValueError,
        match=r"'sn' names no column .* known are n_epochs, snr",
    ):
        apply_cuts(table, {"sn": [30, None]})


def test_optional_cuts_are_applied_where_the_star_list_has_the_column(caplog):
    cuts, blazhko = {"snr": [30, None]}, {"archive_blazhko_probability": [None, 0.7]}
    with caplog.at_level("WARNING"):
        assert choose_cuts(cuts, blazhko, ["star_id", *blazhko]) == ({**cuts, **blazhko}, {})
        assert not caplog.text
        assert choose_cuts(cuts, blazhko, ["star_id"]) == (cuts, blazhko)
    assert (
        "the star list has no archive_blazhko_probability: the optional cut to [-inf, 0.7] is not "
        "applied" in caplog.text
    )
