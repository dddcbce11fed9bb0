"""The shapes and periods that RR Lyrae stars have, and how well a light curve agrees with them.

A population is a mixture of Gaussians of log period and of the harmonics of the light curve
relative to the first, ``A_k exp(i (phi_k - k phi_1)) / A_1``: so it holds in any band, whose
amplitudes it does not know. `measure_evidence` integrates over the curves that a population
allows at a period: the Occam factor and the typical shapes tell a period from its double, its
half and its aliases, and RRab from RRc stars and from others.

`resources/shape_populations.npz` is learnt from published parameters and light curves, see
`metalyra.fit.shape_learning`.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple, cast

import numpy as np
from scipy.special import gammaln, logsumexp

from metalyra.core.arrays import Floats
from metalyra.core.resources import RESOURCES

HARMONICS = 8
"""Harmonics of the light curves."""

FREEDOM = 4.0
"""Degrees of freedom of the noise, Student's t."""

_NOISE_FLOOR = 0.005  # mag, the scale of the noise of a star of few points
_FIRST_HARMONIC = 0.25  # mag, prior of the coefficients of the first harmonic
_ROUGHNESS = (1.0, 0.3, 0.03)  # harmonics of other curves, relative to their scatter
_ITERATIONS = 8

SHAPES = "shape_populations.npz"
"""The file in resources/."""


class ShapePopulation(NamedTuple):
    """A mixture of `k` Gaussians of log10 period (d) and relative harmonics, d = 2 J - 1.

    Attributes
    ----------
    shares : (k,)
        Shares of the components.
    means : (k, d), covariances : (k, d, d)
        Of log period, and of real and imaginary part of harmonics 2 to J.
    """

    shares: Floats
    means: Floats
    covariances: Floats


class Points(NamedTuple):
    """The light curve of a star in one band.

    Attributes
    ----------
    time : (n,)
        Times (d).
    mag : (n,)
        Magnitudes.
    variance : (n,)
        Relative variances of the points, of typical value 1.
    """

    time: Floats
    mag: Floats
    variance: Floats


class Evidence(NamedTuple):
    """What `measure_evidence` finds for each of c frequencies and the populations in order.

    Attributes
    ----------
    frequency : (c,)
        Moved to the peaks (1 / d).
    frequency_error : (c,)
        Width of the peaks (1 / d).
    log_evidence : (c, populations + 1)
        Of each population, and of any periodic curve, integrated over the peak.
    log_constant
        That of a constant magnitude.
    """

    frequency: Floats
    frequency_error: Floats
    log_evidence: Floats
    log_constant: float


@cache
def load_populations() -> Mapping[str, ShapePopulation]:
    """Return the populations of resources/, by pulsation type."""
    with np.load(RESOURCES / SHAPES) as arrays:
        return {
            kind: ShapePopulation(*(arrays[f"{kind}_{name}"] for name in ShapePopulation._fields))
            for kind in ("RRab", "RRc")
        }


class HeldBackFit(NamedTuple):
    """Fourier series at c frequencies, from `fit_held_back`.

    Attributes
    ----------
    frequency : (c,)
        At the peaks, no further than half a resolution from where they were (1 / d).
    error : (c,)
        Of the frequency (1 / d).
    coefficients : (c, 2 J + 1)
        ``1, sin, cos, sin 2, ...`` at the times since the first (mag).
    residuals : (c, n)
        In mag.
    """

    frequency: Floats
    error: Floats
    coefficients: Floats
    residuals: Floats


class _Prior(NamedTuple):
    """Gaussian priors of c frequencies and k components, size = 2 J + 1 with the mean."""

    log_share: Floats  # (c, k)
    mean: Floats  # (c, k, size)
    precision: Floats  # (c, k, size, size)


