"""The card of a stack, and how well it does out of fold."""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metalyra.core.statuses import OK
from metalyra.predict.cards import UNTRAINED, describe_use, library_versions, read_card
from metalyra.predict.training_range import measure_training_range
from metalyra.predict.uncertainty import (
    LEVELS,
    estimate_errors,
    fit_error_model,
    half_width_name,
    measure_coverage,
)
from metalyra.stack.curves import ALIGNMENT
from metalyra.stack.stacking import (
    COMBINATIONS,
    PUBLISHED,
    Combination,
    combine,
    combine_folds,
    complete_stack,
    fits_of_stars,
)
from metalyra.train.evaluation import measure_folds

PUBLISHED_NOTE = (
    "The published networks were stopped at the epoch that was best for the very stars that count "
    "as out of fold here: their weight, the errors and the metrics of this stack are optimistic."
)
"""What the card of a stack says where published networks are part of it."""


def evaluate_stack(
    out_of_fold: pd.DataFrame, names: Sequence[str], how: str = COMBINATIONS[0]
) -> pd.DataFrame:
    """Return the predictions of a stack for stars that its weights have not seen.

    For each fold, weights (see `combine_folds`) and error model are learnt on all others.

    Parameters
    ----------
    out_of_fold
        star_id, fold, feh, feh_err, spread, and a column for each regressor.
    names
        Regressors to combine.
    how
        How they are combined: see `metalyra.stack.stacking.combine`.

    Returns
    -------
    DataFrame
        The same rows with feh_predicted and feh_predicted_err, and the half widths of the
        intervals of `metalyra.predict.uncertainty.LEVELS`.
    """
    result = out_of_fold.copy()
    widths = [half_width_name(level) for level in LEVELS]
    result[["feh_predicted", "feh_predicted_err", *widths]] = np.nan
    feh, fold = result["feh"].to_numpy(dtype=float), result["fold"].to_numpy()
    spread = result["spread"].to_numpy(dtype=float)
    predictions = result[list(names)].to_numpy(dtype=float)
    for number, combination in combine_folds(out_of_fold, names, how).items():
        held_out = fold == number
        predicted = combination(predictions)
        error_model = fit_error_model((predicted - feh)[~held_out], spread[~held_out])
        errors, half_widths = estimate_errors(error_model, spread[held_out])
        values = np.column_stack([predicted[held_out], errors, half_widths])
        result.loc[held_out, ["feh_predicted", "feh_predicted_err", *widths]] = values
    return result


