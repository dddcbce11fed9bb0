"""RR Lyrae stars as Fourier series whose shapes follow from period and [Fe/H].

The series are sine series of magnitudes, m = m0 + sum A_k sin(2 pi k t/P + phi_k) with
phi_k1 = phi_k - k phi_1. A shape parameter is linear in the period, the metallicity and
the first amplitude, with the coefficients of robust regressions on real light curves:

* RRab, I: 44 ASAS stars of the CHR table of Dékány et al. (2021) with S/N > 150
  (mirror ``dekany_2021_ifeh``), eight harmonics, [Fe/H] by D21 from the table's columns.
* RRab, G: 2,526 Gaia DR2 curves of the development set of Dékány & Grebel (2022) with at
  least 25 epochs and S/N > 50 (``lc_dev_g.tar.gz``, ``g_dev_reconstructed.csv``).
* RRab, Ks: 1,885 VVV curves with S/N > 65 (``lc_target_k.tar.gz``), [Fe/H] by the ten
  published Ks networks.
* RRc, I: 5,723 Magellanic stars of OGLE with S/N > 100 (``o4rrc_lmc+smc_gpr_param.dat``).
* RRc, G: 851 stars of the LMC table of Muraveva et al. (2025).

One parameter a star then follows from the metallicity relation itself, so that the
relation holds with `RELATION_SCATTER`: phi31 of the D21 relation for RRab, A2 of the D21
and Muraveva relations for RRc, where phi31 is too weak a lever.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RELATION_SCATTER = 0.03
"""Scatter of the true [Fe/H] about the relation of its light curve (dex)."""

_REFERENCE_PERIOD = {"RRab": 0.58, "RRc": 0.32}
_REFERENCE_FEH = -1.4


@dataclass(frozen=True)
class FourierCurve:
    """Noiseless light curve of one star in one band.

    Attributes
    ----------
    mean
        Mean magnitude m0.
    amplitudes, phases
        A_k (mag) and phi_k (rad), shape (K,).
    """

    mean: float
    amplitudes: NDArray[np.float64]
    phases: NDArray[np.float64]

    def magnitude(self, phase: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the magnitudes at pulsation phases of any shape."""
        harmonics = np.arange(1, len(self.amplitudes) + 1)
        angle = 2 * np.pi * harmonics * np.asarray(phase)[..., np.newaxis] + self.phases
        return self.mean + np.sin(angle) @ self.amplitudes

    def phase_difference(self, harmonic: int, centre: float) -> float:
        """Return phi_k1 (rad) in the 2 pi window centred on `centre`."""
        difference = self.phases[harmonic - 1] - harmonic * self.phases[0]
        return float((difference - centre + np.pi) % (2 * np.pi) + centre - np.pi)

    def amplitude_ratio(self, harmonic: int) -> float:
        """Return R_k1 = A_k / A_1."""
        return float(self.amplitudes[harmonic - 1] / self.amplitudes[0])

    def brightest_phase(self) -> float:
        """Return the phase of maximum light, to 0.001."""
        grid = np.arange(0, 1, 0.001)
        return float(grid[np.argmin(self.magnitude(grid))])

    def peak_to_peak(self) -> float:
        """Return the amplitude (mag) from maximum to minimum light."""
        return float(np.ptp(self.magnitude(np.arange(0, 1, 0.001))))


