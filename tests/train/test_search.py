import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest
import yaml

from metalyra.core.metrics import evaluate_predictions
from metalyra.train.networks import complete_network
from metalyra.train.search import (
    DEKANY_GREBEL_2022,
    DEKANY_GREBEL_2022_NETWORKS,
    METRICS,
    MONTI_2025,
    Round,
    apply_changes,
    best_changes,
    describe_best,
    draw_trials,
    make_grid,
    name_trial,
    next_round,
    plan_brackets,
    plan_search,
    rank_trials,
    start_bracket,
    take_best,
)
from tests.papers import DEKANY_GREBEL_2022 as PUBLISHED

MODEL = {
    "sequence": {"recipe": "dg22"},
    "network": {"kind": "bilstm", "units": [16, 16]},
    "training": {"learning_rate": 0.005},
}


def results_of(**metrics: list[float]) -> pd.DataFrame:
    number = len(next(iter(metrics.values())))
    trials = make_grid({"training.epochs": list(range(1, number + 1))})
    return trials.assign(**metrics)


def epochs_of(trials: pd.DataFrame) -> list[int]:
    return [json.loads(changes)["training.epochs"] for changes in trials["changes"]]


def test_a_grid_has_every_combination_once():
    grid = make_grid(MONTI_2025)
    assert len(grid) == 4 * 3 * 5
    combinations = {
        (
            changes["network.dropout"],
            changes["training.learning_rate"],
            changes["training.batch_size"],
        )
        for changes in map(json.loads, grid["changes"])
    }
    assert len(combinations) == grid["trial"].nunique() == 60
    assert (0.6, 0.001, 512) in combinations


def test_a_trial_is_named_by_its_content():
    changes = {"training.epochs": 3, "network.dropout": 0.1}
    assert name_trial(changes) == name_trial(dict(reversed(changes.items())))
    assert name_trial(changes) != name_trial({**changes, "training.epochs": 4})
    wider = make_grid({"network.dropout": [0.1, 0.2, 0.3]})
    narrow = make_grid({"network.dropout": [0.3, 0.1]})
    assert set(narrow["trial"]) < set(wider["trial"])


def test_a_key_without_values_is_named():
    with pytest.raises(ValueError, match=r"no values of network\.dropout"):
        make_grid({"network.dropout": []})


def test_trials_are_drawn_once_and_by_the_seed():
    drawn = draw_trials(MONTI_2025, 20, seed=1, key="gru/3")
    assert drawn["trial"].nunique() == len(drawn) == 20
    assert set(drawn["trial"]) < set(make_grid(MONTI_2025)["trial"])
    pd.testing.assert_frame_equal(drawn, draw_trials(MONTI_2025, 20, seed=1, key="gru/3"))
    for other in (
        draw_trials(MONTI_2025, 20, seed=2, key="gru/3"),
        draw_trials(MONTI_2025, 20, seed=1, key="gru/2"),
    ):
        assert other["trial"].tolist() != drawn["trial"].tolist()
    assert len(draw_trials(MONTI_2025, 500, seed=1, key="gru/3")) == 60


def test_changes_reach_their_keys_and_leave_the_model_alone():
    changed = apply_changes(MODEL, {"network.units": [8], "weights.density_threshold": 0.5})
    assert changed == {
        "sequence": {"recipe": "dg22"},
        "network": {"kind": "bilstm", "units": [8]},
        "training": {"learning_rate": 0.005},
        "weights": {"density_threshold": 0.5},
    }
    assert MODEL["network"]["units"] == [16, 16]


def test_one_change_can_set_several_keys():
    changed = apply_changes(MODEL, {"network": {"kind": "lstm", "recurrent_l2": 1e-6}})
    assert changed["network"] == {"kind": "lstm", "units": [16, 16], "recurrent_l2": 1e-6}


def test_a_change_of_a_value_without_keys_is_named():
    with pytest.raises(ValueError, match=r"network\.kind\.size, but kind of the model has no keys"):
        apply_changes(MODEL, {"network.kind.size": 3})


@pytest.mark.parametrize(("band", "network"), [("G", PUBLISHED["G"]), ("Ks", PUBLISHED["Ks"])])
def test_the_published_networks_are_in_the_published_grids(band, network):
    trained = [
        apply_changes(MODEL, json.loads(changes))["network"]
        for changes in make_grid(DEKANY_GREBEL_2022[band])["changes"]
    ]
    assert complete_network(network) in [complete_network(trial) for trial in trained]


