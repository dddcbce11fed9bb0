"""How much each star counts in the training, learnt from the stars of that training alone.

Densities and scales are those of the stars that a member is trained on, or of all stars
where nothing is held out; so the labels of a fold leave no trace in the training of the
member that does not see it.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from metalyra.core.bounds import NotNegative


def density_weights(
    feh: np.ndarray, threshold: float, trained_on: np.ndarray | None = None
) -> np.ndarray:
    """Return weights that even out an unbalanced metallicity distribution.

    The inverse of the density of the metallicities (Dékány & Grebel 2022, Sec. 2): a
    Gaussian kernel density of Scott's bandwidth, held at `threshold` where it is lower,
    so that the few stars of the tails do not rule the training.

    Parameters
    ----------
    feh : array, shape (n,)
        Metallicities (dex).
    threshold
        Density (1 / dex) below which the weights are uniform (published: 0.5 for G, 0.9
        for Ks; 0, that is none, by Monti et al. 2025, Eq. 3).
    trained_on : array, shape (m,), optional
        Metallicities that the density is that of; `feh` itself by default.

    Returns
    -------
    array, shape (n,)
        Weights, of mean 1 over the stars trained on.
    """
    from scipy.stats import gaussian_kde

    density = gaussian_kde(feh if trained_on is None else trained_on)
    own = 1 / np.maximum(density(feh), threshold)
    return scale_to_number(own, 1 / np.maximum(density(density.dataset[0]), threshold))


def dense_weights(
    feh: np.ndarray,
    alpha: float,
    minimum: float = 1e-6,
    trained_on: np.ndarray | None = None,
) -> np.ndarray:
    """Return weights that even out a distribution as much as asked for.

    DenseWeight (Steininger et al. 2021): 1 minus `alpha` times the kernel
    density, which is first scaled to between 0 for the rarest and 1 for the commonest
    metallicity.

    Parameters
    ----------
    feh : array, shape (n,)
        Metallicities (dex).
    alpha
        0 for equal weights; 1 takes the weight of the commonest metallicity to
        `minimum`, more that of other common ones, too.
    minimum
        Smallest weight, before all are scaled.
    trained_on : array, shape (m,), optional
        Metallicities that the density is that of; `feh` itself by default.

    Returns
    -------
    array, shape (n,)
        Weights, of mean 1 over the stars trained on.

    Raises
    ------
    ValueError
        If `alpha` is negative.
    """
    if alpha < 0:
        raise ValueError(f"alpha of the density weights is {alpha}; it cannot be negative")
    from scipy.stats import gaussian_kde

    density = gaussian_kde(feh if trained_on is None else trained_on)
    of_training = density(density.dataset[0])

    def weigh(densities: np.ndarray) -> np.ndarray:
        relative = (densities - of_training.min()) / np.ptp(of_training)
        weights: np.ndarray = np.maximum(1 - alpha * relative.clip(0, 1), minimum)
        return weights

    return scale_to_number(weigh(density(feh)), weigh(of_training))


def inverse_variance_weights(
    feh_err: np.ndarray, trained_on: np.ndarray | None = None
) -> np.ndarray:
    """Return weights proportional to the inverse squared errors.

    Parameters
    ----------
    feh_err : array, shape (n,)
        Errors of the metallicities (dex), all positive.
    trained_on : array, shape (m,), optional
        Errors of the stars over which the mean weight is 1; `feh_err` itself by default.

    Raises
    ------
    ValueError
        If an error is missing or not positive.
    """
    if missing := np.count_nonzero(~(feh_err > 0)):
        raise ValueError(
            f"inverse-variance weights need a positive error for every star; {missing} of "
            f"{len(feh_err)} labels have none: cut them, or do without inverse_variance"
        )
    reference = feh_err if trained_on is None else trained_on
    return scale_to_number(1 / np.square(feh_err), 1 / np.square(reference))


def make_weights(
    feh: np.ndarray,
    feh_err: np.ndarray,
    trained_on: tuple[np.ndarray, np.ndarray] | None = None,
    *,
    density_threshold: float | None = None,
    density_alpha: NotNegative | None = None,
    inverse_variance: bool = False,
    scaling: Literal["number", "range"] = "number",
) -> np.ndarray:
    """Return the product of the weights asked for (Dékány & Grebel 2022, Sec. 2).

    Parameters
    ----------
    feh, feh_err : array, shape (n,)
        Metallicities and their errors (dex).
    trained_on
        Metallicities and errors of the stars that densities and scales are learnt from;
        by default those that are weighed. Others count as they would among these.
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
    reference = (feh, feh_err) if trained_on is None else trained_on

    def weigh(feh: np.ndarray, feh_err: np.ndarray) -> np.ndarray:
        weights = np.ones(len(feh))
        if density_threshold is not None:
            weights *= density_weights(feh, density_threshold, reference[0])
        if density_alpha is not None:
            weights *= dense_weights(feh, density_alpha, trained_on=reference[0])
        if inverse_variance:
            weights *= inverse_variance_weights(feh_err, reference[1])
        return weights

    of_training = weigh(*reference)
    own = of_training if trained_on is None else weigh(feh, feh_err)
    return SCALINGS[scaling](own, of_training)


def scale_to_number(weights: np.ndarray, of_training: np.ndarray) -> np.ndarray:
    """Return weights by which the stars of the training sum to their number."""
    scaled: np.ndarray = weights / of_training.mean()
    return scaled


def scale_to_range(weights: np.ndarray, of_training: np.ndarray) -> np.ndarray:
    """Return weights mapped linearly so that those of the training go from 0.01 to 1.

    No other star gets less or more than these; all are 1 where they are equal.
    """
    lowest, width = of_training.min(), np.ptp(of_training)
    if width == 0:
        return np.ones_like(weights)
    scaled: np.ndarray = 0.01 + 0.99 * ((weights - lowest) / width).clip(0, 1)
    return scaled


SCALINGS: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "number": scale_to_number,
    "range": scale_to_range,
}
"""How weights are scaled by those of the stars of a training, by name."""
