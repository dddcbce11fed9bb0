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

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, cast

import numpy as np
from scipy.special import expit, ive, log_expit, logit

from metalyra.core.arrays import Booleans, Floats, Indices
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
    factors : (b, d, d)
        ``F`` such that ``F @ F.T`` is the covariance (mag2) of the harmonics in use.
    length_scale, amplitude, noise, log_likelihood : (b,)
        Kernel's length scale (phase) and standard deviation (mag), white noise (mag), and
        the log of the marginal likelihood.
    """

    coefficients: Floats
    factors: Floats
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


class _Batch:
    """The summaries of many stars as arrays, and their profile likelihood.

    Every sum runs along the last, contiguous axis, so that a star's result is the same
    to the last bit whatever other stars are in the batch.
    """

    def __init__(self, summaries: Sequence[Summary], kernel: str) -> None:
        self.gram = np.stack([summary.gram for summary in summaries])
        self.projection = np.stack([summary.projection for summary in summaries])
        self.square = np.array([summary.square for summary in summaries])
        self.degrees_of_freedom = np.array([summary.degrees_of_freedom for summary in summaries])
        self.weight = np.array([summary.weight for summary in summaries])
        self.mean = np.array([summary.mean for summary in summaries])
        self.harmonic_means = np.stack([summary.harmonic_means for summary in summaries])
        self.kernel = KERNELS[kernel]
        self.harmonics = self.gram.shape[1] // 2
        self.has_constant = self.gram.shape[1] % 2 == 1
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

    def weigh(self, length_scale: Floats) -> tuple[Floats, Floats]:
        """Return the square roots of w_j of each column, and their d log w_j / d log l."""
        weights, slopes = self.kernel(length_scale, self.harmonics)
        column = np.repeat(np.arange(self.harmonics + 1), 2)[1 if self.has_constant else 2 :]
        return np.sqrt(np.take(weights, column, axis=1)), np.take(slopes, column, axis=1)

    def evaluate(self, position: Floats, rows: Indices) -> tuple[Floats, Floats, Floats, Floats]:
        """Return the log likelihood at ``(log l, log rho)`` for some rows, and its gradient.

        Returns
        -------
        value : (r,)
        gradient : (r, 2)
        inverse : (r, 2 J, 2 J)
            Inverse of ``B = 1 + rho W^1/2 G W^1/2``.
        solution : (r, 2 J)
            ``B^-1 W^1/2 b``.
        """
        length_scale, ratio = np.exp(position[:, 0]), np.exp(position[:, 1])
        root, slopes = self.weigh(length_scale)
        matrix = self.gram[rows] * root[:, :, None] * root[:, None, :] * ratio[:, None, None]
        diagonal = np.arange(matrix.shape[1])
        matrix[:, diagonal, diagonal] += 1.0
        factor = cast("Floats", np.linalg.cholesky(matrix))
        inverse = cast("Floats", np.linalg.inv(matrix))
        projection = root * self.projection[rows]
        solution = np.matmul(inverse, projection[:, :, None])[:, :, 0]
        quadratic = self.square[rows] - ratio * (projection * solution).sum(axis=1)
        quadratic = np.maximum(quadratic, 1e-12 * self.square[rows])
        log_determinant = 2 * np.log(_diagonals(factor)).sum(axis=1)
        freedom = self.degrees_of_freedom[rows]
        value = -0.5 * (freedom * np.log(2 * np.pi * quadratic / freedom) + freedom)
        value += self.log_mean[rows] - 0.5 * log_determinant
        pull = ratio[:, None] * solution**2 * (freedom / quadratic)[:, None]
        leverage = 1.0 - _diagonals(inverse)
        gradient = np.stack(
            [
                0.5 * (slopes * (pull - leverage)).sum(axis=1),
                0.5 * (pull - leverage).sum(axis=1),
            ],
            axis=1,
        )
        return value, gradient, inverse, solution

    def regress(self, position: Floats) -> Regression:
        """Return the regressions of all stars at ``(log l, log rho)``, (b, 2)."""
        value, _, inverse, solution = self.evaluate(position, np.arange(self.square.size))
        length_scale, ratio = np.exp(position[:, 0]), np.exp(position[:, 1])
        root, _ = self.weigh(length_scale)
        quadratic = self.square - ratio * (root * self.projection * solution).sum(axis=1)
        noise = np.sqrt(np.maximum(quadratic, 1e-12 * self.square) / self.degrees_of_freedom)
        coefficients = ratio[:, None] * root * solution
        if not self.has_constant:
            mean = self.mean - (self.harmonic_means * coefficients).sum(axis=1)
            coefficients = np.concatenate([mean[:, None], coefficients], axis=1)
        amplitude = noise * np.sqrt(ratio)
        factors = amplitude[:, None, None] * root[:, :, None] * np.linalg.cholesky(inverse)
        return Regression(coefficients, factors, length_scale, amplitude, noise, value)

    def curvature(self, position: Floats, rows: Indices, gradient: Floats) -> Floats:
        """Return the Hessian (r, 2, 2) of the log likelihood of some rows."""
        shift = 1e-4
        hessian = np.empty((rows.size, 2, 2))
        for axis in range(2):
            moved = position.copy()
            moved[:, axis] += shift
            hessian[:, axis, :] = (self.evaluate(moved, rows)[1] - gradient) / shift
        hessian[:, 0, 1] = hessian[:, 1, 0] = 0.5 * (hessian[:, 0, 1] + hessian[:, 1, 0])
        return hessian


_STARTS = tuple(
    (np.log(scale), np.log(contrast)) for scale in (0.25, 0.5, 1.0, 2.0) for contrast in (1.0, 30.0)
)
"""Starts: length scale, and kernel variance over the magnitudes' variance."""

