"""Changes of a light curve are measured, and its points are kept."""

import numpy as np
import pandas as pd
import pytest

from metalyra.fit import fit_stars
from metalyra.fit.fourier import find_local_outliers
from metalyra.fit.periodograms import eliminate, sum_waves
from tests.fit.test_periods import shape

PERIOD = 0.5231


def fit(mag_of, epochs=400, noise=0.01, config=None, extra=None):
    rng = np.random.default_rng(3)
    time = np.sort(rng.uniform(0, 2500, epochs))
    mag = 15 + mag_of(time) + noise * rng.standard_normal(epochs)
    curve = pd.DataFrame({"star_id": "a", "band": "I", "time": time, "mag": mag, "mag_err": noise})
    if extra is not None:
        curve = pd.concat([curve, curve.head(len(extra)).assign(mag=extra, time=time[-1] + 1)])
    stars = pd.DataFrame({"star_id": ["a"], "period": PERIOD, "pulsation_type": "RRab"})
    fits, folded = fit_stars(stars.assign(status="ok"), curve, {"draws": 20, **(config or {})}, 1)
    return fits.iloc[0], folded


def steady(time):
    return shape("RRab", time / PERIOD)


def changing(time, rate=8.0):
    """Return magnitudes of a star whose period changes by so many d / Myr around 1250 d."""
    age = time - 1250
    frequency_rate = -rate / 365.25e6 / PERIOD**2
    return shape("RRab", age / PERIOD + frequency_rate * age**2 / 2)


def modulated(time, days=41.0):
    angle = 2 * np.pi * time / days
    return (1 + 0.15 * np.sin(angle)) * shape("RRab", time / PERIOD + 0.015 * np.cos(angle))


def test_a_steady_star_is_steady():
    star, folded = fit(steady)
    assert star["variation"] == ""
    assert abs(star["period_change"]) < 4 * star["period_change_err"]
    assert star["modulation_false_alarm"] > 1e-3
    assert folded["kept"].mean() >= 0.99


def test_a_changing_period_is_measured():
    star, folded = fit(changing)
    assert "period_change" in star["variation"].split()
    # The mean curve is smeared, and so is the shift read from it.
    assert star["period_change"] == pytest.approx(8.0, rel=0.25)
    assert folded["kept"].mean() > 0.99


def test_a_modulation_is_measured():
    star, folded = fit(modulated)
    assert "modulation" in star["variation"].split()
    assert star["modulation_period"] == pytest.approx(41.0, rel=0.01)
    assert star["modulation_amplitude"] == pytest.approx(0.15, rel=0.25)
    assert star["modulation_phase"] == pytest.approx(0.015, rel=0.4)
    assert folded["kept"].mean() > 0.99


@pytest.mark.parametrize("config", [{"clip_scatter": "global"}, {"published": True}])
def test_the_published_clipping_is_still_there(config):
    _, folded = fit(modulated, config=config)
    _, kept_more = fit(modulated)
    assert folded["kept"].sum() < kept_more["kept"].sum()


@pytest.mark.parametrize("mag_of", [steady, modulated])
def test_outliers_are_rejected(mag_of):
    wrong = np.full(4, 16.2)
    _, folded = fit(mag_of, extra=wrong)
    assert not folded.loc[folded["mag"] == 16.2, "kept"].any()


def test_few_points_say_nothing_of_changes():
    star, _ = fit(steady, epochs=25)
    assert star["variation"] == ""
    assert np.isnan(star["period_change"])
    assert np.isnan(star["modulation_amplitude"])


def test_the_local_scatter_is_that_of_the_neighbours_around_the_circle():
    rng = np.random.default_rng(0)
    phase = rng.permutation(np.linspace(0, 1, 2000, endpoint=False))
    scale = np.where(np.abs(phase - 0.5) < 0.1, 0.1, 0.01)
    residuals = scale * rng.standard_normal(2000)
    everyone = np.arange(2000)
    ring = np.abs(residuals[np.argsort(phase)])
    around = np.stack([np.roll(ring, shift) for shift in range(-20, 21)])
    scatter = 1.4826 * np.median(around, axis=0)[np.argsort(np.argsort(phase))]
    calm = np.abs(phase - 0.5) > 0.15
    assert scatter[calm] == pytest.approx(0.01, rel=0.7)
    assert scatter[np.abs(phase - 0.5) < 0.05] == pytest.approx(0.1, rel=0.7)
    far = find_local_outliers(phase, residuals, 2.0, everyone)
    np.testing.assert_array_equal(far, np.abs(residuals) > 2.0 * scatter)
    some = np.array([3, 1999, 40, 41])
    np.testing.assert_array_equal(find_local_outliers(phase, residuals, 2.0, some), far[some])


@pytest.mark.parametrize(("points", "highest"), [(1, 1), (30, 320), (700, 5001)])
def test_the_fast_sums_of_waves_are_the_sums(points, highest):
    rng = np.random.default_rng(points)
    time, weights = rng.uniform(0, 900, points), rng.standard_normal((3, points))
    step = 1 / (8 * 900)
    waves = np.exp(2j * np.pi * step * np.outer(time - time.min(), np.arange(highest + 1)))
    once, twice = sum_waves(time, [weights, weights[:1]], step, highest)
    for found, rows, expected in ((once, weights, waves), (twice, weights[:1], waves**2)):
        error = np.abs(found - rows @ expected).max(axis=1)
        assert (error < 1e-7 * np.abs(rows).sum(axis=1)).all()


def test_normal_equations_of_many_frequencies_are_solved_at_once():
    rng = np.random.default_rng(1)
    columns, vector = rng.standard_normal((50, 7, 4)), rng.standard_normal((50, 4))
    normal = columns.swapaxes(1, 2) @ columns
    gain, root = eliminate(normal.transpose(1, 2, 0).copy(), vector.T.copy(), 1e-12)
    solution = np.linalg.solve(normal, vector[:, :, None])[:, :, 0]
    np.testing.assert_allclose(gain, (solution * vector).sum(axis=1))
    np.testing.assert_allclose(root, np.sqrt(np.linalg.det(normal)))