def measure_evidence(
    bands: Sequence[Points],
    frequency: Floats,
    populations: Mapping[str, ShapePopulation],
    log_range: float,
) -> Evidence:
    """Return how well a light curve at given frequencies agrees with populations.

    The evidence is Laplace's approximation around the most probable curve of every
    component, with noise of Student's t whose scale is fitted (expectation maximisation,
    Lange, Little & Taylor 1989). In several bands a star is of one component; amplitude, phase
    and noise of each band are its own.

    Parameters
    ----------
    bands
        The light curve in one band or several.
    frequency : (c,)
        Frequencies (1 / d) near the peaks of the likelihood.
    populations
        What to compare with.
    log_range
        Range of log10 of the period, in which those of any periodic curve are alike.
    """
    centred = [band._replace(mag=band.mag - np.median(band.mag)) for band in bands]
    fitted = fit_bands(centred, frequency, HARMONICS)
    frequency, error = fitted[0].frequency, fitted[0].error
    waves = [fit.coefficients[:, 1:3].T for fit in fitted]
    amplitudes = [np.hypot(sine, cosine) for sine, cosine in waves]
    designs = [
        _evaluate(band.time, frequency, HARMONICS, np.arctan2(cosine, sine) / (2 * np.pi))
        for band, (sine, cosine) in zip(centred, waves, strict=True)
    ]
    log_period = -np.log10(frequency)
    columns = []
    for population in populations.values():
        priors = [_make_prior(population, log_period, amplitude) for amplitude in amplitudes]
        logs = _integrate_bands(designs, centred, priors)
        columns.append(logsumexp(logs + priors[0].log_share, axis=1))
    priors = [_make_broad_prior(frequency, float(np.std(band.mag))) for band in centred]
    logs = _integrate_bands(designs, centred, priors) + priors[0].log_share
    columns.append(logsumexp(logs, axis=1) - np.log(log_range))
    constant = _Prior(np.zeros((1, 1)), np.zeros((1, 1, 1)), np.full((1, 1, 1, 1), 1e-4))
    ones = [np.ones((1, band.time.size, 1)) for band in centred]
    flat = _integrate_bands(ones, centred, [constant] * len(centred))
    width = np.sqrt(2 * np.pi) * error / (frequency * np.log(10))
    log_evidence = np.stack(columns, axis=1) + np.log(width)[:, None]
    return Evidence(frequency, error, log_evidence, float(flat[0, 0]))


def fit_held_back(
    time: Floats, mag: Floats, variance: Floats, frequency: Floats, harmonics: int
) -> HeldBackFit:
    """Fit Fourier series with held-back harmonics at c frequencies, and move these to the peaks.

    Gauss-Newton steps in coefficients and frequency together.
    """
    return fit_bands([Points(time, mag, variance)], frequency, harmonics)[0]


def fit_bands(bands: Sequence[Points], frequency: Floats, harmonics: int) -> list[HeldBackFit]:
    """Fit a Fourier series in each band, as `fit_held_back` does, at frequencies of all bands."""
    start = frequency
    span = _measure_span(bands)
    for _ in range(4):
        steps = [_step_to_peak(band, frequency, harmonics) for band in bands]
        errors = [
            np.maximum(_measure_deviation(step.residuals, band), _NOISE_FLOOR)
            * step.width
            / step.span
            for step, band in zip(steps, bands, strict=True)
        ]
        # By how much the bands know better than the first, whose step is the sum's if alone.
        gains = [(errors[0] / error) ** 2 for error in errors[1:]]
        total = 1.0 + sum(gains)
        pulls = [gain * (s.step - steps[0].step) for gain, s in zip(gains, steps[1:], strict=True)]
        step = np.clip(steps[0].step + sum(pulls) / total, -0.1 / span, 0.1 / span)
        frequency = np.clip(frequency + step, start - 0.5 / span, start + 0.5 / span)
    error = np.minimum(errors[0] / np.sqrt(total), 0.5 / span)
    return [HeldBackFit(frequency, error, step.coefficients, step.residuals) for step in steps]


def _measure_deviation(residuals: Floats, band: Points) -> Floats:
    """Return the robust standard deviation of residuals (c, n)."""
    return 1.4826 * np.median(np.abs(residuals / np.sqrt(band.variance)), axis=1)


def _measure_span(bands: Sequence[Points]) -> float:
    return float(np.ptp(np.concatenate([band.time for band in bands])))


