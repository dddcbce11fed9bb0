"""What the fits table says of a star: shape, errors, quality, and where its phase 0 is."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from metalyra.core.arrays import Floats
from metalyra.core.phase_differences import WINDOW_CENTRES, wrap_around
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
        sizes = np.abs(np.stack([*deviations.values()]))
        quantiles = np.quantile(sizes, _ONE_SIGMA, axis=1).tolist()
        scales = dict(zip(deviations, quantiles, strict=True))
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
    turn, maximum = _find_phases(folded, coefficients, settings, time_of_maximum)
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
        **_describe_process(posterior, star),
        **measure_variation(folded, coefficients)._asdict(),
        "curve": (grid @ aligned - aligned[0]).tolist(),
        "curve_err": (drawn @ grid.T).std(axis=0).tolist(),
        "status": "ok",
    }
    measured = [*shape.values(), *errors.values(), row["snr"], *row["curve"], *row["curve_err"]]
    if not np.isfinite(measured).all():
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
