"""Experiments expand to models."""

import numpy as np
import pandas as pd
import pytest

from metalyra.predict.cards import make_card
from metalyra.products.paper_tables import tabulate_experiment
from metalyra.study.experiments import expand_experiment, merge_settings, name_models
from metalyra.train.ensembles import describe_training, measure_parts, predict_parts, train_member
from metalyra.train.training_set import make_training_set

# Keras 3 copies TensorFlow's arrays as NumPy 1 did.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

EXPERIMENT = {
    "shared": {"sample": "g", "folds": 5, "training": {"epochs": 1000, "optimizer": "adam"}},
    "axes": {
        "catalogue": {
            "raw": {"sequence": {"recipe": "dg22", "steps": 264}},
            "smooth": {"sequence": {"recipe": "spline"}},
        },
        "network": {
            "gru": {"network": {"kind": "gru"}},
            "fcn": {"network": {"kind": "fcn"}, "training": {"optimizer": "adamw"}},
        },
    },
    "quick": {
        "shared": {"folds": 3, "training": {"epochs": 30}},
        "axes": {
            "catalogue": {"raw": {"sequence": {"steps": 66}}},
            "network": {"fcn": {"training": {"epochs": 20}}},
        },
    },
}


def test_every_combination_is_a_model_in_the_order_of_the_axes():
    models = expand_experiment("table", EXPERIMENT, "full")
    names = ["table_raw_gru", "table_raw_fcn", "table_smooth_gru", "table_smooth_fcn"]
    assert list(models) == names
    assert list(name_models("table", EXPERIMENT)) == names
    assert models["table_smooth_fcn"] == {
        "sample": "g",
        "folds": 5,
        "sequence": {"recipe": "spline"},
        "network": {"kind": "fcn"},
        "training": {"epochs": 1000, "optimizer": "adamw"},
    }
    assert name_models("table", EXPERIMENT)["table_raw_fcn"] == {
        "catalogue": "raw",
        "network": "fcn",
    }


def test_an_effort_changes_what_it_names():
    models = expand_experiment("table", EXPERIMENT, "quick")
    assert models["table_raw_gru"]["sequence"] == {"recipe": "dg22", "steps": 66}
    assert models["table_raw_gru"]["training"] == {"epochs": 30, "optimizer": "adam"}
    assert models["table_smooth_fcn"]["sequence"] == {"recipe": "spline"}
    assert models["table_smooth_fcn"]["training"] == {"epochs": 20, "optimizer": "adamw"}
    assert models["table_smooth_fcn"]["folds"] == 3


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"sequence": {"raw": {}}}, r"'sequence' is unknown; allowed: catalogue, network"),
        ({"network": {"cnn": {}}}, r"'cnn' is unknown; allowed: gru, fcn"),
    ],
)
def test_an_effort_that_changes_what_is_not_there_is_refused(axes, message):
    with pytest.raises(ValueError, match=message):
        expand_experiment("table", {**EXPERIMENT, "quick": {"axes": axes}}, "quick")


def test_two_models_of_one_name_are_refused():
    axes = {"first": {"a": {}, "a_b": {}}, "second": {"b_c": {}, "c": {}}}
    with pytest.raises(ValueError, match="two models would have the name table_a_b_c"):
        expand_experiment("table", {"axes": axes}, "quick")


def test_settings_are_merged_group_by_group_and_lists_as_a_whole():
    first = {"cuts": {"feh_err": [None, 0.4]}, "units": [20, 16], "network": None}
    second = {"cuts": {"amplitude": [None, 1.4]}, "units": [8], "network": {"kind": "gru"}}
    merged = merge_settings(first, second)
    assert merged == {
        "cuts": {"feh_err": [None, 0.4], "amplitude": [None, 1.4]},
        "units": [8],
        "network": {"kind": "gru"},
    }
    merged["cuts"]["snr"] = [50, None]
    assert "snr" not in first["cuts"]


def train_model(model: dict, development: pd.DataFrame, sequences: np.ndarray) -> dict:
    """Return the card of a model, as the rules `train` and `evaluate` make it."""
    network, training = model["network"], model["training"]
    shown = development, development["star_id"].to_numpy(dtype=str), sequences
    metrics, out_of_fold = [], []
    for fold in range(model["folds"]):
        member, _, predicted = train_member(*shown, fold, network, training, 1)
        metrics.append(measure_parts(predict_parts(member, *shown, fold, training, 1)))
        out_of_fold.append(predicted)
    return make_card(
        name="model",
        band="G",
        relation="muraveva2025",
        network=network,
        sequence={"recipe": "spline"},
        members=range(model["folds"]),
        provenance=describe_training(*shown, training, 1),
        out_of_fold=pd.concat(out_of_fold),
        member_metrics=pd.concat(metrics),
    )


def test_the_models_of_an_experiment_are_trained_and_compared():
    random = np.random.default_rng(3)
    feh = random.normal(-1.4, 0.4, 60)
    sequences = (feh[:, None, None] * np.ones((1, 8, 2))).astype(np.float32)
    stars = pd.DataFrame({"star_id": [f"s{star:02}" for star in range(60)], "status": "ok"})
    labels = stars.assign(feh=feh, feh_err=0.1, relation="muraveva2025")
    development = make_training_set(stars.assign(period=0.5), labels, folds=2)
    network = {"kind": "principal_components", "components": 1, "hidden": [4], "dropout": 0.0}
    experiment = {
        "shared": {"folds": 2, "network": network, "training": {"learning_rate": 0.03}},
        "axes": {
            "epochs": {
                "few": {"training": {"epochs": 1}},
                "many": {"training": {"epochs": 60}},
            }
        },
    }
    models = expand_experiment("study", experiment, "quick")
    cards = [train_model(model, development, sequences) for model in models.values()]
    table = tabulate_experiment(list(name_models("study", experiment).values()), cards, [1.0, 2.0])
    assert table["epochs"].tolist() == ["few", "many"]
    assert table["n_stars"].tolist() == [60, 60]
    assert table["r2_validation"][1] > 0.9 > table["r2_validation"][0]
    assert table["rmse_training"][1] < 0.3 * table["rmse_training"][0]
    # All errors are equal, so that the weights change nothing.
    np.testing.assert_allclose(table["wmae_validation"], table["mae_validation"])
