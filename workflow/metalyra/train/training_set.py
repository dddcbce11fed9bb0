"""The stars that a model is trained on: matched, labelled, selected, in folds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from metalyra.core.randomness import generator
from metalyra.core.statuses import CUT
from metalyra.core.tables import read_table
from metalyra.train.selection import Cuts, apply_cuts, join_archive

LABELS = ("feh", "feh_err", "relation")
"""Columns of the labels table that a development set carries."""


def make_training_set(
    fits: pd.DataFrame,
    labels: pd.DataFrame,
    *,
    label_fits: pd.DataFrame | None = None,
    stars: pd.DataFrame | None = None,
    matched: pd.DataFrame | None = None,
    cuts: Cuts | None = None,
    folds: int | Mapping[str, int] = 10,
    repeats: int = 1,
    fewest_stars: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return what the training needs to know of every star of a model's sample.

    Parameters
    ----------
    fits
        The fits table of the sample whose light curves the model reads.
    labels
        The labels table of the sample whose metallicities it learns. `training_err`, the
        error by which a label is cut and weighted, stands for `feh_err` where it is there.
    label_fits
        Columns of the fits behind the labels that may be cut on, by the labels' `star_id` and by
        names that the first sample's fits do not have, such as `amplitude_I`.
    stars
        The star table of the first sample, whose archive_* columns may be cut on.
    matched
        The matched table that leads from the first sample to the second, with
        `star_id`, `reference_id` and `status`; None where both call the stars alike.
    cuts
        Lowest and highest allowed value, both inclusive, None for no bound, by column of
        `fits`, `labels`, `label_fits` or the archive_* columns of `stars`; tried in this
        order. A missing value fails.
    folds
        Number of cross-validation folds, or the (published) fold of each star by its id;
        stars that are not in it get fold -1.
    repeats
        How often the stars are split into folds; only once where these are published.
    fewest_stars
        With fewer usable stars, none is used: all folds are -1. None to raise then.
    seed
        Seed of the study.

    Returns
    -------
    DataFrame
        One row per row of `fits`, in its order: star_id, period, feh, feh_err, relation,
        fold (-1 if not used), status. Where the cross-validation is repeated,
        fold_2, fold_3, ... are the folds of the repeats, numbered on from those before:
        each fold of each repeat is one member's. The status of a star that is not used is
        the one it came with, no_match, the one of its label, or ``cut:<column>`` of the
        first cut that it fails.

    Raises
    ------
    ValueError
        If a cut names an unknown column or one without numbers, the usable stars do not
        fill the folds or all have one metallicity, published folds shall be repeated, or no star
        is one of those that the labels are of.
    """
    if repeats > 1 and not isinstance(folds, int):
        raise ValueError("published folds cannot be repeated")
    if label_fits is not None:
        labels = labels.join(label_fits.set_index("star_id"), on="star_id")
    table = _join(fits, labels, matched)
    if stars is not None:
        table = join_archive(table, stars)
    failed = apply_cuts(table, cuts or {})
    rejected = (table["status"] == "ok").to_numpy() & (failed != "")
    table.loc[rejected, "status"] = CUT + failed[rejected]

    # In the order of their names, so that the order of the rows leaves no trace.
    used = table[table["status"] == "ok"].sort_values("star_id")
    star_ids, feh = used["star_id"].to_numpy(dtype=str), used["feh"].to_numpy(dtype=float)
    columns = ["fold", *(f"fold_{repeat}" for repeat in range(2, repeats + 1))]
    table[columns] = -1
    if len(used) > 1 and np.ptp(feh) == 0:
        raise ValueError(
            f"all {len(used)} usable stars have the [Fe/H] {feh[0]:g}: there is nothing to learn; "
            "look at the labels"
        )
    if len(used) < (fewest_stars or 0):
        pass
    elif isinstance(folds, int):
        for repeat, column in enumerate(columns):
            drawn = assign_folds(star_ids, feh, folds, seed, repeat)
            table.loc[used.index, column] = drawn + repeat * folds
    else:
        table.loc[used.index, "fold"] = [folds.get(star, -1) for star in star_ids]
    return table[["star_id", "period", *LABELS, *columns, "status"]]


def select_training_set(development: pd.DataFrame) -> pd.DataFrame:
    """Return star_id and folds of the stars that a model is trained on, by their names."""
    columns = ["star_id", *fold_columns(development)]
    used = development.loc[development["fold"] >= 0, columns]
    return used.sort_values("star_id", ignore_index=True)