class _Step(NamedTuple):
    """A Gauss-Newton step of one band over its own time span (d).

    `width` is the error of the frequency, times the span, for residuals of 1 mag.
    """

    step: Floats
    width: Floats
    span: float
    coefficients: Floats
    residuals: Floats


def _step_to_peak(band: Points, frequency: Floats, harmonics: int) -> _Step:
    """Fit a Fourier series at c frequencies, and say how far their peaks are."""
    time, mag, variance = band
    span = max(float(np.ptp(time)), 1e-6)
    middle = (time - time.min()) / span - 0.5
    order = np.repeat(np.arange(1, harmonics + 1), 2)
    noise = max(0.1 * float(np.std(mag)), _NOISE_FLOOR)
    held = (noise * order**1.5 / _FIRST_HARMONIC) ** 2
    penalty = np.diag(np.concatenate([[1e-9], held, [1e-9]]))
    design = _evaluate(time, frequency, harmonics)
    weighted = design / variance[:, None]
    normal = np.matmul(weighted.transpose(0, 2, 1), design) + penalty[:-1, :-1]
    solved = np.linalg.solve(normal, np.matmul(weighted.transpose(0, 2, 1), mag)[:, :, None])
    coefficients = cast("Floats", solved[:, :, 0])
    slope = np.zeros((frequency.size, time.size))
    for k in range(1, harmonics + 1):
        slope += k * design[:, :, 2 * k] * coefficients[:, 2 * k - 1, None]
        slope -= k * design[:, :, 2 * k - 1] * coefficients[:, 2 * k, None]
    drift = 2 * np.pi * middle * slope
    full = np.concatenate([design, drift[:, :, None]], axis=2)
    residual = mag - np.matmul(design, solved)[:, :, 0]
    weighted = full / variance[:, None]
    normal = np.matmul(weighted.transpose(0, 2, 1), full) + penalty
    pull = np.matmul(weighted.transpose(0, 2, 1), residual[:, :, None])
    pull[:, :-1, 0] -= np.diag(penalty)[:-1] * coefficients
    inverse = np.linalg.inv(normal)
    step = np.matmul(inverse, pull)[:, -1, 0] / span
    return _Step(step, np.sqrt(inverse[:, -1, -1]), span, coefficients, residual)


def _evaluate(time: Floats, frequency: Floats, harmonics: int, shift: float | Floats = 0) -> Floats:
    """Return the columns ``1, sin, cos, sin 2, ...`` at c frequencies, (c, n, 2 J + 1)."""
    phase = frequency[:, None] * (time - time.min()) + np.reshape(shift, (-1, 1))
    rotation = np.exp(2j * np.pi * phase)
    design = np.empty((*phase.shape, 2 * harmonics + 1))
    design[:, :, 0] = 1.0
    power = rotation.copy()
    for k in range(1, harmonics + 1):
        design[:, :, 2 * k - 1], design[:, :, 2 * k] = power.imag, power.real
        power *= rotation
    return design


def _make_prior(population: ShapePopulation, log_period: Floats, amplitude: Floats) -> _Prior:
    """Return the priors of the coefficients (mag) at known log period and A_1."""
    variance = population.covariances[:, 0, 0]
    across = population.covariances[:, 1:, 0]
    offset = log_period[:, None] - population.means[:, 0]
    log_share = np.log(population.shares) - 0.5 * offset**2 / variance
    log_share = log_share - 0.5 * np.log(2 * np.pi * variance)
    shape = population.means[:, 1:] + (offset / variance)[:, :, None] * across
    narrowed = population.covariances[:, 1:, 1:]
    narrowed = narrowed - across[:, :, None] * across[:, None, :] / variance[:, None, None]
    size = 2 * HARMONICS + 1
    mean = np.zeros((*log_share.shape, size))
    mean[:, :, 3:] = amplitude[:, None, None] * shape
    precision = np.zeros((*log_share.shape, size, size))
    precision[:, :, 0, 0] = 1e-4
    precision[:, :, 1, 1] = precision[:, :, 2, 2] = _FIRST_HARMONIC**-2
    inverse = np.linalg.inv(narrowed)
    precision[:, :, 3:, 3:] = inverse / np.maximum(amplitude, 1e-4)[:, None, None, None] ** 2
    return _Prior(log_share, mean, precision)


