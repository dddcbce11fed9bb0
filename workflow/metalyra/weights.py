"""How much each star counts in the training."""

from collections.abc import Callable, Mapping

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
        for Ks; 0, that is none, by Monti et al. 2025, Eq. 3).

    Returns
    -------
    array, shape (n,)
        Weights of mean 1.
    """
    density = gaussian_kde(feh)(feh)
    return scale_to_number(1 / np.maximum(density, threshold))


def dense_weights(feh: np.ndarray, alpha: float, minimum: float = 1e-6) -> np.ndarray:
    """Return weights that even out a distribution as much as asked for.

    DenseWeight (Steininger et al. 2021): 1 minus `alpha` times the kernel
    density, which is first scaled to between 0 for the rarest and 1 for the commonest
    metallicity.

    Parameters
    ----------
    feh : array, shape (n,)
        Metallicities of the development set (dex).
    alpha
        0 for equal weights; 1 takes the weight of the commonest metallicity to
        `minimum`, more that of other common ones, too.
    minimum
        Smallest weight, before all are scaled.

    Returns
    -------
    array, shape (n,)
        Weights of mean 1.

    Raises
    ------
    ValueError
        If `alpha` is negative.
    """
    if alpha < 0:
        raise ValueError(f"alpha of the density weights is {alpha}; it cannot be negative")
    density = gaussian_kde(feh)(feh)
    relative = (density - density.min()) / np.ptp(density)
    return scale_to_number(np.maximum(1 - alpha * relative, minimum))


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
    return scale_to_number(1 / np.square(feh_err))


def make_weights(
    feh: np.ndarray,
    feh_err: np.ndarray,
    *,
    density_threshold: float | None = None,
    density_alpha: float | None = None,
    inverse_variance: bool = False,
    scaling: str = "number",
) -> np.ndarray:
    """Return the product of the weights asked for (Dékány & Grebel 2022, Sec. 2).

    Parameters
    ----------
    feh, feh_err : array, shape (n,)
        Metallicities and their errors (dex).
    density_threshold
        Threshold of `density_weights`; None for none.
    density_alpha
        Strength of `dense_weights`, which take their place; None for none.
    inverse_variance
        Whether stars count by `inverse_variance_weights`.
    scaling
        "number": the weights sum to the number of stars (Monti et al. 2025, Sec. 2.4);
        "range": they go from 0.01 to 1, as in the code published with Dékány & Grebel
        (2022). The regularisation of a network counts the more, the smaller the weights.

    Raises
    ------
    ValueError
        If density weights of both kinds are asked for, the scaling is unknown, or an
        error is missing where it is needed.
    """
    if scaling not in SCALINGS:
        raise ValueError(
            f"scaling of the weights is {scaling!r}; allowed are {', '.join(SCALINGS)}"
        )
    if density_threshold is not None and density_alpha is not None:
        raise ValueError("density_threshold and density_alpha exclude each other")
    weights = np.ones(len(feh))
    if density_threshold is not None:
        weights *= density_weights(feh, density_threshold)
    if density_alpha is not None:
        weights *= dense_weights(feh, density_alpha)
    if inverse_variance:
        weights *= inverse_variance_weights(feh_err)
    return SCALINGS[scaling](weights)


def scale_to_number(weights: np.ndarray) -> np.ndarray:
    """Return weights that sum to their number."""
    return weights / weights.mean()


def scale_to_range(weights: np.ndarray) -> np.ndarray:
    """Return weights mapped linearly to 0.01 to 1; all 1 where they are equal."""
    width = np.ptp(weights)
    return 0.01 + 0.99 * (weights - weights.min()) / width if width > 0 else np.ones_like(weights)


SCALINGS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "number": scale_to_number,
    "range": scale_to_range,
}
"""How the weights of a development set are scaled, by name."""
