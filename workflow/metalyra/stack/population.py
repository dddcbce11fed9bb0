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

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
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

_FURTHER_HARMONICS = 3
"""Harmonics of a further band, if the own one has not fewer."""

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
    further
        Light curves of the same stars in further bands, at the same phases 0.
    """

    phase: Floats
    mag: Floats
    used: Floats
    period: Floats
    further: tuple["Curves", ...] = ()

    def take(self, rows: NDArray[np.int_]) -> "Curves":
        """Return the light curves of some stars."""
        return Curves(
            self.phase[rows],
            self.mag[rows],
            self.used[rows],
            self.period[rows],
            tuple(band.take(rows) for band in self.further),
        )

    @property
    def bands(self) -> tuple["Curves", ...]:
        """The light curves band by band, the own one first."""
        return (self._replace(further=()), *self.further)


class Population(NamedTuple):
    """A mixture of `k` Gaussians of Fourier coefficients and period.

    Attributes
    ----------
    shares : (k,)
        Shares of the components.
    means : (k, d), covariances : (k, d, d)
        Of ``s_1, q_1, ..., s_J, q_J`` (mag), band by band, and the scaled period; d = 2 J + 1
        for one band.
    period_scale : (2,)
        Mean and standard deviation of the periods (d), by which they are scaled.
    profile : (b,) or (bands, b)
        Variance of the noise in equal bins of phase, relative to a star's.
    freedom : ()
        Degrees of freedom of the noise.
    strength : ()
        Points that the typical noise counts for, in the estimate of a star's own.
    harmonics : (bands,)
        Harmonics J of each band; None for one band, of which the means tell it.
    """

    shares: Floats
    means: Floats
    covariances: Floats
    period_scale: Floats
    profile: Floats
    freedom: Floats
    strength: Floats
    harmonics: Indices | None = None

    def split(self) -> list[slice]:
        """Return where the coefficients of each band are."""
        if self.harmonics is None:
            return [slice(0, self.means.shape[1] - 1)]
        return _split(self.harmonics.tolist())


def _split(harmonics: Sequence[int]) -> list[slice]:
    """Return where the coefficients of bands with these numbers of harmonics are."""
    ends = [2 * sum(harmonics[:number]) for number in range(len(harmonics) + 1)]
    return [slice(start, stop) for start, stop in pairwise(ends)]


class Shapes(NamedTuple):
    """Posteriors of `n` light curves.

    Attributes
    ----------
    coefficients : (n, 2 J), covariances : (n, 2 J, 2 J)
        Means and covariances of ``s_1, q_1, ...`` (mag), band by band.
    noise : (n,)
        Scale of the noise of the points (mag) in the own band.
    points : (n,)
        Number of points in the own band, each counted by its weight.
    """

    coefficients: Floats
    covariances: Floats
    noise: Floats
    points: Floats


class _Data(NamedTuple):
    """What the points of one band say of its coefficients, at given noise and weights."""

    design: Floats  # (n, points, 2 J), the mean magnitude projected out
    residual: Floats  # (n, points), likewise
    precision: Floats  # (n, 2 J, 2 J)
    projection: Floats  # (n, 2 J)


class _Noise(NamedTuple):
    """What is known of the points' noise."""

    variance: Floats  # (n,) of a star's typical point, mag2
    weight: Floats  # (n, points), low for points far from the curve
    precision: Floats  # (n, points), of each point, 1 / mag2


class _Posterior(NamedTuple):
    shares: Floats  # (n, k)
    means: Floats  # (k, n, d)
    covariances: Floats  # (k, n, d, d)


def collect_curves(
    fits: pd.DataFrame,
    folded: pd.DataFrame,
    others: pd.DataFrame | None = None,
    bands: Sequence[str] = (),
) -> Iterator[tuple[Indices, Curves]]:
    """Collect light curves by their number of points.

    Parameters
    ----------
    fits
        The fits table; only stars of status ok are collected.
    folded
        The folded light curves of the same stars, turned to `ALIGNMENT` here. Points that
        the fit rejected are used as well: the noise has room for them, and most of them
        are real.
    others
        Those in further bands, of `metalyra.fit.fold_other_bands`.
    bands
        The further bands. A star may have no points in them.

    Yields
    ------
    rows : array of int
        Rows among the stars of status ok.
    curves
        Their light curves, padded to a power of two that depends on the star alone.
    """
    fits = fits[fits["status"] == "ok"]
    stars, folded = turn_curves(fits, folded, ALIGNMENT)
    tables = [folded]
    if bands:
        if others is None:
            raise ValueError(f"there are no light curves in {', '.join(bands)}")
        others = turn_curves(fits, others, ALIGNMENT)[1]
        tables += [others[others["band"] == band] for band in bands]
    period = stars["period"].to_numpy(dtype=float)
    points = [_sort_points(stars, table) for table in tables]
    most = np.max([band.counts for band in points], axis=0)
    lengths = 2 ** np.ceil(np.log2(np.maximum(most, 32))).astype(int)
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        own, *further = [_pad_points(band, rows, length, period[rows]) for band in points]
        yield rows, own._replace(further=tuple(further))