def _make_broad_prior(frequency: Floats, deviation: float) -> _Prior:
    """Return the prior of any periodic curve, from sinusoids to those of many harmonics."""
    order = np.maximum(np.arange(1, HARMONICS + 1) - 1, 1)
    deviations = max(deviation, 1e-4) / order * np.array(_ROUGHNESS)[:, None]
    deviations[:, 0] = max(deviation, 1e-4)
    spread = np.repeat(np.maximum(deviations, 1e-4), 2, axis=1)
    precision = np.zeros((len(_ROUGHNESS), 2 * HARMONICS + 1, 2 * HARMONICS + 1))
    precision[:, range(1, 2 * HARMONICS + 1), range(1, 2 * HARMONICS + 1)] = spread**-2.0
    precision[:, 0, 0] = 1e-4
    shape = (frequency.size, len(_ROUGHNESS))
    return _Prior(
        np.full(shape, -np.log(len(_ROUGHNESS))),
        np.zeros((*shape, 2 * HARMONICS + 1)),
        np.broadcast_to(precision, (frequency.size, *precision.shape)),
    )


def _integrate_bands(
    designs: Sequence[Floats], bands: Sequence[Points], priors: Sequence[_Prior]
) -> Floats:
    """Return the log evidence (c, k) of all bands, each with a design and priors of its own."""
    parts = [_integrate(*each) for each in zip(designs, bands, priors, strict=True)]
    return cast("Floats", sum(parts))


def _integrate(design: Floats, band: Points, prior: _Prior) -> Floats:
    """Return the log evidence (c, k) of the points at c frequencies under k priors."""
    _, mag, variance = band
    design = design[:, None]
    transposed = design.swapaxes(2, 3)
    pull = np.matmul(prior.precision, prior.mean[..., None])
    scale = np.full(prior.log_share.shape, 0.05 * float(np.var(mag)) + _NOISE_FLOOR**2)
    weight = np.ones((*scale.shape, mag.size))
    for _ in range(_ITERATIONS):
        precision = weight / (scale[..., None] * variance)
        normal = np.matmul(transposed * precision[:, :, None, :], design) + prior.precision
        target = np.matmul(transposed, (precision * mag)[..., None]) + pull
        solution = np.linalg.solve(normal, target)
        residual = mag - np.matmul(design, solution)[..., 0]
        square = residual**2 / variance
        # The coefficients that the points have to pay for are not those of the noise.
        paid = np.einsum("ckij,ckji->ck", np.linalg.inv(normal), normal - prior.precision)
        freedom = np.maximum(mag.size - paid, 1.0)
        scale = ((weight * square).sum(axis=2) + _NOISE_FLOOR**2) / (freedom + 1.0)
        weight = (FREEDOM + 1) / (FREEDOM + square / scale[..., None])
    away = solution[..., 0] - prior.mean
    log_prior = -0.5 * np.einsum("cki,ckij,ckj->ck", away, prior.precision, away)
    occam = np.linalg.slogdet(prior.precision)[1] - np.linalg.slogdet(normal)[1]
    log_evidence: Floats = _log_likelihood(square, scale, variance) + log_prior + 0.5 * occam
    return log_evidence


def _log_likelihood(square: Floats, scale: Floats, variance: Floats) -> Floats:
    """Return the log density of Student's t of all points, the squares divided by `variance`."""
    one = gammaln((FREEDOM + 1) / 2) - gammaln(FREEDOM / 2) - 0.5 * np.log(FREEDOM * np.pi)
    logs = one - 0.5 * (FREEDOM + 1) * np.log1p(square / (FREEDOM * scale[..., None]))
    logs = logs - 0.5 * np.log(scale[..., None] * variance)
    return cast("Floats", logs.sum(axis=2))
