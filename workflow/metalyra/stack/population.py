"""The light curves of a whole population, and what it says of each noisy one of them.

The Fourier coefficients of the stars' true light curves and their periods are drawn from
a mixture of Gaussians; a light curve shows a star's coefficients through a few noisy,
sometimes wrong points. `fit_population` finds the mixture behind the noise by expectation
maximisation (extreme deconvolution, Bovy, Hogg & Roweis 2011), and `infer_shapes` the
posterior of a star's coefficients under it. So a poorly observed star borrows the shape
that stars of its period have, which no kernel of a Gaussian process knows. The noise is
Student's t, with a scale of each star's own: in effect each point gets the weight that
its distance from the curve deserves (Lange, Little & Taylor 1989). It depends on the
phase as well, since points scatter most where the light rises.

No metallicity is used anywhere here.
"""

from collections.abc import Iterator
from typing import NamedTuple, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metalyra.core.arrays import Floats, Indices
from metalyra.fit.alignment import turn_curves
from metalyra.fit.fourier import evaluate_harmonics

_PERIOD_ERROR = 0.02
"""Error of the periods, in standard deviations of the population; keeps matrices regular."""

_NOISE_FLOOR = 0.01
"""Typical noise (mag) towards which the scale of a star of few points is drawn."""

ALIGNMENT = "phi1"
"""What lies at phase 0 of the curves of a population, see `metalyra.fit.alignment`."""

_HARMONICS = ((150, 4), (1000, 6), (np.inf, 10))
"""Harmonics for fewer stars than a number: the covariance of 2 J coefficients has ~2 J^2 numbers.

Measured out of fold: see docs/own_survey.md.
"""

_STARS_OF_COMPONENT = 250
"""Stars that tell of one Gaussian of a mixture."""

_BATCH = 512
"""Stars whose posteriors are held in memory at once."""


class Curves(NamedTuple):
    """Folded light curves of `n` stars, padded to a common number of points.

    Attributes
    ----------
    phase, mag : (n, points)
        Aligned phase, and magnitude minus the star's mean; 0 where there is no point.
    used : (n, points)
        1 where there is a point, else 0.
    period : (n,)
        Periods (d).
    """

    phase: Floats
    mag: Floats
    used: Floats
    period: Floats

    def take(self, rows: NDArray[np.int_]) -> "Curves":
        """Return the light curves of some stars."""
        return Curves(*(values[rows] for values in self))


class Population(NamedTuple):
    """A mixture of `k` Gaussians of Fourier coefficients and period.

    Attributes
    ----------
    shares : (k,)
        Shares of the components.
    means : (k, d), covariances : (k, d, d)
        Of ``s_1, q_1, ..., s_J, q_J`` (mag) and the scaled period; d = 2 J + 1.
    period_scale : (2,)
        Mean and standard deviation of the periods (d), by which they are scaled.
    profile : (b,)
        Variance of the noise in equal bins of phase, relative to a star's.
    freedom : ()
        Degrees of freedom of the noise.
    strength : ()
        Points that the typical noise counts for, in the estimate of a star's own.
    """

    shares: Floats
    means: Floats
    covariances: Floats
    period_scale: Floats
    profile: Floats
    freedom: Floats
    strength: Floats


class Shapes(NamedTuple):
    """Posteriors of `n` light curves.

    Attributes
    ----------
    coefficients : (n, 2 J), covariances : (n, 2 J, 2 J)
        Means and covariances of ``s_1, q_1, ...`` (mag).
    noise : (n,)
        Scale of the noise of the points (mag).
    points : (n,)
        Number of points, each counted by its weight.
    """

    coefficients: Floats
    covariances: Floats
    noise: Floats
    points: Floats


class _Data(NamedTuple):
    """What the points say of the coefficients, at given noise and weights."""

    precision: Floats  # (n, d, d)
    projection: Floats  # (n, d)
    design: Floats  # (n, points, d - 1), the mean magnitude projected out
    residual: Floats  # (n, points), likewise


class _Noise(NamedTuple):
    """What is known of the points' noise."""

    variance: Floats  # (n,) of a star's typical point, mag2
    weight: Floats  # (n, points), low for points far from the curve
    precision: Floats  # (n, points), of each point, 1 / mag2


class _Posterior(NamedTuple):
    shares: Floats  # (n, k)
    means: Floats  # (k, n, d)
    covariances: Floats  # (k, n, d, d)


