"""Experiments expand to models."""

import pytest

from metalyra.experiments import expand_experiment, merge_settings, name_models

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
