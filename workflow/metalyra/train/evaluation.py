"""What networks predict, and how well the members of an ensemble do on unseen stars."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from metalyra.core.metrics import evaluate_predictions
from metalyra.train.sequences import count_steps

if TYPE_CHECKING:
    import keras


def measure_folds(out_of_fold: pd.DataFrame) -> dict[str, Any]:
    """Return the metrics of out-of-fold predictions, on their union and by fold.

    Parameters
    ----------
    out_of_fold
        star_id, fold, feh, feh_err and feh_predicted; see `metalyra.train.ensembles.train_member`.

    Returns
    -------
    dict
        union, with the mean of each star's predictions where the cross-validation is
        repeated; by_fold; mean and std (ddof 0) over the folds.
    """
    by_fold = {
        str(fold): measure_predictions(stars, has_errors(out_of_fold))
        for fold, stars in out_of_fold.groupby("fold")
    }
    return {
        "union": measure_predictions(average_repeats(out_of_fold)),
        "by_fold": by_fold,
        **summarise_folds(pd.DataFrame(list(by_fold.values()))),
    }


def measure_predictions(stars: pd.DataFrame, weighted: bool | None = None) -> dict[str, float]:
    """Return the metrics of feh_predicted against feh.

    Weighted by the inverse squares of feh_err, by default where all are known.
    """
    weighted = has_errors(stars) if weighted is None else weighted
    return evaluate_predictions(
        stars["feh"].to_numpy(dtype=float),
        stars["feh_predicted"].to_numpy(dtype=float),
        stars["feh_err"].to_numpy(dtype=float) if weighted else None,
    )


def average_repeats(out_of_fold: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of the out-of-fold predictions of each star.

    Parameters
    ----------
    out_of_fold
        Rows of all members: see `metalyra.train.ensembles.train_member`. Where the
        cross-validation is repeated, a star has as many rows as there are repeats.

    Returns
    -------
    DataFrame
        A row for each star, in the order of their names, with the fold of its first
        repeat.
    """
    rows = out_of_fold.sort_values(["star_id", "fold"], kind="stable")
    stars = rows.drop_duplicates("star_id", ignore_index=True)
    predicted = rows.groupby("star_id", sort=True)["feh_predicted"].mean()
    return stars.assign(feh_predicted=predicted.to_numpy())


def has_errors(stars: pd.DataFrame) -> bool:
    """Tell whether the error of every label is known."""
    return bool((stars["feh_err"] > 0).all())


def summarise_folds(metrics: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return mean and standard deviation over the folds of all metrics but the number."""
    measured = metrics.drop(columns="n")
    summaries = {"mean": measured.mean(), "std": measured.std(ddof=0)}
    return {
        name: {str(metric): value for metric, value in summary.to_dict().items()}
        for name, summary in summaries.items()
    }


_BATCH = 256
"""Most stars evaluated at once: fewer share the steps of a network's loop among too few."""

_ROWS = 64
"""Batches are filled up to a multiple of so many stars.

All rows of an array whose shape is a multiple of every vector length are computed alike,
so that a star's prediction does not depend on the other stars, their number or their
order: not in its last bit.
"""


def evaluate(network: "keras.Model", sequences: np.ndarray) -> np.ndarray:
    """Return the [Fe/H] that one network predicts.

    Stars with sequences of similar length are evaluated together, and a network that
    reads any length is not shown the padding that they have in common.

    Parameters
    ----------
    network
        Of `metalyra.train.networks.build_network`.
    sequences : array, shape (n, steps, channels)

    Returns
    -------
    array, shape (n,)
        Independent, star by star, of the other stars.
    """
    predicted = np.empty(len(sequences))
    steps, channels = sequences.shape[1:]
    lengths = count_steps(sequences)
    order = np.argsort(lengths, kind="stable")
    for start in range(0, len(sequences), _BATCH):
        stars = order[start : start + _BATCH]
        if network.input_shape[1] is None:
            steps = max(1, lengths[stars[-1]])
        batch = np.zeros((-(-len(stars) // _ROWS) * _ROWS, steps, channels), dtype=np.float32)
        batch[: len(stars)] = sequences[stars, :steps]
        predicted[stars] = network.predict_on_batch(batch)[: len(stars), 0]
    return predicted
