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

The published fits (lcfit, Dekany, Grebel & Pojmanski 2021) differ in two ways, which
``published=True`` reproduces: every point counts three times, once in each copy of the
folded curve that stands in for periodicity, and the magnitudes keep their mean, which
the kernel's constant term has to absorb.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.linalg.lapack import dtrtri
from scipy.special import expit, ive, log_expit, logit

from metalyra.core.arrays import Booleans, Floats, Indices
from metalyra.fit.columns import AMPLITUDES
from metalyra.fit.fourier import evaluate_harmonics

LENGTH_SCALES = (0.1, 10.0)
"""Bounds of the length scale, those of the published fits."""

RATIOS = (1e-4, 1e10)
"""Bounds of rho, the kernel's variance over the white noise's."""


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
        The regressions at the most likely hyper-parameters, of the first kernel.
    mean : (b, 2 J + 1)
        Coefficients of the light curves (mag): those of `best`; where two kernels share in
        the posterior, the mean over both and over all their nodes.
    nodes
        Shares (b,) of the posterior, and regressions, at each of the hyper-parameters that
        stand for their uncertainty, and for that of the kernel.
    log_bayes_factor : (b,)
        Log of the evidence for a periodic curve over that for a constant magnitude with
        white noise. The hyper-parameters, of a flat prior in their logarithms between the
        bounds, are integrated out (Laplace's approximation). NaN as published, where points
        count three times.
    converged : (b,)
        True where the optimum was found to tolerance, of each kernel.
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
    count = mag.size
    if published:
        means, mean = columns[:, 1:].mean(axis=0), float(mag.mean())
        gram, projection, square = columns.T @ columns, columns.T @ mag, float(mag @ mag)
        return Summary(3 * gram, 3 * projection, 3 * square, means, mean, count, 3 * count)
    weights = np.ones(count)
    if variance is not None:
        weights = np.exp(np.mean(np.log(variance))) / variance
    weight = float(weights.sum())
    means, mean = weights @ columns[:, 1:] / weight, float(weights @ mag) / weight
    columns, centred = columns[:, 1:] - means, mag - mean
    weighted = columns * weights[:, None]
    gram, projection = weighted.T @ columns, weighted.T @ centred
    square = float((weights * centred) @ centred)
    return Summary(gram, projection, square, means, mean, weight, count - 1)


def _diagonals(matrices: Floats) -> Floats:
    """Return the diagonals, contiguous: how a sum is rounded depends on the strides."""
    return np.ascontiguousarray(np.einsum("bii->bi", matrices))


@cache
def tabulate_kernel(kernel: str, harmonics: int) -> CubicSpline:
    """Return the spline of log w_j, j = 0 to `harmonics`, over the log of the length scale.

    Bessel functions would cost more than the factorisations. Within `LENGTH_SCALES` the weights are
    off by less than 1e-8 of themselves.
    """
    shortest, longest = np.log(LENGTH_SCALES)
    log_scale = np.linspace(shortest, longest, _KNOTS)
    return CubicSpline(log_scale, np.log(KERNELS[kernel](np.exp(log_scale), harmonics)[0]))


_KNOTS = 2001
_NEGLIGIBLE = 1e-6
"""Information of the points on a coefficient, over the prior's, below which it is left out."""


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
    """The log likelihood (r,), its gradient (r, 2) and Hessian (r, 2, 2) by log l, log rho."""

    value: Floats
    gradient: Floats
    hessian: Floats


class _Batch:
    """The summaries of many stars as arrays, and their profile likelihood.

    Harmonics of which the points say nothing beside their prior (`_NEGLIGIBLE`) are left out, and
    stars of the same number are factorised at once. Every sum runs along the last, contiguous
    axis, so that a star's result is the same to the last bit whatever other stars are in the batch.
    """

    def __init__(self, summaries: Sequence[Summary], kernel: str) -> None:
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
        """Give the stars `rows` at their ``(log l, log rho)``, (r, 2), by size."""
        log_weights = self.kernel(position[:, 0])
        roots = np.exp(0.5 * (log_weights + position[:, 1:]))
        orders = (1, 2) if derivatives else ()
        tables = [roots, *(self.kernel(position[:, 0], order) for order in orders)]
        counts = self.count_harmonics(log_weights, position[:, 1], rows)
        first = 1 if self.has_constant else 2
        for count in np.unique(counts):
            places = np.flatnonzero(counts == count)
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

    def evaluate(self, position: Floats, rows: Indices) -> Floats:
        """Return the log likelihood (r,) of some rows at their ``(log l, log rho)``, (r, 2)."""
        value = np.empty(rows.size)
        for part in self.factorise(position, rows, derivatives=False):
            value[part.places] = part.value
        return value

    def differentiate(self, position: Floats, rows: Indices) -> Slopes:
        """Return the log likelihood of some rows and its derivatives; see `evaluate`."""
        value, gradient = np.empty(rows.size), np.empty((rows.size, 2))
        hessian = np.empty((rows.size, 2, 2))
        for part in self.factorise(position, rows):
            freedom = self.degrees_of_freedom[rows[part.places]]
            value[part.places] = part.value
            gradient[part.places], hessian[part.places] = _differentiate(part, freedom)
        return Slopes(value, gradient, hessian)

    def regress(self, position: Floats) -> Regression:
        """Return the regressions of all stars at ``(log l, log rho)``, (b, 2)."""
        stars = self.square.size
        length_scale, root_ratio = np.exp(position[:, 0]), np.exp(0.5 * position[:, 1])
        value, noise = np.empty(stars), np.empty(stars)
        coefficients = np.zeros((stars, self.gram.shape[1]))
        factors: list[Floats] = [np.empty(0)] * stars
        for part in self.factorise(position, np.arange(stars), derivatives=False):
            inverse, solution = _invert(part.factor)
            value[part.places] = part.value
            noise[part.places] = np.sqrt(part.quadratic / self.degrees_of_freedom[part.places])
            coefficients[part.places, : solution.shape[1]] = part.scaled * solution
            scale = noise[part.places, None] * part.scaled
            inverse *= scale[:, None, :]
            for place, factor in zip(part.places, np.swapaxes(inverse, 1, 2), strict=True):
                factors[place] = factor
        if not self.has_constant:
            mean = self.mean - (self.harmonic_means * coefficients).sum(axis=1)
            coefficients = np.concatenate([mean[:, None], coefficients], axis=1)
        return Regression(
            coefficients, tuple(factors), length_scale, noise * root_ratio, noise, value
        )


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
    for matrix in inverse:
        dtrtri(matrix.T, lower=0, overwrite_c=1)
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
    # Of log |B|: first and second derivatives by log l and log rho.
    leverage = 1.0 - shares
    coupling = posterior**2
    coupled = (coupling * slopes[:, None, :]).sum(axis=2)
    alone = coupling.sum(axis=2)
    determinant = np.stack([(slopes * leverage).sum(axis=1), leverage.sum(axis=1)], axis=1)
    determinant_bends = (
        (bends * leverage + slopes * (slopes * shares - coupled)).sum(axis=1),
        (slopes * (shares - alone)).sum(axis=1),
        (shares - alone).sum(axis=1),
    )
    # Of Q.
    spread_turned = (posterior * turned[:, None, :]).sum(axis=2)
    spread = (posterior * solution[:, None, :]).sum(axis=2)
    quadratic = -np.stack([(slopes * pull).sum(axis=1), pull.sum(axis=1)], axis=1)
    quadratic_bends = (
        ((slopes**2 - bends) * pull - 2 * turned * spread_turned).sum(axis=1),
        (slopes * pull - 2 * turned * spread).sum(axis=1),
        (pull - 2 * solution * spread).sum(axis=1),
    )
    relative = quadratic / part.quadratic[:, None]
    gradient = -0.5 * (freedom[:, None] * relative + determinant)
    hessian = np.empty((freedom.size, 2, 2))
    for index, (first, second) in enumerate(((0, 0), (0, 1), (1, 1))):
        bend = quadratic_bends[index] / part.quadratic - relative[:, first] * relative[:, second]
        hessian[:, first, second] = -0.5 * (freedom * bend + determinant_bends[index])
    hessian[:, 1, 0] = hessian[:, 0, 1]
    return gradient, hessian


_STARTS = tuple(
    (np.log(scale), np.log(contrast)) for scale in (0.25, 0.5, 1.0, 2.0) for contrast in (1.0, 30.0)
)
"""Starts: length scale, and kernel variance over the magnitudes' variance."""

_NOISE_GUESS = 0.1  # white noise over the scatter of the magnitudes, to begin with
_ITERATIONS = 40
_TOLERANCE = 1e-3  # of the gradient of the log likelihood


class Optimum(NamedTuple):
    """The most likely hyper-parameters of a batch of `b` stars.

    Attributes
    ----------
    position : (b, 2)
        ``(log l, log rho)``.
    value : (b,)
        The log likelihood there.
    hessian : (b, 2, 2)
        Its second derivatives.
    converged : (b,)
        True where the gradient vanishes, or points outwards at a bound.
    """

    position: Floats
    value: Floats
    hessian: Floats
    converged: Booleans


def find_start(batch: _Batch) -> Floats:
    """Return the most likely of several starts, ``(log l, log rho)`` of each star (b, 2)."""
    everyone = np.arange(batch.square.size)
    best, position = np.full(everyone.size, -np.inf), np.zeros((everyone.size, 2))
    for log_scale, log_contrast in _STARTS:
        trial = np.tile([log_scale, log_contrast - 2 * np.log(_NOISE_GUESS)], (everyone.size, 1))
        value = batch.evaluate(trial, everyone)
        better = value > best
        best[better], position[better] = value[better], trial[better]
    return position


def maximise_likelihood(batch: _Batch) -> Optimum:
    """Find the optimum of each star: the best of several starts, then Newton steps."""
    lower, upper = np.log([LENGTH_SCALES, RATIOS]).T
    active = np.arange(batch.square.size)
    position = find_start(batch)
    value, gradient, hessian = batch.differentiate(position, active)
    converged = np.zeros(active.size, dtype=bool)
    reach = np.full(active.size, 1.0)
    for _ in range(_ITERATIONS):
        here, uphill = position[active], gradient[active]
        held = ((here <= lower) & (uphill < 0)) | ((here >= upper) & (uphill > 0))
        done = np.abs(np.where(held, 0.0, uphill)).max(axis=1) < _TOLERANCE
        converged[active[done]] = True
        going = ~done & (reach[active] >= _SHORTEST)
        active, here, held = active[going], here[going], held[going]
        if active.size == 0:
            break
        step = _newton_step(hessian[active], gradient[active], held, reach[active])
        trial = np.clip(here + step, lower, upper)
        there = batch.differentiate(trial, active)
        better = there.value > value[active]
        improved = active[better]
        position[improved], value[improved] = trial[better], there.value[better]
        gradient[improved], hessian[improved] = there.gradient[better], there.hessian[better]
        reach[active] = np.where(better, np.minimum(2 * reach[active], 3.0), reach[active] / 4)
    return Optimum(position, value, hessian, converged)


_SHORTEST = 1e-7  # step after which a star is given up


def _newton_step(hessian: Floats, gradient: Floats, held: Booleans, reach: Floats) -> Floats:
    """Return the Newton step of each row, no longer than `reach`.

    Along a direction of positive curvature it goes uphill too, by as much as the size of
    the curvature says: the length scale and the variance of a rough kernel make a ridge.
    """
    hessian = hessian.copy()
    gradient = np.where(held, 0.0, gradient)
    hessian[held.any(axis=1), 0, 1] = hessian[held.any(axis=1), 1, 0] = 0.0
    values, vectors = np.linalg.eigh(hessian)
    along = np.matmul(np.swapaxes(vectors, 1, 2), gradient[:, :, None])[:, :, 0]
    along /= np.maximum(np.abs(values), 1e-3)
    step = np.where(held, 0.0, np.matmul(vectors, along[:, :, None])[:, :, 0])
    length = np.hypot(step[:, 0], step[:, 1])
    return step * np.minimum(1.0, reach / np.maximum(length, 1e-300))[:, None]


_NODES = (
    (1 / 2, np.zeros(2)),
    *(
        (1 / 12, 2.0 * np.array([np.cos(angle), np.sin(angle)]))
        for angle in np.pi / 3 * np.arange(6)
    ),
)
"""Nodes of the two hyper-parameters: share, and standard deviations.

They integrate polynomials of the fifth degree over a normal distribution exactly (Stroud 1971,
E2r2: 5-1), as nine Gauss-Hermite nodes do.
"""

_WIDEST = 1.5  # largest standard deviation of log l and log rho that is believed


def measure_widths(hessian: Floats) -> tuple[Floats, Floats]:
    """Return how widely the likelihood is spread around its maximum (Laplace's approximation).

    Parameters
    ----------
    hessian : (b, 2, 2)
        Of the log likelihood at its maximum.

    Returns
    -------
    widths : (b, 2)
        Standard deviations along the principal axes of ``(log l, log rho)``.
    axes : (b, 2, 2)
        The axes, in columns.
    """
    values, axes = np.linalg.eigh(-hessian)
    return 1.0 / np.sqrt(np.maximum(values, _WIDEST**-2)), axes


def spread_nodes(position: Floats, widths: Floats, axes: Floats) -> list[tuple[float, Floats]]:
    """Return hyper-parameters that stand for their uncertainty.

    Parameters
    ----------
    position : (b, 2)
        The most likely ``(log l, log rho)``.
    widths, axes
        See `measure_widths`.

    Returns
    -------
    list
        Share of the posterior, and ``(log l, log rho)`` of each star, (b, 2); the most likely
        one is the first.
    """
    lower, upper = np.log([LENGTH_SCALES, RATIOS]).T
    nodes = []
    for share, deviations in _NODES:
        moved = np.matmul(axes, (widths * deviations)[:, :, None])[:, :, 0]
        nodes.append((share, np.clip(position + moved, lower, upper)))
    return nodes


class _KernelFit(NamedTuple):
    """One kernel's fit of a batch; see `Posterior`."""

    best: Regression
    nodes: list[tuple[Floats, Regression]]
    log_bayes_factor: Floats
    converged: Booleans


def _fit_kernel(batch: _Batch) -> _KernelFit:
    optimum = maximise_likelihood(batch)
    best = batch.regress(optimum.position)
    everyone = np.ones(batch.square.size)
    if batch.has_constant:
        return _KernelFit(best, [(everyone, best)], np.nan * everyone, optimum.converged)
    widths, axes = measure_widths(optimum.hessian)
    (share, _), *others = spread_nodes(optimum.position, widths, axes)
    nodes = [(share * everyone, best)]
    nodes += [(share * everyone, batch.regress(near)) for share, near in others]
    log_evidence = optimum.value + np.log(2 * np.pi) + np.log(widths).sum(axis=1)
    log_evidence -= np.log(np.ptp(np.log([LENGTH_SCALES, RATIOS]), axis=1).prod())
    log_bayes_factor = log_evidence - batch.likelihood_of_constant()
    return _KernelFit(best, nodes, log_bayes_factor, optimum.converged)


def fit_batch(
    summaries: Sequence[Summary],
    kernel: str = "expsine2",
    rival: str | None = None,
    rival_share: float = 0.5,
) -> Posterior:
    """Fit the GPs of a batch of stars by marginal likelihood.

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
    """
    batch = _Batch(summaries, kernel)
    first = _fit_kernel(batch)
    mean, nodes = first.best.coefficients, first.nodes
    log_bayes_factor, converged = first.log_bayes_factor, first.converged
    if rival is not None and not batch.has_constant:
        other = _fit_kernel(_Batch(summaries, rival))
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
    """Return, for each star, the candidate of the greatest marginal likelihood.

    Parameters
    ----------
    candidates
        Several summaries of the same points, for each of the stars: ``candidates[i]`` are
        the i-th candidates of all stars.
    kernel
        A name of `KERNELS`.
    """
    likelihoods = [maximise_likelihood(_Batch(summaries, kernel)).value for summaries in candidates]
    best = np.argmax(likelihoods, axis=0)
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
    ends = np.rint(shares / shares[-1] * draws).astype(int)
    starts = [0, *ends[:-1]]
    width = max(node.factors[star].shape[0] for _, node in posterior.nodes)
    normal = rng.standard_normal((draws, width))
    published = len(posterior.nodes) == 1
    drawn = np.zeros((draws, width if published else width + 1))
    if published:
        node = posterior.nodes[0][1]
        drawn[:] = node.coefficients[star, :width] + normal @ node.factors[star].T
        return drawn
    freedom = posterior.degrees_of_freedom[star]
    scale = np.sqrt(freedom / rng.chisquare(freedom, size=draws))
    normal *= scale[:, None]
    means = rng.standard_normal(draws) * scale / np.sqrt(posterior.weight[star])
    for start, end, (_, node) in zip(starts, ends, posterior.nodes, strict=True):
        size = node.factors[star].shape[0]
        offsets = np.matmul(normal[start:end, :size], node.factors[star].T)
        drawn[start:end, 1 : size + 1] = offsets
        means[start:end] *= node.noise[star]
    means -= drawn[:, 1:] @ posterior.harmonic_means[star, :width]
    drawn[:, 0] = means
    for start, end, (_, node) in zip(starts, ends, posterior.nodes, strict=True):
        drawn[start:end] += node.coefficients[star, : width + 1]
    return drawn
