"""What populations say of noisy light curves: the expectation of `metalyra.stack.population`.

Several populations, the members of a stack, look at the same stars at once. All that a
light curve tells of its coefficients, and all that these tell of its points, are Fourier
series of twice as many harmonics, since a product of two harmonics is a sum of two others:
neither needs a matrix for each point.

In the shapes of arrays, n are stars, m populations, k Gaussians of one, d coefficients and
the period, and J harmonics of a band.
"""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple, cast

import numpy as np

from metalyra.core.arrays import Floats, Indices
from metalyra.core.factors import invert_factors
from metalyra.fit.fourier import evaluate_harmonics
from metalyra.stack.curves import Curves

_PERIOD_ERROR = 0.02
"""Error of the periods, in standard deviations of the population; keeps matrices regular."""

_NOISE_FLOOR = 0.01
"""Typical noise (mag) towards which the scale of a star of few points is drawn."""

_LONGEST_STRIDE = 2.0
"""How much farther than a step the noise is extrapolated at most.

Measured on light curves with points that are 2 and 4 mag off: a longer one can go so far that
nothing brings it back.
"""

_GAUSSIAN_DEVIATIONS = 1.4826
"""Standard deviation over the median distance from the median, of a Gaussian."""

_NEGLIGIBLE = 1e-7
"""Share of a Gaussian in a star below which nothing of it is looked at."""

_CORNER = 1e40
"""More than the evidence of any data, squared, so that nothing of it is left beside this."""


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
        return split(self.harmonics.tolist())


def split(harmonics: Sequence[int]) -> list[slice]:
    """Return where the coefficients of bands with these numbers of harmonics are."""
    ends = [2 * sum(harmonics[:number]) for number in range(len(harmonics) + 1)]
    return [slice(start, stop) for start, stop in pairwise(ends)]


class Prior(NamedTuple):
    """Populations of the same sizes, as the expectation needs them."""

    joint: Floats  # (m, k, d + 1, d + 1): inverse covariances; in the last row, times the means
    constant: Floats  # (m, k), what adds to the logarithm of each share
    period_scale: Floats  # (m, 2)
    profile: Floats  # (m, bands, b)
    freedom: Floats  # (m, 1)
    strength: Floats  # (m,)
    parts: list[slice]

    @classmethod
    def of(cls, populations: Sequence[Population]) -> "Prior":
        """Prepare populations."""
        means, covariances = (
            np.stack([getattr(population, name) for population in populations])
            for name in ("means", "covariances")
        )
        precision = np.linalg.inv(covariances)
        pull = np.matmul(precision, means[..., None])[..., 0]
        size = means.shape[-1]
        joint = np.zeros((*means.shape[:2], size + 1, size + 1))
        joint[..., :-1, :-1], joint[..., -1, :-1] = precision, pull
        evidence = np.linalg.slogdet(precision)[1] - (pull * means).sum(axis=-1)
        shares = np.stack([population.shares for population in populations])
        return cls(
            joint,
            np.log(shares) + evidence / 2,
            np.stack([population.period_scale for population in populations]),
            np.stack([np.atleast_2d(population.profile) for population in populations]),
            np.array([float(population.freedom) for population in populations])[:, None],
            np.array([float(population.strength) for population in populations]),
            populations[0].split(),
        )


class Points(NamedTuple):
    """The points of a batch of stars in one band."""

    table: Floats  # (n, points, 4 J + 1), 1, sine, cosine, ... of their phases
    mag: Floats  # (n, 1, points)
    used: Floats  # (n, 1, points)
    profile: Floats  # (n, m, points), variance of the noise relative to a star's


class Noise(NamedTuple):
    """What is known of the noise of the points of a batch in one band."""

    variance: Floats  # (n, m) of a star's typical point, mag2
    precision: Floats  # (n, m, points), of each point, 1 / mag2
    points: Floats  # (n, m), number of points, each counted by its weight


class Observation(NamedTuple):
    """What the points of one band say at given noise, the mean magnitude integrated out."""

    gram: Floats  # (n, m, 2 J, 2 J), precision of the coefficients at a known mean magnitude
    total: Floats  # (n, m, 1), precision of the mean magnitude
    projection: Floats  # (n, m, 2 J), precision times coefficients
    centre: Floats  # (n, m, 2 J), mean of the harmonics at the points
    level: Floats  # (n, m), mean magnitude of the points


