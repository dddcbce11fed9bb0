"""Periodic Gaussian processes of folded light curves, as Bayesian Fourier series.

A stationary kernel on the phase circle is ``k(d) = s^2 sum_j w_j cos(2 pi j d)``: a
Fourier series whose coefficients are independent Gaussians of variance ``s^2 w_j``. So
Gaussian-process regression of a folded light curve is a linear regression on its
harmonics. After one pass over the points (`summarise`) nothing depends on their number,
and a whole batch of stars is fitted at once (`fit_batch`).

The mean magnitude has a flat prior and is integrated out, the scale is profiled: the
likelihood is a function of the kernel's length scale ``l`` and of the ratio
``rho = s^2 / sigma^2`` alone, with ``sigma^2 = Q / (n - 1)`` at its best value. Its
logarithm holds all that differs between weightings of the same points and between
kernels; see `Posterior.log_bayes_factor` for the evidence.

The hyper-parameters have a prior: flat in ``log l``, normal in ``log rho``
(`LOG_RATIO_PRIOR`), which matters where few points alone do not tell. What is reported is
the mode of their posterior, and what is drawn has their uncertainty.

The published fits (lcfit, Dekany, Grebel & Pojmanski 2021) differ in three ways, which
``published=True`` reproduces: every point counts three times, once in each copy of the
folded curve that stands in for periodicity; the magnitudes keep their mean, which
the kernel's constant term has to absorb; and the likelihood is maximised without a prior.
On sparse curves that is not lcfit all the same: of points that count three times, the likelihood
is greatest where there is no noise (of 93 of 100 Gaia stars of 20 to 26 epochs, of 86 of 36 to
46). lcfit looks for it from random starts; ours stays with the maximum that its starts lead to.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import expit, ive, log_expit, logit

from metalyra.core.arrays import Booleans, Floats, Indices
from metalyra.core.factors import invert_factors
from metalyra.fit.columns import AMPLITUDES
from metalyra.fit.fourier import evaluate_harmonics

if TYPE_CHECKING:
    from scipy.interpolate import CubicSpline

LENGTH_SCALES = (0.1, 10.0)
"""Bounds of the length scale, those of the published fits."""

RATIOS = (1e-4, 1e10)
"""Bounds of rho, the kernel's variance over the white noise's."""

LOG_RATIO_PRIOR = (3.6, 1.7)
"""Mean and standard deviation of log rho before the points are seen.