@pytest.mark.parametrize("ranges", [*DEKANY_GREBEL_2022.values(), MONTI_2025])
def test_the_published_ranges_change_what_there_is(ranges):
    for changes in make_grid(ranges)["changes"]:
        network = apply_changes(MODEL, json.loads(changes))["network"]
        assert complete_network(network)["kind"] == "bilstm"


def test_the_networks_of_dekany_and_grebel_are_of_all_kinds_that_they_tried():
    networks = [
        complete_network(apply_changes(MODEL, json.loads(changes))["network"])
        for changes in make_grid(DEKANY_GREBEL_2022_NETWORKS)["changes"]
    ]
    assert len(networks) == 2 * 4 * 6 * 3
    assert {(network["kind"], len(network["units"])) for network in networks} == {
        *(("bilstm", 1), ("bilstm", 2), ("lstm", 1), ("lstm", 2))
    }
    norms = {(network["recurrent_l1"] > 0, network["recurrent_l2"] > 0) for network in networks}
    assert norms == {(True, False), (False, True)}
    for band in ("G", "Ks"):
        assert complete_network(PUBLISHED[band]) in networks


def test_brackets_are_those_of_the_algorithm():
    # Worked out by hand from Li et al. (2018), Algorithm 1, for R = 81 and eta = 3.
    expected = [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(34, 3), (11, 9), (3, 27), (1, 81)],
        [(15, 9), (5, 27), (1, 81)],
        [(8, 27), (2, 81)],
        [(5, 81)],
    ]
    assert plan_brackets(81) == [[Round(*size) for size in bracket] for bracket in expected]


@pytest.mark.parametrize(("epochs", "reduction"), [(1, 3), (80, 3), (243, 3), (2000, 4), (64, 2)])
def test_every_bracket_ends_with_all_epochs(epochs, reduction):
    brackets = plan_brackets(epochs, reduction)
    assert len(brackets) == math.floor(round(math.log(epochs, reduction), 9)) + 1
    for bracket in brackets:
        assert bracket[-1].epochs == epochs
        for earlier, later in itertools.pairwise(bracket):
            assert later.trials * reduction <= earlier.trials
            assert later.epochs == pytest.approx(reduction * earlier.epochs, abs=reduction)


def test_no_round_has_more_trials_than_there_are():
    brackets = plan_brackets(81, trials=12)
    assert max(bracket[0].trials for bracket in brackets) == 12
    assert [size.trials for size in brackets[0]] == [12, 4, 1, 1, 1]


@pytest.mark.parametrize(("epochs", "reduction"), [(0, 3), (81, 1)])
def test_brackets_that_cannot_be_are_refused(epochs, reduction):
    with pytest.raises(ValueError, match=f"not {epochs} and {reduction}"):
        plan_brackets(epochs, reduction)


@pytest.mark.parametrize(
    ("metric", "best"), [("r2", [2, 3]), ("r2_d_js", [2, 3]), ("rmse", [1, 4]), ("d_js", [1, 4])]
)
def test_the_best_trials_go_on(metric, best):
    results = results_of(**{metric: [0.1, 0.9, 0.5, 0.2]})
    assert epochs_of(next_round(results, metric, 2)) == best
    shuffled = results.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(next_round(shuffled, metric, 2), next_round(results, metric, 2))


def test_trials_without_a_metric_come_last_and_equal_ones_by_name():
    results = results_of(rmse=[np.nan, 0.2, 0.2, 0.3])
    ranked = rank_trials(results, "rmse")
    assert ranked["trial"].tolist()[:2] == sorted(results["trial"][1:3])
    assert epochs_of(ranked)[2:] == [4, 1]


def test_a_round_cannot_grow():
    with pytest.raises(ValueError, match="3 trials cannot go on: only 2"):
        next_round(results_of(r2=[0.1, 0.2]), "r2", 3)


def test_an_unknown_metric_is_named():
    results = results_of(r2=[0.1, 0.2], rmse=[0.2, 0.1])
    for metric in ("accuracy", "wrmse"):
        with pytest.raises(ValueError, match=f"'{metric}'; known are r2, rmse"):
            next_round(results, metric, 1)
        with pytest.raises(ValueError, match=f"'{metric}'; known are r2, rmse"):
            best_changes(results, metric)


def test_the_best_trial_of_all():
    assert best_changes(results_of(rmse=[0.2, 0.1, np.nan]), "rmse") == {"training.epochs": 2}
    with pytest.raises(ValueError, match="no trial of the search has a value of rmse"):
        best_changes(results_of(rmse=[np.nan, np.nan]), "rmse")