def make_stack_card(
    out_of_fold: pd.DataFrame,
    development: pd.DataFrame,
    fits: pd.DataFrame,
    *,
    name: str,
    band: str,
    relation: str,
    stack: Mapping[str, Any],
    seed: int,
    weights: Mapping[str, Any] | None = None,
    pulsation_type: str | None = None,
    cuts: Mapping[str, Sequence[float | None]] | None = None,
    cuts_not_applied: Mapping[str, Sequence[float | None]] | None = None,
    fit: Mapping[str, Any] | None = None,
    fewest_stars: int | None = None,
) -> dict[str, Any]:
    """Return what a user of a stack needs to know, as plain data.

    Parameters
    ----------
    out_of_fold
        Of all members: see `train_stack_member`, and `add_published`.
    development, fits
        That the stack was trained on.
    name, band, relation
        Of the model, its light curves, and the labels it has learnt.
    stack
        Of `complete_stack`.
    seed
        Seed of the study.
    weights
        Settings of the sample weights; see `train_stack_member`.
    pulsation_type, cuts, cuts_not_applied, fit
        Of `metalyra.predict.cards.make_card`.
    fewest_stars
        Number of stars that the model needs, for the note of one that was not trained.

    Returns
    -------
    dict
        As that of `metalyra.predict.cards.make_card`, with `stack` and what it has learnt in
        place of network and sequence: the combination of the regressors, and under
        by_fold the one that each fold has had no part in. The metrics are those of
        `evaluate_stack`. The card of a stack that no star was used for has the kind
        `UNTRAINED`, and a note that says why.
    """
    settings = complete_stack(stack)
    use = {"name": name, "band": band, "alignment": ALIGNMENT, "relation": relation}
    use |= describe_use(pulsation_type, cuts, fit, cuts_not_applied)
    if out_of_fold.empty:
        return _describe_untrained(use, settings, development, fewest_stars)
    names = [*settings["regressors"], *([PUBLISHED] if settings[PUBLISHED] else [])]
    how = settings.get("combination", COMBINATIONS[0])
    evaluated = evaluate_stack(out_of_fold, names, how)
    feh = out_of_fold["feh"].to_numpy(dtype=float)
    combination = combine(feh, out_of_fold[names].to_numpy(dtype=float), how)
    residuals = (evaluated["feh_predicted"] - evaluated["feh"]).to_numpy()
    error_model = fit_error_model(residuals, out_of_fold["spread"].to_numpy(dtype=float))
    stars = development[development["fold"] >= 0].sort_values("star_id")
    half_widths = evaluated[[half_width_name(level) for level in LEVELS]].to_numpy()
    return {
        "name": name,
        "kind": "stack",
        **use,
        "stack": settings,
        "members": sorted(int(fold) for fold in out_of_fold["fold"].unique()),
        "combination": _describe_combination(combination, names)
        | {
            "by_fold": {
                str(fold): _describe_combination(own, names)
                for fold, own in combine_folds(out_of_fold, names, how).items()
            }
        },
        "calibration": error_model._asdict() | {"quantiles": list(error_model.quantiles)},
        "domain": measure_training_range(fits_of_stars(stars, fits)),
        "provenance": {
            "kind": "trained",
            "weights": dict(weights or {}),
            "note": PUBLISHED_NOTE if settings[PUBLISHED] else None,
            "seed": seed,
            "n_stars": len(stars),
            "training_set_sha256": _digest_stars(stars),
        },
        "metrics": measure_folds(evaluated)
        | {"coverage": measure_coverage(residuals, half_widths)}
        | {"regressors": _measure_regressors(evaluated, names)},
        "versions": library_versions("scikit-learn", "scipy", "numpy"),
    }


def _measure_regressors(evaluated: pd.DataFrame, names: Sequence[str]) -> dict[str, Any]:
    """Return the metrics of each regressor of a stack, all folds together."""
    return {
        column: measure_folds(evaluated.assign(feh_predicted=evaluated[column]))["union"]
        for column in names
    }


def _describe_untrained(
    use: Mapping[str, Any],
    settings: Mapping[str, Any],
    development: pd.DataFrame,
    fewest_stars: int | None,
) -> dict[str, Any]:
    """Return the card of a stack that there were too few stars for."""
    usable = int((development["status"] == OK).sum())
    note = (
        f"{usable} labelled {use['pulsation_type'] or ''} stars can be used, the model "
        f"{use['name']} needs {fewest_stars}: it was not trained"
    )
    return {
        "name": use["name"],
        "kind": UNTRAINED,
        **use,
        "stack": dict(settings),
        "members": [],
        "calibration": None,
        "domain": None,
        "provenance": {"kind": UNTRAINED, "note": note, "n_stars": usable},
        "metrics": None,
        "versions": library_versions("numpy"),
    }


def _digest_stars(stars: pd.DataFrame) -> str:
    """Return the SHA-256 of the names, labels and folds of stars, in their order."""
    digest = hashlib.sha256("\n".join(stars["star_id"]).encode())
    for column in ("feh", "feh_err", "fold"):
        digest.update(stars[column].to_numpy(dtype="<f8").tobytes())
    return digest.hexdigest()


def copy_published(source: Path | str, destination: Path | str) -> None:
    """Copy the card and networks of a published model into a folder of its own in a stack's."""
    source, destination = Path(source), Path(destination)
    destination.mkdir(parents=True, exist_ok=True)
    for member in read_card(source)["members"]:
        shutil.copyfile(source / f"member_{member}.keras", destination / f"member_{member}.keras")
    shutil.copyfile(source / "card.json", destination / "card.json")


def _describe_combination(combination: Combination, names: Sequence[str]) -> dict[str, Any]:
    """Return a combination as plain data."""
    weights = dict(zip(names, combination.weights.tolist(), strict=True))
    return {"weights": weights, "offset": combination.offset}
