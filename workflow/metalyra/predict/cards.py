"""The card of a model: what a user of it needs to know, metrics included."""

import json
import math
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import metalyra
from metalyra.core.tables import read_metadata, replace_when_complete
from metalyra.predict.uncertainty import (
    LEVELS,
    estimate_errors,
    fewest_residuals,
    fit_error_model,
    half_width_name,
    measure_coverage,
)
from metalyra.train.evaluation import average_repeats, measure_folds, summarise_folds
from metalyra.train.networks import complete_network, name_backend
from metalyra.train.sequences import complete_recipe

UNTRAINED = "untrained"
"""Kind of a model that there were too few stars for: it predicts nothing."""


def make_card(
    *,
    name: str,
    band: str,
    relation: str,
    network: Mapping[str, Any],
    sequence: Mapping[str, Any],
    members: Sequence[int],
    provenance: Mapping[str, Any],
    out_of_fold: pd.DataFrame | None = None,
    domain: Mapping[str, Sequence[float]] | None = None,
    member_metrics: pd.DataFrame | None = None,
    pulsation_type: str | None = None,
    cuts: Mapping[str, Sequence[float | None]] | None = None,
    cuts_not_applied: Mapping[str, Sequence[float | None]] | None = None,
    fit: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what a user of a model needs to know, as plain data.

    Parameters
    ----------
    name, band, relation
        Of the model, its light curves, and the labels it has learnt.
    network, sequence
        Configuration of the networks and recipe of the sequences they read.
    members
        Numbers of the members, those of their folds.
    provenance
        Where the weights come from: see `metalyra.train.ensembles.describe_training`, or the
        published files.
    out_of_fold
        Predictions of all members for the folds they have not seen: see
        `metalyra.train.ensembles.train_member`.
    domain
        Where the training set lies: see `metalyra.predict.training_range.measure_training_range`.
    member_metrics
        Of all members: see `metalyra.train.ensembles.measure_parts`.
    pulsation_type
        Of the stars that the model is for.
    cuts
        Quality cuts that its stars are within: lowest and highest value by column.
    cuts_not_applied
        Cuts that were wished for, by columns that the star list does not have.
    fit
        How the light curves that it was trained on were fitted: the settings `fit` and
        `phases` of their sample.

    Returns
    -------
    dict
        The above, completed; the calibration of the errors (see `metalyra.predict.uncertainty`)
        by the out-of-fold residuals, all stars alike; the metrics on the union of the
        folds, by fold, and on the stars that the members were trained on, with the
        coverage of the intervals of `evaluate_ensemble`; the versions of the libraries.
        Without times and paths: the same ensemble has the same card.
    """
    metrics = None
    if out_of_fold is not None:
        metrics = measure_folds(out_of_fold)
        metrics |= {"coverage": _measure_coverage(evaluate_ensemble(out_of_fold))}
    if metrics is not None and member_metrics is not None:
        metrics |= _measure_parts(member_metrics)
    return {
        "name": name,
        "band": band,
        "relation": relation,
        **describe_use(pulsation_type, cuts, fit, cuts_not_applied),
        "network": complete_network(network),
        "sequence": complete_recipe(sequence),
        "members": [int(member) for member in members],
        "provenance": dict(provenance),
        "domain": None if domain is None else dict(domain),
        "calibration": None if out_of_fold is None else _fit_alike(out_of_fold),
        "metrics": metrics,
        "versions": _network_versions(),
    }


def describe_use(
    pulsation_type: str | None,
    cuts: Mapping[str, Sequence[float | None]] | None,
    fit: Mapping[str, Any] | None,
    cuts_not_applied: Mapping[str, Sequence[float | None]] | None = None,
) -> dict[str, Any]:
    """Return what a card says of the stars and fits that a model is for; see `make_card`."""
    absent = {column: list(bounds) for column, bounds in (cuts_not_applied or {}).items()}
    return {
        "pulsation_type": pulsation_type,
        "cuts": {column: list(bounds) for column, bounds in (cuts or {}).items()},
        **({"cuts_not_applied": absent} if absent else {}),
        "fit": None if fit is None else dict(fit),
    }


def read_cuts(development: Path | str) -> dict[str, Any]:
    """Return the cuts of a development set, and those not applied, as `make_card` takes them."""
    about = read_metadata(development)
    return {key: json.loads(about[key]) for key in ("cuts", "cuts_not_applied") if key in about}


def evaluate_ensemble(out_of_fold: pd.DataFrame) -> pd.DataFrame:
    """Return the out-of-fold predictions of an ensemble, with errors learnt elsewhere.

    The errors of each fold are calibrated (see `metalyra.predict.uncertainty`) on the residuals
    of all others, so that the share of stars within them is what new stars may expect.
    Where the cross-validation is repeated, they are those of the mean of a star's
    predictions, and the folds those of the first repeat: no star is on both sides.

    Parameters
    ----------
    out_of_fold
        Of all members: see `metalyra.train.ensembles.train_member`.

    Returns
    -------
    DataFrame
        The rows of `average_repeats` with feh_predicted_err and the half widths of the intervals
        of `metalyra.predict.uncertainty.LEVELS`; NaN where the other folds have too few stars.
    """
    stars = average_repeats(out_of_fold)
    widths = [half_width_name(level) for level in LEVELS]
    stars[["feh_predicted_err", *widths]] = np.nan
    residuals = (stars["feh_predicted"] - stars["feh"]).to_numpy(dtype=float)
    fold = stars["fold"].to_numpy()
    for held_out in (fold == number for number in np.unique(fold)):
        others = residuals[~held_out]
        if len(others) < fewest_residuals():
            continue
        error_model = fit_error_model(others, np.zeros(len(others)))
        errors, half_widths = estimate_errors(error_model, np.zeros(held_out.sum()))
        stars.loc[held_out, ["feh_predicted_err", *widths]] = np.column_stack([errors, half_widths])
    return stars


def write_card(card: Mapping[str, Any], path: Path | str) -> None:
    """Write a card as JSON, complete or not at all; a metric without a value is null."""
    with replace_when_complete(Path(path)) as temporary:
        temporary.write_text(json.dumps(_only_finite(card), indent=2, allow_nan=False) + "\n")


def library_versions(*libraries: str) -> dict[str, str]:
    """Return the versions of MetaLyra and of the libraries that a model depends on."""
    return {"metalyra": metalyra.__version__} | {name: version(name) for name in libraries}


def _measure_parts(metrics: pd.DataFrame) -> dict[str, Any]:
    """Return the metrics on the stars that members have seen."""
    return {
        str(part): {
            "by_fold": {
                str(row.pop("fold")): row for row in rows.drop(columns="part").to_dict("records")
            },
            **summarise_folds(rows.drop(columns=["fold", "part"])),
        }
        for part, rows in metrics.groupby("part")
        if part != "held_out"
    }


def _only_finite(value: Any) -> Any:
    """Replace the numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _only_finite(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _fit_alike(out_of_fold: pd.DataFrame) -> dict[str, Any] | None:
    """Return one error for all stars; None where there are too few to learn it from."""
    stars = average_repeats(out_of_fold)
    if len(stars) < fewest_residuals():
        return None
    residuals = (stars["feh_predicted"] - stars["feh"]).to_numpy(dtype=float)
    error_model = fit_error_model(residuals, np.zeros(len(residuals)))
    return error_model._asdict() | {"quantiles": list(error_model.quantiles)}


def _measure_coverage(evaluated: pd.DataFrame) -> dict[str, float] | None:
    """Return the share of the stars within each interval; None where one has no interval."""
    half_widths = evaluated[[half_width_name(level) for level in LEVELS]].to_numpy(dtype=float)
    if np.isnan(half_widths).any():
        return None
    residuals = (evaluated["feh_predicted"] - evaluated["feh"]).to_numpy(dtype=float)
    return measure_coverage(residuals, half_widths)


def _network_versions() -> dict[str, str]:
    return library_versions("keras", name_backend(), "numpy")


def read_card(model_directory: Path | str) -> dict[str, Any]:
    """Return what a model's card says."""
    card: dict[str, Any] = json.loads((Path(model_directory) / "card.json").read_text())
    return card
