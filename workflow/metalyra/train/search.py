"""The search for hyper-parameters: which trials to train, and which of them go on.

A trial is a change to a model's configuration, named by its content. Grid search trains
all of them once. Hyperband (Li et al. 2018) trains many for few epochs and few for many:
how many go on, and how long they train, is planned in advance; only which ones they are
follows from the results. So every job of a search is known before the first one runs:
it trains the trial that its round has in its slot.
"""

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metalyra.train.training_settings import TrainingSettings

if TYPE_CHECKING:
    import pandas as pd

Ranges = Mapping[str, Sequence[Any]]
"""Values to try of keys of a model's configuration, such as "training.learning_rate"."""

DEKANY_GREBEL_2022: Mapping[str, Ranges] = {
    "G": {
        "network.units": [[16, 16], [32, 32]],
        "network.recurrent_l1": [5e-6, 3e-6, 1e-6],
        "network": [
            {"dropout": 0.1},
            {"dropout": 0.3},
            {"dropout": 0.5},
            {"dropout": 0.0, "kernel_l1": 5e-6},
            {"dropout": 0.0, "kernel_l1": 3e-6},
            {"dropout": 0.0, "kernel_l1": 1e-6},
        ],
    },
    "Ks": {
        "network.units": [[32, 32]],
        "network.recurrent_l1": [5e-6, 3e-6, 1e-6],
        "network.dropout": [0.1, 0.3, 0.5],
    },
}
"""Grids by band: all values in the parameter files published with Dékány & Grebel (2022)."""

DEKANY_GREBEL_2022_NETWORKS: Ranges = {
    "network.kind": ["bilstm", "lstm"],
    "network.units": [[16, 16], [32, 32], [16], [32]],
    "network": [
        {"recurrent_l1": l1, "recurrent_l2": l2}
        for strength in (5e-6, 3e-6, 1e-6)
        for l1, l2 in ((strength, 0.0), (0.0, strength))
    ],
    "network.dropout": [0.1, 0.3, 0.5],
}
"""The networks of Dékány & Grebel (2022), Sec. 3.2: one or two layers, in one direction or both,
with the L1 or the L2 norm. Their parameter files have the values, but of two layers in both
directions with L1 alone."""

MONTI_2025: Ranges = {
    "network.dropout": [0.1, 0.2, 0.4, 0.6],
    "training.learning_rate": [0.001, 0.01, 0.1],
    "training.batch_size": [32, 64, 128, 256, 512],
}
"""The search space of Monti et al. (2025), Sec. 3.3."""

RANGES: Mapping[str, Ranges] = {
    "dekany_grebel_2022_g": DEKANY_GREBEL_2022["G"],
    "dekany_grebel_2022_ks": DEKANY_GREBEL_2022["Ks"],
    "dekany_grebel_2022_networks": DEKANY_GREBEL_2022_NETWORKS,
    "monti_2025": MONTI_2025,
}
"""The ranges of papers, by the names that a configuration may say."""

METRICS: Mapping[str, bool] = {
    "r2": True,
    "r2_d_js": True,
    "rmse": False,
    "wrmse": False,
    "mae": False,
    "wmae": False,
    "medae": False,
    "d_js": False,
}
"""Metrics of `metalyra.core.metrics.evaluate_predictions`: whether larger values are better."""


def find_ranges(ranges: str | Ranges) -> Ranges:
    """Return ranges, which may be named after their paper: see `RANGES`."""
    return RANGES[ranges] if isinstance(ranges, str) else ranges


def plan_search(search: Mapping[str, Any], training: Mapping[str, Any]) -> list[list["Round"]]:
    """Return the rounds of each bracket of a search: one of one, but for Hyperband.

    Parameters
    ----------
    search
        An entry of `searches` of the configuration, with its defaults.
    training
        Of the model that is searched.
    """
    size = math.prod(len(values) for values in find_ranges(search["ranges"]).values())
    epochs = search["epochs"] or training.get("epochs", TrainingSettings.epochs)
    trials = min(size, search["trials"] or size)
    if search["method"] == "hyperband":
        return plan_brackets(epochs, search["reduction"], trials)
    return [[Round(size if search["method"] == "grid" else trials, epochs)]]