class Posterior(NamedTuple):
    """What is known of the coefficients and the component of each star."""

    shares: Floats  # (n, m, k)
    means: Floats  # (n, m, k, d); 0 where the share is 0
    roots: Floats  # (n, m, k, d, d), X of share times covariance, X^T X
    mean: Floats  # (n, m, d), of the mixture
    covariance: Floats  # (n, m, d, d), of the mixture


def place_points(curves: Curves, prior: Prior) -> list[Points]:
    """Prepare the light curves of a batch, band by band."""
    placed = []
    for number, (band, part) in enumerate(zip(curves.bands, prior.parts, strict=True)):
        stars, points = band.phase.shape
        table = evaluate_harmonics(band.phase.ravel(), part.stop - part.start)
        profile = prior.profile[:, number, find_bins(band.phase, prior.profile.shape[-1])]
        placed.append(
            Points(
                table.reshape(stars, points, -1),
                band.mag[:, None],
                band.used[:, None],
                profile.transpose(1, 0, 2),
            )
        )
    return placed


def guess_noise(curves: Curves, freedom: Floats) -> list[Noise]:
    """Guess a tenth of the scatter as the noise of a star, and doubt what is far from all others.

    The scatter is that of most points, for a wrong one must not blind the first step.

    Parameters
    ----------
    curves
        Of n stars.
    freedom : (m, 1)
        Degrees of freedom of the noise of each population.
    """
    guesses = []
    for band in curves.bands:
        distance = np.abs(band.mag - _take_median(band.mag, band.used)[:, None])
        scatter = (_GAUSSIAN_DEVIATIONS * _take_median(distance, band.used)[:, None]) ** 2
        variance = np.repeat(0.01 * scatter + _NOISE_FLOOR**2, len(freedom), axis=1)
        relative = (distance**2 / (scatter + _NOISE_FLOOR**2))[:, None]
        weight = band.used[:, None] * (freedom + 1) / (freedom + relative)
        guesses.append(Noise(variance, weight / variance[..., None], weight.sum(axis=-1)))
    return guesses