_NOISE_GUESS = 0.1  # white noise over the scatter of the magnitudes, to begin with
_ITERATIONS = 40
_TOLERANCE = 1e-3  # of the gradient of the log likelihood


def maximise_likelihood(
    batch: _Batch,
) -> tuple[Floats, Booleans]:
    """Find ``(log l, log rho)`` of each star: the best of several starts, then Newton steps.

    Returns
    -------
    position : (b, 2)
    converged : (b,)
        True where the gradient vanishes, or points outwards at a bound.
    """
    size = batch.square.size
    lower, upper = np.log([LENGTH_SCALES, RATIOS]).T
    everyone = np.arange(size)
    best, position = np.full(size, -np.inf), np.zeros((size, 2))
    for log_scale, log_contrast in _STARTS:
        trial = np.tile([log_scale, log_contrast - 2 * np.log(_NOISE_GUESS)], (size, 1))
        value = batch.evaluate(trial, everyone)[0]
        better = value > best
        best[better], position[better] = value[better], trial[better]

    converged = np.zeros(size, dtype=bool)
    reach = np.full(size, 1.0)
    active = everyone
    for _ in range(_ITERATIONS):
        here = position[active]
        value, gradient, _, _ = batch.evaluate(here, active)
        held = ((here <= lower) & (gradient < 0)) | ((here >= upper) & (gradient > 0))
        free = np.where(held, 0.0, gradient)
        done = np.abs(free).max(axis=1) < _TOLERANCE
        converged[active[done]] = True
        if done.all():
            break
        active, here, value = active[~done], here[~done], value[~done]
        gradient, held = gradient[~done], held[~done]
        step = _newton_step(batch, active, here, gradient, held, reach[active])
        trial = np.clip(here + step, lower, upper)
        improved = batch.evaluate(trial, active)[0] > value
        position[active[improved]] = trial[improved]
        reach[active] = np.where(improved, np.minimum(2 * reach[active], 3.0), reach[active] / 4)
        stuck = reach[active] < 1e-7
        active = active[~stuck]
        if active.size == 0:
            break
    return position, converged


