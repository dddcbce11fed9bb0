import math

import numpy as np
import pandas as pd
import pytest

from metalyra.train import trials
from metalyra.train.ensembles import train_member
from metalyra.train.evaluation import measure_folds
from metalyra.train.search import METRICS, best_changes, make_grid, next_round, plan_brackets
from metalyra.train.training import DivergedError
from metalyra.train.training_set import make_training_set
from metalyra.train.trials import draw_search_folds, keep_states, take_states, train_trial

# Keras 3 copies TensorFlow's arrays as NumPy 1 did.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NETWORK = {"kind": "convolutional", "filters": [4], "kernel_size": 3, "hidden": 8, "dropout": 0.0}
TRAINING = {"batch_size": 16, "warm_up": 2}


@pytest.fixture(scope="module")
def sample():
    """Stars whose metallicity follows from the amplitude of their curves."""
    random = np.random.default_rng(1)
    amplitude = random.uniform(0.3, 1.2, 60)
    curves = amplitude[:, None] * np.sin(2 * np.pi * np.arange(10) / 10)
    stars = pd.DataFrame({"star_id": [f"s{star:02}" for star in range(60)], "status": "ok"})
    labels = stars.assign(feh=amplitude - 2, feh_err=0.1, relation="test")
    development = make_training_set(stars.assign(period=0.5), labels, folds=3, seed=1)
    return development, stars["star_id"].to_numpy(dtype=str), curves[:, :, None].astype(np.float32)


def train(sample, changes, epochs, **settings):
    settings = {"folds": 3, "trained_folds": 1, "seed": 1} | settings
    settings = {"network": NETWORK, "training": TRAINING} | settings
    return train_trial(*sample, changes=changes, epochs=epochs, **settings)


def test_hyperband_finds_the_learning_rate_that_learns(sample):
    trained = {}
    results = make_grid({"training.learning_rate": [1e-6, 0.02]})
    for size in plan_brackets(4, reduction=4, trials=2)[0]:
        if size.trials < len(results):
            results = next_round(results, "rmse", size.trials)
        metrics = [
            train(sample, {"training.learning_rate": rate}, size.epochs)
            for rate in ([1e-6, 0.02] if len(results) == 2 else [0.02])
        ]
        results = results[["trial", "changes"]].assign(**pd.DataFrame(metrics).to_dict("list"))
        trained[size.epochs] = results["rmse"].min()
    assert best_changes(results, "rmse") == {"training.learning_rate": 0.02}
    assert list(trained) == [1, 4]
    assert trained[4] < trained[1]


def test_a_trial_is_measured_on_the_union_of_its_folds(sample):
    changes = {"training": {"learning_rate": 0.02, "warm_up": 0}, "network.hidden": 4}
    weights = {"density_threshold": 0.5}
    metrics = train(sample, changes, 2, trained_folds=2, weights=weights)
    training = TRAINING | {"learning_rate": 0.02, "warm_up": 0, "epochs": 2}
    redrawn = draw_search_folds(sample[0], 3, 1)
    settings = NETWORK | {"hidden": 4}, training, 1
    members = [
        train_member(redrawn, *sample[1:], member, *settings, weights=weights)[2]
        for member in (0, 1)
    ]
    union = measure_folds(pd.concat(members))["union"]
    assert metrics == {name: union[name] for name in METRICS}


def test_a_trial_goes_on_where_it_was_killed(sample, tmp_path):
    first = train(sample, {}, 3, checkpoints=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["0.npz"]
    before = (tmp_path / "0.npz").stat().st_mtime_ns
    assert train(sample, {}, 3, checkpoints=tmp_path) == first
    assert (tmp_path / "0.npz").stat().st_mtime_ns == before


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_trial_goes_on_from_the_round_before_as_if_it_had_never_stopped(
    sample, tmp_path, schedule
):
    changes = {"training": {"learning_rate": 0.02, "schedule": schedule, "warm_up": 0}}
    straight = train(sample, changes, 4)
    first = train(sample, changes, 2, all_epochs=4, checkpoints=tmp_path / "first")
    keep_states("trial", tmp_path / "first", tmp_path / "0_0_0")
    assert [path.name for path in (tmp_path / "0_0_0/trial").iterdir()] == ["0.npz"]
    assert not (tmp_path / "first").exists()
    others = [tmp_path / "0_0_1", tmp_path / "0_0_0"]
    take_states("trial", others, tmp_path / "second")
    state = np.load(tmp_path / "second/0.npz")
    assert len(state["history"]) == 2
    second = train(sample, changes, 4, all_epochs=4, checkpoints=tmp_path / "second")
    assert second == straight
    assert first != straight
    # Of a killed job's own states, which are later, nothing is lost.
    take_states("trial", others, tmp_path / "second")
    assert len(np.load(tmp_path / "second/0.npz")["history"]) == 4
    take_states("another", others, tmp_path / "third")
    assert not (tmp_path / "third").exists()


def test_a_trial_without_states_leaves_an_empty_folder(tmp_path):
    keep_states("trial", tmp_path / "none", tmp_path / "0_0_0")
    assert not list((tmp_path / "0_0_0").iterdir())


def test_a_trial_that_diverges_has_no_metrics(sample, monkeypatch):
    def diverge(*arguments, **settings):
        raise DivergedError

    monkeypatch.setattr(trials, "train_member", diverge)
    metrics = train(sample, {}, 1)
    assert set(metrics) == set(METRICS)
    assert all(math.isnan(value) for value in metrics.values())


@pytest.mark.parametrize("published", [False, True])
def test_the_folds_of_a_search_are_not_those_that_measure_the_model(sample, published):
    development = sample[0]
    if published:
        development = development.assign(fold=np.arange(60) % 3)
        development.loc[:4, "fold"] = -1
    redrawn = draw_search_folds(development, 3, seed=1)
    used = development["fold"] >= 0
    assert (redrawn.loc[~used, "fold"] == -1).all()
    assert set(redrawn.loc[used, "fold"]) == {0, 1, 2}
    # Independent ones share a third of the stars, by any numbering about a half at most.
    shared = pd.crosstab(development.loc[used, "fold"], redrawn.loc[used, "fold"])
    assert shared.to_numpy().max() < 0.75 * used.sum() / 3


def test_a_trial_does_not_read_the_folds_of_the_development_set(sample):
    development, *curves = sample
    other = development.assign(fold=(np.arange(60) * 7) % 5, fold_2=5)
    expected = train(sample, {}, 2)
    assert train((other, *curves), {}, 2) == expected
