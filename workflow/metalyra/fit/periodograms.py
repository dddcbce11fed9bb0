"""How well a light curve repeats at every frequency of a grid.

The periodogram is that of a Fourier series of a few harmonics (Schwarzenberg-Czerny 1996; the
``nterms`` of Lomb-Scargle periodograms), the higher of which are held back by a Gaussian
prior, as those of pulsating stars are: at half the frequency of a star only even harmonics
have power, and the prior makes them dear. (astropy's Lomb-Scargle has no such prior, and
solves one frequency after the other.)
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from numpy.polynomial.polynomial import polyval
from numpy.typing import NDArray
from scipy.fft import next_fast_len, rfft
from scipy.special import i0

from metalyra.core.arrays import Floats, Indices

Complexes: TypeAlias = NDArray[np.complex128]

OVERSAMPLING = 8
"""Frequencies of the grid within 1 / (time span)."""

LEAST_NOISE = 0.01
"""Noise (mag) below which no curve describes a star."""

_BATCH = 65_536
"""Frequencies that are solved at once."""


class Periodogram(NamedTuple):
    """What `measure_power` returns.

    Attributes
    ----------
    frequency : (m,)
        Equal steps (1 / d).
    power : (m,)
        Share of the variance that the held back series describes, 0 to 1.
    """

    frequency: Floats
    power: Floats


def make_frequencies(span: float, shortest: float, longest: float) -> Floats:
    """Return the frequencies (1 / d) between two periods (d) that a time span (d) resolves."""
    step = 1.0 / (OVERSAMPLING * span)
    first = np.floor(1.0 / (longest * step))
    last = np.ceil(1.0 / (shortest * step))
    return step * np.arange(first, last + 1)


def measure_power(
    time: Floats, mag: Floats, weight: Floats, frequency: Floats, harmonics: int, noise: float
) -> Periodogram:
    """Return the power of a Fourier series at every frequency.

    Parameters
    ----------
    time : (n,)
        Times (d).
    mag : (n,)
        Magnitudes.
    weight : (n,)
        Weights of the points, of mean 1.
    frequency : (m,)
        Equal steps (1 / d), as `make_frequencies` makes them.
    harmonics
        Of the series.
    noise
        Noise of a point of weight 1 relative to the amplitude of the star: the k-th harmonic is
        held back as if its amplitude were about 1 / k2 of the star's.
    """
    centred = mag - np.average(mag, weights=weight)
    total = float(np.sum(weight * centred**2))
    moments = sum_powers(time, weight, frequency, 2 * harmonics)
    data = sum_powers(time, weight * centred, frequency, harmonics)
    power = np.empty(frequency.size)
    for start in range(0, frequency.size, _BATCH):
        part = slice(start, start + _BATCH)
        power[part] = _solve(moments[:, part], data[:, part], float(weight.sum()), noise)[0]
    return Periodogram(frequency, power / total)


def measure_improvement(
    time: Floats,
    mag: Floats,
    weight: Floats,
    frequency: Floats,
    harmonics: int,
    noise: float,
    *,
    on_grid: bool = True,
) -> Floats:
    """Return by how much the log likelihood of a series exceeds that of a constant, (m,).

    Coefficients and noise are integrated over, so that what bands of few points and of many
    say can be added: Bayesian linear regression with conjugate priors (Bishop 2006, section
    3.5), where the noise is no less than `LEAST_NOISE`.

    Parameters
    ----------
    time, mag, weight, frequency, harmonics, noise
        Those of `measure_power`.
    on_grid
        Whether the frequencies have equal steps.
    """
    centred = mag - np.average(mag, weights=weight)
    least = mag.size * LEAST_NOISE**2
    constant = float(np.sum(weight * centred**2)) + least
    total = float(weight.sum())
    order = np.repeat(np.arange(1, harmonics + 1), 2)
    log_prior = 0.5 * float(np.log(total)) + float(np.log(noise * order**2).sum())
    sums = sum_powers if on_grid else _sum_powers_one_by_one
    moments = sums(time, weight, frequency, 2 * harmonics)
    data = sums(time, weight * centred, frequency, harmonics)
    improvement = np.empty(frequency.size)
    for start in range(0, frequency.size, _BATCH):
        part = slice(start, start + _BATCH)
        gain, root = _solve(moments[:, part], data[:, part], total, noise)
        share = np.maximum(constant - gain, least) / constant
        improvement[part] = log_prior - np.log(root) - 0.5 * (mag.size - 1) * np.log(share)
    return improvement


def sum_powers(time: Floats, weight: Floats, frequency: Floats, highest: int) -> Complexes:
    """Return sum_i w_i exp(2 pi i k f t_i) for k = 1 ... highest, (highest, m).

    A frequency is a coarse step and a fine one, ``f = f_a + f_b``; so the sums over the points
    are one product of two matrices, ``exp(2 pi i f_a t)`` and ``exp(2 pi i f_b t)``, exact and
    as fast as a transform on a grid unless there are thousands of points.
    """
    time = time - time.min()
    width = int(np.ceil(np.sqrt(frequency.size)))
    step = float(frequency[1] - frequency[0])
    coarse = np.exp(2j * np.pi * np.multiply.outer(frequency[::width], time))
    fine = np.exp(2j * np.pi * np.multiply.outer(time, step * np.arange(width)))
    left, right = coarse * weight, fine
    sums = np.empty((highest, frequency.size), dtype=complex)
    for k in range(highest):
        sums[k] = (left @ right).ravel()[: frequency.size]
        left, right = left * coarse, right * fine
    return sums


_TAPS = 10  # points of the grid that a time is spread over
_FINER = 1.5  # times as fine a grid as the highest frequency needs
_SHAPE = float(np.pi * np.sqrt((_TAPS * (1 - 0.5 / _FINER)) ** 2 - 0.8))

_SPREAD = Chebyshev.interpolate(
    lambda inside: i0(_SHAPE * np.sqrt(inside)), 13, domain=[0, 1]
).convert(kind=Polynomial)
"""The Kaiser-Bessel kernel by 1 - distance^2, off by 1e-8 of its maximum.

