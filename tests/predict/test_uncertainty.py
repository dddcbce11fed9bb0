import numpy as np
import pytest

from metalyra.predict.uncertainty import (
    BOUNDS,
    ERROR_PARTS,
    estimate_errors,
    fit_error_model,
    measure_coverage,
    normal_bounds,
    total_errors,
)


def draw_residuals(number: int, seed: int, heavy: bool = False):
    """Residuals of variance 0.1^2 + (2 spread)^2, with Gaussian or heavy tails."""
    random = np.random.default_rng(seed)
    spread = random.uniform(0.01, 0.15, number)
    drawn = random.standard_t(3, number) if heavy else random.standard_normal(number)
    return drawn * np.hypot(0.1, 2 * spread), spread


def test_the_error_of_a_star_follows_from_its_spread():
    error_model = fit_error_model(*draw_residuals(20_000, 1))
    assert error_model.floor == pytest.approx(0.1, rel=0.03)
    assert error_model.factor == pytest.approx(2, rel=0.03)
    assert error_model.quantiles == pytest.approx((0.9945, 1.96), rel=0.03)


@pytest.mark.parametrize("heavy", [False, True])
def test_intervals_hold_their_share_of_new_stars(heavy):
    error_model = fit_error_model(*draw_residuals(4000, 2, heavy))
    residuals, spread = draw_residuals(20_000, 3, heavy)
    errors, half_widths = estimate_errors(error_model, spread)
    coverage = measure_coverage(residuals, half_widths)
    assert coverage["0.68"] == pytest.approx(0.68, abs=0.02)
    assert coverage["0.95"] == pytest.approx(0.95, abs=0.015)
    np.testing.assert_array_equal(errors, half_widths[:, 0])
    assert (np.diff(errors[np.argsort(spread)]) >= 0).all()


def test_without_spread_all_stars_have_the_same_error():
    residuals, _ = draw_residuals(500, 4)
    error_model = fit_error_model(residuals, np.zeros(500))
    errors, half_widths = estimate_errors(error_model, np.zeros(500))
    assert np.ptp(errors) == 0
    assert measure_coverage(residuals, half_widths)["0.95"] == pytest.approx(0.95, abs=0.005)


def test_too_few_stars_are_refused():
    fit_error_model(*draw_residuals(19, 5))
    with pytest.raises(ValueError, match="19 are needed"):
        fit_error_model(*draw_residuals(18, 5))


def test_the_total_error_is_that_of_its_parts_and_bounds_hold_their_share():
    error_model = fit_error_model(*draw_residuals(4000, 6))
    residuals, spread = draw_residuals(20_000, 7)
    about_relation = 0.14 * np.random.default_rng(8).standard_normal(20_000)
    feh = np.full(20_000, -1.5)
    table = total_errors(feh, error_model, spread, 0.14)
    parts = table[[*ERROR_PARTS]].to_numpy()
    np.testing.assert_allclose(table["feh_err"], np.sqrt((parts**2).sum(axis=1)), rtol=1e-9)
    truth = feh - residuals + about_relation
    for level in (68, 95):
        inside = (table[f"feh_low_{level}"] <= truth) & (truth <= table[f"feh_high_{level}"])
        assert inside.mean() == pytest.approx(level / 100, abs=0.015)


def test_what_is_not_known_of_an_error_is_not_made_up():
    error_model = fit_error_model(draw_residuals(500, 9)[0], np.zeros(500))
    feh = np.array([-1.0, -2.0])
    alike = total_errors(feh, error_model, None)
    assert alike["feh_err_light_curve"].isna().all()
    assert alike["feh_err_relation"].isna().all()
    np.testing.assert_array_equal(alike["feh_err"], alike["feh_err_model"])
    assert total_errors(feh, None, None, 0.14).isna().all(axis=None)


def test_normal_bounds_are_symmetric():
    table = normal_bounds(np.array([-1.0]), np.array([0.2]))
    assert list(table) == list(BOUNDS)
    np.testing.assert_allclose(table.iloc[0], [-1.2, -0.8, -1.3942, -0.6058], atol=1e-3)
