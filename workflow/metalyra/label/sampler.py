"""Draws from the posterior of a regression, by importance sampling."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import optimize

from metalyra.core.arrays import Floats
from metalyra.label.calibrators import CalibrationError
from metalyra.label.regression import (
    ERROR_SCALE_PRIOR,
    SCATTER_PRIOR,
    TYPICAL_SCATTER,
    Regression,
    Variant,
    log_likelihood,
)

# The importance sampler: t distribution with tails wider than the posterior's, proposals
# per draw, rounds of adaptation, step of the numerical derivatives in standard deviations.
_DEGREES_OF_FREEDOM = 5
_OVERSAMPLING = 4
_ADAPTATIONS = 1
_STEP = 1e-2

# The last round goes on until as many proposals count as draws are asked for, and the tail
# of their weights is light enough that this number means something: k-hat at most 0.7
# (Vehtari et al. 2024, JMLR 25, 72).
_MOST_BATCHES = 25
_LARGEST_PARETO_K = 0.7


class Posterior(NamedTuple):
    """Draws from the posterior of a regression.

    Attributes
    ----------
    coefficients
        (draws, p + 1), intercept first.
    scatter, error_scale
        (draws,); 0 and 1 where they are not fitted.
    efficiency
        Effective sample size per proposal of the importance sampler.
    effective_size
        Effective sample size of its proposals; at least the number of draws.
    pareto_k
        k-hat of its weights: see `fit_pareto_tail`.
    """

    coefficients: Floats
    scatter: Floats
    error_scale: Floats
    efficiency: float
    effective_size: float
    pareto_k: float


def sample_posterior(
    regression: Regression,
    variant: Variant,
    prior_width: float,
    draws: int,
    rng: np.random.Generator,
) -> Posterior:
    """Draw from the posterior by adaptive importance sampling.

    The proposals are Student's t around the mode, with the curvature there (a Laplace
    approximation with heavy tails), then around the mean of the first sample with its
    covariance. The last round goes on until its effective sample size is at least the
    number of draws and the tail of the weights is light. The draws are resampled from its
    proposals: they are independent, but a few repeat.

    Parameters
    ----------
    regression
        The calibrators.
    variant
        What is fitted. The prior of the scatter is half-normal of width 1 dex, that of
        the logarithm of the error scale is normal of width 0.5.
    prior_width
        Standard deviation of the published prior of the coefficients.
    draws
        Number of draws.
    rng
        Source of the draws.

    Raises
    ------
    CalibrationError
        If the proposals do not cover the posterior: too few of them count, or the tail of
        their weights is too heavy; or if the posterior has no maximum.
    """
    precision = regression.features.T / regression.feh_variance
    covariance = np.linalg.inv(precision @ regression.features)
    least_squares = covariance @ (precision @ regression.feh)
    root = np.linalg.cholesky(covariance)
    size = len(least_squares)

    def unpack(points: Floats) -> tuple[Floats, Floats, Floats]:
        """Return coefficients, scatter and error scale of points (m, d), all of order 1."""
        others = iter(points[:, size:].T)
        constant = np.zeros(len(points))
        return (
            least_squares + points[:, :size] @ root.T,
            TYPICAL_SCATTER * next(others) if variant.intrinsic_scatter else constant,
            np.exp(next(others)) if variant.by_star else constant + 1,
        )

    def log_density(points: Floats) -> Floats:
        """Return the log posterior (m,), which is even in the scatter."""
        coefficients, scatter, error_scale = unpack(points)
        density = log_likelihood(regression, coefficients, scatter, error_scale)
        if variant.published_prior:
            offsets = (coefficients - least_squares) / prior_width
            density -= 0.5 * np.sum(offsets**2, axis=1)
        if variant.intrinsic_scatter:
            density -= 0.5 * (scatter / SCATTER_PRIOR) ** 2
        if variant.by_star:
            density -= 0.5 * (np.log(error_scale) / ERROR_SCALE_PRIOR) ** 2
        return density

    def log_posterior(points: Floats) -> Floats:
        return np.where(unpack(points)[1] < 0, -np.inf, log_density(points))

    start = np.zeros(size + variant.intrinsic_scatter + variant.by_star)
    start[size : size + variant.intrinsic_scatter] = 1.0
    centre, spread = _locate_mode(log_density, start)
    sign = np.where((start > 0) & (centre < 0), -1.0, 1.0)
    centre, spread = sign * centre, np.outer(sign, sign) * spread
    count = _OVERSAMPLING * draws
    for _ in range(_ADAPTATIONS):
        points, log_weights = _sample_importance(log_posterior, centre, spread, count, rng)
        weights = normalise_weights(log_weights)
        centre = weights @ points
        spread = np.cov(points.T, aweights=weights, ddof=0)
    points, weights, pareto_k = _sample_safely(log_posterior, centre, spread, draws, rng)
    effective_size = _measure_effective_size(weights)
    efficiency = effective_size / len(weights)
    steps = (np.arange(draws) + rng.random()) / draws
    chosen = np.minimum(np.searchsorted(np.cumsum(weights), steps), len(weights) - 1)
    return Posterior(*unpack(points[rng.permutation(chosen)]), efficiency, effective_size, pareto_k)


def _sample_safely(
    log_posterior: Callable[[Floats], Floats],
    centre: Floats,
    spread: Floats,
    draws: int,
    rng: np.random.Generator,
) -> tuple[Floats, Floats, float]:
    """Return proposals (m, d), their weights (m,) and k-hat, once there are enough to draw from.

    Raises
    ------
    CalibrationError
        If there never are.
    """
    points, log_weights = np.empty((0, len(centre))), np.empty(0)
    for _ in range(_MOST_BATCHES):
        batch = _sample_importance(log_posterior, centre, spread, _OVERSAMPLING * draws, rng)
        points = np.concatenate([points, batch[0]])
        log_weights = np.concatenate([log_weights, batch[1]])
        weights = normalise_weights(log_weights)
        effective_size, pareto_k = _measure_effective_size(weights), fit_pareto_tail(weights)
        if effective_size >= draws and pareto_k <= _LARGEST_PARETO_K:
            return points, weights, pareto_k
    raise CalibrationError(
        f"the posterior is too irregular: {effective_size:.0f} of {len(weights)} proposals "
        f"count where {draws} draws are asked for, k-hat of their weights is {pareto_k:.2f} "
        f"where at most {_LARGEST_PARETO_K} is safe; use more calibrators or another variant"
    )


def _measure_effective_size(weights: Floats) -> float:
    return float(1 / np.sum(weights**2))


def _locate_mode(log_density: Callable[[Floats], Floats], start: Floats) -> tuple[Floats, Floats]:
    """Return the mode (d,) of a density, and the inverse of minus its curvature there."""
    steps = _STEP * np.eye(len(start))

    def descend(point: Floats) -> Floats:
        """Return the gradient of minus the log density."""
        both = log_density(np.concatenate([point - steps, point + steps])).reshape(2, -1)
        gradient: Floats = (both[0] - both[1]) / (2 * _STEP)
        return gradient

    def cost(point: Floats) -> float:
        return float(-log_density(point[None])[0])

    mode = optimize.minimize(cost, start, jac=descend, method="BFGS").x
    curvature = np.array([descend(mode + step) - descend(mode - step) for step in steps])
    curvature = (curvature + curvature.T) / (4 * _STEP)
    try:
        np.linalg.cholesky(curvature)
    except np.linalg.LinAlgError:
        raise CalibrationError("the posterior has no maximum: the stars are too few") from None
    return mode, np.linalg.inv(curvature)


def _sample_importance(
    log_density: Callable[[Floats], Floats],
    centre: Floats,
    spread: Floats,
    count: int,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Return proposals (count, d) and the logarithms of their importance weights (count,)."""
    # By Cholesky, which unlike eigenvectors changes little when `spread` changes little.
    size = len(centre)
    normal = rng.standard_normal((count, size))
    standard = normal / np.sqrt(
        rng.chisquare(_DEGREES_OF_FREEDOM, (count, 1)) / _DEGREES_OF_FREEDOM
    )
    points = centre + standard @ np.linalg.cholesky(spread).T
    distance = np.sum(standard**2, axis=1) / _DEGREES_OF_FREEDOM
    return points, log_density(points) + 0.5 * (_DEGREES_OF_FREEDOM + size) * np.log1p(distance)


