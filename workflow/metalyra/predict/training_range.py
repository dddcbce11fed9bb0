"""Whether a star is like those that a model was trained on, and observed as well.

A model knows three things of its training set: the ranges of what describes a star, the
poorest light curves among them, and how likely the shape of a light curve is, given all of
theirs. A star beyond the ranges, or of another shape, has a value that nothing vouches
for; one that is only observed better has not.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metalyra.core.arrays import Booleans, Floats
from metalyra.core.randomness import derive_seed

RANGES = ("period", "amplitude")
"""Columns of the fits table in which a star may be outside the training set on either side."""

QUALITY = ("n_epochs", "snr", "phase_coverage")
"""Columns in which a light curve may be poorer than those of the training set; not better."""

RAREST = 0.001
"""Share of the training set whose shapes count as unlike it."""

_HARMONICS = 4
_FEWEST_STARS = 50
_COMPONENTS = 3
_STARS_A_COMPONENT = 200
_FOLDS = 5


class Judgement(NamedTuple):
    """What a training set says of `n` stars.

    Attributes
    ----------
    outside : array of str, shape (n,)
        The column of `RANGES` in which a star is outside; empty where it is inside.
    distance : array, shape (n,)
        Of its shape from those of the training set, in standard deviations
        (Mahalanobis); NaN where the training set was too small to tell.
    unlike : array of bool, shape (n,)
        Whether this is farther than all but `RAREST` of the training set are.
    """

    outside: NDArray[np.str_]
    distance: Floats
    unlike: Booleans


def measure_training_range(fits: pd.DataFrame) -> dict[str, Any]:
    """Return what a model remembers of the stars it was trained on, as plain data.

    Parameters
    ----------
    fits
        The fits table of the training set.

    Returns
    -------
    dict
        ranges, the smallest and largest value by column of `RANGES`; quality, the smallest
        value by column of `QUALITY`, as cuts; shapes, see `fit_shapes`, or None.
    """
    return {
        "ranges": {
            column: [float(fits[column].min()), float(fits[column].max())] for column in RANGES
        },
        "quality": {column: [float(fits[column].min()), None] for column in QUALITY},
        "shapes": fit_shapes(fits),
    }


def fit_shapes(fits: pd.DataFrame) -> dict[str, Any] | None:
    """Return a mixture of Gaussians of the periods, amplitudes and shapes of light curves.

    A shape is the logarithms of period and amplitude, the share ``A_1 / A_tot`` of the first
    harmonic, and real and imaginary parts of ``(A_k / A_tot) exp(i phi_k1)`` of the harmonics
    2 to 4. Folded at twice its period, a light curve has hardly a first harmonic.

    Parameters
    ----------
    fits
        The fits table of the training set.

    Returns
    -------
    dict
        means (k, d) and covariances (k, d, d) of the components, and limit, the distance
        from the nearest one that `RAREST` of these stars exceed, each measured by a mixture
        of the others; None where there are fewer than 50 stars.
    """
    shapes, errors = _describe(fits)
    known = np.isfinite(shapes).all(axis=1)
    shapes, errors = shapes[known], errors[known]
    if len(shapes) < _FEWEST_STARS:
        return None
    # Parts that are alike, whatever the order of the rows.
    fold = np.argsort(np.lexsort(shapes.T)) % _FOLDS
    distance = np.empty(len(shapes))
    for number in range(_FOLDS):
        held_out = fold == number
        mixture = _fit_mixture(shapes[~held_out])
        distance[held_out] = _measure_distance(mixture, shapes[held_out], errors[held_out])
    return _fit_mixture(shapes) | {"limit": float(np.quantile(distance, 1 - RAREST))}


def _fit_mixture(shapes: Floats) -> dict[str, Any]:
    """Return means and covariances of as many Gaussians as there are shapes (n, d) for."""
    from sklearn.mixture import GaussianMixture

    components = int(np.clip(len(shapes) // _STARS_A_COMPONENT, 1, _COMPONENTS))
    seed = derive_seed(0, "domain", "shapes") % 2**32
    mixture = GaussianMixture(components, reg_covar=1e-5, n_init=3, random_state=seed).fit(shapes)
    return {"means": mixture.means_.tolist(), "covariances": mixture.covariances_.tolist()}


def judge_stars(fits: pd.DataFrame, domain: Mapping[str, Any]) -> Judgement:
    """Compare stars with a training set, each by itself.

    Parameters
    ----------
    fits
        The fits table of n stars. The errors of their shapes count: a shape that is
        poorly known is not unlike others.
    domain
        Of `measure_training_range`.

    Raises
    ------
    ValueError
        If another version of MetaLyra has described the shapes.
    """
    outside = np.full(len(fits), "", dtype=object)
    for column, (low, high) in domain["ranges"].items():
        beyond = ~fits[column].between(low, high).to_numpy()
        outside = np.where((outside == "") & beyond, column, outside)
    if domain["shapes"] is None:
        return Judgement(outside, np.full(len(fits), np.nan), np.zeros(len(fits), dtype=bool))
    shapes, errors = _describe(fits)
    if np.shape(domain["shapes"]["means"])[1] != shapes.shape[1]:
        raise ValueError(
            "the model's card describes shapes as another version of MetaLyra does; train the "
            "model anew"
        )
    distance = _measure_distance(domain["shapes"], shapes, errors)
    return Judgement(outside, distance, ~(distance <= domain["shapes"]["limit"]))


def _describe(fits: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return the shapes of n light curves and their errors, each (n, d)."""
    values = {
        name: fits[name].to_numpy(dtype=float)
        for name in (
            *("period", "amplitude", "amplitude_err"),
            *(f"a{k}" for k in range(1, _HARMONICS + 1)),
            *(f"a{k}_err" for k in range(1, _HARMONICS + 1)),
            *(f"phi{k}1" for k in range(2, _HARMONICS + 1)),
            *(f"phi{k}1_err" for k in range(2, _HARMONICS + 1)),
        )
    }
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        whole, whole_err = values["amplitude"], values["amplitude_err"]
        shapes = [np.log(values["period"]), np.log(whole)]
        errors = [np.zeros(len(fits)), whole_err / whole]
        for k in range(1, _HARMONICS + 1):
            share = values[f"a{k}"] / whole
            along = np.hypot(values[f"a{k}_err"], share * whole_err) / whole
            if k == 1:
                shapes.append(share)
                errors.append(along)
                continue
            relative = share * np.exp(1j * values[f"phi{k}1"])
            shapes += [relative.real, relative.imag]
            # A harmonic that may be anywhere has an error in all directions.
            errors += [np.hypot(along, share * values[f"phi{k}1_err"]) / np.sqrt(2)] * 2
    return np.column_stack(shapes), np.nan_to_num(np.column_stack(errors), posinf=1e3)


def _measure_distance(population: Mapping[str, Any], shapes: Floats, errors: Floats) -> Floats:
    """Return the distance (n,) of each shape from the nearest component; inf if not finite."""
    finite: Booleans = np.all(np.isfinite(shapes), axis=1)
    shapes = np.where(finite[:, None], shapes, 0.0)
    noise = errors[:, :, None] ** 2 * np.eye(shapes.shape[1])
    squares = []
    for mean, covariance in zip(population["means"], population["covariances"], strict=True):
        offset = shapes - np.array(mean)
        solved = np.linalg.solve(np.array(covariance) + noise, offset[:, :, None])[:, :, 0]
        squares.append((offset * solved).sum(axis=1))
    return np.where(finite, np.sqrt(np.min(squares, axis=0)), np.inf)
