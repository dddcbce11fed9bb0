"""How well models do with more and with fewer epochs, after Monti et al. (2025, Fig. 7)."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from metalyra.core.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from metalyra.core.statuses import OK

PAIR_COLUMNS = (*("star_id", "model", "n_epochs", "feh", "feh_predicted", "in_training", "status"),)
"""Columns of `pair_with_labels`."""

ACCURACY_COLUMNS = (
    *("model", "n_epochs_from", "n_epochs_to", "n_stars", "n_in_training", "n_ok"),
    *("bias", "rmse", "mae", "r2"),
)
"""Columns of `measure_by_epochs`."""


def pair_with_labels(
    fits: pd.DataFrame, labels: pd.DataFrame, predictions: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """Return what models predict for the labelled stars of a sample.

    Parameters
    ----------
    fits, labels
        Fits and labels of the sample.
    predictions
        Of the same stars, by model.

    Returns
    -------
    pandas.DataFrame
        Columns `PAIR_COLUMNS`: a row for each model and star that have both a label and a
        predicted [Fe/H], whether the model vouches for it (status) or not. A star of the
        training set (in_training) has the prediction of the members that have not seen it.
    """
    labelled = labels.loc[labels["status"] == OK, ["star_id", "feh"]]
    known = labelled.merge(fits[["star_id", "n_epochs"]], on="star_id", validate="one_to_one")
    tables = []
    for model, table in predictions.items():
        predicted = table[["star_id", "feh", "in_training", "status"]]
        pairs = known.merge(
            predicted.rename(columns={"feh": "feh_predicted"}), on="star_id", validate="one_to_one"
        )
        tables.append(pairs[np.isfinite(pairs["feh_predicted"])].assign(model=model))
    joined: pd.DataFrame = pd.concat(tables, ignore_index=True)[list(PAIR_COLUMNS)]
    return joined


def measure_by_epochs(
    pairs: pd.DataFrame, models: Sequence[str], edges: Sequence[int]
) -> pd.DataFrame:
    """Return the accuracy of models for stars of few and of many epochs.

    Parameters
    ----------
    pairs
        Of `pair_with_labels`.
    models
        In the order of the table.
    edges
        Smallest number of epochs of each bin but the first, ascending; the first bin has the
        stars with fewer, the last those with any more.

    Returns
    -------
    pandas.DataFrame
        Columns `ACCURACY_COLUMNS`: of each model a row for each bin, and one without bounds for
        all stars. Bounds are inclusive, and missing where the bin is open; n_in_training stars
        are of the model's training set, and n_ok have the status ok; bias (predicted minus
        label), rmse and mae in dex and r2, every star alike, NaN where there are no stars.
    """
    bins = np.digitize(pairs["n_epochs"].to_numpy(dtype=float), edges)
    bounds = list(zip([None, *edges], [*(edge - 1 for edge in edges), None], strict=True))
    rows = []
    for model in models:
        own = (pairs["model"] == model).to_numpy()
        for number, (low, high) in enumerate(bounds):
            rows.append((model, low, high, *_measure(pairs[own & (bins == number)])))
        rows.append((model, None, None, *_measure(pairs[own])))
    table = pd.DataFrame(rows, columns=list(ACCURACY_COLUMNS))
    return table.astype({"n_epochs_from": "Int64", "n_epochs_to": "Int64"})


def _measure(pairs: pd.DataFrame) -> tuple[int, int, int, float, float, float, float]:
    """Return numbers: of all stars, the training set's and those of status ok; and the metrics."""
    true = pairs["feh"].to_numpy(dtype=float)
    predicted = pairs["feh_predicted"].to_numpy(dtype=float)
    numbers = len(pairs), int(pairs["in_training"].sum()), int((pairs["status"] == OK).sum())
    if not len(pairs):
        return (*numbers, np.nan, np.nan, np.nan, np.nan)
    return (
        *numbers,
        float(np.mean(predicted - true)),
        root_mean_squared_error(true, predicted),
        mean_absolute_error(true, predicted),
        r2_score(true, predicted),
    )