def normalise_weights(log_weights: Floats) -> Floats:
    """Return importance weights that add up to 1."""
    weights = np.exp(log_weights - log_weights.max())
    normalised: Floats = weights / weights.sum()
    return normalised


def fit_pareto_tail(weights: Floats) -> float:
    """Return k-hat, the shape of the generalised Pareto distribution of the largest weights.

    Below 0.5 the weights have a finite variance, and up to 0.7 importance sampling works
    in practice. The tail is that of Vehtari et al. (2024, JMLR 25, 72), the fit that of
    Zhang & Stephens (2009, Technometrics 51, 316) with the former's weak prior.

    Parameters
    ----------
    weights : (n,)
        Importance weights, not negative.

    Returns
    -------
    float
        -inf where the largest weights are all alike: there is no tail.
    """
    ordered = np.sort(weights)
    tail = int(min(0.2 * len(ordered), 3 * np.sqrt(len(ordered))))
    excess = ordered[-tail:] - ordered[-tail - 1]
    excess = excess[excess > 0]
    if len(excess) < 5:
        return -np.inf
    # Profile likelihood of b = -k / sigma, on a grid that the quartile of the excess scales.
    size = 30 + int(np.sqrt(len(excess)))
    steps = 1 - np.sqrt(size / (np.arange(1, size + 1) - 0.5))
    trials = steps / (3 * excess[int(len(excess) / 4 + 0.5) - 1]) + 1 / excess[-1]
    shapes = np.mean(np.log1p(-trials[:, None] * excess), axis=1)
    profile = len(excess) * (np.log(-trials / shapes) - shapes - 1)
    best = float(normalise_weights(profile) @ trials)
    shape = float(np.mean(np.log1p(-best * excess)))
    return (len(excess) * shape + 10 * 0.5) / (len(excess) + 10)
