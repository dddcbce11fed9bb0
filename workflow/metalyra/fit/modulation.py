"""How the light curve of a star changes: its period, and its amplitude and phase (Blazhko).

Both are read from the residuals of the mean curve m(phase). A phase that runs ahead by x leaves
residuals of ``x dm/dphase``, an amplitude larger by a share y residuals of ``y (m - m0)``. A period
that changes makes x grow with the square of time; the Blazhko effect makes x and y sinusoids.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import betainc

from metalyra.core.arrays import Floats
from metalyra.core.phase_differences import wrap_cycles
from metalyra.fit.folding import FoldedCurve
from metalyra.fit.periodograms import Complexes, eliminate, make_frequencies, sum_waves

FASTEST = 5.0
"""Shortest period (d) of a modulation that is looked for; the longest is the time span."""

_FEWEST = 30  # points
_MOST = 3000  # points, of a long light curve
_DAYS_PER_MYR = 365.25e6
_SIGNIFICANT = 5.0  # standard deviations of a period change that is flagged
_FALSE_ALARM = 1e-3  # of a modulation that is flagged
_LEAST_SHIFT = 0.003  # cycles, over the time span or of a modulation, below which none is flagged
_LEAST_AMPLITUDE = 0.02  # relative, likewise
_GOLDEN = 0.6180339887498949

VARIATIONS = ("period_change", "modulation")
"""What the column `variation` may say, both with a space between them."""


class Variation(NamedTuple):
    """How the light curve of a star changes; NaN where it is unknown.

    Attributes
    ----------
    period_change, period_change_err
        dP/dt (d / Myr).
    modulation_period
        Of the most significant modulation (d).
    modulation_amplitude
        Of the amplitude, relative to it.
    modulation_phase
        Of the phase (cycles).
    modulation_false_alarm
        Probability that noise looks like a modulation of any period.
    variation
        Those of `VARIATIONS` that are significant.
    """

    period_change: float = np.nan
    period_change_err: float = np.nan
    modulation_period: float = np.nan
    modulation_amplitude: float = np.nan
    modulation_phase: float = np.nan
    modulation_false_alarm: float = np.nan
    variation: str = ""


def measure_variation(folded: FoldedCurve, coefficients: Floats, harmonics: Floats) -> Variation:
    """Return how the light curve of a star changes with time.

    Parameters
    ----------
    folded
        The star, with the times of its points. One whose points came folded, or that has
        fewer than 30 within less than 50 d, is unknown.
    coefficients : (2 J + 1,)
        Of the mean curve at the phases of `folded`.
    harmonics : (n, 2 J + 1)
        Of `evaluate_harmonics`, at the phases of the points that are kept.
    """
    kept = folded.fit.kept
    time = folded.curve.time[kept]
    if folded.curve.phase is not None or time.size < _FEWEST:
        return Variation()
    span = float(np.ptp(time))
    if span < 10 * FASTEST:
        return Variation()
    time, mag = time - time.min(), folded.curve.mag[kept]
    if time.size > _MOST:
        some = np.flatnonzero(wrap_cycles(np.arange(time.size) * _GOLDEN) < _MOST / time.size)
        time, mag, harmonics = time[some], mag[some], harmonics.T[:, some].T
    order = np.arange(1, coefficients.size // 2 + 1)
    turned = np.zeros_like(coefficients)
    turned[1::2] = -2 * np.pi * order * coefficients[2::2]
    turned[2::2] = 2 * np.pi * order * coefficients[1::2]
    curve = harmonics[:, 1:] @ coefficients[1:]
    slope = harmonics @ turned
    residuals = mag - coefficients[0] - curve
    scale = 1.4826 * float(np.median(np.abs(residuals))) + 1e-4
    weight = 1.0 / (1.0 + (residuals / (4 * scale)) ** 2)

    shift, error, remainder = _measure_drift(time, slope, residuals, weight)
    to_period = -8 * folded.period**2 / span**2 * _DAYS_PER_MYR
    frequency = make_frequencies(span, FASTEST, span)
    best, amplitudes, false_alarm = _find_modulation(
        time, np.stack([curve, slope]), remainder, weight, frequency
    )
    changes = abs(shift) > max(_SIGNIFICANT * error, _LEAST_SHIFT)
    large = amplitudes[0] > _LEAST_AMPLITUDE or amplitudes[1] > _LEAST_SHIFT
    flags = (changes, false_alarm < _FALSE_ALARM and large)
    return Variation(
        to_period * shift,
        abs(to_period) * error,
        1.0 / best,
        *amplitudes,
        false_alarm,
        " ".join(name for name, flag in zip(VARIATIONS, flags, strict=True) if flag),
    )


def _measure_drift(
    time: Floats, slope: Floats, residuals: Floats, weight: Floats
) -> tuple[float, float, Floats]:
    """Return the phase (cycles) at both ends ahead of the middle, its error, and what is left.

    The line through the drift is that of a wrong mean period, and no change of it.
    """
    moment = 2 * time / time.max() - 1
    design = slope[:, None] * np.stack([np.ones(time.size), moment, moment**2], axis=1)
    weighted = design * weight[:, None]
    covariance = np.linalg.inv(weighted.T @ design + 1e-9 * np.eye(3))
    drift = covariance @ (weighted.T @ residuals)
    remainder = residuals - design @ drift
    freedom = max(float(weight.sum()) - 3, 1.0)
    variance = float(np.sum(weight * remainder**2)) / freedom
    return float(drift[2]), float(np.sqrt(variance * covariance[2, 2])), remainder


def _find_modulation(
    time: Floats, columns: Floats, residuals: Floats, weight: Floats, frequency: Floats
) -> tuple[float, tuple[float, float], float]:
    """Return frequency (1 / d), amplitudes (2) and false-alarm probability of a modulation.

    Parameters
    ----------
    columns : (2, n)
        Residuals that an amplitude larger by its whole, and a phase of one cycle, leave.
    frequency : (m,)
        Of `make_frequencies` (1 / d).
    """
    step = float(frequency[1] - frequency[0])
    first, last = (round(float(end) / step) for end in frequency[[0, -1]])
    weighted = weight * columns
    products = np.stack([weighted[i] * columns[j] for i, j in _PAIRS])
    waves = sum_waves(time, [weighted * residuals, products], step, last)
    pull, twice = (part[:, first:] for part in waves)
    totals = products.sum(axis=1)
    gain, _ = eliminate(*_make_equations(pull, twice, totals))
    power = gain / float(np.sum(weight * residuals**2))
    place = int(np.argmax(power))
    here = slice(place, place + 1)
    normal, vector, _ = _make_equations(pull[:, here], twice[:, here], totals)
    solution = np.linalg.solve(normal[:, :, 0], vector[:, 0])
    amplitudes = np.hypot(solution[0::2], solution[1::2])
    freedom = max(time.size - 8, 1)
    single = betainc(freedom / 2, 2.0, 1.0 - min(max(float(power[place]), 0.0), 1.0))
    trials = 2 * float(np.ptp(time)) * float(np.ptp(frequency))
    false_alarm = float(-np.expm1(trials * np.log1p(-min(single, 1 - 1e-16))))
    return float(frequency[place]), (float(amplitudes[0]), float(amplitudes[1])), false_alarm


_PAIRS = ((0, 0), (1, 0), (1, 1))


def _make_equations(
    pull: Complexes, twice: Complexes, totals: Floats
) -> tuple[Floats, Floats, float]:
    """Return what `eliminate` needs to solve for sinusoids of two columns at m frequencies.

    Parameters
    ----------
    pull : (2, m)
        Sums of the columns times the residuals, as waves.
    twice : (3, m)
        Sums of the products of `_PAIRS` of columns, as waves of twice the frequency.
    totals : (3,)
        The sums of these products.
    """
    blocks = np.empty((2, 2, 2, 2, pull.shape[1]))  # column and wave, twice
    halves, waves = totals[:, None] / 2, twice / 2
    same, opposite, mixed = halves + waves.real, halves - waves.real, waves.imag
    for pair, (i, j) in enumerate(_PAIRS):
        for block in (blocks[i, :, j], blocks[j, :, i]):
            block[0, 0], block[1, 1] = same[pair], opposite[pair]
            block[0, 1] = block[1, 0] = mixed[pair]
    normal = blocks.reshape(4, 4, -1)
    vector = np.empty((4, pull.shape[1]))
    vector[0::2], vector[1::2] = pull.real, pull.imag
    ridge = 1e-3 * float(totals[0] + totals[2]) / 4
    normal[range(4), range(4)] += ridge
    return normal, vector, ridge
