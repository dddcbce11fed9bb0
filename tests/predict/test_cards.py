import json

import numpy as np
import pandas as pd
import pytest

from metalyra.core.metrics import evaluate_predictions
from metalyra.core.tables import write_table
from metalyra.predict.cards import evaluate_ensemble, make_card, read_cuts, write_card
from metalyra.train.evaluation import average_repeats, measure_folds


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


WIDTHS = ["feh_half_width_68", "feh_half_width_95"]


def draw_folds(repeats: int = 1) -> pd.DataFrame:
    """Out-of-fold predictions of 120 stars in three folds, drawn anew in each repeat."""
    random = np.random.default_rng(6)
    feh = random.normal(-1.4, 0.3, 120)
    stars = pd.DataFrame({"star_id": [f"s{star:03}" for star in range(120)], "feh": feh})
    return pd.concat(
        [
            stars.assign(
                fold=random.permutation(120) % 3 + 3 * repeat,
                feh_err=0.1,
                feh_predicted=feh + random.normal(0, 0.1, 120),
            )
            for repeat in range(repeats)
        ],
        ignore_index=True,
    )


def card_of(out_of_fold: pd.DataFrame) -> dict:
    return make_card(
        name="g",
        band="G",
        relation="dekany2021",
        network={"kind": "bilstm"},
        sequence={"recipe": "gp_curve"},
        members=range(3),
        provenance={},
        out_of_fold=out_of_fold,
    )


@pytest.mark.parametrize("repeats", [1, 3])
def test_errors_of_a_fold_are_learnt_on_all_others(repeats):
    rows = draw_folds(repeats)
    evaluated = evaluate_ensemble(rows)
    changed = rows.assign(feh=rows["feh"].where(rows["star_id"] != "s007", 9.0))
    again = evaluate_ensemble(changed)
    own = evaluated["fold"] == evaluated.set_index("star_id").loc["s007", "fold"]
    pd.testing.assert_frame_equal(evaluated.loc[own, WIDTHS], again.loc[own, WIDTHS])
    assert (evaluated.loc[~own, WIDTHS] != again.loc[~own, WIDTHS]).any(axis=None)
    assert evaluated["star_id"].is_unique
    # The mean of the repeats is nearer to the truth than one of them.
    scale = 0.1 / np.sqrt(repeats)
    np.testing.assert_allclose(evaluated["feh_predicted_err"], scale, rtol=0.3)


@pytest.mark.parametrize("repeats", [1, 2])
def test_a_card_tells_the_share_of_the_stars_within_such_errors(repeats):
    rows = draw_folds(repeats)
    coverage = card_of(rows)["metrics"]["coverage"]
    evaluated = evaluate_ensemble(rows)
    errors = np.abs(evaluated["feh_predicted"] - evaluated["feh"])
    assert coverage == {
        level: (errors <= evaluated[width]).mean()
        for level, width in zip(("0.68", "0.95"), WIDTHS, strict=True)
    }
    assert coverage["0.68"] == pytest.approx(0.68, abs=0.1)


def test_too_few_stars_have_no_intervals():
    few = draw_folds().groupby("fold").head(8)
    assert card_of(few)["metrics"]["coverage"] is None
    assert evaluate_ensemble(few)["feh_predicted_err"].isna().all()


def test_a_card_says_which_cuts_were_not_applied(tmp_path):
    cuts = {"cuts": {"snr": [30, None]}, "cuts_not_applied": {"archive_x": [None, 0.7]}}
    about = {key: json.dumps(bounds) for key, bounds in cuts.items()}
    write_table(pd.DataFrame({"star_id": ["a"]}), tmp_path / "development.parquet", about)
    found = read_cuts(tmp_path / "development.parquet")
    assert found == cuts
    card = make_card(
        **{"name": "g", "band": "G", "relation": "r", "network": {"kind": "bilstm"}},
        **{"sequence": {"recipe": "gp_curve"}, "members": [0], "provenance": {}},
        **found,
    )
    assert (card["cuts"], card["cuts_not_applied"]) == tuple(cuts.values())
    assert "cuts_not_applied" not in card_of(draw_folds())
