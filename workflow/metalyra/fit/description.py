"""What the fits table says of a star: shape, errors, quality, and where its phase 0 is."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from metalyra.core.arrays import Floats
from metalyra.core.phase_differences import WINDOW_CENTRES, wrap_around
from metalyra.fit.batches import bin_phases
from metalyra.fit.columns import AMPLITUDES, CURVE_POINTS
from metalyra.fit.failures import LightCurveError
from metalyra.fit.folding import FoldedCurve
from metalyra.fit.fourier import (
    amplitudes_and_phases,
    evaluate_harmonics,
    harmonics_on_grid,
    measure_phase_coverage,
    phase_difference,
)
from metalyra.fit.gp import Posterior, draw_coefficients
from metalyra.fit.modulation import measure_variation
from metalyra.fit.settings import FitSettings

_ONE_SIGMA = 0.6827  # of a normal distribution

_FINE_GRID = 1000  # phases at which maximum light is looked for


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


def measure_shape(
    coefficients: Floats, pulsation_type: str, curves: Floats | None = None
) -> dict[str, Floats]:
    """Return the tabulated quantities of curves with coefficients ``(..., 2 J + 1)``.

    Parameters
    ----------
    coefficients
        Of `AMPLITUDES` harmonics or more.
    pulsation_type
        It says which turn phi21 and phi31 are in.
    curves : (..., CURVE_POINTS), optional
        Magnitudes (mag) of the curves, where they are known already.

    Returns
    -------
    dict
        ``mean_mag``, ``amplitude``, ``a1`` ..., ``phi1``, ``phi21`` ..., each ``(...)``.
    """
    if curves is None:
        curves = coefficients @ harmonics_on_grid(CURVE_POINTS, coefficients.shape[-1] // 2).T
    amplitudes, phases = amplitudes_and_phases(coefficients[..., : 2 * AMPLITUDES + 1])
    windows = WINDOW_CENTRES[pulsation_type]
    orders = np.arange(2, AMPLITUDES + 1)
    centres = np.array([windows.get(k, np.pi) for k in orders.tolist()])
    differences = phase_difference(phases, orders, centres)
    return {
        "mean_mag": coefficients[..., 0],
        "amplitude": curves.max(axis=-1) - curves.min(axis=-1),
        **{f"a{k}": amplitudes[..., k - 1] for k in range(1, AMPLITUDES + 1)},
        "phi1": phases[..., 0],
        **{f"phi{k}1": differences[..., k - 2] for k in orders},
    }


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
    names = [*drawn]
    angular = np.array([name.startswith("phi") for name in names])
    values = np.stack([*drawn.values()])
    centres = np.array([shape[name] for name in names])[:, None]
    if published:
        centres = np.where(angular[:, None], centres, values.mean(axis=1, keepdims=True))
    deviations = values - centres
    deviations[angular] = wrap_around(deviations[angular], 0.0)
    if published:
        scales = deviations.std(axis=1)
    else:
        scales = _measure_quantile(np.abs(deviations), _ONE_SIGMA)
        bound = 3 * scales[:, None]
        deviations = np.clip(deviations, -bound, bound)
    errors = {f"{name}_err": float(scale) for name, scale in zip(names, scales, strict=True)}
    some = [names.index(name) for name in ("a1", "a2", "phi31")]
    pulls = deviations[some] - deviations[some].mean(axis=1, keepdims=True)
    pulls /= np.maximum(np.sqrt((pulls**2).mean(axis=1, keepdims=True)), 1e-150)
    covariance = (pulls @ pulls.T) / values.shape[1] * np.outer(scales[some], scales[some])
    for pair, (i, j) in {"a1_a2": (0, 1), "a1_phi31": (0, 2), "a2_phi31": (1, 2)}.items():
        errors[f"cov_{pair}"] = float(covariance[i, j])
    return errors


def _measure_quantile(values: Floats, quantile: float) -> Floats:
    """Return a quantile of each row, as `numpy.quantile` does, without its overhead."""
    place = quantile * (values.shape[1] - 1)
    below = int(place)
    above = min(below + 1, values.shape[1] - 1)
    ordered = np.partition(values, (below, above), axis=1)
    step: Floats = (place - below) * (ordered[:, above] - ordered[:, below])
    return ordered[:, below] + step


def draw_published(
    folded: FoldedCurve, posterior: Posterior, star: int, draws: int, rng: np.random.Generator
) -> Floats:
    """Draw coefficients as lcfit does: noisy curves at the epochs, refitted at the order.

    Its errors so include the white noise once more, as if the star were observed anew. Of folded
    curves that it bins, the curves are at the bins, whose white noise is that of the process.
    """
    kept = folded.fit.kept
    phase, _ = bin_phases(folded.phase[kept], folded.curve.mag[kept])
    curves = draw_coefficients(posterior, star, draws, rng)
    harmonics = evaluate_harmonics(phase, max(curves.shape[1] // 2, folded.fit.order))
    noisy = curves @ harmonics[:, : curves.shape[1]].T
    noisy += posterior.best.noise[star] * rng.standard_normal(noisy.shape)
    series = harmonics[:, : 2 * folded.fit.order + 1]
    coefficients = np.zeros((draws, max(series.shape[1], 2 * AMPLITUDES + 1)))
    coefficients[:, : series.shape[1]] = np.linalg.lstsq(series, noisy.T)[0].T
    return coefficients


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
    ``gp_log_likelihood`` are always those of the kernel of the settings, at the mode of its
    hyper-parameters, and ``gp_log_bayes_factor`` and ``gp_converged`` are of both.

    Raises
    ------
    LightCurveError
        ``fit_failed`` if a measured number is not finite.
    """
    # The others are zero.
    coefficients = posterior.mean[star, : posterior.width_of(star)]
    turn, maximum = _find_phases(folded, coefficients, settings, time_of_maximum)
    aligned = rotate(coefficients, turn)
    curve = aligned @ harmonics_on_grid(CURVE_POINTS, aligned.size // 2).T
    measured = measure_shape(aligned, pulsation_type, curve)
    shape = {name: float(value) for name, value in measured.items()}
    if settings.published:
        drawn = draw_published(folded, posterior, star, settings.draws, rng)
    else:
        drawn = draw_coefficients(posterior, star, settings.draws, rng)
    drawn = rotate(drawn, turn)
    curves = drawn @ harmonics_on_grid(CURVE_POINTS, drawn.shape[1] // 2).T
    drawn_shape = measure_shape(drawn, pulsation_type, curves)
    errors = measure_errors(shape, drawn_shape, settings.published)

    kept = folded.fit.kept
    mag = folded.curve.mag[kept]
    harmonics = evaluate_harmonics(folded.phase[kept], coefficients.size // 2)
    sigma = float(np.std(mag - harmonics @ coefficients))
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
        **_describe_process(posterior, star),
        **measure_variation(folded, coefficients, harmonics)._asdict(),
        "curve": (curve - aligned[0]).tolist(),
        "curve_err": curves.std(axis=0).tolist(),
        "status": "ok",
    }
    numbers = [*shape.values(), *errors.values(), row["snr"], *row["curve"], *row["curve_err"]]
    if not np.isfinite(numbers).all():
        raise LightCurveError("fit_failed")
    return row, turn


def _find_phases(
    folded: FoldedCurve, coefficients: Floats, settings: FitSettings, time_of_maximum: float
) -> tuple[float, float]:
    """Return by how much the phases are to be turned, and where maximum light is until then."""
    turn = 0.0
    as_published = settings.published and settings.alignment == "phi1"
    if settings.phases == "measured" and not as_published:
        turn = find_alignment(coefficients, settings.alignment)
        if settings.alignment == "maximum" and np.isfinite(time_of_maximum):
            turn = (folded.epoch - time_of_maximum) / folded.period - folded.phase_shift
    maximum = -find_alignment(coefficients, "maximum")
    if folded.curve.phase is None and np.isfinite(time_of_maximum):
        maximum = (time_of_maximum - folded.epoch) / folded.period + folded.phase_shift
    return turn, maximum


def _describe_process(posterior: Posterior, star: int) -> dict[str, Any]:
    """Return the columns that say what the Gaussian process of a star is like."""
    return {
        "gp_length_scale": float(posterior.best.length_scale[star]),
        "gp_amplitude": float(posterior.best.amplitude[star]),
        "gp_noise": float(posterior.best.noise[star]),
        "gp_log_likelihood": float(posterior.best.log_likelihood[star]),
        "gp_log_bayes_factor": float(posterior.log_bayes_factor[star]),
        "gp_converged": bool(posterior.converged[star]),
    }