def _take_median(values: Floats, used: Floats) -> Floats:
    """Return the median (n,) of the values (n, points) that are used; 0 of none."""
    count = used.sum(axis=1).astype(int)
    ordered = np.sort(np.where(used > 0, values, np.inf), axis=1)
    middle = np.stack([np.maximum(count - 1, 0) // 2, count // 2], axis=1)
    median: Floats = np.take_along_axis(ordered, middle, axis=1).mean(axis=1)
    return np.where(count > 0, median, 0.0)


def extrapolate(start: list[Noise], once: list[Noise], twice: list[Noise]) -> list[Noise]:
    """Return where two steps from a start seem to lead, for each star and population.

    Steps of an expectation maximisation shorten by about the same factor each: the stride that
    follows from it (S3 of Varadhan & Roland 2008, in the logarithms of the variance and of the
    precision of each point) goes most of the rest.
    """
    changes = []
    for before, level, after in zip(start, once, twice, strict=True):
        unused = before.precision == 0  # and so they stay
        values = [
            np.log(np.concatenate([noise.variance[..., None], noise.precision + unused], axis=-1))
            for noise in (before, level, after)
        ]
        step = values[1] - values[0]
        changes.append((step, values[2] - values[1] - step))
    first, change = (
        sum(np.square(part).sum(axis=-1) for part in parts) for parts in zip(*changes, strict=True)
    )
    stride = np.sqrt(first / np.maximum(change, np.finfo(float).tiny))
    stride = np.clip(stride, 1.0, _LONGEST_STRIDE)[..., None]
    extrapolated = []
    for before, after, (step, bend) in zip(start, twice, changes, strict=True):
        growth = np.exp(2 * stride * step + stride**2 * bend)
        variance = before.variance * growth[..., 0]
        extrapolated.append(Noise(variance, before.precision * growth[..., 1:], after.points))
    return extrapolated


def expect(
    prior: Prior, bands: list[Points], period: Floats, noise: list[Noise]
) -> tuple[Posterior, list[Noise], list[Floats]]:
    """Return the posterior, the noise and the weighted squares (n, m, points), mag2, by band.

    Parameters
    ----------
    prior
        Of m populations.
    bands
        The points of n stars.
    period : (n,)
        Their periods (d); NaN if unknown.
    noise
        What is known of the noise so far.
    """
    posterior, observations = infer_at(prior, bands, period, noise)
    measured = [
        _measure_noise(
            points,
            _expect_squares(
                points, seen, posterior.mean[..., part], posterior.covariance[..., part, part]
            ),
            level,
            prior,
        )
        for points, seen, level, part in zip(bands, observations, noise, prior.parts, strict=True)
    ]
    return posterior, [level for level, _ in measured], [squares for _, squares in measured]


def infer_at(
    prior: Prior, bands: list[Points], period: Floats, noise: list[Noise]
) -> tuple[Posterior, list[Observation]]:
    """Return the posterior at a known noise, and what is seen of each band.

    Parameters are those of `expect`.
    """
    observations = [
        observe(points, level.precision) for points, level in zip(bands, noise, strict=True)
    ]
    return infer(prior, join_bands(observations, period, prior.period_scale)), observations


def observe(points: Points, precision: Floats) -> Observation:
    """Project light curves on the harmonics; precision (n, m, points) in 1 / mag2."""
    coefficients = (points.table.shape[-1] - 1) // 2
    moments = np.matmul(precision, points.table)
    total = moments[..., :1]
    centre = moments[..., 1 : coefficients + 1] / np.maximum(total, 1e-12)
    pulled = np.matmul(precision * points.mag, points.table[..., : coefficients + 1])
    gram = np.matmul(moments, _multiply_harmonics(coefficients // 2))
    gram = gram.reshape(*moments.shape[:2], coefficients, coefficients)
    projection = pulled[..., 1:] - pulled[..., :1] * centre
    level = pulled[..., 0] / np.maximum(total[..., 0], 1e-12)
    return Observation(gram, total, projection, centre, level)


def join_bands(observations: list[Observation], period: Floats, period_scale: Floats) -> Floats:
    """Return all that is seen of a star: the precision, and the projection in its last row.

    The points of a band say nothing of the others: only the population joins them.

    Returns
    -------
    array, shape (n, m, d + 1, d + 1)
        Without what is above the diagonal in the last column.
    """
    size = sum(seen.projection.shape[-1] for seen in observations) + 1
    joint = np.zeros((*observations[0].level.shape, size + 1, size + 1))
    start = 0
    for seen in observations:
        stop = start + seen.projection.shape[-1]
        precision = joint[..., start:stop, start:stop]
        np.multiply((seen.total * seen.centre)[..., None], seen.centre[..., None, :], out=precision)
        np.subtract(seen.gram, precision, out=precision)
        joint[..., -1, start:stop] = seen.projection
        start = stop
    known, (mean, deviation) = np.isfinite(period)[:, None], period_scale.T
    scaled = np.where(known, (period[:, None] - mean) / deviation, 0.0)
    joint[..., -2, -2] = known * _PERIOD_ERROR**-2
    joint[..., -1, -2] = scaled * _PERIOD_ERROR**-2
    return joint


def infer(prior: Prior, seen: Floats) -> Posterior:
    """Return the posterior of what `join_bands` has joined.

    One Cholesky decomposition has it all: its last row is the projection divided by the factor,
    whose squares are what the data add to the evidence. The inverse of the factor is a root of
    the covariance, and its last row are the means, divided by the corner.
    """
    joint = seen[:, :, None] + prior.joint
    joint[..., -1, -1] = _CORNER
    lost = ~np.isfinite(seen[..., -1, :]).all(axis=-1)
    if lost.any():  # a decomposition of what is no number raises
        joint[lost] = np.eye(joint.shape[-1])
    factor = cast("Floats", np.linalg.cholesky(joint))
    evidence = (factor[..., -1, :-1] ** 2).sum(axis=-1) / 2 + prior.constant
    pivots = np.diagonal(factor, axis1=-2, axis2=-1)[..., :-1]
    evidence -= np.log(pivots.copy()).sum(axis=-1)
    shares = np.exp(evidence - evidence.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    shares[shares < _NEGLIGIBLE] = 0
    shares /= shares.sum(axis=-1, keepdims=True)

    size = factor.shape[-1]
    invert_factors(factor.reshape(-1, size, size), np.flatnonzero(shares).tolist())
    means: Floats = np.where(shares[..., None] > 0, -(_CORNER**0.5) * factor[..., -1, :-1], 0.0)
    means[lost] = np.nan
    mean: Floats = np.matmul(shares[..., None, :], means)[..., 0, :]
    # Of each Gaussian the root, and below it how far it is from the mean, in place of the mean.
    root = np.sqrt(shares)[..., None]
    factor *= root[..., None]
    factor[..., -1, :-1] = (means - mean[:, :, None]) * root
    scaled = factor.reshape(*mean.shape[:2], -1, size)[..., :-1]
    covariance = np.matmul(scaled.swapaxes(-2, -1), scaled)
    return Posterior(shares, means, factor[..., :-1, :-1], mean, covariance)


def find_bins(phase: Floats, bins: int) -> Indices:
    """Return in which of equal bins phases are."""
    place: Indices = np.minimum((phase * bins).astype(int), bins - 1)
    return place


def _expect_squares(points: Points, seen: Observation, mean: Floats, covariance: Floats) -> Floats:
    """Return the expected squared residuals (n, m, points) in mag2 of a band."""
    turned = np.matmul(seen.centre[..., None, :], covariance)[..., 0, :]
    coefficients = mean.shape[-1]
    halves, products = _multiply_pairs(coefficients // 2)
    half = covariance.reshape(*mean.shape[:2], -1).take(halves, axis=-1)
    spread = np.matmul(half, products)
    spread[..., 0] += (turned * seen.centre).sum(axis=-1)
    spread[..., 1 : coefficients + 1] -= 2 * turned
    series = np.concatenate(
        [(seen.level - (seen.centre * mean).sum(axis=-1))[..., None], mean], axis=-1
    )
    table = points.table.swapaxes(1, 2)
    residual = points.mag - np.matmul(series, table[:, : coefficients + 1])
    squares: Floats = residual**2 + np.matmul(spread, table)
    return squares


def _measure_noise(
    points: Points, squares: Floats, noise: Noise, prior: Prior
) -> tuple[Noise, Floats]:
    """Return the noise of points of known squared residuals, and these times their weights.

    Where the noise stays as it is, its weights have a known sum. What they have of it now is how
    much the variance still lacks: it gets there in fewer steps (Kent, Tyler & Vardi 1994), and
    to the same.
    """
    relative = squares / points.profile
    weight = points.used * (prior.freedom + 1)
    weight = weight / (prior.freedom + relative / noise.variance[..., None])
    typical = prior.strength * _NOISE_FLOOR**2
    count = np.maximum(points.used.sum(axis=-1), 1)
    degrees = np.maximum(count - 1 + prior.strength, 1e-12)
    weights, freedom = weight.sum(axis=-1), prior.freedom[:, 0]
    settled = count + (count - degrees + typical / noise.variance) / freedom
    variance = ((weight * relative).sum(axis=-1) + typical) / degrees
    variance *= settled / np.where(weights > 0, weights, settled)
    precision = weight / (points.profile * variance[..., None])
    return Noise(variance, precision, weights), weight * squares


@cache
def _multiply_harmonics(harmonics: int) -> Floats:
    """Return what products of two harmonics are of harmonics, (4 J + 1, 4 J^2)."""
    table = np.zeros((4 * harmonics + 1, harmonics, 2, harmonics, 2))
    for one in range(harmonics):
        for other in range(harmonics):
            both, apart = one + other + 2, one - other
            # sin a sin b and cos a cos b, of cos (a - b) and cos (a + b)
            table[2 * abs(apart), one, :, other, :] += np.eye(2) / 2
            table[2 * both, one, :, other, :] += np.diag([-0.5, 0.5])
            # sin a cos b and cos a sin b, of sin (a + b) and sin (a - b)
            cross = np.array([[0.0, 1.0], [1.0, 0.0]]) / 2
            table[2 * both - 1, one, :, other, :] += cross
            if apart:
                odd = np.array([[0.0, 1.0], [-1.0, 0.0]]) / 2 * np.sign(apart)
                table[2 * abs(apart) - 1, one, :, other, :] += odd
    products = table.reshape(4 * harmonics + 1, -1)
    products.flags.writeable = False
    return products


@cache
def _multiply_pairs(harmonics: int) -> tuple[Indices, Floats]:
    """Return where the lower half of a flat matrix (4 J^2,) is, and what follows of its products.

    The other half is counted with it: a sum over all pairs of harmonics is one over half of them.
    """
    row, column = np.tril_indices(2 * harmonics)
    halves, mirrored = 2 * harmonics * row + column, 2 * harmonics * column + row
    products = _multiply_harmonics(harmonics).T
    return halves, products[halves] + (row != column)[:, None] * products[mirrored]
