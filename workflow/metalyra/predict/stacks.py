"""Predictions of a stack."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metalyra.core.statuses import OK
from metalyra.core.threads import on_one_thread
from metalyra.predict.cards import read_card
from metalyra.predict.networks import predict_metallicities
from metalyra.stack.stacking import (
    PUBLISHED,
    Combination,
    StackMember,
    further_bands,
    predict_with_members,
    read_stack_member,
)
from metalyra.train.sequences import make_sequences


def predict_published(
    directory: Path | str, fits: pd.DataFrame, folded: pd.DataFrame
) -> pd.DataFrame:
    """Predict the stars of status ok with the networks of a published model."""
    recipe = read_card(directory)["sequence"]
    return predict_metallicities(directory, *make_sequences(fits, folded, recipe))


@on_one_thread
def predict_with_stack(
    model_directory: Path | str,
    fits: pd.DataFrame,
    folded: pd.DataFrame,
    training: pd.DataFrame | None = None,
    others: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Predict [Fe/H] with every member of a stack.

    Parameters
    ----------
    model_directory
        With card.json, member_<k>.npz and, where published networks are part of the
        stack, their folder.
    fits, folded
        Tables of the stars; only those of status ok are predicted.
    training
        Stars that the stack was trained on: star_id and fold. The member that has not seen
        a star then combines its regressors by the weights that were learnt without it.
    others
        Folded light curves of the stars in the further bands that the stack reads.

    Returns
    -------
    DataFrame
        star_id; spread, what the noise of its light curve adds to a star's error (dex);
        member_0, member_1, ...: the [Fe/H] of each. A star's values are the same to the
        last bit whatever other stars are in the call.
    """
    directory = Path(model_directory)
    card = read_card(directory)
    stars = fits[fits["status"] == OK].reset_index(drop=True)
    fold = np.full(len(stars), -1)
    if training is not None:
        folds = training.set_index("star_id")["fold"]
        fold = folds.reindex(stars["star_id"].astype(str)).fillna(-1).to_numpy(dtype=int)
    combination = _read_combination(card["combination"])
    published = []
    if card["stack"][PUBLISHED]:
        networks = predict_published(directory / PUBLISHED, stars, folded)
        published = [networks["feh"].to_numpy()]
    bands = further_bands(card["stack"])
    files = [directory / f"member_{number}.npz" for number in card["members"]]
    members = _load_members(tuple((str(file), file.stat().st_mtime_ns) for file in files))
    by_member, spread = predict_with_members(members, stars, folded, others, bands)
    predicted = {}
    for place, number in enumerate(card["members"]):
        values = by_member[:, place]
        feh = combination(np.column_stack([values, *published]))
        unseen = fold == number
        if unseen.any():
            own = _read_combination(card["combination"]["by_fold"][str(number)])
            joined = [networks[f"member_{number}"].to_numpy()] if published else []
            feh = np.where(unseen, own(np.column_stack([values, *joined])), feh)
        predicted[f"member_{number}"] = feh
    return pd.DataFrame(
        {
            "star_id": stars["star_id"].to_numpy(dtype=str),
            "spread": spread.mean(axis=1),
            **predicted,
        }
    )


@lru_cache(maxsize=4)
def _load_members(versions: tuple[tuple[str, int], ...]) -> list[StackMember]:
    """Return members, kept for the next chunk; `versions` are their files and times of change."""
    return [read_stack_member(file) for file, _ in versions]


def _read_combination(entry: Mapping[str, Any]) -> Combination:
    """Return the weights that a card has."""
    return Combination(np.array(list(entry["weights"].values())), entry["offset"])