Measured on stars with 60 epochs or more, which have no need of it (`python -m
benchmarks.kernel_ratios`): means and scatters are 5.2 and 1.1 in Gaia G, 3.5 and 1.2 in ASAS I, 3.1
and 1.0 in OGLE I, 2.6 and 0.9 in VVV Ks. The prior is that of a star of yet another survey, drawn
like these four.
"""


class Summary(NamedTuple):
    """All that a GP needs to know of one folded light curve.

    Attributes
    ----------
    gram : (d, d)
        Products of the harmonics: centred, which integrates out the mean magnitude,
        d = 2 J; or as published, with the constant and not centred, d = 2 J + 1.
    projection : (d,)
        Products of the harmonics with the magnitudes.
    square
        Sum of squared magnitudes (mag2), likewise centred or not.
    harmonic_means : (2 J,)
        Means of the harmonics over the points.
    mean
        Mean magnitude of the points.
    weight
        Sum of the points' weights; their number where all count the same.
    degrees_of_freedom
        Degrees of freedom that are left for the noise.
    """

    gram: Floats
    projection: Floats
    square: float
    harmonic_means: Floats
    mean: float
    weight: float
    degrees_of_freedom: int


class Regression(NamedTuple):
    """The regressions of a batch of `b` stars at given hyper-parameters.

    Attributes
    ----------
    coefficients : (b, 2 J + 1)
        Posterior mean of ``m0, s_1, q_1, ...`` (mag).
    factors
        Of each star ``F``, (c, c), such that ``F @ F.T`` is the covariance (mag2) of the columns
        in use, the first ones; the others are zero.
    length_scale, amplitude, noise, log_likelihood : (b,)
        Kernel's length scale (phase) and standard deviation (mag), white noise (mag), and
        the log of the marginal likelihood.
    """

    coefficients: Floats
    factors: tuple[Floats, ...]
    length_scale: Floats
    amplitude: Floats
    noise: Floats
    log_likelihood: Floats


class Posterior(NamedTuple):
    """The GPs of a batch of `b` stars.

    Attributes
    ----------
    best
        The regressions at the mode of the hyper-parameters, of the first kernel.
    mean : (b, 2 J + 1)
        Coefficients of the light curves (mag): those of `best`; where two kernels share in
        the posterior, the mean over both and over all their nodes.
    nodes
        Shares (b,) of the posterior, and regressions, at each of the hyper-parameters that
        stand for their uncertainty, and for that of the kernel.
    log_bayes_factor : (b,)
        Log of the evidence for a periodic curve over that for a constant magnitude with
        white noise; see `measure_evidence`. NaN as published, where points count three
        times.
    converged : (b,)
        True where the mode was found to tolerance, of each kernel.
    harmonic_means : (b, 2 J)
        Means of the harmonics over the points.
    weight, degrees_of_freedom : (b,)
        Sum of the points' weights, and degrees of freedom of the noise.
    """

    best: Regression
    mean: Floats
    nodes: tuple[tuple[Floats, Regression], ...]
    log_bayes_factor: Floats
    converged: Booleans
    harmonic_means: Floats
    weight: Floats
    degrees_of_freedom: Indices

    def width_of(self, star: int) -> int:
        """Return 2 K + 1, the coefficients of a star that are not zero."""
        columns = max(len(node.factors[star]) for _, node in self.nodes)
        return columns // 2 * 2 + 1


def expsine2_weights(length_scale: Floats, harmonics: int) -> tuple[Floats, Floats]:
    """Return w_j of the exponential-sine-squared kernel and d log w_j / d log l.

    ``exp(-2 sin^2(pi d) / l^2)`` has ``w_j = 2 exp(-a) I_j(a)``, ``a = 1 / l^2``, and half
    of that for j = 0.

    Parameters
    ----------
    length_scale : (b,)
    harmonics
        Number of harmonics J.

    Returns
    -------
    weights, slopes : (b, J + 1)
        For j = 0 to J.
    """
    argument = 1.0 / length_scale[:, None] ** 2
    order = np.abs(np.arange(-1, harmonics + 2))
    bessel = np.maximum(ive(order[None, :], argument), 1e-300)
    inner = bessel[:, 1:-1]
    slopes = -2 * argument * ((bessel[:, :-2] + bessel[:, 2:]) / (2 * inner) - 1.0)
    return np.where(order[1:-1] > 0, 2.0, 1.0) * inner, slopes


def matern_weights(length_scale: Floats, harmonics: int, nu: float) -> tuple[Floats, Floats]:
    """Return w_j of the periodised Matern kernel and d log w_j / d log l.

    ``w_j`` is proportional to ``(2 nu / l^2 + (2 pi j)^2)^-(nu + 1/2)``, with
    ``sum_j w_j = 1`` over all harmonics. Parameters and returns as `expsine2_weights`.
    """
    scale = 2 * nu / length_scale[:, None] ** 2
    power = nu + 0.5
    # The tail beyond the harmonics in use matters only to the normalisation.
    every = np.arange(0, max(200, 4 * harmonics))[None, :]
    spectrum = (scale + (2 * np.pi * every) ** 2) ** -power
    spectrum[:, 1:] *= 2
    spectrum_slopes = 2 * power * scale / (scale + (2 * np.pi * every) ** 2)
    total = spectrum.sum(axis=1, keepdims=True)
    total_slope = (spectrum * spectrum_slopes).sum(axis=1, keepdims=True) / total
    inner = slice(0, harmonics + 1)
    return spectrum[:, inner] / total, spectrum_slopes[:, inner] - total_slope


KERNELS: Mapping[str, Callable[[Floats, int], tuple[Floats, Floats]]] = {
    "expsine2": expsine2_weights,
    "matern32": lambda scale, harmonics: matern_weights(scale, harmonics, 1.5),
    "matern52": lambda scale, harmonics: matern_weights(scale, harmonics, 2.5),
}
"""Harmonic weights of the periodic kernels, by name."""


def summarise(
    phase: Floats,
    mag: Floats,
    harmonics: int,
    published: bool = False,
    variance: Floats | None = None,
) -> Summary:
    """Reduce a folded light curve to the sums that its GP needs.

    Parameters
    ----------
    phase : (n,)
        Phases, in cycles.
    mag : (n,)
        Magnitudes.
    harmonics
        Number of harmonics J.
    published
        Count every point three times and keep the mean magnitude, as lcfit does.
    variance : (n,), optional
        Relative variances of the points; all the same without. Their geometric mean is
        taken as one, so that likelihoods of the same points with different variances
        compare, and the white noise is that of a typical point.
    """
    columns = evaluate_harmonics(phase, harmonics)
    if not published:
        return summarise_columns(columns, mag, variance)
    means, mean = columns[:, 1:].mean(axis=0), float(mag.mean())
    gram, projection, square = columns.T @ columns, columns.T @ mag, float(mag @ mag)
    return Summary(3 * gram, 3 * projection, 3 * square, means, mean, mag.size, 3 * mag.size)


def summarise_columns(columns: Floats, mag: Floats, variance: Floats | None = None) -> Summary:
    """Return what `summarise` does, of harmonics that are evaluated already.

    Parameters
    ----------
    columns : (n, 2 J + 1)
        Of `evaluate_harmonics`.
    mag, variance : (n,)
        See `summarise`.
    """
    weighted = columns
    if variance is not None:
        weighted = columns * (np.exp(np.mean(np.log(variance))) / variance)[:, None]
    moments, weights = weighted.T @ columns, weighted[:, 0]
    mean = float(weights @ mag) / float(moments[0, 0])
    centred = mag - mean
    square = float((weights * centred) @ centred)
    return _centre(moments, weighted.T @ centred, square, mean, mag.size)


def _centre(
    moments: Floats, projection: Floats, square: float, mean: float, points: int
) -> Summary:
    """Return the summary of centred magnitudes by the products of the columns (c,), (c, c)."""
    weight, means = float(moments[0, 0]), moments[0, 1:] / moments[0, 0]
    # Magnitudes that are centred need no centred harmonics.
    gram = moments[1:, 1:] - np.outer(moments[0, 1:], means)
    return Summary(gram, projection[1:], square, means, mean, weight, points - 1)


def summarise_weightings(
    columns: Floats, mag: Floats, variances: Sequence[Floats | None]
) -> list[Summary]:
    """Return what `summarise_columns` does with each of several variances, of many points.

    All products of harmonics follow from the sums of twice as many (`multiply_harmonics`).

    Parameters
    ----------
    columns : (n, 4 J + 1)
        Of `evaluate_harmonics`, twice as many as the summaries have.
    mag : (n,)
        See `summarise`.
    variances
        Of the points, (n,) each; None are all the same.
    """
    summaries = []
    used = columns[:, : columns.shape[1] // 2 + 1]
    weights = np.ones((len(variances), mag.size))
    for row, variance in zip(weights, variances, strict=True):
        if variance is not None:
            row[:] = np.exp(np.mean(np.log(variance))) / variance
    for weight, sums in zip(weights, weights @ columns, strict=True):
        mean = float(weight @ mag) / float(sums[0])
        centred = mag - mean
        pull = weight * centred
        moments, square = multiply_harmonics(sums), float(pull @ centred)
        summaries.append(_centre(moments, used.T @ pull, square, mean, mag.size))
    return summaries


def multiply_harmonics(sums: Floats) -> Floats:
    """Return the sums of the products of harmonics, by the sums of the harmonics themselves.

    The product of two is half the sum or difference of those of their orders' sum and difference.

    Parameters
    ----------
    sums : (4 J + 1,)
        Over the points, of ``1, sin, cos, sin 2, cos 2, ...``, weighted or not.

    Returns
    -------
    (2 J + 1, 2 J + 1)
    """
    sine, cosine = np.append(0.0, sums[1::2]), sums[::2]
    order = np.arange(sums.size // 4 + 1)
    total, apart = np.add.outer(order, order), np.subtract.outer(order, order)
    across = (sine[total] + np.sign(apart) * sine[np.abs(apart)]) / 2
    products = np.empty((2 * order.size, 2 * order.size))
    products[::2, ::2] = (cosine[np.abs(apart)] - cosine[total]) / 2
    products[1::2, 1::2] = (cosine[np.abs(apart)] + cosine[total]) / 2
    products[::2, 1::2], products[1::2, ::2] = across, across.T
    return products[1:, 1:]  # without the sine of the order 0


def _diagonals(matrices: Floats) -> Floats:
    """Return the diagonals, contiguous: how a sum is rounded depends on the strides."""
    return np.ascontiguousarray(np.einsum("bii->bi", matrices))


@cache
def tabulate_kernel(kernel: str, harmonics: int) -> "CubicSpline":
    """Return the spline of log w_j, j = 0 to `harmonics`, over the log of the length scale.

    Bessel functions would cost more than the factorisations. Within `LENGTH_SCALES` the weights are
    off by less than 1e-8 of themselves.
    """
    # Loaded when it is used: the plan of a run reads this module for the names of kernels.
    from scipy.interpolate import CubicSpline

    shortest, longest = np.log(LENGTH_SCALES)
    log_scale = np.linspace(shortest, longest, _KNOTS)
    return CubicSpline(log_scale, np.log(KERNELS[kernel](np.exp(log_scale), harmonics)[0]))


_KNOTS = 2001
_NEGLIGIBLE = 1e-6
"""Information of the points on a coefficient, over the prior's, below which it is left out."""