def collect_curves(fits: pd.DataFrame, folded: pd.DataFrame) -> Iterator[tuple[Indices, Curves]]:
    """Collect light curves by their number of points.

    Parameters
    ----------
    fits
        The fits table; only stars of status ok are collected.
    folded
        The folded light curves of the same stars, turned to `ALIGNMENT` here. Points that
        the fit rejected are used as well: the noise has room for them, and most of them
        are real.

    Yields
    ------
    rows : array of int
        Rows among the stars of status ok.
    curves
        Their light curves, padded to a power of two that depends on the star alone.
    """
    stars, folded = turn_curves(fits[fits["status"] == "ok"], folded, ALIGNMENT)
    period = stars["period"].to_numpy(dtype=float)
    star = pd.Index(stars["star_id"]).get_indexer(folded["star_id"])
    used = star >= 0
    points = folded[used].assign(star=star[used]).sort_values(["star", "phase", "mag"])
    star = points["star"].to_numpy()
    counts = np.bincount(star, minlength=len(stars))
    position = np.arange(len(star)) - (np.cumsum(counts) - counts)[star]
    lengths = 2 ** np.ceil(np.log2(np.maximum(counts, 32))).astype(int)
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        inside = lengths[star] == length
        place = np.searchsorted(rows, star[inside]), position[inside]
        phase, mag, present = np.zeros((3, len(rows), length))
        phase[place] = points["phase"].to_numpy(dtype=float)[inside]
        mag[place] = points["mag"].to_numpy(dtype=float)[inside]
        present[place] = 1.0
        mean = mag.sum(axis=1) / np.maximum(present.sum(axis=1), 1)
        yield rows, Curves(phase, (mag - mean[:, None]) * present, present, period[rows])


def fit_population(
    curves: Curves,
    *,
    harmonics: int | None = 10,
    components: int | None = 3,
    freedom: float = 4.0,
    strength: float = 0.6,
    profile_bins: int = 25,
    iterations: int = 25,
) -> Population:
    """Fit the mixture of Gaussians that noisy light curves are drawn from.

    Parameters
    ----------
    curves
        Of n stars, some hundred or more.
    harmonics
        Harmonics J of the light curves; None for as many as the stars can tell of: 4 below
        150 stars, 6 below 1,000, else 10.
    components
        Gaussians of the mixture; the first guess is a split by period. None for as many as
        the stars can tell of: one for each 250 stars, 1 to 3.
    freedom
        Degrees of freedom of the noise; few for many wrong points.
    strength
        Points that the typical noise counts for, in the estimate of a star's own.
    profile_bins
        Bins of phase between which the noise differs.
    iterations
        Steps of the expectation maximisation.

    Raises
    ------
    ValueError
        If there are fewer stars than 10 a component.
    """
    harmonics, components = _choose_size(len(curves.period), harmonics, components)
    if len(curves.period) < 10 * components:
        raise ValueError(
            f"{len(curves.period)} light curves are too few for {components} components"
        )
    scale = np.array([curves.period.mean(), curves.period.std() or 1.0])
    noise = _guess_noise(curves)
    first = _guess_coefficients(_observe(curves, noise, harmonics, scale))
    spread = np.cov(first.T)
    part = np.digitize(
        curves.period, np.quantile(curves.period, np.arange(1, components) / components)
    )
    population = Population(
        np.full(components, 1 / components),
        np.stack([first[part == k].mean(axis=0) for k in range(components)]),
        np.stack([spread / 2 + 1e-6 * np.eye(len(spread))] * components),
        scale,
        np.ones(profile_bins),
        np.array(freedom),
        np.array(strength),
    )
    for _ in range(iterations):
        data = _observe(curves, noise, harmonics, scale)
        posterior = _infer(population, data)
        square = _measure_residuals(data, posterior)
        noise = _measure_noise(curves, square, noise, population)
        population = _update(population, posterior, np.diag(spread.diagonal()))
        population = population._replace(
            profile=_measure_profile(curves, square, noise, profile_bins)
        )
    return population


