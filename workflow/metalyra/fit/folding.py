"""From the light curve of a star to the points of its best aperture, folded and aligned.

What is no measurement of an RR Lyrae star (`PLAUSIBLE_MAGNITUDES`, `FARTHEST_MAGNITUDE`,
`PLAUSIBLE_ERRORS`) counts as missing, whatever number an archive writes for that.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from metalyra.core.arrays import Booleans, Floats, Indices
from metalyra.core.phase_differences import wrap_cycles
from metalyra.fit.columns import CURVE_POINTS
from metalyra.fit.failures import LightCurveError
from metalyra.fit.fourier import (
    RobustFit,
    amplitudes_and_phases,
    fit_robustly,
    harmonics_on_grid,
    measure_phase_coverage,
)
from metalyra.fit.settings import FitSettings

PLAUSIBLE_MAGNITUDES = (-20.0, 35.0)
"""Magnitudes that a star can have.

From instrumental ones of 1e8 counts, by way of centred ones, to beyond the faintest sources ever
measured. What is outside (99.999, -999, most fluxes) stands for no magnitude.
"""

FARTHEST_MAGNITUDE = 5.0
"""Distance (mag) from a star's median beyond which a magnitude is not that of a pulsating star.

RR Lyrae stars vary by less than 2 mag. It finds sentinels among the plausible magnitudes, -9.99
or 0. No point of the mirror's light curves is farther than 1.2 mag.
"""

PLAUSIBLE_ERRORS = (1e-6, 5.0)
"""Errors (mag) that a magnitude can have: what is outside (0, -1, 9.999, 1e300) is unknown.

