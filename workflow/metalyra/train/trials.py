"""Trials of a search: training with other hyper-parameters, measured on folds of their own."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metalyra.core.tables import replace_when_complete
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
    all_epochs: int | None = None,
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
    all_epochs
        Number of epochs of the training that this trial is the beginning of, or goes on with:
        its schedule is that of all of them, and it stops after `epochs`. None where there are no
        more.
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
    settings = changed["training"] | {"epochs": all_epochs or epochs}
    settings["warm_up"] = min(settings.get("warm_up", 0), settings["epochs"] - 1)
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
                stop_after=epochs,
            )
        except DivergedError:
            return dict.fromkeys(METRICS, np.nan)
        out_of_fold.append(predicted)
    metrics = measure_folds(pd.concat(out_of_fold, ignore_index=True))["union"]
    return {name: metrics.get(name, np.nan) for name in METRICS}


def take_states(trial: str, before: Iterable[Path | str], folder: Path) -> None:
    """Copy the states of a trial from the round before, for it to go on from them.

    Parameters
    ----------
    trial
        Its name.
    before
        Folders of the trials of that round, each with the states of the trial that it is named
        in: see `keep_states`.
    folder
        Where the trial keeps its states. What is there already is later, and stays.
    """
    for states in (Path(place) / trial for place in before):
        if not states.is_dir():
            continue
        for state in sorted(states.glob("*.npz")):
            if not (folder / state.name).exists():
                with replace_when_complete(folder / state.name) as temporary:
                    shutil.copyfile(state, temporary)


def keep_states(trial: str, folder: Path, place: Path) -> None:
    """Move the states of a trial to where the next round finds them: see `take_states`."""
    place.mkdir(parents=True, exist_ok=True)
    if folder.is_dir():
        shutil.move(folder, place / trial)


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
