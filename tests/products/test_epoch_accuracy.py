import numpy as np
import pandas as pd
import pytest

from metalyra.products.epoch_accuracy import (
    ACCURACY_COLUMNS,
    PAIR_COLUMNS,
    measure_by_epochs,
    pair_with_labels,
)

STARS = [f"s{number}" for number in range(6)]
FITS = pd.DataFrame({"star_id": STARS, "n_epochs": [15.0, 19.0, 20.0, 49.0, 50.0, 90.0]})
LABELS = pd.DataFrame(
    {"star_id": STARS[::-1], "feh": [-1.0, -1.2, -1.4, -1.6, -1.8, np.nan]}
).assign(status=["ok"] * 5 + ["no_archive_phi31"])


def predict(difference, **columns) -> pd.DataFrame:
    feh = LABELS.set_index("star_id")["feh"].reindex(STARS).fillna(-1.5) + difference
    table = pd.DataFrame({"star_id": STARS, "feh": feh.to_numpy(), "status": "ok"})
    return table.assign(in_training=False).assign(**columns)


def test_every_labelled_and_predicted_star_is_in_a_pair():
    shaky = ["ok", "ok", "unlike_training", "ok", "ok", "prediction_failed"]
    table = predict(0.1, status=shaky)
    table.loc[5, "feh"] = np.nan
    pairs = pair_with_labels(FITS, LABELS, {"b": predict(0.0), "a": table})
    assert pairs.columns.tolist() == list(PAIR_COLUMNS)
    assert pairs["model"].tolist() == ["b"] * 5 + ["a"] * 4
    # The first star has no label, the last no prediction by one of the models.
    assert sorted(pairs.loc[pairs["model"] == "a", "star_id"]) == STARS[1:5]
    difference = (pairs["feh_predicted"] - pairs["feh"]).to_numpy()
    assert difference == pytest.approx([0.0] * 5 + [0.1] * 4)
    assert pairs.set_index(["model", "star_id"]).loc[("a", "s3"), "n_epochs"] == 49


def test_each_bin_has_its_stars_and_all_rows_add_up():
    table = predict([0.3, 0.3, 0.1, -0.1, 0.2, 0.0], in_training=[False] * 4 + [True] * 2)
    table.loc[2, "status"] = "unlike_training"
    pairs = pair_with_labels(FITS, LABELS, {"a": table, "b": predict(0.5)})
    accuracy = measure_by_epochs(pairs, ["b", "a"], [20, 50, 100])
    assert accuracy.columns.tolist() == list(ACCURACY_COLUMNS)
    assert accuracy["model"].tolist() == ["b"] * 5 + ["a"] * 5
    own = accuracy[accuracy["model"] == "a"].reset_index(drop=True)
    assert own["n_epochs_from"].fillna(0).tolist() == [0, 20, 50, 100, 0]
    assert own["n_epochs_to"].fillna(0).tolist() == [19, 49, 99, 0, 0]
    assert own["n_stars"].tolist() == [1, 2, 2, 0, 5]
    assert own["n_in_training"].tolist() == [0, 0, 2, 0, 2]
    assert own["n_ok"].tolist() == [1, 1, 2, 0, 4]
    assert own["bias"][:3].tolist() == pytest.approx([0.3, 0.0, 0.1])
    assert own["mae"][:3].tolist() == pytest.approx([0.3, 0.1, 0.1])
    assert own["rmse"][1] == pytest.approx(0.1)
    assert own.loc[3, ["bias", "rmse", "mae", "r2"]].isna().all()
    assert accuracy["bias"][4] == pytest.approx(0.5)
