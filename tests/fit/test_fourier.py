"""The robust Fourier regression."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalyra.core.phase_differences import wrap_around
from metalyra.fit import fourier
from metalyra.fit.fourier import (
    RegressionSettings,
    amplitudes_and_phases,
    assign_folds,
    assign_folds_as_published,
    choose_order,
    evaluate_harmonics,
    fit_huber,
    fit_robustly,
    huber_cost,
    measure_phase_coverage,
    phase_difference,
)

PERIOD = 0.5371


def make_light_curve(rng, count=150, noise=0.02, order=5):
    """Return times, magnitudes and the coefficients of an RRab-like series."""
    time = np.sort(rng.uniform(0, 900, count))
    multiples = np.arange(1, order + 1)
    amplitudes, phases = 0.25 * 0.5 ** (multiples - 1), 0.4 + 2.4 * (multiples - 1)
    coefficients = np.zeros(2 * order + 1)
    coefficients[0] = 15.2
    coefficients[1::2] = amplitudes * np.cos(phases)
    coefficients[2::2] = amplitudes * np.sin(phases)
    mag = evaluate_harmonics(time / PERIOD, order) @ coefficients
    return time, mag + noise * rng.standard_normal(count), coefficients


def test_harmonics_are_sines_and_cosines():
    phase = np.linspace(-3, 40, 57)
    columns = evaluate_harmonics(phase, 12)
    assert columns.shape == (57, 25)
    np.testing.assert_allclose(columns[:, 23], np.sin(24 * np.pi * phase), atol=1e-11)
    np.testing.assert_allclose(columns[:, 24], np.cos(24 * np.pi * phase), atol=1e-11)


def test_amplitudes_and_phases_belong_to_the_sine_series():
    phase = np.linspace(0, 1, 40)
    mag = 0.3 * np.sin(2 * np.pi * phase + 1.1) + 0.1 * np.sin(4 * np.pi * phase - 2.0)
    coefficients = np.linalg.lstsq(evaluate_harmonics(phase, 2), mag)[0]
    amplitudes, phases = amplitudes_and_phases(coefficients)
    np.testing.assert_allclose(amplitudes, [0.3, 0.1])
    np.testing.assert_allclose(phases, [1.1, -2.0])
    assert phase_difference(phases, 2, 9.1) == pytest.approx(-2.0 - 2.2 + 4 * np.pi)


@given(st.floats(-50, 50), st.floats(-10, 10))
def test_wrapped_angles_lie_in_the_window(angle, centre):
    wrapped = wrap_around(angle, centre)
    assert centre - np.pi - 1e-9 <= wrapped < centre + np.pi + 1e-9
    assert np.cos(wrapped) == pytest.approx(np.cos(angle), abs=1e-9)


def test_phase_coverage_is_one_minus_the_largest_gap():
    assert measure_phase_coverage(np.array([0.1, 0.2, 0.4, 0.9])) == pytest.approx(0.5)
    assert measure_phase_coverage(np.array([0.3, 0.6])) == pytest.approx(0.3)


def test_huber_cost_is_quadratic_then_linear():
    assert huber_cost(np.array([0.04]), 0.05) == pytest.approx(0.5 * 0.04**2)
    assert huber_cost(np.array([1.0]), 0.05) == pytest.approx(0.05 * (1.0 - 0.025))


@pytest.mark.parametrize("split", ["own", "published"])
def test_every_run_of_neighbours_in_phase_meets_every_fold(split):
    rng = np.random.default_rng(1)
    phase = rng.uniform(size=143)
    fold = assign_folds(phase, 10, rng) if split == "own" else assign_folds_as_published(phase, 10)
    ordered = fold[np.argsort(phase)]
    for start in range(0, 130, 10):
        assert sorted(ordered[start : start + 10]) == list(range(10))


def test_huber_solution_has_no_gradient_and_resists_outliers():
    rng = np.random.default_rng(2)
    time, mag, truth = make_light_curve(rng)
    mag[::15] += 1.5
    design = evaluate_harmonics(time / PERIOD, 5)
    solution, residuals = fit_huber(design, mag, 0.05)
    assert np.abs(design.T @ np.clip(residuals, -0.05, 0.05)).max() < 1e-8
    assert np.abs(solution - truth).max() < 0.03
    assert np.abs(np.linalg.lstsq(design, mag)[0] - truth).max() > 0.05
    warm, _ = fit_huber(design, mag, 0.05, truth)
    np.testing.assert_allclose(warm, solution, atol=1e-9)


@pytest.mark.parametrize("count", [34, 200, 1000])
@pytest.mark.parametrize("scale", [2e-3, 1e-4, 1e-5])
def test_a_scale_far_below_the_noise_is_converged_as_well(count, scale):
    """As good as that of absolute deviations, the minimum still has no gradient."""
    for seed in range(3):
        time, mag, _ = make_light_curve(np.random.default_rng(seed), count, noise=0.1)
        design = evaluate_harmonics(time / PERIOD, 5)
        _, residuals = fit_huber(design, mag, scale)
        gradient = design.T @ np.clip(residuals / scale, -1, 1)
        assert np.abs(gradient).max() < 1e-5


def test_a_step_ends_where_the_loss_is_least():
    rng = np.random.default_rng(4)
    residuals, change = rng.standard_normal((2, 50))
    change *= np.sign(residuals @ change)
    change[7] = 0.0
    for scale in (1e-3, 0.1, 10.0):
        best = fourier._measure_step(residuals, change, scale)
        costs = [huber_cost(residuals - x * change, scale) for x in best + np.linspace(-1, 1, 201)]
        assert best > 0
        assert min(costs) == pytest.approx(huber_cost(residuals - best * change, scale))
        assert fourier._measure_step(residuals, -change, scale) == 0


@pytest.mark.parametrize("huber", [0.05, 0.02])
def test_cross_validation_agrees_with_a_plain_one(huber):
    """The modified residuals find the order that refitting every fold finds."""
    agreeing = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        time, mag, _ = make_light_curve(rng, count=90, noise=0.06, order=4 + seed % 4)
        mag[::11] += 0.4
        phase = (time / PERIOD) % 1
        fold = assign_folds(phase, 10, rng)
        harmonics = evaluate_harmonics(phase, 8)
        scores = []
        for order in range(3, 9):
            columns = harmonics[:, : 2 * order + 1]
            held_out = np.concatenate(
                [
                    mag[fold == k]
                    - columns[fold == k] @ fit_huber(columns[fold != k], mag[fold != k], huber)[0]
                    for k in range(10)
                ]
            )
            scores.append(np.sum(held_out**2))
        best = 3 + int(np.argmin(scores))
        found = choose_order(harmonics, mag, fold, range(3, 9), huber)
        agreeing += best == found
        # Where the two differ, the difference in score must be immaterial.
        assert scores[found - 3] < min(scores) * 1.002
    assert agreeing >= 10


def test_outliers_are_rejected_and_the_rest_is_kept():
    rng = np.random.default_rng(5)
    time, mag, truth = make_light_curve(rng)
    outliers = np.arange(3, 150, 20)
    mag[outliers] += 0.8
    fit = fit_robustly(time, mag, PERIOD, RegressionSettings(), rng)
    assert not fit.kept[outliers].any()
    assert fit.kept.sum() >= 150 - outliers.size - 4
    np.testing.assert_allclose(fit.coefficients[:7], truth[:7], atol=0.01)
    assert fit.sigma == pytest.approx(0.02, rel=0.2)


@pytest.mark.parametrize(("outliers", "choices"), [(0, 1), (4, 1), (60, 2)])
def test_the_order_is_chosen_again_when_many_points_are_lost(monkeypatch, outliers, choices):
    time, mag, _ = make_light_curve(np.random.default_rng(8), count=2000)
    mag[:outliers] += 0.8
    chosen = []

    def choose(*arguments):
        chosen.append(choose_order(*arguments))
        return chosen[-1]

    monkeypatch.setattr(fourier, "choose_order", choose)
    settings = RegressionSettings(sigma_clip=5.0)
    fit = fit_robustly(time, mag, PERIOD, settings, np.random.default_rng(8))
    assert fit.kept.sum() == 2000 - outliers
    assert len(chosen) == choices


def test_sums_that_are_kept_up_are_those_formed_anew(monkeypatch):
    """Many points of a long light curve are beyond the scale, and many are clipped in turn."""
    rng = np.random.default_rng(8)
    time, mag, _ = make_light_curve(rng, count=3000, noise=0.05)
    mag[::20] += rng.exponential(0.4, size=150)
    settings = RegressionSettings(huber=0.03)
    kept_up = fit_robustly(time, mag, PERIOD, settings, np.random.default_rng(9))
    monkeypatch.setattr(fourier, "_LONG", time.size + 1)
    anew = fit_robustly(time, mag, PERIOD, settings, np.random.default_rng(9))
    assert np.count_nonzero(~anew.kept) > 50
    np.testing.assert_array_equal(kept_up.kept, anew.kept)
    np.testing.assert_allclose(kept_up.coefficients, anew.coefficients, rtol=0, atol=1e-12)


def test_a_wrong_period_is_refined():
    rng = np.random.default_rng(6)
    time, mag, _ = make_light_curve(rng)
    wrong = 1 / (1 / PERIOD + 0.3 / np.ptp(time))
    fit = fit_robustly(time, mag, wrong, RegressionSettings(refine_period=True), rng)
    assert abs(fit.period - PERIOD) < 3e-6
    assert fit.kept.sum() > 145


def test_few_points_are_fitted_with_few_harmonics_or_refused():
    rng = np.random.default_rng(7)
    time, mag, _ = make_light_curve(rng, count=12)
    assert fit_robustly(time, mag, PERIOD, RegressionSettings(), rng).order <= 4
    with pytest.raises(np.linalg.LinAlgError):
        fit_robustly(time[:4], mag[:4], PERIOD, RegressionSettings(), rng)