def start_bracket(
    search: Mapping[str, Any], training: Mapping[str, Any], bracket: int, seed: int, name: str
) -> "pd.DataFrame":
    """Return the trials of the first round of a bracket, a row for each slot.

    Parameters
    ----------
    search, training
        Of `plan_search`.
    bracket
        Its number.
    seed
        Seed of the study, unless the search has its own.
    name
        Of the search.

    Returns
    -------
    DataFrame
        trial, changes; see `make_grid`.
    """
    ranges = find_ranges(search["ranges"])
    if search["method"] == "grid":
        return make_grid(ranges)
    number = plan_search(search, training)[bracket][0].trials
    seed = seed if search["seed"] is None else search["seed"]
    return draw_trials(ranges, number, seed, f"{name}/{bracket}")


def make_grid(ranges: Ranges) -> "pd.DataFrame":
    """Return all combinations of values as trials.

    Parameters
    ----------
    ranges
        Values to try, by key.

    Returns
    -------
    DataFrame
        trial, its name; changes, the values of the keys as JSON. The first key varies
        slowest.

    Raises
    ------
    ValueError
        If a key has no values.
    """
    for key, values in ranges.items():
        if not values:
            raise ValueError(f"the search has no values of {key} to try")
    combinations = itertools.product(*ranges.values())
    return _tabulate(dict(zip(ranges, values, strict=True)) for values in combinations)


def draw_trials(ranges: Ranges, number: int, seed: int, key: str) -> "pd.DataFrame":
    """Return trials drawn at random from a grid, each once.

    Parameters
    ----------
    ranges
        Values to try, by key.
    number
        Number of trials; all of the grid where it has no more.
    seed
        Seed of the study.
    key
        Name of the search and its bracket.

    Returns
    -------
    DataFrame
        trial, changes; see `make_grid`.
    """
    from metalyra.core.randomness import generator

    grid = make_grid(ranges)
    order = generator(seed, "search", key).permutation(len(grid))
    return grid.iloc[order[:number]].reset_index(drop=True)


def name_trial(changes: Mapping[str, Any]) -> str:
    """Return the name of a trial, which depends on nothing but its changes."""
    return hashlib.sha256(_write_changes(changes).encode()).hexdigest()[:12]


