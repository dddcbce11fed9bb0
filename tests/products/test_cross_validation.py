import numpy as np
import pandas as pd
import pytest

from metalyra.products.cross_validation import (
    COLUMNS,
    CrossValidation,
    describe_cross_validations,
    tabulate_cross_validations,
)


def make_model(name: str, residuals: list[float], width: float = 0.2) -> CrossValidation:
    residuals = np.array(residuals)
    feh = np.linspace(-2, -1, len(residuals))
    table = pd.DataFrame(
        {
            "feh": feh,
            # The errors of labels do not weight what is shown.
            "feh_err": np.geomspace(0.01, 1, len(feh)),
            "feh_predicted": feh + residuals,
            "feh_half_width_68": width,
            "feh_half_width_95": 2 * width,
        }
    )
    card = {"name": name, "pulsation_type": "RRab", "band": "V", "provenance": {"note": None}}
    return CrossValidation(card, table)


UNTRAINED = CrossValidation(
    {
        "name": "own_rrc",
        "pulsation_type": "RRc",
        "band": "V",
        "provenance": {"note": "3 labelled RRc stars can be used"},
    },
    pd.DataFrame({"feh": [], "feh_predicted": []}),
)


def test_every_star_counts_alike():
    table = tabulate_cross_validations([make_model("m", [0.1, -0.1, 0.3, 0.5])], {}, "V")
    assert table.columns.tolist() == list(COLUMNS)
    row = table.iloc[0]
    assert (row["name"], row["kind"], row["n_stars"], row["note"]) == ("m", "model", 4, "")
    assert row["rmse"] == pytest.approx(0.3)
    assert row["mae"] == pytest.approx(0.25)
    assert row["bias"] == pytest.approx(0.2)
    assert (row["coverage_68"], row["coverage_95"]) == (0.5, 0.75)


def test_relations_are_beside_the_models():
    accuracy = pd.DataFrame(
        {
            "pulsation_type": ["RRab"],
            **{"variant": "hierarchical", "unit": "star", "count": 7, "mae": 0.1, "rmse": 0.2},
            **{"bias": 0.0, "reduced_error": 1.0, "coverage_68": 0.7, "coverage_95": 0.9},
        }
    )
    table = tabulate_cross_validations([make_model("m", [0.1, 0.2])], {"own": accuracy}, "V")
    row = table.iloc[1]
    assert (row["name"], row["kind"], row["band"], row["n_stars"]) == ("own", "relation", "V", 7)
    assert (row["rmse"], row["coverage_68"]) == (0.2, 0.7)


def test_a_model_that_was_not_trained_is_a_note():
    table = tabulate_cross_validations([make_model("m", [0.1, 0.2]), UNTRAINED], {}, "V")
    assert table["n_stars"].tolist() == [2, 0]
    lines = describe_cross_validations(table).splitlines()
    assert len(lines) == 3
    assert "0.158" in lines[1]
    assert "100.0 %" in lines[1]
    assert lines[2] == "3 labelled RRc stars can be used"


def test_a_study_that_trains_nothing_fails_with_its_numbers():
    with pytest.raises(ValueError, match="nothing could be trained: 3 labelled RRc stars"):
        tabulate_cross_validations([UNTRAINED], {}, "V")