def join_curves(groups: Iterable[tuple[Indices, Curves]]) -> Curves:
    """Return the light curves of all stars of `collect_curves`, padded to the longest."""
    rows, curves = zip(*groups, strict=True)
    order = np.argsort(np.concatenate(rows))
    length = max(group.phase.shape[1] for group in curves)
    own, *further = [
        _stack_curves(parts, order, length)
        for parts in zip(*(group.bands for group in curves), strict=True)
    ]
    return own._replace(further=tuple(further))


def _stack_curves(parts: Sequence[Curves], order: Indices, length: int) -> Curves:
    def stack(values: Sequence[Floats]) -> Floats:
        padded = [np.pad(part, ((0, 0), (0, length - part.shape[1]))) for part in values]
        return np.concatenate(padded)[order]

    return Curves(
        stack([part.phase for part in parts]),
        stack([part.mag for part in parts]),
        stack([part.used for part in parts]),
        np.concatenate([part.period for part in parts])[order],
    )


class _Points(NamedTuple):
    """Points of one band, in order of star and phase."""

    star: Indices  # row of the star
    phase: Floats
    mag: Floats
    counts: Indices  # (stars,) points of each


def _sort_points(stars: pd.DataFrame, folded: pd.DataFrame) -> _Points:
    star = pd.Index(stars["star_id"]).get_indexer(folded["star_id"])
    used = star >= 0
    points = folded[used].assign(star=star[used]).sort_values(["star", "phase", "mag"])
    star = points["star"].to_numpy()
    phase, mag = (points[name].to_numpy(dtype=float) for name in ("phase", "mag"))
    return _Points(star, phase, mag, np.bincount(star, minlength=len(stars)))


