import json

import numpy as np
import pandas as pd
import pytest

from metalyra.cards import average_repeats, measure_folds, write_card
from metalyra.metrics import evaluate_predictions


def test_a_metric_without_a_value_is_null(tmp_path):
    write_card({"metrics": {"union": {"r2": np.nan, "mae": 0.1}}}, tmp_path / "card.json")
    card = json.loads((tmp_path / "card.json").read_text())
    assert card == {"metrics": {"union": {"r2": None, "mae": 0.1}}}


def test_metrics_are_given_for_the_union_and_each_fold():
    random = np.random.default_rng(4)
    feh = random.normal(-1.4, 0.3, 60)
    stars = pd.DataFrame(
        {
            "star_id": [f"s{star:02}" for star in range(60)],
            "fold": np.arange(60) % 3,
            "feh": feh,
            "feh_err": random.uniform(0.05, 0.2, 60),
            "feh_predicted": feh + random.normal(0, 0.1, 60),
        }
    )
    metrics = measure_folds(stars)
    columns = [stars[name].to_numpy() for name in ("feh", "feh_predicted", "feh_err")]
    assert metrics["union"] == evaluate_predictions(*columns)
    assert metrics["by_fold"]["2"] == evaluate_predictions(*(column[2::3] for column in columns))
    assert list(metrics["by_fold"]) == ["0", "1", "2"]
    unknown = measure_folds(stars.assign(feh_err=np.nan))
    assert unknown["union"] == evaluate_predictions(*columns[:2])


def test_repeats_of_the_cross_validation_are_averaged_star_by_star():
    feh = np.random.default_rng(1).normal(-1.4, 0.3, 40)
    stars = pd.DataFrame({"star_id": [f"s{star:02}" for star in range(40)], "feh": feh})
    stars = stars.assign(fold=np.arange(40) % 4, feh_err=0.1)
    rows = pd.concat(
        stars.assign(fold=stars["fold"] + 4 * repeat, feh_predicted=stars["feh"] + shift)
        for repeat, shift in enumerate((0.1, 0.3))
    )
    averaged = average_repeats(rows.sample(frac=1, random_state=1))
    assert averaged["star_id"].tolist() == stars["star_id"].tolist()
    assert (averaged["fold"] == stars["fold"]).all()
    np.testing.assert_allclose(averaged["feh_predicted"] - averaged["feh"], 0.2, atol=1e-12)
    metrics = measure_folds(rows)
    assert metrics["union"]["mae"] == pytest.approx(0.2)
    assert [metrics["by_fold"][fold]["mae"] for fold in ("3", "4")] == pytest.approx([0.1, 0.3])
    assert metrics["mean"]["mae"] == pytest.approx(0.2)
    assert metrics["std"]["mae"] == pytest.approx(0.1)
    once = rows[rows["fold"] < 4].reset_index(drop=True)
    pd.testing.assert_frame_equal(average_repeats(once), once, check_exact=True)
