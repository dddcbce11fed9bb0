"""How far a predicted metallicity may be off, learnt from stars that were held out."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from metalyra.core.arrays import Floats

LEVELS = (0.68, 0.95)
"""Shares of the stars that the intervals shall hold."""


class ErrorModel(NamedTuple):
    """From a star's own spread to intervals around its prediction.

    Attributes
    ----------
    floor
        Error (dex) of a star whose spread is 0.
    factor
        Error per spread, added in quadrature.
    quantiles
        Half widths of the intervals of `LEVELS`, in units of the error.
    """

    floor: float
    factor: float
    quantiles: tuple[float, ...]


def fit_error_model(residuals: Floats, spread: Floats) -> ErrorModel:
    """Learn the errors of predictions from those of held-out stars.

    The variance ``floor^2 + (factor spread)^2`` is the most likely one of Gaussian
    residuals. The half widths of the intervals are then the conformal quantiles of the
    residuals in units of their errors (Lei et al. 2018, with the locally weighted
    residuals of their Sec. 5.2), which hold whatever the distribution is.

    Parameters
    ----------
    residuals : array, shape (n,)
        Predicted minus true metallicities (dex) of stars that were not trained on.
    spread : array, shape (n,)
        A guess of the error of each, not negative, in any one unit.

    Raises
    ------
    ValueError
        If there are too few stars for the widest interval.
    """
    from scipy.optimize import minimize

    if len(residuals) < fewest_residuals():
        raise ValueError(
            f"{len(residuals)} held-out stars are too few; {fewest_residuals()} are needed"
        )
    typical = float(np.sqrt(np.mean(spread**2))) or 1.0
    relative, scale = spread / typical, float(np.sqrt(np.mean(residuals**2)))

    def cost(logs: Floats) -> float:
        variance = np.exp(2 * logs[0]) + np.exp(2 * logs[1]) * relative**2
        return float(np.mean(np.log(variance) + residuals**2 / variance))

    best = minimize(cost, np.log([scale, scale]), method="Nelder-Mead", tol=1e-8).x
    floor, factor = float(np.exp(best[0])), float(np.exp(best[1])) / typical
    in_errors = np.sort(np.abs(residuals) / np.hypot(floor, factor * spread))
    ranks = [int(np.ceil(level * (len(residuals) + 1))) - 1 for level in LEVELS]
    return ErrorModel(floor, factor, tuple(float(in_errors[rank]) for rank in ranks))


def fewest_residuals() -> int:
    """Return how many held-out stars the widest interval needs."""
    return math.ceil(round(max(LEVELS) / (1 - max(LEVELS)), 9))


def estimate_errors(error_model: ErrorModel, spread: Floats) -> tuple[Floats, Floats]:
    """Return the standard error (dex) of each star, and half widths of its intervals.

    Returns
    -------
    errors : array, shape (n,)
        Half widths of the 68 % intervals: the standard errors, if they were Gaussian.
    half_widths : array, shape (n, number of levels)
    """
    errors = np.hypot(error_model.floor, error_model.factor * spread)
    half_widths = errors[:, None] * np.array(error_model.quantiles)
    return half_widths[:, 0], half_widths


ERROR_PARTS = ("feh_err_light_curve", "feh_err_model", "feh_err_relation")
"""Columns of the parts of an error, which add up in quadrature."""

BOUNDS = tuple(f"feh_{side}_{100 * level:.0f}" for level in LEVELS for side in ("low", "high"))
"""Columns of the bounds of the intervals of `LEVELS`."""


def interval_widths() -> Floats:
    """Return half the widths of the intervals of `LEVELS` of the standard normal distribution."""
    # Read with the workflow by every job, which needs it in few.
    from scipy.special import ndtri

    return np.asarray(ndtri((1 + np.array(LEVELS)) / 2))


def total_errors(
    feh: Floats, error_model: ErrorModel | None, spread: Floats | None, relation: float = np.nan
) -> pd.DataFrame:
    """Return the whole error of predicted metallicities, its parts and bounds.

    Parameters
    ----------
    feh : array, shape (n,)
        Predicted [Fe/H] (dex).
    error_model
        Of the model, with respect to the labels it has learnt; None if it has none, and
        then no error either.
    spread : array, shape (n,)
        Of `fit_error_model`: what the noise of a light curve adds; None if the model cannot
        tell, and then the part of the light curve is within that of the model.
    relation
        Scatter (dex) of spectroscopic metallicities about the relation of the labels; NaN
        if unknown, and then the error is with respect to the relation's metallicities.

    Returns
    -------
    DataFrame
        feh_err, `ERROR_PARTS` and `BOUNDS` (dex). feh_err is half of the 68 % interval.
    """
    columns = ("feh_err", *ERROR_PARTS, *BOUNDS)
    if error_model is None:
        return pd.DataFrame(np.nan, index=range(len(feh)), columns=[*columns])
    known_spread = np.zeros(len(feh)) if spread is None else spread
    _, half_widths = estimate_errors(error_model, known_spread)
    of_relation = 0.0 if np.isnan(relation) else relation
    in_deviations = interval_widths()
    whole = np.hypot(half_widths, in_deviations / in_deviations[0] * of_relation)
    scale = error_model.quantiles[0]
    light_curve = scale * error_model.factor * known_spread
    parts = (
        np.full(len(feh), np.nan) if spread is None else light_curve,
        np.full(len(feh), scale * error_model.floor),
        np.full(len(feh), relation),
    )
    bounds = [feh + sign * whole[:, level] for level in range(len(LEVELS)) for sign in (-1.0, 1.0)]
    return pd.DataFrame(dict(zip(columns, (whole[:, 0], *parts, *bounds), strict=True)))


def normal_bounds(feh: Floats, feh_err: Floats) -> pd.DataFrame:
    """Return the `BOUNDS` of metallicities (n,) whose errors (n,) are Gaussian (dex)."""
    in_deviations = interval_widths()
    bounds = [
        feh + sign * width / in_deviations[0] * feh_err
        for width in in_deviations
        for sign in (-1.0, 1.0)
    ]
    return pd.DataFrame(dict(zip(BOUNDS, bounds, strict=True)))


def half_width_name(level: float) -> str:
    """Return the name of the column that holds the half widths of an interval."""
    return f"feh_half_width_{100 * level:.0f}"


def measure_coverage(residuals: Floats, half_widths: Floats) -> dict[str, float]:
    """Return the share of the stars that the interval of each level holds."""
    shares = (np.abs(residuals)[:, None] <= half_widths).mean(axis=0)
    return {f"{level:g}": float(share) for level, share in zip(LEVELS, shares, strict=True)}
