import pandas as pd

from metalyra.selection import select_pulsation_type


def test_stars_of_another_type_are_marked_and_other_statuses_stay():
    fits = pd.DataFrame(
        {
            "star_id": ["a", "b", "c", "d"],
            "status": ["ok", "ok", "too_few_epochs", "ok"],
            "snr": [1.0, 2.0, 3.0, 4.0],
        }
    )
    stars = pd.DataFrame(
        {"star_id": ["d", "c", "b", "a"], "pulsation_type": ["RRab", "RRc", "RRc", "RRab"]}
    )
    selected = select_pulsation_type(fits, stars, "RRab")
    assert selected["status"].to_list() == ["ok", "wrong_pulsation_type", "too_few_epochs", "ok"]
    pd.testing.assert_frame_equal(selected.drop(columns="status"), fits.drop(columns="status"))
    assert fits["status"].to_list() == ["ok", "ok", "too_few_epochs", "ok"]