def infer_shapes(population: Population, curves: Curves, iterations: int = 10) -> Shapes:
    """Infer the coefficients of light curves that a population is known for.

    Parameters
    ----------
    population
        Of `fit_population`.
    curves
        Of n stars. Each is treated alone: its posterior does not depend on the others.
    iterations
        Estimates of the noise and of the weights of the points.
    """
    batches = [
        _infer_batch(population, curves.take(np.arange(start, stop)), iterations)
        for start, stop in _ranges(len(curves.period))
    ]
    return Shapes(*(np.concatenate(parts) for parts in zip(*batches, strict=True)))


def describe_shapes(shapes: Shapes, period: Floats) -> Floats:
    """Return what regressors read of a star, one row each.

    Returns
    -------
    array, shape (n, 5 J + 1)
        The coefficients; period (d); amplitudes A_1 to A_J; cosine and sine of phi_21 to
        phi_J1; logarithms of the noise (mag) and of the number of points.
    """
    sine, cosine = shapes.coefficients[:, 0::2], shapes.coefficients[:, 1::2]
    phase = np.arctan2(cosine, sine)
    order = np.arange(2, sine.shape[1] + 1)
    relative = phase[:, 1:] - order * phase[:, :1]
    return np.column_stack(
        [
            shapes.coefficients,
            period,
            np.hypot(sine, cosine),
            np.cos(relative),
            np.sin(relative),
            np.log(shapes.noise),
            np.log(shapes.points),
        ]
    )


