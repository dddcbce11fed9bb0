"""How much each star counts in the training."""

import numpy as np
from scipy.stats import gaussian_kde


def density_weights(feh: np.ndarray, threshold: float) -> np.ndarray:
    """Return weights that even out an unbalanced metallicity distribution.

    The inverse of the density of the metallicities (Dékány & Grebel 2022, Sec. 2): a
    Gaussian kernel density of Scott's bandwidth, held at `threshold` where it is lower,
    so that the few stars of the tails do not rule the training.

    Parameters
    ----------
    feh : array, shape (n,)
        Metallicities of the development set (dex).
    threshold
        Density (1 / dex) below which the weights are uniform (published: 0.5 for G, 0.9
        for Ks).

    Returns
    -------
    array, shape (n,)
        Weights of mean 1.
    """
    density = gaussian_kde(feh)(feh)
    return _normalise(1 / np.maximum(density, threshold))


def inverse_variance_weights(feh_err: np.ndarray) -> np.ndarray:
    """Return weights proportional to the inverse squared errors, of mean 1.

    Parameters
    ----------
    feh_err : array, shape (n,)
        Errors of the metallicities (dex), all positive.

    Raises
    ------
    ValueError
        If an error is missing or not positive.
    """
    if not np.all(feh_err > 0):
        raise ValueError("inverse-variance weights need a positive error for every star")
    return _normalise(1 / np.square(feh_err))


def make_weights(
    feh: np.ndarray,
    feh_err: np.ndarray,
    *,
    density_threshold: float | None = None,
    inverse_variance: bool = False,
) -> np.ndarray:
    """Return the product of the weights asked for, of mean 1 (Dékány & Grebel 2022, Sec. 2).

    Parameters
    ----------
    feh, feh_err : array, shape (n,)
        Metallicities and their errors (dex).
    density_threshold
        Threshold of `density_weights`; None for none.
    inverse_variance
        Whether stars count by `inverse_variance_weights`.
    """
    weights = np.ones(len(feh))
    if density_threshold is not None:
        weights *= density_weights(feh, density_threshold)
    if inverse_variance:
        weights *= inverse_variance_weights(feh_err)
    return _normalise(weights)


def _normalise(weights: np.ndarray) -> np.ndarray:
    return weights / weights.mean()