_BLOCK = 32
"""Stars that are factorised at once, so that what is worked on stays in the processor's cache."""


def _split_by_size(places: Indices, sizes: Indices) -> Iterator[Indices]:
    """Give the places (r,) of equal sizes, which are in order, in blocks."""
    ends = np.flatnonzero(np.diff(sizes, append=-1)) + 1
    for start, end in zip([0, *ends][:-1], ends, strict=True):
        for first in range(start, end, _BLOCK):
            yield places[first : min(first + _BLOCK, end)]


class _Factors(NamedTuple):
    """Stars of equal size at given hyper-parameters, factorised; `c` columns are in use.

    Attributes
    ----------
    places : (g,)
        Where the stars are among those asked for.
    scaled : (g, c)
        Square roots of ``rho w_j`` of the columns.
    bent
        First and second derivatives (g, c) of log w_j by log l, where asked for.
    factor : (g, c + 1, c + 1)
        Lower Cholesky factor of ``B = 1 + rho W^1/2 G W^1/2``, with ``rho^1/2 W^1/2 b`` as
        one row more: what it becomes is the solution with the factor.
    quadratic, value : (g,)
        ``Q`` (mag2), and the log likelihood.
    """

    places: Indices
    scaled: Floats
    bent: tuple[Floats, ...]
    factor: Floats
    quadratic: Floats
    value: Floats