def _choose_size(stars: int, harmonics: int | None, components: int | None) -> tuple[int, int]:
    """Return the harmonics and components of a population, chosen where they are not given."""
    if harmonics is None:
        harmonics = next(number for limit, number in _HARMONICS if stars < limit)
    if components is None:
        components = min(max(stars // _STARS_OF_COMPONENT, 1), 3)
    return harmonics, components


def _ranges(size: int) -> list[tuple[int, int]]:
    return [(start, min(start + _BATCH, size)) for start in range(0, max(size, 1), _BATCH)]


def _infer_batch(population: Population, curves: Curves, iterations: int) -> Shapes:
    harmonics = population.means.shape[1] // 2
    noise = _guess_noise(curves)
    for _ in range(iterations):
        data = _observe(curves, noise, harmonics, population.period_scale)
        posterior = _infer(population, data)
        square = _measure_residuals(data, posterior)
        noise = _measure_noise(curves, square, noise, population)
    shares = posterior.shares.T[:, :, None]
    mean = (shares * posterior.means).sum(axis=0)
    offset = posterior.means - mean
    covariance = posterior.covariances + offset[..., :, None] * offset[..., None, :]
    covariance = (shares[..., None] * covariance).sum(axis=0)
    return Shapes(
        mean[:, :-1], covariance[:, :-1, :-1], np.sqrt(noise.variance), noise.weight.sum(axis=1)
    )


def _guess_noise(curves: Curves) -> _Noise:
    """Guess that all points of a star are alike, with a tenth of the scatter as noise."""
    count = np.maximum(curves.used.sum(axis=1), 1)
    variance = 0.01 * (curves.mag**2).sum(axis=1) / count + _NOISE_FLOOR**2
    return _Noise(variance, curves.used, curves.used / variance[:, None])


def _observe(curves: Curves, noise: _Noise, harmonics: int, period_scale: Floats) -> _Data:
    """Project the light curves on the harmonics, the mean magnitude integrated out."""
    stars, points = curves.phase.shape
    design = evaluate_harmonics(curves.phase.ravel(), harmonics).reshape(stars, points, -1)
    design = design[:, :, 1:]
    share = noise.precision / np.maximum(noise.precision.sum(axis=1, keepdims=True), 1e-12)
    design = design - np.matmul(share[:, None, :], design)
    residual = curves.mag - (share * curves.mag).sum(axis=1, keepdims=True)
    weighted = (design * noise.precision[:, :, None]).transpose(0, 2, 1)
    size = design.shape[2] + 1
    precision, projection = np.zeros((stars, size, size)), np.zeros((stars, size))
    precision[:, :-1, :-1] = np.matmul(weighted, design)
    projection[:, :-1] = np.matmul(weighted, residual[:, :, None])[:, :, 0]
    precision[:, -1, -1] = _PERIOD_ERROR**-2
    mean, deviation = period_scale
    projection[:, -1] = (curves.period - mean) / deviation * _PERIOD_ERROR**-2
    return _Data(precision, projection, design, residual)


def _guess_coefficients(data: _Data) -> Floats:
    """Fit each light curve alone, with higher harmonics held back."""
    order = np.repeat(np.arange(1, data.design.shape[2] // 2 + 1), 2)
    prior = np.diag(np.append(10.0 * order**2, 0.0))
    solved = cast("Floats", np.linalg.solve(data.precision + prior, data.projection[:, :, None]))
    return solved[:, :, 0]


def _infer(population: Population, data: _Data) -> _Posterior:
    """Return the posterior of the coefficients and the component of each star."""
    prior = np.linalg.inv(population.covariances)
    means, covariances, log_shares = [], [], []
    for k in range(len(population.shares)):
        covariance = np.linalg.inv(data.precision + prior[k])
        pull = data.projection + prior[k] @ population.means[k]
        mean = np.matmul(covariance, pull[:, :, None])[:, :, 0]
        evidence = (pull * mean).sum(axis=1) + np.linalg.slogdet(covariance)[1]
        evidence += np.linalg.slogdet(prior[k])[1]
        evidence -= population.means[k] @ prior[k] @ population.means[k]
        log_shares.append(np.log(population.shares[k]) + evidence / 2)
        means.append(mean)
        covariances.append(covariance)
    shares = np.exp(np.stack(log_shares) - np.max(log_shares, axis=0))
    return _Posterior((shares / shares.sum(axis=0)).T, np.stack(means), np.stack(covariances))


def _measure_residuals(data: _Data, posterior: _Posterior) -> Floats:
    """Return the expected squared residuals (n, points) in mag2."""
    square = np.zeros_like(data.residual)
    for k, (means, covariances) in enumerate(
        zip(posterior.means, posterior.covariances, strict=True)
    ):
        model = np.matmul(data.design, means[:, :-1, None])[:, :, 0]
        spread = (np.matmul(data.design, covariances[:, :-1, :-1]) * data.design).sum(axis=2)
        square += posterior.shares[:, k, None] * ((data.residual - model) ** 2 + spread)
    return square


def _measure_noise(curves: Curves, square: Floats, noise: _Noise, population: Population) -> _Noise:
    """Return the noise of points of which the squared residuals (n, points) are known."""
    freedom, strength = float(population.freedom), float(population.strength)
    profile = population.profile[_profile_bin(curves.phase, len(population.profile))]
    square = square / profile
    weight = curves.used * (freedom + 1) / (freedom + square / noise.variance[:, None])
    total = (weight * square).sum(axis=1) + strength * _NOISE_FLOOR**2
    variance = total / np.maximum(curves.used.sum(axis=1) - 1 + strength, 1e-12)
    return _Noise(variance, weight, weight / (profile * variance[:, None]))


def _measure_profile(curves: Curves, square: Floats, noise: _Noise, bins: int) -> Floats:
    """Return the variance of the noise by phase, smoothed, of geometric mean 1."""
    used = curves.used > 0
    place = _profile_bin(curves.phase, bins)[used]
    relative = (noise.weight * square / noise.variance[:, None])[used]
    # One typical point a bin keeps empty bins regular.
    variance = cast("Floats", np.bincount(place, relative, bins)) + 1
    variance /= np.bincount(place, minlength=bins) + 1
    smooth = (np.roll(variance, 1) + 2 * variance + np.roll(variance, -1)) / 4
    profile: Floats = smooth / np.exp(np.log(smooth).mean())
    return profile


def _profile_bin(phase: Floats, bins: int) -> NDArray[np.int_]:
    place: Indices = np.minimum((phase * bins).astype(int), bins - 1)
    return place


def _update(population: Population, posterior: _Posterior, spread: Floats) -> Population:
    """Return the mixture that the posteriors add up to."""
    count = posterior.shares.sum(axis=0)
    components = len(count)
    means, covariances = [], []
    for k in range(components):
        share = posterior.shares[:, k]
        mean = share @ posterior.means[k] / count[k]
        offset = posterior.means[k] - mean
        scatter = (offset * share[:, None]).T @ offset
        scatter += np.tensordot(share, posterior.covariances[k], 1)
        # A few stars of the whole population's spread keep small components regular.
        covariances.append((scatter + 2 * spread) / (count[k] + 10))
        means.append(mean)
    shares = (count + 1) / (count.sum() + components)
    return population._replace(
        shares=shares, means=np.stack(means), covariances=np.stack(covariances)
    )