def _newton_step(
    batch: _Batch,
    rows: Indices,
    here: Floats,
    gradient: Floats,
    held: Booleans,
    reach: Floats,
) -> Floats:
    """Return the Newton step of each row, no longer than `reach`.

    Along a direction of positive curvature it goes uphill too, by as much as the size of
    the curvature says: the length scale and the variance of a rough kernel make a ridge.
    """
    hessian = batch.curvature(here, rows, gradient)
    hessian[held.any(axis=1), 0, 1] = hessian[held.any(axis=1), 1, 0] = 0.0
    values, vectors = np.linalg.eigh(hessian)
    along = np.matmul(np.swapaxes(vectors, 1, 2), gradient[:, :, None])[:, :, 0]
    along /= np.maximum(np.abs(values), 1e-3)
    step = np.where(held, 0.0, np.matmul(vectors, along[:, :, None])[:, :, 0])
    length = np.hypot(step[:, 0], step[:, 1])
    return step * np.minimum(1.0, reach / np.maximum(length, 1e-300))[:, None]


_NODES = tuple(
    (first_share * second_share, np.array([first, second]))
    for first, first_share in ((-np.sqrt(3), 1 / 6), (0.0, 2 / 3), (np.sqrt(3), 1 / 6))
    for second, second_share in ((-np.sqrt(3), 1 / 6), (0.0, 2 / 3), (np.sqrt(3), 1 / 6))
)
"""Gauss-Hermite nodes of the two hyper-parameters: share, and standard deviations."""

_WIDEST = 1.5  # largest standard deviation of log l and log rho that is believed


def measure_widths(batch: _Batch, position: Floats) -> tuple[Floats, Floats]:
    """Return how widely the likelihood is spread around its maximum (Laplace's approximation).

    Returns
    -------
    widths : (b, 2)
        Standard deviations along the principal axes of ``(log l, log rho)``.
    axes : (b, 2, 2)
        The axes, in columns.
    """
    everyone = np.arange(position.shape[0])
    gradient = batch.evaluate(position, everyone)[1]
    precision = -batch.curvature(position, everyone, gradient)
    values, axes = np.linalg.eigh(precision)
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
        Share of the posterior, and ``(log l, log rho)`` of each star, (b, 2).
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
    position, converged = maximise_likelihood(batch)
    best = batch.regress(position)
    everyone = np.ones(batch.square.size)
    if batch.has_constant:
        return _KernelFit(best, [(everyone, best)], np.nan * everyone, converged)
    widths, axes = measure_widths(batch, position)
    nodes = [
        (share * everyone, batch.regress(near))
        for share, near in spread_nodes(position, widths, axes)
    ]
    log_evidence = best.log_likelihood + np.log(2 * np.pi) + np.log(widths).sum(axis=1)
    log_evidence -= np.log(np.ptp(np.log([LENGTH_SCALES, RATIOS]), axis=1).prod())
    return _KernelFit(best, nodes, log_evidence - batch.likelihood_of_constant(), converged)


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
    likelihoods = []
    for summaries in candidates:
        batch = _Batch(summaries, kernel)
        position, _ = maximise_likelihood(batch)
        likelihoods.append(batch.evaluate(position, np.arange(len(summaries)))[0])
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
    (draws, 2 J + 1)
        Coefficients ``m0, s_1, q_1, ...`` (mag).
    """
    shares = np.cumsum([share[star] for share, _ in posterior.nodes])
    ends = np.rint(shares / shares[-1] * draws).astype(int)
    drawn = []
    for start, end, (_, node) in zip([0, *ends], ends, posterior.nodes, strict=False):
        factor = node.factors[star]
        offsets = rng.standard_normal((end - start, factor.shape[1])) @ factor.T
        if len(posterior.nodes) == 1:
            drawn.append(node.coefficients[star] + offsets)
            continue
        freedom = posterior.degrees_of_freedom[star]
        scale = np.sqrt(freedom / rng.chisquare(freedom, size=end - start))
        offsets *= scale[:, None]
        means = rng.standard_normal(end - start) * scale * node.noise[star]
        means /= np.sqrt(posterior.weight[star])
        means -= offsets @ posterior.harmonic_means[star]
        drawn.append(node.coefficients[star] + np.column_stack([means, offsets]))
    return np.concatenate(drawn)