def test_every_metric_is_measured():
    random = np.random.default_rng(1)
    true = random.normal(-1.4, 0.3, 50)
    measured = evaluate_predictions(true, true + random.normal(0, 0.1, 50), np.full(50, 0.1))
    assert set(METRICS) <= set(measured)


def test_hyperband_finds_the_best_of_a_known_landscape():
    def train(changes: str, epochs: int) -> float:
        """Return an error that falls with the epochs towards what the changes allow."""
        values = json.loads(changes)
        distance = abs(math.log10(values["training.learning_rate"]) + 2)
        return 0.15 + 0.1 * distance + 0.2 * values["network.dropout"] + 1 / epochs

    finished = []
    for number, bracket in enumerate(plan_brackets(27, trials=60)):
        results = draw_trials(MONTI_2025, bracket[0].trials, 42, f"landscape/{number}")
        for size in bracket:
            trials = results if size is bracket[0] else next_round(results, "rmse", size.trials)
            errors = [train(changes, size.epochs) for changes in trials["changes"]]
            results = trials.assign(rmse=errors)
        finished.append(results)
    best = best_changes(pd.concat(finished, ignore_index=True), "rmse")
    assert best["training.learning_rate"] == 0.01
    assert best["network.dropout"] == 0.1


SEARCH = {
    "model": "demo_g",
    "method": "grid",
    "ranges": {"training.learning_rate": [0.1, 0.01, 0.001], "network.dropout": [0.1, 0.4]},
    "metric": "rmse",
    "trials": None,
    "folds": 1,
    "epochs": None,
    "reduction": 3,
    "seed": None,
}


@pytest.mark.parametrize(
    ("changes", "training", "plan"),
    [
        ({}, {}, [[Round(6, 80)]]),
        ({"trials": 4}, {}, [[Round(6, 80)]]),
        ({"method": "random", "trials": 4}, {"epochs": 20}, [[Round(4, 20)]]),
        ({"method": "random", "trials": 40, "epochs": 5}, {"epochs": 20}, [[Round(6, 5)]]),
        ({"ranges": "dekany_grebel_2022_ks"}, {}, [[Round(9, 80)]]),
        (
            {"method": "hyperband", "trials": 4, "epochs": 9},
            {},
            [[Round(4, 1), Round(1, 3), Round(1, 9)], [Round(4, 3), Round(1, 9)], [Round(3, 9)]],
        ),
    ],
)
def test_every_job_of_a_search_is_known_in_advance(changes, training, plan):
    search = SEARCH | changes
    assert plan_search(search, training) == plan
    for bracket, rounds in enumerate(plan):
        trials = start_bracket(search, training, bracket, 7, "g_network")
        assert trials["trial"].nunique() == len(trials) == rounds[0].trials


def test_a_search_may_have_a_seed_of_its_own():
    search = SEARCH | {"method": "random", "trials": 3}

    def trials(study: int, **changes) -> list[str]:
        return start_bracket(search | changes, {}, 0, study, "g_network")["trial"].tolist()

    assert trials(1) != trials(2)
    assert trials(1, seed=5) == trials(2, seed=5)


def test_a_model_takes_the_settings_that_a_search_found(tmp_path):
    results = make_grid(SEARCH["ranges"])
    results["rmse"] = [0.05, 0.3, 0.2, 0.15, np.nan, 0.4]
    # What was trained for fewer epochs is not compared.
    results["epochs"] = [3, 9, 9, 9, 9, 9]
    network, training = MODEL["network"], {"batch_size": 32, "epochs": 9}
    best = describe_best(results, SEARCH, network, training)
    assert (best["trial"], best["value"]) == (results["trial"][3], 0.15)
    assert best["changes"] == {"training.learning_rate": 0.01, "network.dropout": 0.4}
    path = tmp_path / "best.yaml"
    path.write_text(yaml.safe_dump(best))
    found = network | {"dropout": 0.4}, {"batch_size": 32, "epochs": 9, "learning_rate": 0.01}
    assert take_best([path], None, {}) == found
    assert take_best([path], None, {"epochs": 50}) == (found[0], found[1] | {"epochs": 50})
    assert take_best([], network, training) == (network, training)


def test_a_search_without_any_result_says_so():
    results = make_grid(SEARCH["ranges"]).assign(rmse=np.nan, epochs=9)
    with pytest.raises(ValueError, match="no trial of the search has a value of rmse"):
        describe_best(results, SEARCH, MODEL["network"], {})