A Bessel function of the order 0 is an entire function of the square of its argument; its
polynomial takes a fraction of its time.
"""


def sum_waves(
    time: Floats, weights: Sequence[Floats], step: float, highest: int
) -> list[Complexes]:
    """Return sum_i w_i exp(2 pi i k l step t_i) for k = 0 ... highest, (r_l, highest + 1).

    A fast Fourier transform of the weights, spread over a regular grid with a Kaiser-Bessel
    kernel that is divided out again (Jackson et al. 1991; shaped as by Beatty et al. 2005). The
    error is below 1e-7 of the sum of the sizes of the weights. Unlike `sum_powers`, it hardly
    takes longer with more points, but it needs memory for all steps from zero.

    Parameters
    ----------
    time : (n,)
        Times (d).
    weights
        Of the points, (r_l, n), for l = 1, 2, ...: the frequencies of the second ones are twice
        those of the first, and so on.
    step
        Of the frequencies (1 / d) for l = 1.
    highest
        Multiple of the step.
    """
    size = next_fast_len(int(2 * _FINER * (highest + 1)), real=True)
    place = np.multiply.outer(np.arange(1, len(weights) + 1), (time - time.min()) * (step * size))
    cells = np.ceil(place - _TAPS / 2)[..., None] + np.arange(_TAPS)
    distance = (cells - place[..., None]) / (_TAPS / 2)
    kernels = polyval(np.maximum(1 - distance**2, 0.0), _SPREAD.coef)
    folded = cells.astype(np.intp) % size
    grids = np.array(
        [
            np.bincount(cell.ravel(), (kernel * row[:, None]).ravel(), size)
            for rows, kernel, cell in zip(weights, kernels, folded, strict=True)
            for row in rows
        ]
    )
    waves: Complexes = rfft(grids)[:, : highest + 1].conj()
    waves *= _weigh_waves(size, highest)
    ends = np.cumsum([len(rows) for rows in weights]).tolist()
    return [waves[end - len(rows) : end] for rows, end in zip(weights, ends, strict=True)]


@lru_cache(maxsize=8)  # stars of a survey may have the same
def _weigh_waves(size: int, highest: int) -> Floats:
    """Return what divides the kernel of `sum_waves` out again, (highest + 1,)."""
    root = np.sqrt(_SHAPE**2 - (np.pi * _TAPS / size * np.arange(highest + 1)) ** 2)
    weights: Floats = root / (_TAPS * np.sinh(root))
    return weights


def _sum_powers_one_by_one(
    time: Floats, weight: Floats, frequency: Floats, highest: int
) -> Complexes:
    """Return what `sum_powers` does, at any frequencies."""
    waves = np.exp(2j * np.pi * np.multiply.outer(frequency, time - time.min()))
    return np.stack([waves**k @ weight for k in range(1, highest + 1)])


def _solve(
    moments: Complexes, data: Complexes, total: float, noise: float
) -> tuple[Floats, Floats]:
    """Return by how much the series lowers the sum of squares at each frequency (m,).

    And the root of the determinant of the normal equations.

    The normal equations of ``1, cos, sin, cos 2, ...`` are made of the moments, and solved
    by a Cholesky decomposition of all frequencies at once.
    """
    harmonics, m = data.shape
    size = 2 * harmonics + 1
    matrix = np.zeros((size, size, m))
    vector = np.zeros((size, m))
    matrix[0, 0] = total
    power = np.concatenate([np.full((1, m), total, dtype=complex), moments])
    for j in range(1, harmonics + 1):
        matrix[2 * j - 1, 0], matrix[2 * j, 0] = moments[j - 1].real, moments[j - 1].imag
        vector[2 * j - 1], vector[2 * j] = data[j - 1].real, data[j - 1].imag
        for k in range(1, j + 1):
            plus, minus = power[j + k], power[j - k]
            matrix[2 * j - 1, 2 * k - 1] = (minus.real + plus.real) / 2
            matrix[2 * j, 2 * k] = (minus.real - plus.real) / 2
            matrix[2 * j, 2 * k - 1] = (plus.imag + minus.imag) / 2
            if k < j:
                matrix[2 * j - 1, 2 * k] = (plus.imag - minus.imag) / 2
        held = (noise * j**2) ** 2 if j > 1 else noise**2
        matrix[2 * j - 1, 2 * j - 1] += held
        matrix[2 * j, 2 * j] += held
    return eliminate(matrix, vector, 1e-12 * total)


def eliminate(matrix: Floats, vector: Floats, least: float) -> tuple[Floats, Floats]:
    """Return ``v N^-1 v`` and the root of the determinant of m normal matrices.

    By a Cholesky decomposition of all of them at once, whose work overwrites the arguments.

    Parameters
    ----------
    matrix : (d, d, m)
        Of which the lower triangle is read.
    vector : (d, m)
        Right-hand sides.
    least
        Of the squared diagonal of the factor, below which it is taken for that.
    """
    gain, root = np.zeros(vector.shape[1]), np.ones(vector.shape[1])
    for row in range(vector.shape[0]):
        for column in range(row):
            for inner in range(column):
                matrix[row, column] -= matrix[row, inner] * matrix[column, inner]
            matrix[row, column] /= matrix[column, column]
            matrix[row, row] -= matrix[row, column] ** 2
            vector[row] -= matrix[row, column] * vector[column]
        matrix[row, row] = np.sqrt(np.maximum(matrix[row, row], least))
        vector[row] /= matrix[row, row]
        gain += vector[row] ** 2
        root *= matrix[row, row]
    return gain, root


def find_peaks(periodogram: Periodogram, number: int) -> Indices:
    """Return the places of the highest peaks, the highest first."""
    power = periodogram.power
    inner = (power[1:-1] >= power[:-2]) & (power[1:-1] > power[2:])
    peaks = np.flatnonzero(inner) + 1
    if peaks.size > number:
        peaks = peaks[np.argpartition(-power[peaks], number)[:number]]
    return peaks[np.argsort(-power[peaks], kind="stable")]