def _pad_points(points: _Points, rows: Indices, length: int, period: Floats) -> Curves:
    """Return the light curves of some stars in one band."""
    starts = np.cumsum(points.counts) - points.counts
    position = np.arange(len(points.star)) - starts[points.star]
    place = np.full(len(points.counts), -1)
    place[rows] = np.arange(len(rows))
    row = place[points.star]
    inside = row >= 0
    at = row[inside], position[inside]
    phase, mag, present = np.zeros((3, len(rows), length))
    phase[at], mag[at], present[at] = points.phase[inside], points.mag[inside], 1.0
    mean = mag.sum(axis=1) / np.maximum(present.sum(axis=1), 1)
    return Curves(phase, (mag - mean[:, None]) * present, present, period)


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
    orders = [harmonics] + [min(harmonics, _FURTHER_HARMONICS)] * len(curves.further)
    noise = [_guess_noise(band) for band in curves.bands]
    data = _observe_bands(curves, noise, orders)
    first = _guess_coefficients(*_join(data, curves.period, scale), orders)
    spread = np.cov(first.T)
    regular = spread.diagonal().copy()
    for further in _split(orders)[1:]:  # their own is that of their noise
        regular[further] = regular[: further.stop - further.start]
    part = np.digitize(
        curves.period, np.quantile(curves.period, np.arange(1, components) / components)
    )
    population = Population(
        np.full(components, 1 / components),
        np.stack([first[part == k].mean(axis=0) for k in range(components)]),
        np.stack([spread / 2 + 1e-6 * np.eye(len(spread))] * components),
        scale,
        np.ones((len(orders), profile_bins) if curves.further else profile_bins),
        np.array(freedom),
        np.array(strength),
        np.array(orders) if curves.further else None,
    )
    for _ in range(iterations):
        posterior, noise, squares = _expect(population, curves, noise)
        population = _update(population, posterior, np.diag(regular))
        profiles = [
            _measure_profile(band, square, level, profile_bins)
            for band, square, level in zip(curves.bands, squares, noise, strict=True)
        ]
        population = population._replace(
            profile=np.stack(profiles) if curves.further else profiles[0]
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


def describe_shapes(shapes: Shapes, period: Floats, parts: Sequence[slice] = ()) -> Floats:
    """Return what regressors read of a star, one row each.

    Noise and number of points are those of the own band alone: a star without points in a
    further band has there the shape that its own band and period lead to, and nothing that
    regressors have not met.

    Parameters
    ----------
    shapes, period
        Of n stars; periods in days.
    parts
        Where the coefficients of each band are, see `Population.split`; of several alone.

    Returns
    -------
    array, shape (n, 5 J + 1)
        The coefficients; period (d); amplitudes A_1 to A_J; cosine and sine of phi_21 to
        phi_J1; logarithms of the noise (mag) and of the number of points. To these come, of
        each further band with K harmonics, 3 K numbers: A_1 over the own band's, A_2 to A_K
        over A_1; cosine and sine of what phi_1 is more than the own band's, and of phi_21 to
        phi_K1.
    """
    own, *further = parts or [slice(None)]
    coefficients = shapes.coefficients[:, own]
    amplitudes, phase, relative = _describe_band(coefficients)
    described = [
        coefficients,
        period,
        amplitudes,
        np.cos(relative),
        np.sin(relative),
        np.log(shapes.noise),
        np.log(shapes.points),
    ]
    for part in further:
        of_band, phase_of_band, relative = _describe_band(shapes.coefficients[:, part])
        angles = np.column_stack([phase_of_band - phase, relative])
        sizes = np.column_stack([amplitudes[:, 0], *[of_band[:, 0]] * (of_band.shape[1] - 1)])
        described += [of_band / sizes, np.cos(angles), np.sin(angles)]
    return np.column_stack(described)


def _describe_band(coefficients: Floats) -> tuple[Floats, Floats, Floats]:
    """Return A_1 to A_J (n, J), phi_1 (n,) and phi_21 to phi_J1 (n, J - 1), not wrapped."""
    sine, cosine = coefficients[:, 0::2], coefficients[:, 1::2]
    phase = np.arctan2(cosine, sine)
    order = np.arange(2, sine.shape[1] + 1)
    return np.hypot(sine, cosine), phase[:, 0], phase[:, 1:] - order * phase[:, :1]


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
    noise = [_guess_noise(band) for band in curves.bands]
    for _ in range(iterations):
        posterior, noise, _ = _expect(population, curves, noise)
    shares = posterior.shares.T[:, :, None]
    mean = (shares * posterior.means).sum(axis=0)
    offset = posterior.means - mean
    covariance = posterior.covariances + offset[..., :, None] * offset[..., None, :]
    covariance = (shares[..., None] * covariance).sum(axis=0)
    return Shapes(
        mean[:, :-1],
        covariance[:, :-1, :-1],
        np.sqrt(noise[0].variance),
        noise[0].weight.sum(axis=1),
    )


def _expect(
    population: Population, curves: Curves, noise: list[_Noise]
) -> tuple[_Posterior, list[_Noise], list[Floats]]:
    """Return posterior, noise and squared residuals (n, points), the latter two by band."""
    parts = population.split()
    data = _observe_bands(curves, noise, [(part.stop - part.start) // 2 for part in parts])
    posterior = _infer(population, *_join(data, curves.period, population.period_scale))
    squares = [
        _measure_residuals(band, posterior, part) for band, part in zip(data, parts, strict=True)
    ]
    profiles = np.atleast_2d(population.profile)
    noise = [
        _measure_noise(band, square, level, profile, population)
        for band, square, level, profile in zip(curves.bands, squares, noise, profiles, strict=True)
    ]
    return posterior, noise, squares


def _guess_noise(curves: Curves) -> _Noise:
    """Guess that all points of a star are alike, with a tenth of the scatter as noise."""
    count = np.maximum(curves.used.sum(axis=1), 1)
    variance = 0.01 * (curves.mag**2).sum(axis=1) / count + _NOISE_FLOOR**2
    return _Noise(variance, curves.used, curves.used / variance[:, None])


def _observe_bands(curves: Curves, noise: list[_Noise], harmonics: list[int]) -> list[_Data]:
    return [
        _observe(band, level, order)
        for band, level, order in zip(curves.bands, noise, harmonics, strict=True)
    ]


def _observe(curves: Curves, noise: _Noise, harmonics: int) -> _Data:
    """Project the light curves of a band on the harmonics, the mean magnitude integrated out."""
    stars, points = curves.phase.shape
    design = evaluate_harmonics(curves.phase.ravel(), harmonics).reshape(stars, points, -1)
    design = design[:, :, 1:]
    share = noise.precision / np.maximum(noise.precision.sum(axis=1, keepdims=True), 1e-12)
    design = design - np.matmul(share[:, None, :], design)
    residual = curves.mag - (share * curves.mag).sum(axis=1, keepdims=True)
    weighted = (design * noise.precision[:, :, None]).transpose(0, 2, 1)
    precision = np.matmul(weighted, design)
    return _Data(design, residual, precision, np.matmul(weighted, residual[:, :, None])[:, :, 0])


def _join(data: list[_Data], period: Floats, period_scale: Floats) -> tuple[Floats, Floats]:
    """Return precision (n, d, d) and projection (n, d) of all that is seen of a star.

    The points of a band say nothing of the others: only the population joins them.
    """
    size = sum(band.projection.shape[1] for band in data) + 1
    precision, projection = np.zeros((len(period), size, size)), np.zeros((len(period), size))
    start = 0
    for band in data:
        stop = start + band.projection.shape[1]
        precision[:, start:stop, start:stop] = band.precision
        projection[:, start:stop] = band.projection
        start = stop
    precision[:, -1, -1] = _PERIOD_ERROR**-2
    mean, deviation = period_scale
    projection[:, -1] = (period - mean) / deviation * _PERIOD_ERROR**-2
    return precision, projection


def _guess_coefficients(precision: Floats, projection: Floats, harmonics: list[int]) -> Floats:
    """Fit each light curve alone, with higher harmonics held back."""
    order = np.concatenate([np.repeat(np.arange(1, highest + 1), 2) for highest in harmonics])
    prior = np.diag(np.append(10.0 * order**2, 0.0))
    solved = cast("Floats", np.linalg.solve(precision + prior, projection[:, :, None]))
    return solved[:, :, 0]


def _infer(population: Population, precision: Floats, projection: Floats) -> _Posterior:
    """Return the posterior of the coefficients and the component of each star."""
    prior = np.linalg.inv(population.covariances)
    means, covariances, log_shares = [], [], []
    for k in range(len(population.shares)):
        covariance = np.linalg.inv(precision + prior[k])
        pull = projection + prior[k] @ population.means[k]
        mean = np.matmul(covariance, pull[:, :, None])[:, :, 0]
        evidence = (pull * mean).sum(axis=1) + np.linalg.slogdet(covariance)[1]
        evidence += np.linalg.slogdet(prior[k])[1]
        evidence -= population.means[k] @ prior[k] @ population.means[k]
        log_shares.append(np.log(population.shares[k]) + evidence / 2)
        means.append(mean)
        covariances.append(covariance)
    shares = np.exp(np.stack(log_shares) - np.max(log_shares, axis=0))
    return _Posterior((shares / shares.sum(axis=0)).T, np.stack(means), np.stack(covariances))


def _measure_residuals(data: _Data, posterior: _Posterior, part: slice) -> Floats:
    """Return the expected squared residuals (n, points) in mag2 of a band."""
    square = np.zeros_like(data.residual)
    for k, (means, covariances) in enumerate(
        zip(posterior.means, posterior.covariances, strict=True)
    ):
        model = np.matmul(data.design, means[:, part, None])[:, :, 0]
        spread = (np.matmul(data.design, covariances[:, part, part]) * data.design).sum(axis=2)
        square += posterior.shares[:, k, None] * ((data.residual - model) ** 2 + spread)
    return square


def _measure_noise(
    curves: Curves, square: Floats, noise: _Noise, profile: Floats, population: Population
) -> _Noise:
    """Return the noise of points of which the squared residuals (n, points) are known."""
    freedom, strength = float(population.freedom), float(population.strength)
    profile = profile[_profile_bin(curves.phase, len(profile))]
    square = square / profile
    weight = curves.used * (freedom + 1) / (freedom + square / noise.variance[:, None])
    total = (weight * square).sum(axis=1) + strength * _NOISE_FLOOR**2
    count = np.maximum(curves.used.sum(axis=1), 1)
    variance = total / np.maximum(count - 1 + strength, 1e-12)
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
