"""From the light curves of a chunk of stars to their fits and folded curves.

One star goes through: cleaning, robust Fourier regression (`metalyra.fit.fourier`), phase
alignment, periodic Gaussian process (`metalyra.fit.gp`), errors from posterior draws. The
Gaussian processes of the whole chunk are fitted as one batch. A star that cannot be
fitted gets a status; it never stops the others, nor changes them.

What is no measurement of an RR Lyrae star (`PLAUSIBLE_MAGNITUDES`, `FARTHEST_MAGNITUDE`,
`PLAUSIBLE_ERRORS`) counts as missing, whatever number an archive writes for that. A star
whose period is none of its type (`PERIODS`), or whose light curve is no better described
by a periodic curve than by a constant (`DECISIVE`), keeps its measured columns but gets a
status.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metalyra.core.phase_differences import WINDOW_CENTRES, wrap_around
from metalyra.core.randomness import generator
from metalyra.fit.alignment import ALIGNMENTS
from metalyra.fit.fourier import (
    RegressionSettings,
    RobustFit,
    amplitudes_and_phases,
    evaluate_harmonics,
    fit_robustly,
    measure_phase_coverage,
    phase_difference,
)
from metalyra.fit.gp import (
    Posterior,
    Summary,
    choose_summaries,
    draw_coefficients,
    fit_batch,
    summarise,
)

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

logger = logging.getLogger(__name__)

CURVE_POINTS = 100
"""Points of the stored GP mean curve, at phases 0, 0.01, ..., 0.99."""

AMPLITUDES = 6
"""Fourier amplitudes A_1 to A_6 and phases phi_21 to phi_61 that are tabulated."""

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

PERIODS = {"RRab": (0.2, 1.3), "RRc": (0.15, 0.8)}
"""Periods (d) that the stars of a type have, between these bounds and a good deal inside.

RRab stars of the catalogues (OGLE-III and -IV, Gaia DR3, VVV, the calibrators) have 0.245 to
0.9994 d, RRc stars 0.200 to 0.665 d; the bounds are at least a fifth beyond.
"""

DECISIVE = 3.0
"""Log of the Bayes factor from which a light curve is periodic rather than constant.

Odds of 20 to 1, the conventional bound of strong evidence (Kass & Raftery 1995). White noise of 20
to 200 epochs passes it in fewer than 5 of 1000 cases. The stars of the mirror below it are those
whose catalogued period does not fold their light curve.
"""

_ONE_SIGMA = 0.6827  # of a normal distribution

_FINE_GRID = 1000  # phases at which maximum light is looked for

_BINS = 200  # lcfit bins folded curves of more points than this


@dataclass(frozen=True)
class FitSettings:
    """How the stars of a sample are fitted.

    Attributes
    ----------
    regression
        Settings of the robust Fourier regression.
    rrc_regression
        Those of first-overtone stars.
    harmonics
        Harmonics of the Gaussian process.
    kernel
        Kernel of the Gaussian process, a name of `metalyra.fit.gp.KERNELS`.
    draws
        Posterior draws the errors are taken from.
    min_epochs
        Fewer good epochs than this are not fitted.
    apertures
        Apertures among which the one with the highest S/N is taken; None for all.
    use_errors
        Weight the points by their known errors, beside the white noise: the variance of
        a point is proportional to its squared error plus a constant that the likelihood
        chooses.
    published
        Reproduce lcfit where it differs: see `metalyra.fit.gp`, and its folds and errors.
    alignment
        Where phase 0 is: 'phi1', the first harmonic's zero on the way to faint (Dekany &
        Grebel 2022, Eq. 2), or 'maximum', maximum light (Monti et al. 2024): at the
        archive's epoch of it where there is one, else that of the Gaussian process.
    phases
        'measured': fold and align the light curve; 'published': keep the phases that
        came with it, and all its points.
    """

    regression: RegressionSettings
    rrc_regression: RegressionSettings
    harmonics: int = 24
    kernel: str = "expsine2"
    draws: int = 200
    min_epochs: int = 20
    apertures: Sequence[int] | None = None
    use_errors: bool = False
    published: bool = False
    alignment: str = "phi1"
    phases: str = "measured"

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "FitSettings":
        """Read the settings of a `fit` section, whose keys are flat.

        Raises
        ------
        TypeError
            For a key that does not exist.
        ValueError
            For an unknown alignment.
        """
        alignment = config.get("alignment", "phi1")
        if alignment not in ALIGNMENTS:
            allowed = ", ".join(ALIGNMENTS)
            raise ValueError(f"alignment {alignment!r} is unknown; allowed: {allowed}")
        own = {field.name for field in fields(cls)} - {"regression", "rrc_regression"}
        general = {key: value for key, value in config.items() if key in own}
        regression = {
            key: value for key, value in config.items() if key not in own and key != "rrc"
        }
        published = bool(config.get("published", False))
        shared = RegressionSettings(published=published, **regression)
        first_overtone = {"order_max": 5, "sigma_clip": 4.5, **config.get("rrc", {})}
        return cls(regression=shared, rrc_regression=replace(shared, **first_overtone), **general)

    def regression_of(self, pulsation_type: str) -> RegressionSettings:
        """Return the regression settings of a pulsation type."""
        regression = self.rrc_regression if pulsation_type == "RRc" else self.regression
        if self.phases == "published":
            return replace(regression, sigma_clip=None, refine_period=False)
        return regression


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


class LightCurveError(Exception):
    """A light curve that cannot be fitted; the argument is the star's status."""


