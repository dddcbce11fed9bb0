"""Trials of a search: training with other hyper-parameters, measured on folds of their own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metalyra.train.checkpoints import Checkpoint
from metalyra.train.ensembles import train_member
from metalyra.train.evaluation import measure_folds
from metalyra.train.search import METRICS, apply_changes
from metalyra.train.training import DivergedError
from metalyra.train.training_set import assign_folds, fold_columns


def train_trial(
    development: pd.DataFrame,
    star_ids: np.ndarray,
    sequences: np.ndarray,
    *,
    network: Mapping[str, Any],
    training: Mapping[str, Any],
    changes: Mapping[str, Any],
    epochs: int,
    folds: int,
    trained_folds: int,
    seed: int,
    weights: Mapping[str, Any] | None = None,
    checkpoints: Path | None = None,
) -> dict[str, float]:
    """Train a network with other hyper-parameters, and measure it out of fold.

    Parameters
    ----------
    development, star_ids, sequences
        Of `metalyra.train.ensembles.train_member`.
    network, training
        Of the model that is searched.
    changes
        Of the trial; see `metalyra.train.search.apply_changes`.
    epochs
        Number of epochs. A warm-up that would not end before them is shortened.
    folds
        Number of folds that the stars are split into: see `draw_search_folds`.
    trained_folds
        Number of members that are trained, those of the first folds.
    seed
        Seed of the study: the same stars and the same order of them for every trial.
    weights
        Settings of the sample weights of the model.
    checkpoints
        Folder for the states of the members, from which a killed trial goes on.

    Returns
    -------
    dict
        The metrics of `metalyra.train.search.METRICS` on the union of the folds; all are NaN if
        a training diverges.
    """
    changed = apply_changes({"network": network, "training": training}, changes)
    settings = changed["training"] | {"epochs": epochs}
    settings["warm_up"] = min(settings.get("warm_up", 0), epochs - 1)
    redrawn = draw_search_folds(development, folds, seed)
    out_of_fold = []
    for member in range(trained_folds):
        checkpoint = None if checkpoints is None else Checkpoint(checkpoints / f"{member}.npz")
        try:
            _, _, predicted = train_member(
                redrawn,
                star_ids,
                sequences,
                member,
                changed["network"],
                settings,
                seed,
                checkpoint,
                weights=weights,
            )
        except DivergedError:
            return dict.fromkeys(METRICS, np.nan)
        out_of_fold.append(predicted)
    metrics = measure_folds(pd.concat(out_of_fold, ignore_index=True))["union"]
    return {name: metrics.get(name, np.nan) for name in METRICS}


def draw_search_folds(development: pd.DataFrame, folds: int, seed: int) -> pd.DataFrame:
    """Return a development set with folds for a search, drawn under a seed of their own.

    They are the same for all trials of a model, and never those that the chosen model is
    measured on, be these drawn or published: a setting that is good for those by chance
    has no better chance to be chosen.

    Parameters
    ----------
    development
        Of `metalyra.train.training_set.make_training_set`. Of its folds it matters only which
        stars have one.
    folds
        Number of folds.
    seed
        Seed of the study.

    Returns
    -------
    DataFrame
        With the new folds, -1 as before, in the column fold.
    """
    used = (development["fold"] >= 0).to_numpy()
    stars = development[used]
    fold = np.full(len(development), -1)
    fold[used] = assign_folds(
        stars["star_id"].to_numpy(dtype=str),
        stars["feh"].to_numpy(dtype=float),
        folds,
        seed,
        stage="search folds",
    )
    return development.drop(columns=fold_columns(development)).assign(fold=fold)
