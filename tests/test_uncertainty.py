import numpy as np
import pytest

from metalyra.uncertainty import calibrate, estimate_errors, measure_coverage


def draw_residuals(number: int, seed: int, heavy: bool = False):
    """Residuals of variance 0.1^2 + (2 spread)^2, with Gaussian or heavy tails."""
    random = np.random.default_rng(seed)
    spread = random.uniform(0.01, 0.15, number)
    drawn = random.standard_t(3, number) if heavy else random.standard_normal(number)
    return drawn * np.hypot(0.1, 2 * spread), spread


def test_the_error_of_a_star_follows_from_its_spread():
    calibration = calibrate(*draw_residuals(20_000, 1))
    assert calibration.floor == pytest.approx(0.1, rel=0.03)
    assert calibration.factor == pytest.approx(2, rel=0.03)
    assert calibration.quantiles == pytest.approx((0.9945, 1.96), rel=0.03)


@pytest.mark.parametrize("heavy", [False, True])
def test_intervals_hold_their_share_of_new_stars(heavy):
    calibration = calibrate(*draw_residuals(4000, 2, heavy))
    residuals, spread = draw_residuals(20_000, 3, heavy)
    errors, half_widths = estimate_errors(calibration, spread)
    coverage = measure_coverage(residuals, half_widths)
    assert coverage["0.68"] == pytest.approx(0.68, abs=0.02)
    assert coverage["0.95"] == pytest.approx(0.95, abs=0.015)
    np.testing.assert_array_equal(errors, half_widths[:, 0])
    assert (np.diff(errors[np.argsort(spread)]) >= 0).all()


def test_without_spread_all_stars_have_the_same_error():
    residuals, _ = draw_residuals(500, 4)
    calibration = calibrate(residuals, np.zeros(500))
    errors, half_widths = estimate_errors(calibration, np.zeros(500))
    assert np.ptp(errors) == 0
    assert measure_coverage(residuals, half_widths)["0.95"] == pytest.approx(0.95, abs=0.005)


def test_too_few_stars_are_refused():
    calibrate(*draw_residuals(19, 5))
    with pytest.raises(ValueError, match="19 are needed"):
        calibrate(*draw_residuals(18, 5))