def fold_columns(development: pd.DataFrame) -> list[str]:
    """Name the columns that hold the folds, one a repeat of the cross-validation."""
    return [name for name in map(str, development) if name == "fold" or name.startswith("fold_")]


def hold_out(development: pd.DataFrame, member: int) -> np.ndarray:
    """Tell which stars (n,) are in the fold that a member of an ensemble does not see."""
    return (development[fold_columns(development)] == member).any(axis=1).to_numpy()


def assign_folds(
    star_ids: np.ndarray,
    feh: np.ndarray,
    folds: int,
    seed: int,
    repeat: int = 0,
    stage: str = "folds",
) -> np.ndarray:
    """Return a cross-validation fold for each star, stratified by metallicity.

    Of every `folds` stars that follow each other in metallicity, each goes to another
    fold, drawn at random. The order of the rows does not matter.

    Parameters
    ----------
    star_ids, feh : array, shape (n,)
        Identifiers and metallicities (dex).
    folds
        Number of folds.
    seed
        Seed of the study.
    repeat
        Number of the repeat, from 0; each draws other folds.
    stage
        What the folds are for; each stage draws its own.

    Returns
    -------
    array of int, shape (n,)
        From 0 to `folds` - 1.

    Raises
    ------
    ValueError
        If there are fewer than two folds, or fewer than two stars a fold.
    """
    if folds < 2 or len(star_ids) < 2 * folds:
        raise ValueError(f"{len(star_ids)} usable stars cannot be split into {folds} folds")
    random = generator(seed, stage, f"{folds} repeat {repeat}" if repeat else str(folds))
    blocks = -(-len(star_ids) // folds)
    drawn = np.concatenate([random.permutation(folds) for _ in range(blocks)])
    assigned = np.empty(len(star_ids), dtype=int)
    assigned[np.lexsort((star_ids, feh))] = drawn[: len(star_ids)]
    return assigned


def _join(fits: pd.DataFrame, labels: pd.DataFrame, matched: pd.DataFrame | None) -> pd.DataFrame:
    """Return the fits with their labels beside them and the first status that is not ok."""
    if "training_err" in labels:
        labels = labels.assign(feh_err=labels["training_err"])
    columns = [name for name in labels if name in LABELS or name not in fits]
    labels = labels.set_index("star_id")
    status = fits["status"].to_numpy(dtype=object)
    if matched is None:
        reference = fits["star_id"]
        if len(fits) and not reference.isin(labels.index).any():
            raise ValueError(
                f"none of the {len(fits)} stars, such as {reference.iloc[0]}, has a label: those "
                f"are of others, such as {next(iter(labels.index), 'none')}; labels are joined by "
                "identifiers of one star list, or by a match"
            )
    else:
        match = matched.set_index("star_id").reindex(fits["star_id"])
        status = _first_failure(status, match["status"].fillna("no_match").to_numpy(dtype=object))
        reference = match["reference_id"]
    label = labels.reindex(reference.to_numpy())
    status = _first_failure(status, label["status"].fillna("no_match").to_numpy(dtype=object))
    table = fits.reset_index(drop=True).drop(columns=[name for name in LABELS if name in fits])
    for name in columns:
        if name not in ("star_id", "status"):
            table[name] = label[name].to_numpy()
    table["status"] = status
    return table


def _first_failure(status: np.ndarray, following: np.ndarray) -> np.ndarray:
    """Keep a status that is not ok; else take the one of the following stage."""
    return np.where(status == "ok", following, status)


TRAINING_SET = "training_set.parquet"
"""Name of the file beside a model's card with the stars that it was trained on."""


def read_training_set(model_directory: Path | str) -> pd.DataFrame | None:
    """Return star_id and folds of the stars that a model was trained on; None if unknown."""
    path = Path(model_directory) / TRAINING_SET
    return read_table(path) if path.exists() else None


def find_unseen(
    star_ids: pd.Series, members: Sequence[int], training: pd.DataFrame | None
) -> np.ndarray:
    """Tell which members (n, members) have not been trained on each star.

    Parameters
    ----------
    star_ids
        Of n stars.
    members
        Numbers of the members, those of the folds that they have not seen.
    training
        Of `read_training_set`.
    """
    unseen = np.ones((len(star_ids), len(members)), dtype=bool)
    if training is None or not len(star_ids):
        return unseen
    folds = training.set_index("star_id").reindex(star_ids.astype(str)).to_numpy()
    known = ~np.isnan(folds[:, 0].astype(float))
    held_out = (folds[:, :, None] == np.asarray(members)).any(axis=1)
    return np.where(known[:, None], held_out, unseen)
