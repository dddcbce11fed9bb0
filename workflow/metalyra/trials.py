"""Trials of a search: training with other hyper-parameters, and what comes of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metalyra.cards import measure_folds
from metalyra.checkpoints import Checkpoint
from metalyra.ensembles import train_member
from metalyra.search import METRICS, apply_changes
from metalyra.training import DivergedError


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
    seed: int,
    checkpoints: Path | None = None,
) -> dict[str, float]:
    """Train a network with other hyper-parameters, and measure it out of fold.

    Parameters
    ----------
    development, star_ids, sequences
        Of `metalyra.ensembles.train_member`.
    network, training
        Of the model that is searched.
    changes
        Of the trial; see `metalyra.search.apply_changes`.
    epochs
        Number of epochs. A warm-up that would not end before them is shortened.
    folds
        Number of members that are trained, those of the first folds.
    seed
        Seed of the study: the same stars and the same order of them for every trial.
    checkpoints
        Folder for the states of the members, from which a killed trial goes on.

    Returns
    -------
    dict
        The metrics of `metalyra.search.METRICS` on the union of the folds; all are NaN if
        a training diverges.
    """
    changed = apply_changes({"network": network, "training": training}, changes)
    settings = changed["training"] | {"epochs": epochs}
    settings["warm_up"] = min(settings.get("warm_up", 0), epochs - 1)
    out_of_fold = []
    for member in range(folds):
        checkpoint = None if checkpoints is None else Checkpoint(checkpoints / f"{member}.npz")
        try:
            _, _, predicted = train_member(
                development,
                star_ids,
                sequences,
                member,
                changed["network"],
                settings,
                seed,
                checkpoint,
            )
        except DivergedError:
            return dict.fromkeys(METRICS, np.nan)
        out_of_fold.append(predicted)
    metrics = measure_folds(pd.concat(out_of_fold, ignore_index=True))["union"]
    return {name: metrics.get(name, np.nan) for name in METRICS}