@dataclass(frozen=True)
class Star:
    """A pulsating star as it is, before anybody observes it.

    Attributes
    ----------
    pulsation_type
        RRab or RRc.
    feh
        True [Fe/H] (dex).
    period
        Pulsation period (d).
    epoch
        Julian date at which the phase is 0 in all bands.
    curves
        Light curve by band.
    """

    pulsation_type: str
    feh: float
    period: float
    epoch: float
    curves: Mapping[str, FourierCurve]

    def phase(self, julian_date: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the pulsation phase in [0, 1) at Julian dates."""
        return (julian_date - self.epoch) / self.period % 1.0


@dataclass(frozen=True)
class _Shape:
    """How the curves of a band depend on the star.

    Rows of coefficients are (constant, per day of period, per dex of [Fe/H], last): the
    last of `first_amplitude` multiplies the star's standard normal deviate, which its
    bands share, and that of `ratios` (R_k1, k = 2...) and `phases` (phi_k1, k = 2...)
    multiplies the first amplitude minus `reference_amplitude`.

    `ratio_scatter` and `phase_scatter` are intrinsic. The scatter of the regressions
    (0.03 in R21 and 0.04 to 0.05 rad in phi21 and phi31 for the least noisy of them, ASAS)
    also has the errors of the measurements in it.
    """

    first_amplitude: tuple[float, float, float, float]
    reference_amplitude: float
    ratios: tuple[tuple[float, float, float, float], ...]
    phases: tuple[tuple[float, float, float, float], ...]
    ratio_scatter: float
    phase_scatter: float
    phase_lag: float


_RRAB_SHAPES = {
    "I": _Shape(
        first_amplitude=(0.193, -0.431, -0.047, 0.030),
        reference_amplitude=0.20,
        ratios=(
            (0.512, 0.307, 0.087, 0.678),
            (0.310, -0.289, -0.039, 0.638),
            (0.187, -0.073, -0.017, 0.984),
            (0.108, -0.101, -0.007, 0.744),
            (0.065, -0.047, 0.001, 0.531),
            (0.042, -0.087, -0.011, 0.170),
            (0.032, 0.045, 0.010, 0.121),
        ),
        phases=(
            (9.189, 2.431, 0.362, -1.523),
            (6.010, 4.891, 0.727, -3.033),
            (9.173, 7.089, 1.020, -5.382),
            (12.274, 9.638, 1.268, -6.298),
            (15.569, 11.006, 1.511, -14.852),
            (18.598, 11.718, 1.559, -18.037),
            (21.757, 14.853, 2.252, -20.562),
        ),
        ratio_scatter=0.02,
        phase_scatter=0.03,
        phase_lag=0.0,
    ),
    "G": _Shape(
        first_amplitude=(0.241, -0.721, -0.088, 0.040),
        reference_amplitude=0.28,
        ratios=(
            (0.506, 0.236, 0.056, 0.535),
            (0.320, -0.207, -0.030, 0.397),
            (0.189, -0.228, -0.034, 0.448),
            (0.111, -0.248, -0.036, 0.287),
            (0.067, -0.158, -0.021, 0.115),
        ),
        phases=(
            (8.930, 2.012, 0.299, -0.868),
            (5.542, 3.839, 0.585, -1.888),
            (8.489, 5.525, 0.805, -3.785),
            (11.415, 6.564, 0.890, -5.955),
            (14.263, 6.756, 0.990, -8.562),
        ),
        ratio_scatter=0.02,
        phase_scatter=0.03,
        phase_lag=0.1,
    ),
    "Ks": _Shape(
        first_amplitude=(0.115, -0.095, -0.022, 0.014),
        reference_amplitude=0.12,
        ratios=(
            (0.354, -0.836, -0.160, 0.608),
            (0.210, -0.834, -0.174, 0.197),
            (0.115, -0.550, -0.109, 0.042),
            (0.047, -0.181, -0.038, -0.269),
        ),
        phases=(
            (10.448, 3.098, 0.656, -1.091),
            (8.248, 7.048, 1.444, -2.345),
            (12.323, 11.798, 2.202, -4.996),
            (16.080, 11.387, 1.966, -5.282),
        ),
        ratio_scatter=0.02,
        phase_scatter=0.04,
        phase_lag=-0.5,
    ),
}
"""The lags of phi_1 behind I are typical of RR Lyrae; nothing that is tested depends on them."""

_RRC_SHAPES = {
    "I": _Shape(
        first_amplitude=(0.135, -0.120, -0.016, 0.014),
        reference_amplitude=0.135,
        ratios=((0.0, 0.0, 0.0, 0.0), (0.071, -0.023, -0.011, 0.0)),
        phases=((9.624, 4.441, 0.246, 0.0), (7.084, 14.522, 1.502, 0.0)),
        ratio_scatter=0.01,
        phase_scatter=0.25,
        phase_lag=0.0,
    ),
    "G": _Shape(
        first_amplitude=(0.205, -0.571, -0.074, 0.015),
        reference_amplitude=0.205,
        ratios=((0.0, 0.0, 0.0, 0.0), (0.103, -0.302, -0.021, 0.0)),
        # Cosine series of the table, minus pi/2 (phi21) and plus pi (phi31).
        phases=(
            (4.737 - np.pi / 2, 4.458, 0.381, 0.0),
            (3.496 + np.pi, 18.037, 2.132, 0.0),
        ),
        ratio_scatter=0.01,
        phase_scatter=0.25,
        phase_lag=0.1,
    ),
}
"""R21 is a placeholder: A2 follows from the relation."""

_RRC_SECOND_AMPLITUDE = {"I": (0.004, 0.064), "G": (0.010, 0.095)}
"""Range of A2 (mag) in the tables the shapes come from."""


def draw_metallicity(rng: np.random.Generator) -> float:
    """Draw [Fe/H] (dex) from the distribution of RR Lyrae towards the bulge.

    A main peak, a metal-poor wing and a metal-rich tail with the quartiles of the Ks
    targets of Dékány & Grebel (2022) (-1.55, -1.38, -1.28) in the peak, and wings that
    reach the ends of their development sets (quartiles in G -1.80, -1.51, -1.32).
    """
    means, deviations = (-1.40, -1.85, -0.85), (0.20, 0.30, 0.30)
    while True:
        component = rng.choice(3, p=(0.55, 0.28, 0.17))
        feh = rng.normal(means[component], deviations[component])
        if -2.4 < feh < -0.2:
            return float(feh)


def draw_rrab(rng: np.random.Generator, mean_magnitudes: Mapping[str, float]) -> Star:
    """Draw an RRab star with light curves in I, G and Ks.

    Parameters
    ----------
    rng
        Generator of the star.
    mean_magnitudes
        Mean magnitude by band; only these bands get a curve.
    """
    feh = draw_metallicity(rng)
    period = _draw_between(rng, 0.55 - 0.12 * (feh - _REFERENCE_FEH), 0.055, 0.38, 0.86)
    deviate = np.clip(rng.standard_normal(), -2, 2)
    offset = rng.normal(0, RELATION_SCATTER)
    epoch = 2457000.0 + rng.uniform(0, period)
    curves = {}
    for band, shape in _RRAB_SHAPES.items():
        curve = _draw_curve(rng, shape, "RRab", feh, period, deviate)
        if band == "I":
            curve = _follow_d21(curve, feh + offset, period)
        curves[band] = curve
    return Star("RRab", feh, period, epoch, _with_means(curves, mean_magnitudes))


def draw_rrc(rng: np.random.Generator, mean_magnitudes: Mapping[str, float]) -> Star:
    """Draw an RRc star with light curves in I and G; see `draw_rrab` for the parameters.

    Period, phi31 and A1 are drawn until A2, which then follows from the relations of
    both bands, is one that real stars have.
    """
    feh = _draw_between(rng, -1.6, 0.35, -2.4, -0.5)
    offset = rng.normal(0, RELATION_SCATTER)
    while True:
        period = _draw_between(rng, 0.312 - 0.066 * (feh - _REFERENCE_FEH), 0.031, 0.22, 0.45)
        deviate = np.clip(rng.standard_normal(), -2, 2)
        curves = {}
        for band, shape in _RRC_SHAPES.items():
            curve = _draw_curve(rng, shape, "RRc", feh, period, deviate)
            curves[band] = _follow_rrc_relation(curve, band, feh + offset, period)
        if all(
            low < curves[band].amplitudes[1] < high
            for band, (low, high) in _RRC_SECOND_AMPLITUDE.items()
        ):
            break
    epoch = 2457000.0 + rng.uniform(0, period)
    return Star("RRc", feh, period, epoch, _with_means(curves, mean_magnitudes))


def _draw_between(
    rng: np.random.Generator, mean: float, deviation: float, low: float, high: float
) -> float:
    """Draw from a normal distribution cut at both ends."""
    while True:
        value = rng.normal(mean, deviation)
        if low < value < high:
            return float(value)


def _draw_curve(
    rng: np.random.Generator,
    shape: _Shape,
    pulsation_type: str,
    feh: float,
    period: float,
    deviate: float,
) -> FourierCurve:
    """Draw the series of one band, with mean 0."""
    period_offset = period - _REFERENCE_PERIOD[pulsation_type]
    feh_offset = feh - _REFERENCE_FEH
    first = max(np.dot(shape.first_amplitude, (1, period_offset, feh_offset, deviate)), 0.04)
    inputs = np.array([1, period_offset, feh_offset, first - shape.reference_amplitude])
    ratios = np.array(shape.ratios) @ inputs + rng.normal(0, shape.ratio_scatter)
    differences = np.array(shape.phases) @ inputs
    harmonics = np.arange(2, len(differences) + 2)
    differences += rng.normal(0, shape.phase_scatter) * (harmonics - 1) / 2
    return FourierCurve(
        mean=0.0,
        amplitudes=first * np.concatenate([[1], np.maximum(ratios, 0.005)]),
        phases=np.concatenate(
            [[shape.phase_lag], differences + harmonics * shape.phase_lag],
        ),
    )


def _follow_d21(curve: FourierCurve, feh: float, period: float) -> FourierCurve:
    """Shift the phases of an I-band RRab curve to give [Fe/H] by Dékány et al. (2021).

    [Fe/H] = -5.819 - 6.350 P + 5.785 A2 + 1.248 phi31. The higher phases go along.
    """
    phi31 = (feh + 5.819 + 6.350 * period - 5.785 * curve.amplitudes[1]) / 1.248
    shift = phi31 - (curve.phases[2] - 3 * curve.phases[0])
    harmonics = np.arange(1, len(curve.phases) + 1)
    shifts = np.where(harmonics >= 3, shift * (harmonics - 1) / 2, 0.0)
    return FourierCurve(curve.mean, curve.amplitudes, curve.phases + shifts)


def _follow_rrc_relation(curve: FourierCurve, band: str, feh: float, period: float) -> FourierCurve:
    """Give an RRc curve the A2 that makes [Fe/H] by the relation of its band.

    I, Dékány et al. (2021), sine series:
    [Fe/H] = -1.821 - 10.014 P + 13.835 A1 - 34.704 A2 + 0.325 phi31.
    G, Muraveva et al. (2025), cosine series (phi31 smaller by pi):
    [Fe/H] = 0.80 - 8.54 P + 0.23 phi31 - 9.34 A2.
    """
    first, _, third = curve.amplitudes
    phi31 = curve.phases[2] - 3 * curve.phases[0]
    if band == "I":
        rest = -1.821 - 10.014 * period + 13.835 * first + 0.325 * phi31
        second = (rest - feh) / 34.704
    else:
        rest = 0.80 - 8.54 * period + 0.23 * (phi31 - np.pi)
        second = (rest - feh) / 9.34
    return FourierCurve(curve.mean, np.array([first, second, third]), curve.phases)


def _with_means(
    curves: Mapping[str, FourierCurve], means: Mapping[str, float]
) -> dict[str, FourierCurve]:
    """Move the curves to their mean magnitudes, dropping the bands that have none."""
    return {
        band: FourierCurve(mean, curves[band].amplitudes, curves[band].phases)
        for band, mean in means.items()
    }
