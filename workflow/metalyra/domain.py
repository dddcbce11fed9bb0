"""Whether a star is like those that a model was trained on."""

from collections.abc import Mapping, Sequence

import pandas as pd

COLUMNS = ("period", "amplitude", "n_epochs", "snr")
"""Columns of the fits table in which a star may be unlike the training set."""


def measure_domain(fits: pd.DataFrame) -> dict[str, list[float]]:
    """Return the smallest and largest value of each column among the stars of a training."""
    return {column: [float(fits[column].min()), float(fits[column].max())] for column in COLUMNS}


def find_out_of_domain(fits: pd.DataFrame, domain: Mapping[str, Sequence[float]]) -> list[str]:
    """Name the columns in which each star is outside the training set.

    Parameters
    ----------
    fits
        The fits table of n stars.
    domain
        Of `measure_domain`.

    Returns
    -------
    list of str, length n
        Names separated by commas; empty where the star is like those of the training. A
        missing value is outside.
    """
    flags = {
        column: ~fits[column].between(low, high).to_numpy()
        for column, (low, high) in domain.items()
    }
    return [
        ",".join(column for column, outside in flags.items() if outside[star])
        for star in range(len(fits))
    ]