def clean_curve(
    light_curve: pd.DataFrame, min_epochs: int, published_phases: bool = False
) -> CleanCurve:
    """Return the usable epochs: finite, plausible, and each once.

    Errors that cannot be ones are NaN.

    Parameters
    ----------
    light_curve
        Columns ``time``, ``mag`` and ``mag_err`` of one star in one aperture; the
        zero-point error ``zp_err`` is added to the error where the survey has one.
    min_epochs
        Least number of usable epochs.
    published_phases
        The points were folded and cleaned by others: take their column ``phase``, and
        keep what looks repeated.

    Raises
    ------
    LightCurveError
        ``too_few_epochs`` or ``constant_magnitude``.
    """
    time = "phase" if published_phases else "time"
    values = light_curve[[time, "mag", "mag_err"]].to_numpy(dtype=float, copy=True)
    if "zp_err" in light_curve:
        values[:, 2] = np.hypot(values[:, 2], light_curve["zp_err"].fillna(0.0))
    values = values[np.isfinite(values[:, 0]) & _is_magnitude(values[:, 1])]
    lowest, highest = PLAUSIBLE_ERRORS
    values[~((values[:, 2] >= lowest) & (values[:, 2] <= highest)), 2] = np.nan
    values = values[np.lexsort((values[:, 1], values[:, 0]))]
    if not published_phases:
        repeated = (np.diff(values[:, :2], axis=0) == 0).all(axis=1)
        values = values[np.concatenate([[True], ~repeated])[: len(values)]]
    if len(values) < min_epochs:
        raise LightCurveError("too_few_epochs")
    if np.ptp(values[:, 1]) == 0:
        raise LightCurveError("constant_magnitude")
    curve = CleanCurve(*np.ascontiguousarray(values.T))
    return curve._replace(phase=curve.time) if published_phases else curve


def _is_magnitude(mag: Floats) -> Booleans:
    """Return which numbers ``(n,)`` can be magnitudes of one RR Lyrae star."""
    lowest, highest = PLAUSIBLE_MAGNITUDES
    plausible = (mag >= lowest) & (mag <= highest)
    if plausible.any():
        plausible &= np.abs(mag - np.median(mag[plausible])) <= FARTHEST_MAGNITUDE
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
    if np.count_nonzero(fit.kept) < settings.min_epochs:
        raise LightCurveError("too_few_epochs")
    if folded_already:
        return FoldedCurve(curve, aperture, period, epoch, fit, curve.phase % 1.0, 0.0)
    _, phases = amplitudes_and_phases(fit.coefficients)
    shift = float(phases[0] / (2 * np.pi))
    phase = (time / fit.period + shift) % 1.0
    return FoldedCurve(curve, aperture, fit.period, epoch, fit, phase, shift)


def measure_direct_snr(folded: FoldedCurve) -> float:
    """Return A_tot sqrt(N) / sigma of the robust fit, on the published grid of phases."""
    grid = harmonics_on_grid(CURVE_POINTS, folded.fit.order)
    amplitude = np.ptp(grid @ folded.fit.coefficients)
    return float(amplitude * np.sqrt(np.count_nonzero(folded.fit.kept)) / folded.fit.sigma)