def apply_changes(model: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a model as a trial changes it.

    Parameters
    ----------
    model
        An entry of `models` of the configuration.
    changes
        Values by key; the parts of a key are separated by points. A mapping is merged
        with what is there, so that one change can set several keys.

    Raises
    ------
    ValueError
        If a key leads into a value that has no keys.
    """
    changed: dict[str, Any] = json.loads(json.dumps(dict(model)))
    for path, value in changes.items():
        *parents, name = path.split(".")
        section = changed
        for parent in parents:
            section = section.setdefault(parent, {})
            if not isinstance(section, dict):
                raise ValueError(
                    f"the search changes {path}, but {parent} of the model has no keys"
                )
        if isinstance(value, Mapping) and isinstance(section.get(name), dict):
            value = {**section[name], **value}
        section[name] = json.loads(json.dumps(value))
    return changed


@dataclass(frozen=True)
class Round:
    """One round of a bracket.

    Attributes
    ----------
    trials
        Number of trials that are trained.
    epochs
        Number of epochs each of them is trained for, from the start; those before among them
        where it goes on from the round before.
    """

    trials: int
    epochs: int


def plan_brackets(epochs: int, reduction: int = 3, trials: int | None = None) -> list[list[Round]]:
    """Return the rounds of the brackets of Hyperband (Li et al. 2018, Algorithm 1).

    Parameters
    ----------
    epochs
        Largest number of epochs of a trial.
    reduction
        Factor by which the trials become fewer, and their epochs more, from round to
        round.
    trials
        Number of different trials that there are: no round has more.

    Returns
    -------
    list of list of Round
        The first bracket has most trials and rounds, the last trains all its trials for
        all epochs.

    Raises
    ------
    ValueError
        If there is not one epoch, or the reduction is not 2 or more.
    """
    if epochs < 1 or reduction < 2:
        raise ValueError(
            f"Hyperband needs an epoch and a reduction of at least 2, not {epochs} and {reduction}"
        )
    last = 0
    while reduction ** (last + 1) <= epochs:
        last += 1
    brackets = []
    for rounds in range(last, -1, -1):
        first = math.ceil((last + 1) * reduction**rounds / (rounds + 1))
        first = min(first, trials or first)
        brackets.append(
            [
                Round(
                    trials=max(1, first // reduction**number),
                    epochs=max(1, round(epochs / reduction ** (rounds - number))),
                )
                for number in range(rounds + 1)
            ]
        )
    return brackets


def next_round(results: "pd.DataFrame", metric: str, number: int) -> "pd.DataFrame":
    """Return the trials that go on to the next round, the best first.

    Parameters
    ----------
    results
        A row for each trial of the round: trial, changes and the metrics.
    metric
        What they are compared by, one of `METRICS`. A trial whose metric is missing
        comes last; trials of equal metric follow in the order of their names.
    number
        Number of trials that go on.

    Returns
    -------
    DataFrame
        trial, changes.

    Raises
    ------
    ValueError
        If the metric is unknown, or fewer trials have results.
    """
    if number > len(results):
        raise ValueError(f"{number} trials cannot go on: only {len(results)} have results")
    return rank_trials(results, metric)[["trial", "changes"]].head(number)


def rank_trials(results: "pd.DataFrame", metric: str) -> "pd.DataFrame":
    """Return the results of trials, the best first; see `next_round`."""
    if metric not in METRICS or metric not in results:
        known = ", ".join(name for name in METRICS if name in results)
        raise ValueError(f"the search knows no metric {metric!r}; known are {known}")
    ordered = results.sort_values("trial", kind="stable")
    return ordered.sort_values(
        metric, ascending=not METRICS[metric], kind="stable", na_position="last", ignore_index=True
    )


def best_changes(results: "pd.DataFrame", metric: str) -> dict[str, Any]:
    """Return the changes of the best trial of a search.

    Parameters
    ----------
    results
        Of the trials that were trained for all epochs: trial, changes and the metrics.
    metric
        See `next_round`.

    Raises
    ------
    ValueError
        If the metric is unknown, or no trial has one.
    """
    best = rank_trials(results.dropna(subset=[metric] if metric in results else []), metric)
    if best.empty:
        raise ValueError(f"no trial of the search has a value of {metric}")
    changes: dict[str, Any] = json.loads(best["changes"].iloc[0])
    return changes


def describe_best(
    results: "pd.DataFrame",
    search: Mapping[str, Any],
    network: Mapping[str, Any],
    training: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what the best trial of a search is, and the settings that it stands for.

    Parameters
    ----------
    results
        Of all trials: trial, changes, epochs and the metrics. Only those that were
        trained for the most epochs are compared.
    search
        An entry of `searches` of the configuration.
    network, training
        Of the model that was searched.

    Raises
    ------
    ValueError
        If no trial has a value of the metric.
    """
    metric = search["metric"]
    complete = results[results["epochs"] == results["epochs"].max()]
    changes = best_changes(complete, metric)
    best = rank_trials(complete, metric).iloc[0]
    changed = apply_changes({"network": network, "training": training}, changes)
    changed["training"]["epochs"] = int(best["epochs"])
    return {
        "model": search["model"],
        "trial": str(best["trial"]),
        "metric": metric,
        "value": float(best[metric]),
        "changes": changes,
        **changed,
    }


def take_best(
    best: Sequence[Path | str], network: Mapping[str, Any] | None, training: Mapping[str, Any]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the network and training of a model, which may be those a search has found.

    Parameters
    ----------
    best
        The file of `describe_best`, where the model takes its settings from a search.
    network
        Of a model that does not.
    training
        What the model says of its training; it counts more than what the search has found.
    """
    if not best:
        return network or {}, training
    import yaml

    found = yaml.safe_load(Path(best[0]).read_text())
    return found["network"], {**found["training"], **training}


def _tabulate(trials: Iterable[Mapping[str, Any]]) -> "pd.DataFrame":
    import pandas as pd

    rows = [(name_trial(changes), _write_changes(changes)) for changes in trials]
    return pd.DataFrame(rows, columns=["trial", "changes"])


def _write_changes(changes: Mapping[str, Any]) -> str:
    return json.dumps(changes, sort_keys=True)
