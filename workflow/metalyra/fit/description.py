"""What the fits table says of a star: shape, errors, quality, and where its phase 0 is."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from metalyra.core.arrays import Floats
from metalyra.core.phase_differences import WINDOW_CENTRES, wrap_around
from metalyra.fit.batches import bin_phases
from metalyra.fit.columns import AMPLITUDES, CURVE_POINTS
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
    coefficients: Floats, pulsation_type: str, amplitude: Floats | None = None
) -> dict[str, Floats]:
    """Return the tabulated quantities of curves with coefficients ``(..., 2 J + 1)``.

    Parameters
    ----------
    coefficients
        Of `AMPLITUDES` harmonics or more.
    pulsation_type
        It says which turn phi21 and phi31 are in.
    amplitude : (...), optional
        Of the curves from peak to valley (mag), where it is known already.

    Returns
    -------
    dict
        ``mean_mag``, ``amplitude``, ``a1`` ..., ``phi1``, ``phi21`` ..., each ``(...)``.
    """
    if amplitude is None:
        grid = harmonics_on_grid(CURVE_POINTS, coefficients.shape[-1] // 2)
        amplitude = np.ptp(coefficients @ grid.T, axis=-1)
    amplitudes, phases = amplitudes_and_phases(coefficients[..., : 2 * AMPLITUDES + 1])
    windows = WINDOW_CENTRES[pulsation_type]
    orders = np.arange(2, AMPLITUDES + 1)
    centres = np.array([windows.get(k, np.pi) for k in orders.tolist()])
    differences = phase_difference(phases, orders, centres)
    return {
        "mean_mag": coefficients[..., 0],
        "amplitude": amplitude,
        **{f"a{k}": amplitudes[..., k - 1] for k in range(1, AMPLITUDES + 1)},
        "phi1": phases[..., 0],
        **{f"phi{k}1": differences[..., k - 2] for k in orders},
    }


_PAIRS = (("a1", "a2"), ("a1", "phi31"), ("a2", "phi31"))
"""Quantities whose covariances are tabulated."""


def measure_errors(
    names: Sequence[str], shapes: Floats, published: bool = False
) -> dict[str, Floats]:
    """Return the errors of the shapes of stars, and the covariances of the label's inputs.

    Angles are compared on the circle, around the fitted value.

    Parameters
    ----------
    names
        Of the q quantities that `measure_shape` measures.
    shapes : (b, q, 1 + draws)
        Of each star: the first is that of the fit.
    published
        Take standard deviations. They are inflated by the few draws of a weak harmonic
        whose phase is anywhere; else an error is the deviation within which 68.3 % of the
        draws are, and the correlations are those of the draws within three errors.

    Returns
    -------
    dict
        ``a1_err`` ..., ``cov_a1_a2`` ..., each (b,).
    """
    angular = np.array([name.startswith("phi") for name in names])
    centres, values = shapes[..., :1], shapes[..., 1:]
    if published:
        centres = np.where(angular[:, None], centres, values.mean(axis=-1, keepdims=True))
    deviations = values - centres
    deviations[:, angular] = wrap_around(deviations[:, angular], 0.0)
    if published:
        scales = deviations.std(axis=-1)
    else:
        scales = _measure_quantile(np.abs(deviations), _ONE_SIGMA)
        bound = 3 * scales[..., None]
        deviations = np.clip(deviations, -bound, bound)
    errors = {f"{name}_err": scales[:, place] for place, name in enumerate(names)}
    some = {name: names.index(name) for name in ("a1", "a2", "phi31")}
    pulls = deviations[:, [*some.values()]]
    pulls -= pulls.mean(axis=-1, keepdims=True)
    pulls /= np.maximum(np.sqrt((pulls**2).mean(axis=-1, keepdims=True)), 1e-150)
    pull = {name: pulls[:, place] for place, name in enumerate(some)}
    for one, other in _PAIRS:
        correlation = (pull[one] * pull[other]).mean(axis=-1)
        errors[f"cov_{one}_{other}"] = correlation * scales[:, some[one]] * scales[:, some[other]]
    return errors


def _measure_quantile(values: Floats, quantile: float) -> Floats:
    """Return a quantile along the last axis, as `numpy.quantile` does, without its overhead."""
    place = quantile * (values.shape[-1] - 1)
    below = int(place)
    above = min(below + 1, values.shape[-1] - 1)
    ordered = np.partition(values, (below, above), axis=-1)
    step: Floats = (place - below) * (ordered[..., above] - ordered[..., below])
    return ordered[..., below] + step


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


class MeasuredStar(NamedTuple):
    """A star whose shape and errors are still to be taken from its curves.

    Attributes
    ----------
    row
        The rest of its row of the fits table.
    turn
        By how much its phases are to be turned.
    coefficients : (1 + draws, 2 AMPLITUDES + 1)
        Of its curve, and of those drawn, turned already.
    amplitude : (1 + draws,)
        From peak to valley (mag).
    """

    row: dict[str, Any]
    turn: float
    coefficients: Floats
    amplitude: Floats


def measure_star(
    folded: FoldedCurve,
    posterior: Posterior,
    star: int,
    settings: FitSettings,
    rng: np.random.Generator,
    time_of_maximum: float = np.nan,
) -> MeasuredStar:
    """Return what is measured of one star before `describe_stars`.

    Shape, curve and S/N are those of `Posterior.mean`, for an RRc star the mean of two
    kernels; the columns ``gp_length_scale``, ``gp_amplitude``, ``gp_noise`` and
    ``gp_log_likelihood`` are always those of the kernel of the settings, at the mode of its
    hyper-parameters, and ``gp_log_bayes_factor`` and ``gp_converged`` are of both.
    """
    # The others are zero.
    coefficients = posterior.mean[star, : posterior.width_of(star)]
    turn, maximum = _find_phases(folded, coefficients, settings, time_of_maximum)
    if settings.published:
        drawn = draw_published(folded, posterior, star, settings.draws, rng)
    else:
        drawn = draw_coefficients(posterior, star, settings.draws, rng)
    both = np.zeros((1 + len(drawn), max(coefficients.size, drawn.shape[1])))
    both[0, : coefficients.size], both[1:, : drawn.shape[1]] = coefficients, drawn
    both = rotate(both, turn)
    curves = both @ harmonics_on_grid(CURVE_POINTS, both.shape[1] // 2).T

    kept = folded.fit.kept
    mag = folded.curve.mag[kept]
    harmonics = evaluate_harmonics(folded.phase[kept], coefficients.size // 2)
    row = {
        "period": folded.period,
        "n_epochs": mag.size,
        "phase_coverage": measure_phase_coverage(folded.phase[kept]),
        "phase_coverage_2p": folded.measure_coverage_of_two_periods(),
        "sigma": float(np.std(mag - harmonics @ coefficients)),
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
        "curve": (curves[0] - both[0, 0]).tolist(),
        "curve_err": curves[1:].std(axis=0).tolist(),
        "status": "ok",
    }
    amplitude = curves.max(axis=1) - curves.min(axis=1)
    return MeasuredStar(row, turn, both[:, : 2 * AMPLITUDES + 1], amplitude)


def describe_stars(
    measured: Sequence[MeasuredStar], pulsation_type: str, published: bool = False
) -> list[dict[str, Any] | None]:
    """Return the rows of the fits table of stars of one type; None if a number is not finite.

    Parameters
    ----------
    measured
        Stars with as many draws each.
    pulsation_type
        It says which turn phi21 and phi31 are in.
    published
        See `measure_errors`.
    """
    shape = measure_shape(
        np.stack([star.coefficients for star in measured]),
        pulsation_type,
        np.stack([star.amplitude for star in measured]),
    )
    names = [*shape]
    shapes = np.stack([*shape.values()], axis=1)
    errors = measure_errors(names, shapes, published)
    numbers = np.concatenate([shapes[..., 0], np.stack([*errors.values()], axis=1)], axis=1)
    rows: list[dict[str, Any] | None] = []
    for star, values in zip(measured, numbers.tolist(), strict=True):
        row = star.row | dict(zip([*names, *errors], values, strict=True))
        row["snr"] = row["amplitude"] * np.sqrt(row["n_epochs"]) / row["sigma"]
        finite = np.isfinite([*values, row["snr"], *row["curve"], *row["curve_err"]]).all()
        rows.append(row if finite else None)
    return rows


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