def fold_best_aperture(
    light_curve: pd.DataFrame,
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
    apertures = (
        [(0, light_curve)]
        if "aperture" not in light_curve
        else list(light_curve.groupby("aperture", sort=True))
    )
    folded, problems = [], [LightCurveError("no_light_curve")]
    for aperture, rows in apertures:
        if aperture and settings.apertures is not None and aperture not in settings.apertures:
            continue
        try:
            curve = clean_curve(rows, settings.min_epochs, settings.phases == "published")
            folded.append(fold_curve(curve, int(aperture), period, pulsation_type, settings, rng))
        except LightCurveError as problem:
            problems.append(problem)
    if not folded:
        raise problems[min(1, len(problems) - 1)]
    return max(folded, key=measure_direct_snr)


@cache
def harmonics_on_grid(points: int, order: int) -> Floats:
    """Return the harmonics at equal phases from 0, (points, 2 * order + 1)."""
    columns = evaluate_harmonics(np.arange(points) / points, order)
    columns.flags.writeable = False
    return columns


def rotate(coefficients: Floats, shift: float) -> Floats:
    """Return the coefficients ``(..., 2 J + 1)`` of curves moved by `shift` in phase."""
    turn = np.exp(-2j * np.pi * shift * np.arange(1, coefficients.shape[-1] // 2 + 1))
    turned = (coefficients[..., 1::2] + 1j * coefficients[..., 2::2]) * turn
    rotated = coefficients.copy()
    rotated[..., 1::2], rotated[..., 2::2] = turned.real, turned.imag
    return rotated


def find_alignment(coefficients: Floats, alignment: str) -> float:
    """Return the shift in phase that aligns a curve with coefficients ``(2 J + 1,)``."""
    if alignment == "phi1":
        _, phases = amplitudes_and_phases(coefficients)
        return float(phases[0] / (2 * np.pi))
    curve = harmonics_on_grid(_FINE_GRID, coefficients.size // 2) @ coefficients
    return float(-np.argmin(curve) / _FINE_GRID)


def measure_shape(coefficients: Floats, pulsation_type: str) -> dict[str, Floats]:
    """Return the tabulated quantities of curves with coefficients ``(..., 2 J + 1)``.

    Returns
    -------
    dict
        ``mean_mag``, ``amplitude``, ``a1`` ..., ``phi1``, ``phi21`` ..., each ``(...)``.
    """
    amplitudes, phases = amplitudes_and_phases(coefficients[..., : 2 * AMPLITUDES + 1])
    grid = harmonics_on_grid(CURVE_POINTS, coefficients.shape[-1] // 2)
    centres = WINDOW_CENTRES[pulsation_type]
    shape = {
        "mean_mag": coefficients[..., 0],
        "amplitude": np.ptp(coefficients @ grid.T, axis=-1),
        **{f"a{k}": amplitudes[..., k - 1] for k in range(1, AMPLITUDES + 1)},
        "phi1": phases[..., 0],
    }
    for k in range(2, AMPLITUDES + 1):
        shape[f"phi{k}1"] = phase_difference(phases, k, centres.get(k, np.pi))
    return shape


def measure_errors(
    shape: Mapping[str, float], drawn: Mapping[str, Floats], published: bool = False
) -> dict[str, float]:
    """Return the errors of the shape, and the covariances of the label's inputs.

    Angles are compared on the circle, around the fitted value.

    Parameters
    ----------
    shape
        Of the fit.
    drawn
        Of the draws, each (draws,).
    published
        Take standard deviations. They are inflated by the few draws of a weak harmonic
        whose phase is anywhere; else an error is the deviation within which 68.3 % of the
        draws are, and the correlations are those of the draws within three errors.
    """
    deviations = {
        name: wrap_around(values - shape[name], 0.0)
        if name.startswith("phi")
        else values - (values.mean() if published else shape[name])
        for name, values in drawn.items()
    }
    if published:
        scales = {name: float(np.std(values)) for name, values in deviations.items()}
    else:
        scales = {
            name: float(np.quantile(np.abs(values), _ONE_SIGMA))
            for name, values in deviations.items()
        }
        deviations = {
            name: np.clip(values, -3 * scales[name], 3 * scales[name])
            for name, values in deviations.items()
        }
    errors = {f"{name}_err": scale for name, scale in scales.items()}
    for first, second in (("a1", "a2"), ("a1", "phi31"), ("a2", "phi31")):
        pair = np.stack([deviations[first], deviations[second]])
        pair -= pair.mean(axis=1, keepdims=True)
        spread = np.sqrt((pair**2).mean(axis=1))
        correlation = np.mean(pair[0] * pair[1]) / max(spread[0] * spread[1], 1e-300)
        errors[f"cov_{first}_{second}"] = float(correlation * scales[first] * scales[second])
    return errors


def draw_published(
    folded: FoldedCurve, posterior: Posterior, star: int, draws: int, rng: np.random.Generator
) -> Floats:
    """Draw coefficients as lcfit does: noisy curves at the epochs, refitted at the order.

    Its errors so include the white noise once more, as if the star were observed anew.
    """
    kept = folded.phase[folded.fit.kept]
    curves = draw_coefficients(posterior, star, draws, rng)
    harmonics = evaluate_harmonics(kept, curves.shape[1] // 2)
    noisy = curves @ harmonics.T
    noisy += posterior.best.noise[star] * rng.standard_normal(noisy.shape)
    series = harmonics[:, : 2 * folded.fit.order + 1]
    coefficients = np.zeros_like(curves)
    coefficients[:, : series.shape[1]] = np.linalg.lstsq(series, noisy.T)[0].T
    return coefficients


def bin_phases(phase: Floats, mag: Floats) -> tuple[Floats, Floats]:
    """Return the means in 200 equal phase bins where there are more points, as lcfit does."""
    if phase.size <= _BINS:
        return phase, mag
    bins = np.minimum((phase * _BINS).astype(int), _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    filled = counts > 0
    means = np.bincount(bins, weights=mag, minlength=_BINS)[filled] / counts[filled]
    return (np.flatnonzero(filled) + 0.5) / _BINS, means


def describe_star(
    folded: FoldedCurve,
    posterior: Posterior,
    star: int,
    pulsation_type: str,
    settings: FitSettings,
    rng: np.random.Generator,
    time_of_maximum: float = np.nan,
) -> tuple[dict[str, Any], float]:
    """Return the row of the fits table of one star, and its final phase shift's change.

    Shape, curve and S/N are those of `Posterior.mean`, for an RRc star the mean of two
    kernels; the columns ``gp_length_scale``, ``gp_amplitude``, ``gp_noise`` and
    ``gp_log_likelihood`` are always those of the kernel of the settings, at its most likely
    hyper-parameters, and ``gp_log_bayes_factor`` and ``gp_converged`` are of both.

    Raises
    ------
    LightCurveError
        ``fit_failed`` if a measured number is not finite.
    """
    coefficients = posterior.mean[star]
    turn = 0.0
    as_published = settings.published and settings.alignment == "phi1"
    if settings.phases == "measured" and not as_published:
        turn = find_alignment(coefficients, settings.alignment)
        if settings.alignment == "maximum" and np.isfinite(time_of_maximum):
            turn = (folded.epoch - time_of_maximum) / folded.period - folded.phase_shift
    maximum = -find_alignment(coefficients, "maximum")
    if folded.curve.phase is None and np.isfinite(time_of_maximum):
        maximum = (time_of_maximum - folded.epoch) / folded.period + folded.phase_shift
    aligned = rotate(coefficients, turn)
    shape = {name: float(value) for name, value in measure_shape(aligned, pulsation_type).items()}
    if settings.published:
        drawn = draw_published(folded, posterior, star, settings.draws, rng)
    else:
        drawn = draw_coefficients(posterior, star, settings.draws, rng)
    drawn = rotate(drawn, turn)
    errors = measure_errors(shape, measure_shape(drawn, pulsation_type), settings.published)

    kept = folded.fit.kept
    mag = folded.curve.mag[kept]
    harmonics = evaluate_harmonics(folded.phase[kept], coefficients.size // 2)
    sigma = float(np.std(mag - harmonics @ coefficients))
    grid = harmonics_on_grid(CURVE_POINTS, aligned.size // 2)
    count = int(np.count_nonzero(kept))
    row = {
        "period": folded.period,
        "n_epochs": count,
        **shape,
        **errors,
        "phase_coverage": measure_phase_coverage(folded.phase[kept]),
        "phase_coverage_2p": folded.measure_coverage_of_two_periods(),
        "snr": shape["amplitude"] * np.sqrt(count) / sigma,
        "sigma": sigma,
        "minmax": float(np.ptp(mag)),
        "cost": folded.fit.cost,
        "fourier_order": folded.fit.order,
        "epoch": folded.epoch,
        "phase_shift": (folded.phase_shift + turn) % 1.0,
        # A remainder of -1e-17 is rounded to 1, and that of 1 is 0.
        "phase_of_maximum": (maximum + turn) % 1.0 % 1.0,
        "aperture": folded.aperture,
        "gp_length_scale": float(posterior.best.length_scale[star]),
        "gp_amplitude": float(posterior.best.amplitude[star]),
        "gp_noise": float(posterior.best.noise[star]),
        "gp_log_likelihood": float(posterior.best.log_likelihood[star]),
        "gp_log_bayes_factor": float(posterior.log_bayes_factor[star]),
        "gp_converged": bool(posterior.converged[star]),
        "curve": (grid @ aligned - aligned[0]).tolist(),
        "curve_err": (drawn @ grid.T).std(axis=0).tolist(),
        "status": "ok",
    }
    measured = [*shape.values(), *errors.values(), row["snr"], *row["curve"], *row["curve_err"]]
    if not np.isfinite(measured).all():
        raise LightCurveError("fit_failed")
    return row, turn


@np.errstate(all="ignore")  # what is not finite gets a status
def fit_stars(
    stars: pd.DataFrame, light_curves: pd.DataFrame, config: Mapping[str, Any], seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit the light curves of a chunk of stars.

    Parameters
    ----------
    stars
        Columns ``star_id``, ``period`` (d), ``pulsation_type``, ``status``, and
        ``archive_time_of_maximum`` (d) where the archive has it.
    light_curves
        Columns ``star_id``, ``band``, ``time`` (d), ``mag``, ``mag_err``, and ``aperture``
        where the survey has several.
    config
        The `fit` section of the sample; see `FitSettings`.
    seed
        Seed of the study.

    Returns
    -------
    fits
        One row for every row of `stars`, in their order: `star_id`, `band`, the `period` (d)
        of the fit, what `describe_star` measures (units and meanings: `metalyra.core.tables`), and
        `status`, ``ok`` or one of `metalyra.core.statuses.STATUSES`. Stars that are
        ``implausible_period`` or ``not_variable`` have their measured columns; those of any
        other status are NaN.
    folded
        `star_id`, `band`, `phase`, `mag`, `mag_err`, `kept` of the stars measured.
    """
    settings = FitSettings.from_config(config)
    groups = dict(list(light_curves.groupby("star_id", sort=False)))
    rows: dict[str, dict[str, Any]] = {}
    folded: dict[str, FoldedCurve] = {}
    generators: dict[str, np.random.Generator] = {}
    types = dict(zip(stars["star_id"], stars["pulsation_type"], strict=True))
    maxima = dict(zip(stars["star_id"], stars.get("archive_time_of_maximum", []), strict=False))
    for star in stars.itertuples(index=False):
        star_id = str(star.star_id)
        try:
            if star.status != "ok":
                raise LightCurveError(star.status)
            if star.pulsation_type not in PERIODS:
                raise LightCurveError("wrong_pulsation_type")
            if star_id not in groups:
                raise LightCurveError("no_light_curve")
            generators[star_id] = generator(seed, "fit", star_id)
            with _failures_are_the_stars():
                folded[star_id] = fold_best_aperture(
                    groups[star_id],
                    float(star.period),
                    star.pulsation_type,
                    settings,
                    generators[star_id],
                )
        except LightCurveError as problem:
            rows[star_id] = {"period": star.period, "status": str(problem)}
            if star.status == "ok":
                logger.info("star %s: %s", star_id, problem)

    tables: dict[str, pd.DataFrame] = {}
    for batch, rival, rival_share in _batches(list(folded), types, settings.kernel):
        fit = partial(_fit_gps, settings=settings, rival=rival, rival_share=rival_share)
        for star_id, posterior, index in _fit_apart_if_need_be(batch, folded, fit):
            star = folded[star_id]
            try:
                if posterior is None:
                    raise LightCurveError("fit_failed")
                with _failures_are_the_stars():
                    rows[star_id], turn = describe_star(
                        star,
                        posterior,
                        index,
                        types[star_id],
                        settings,
                        generators[star_id],
                        maxima.get(star_id, np.nan),
                    )
            except LightCurveError as problem:
                rows[star_id] = {"period": star.period, "status": str(problem)}
                logger.info("star %s: %s", star_id, problem)
                continue
            if rows[star_id]["gp_log_bayes_factor"] < DECISIVE:
                rows[star_id]["status"] = "not_variable"
            tables[star_id] = pd.DataFrame(
                {
                    "star_id": star_id,
                    "phase": (star.phase + turn) % 1.0,
                    "mag": star.curve.mag,
                    "mag_err": star.curve.mag_err,
                    "kept": star.fit.kept,
                }
            )
    for star in stars.itertuples(index=False):
        row = rows[str(star.star_id)]
        if row["status"] in _OF_A_WRONG_PERIOD:
            shortest, longest = PERIODS[star.pulsation_type]
            # The period of a light curve that came folded may be unknown.
            if star.period < shortest or star.period > longest:
                row["status"] = "implausible_period"
    band = str(light_curves["band"].iloc[0]) if len(light_curves) else ""
    measured = [tables[star_id] for star_id in folded if star_id in tables]
    return _fits_table(stars, rows, band, settings.alignment), _folded_table(measured, band)


_OF_A_WRONG_PERIOD = ("ok", "not_variable", "fit_failed")
"""What may become of the light curve of a star that is folded with a wrong period."""


@contextmanager
def _failures_are_the_stars() -> Iterator[None]:
    """Turn whatever goes wrong in the numbers of one star into its status."""
    try:
        yield
    except LightCurveError:
        raise
    except _NUMERICAL as error:
        logger.info("%s: %s", type(error).__name__, error)
        raise LightCurveError("fit_failed") from error


_NUMERICAL = (ArithmeticError, ValueError, IndexError)
"""What numbers that no one expects make NumPy raise; LinAlgError is a ValueError."""


def _fit_gps(
    folded: Sequence[FoldedCurve],
    settings: FitSettings,
    rival: str | None,
    rival_share: float,
) -> Posterior:
    """Fit the Gaussian processes of stars as one batch."""
    posterior = fit_batch(summarise_stars(folded, settings), settings.kernel, rival, rival_share)
    if settings.published:
        # Only points that count once can say whether the star varies.
        once = summarise_stars(folded, replace(settings, published=False))
        log_bayes_factor = fit_batch(once, settings.kernel).log_bayes_factor
        posterior = posterior._replace(log_bayes_factor=log_bayes_factor)
    return posterior


def _fit_apart_if_need_be(
    batch: Sequence[str],
    folded: Mapping[str, FoldedCurve],
    fit: Callable[[Sequence[FoldedCurve]], Posterior],
) -> Iterator[tuple[str, Posterior | None, int]]:
    """Give each star with the posterior of its batch and its place there.

    A batch that cannot be fitted is halved until the star to blame is alone; it has no
    posterior. The others are the same to the last bit in any batch.
    """
    try:
        posterior = fit([folded[star_id] for star_id in batch])
    except _NUMERICAL as error:
        if len(batch) == 1:
            logger.info("star %s: %s: %s", batch[0], type(error).__name__, error)
            yield batch[0], None, 0
            return
        half = len(batch) // 2
        yield from _fit_apart_if_need_be(batch[:half], folded, fit)
        yield from _fit_apart_if_need_be(batch[half:], folded, fit)
        return
    yield from ((star_id, posterior, index) for index, star_id in enumerate(batch))


_SHARES = {"RRc": {"expsine2": 0.05, "matern52": 0.95}}
"""Prior share of the stars of a pulsation type that each kernel describes, where one is not enough.

Weak harmonics of real RRc stars fall more slowly than the exponential-sine-squared kernel has it.
By the kernels' evidences (`python -m benchmarks.kernels`), 0.74 +- 0.06 of Gaia DR3 stars (G) and
0.48 +- 0.16 of ASAS stars (I) have the Matern kernel. But the share is the one whose intervals
hold 68.3 % of simulated truths (`python -m benchmarks.intervals`): those of phi31 hold 0.683 on
average with 0.95, 0.693 with 0.9, 0.709 with 0.7, and 0.669 with the Matern kernel alone. RRab
stars have strong harmonics that the points themselves determine, and one kernel will do.
"""


def _batches(
    star_ids: list[str], types: Mapping[str, str], kernel: str, size: int = 256
) -> Iterator[tuple[list[str], str | None, float]]:
    """Give the stars in batches, with another kernel that may be theirs and its share."""
    groups: dict[str, list[str]] = {}
    for star_id in star_ids:
        shared = types[star_id] if types[star_id] in _SHARES else ""
        groups.setdefault(shared, []).append(star_id)
    for shared, group in groups.items():
        rivals = {name: share for name, share in _SHARES.get(shared, {}).items() if name != kernel}
        rival = max(rivals, key=rivals.get, default=None)
        for start in range(0, len(group), size):
            yield group[start : start + size], rival, rivals.get(rival, 0.0)


def summarise_stars(folded: Sequence[FoldedCurve], settings: FitSettings) -> list[Summary]:
    """Return what the Gaussian processes need of each star."""
    if not settings.use_errors or settings.published:
        return [_summarise_star(star, settings) for star in folded]
    return choose_summaries(
        [[_summarise_star(star, settings, floor) for star in folded] for floor in _ERROR_FLOORS],
        settings.kernel,
    )


_ERROR_FLOORS = (0.0, 0.5, 1.0, 2.0, np.inf)
"""White noise beside the known errors, in units of a star's median error."""


def _summarise_star(
    folded: FoldedCurve, settings: FitSettings, error_floor: float = np.inf
) -> Summary:
    kept = folded.fit.kept
    phase, mag = folded.phase[kept], folded.curve.mag[kept]
    if settings.published:
        phase, mag = bin_phases(phase, mag)
    error = folded.curve.mag_err[kept]
    known = np.isfinite(error) & (error > 0)
    variance = None
    if np.isfinite(error_floor) and known.any():
        typical = np.median(error[known])
        error = np.where(known, error, typical)
        variance = error**2 + (error_floor * typical) ** 2
    return summarise(phase, mag, settings.harmonics, settings.published, variance)


def _fits_columns() -> list[str]:
    shape = ["mean_mag", "amplitude", *(f"a{k}" for k in range(1, AMPLITUDES + 1)), "phi1"]
    shape += [f"phi{k}1" for k in range(2, AMPLITUDES + 1)]
    return [
        *("period", "n_epochs"),
        *shape,
        *(f"{name}_err" for name in shape),
        *("cov_a1_a2", "cov_a1_phi31", "cov_a2_phi31"),
        *("phase_coverage", "phase_coverage_2p", "snr", "sigma", "minmax", "cost", "fourier_order"),
        *("epoch", "phase_shift", "alignment", "phase_of_maximum", "aperture"),
        *("gp_length_scale", "gp_amplitude", "gp_noise", "gp_log_likelihood"),
        *("gp_log_bayes_factor", "gp_converged", "curve", "curve_err", "status"),
    ]


_WHOLE_NUMBERS = ("n_epochs", "fourier_order", "aperture")
_NOT_NUMBERS = ("alignment", "curve", "curve_err", "status")


def _fits_table(
    stars: pd.DataFrame, rows: Mapping[str, Mapping[str, Any]], band: str, alignment: str
) -> pd.DataFrame:
    columns = _fits_columns()
    records = [[rows[str(star_id)].get(name) for name in columns] for star_id in stars["star_id"]]
    table = pd.DataFrame(records, columns=columns)
    table.insert(0, "star_id", stars["star_id"].astype(str).to_numpy())
    table.insert(1, "band", band)
    table["alignment"] = pd.Series(alignment, index=table.index, dtype="str")
    table["n_epochs"] = table["n_epochs"].fillna(0)
    for name in columns:
        if name in _WHOLE_NUMBERS:
            table[name] = table[name].fillna(0).astype(np.int64)
        elif name == "gp_converged":
            table[name] = table[name].fillna(False).astype(bool)
        elif name not in _NOT_NUMBERS:
            table[name] = pd.to_numeric(table[name], errors="coerce").astype(np.float64)
    return table


def _folded_table(tables: list[pd.DataFrame], band: str) -> pd.DataFrame:
    columns = {"star_id": str, "band": str, "phase": float, "mag": float, "mag_err": float}
    if not tables:
        empty = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})
        return empty.assign(kept=pd.Series(dtype=bool))
    table = pd.concat(tables, ignore_index=True)
    table.insert(1, "band", band)
    return table