The smaller would take 1e12 photons; with the larger there is no detection.
"""


class ObservedCurve(NamedTuple):
    """Points as a survey gives them, of one star unless said otherwise.

    `time` is the phase of points that others have folded; what is no number is NaN. `aperture`
    is None where the survey has only one.
    """

    time: Floats
    mag: Floats
    mag_err: Floats
    aperture: Floats | None = None

    def take(self, places: Indices | Booleans | slice) -> "ObservedCurve":
        """Return some of the points."""
        aperture = None if self.aperture is None else self.aperture[places]
        return ObservedCurve(self.time[places], self.mag[places], self.mag_err[places], aperture)


class CleanCurve(NamedTuple):
    """The usable epochs of one star in one aperture, in time order.

    A light curve that came folded has its published `phase`, which stands for the time
    in units of the period.
    """

    time: Floats
    mag: Floats
    mag_err: Floats
    phase: Floats | None = None


class FoldedCurve(NamedTuple):
    """One star between its robust fit and its Gaussian process.

    `phase` (n,) is aligned by phi_1 of the robust fit.
    """

    curve: CleanCurve
    aperture: int
    period: float
    epoch: float
    fit: RobustFit
    phase: Floats
    phase_shift: float

    def measure_coverage_of_two_periods(self) -> float:
        """Return the phase coverage at twice the period; NaN if the times are unknown."""
        if self.curve.phase is not None:
            return np.nan
        phase = (self.curve.time - self.epoch) / (2 * self.fit.period)
        return measure_phase_coverage(phase[self.fit.kept])


def split_places(group: ArrayLike) -> list[Indices]:
    """Return the places of the rows of each group, whose numbers (n,) run from 0."""
    numbers = np.asarray(group)
    order = np.argsort(numbers, kind="stable")
    inner = np.arange(1, 1 + numbers.max(initial=-1))
    return np.split(order, np.searchsorted(numbers[order], inner)) if order.size else []


def read_points(light_curves: pd.DataFrame, published_phases: bool = False) -> ObservedCurve:
    """Return the points of a table of light curves, of any number of stars, in its order.

    Parameters
    ----------
    light_curves
        Columns ``time``, ``mag`` and ``mag_err``, and ``aperture`` where the survey has
        several; the zero-point error ``zp_err`` is added to the error where it has one.
    published_phases
        The points were folded by others: take their column ``phase``.
    """

    def read(name: str) -> Floats:
        return pd.to_numeric(light_curves[name], errors="coerce").to_numpy(float, na_value=np.nan)

    error = read("mag_err")
    if "zp_err" in light_curves:
        error = np.hypot(error, np.nan_to_num(read("zp_err"), posinf=np.inf))
    time = read("phase" if published_phases else "time")
    aperture = read("aperture") if "aperture" in light_curves else None
    return ObservedCurve(time, read("mag"), error, aperture)


def clean_curve(
    points: ObservedCurve, min_epochs: int, published_phases: bool = False
) -> CleanCurve:
    """Return the usable epochs: finite, plausible, and each once.

    Errors that cannot be ones are NaN.

    Parameters
    ----------
    points
        Of one star in one aperture.
    min_epochs
        Least number of usable epochs.
    published_phases
        The points were folded and cleaned by others: their times are phases; keep what looks
        repeated.

    Raises
    ------
    LightCurveError
        ``too_few_epochs`` or ``constant_magnitude``.
    """
    usable = np.isfinite(points.time) & is_magnitude(points.mag)
    time, mag, error = points.time[usable], points.mag[usable], points.mag_err[usable]
    lowest, highest = PLAUSIBLE_ERRORS
    error[~((error >= lowest) & (error <= highest))] = np.nan
    if not (np.diff(time) > 0).all():
        order = np.lexsort((mag, time))
        time, mag, error = time[order], mag[order], error[order]
        if not published_phases:
            once = np.ones(time.size, dtype=bool)
            once[1:] = (np.diff(time) != 0) | (np.diff(mag) != 0)
            time, mag, error = time[once], mag[once], error[once]
    if time.size < min_epochs:
        raise LightCurveError(
            "too_few_epochs", f"{time.size} usable epochs; at least {min_epochs} are needed"
        )
    if np.ptp(mag) == 0:
        raise LightCurveError("constant_magnitude", f"all {mag.size} magnitudes are {mag[0]:.6g}")
    return CleanCurve(time, mag, error, time if published_phases else None)


def is_magnitude(mag: Floats) -> Booleans:
    """Return which numbers ``(n,)`` can be magnitudes of one RR Lyrae star."""
    lowest, highest = PLAUSIBLE_MAGNITUDES
    plausible = (mag >= lowest) & (mag <= highest)
    found = mag[plausible]
    # Where all are close to each other, they are close to their median.
    if found.size and np.ptp(found) > FARTHEST_MAGNITUDE:
        plausible &= np.abs(mag - np.median(found)) <= FARTHEST_MAGNITUDE
    return plausible


def fold_curve(
    curve: CleanCurve,
    aperture: int,
    period: float,
    pulsation_type: str,
    settings: FitSettings,
    rng: np.random.Generator,
) -> FoldedCurve:
    """Fit the Fourier series of one light curve, and fold and align it.

    Raises
    ------
    LightCurveError
        ``fit_failed``.
    """
    regression = settings.regression_of(pulsation_type)
    folded_already = curve.phase is not None
    epoch = 0.0 if folded_already else float(curve.time[0])
    time = curve.time - epoch
    try:
        fit = fit_robustly(time, curve.mag, 1.0 if folded_already else period, regression, rng)
    except np.linalg.LinAlgError as error:
        raise LightCurveError("fit_failed") from error
    if not (0 < fit.sigma < np.inf and 0 < fit.period < np.inf):
        raise LightCurveError("fit_failed")
    if (kept := np.count_nonzero(fit.kept)) < settings.min_epochs:
        raise LightCurveError(
            "too_few_epochs",
            f"{kept} of {len(curve.time)} epochs are kept by the fit; at least "
            f"{settings.min_epochs} are needed",
        )
    if curve.phase is not None:
        return FoldedCurve(curve, aperture, period, epoch, fit, wrap_cycles(curve.phase), 0.0)
    _, phases = amplitudes_and_phases(fit.coefficients)
    shift = float(phases[0] / (2 * np.pi))
    phase = wrap_cycles(time / fit.period + shift)
    return FoldedCurve(curve, aperture, fit.period, epoch, fit, phase, shift)


def measure_direct_snr(folded: FoldedCurve) -> float:
    """Return A_tot sqrt(N) / sigma of the robust fit, on the published grid of phases."""
    grid = harmonics_on_grid(CURVE_POINTS, folded.fit.order)
    amplitude = np.ptp(grid @ folded.fit.coefficients)
    return float(amplitude * np.sqrt(np.count_nonzero(folded.fit.kept)) / folded.fit.sigma)


def fold_best_aperture(
    points: ObservedCurve,
    period: float,
    pulsation_type: str,
    settings: FitSettings,
    rng: np.random.Generator,
) -> FoldedCurve:
    """Fold the aperture with the highest S/N; a light curve without apertures as it is.

    Raises
    ------
    LightCurveError
        If no aperture can be fitted; the status is that of the first one.
    """
    apertures = {0: points}
    if points.aperture is not None:
        apertures = {
            int(aperture): points.take(points.aperture == aperture)
            for aperture in np.unique(points.aperture[np.isfinite(points.aperture)])
        }
    folded, problems = [], [LightCurveError("no_light_curve")]
    for aperture, rows in apertures.items():
        if aperture and settings.apertures is not None and aperture not in settings.apertures:
            continue
        try:
            curve = clean_curve(rows, settings.min_epochs, settings.phases == "published")
            folded.append(fold_curve(curve, aperture, period, pulsation_type, settings, rng))
        except LightCurveError as problem:
            problems.append(problem)
    if not folded:
        raise problems[min(1, len(problems) - 1)]
    return max(folded, key=measure_direct_snr)