class Slopes(NamedTuple):
    """A log density (r,), its gradient (r, 2) and Hessian (r, 2, 2) by log l, log rho."""

    value: Floats
    gradient: Floats
    hessian: Floats


class _Batch:
    """The summaries of many stars as arrays, and the posterior of their hyper-parameters.

    `ratio_prior` is as `LOG_RATIO_PRIOR`, or None for a flat one; as published, it is always flat.
    Harmonics of which the points say nothing beside their prior (`_NEGLIGIBLE`) are left out, and
    stars of the same number are factorised at once. Every sum runs along the last, contiguous
    axis or is in a product of a star's own matrices, so that a star's result is the same to the
    last bit whatever other stars are in the batch.
    """

    def __init__(
        self,
        summaries: Sequence[Summary],
        kernel: str,
        ratio_prior: tuple[float, float] | None = LOG_RATIO_PRIOR,
    ) -> None:
        self.gram = np.stack([summary.gram for summary in summaries])
        self.projection = np.stack([summary.projection for summary in summaries])
        self.square = np.array([summary.square for summary in summaries])
        self.degrees_of_freedom = np.array([summary.degrees_of_freedom for summary in summaries])
        self.weight = np.array([summary.weight for summary in summaries])
        self.mean = np.array([summary.mean for summary in summaries])
        self.harmonic_means = np.stack([summary.harmonic_means for summary in summaries])
        self.harmonics = self.gram.shape[1] // 2
        self.has_constant = self.gram.shape[1] % 2 == 1
        self.kernel = tabulate_kernel(kernel, self.harmonics)
        self.ratio_prior = None if self.has_constant else ratio_prior
        # What is left of the mean's integral: its variance is sigma^2 over the sum of weights.
        self.log_mean = np.zeros(self.weight.size)
        if not self.has_constant:
            self.log_mean = -0.5 * np.log(self.weight)

    def likelihood_of_constant(self) -> Floats:
        """Return the log likelihood (b,) of a constant magnitude: the limit of no variance."""
        variance = self.square / self.degrees_of_freedom
        value: Floats = (
            -0.5 * self.degrees_of_freedom * (np.log(2 * np.pi * variance) + 1) + self.log_mean
        )
        return value

    def count_harmonics(self, log_weights: Floats, log_ratio: Floats, rows: Indices) -> Indices:
        """Return how many harmonics (r,) are in use: those tabulated, and all that matter.

        They are rounded up to threes, so that there are few sizes.
        """
        least = np.log(_NEGLIGIBLE) - log_ratio - np.log(self.weight[rows])
        count = np.count_nonzero(log_weights[:, 1:] > least[:, None], axis=1)
        rounded: Indices = np.minimum(np.maximum(-(-count // 3) * 3, AMPLITUDES), self.harmonics)
        return rounded

    def factorise(
        self, position: Floats, rows: Indices, derivatives: bool = True
    ) -> Iterator[_Factors]:
        """Give the stars `rows` at their ``(log l, log rho)``, (r, 2), by size, some at a time."""
        log_weights = self.kernel(position[:, 0])
        roots = np.exp(0.5 * (log_weights + position[:, 1:]))
        orders = (1, 2) if derivatives else ()
        tables = [roots, *(self.kernel(position[:, 0], order) for order in orders)]
        counts = self.count_harmonics(log_weights, position[:, 1], rows)
        first = 1 if self.has_constant else 2
        order = np.argsort(counts, kind="stable")
        for places in _split_by_size(order, counts[order]):
            count = counts[places[0]]
            some = rows[places]
            scaled, *bent = (
                np.repeat(table[places, : count + 1], 2, axis=1)[:, first:] for table in tables
            )
            size = scaled.shape[1]
            matrix = np.empty((places.size, size + 1, size + 1))
            matrix[:, :-1, :-1] = self.gram[some, :size, :size]
            matrix[:, :-1, :-1] *= scaled[:, :, None] * scaled[:, None, :]
            diagonal = np.arange(size)
            matrix[:, diagonal, diagonal] += 1.0
            matrix[:, -1, :-1] = scaled * self.projection[some, :size]
            matrix[:, -1, -1] = 2 * self.square[some]  # more than what is subtracted from it
            factor = np.linalg.cholesky(matrix)
            quadratic = self.square[some] - (factor[:, -1, :-1] ** 2).sum(axis=1)
            quadratic = np.maximum(quadratic, 1e-12 * self.square[some])
            freedom = self.degrees_of_freedom[some]
            value = -0.5 * (freedom * np.log(2 * np.pi * quadratic / freedom) + freedom)
            value += self.log_mean[some] - np.log(_diagonals(factor)[:, :-1]).sum(axis=1)
            yield _Factors(places, scaled, tuple(bent), factor, quadratic, value)

    def weigh(self, log_ratio: Floats) -> Slopes:
        """Return the log prior density of log rho (r,), and its derivatives; 0 if it is flat."""
        zero = np.zeros(log_ratio.size)
        gradient, hessian = np.zeros((zero.size, 2)), np.zeros((zero.size, 2, 2))
        if self.ratio_prior is None:
            return Slopes(zero, gradient, hessian)
        centre, width = self.ratio_prior
        deviation = (log_ratio - centre) / width
        gradient[:, 1], hessian[:, 1, 1] = -deviation / width, -(width**-2)
        value = -0.5 * deviation**2 - np.log(np.sqrt(2 * np.pi) * width)
        return Slopes(value, gradient, hessian)

    def evaluate(self, position: Floats, rows: Indices) -> Floats:
        """Return the log posterior density (r,) of some rows at ``(log l, log rho)``, (r, 2).

        It is the log likelihood and `weigh`.
        """
        value = self.weigh(position[:, 1]).value
        for part in self.factorise(position, rows, derivatives=False):
            value[part.places] += part.value
        return value

    def differentiate(self, position: Floats, rows: Indices) -> Slopes:
        """Return what `evaluate` does, and its derivatives."""
        slopes = self.weigh(position[:, 1])
        for part in self.factorise(position, rows):
            freedom = self.degrees_of_freedom[rows[part.places]]
            gradient, hessian = _differentiate(part, freedom)
            slopes.value[part.places] += part.value
            slopes.gradient[part.places] += gradient
            slopes.hessian[part.places] += hessian
        return slopes

    def regress(self, positions: Floats) -> list[Regression]:
        """Return the regressions of all stars at each ``(log l, log rho)``, (k, b, 2)."""
        nodes, stars = positions.shape[:2]
        position, rows = positions.reshape(-1, 2), np.tile(np.arange(stars), nodes)
        length_scale, root_ratio = np.exp(position[:, 0]), np.exp(0.5 * position[:, 1])
        value, noise = np.empty(rows.size), np.empty(rows.size)
        coefficients = np.zeros((rows.size, self.gram.shape[1]))
        factors: list[Floats] = [np.empty(0)] * rows.size
        for part in self.factorise(position, rows, derivatives=False):
            inverse, solution = _invert(part.factor)
            value[part.places] = part.value
            freedom = self.degrees_of_freedom[rows[part.places]]
            noise[part.places] = np.sqrt(part.quadratic / freedom)
            coefficients[part.places, : solution.shape[1]] = part.scaled * solution
            scale = noise[part.places, None] * part.scaled
            inverse *= scale[:, None, :]
            for place, factor in zip(part.places, np.swapaxes(inverse, 1, 2), strict=True):
                factors[place] = factor
        if not self.has_constant:
            mean = self.mean[rows] - (self.harmonic_means[rows] * coefficients).sum(axis=1)
            coefficients = np.concatenate([mean[:, None], coefficients], axis=1)
        amplitude = noise * root_ratio
        return [
            Regression(
                coefficients[of_node],
                tuple(factors[of_node]),
                *(table[of_node] for table in (length_scale, amplitude, noise, value)),
            )
            for of_node in (slice(start, start + stars) for start in range(0, rows.size, stars))
        ]


def _invert(factor: Floats) -> tuple[Floats, Floats]:
    """Return the inverse of the factors of `_Factors`, and the solution of their last row.

    Returns
    -------
    inverse : (g, c, c)
        Of the lower factor of B.
    solution : (g, c)
        ``B^-1 rho^1/2 W^1/2 b``.
    """
    inverse = factor.copy()
    invert_factors(inverse)
    solution = inverse[:, -1, :-1] * -factor[:, -1, -1:]
    return inverse[:, :-1, :-1], solution


def _differentiate(part: _Factors, freedom: Indices) -> tuple[Floats, Floats]:
    """Return gradient (g, 2) and Hessian (g, 2, 2) of the log likelihood.

    With ``K = diag(rho w)``, the posterior mean of the coefficients is ``K^1/2 u``, ``u`` the
    solution of `_invert`, and the derivatives of ``Q`` and ``log |B|`` follow from
    ``dK = K diag(d log w)`` (Rasmussen & Williams 2006, Sect. 5.4.1, in the basis of harmonics).
    """
    inverse, solution = _invert(part.factor)
    posterior = np.matmul(np.swapaxes(inverse, 1, 2), inverse)
    shares = _diagonals(posterior)
    (slopes, bends), pull = part.bent, solution**2
    turned = slopes * solution
    ones = np.ones_like(slopes)
    leverage = 1.0 - shares
    coupled, alone = _multiply(posterior**2, slopes, ones)
    spread_turned, spread = _multiply(posterior, turned, solution)
    terms = (
        # Of log |B|: first and second derivatives by log l and log rho.
        slopes * leverage,
        leverage,
        bends * leverage + slopes * (slopes * shares - coupled),
        slopes * (shares - alone),
        shares - alone,
        # Of Q.
        -slopes * pull,
        -pull,
        (slopes**2 - bends) * pull - 2 * turned * spread_turned,
        slopes * pull - 2 * turned * spread,
        pull - 2 * solution * spread,
    )
    sums = np.stack(terms, axis=1).sum(axis=2)
    relative = sums[:, 5:] / part.quadratic[:, None]
    relative[:, 2:] -= relative[:, [0, 0, 1]] * relative[:, [0, 1, 1]]
    derivatives = -0.5 * (freedom[:, None] * relative + sums[:, :5])
    return derivatives[:, :2], derivatives[:, [[2, 3], [3, 4]]]


def _multiply(matrices: Floats, left: Floats, right: Floats) -> tuple[Floats, Floats]:
    """Return the symmetric matrices (g, c, c) times two vectors each, (g, c)."""
    products = np.matmul(np.stack([left, right], axis=1), matrices)
    return products[:, 0], products[:, 1]


_STARTS = ((0.1, 0.2, 0.4, 0.8, 1.6, 3.2), (2.0, 4.5, 7.0))
"""Length scales and log ratios of the grid of starts."""

_PUBLISHED_STARTS = ((0.25, 0.5, 1.0, 2.0), (np.log(100.0), np.log(3000.0)))
"""Those of published fits, which would find less noise than there is from greater ratios."""

_RISE = 10.0  # of the log density, that a start may be below the best and still win

_ITERATIONS = 40
_TOLERANCE = 1e-3  # of the gradient of the log posterior density


class Mode(NamedTuple):
    """The most probable hyper-parameters of a batch of `b` stars.

    Attributes
    ----------
    position : (b, 2)
        ``(log l, log rho)``.
    value : (b,)
        The log posterior density there; see `_Batch.evaluate`.
    gradient, hessian : (b, 2), (b, 2, 2)
        Its first and second derivatives.
    converged : (b,)
        True where the gradient vanishes, or points outwards at a bound.
    """

    position: Floats
    value: Floats
    gradient: Floats
    hessian: Floats
    converged: Booleans


def find_starts(batch: _Batch) -> tuple[Indices, Floats]:
    """Return where to climb from: the peaks along the length scale, on a coarse grid.

    Returns
    -------
    rows : (r,)
        Stars, each once or more often.
    position : (r, 2)
        ``(log l, log rho)``.
    """
    stars = batch.square.size
    scales, log_ratios = _PUBLISHED_STARTS if batch.has_constant else _STARTS
    grid = np.array([[(np.log(scale), ratio) for ratio in log_ratios] for scale in scales])
    points = grid.reshape(-1, 2)
    everywhere = np.repeat(points, stars, axis=0)
    values = batch.evaluate(everywhere, np.tile(np.arange(stars), len(points)))
    values = values.reshape(len(scales), len(log_ratios), stars)
    ridge = values.max(axis=1)
    beside = np.full((len(scales) + 2, stars), -np.inf)
    beside[1:-1] = ridge
    peaks = (ridge >= beside[:-2]) & (ridge > beside[2:]) & (ridge > ridge.max(axis=0) - _RISE)
    lines, rows = np.nonzero(peaks)
    return rows, grid[lines, values.argmax(axis=1)[lines, rows]]


def find_mode(batch: _Batch) -> Mode:
    """Find the mode of each star: the highest of the peaks that are climbed from the starts."""
    rows, starts = find_starts(batch)
    if np.unique(rows).size < batch.square.size:
        raise FloatingPointError("the likelihood of a light curve is no number")
    climbed = _climb(batch, rows, starts, batch.differentiate(starts, rows))
    order = np.argsort(climbed.value, kind="stable")
    highest = np.empty(batch.square.size, dtype=np.intp)
    highest[rows[order]] = order  # of a star's peaks, the last one stays
    position, value, gradient, hessian, converged = climbed
    return Mode(
        position[highest],
        value[highest],
        gradient[highest],
        hessian[highest],
        converged[highest],
    )


def _climb(
    batch: _Batch, rows: Indices, position: Floats, slopes: Slopes, least_gain: float = 0.0
) -> Mode:
    """Go uphill by Newton steps from a position (r, 2) for each of the rows, and its slopes.

    Steps that promise no more than the least gain of the log density are not taken.
    """
    lower, upper = np.log([LENGTH_SCALES, RATIOS]).T
    active = np.arange(rows.size)
    position = position.copy()
    value, gradient, hessian = (table.copy() for table in slopes)
    converged = np.zeros(active.size, dtype=bool)
    reach = np.full(active.size, 1.0)
    for _ in range(_ITERATIONS):
        here, uphill = position[active], gradient[active]
        held = ((here <= lower) & (uphill < 0)) | ((here >= upper) & (uphill > 0))
        uphill = np.where(held, 0.0, uphill)
        done = np.abs(uphill).max(axis=1) < _TOLERANCE
        converged[active[done]] = True
        step = _newton_step(hessian[active], uphill, held, reach[active])
        promising = (uphill * step).sum(axis=1) > least_gain
        going = ~done & promising & (reach[active] >= _SHORTEST)
        active = active[going]
        if active.size == 0:
            break
        trial = np.clip(here[going] + step[going], lower, upper)
        there = batch.differentiate(trial, rows[active])
        better = there.value > value[active]
        improved = active[better]
        position[improved], value[improved] = trial[better], there.value[better]
        gradient[improved], hessian[improved] = there.gradient[better], there.hessian[better]
        reach[active] = np.where(better, np.minimum(2 * reach[active], 3.0), reach[active] / 4)
    return Mode(position, value, gradient, hessian, converged)


_SHORTEST = 1e-7  # step after which a star is given up


def _newton_step(hessian: Floats, gradient: Floats, held: Booleans, reach: Floats) -> Floats:
    """Return the Newton step of each row, no longer than `reach`; what is held has no gradient.

    Along a direction of positive curvature it goes uphill too, by as much as the size of
    the curvature says: the length scale and the variance of a rough kernel make a ridge.
    """
    hessian = hessian.copy()
    hessian[held.any(axis=1), 0, 1] = hessian[held.any(axis=1), 1, 0] = 0.0
    values, vectors = np.linalg.eigh(hessian)
    along = np.matmul(np.swapaxes(vectors, 1, 2), gradient[:, :, None])[:, :, 0]
    along /= np.maximum(np.abs(values), 1e-3)
    step = np.where(held, 0.0, np.matmul(vectors, along[:, :, None])[:, :, 0])
    length = np.hypot(step[:, 0], step[:, 1])
    return step * np.minimum(1.0, reach / np.maximum(length, 1e-300))[:, None]


_CORNERS = np.pi / 3 * np.arange(6)

_NODES = (
    np.array([1 / 2, *[1 / 12] * 6]),
    np.concatenate([np.zeros((1, 2)), 2.0 * np.stack([np.cos(_CORNERS), np.sin(_CORNERS)], 1)]),
)
"""Nodes of the two hyper-parameters: shares (k,), and standard deviations (k, 2).

They integrate polynomials of the fifth degree over a normal distribution exactly (Stroud 1971,
E2r2: 5-1), as nine Gauss-Hermite nodes do.
"""

_WIDEST = 1.5  # largest standard deviation of log l and log rho that is believed


def measure_widths(hessian: Floats) -> tuple[Floats, Floats]:
    """Return how widely the posterior is spread around its mode (Laplace's approximation).

    Parameters
    ----------
    hessian : (b, 2, 2)
        Of the log posterior density at its mode.

    Returns
    -------
    widths : (b, 2)
        Standard deviations along the principal axes of ``(log l, log rho)``.
    axes : (b, 2, 2)
        The axes, in columns.
    """
    values, axes = np.linalg.eigh(-hessian)
    return 1.0 / np.sqrt(np.maximum(values, _WIDEST**-2)), axes


def spread_nodes(position: Floats, widths: Floats, axes: Floats) -> tuple[Floats, Floats]:
    """Return hyper-parameters that stand for their uncertainty.

    Parameters
    ----------
    position : (b, 2)
        The mode, ``(log l, log rho)``.
    widths, axes
        See `measure_widths`.

    Returns
    -------
    shares : (k,)
        Of the posterior.
    positions : (k, b, 2)
        ``(log l, log rho)`` of each star; the mode is the first.
    """
    lower, upper = np.log([LENGTH_SCALES, RATIOS]).T
    shares, deviations = _NODES
    moved = np.matmul(axes, (widths * deviations[:, None])[..., None])[..., 0]
    return shares, np.clip(position + moved, lower, upper)


class _KernelFit(NamedTuple):
    """One kernel's fit of a batch; see `Posterior`."""

    best: Regression
    nodes: list[tuple[Floats, Regression]]
    log_bayes_factor: Floats
    converged: Booleans


def measure_evidence(batch: _Batch, mode: Mode) -> Floats:
    """Return the log of the likelihood (b,) averaged over the hyper-parameters.

    All between the bounds count alike: a periodic curve may be any, and with the prior of log
    rho noise would more often be taken for a star. Laplace's approximation, at the maximum of the
    likelihood next to the mode.
    """
    flat = copy(batch)
    flat.ratio_prior = None
    prior = batch.weigh(mode.position[:, 1])
    slopes = Slopes(
        mode.value - prior.value, mode.gradient - prior.gradient, mode.hessian - prior.hessian
    )
    peak = _climb(flat, np.arange(mode.value.size), mode.position, slopes, _LEAST_GAIN)
    widths, _ = measure_widths(peak.hessian)
    volume = np.ptp(np.log([LENGTH_SCALES, RATIOS]), axis=1).prod()
    value: Floats = peak.value + np.log(2 * np.pi / volume) + np.log(widths).sum(axis=1)
    return value


_LEAST_GAIN = 0.001
"""Of a log density, by a step that is not worth its time where only its value is asked for.

Where the variance of a smooth kernel grows with its length scale, the likelihood has a ridge that
hardly rises over decades. The log evidence of the mirror's stars is off by 0.025 at most, by 0.001
as a rule.
"""


def _fit_kernel(batch: _Batch) -> _KernelFit:
    mode = find_mode(batch)
    everyone = np.ones(batch.square.size)
    if batch.has_constant:
        (best,) = batch.regress(mode.position[None])
        return _KernelFit(best, [(everyone, best)], np.nan * everyone, mode.converged)
    shares, positions = spread_nodes(mode.position, *measure_widths(mode.hessian))
    regressions = batch.regress(positions)
    nodes = [(share * everyone, node) for share, node in zip(shares, regressions, strict=True)]
    log_evidence = measure_evidence(batch, mode)
    log_bayes_factor = log_evidence - batch.likelihood_of_constant()
    return _KernelFit(regressions[0], nodes, log_bayes_factor, mode.converged)


def fit_batch(
    summaries: Sequence[Summary],
    kernel: str = "expsine2",
    rival: str | None = None,
    rival_share: float = 0.5,
    ratio_prior: tuple[float, float] | None = LOG_RATIO_PRIOR,
) -> Posterior:
    """Fit the GPs of a batch of stars: the mode of their hyper-parameters, and what is around it.

    The result for a star does not depend on the others in the batch. The published
    procedure knows no uncertainty of the hyper-parameters nor of the kernel, so published
    summaries get none.

    Parameters
    ----------
    summaries
        One a star, all with the same number of harmonics.
    kernel
        A name of `KERNELS`.
    rival
        Another kernel that the light curves may have as well. It shares in the posterior
        by the ratio of the evidences.
    rival_share
        Fraction of stars that have the other kernel.
    ratio_prior
        Prior of log rho, as `LOG_RATIO_PRIOR`; None is flat between `RATIOS`.
    """
    batch = _Batch(summaries, kernel, ratio_prior)
    first = _fit_kernel(batch)
    mean, nodes = first.best.coefficients, first.nodes
    log_bayes_factor, converged = first.log_bayes_factor, first.converged
    if rival is not None and not batch.has_constant:
        other = _fit_kernel(_Batch(summaries, rival, ratio_prior))
        odds = logit(rival_share)
        trust = expit(first.log_bayes_factor - other.log_bayes_factor - odds)
        nodes = [(trust * share, node) for share, node in first.nodes]
        nodes += [((1 - trust) * share, node) for share, node in other.nodes]
        parts = (share[:, None] * node.coefficients for share, node in nodes)
        mean = sum(parts, start=np.zeros_like(mean))
        log_bayes_factor = np.logaddexp(
            first.log_bayes_factor + log_expit(-odds), other.log_bayes_factor + log_expit(odds)
        )
        converged = first.converged & other.converged
    return Posterior(
        first.best,
        mean,
        tuple(nodes),
        log_bayes_factor,
        converged,
        batch.harmonic_means,
        batch.weight,
        batch.degrees_of_freedom,
    )


def choose_summaries(
    candidates: Sequence[Sequence[Summary]], kernel: str = "expsine2"
) -> list[Summary]:
    """Return, for each star, the most probable candidate, each at its mode.

    Parameters
    ----------
    candidates
        Several summaries of the same points, for each of the stars: ``candidates[i]`` are the i-th
        candidates of all stars. The mode of the first is looked for everywhere, that of another
        from the one before, which it should be like.
    kernel
        A name of `KERNELS`.
    """
    mode = find_mode(_Batch(candidates[0], kernel))
    values = [mode.value]
    everyone = np.arange(mode.value.size)
    for summaries in candidates[1:]:
        batch = _Batch(summaries, kernel)
        slopes = batch.differentiate(mode.position, everyone)
        mode = _climb(batch, everyone, mode.position, slopes, _LEAST_GAIN)
        values.append(mode.value)
    best = np.argmax(values, axis=0)
    return [candidates[index][star] for star, index in enumerate(best)]


def draw_coefficients(
    posterior: Posterior, star: int, draws: int, rng: np.random.Generator
) -> Floats:
    """Draw light curves from the posterior of one star, its hyper-parameters included.

    Parameters
    ----------
    posterior
        Of the batch.
    star
        Position of the star in the batch.
    draws
        Number of draws.
    rng
        The star's own generator.

    Returns
    -------
    (draws, 2 K + 1)
        Coefficients ``m0, s_1, q_1, ...`` (mag) of the harmonics in use; the others are zero.
    """
    shares = np.cumsum([share[star] for share, _ in posterior.nodes])
    ends = np.rint(shares / shares[-1] * draws).astype(int).tolist()
    counts = [end - start for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    nodes = [node for _, node in posterior.nodes]
    width = max(node.factors[star].shape[0] for node in nodes)
    normal = rng.standard_normal((draws, width))
    if len(nodes) == 1:
        factor = nodes[0].factors[star]
        published: Floats = nodes[0].coefficients[star, :width] + normal @ factor.T
        return published
    freedom = posterior.degrees_of_freedom[star]
    scale = np.sqrt(freedom / rng.chisquare(freedom, size=draws))
    normal *= scale[:, None]
    means = rng.standard_normal(draws) * scale / np.sqrt(posterior.weight[star])
    drawn = np.zeros((draws, width + 1))
    for node, end, count in zip(nodes, ends, counts, strict=True):
        if count:
            factor, some = node.factors[star], slice(end - count, end)
            drawn[some, 1 : len(factor) + 1] = normal[some, : len(factor)] @ factor.T
    means *= np.repeat([node.noise[star] for node in nodes], counts)
    drawn[:, 0] = means - drawn[:, 1:] @ posterior.harmonic_means[star, :width]
    centres = np.array([node.coefficients[star, : width + 1] for node in nodes])
    drawn += np.repeat(centres, counts, axis=0)
    return drawn
