import tracemalloc

import numpy as np
import pandas as pd
import pytest

from metalyra.fit.fourier import evaluate_harmonics
from metalyra.stack.curves import Curves, collect_curves, join_curves
from metalyra.stack.population import (
    describe_shapes,
    fit_population,
    infer_shapes,
    infer_with_each,
)
from metalyra.stack.posteriors import Prior, expect, guess_noise, place_points

HARMONICS = 3


def draw_stars(number: int, seed: int, outliers: float = 0.0):
    """Light curves whose coefficients follow from the period and one hidden number."""
    random = np.random.default_rng(seed)
    period = random.uniform(0.45, 0.7, number)
    hidden = random.normal(0, 1, number)
    truth = np.empty((number, 2 * HARMONICS))
    for harmonic in range(HARMONICS):
        size = (0.3 - 0.4 * (period - 0.55)) / (harmonic + 1) ** 1.5
        angle = 0.5 * harmonic + 0.3 * harmonic * hidden + 2 * harmonic * (period - 0.55)
        truth[:, 2 * harmonic] = size * np.cos(angle)
        truth[:, 2 * harmonic + 1] = size * np.sin(angle)
    tables = []
    for star in range(number):
        phase = random.uniform(0, 1, random.integers(20, 50))
        mag = 15 + evaluate_harmonics(phase, HARMONICS)[:, 1:] @ truth[star]
        mag += random.normal(0, 0.02, len(phase))
        wrong = random.uniform(size=len(phase)) < outliers
        mag[wrong] += random.normal(0, 0.5, np.count_nonzero(wrong))
        tables.append(pd.DataFrame({"star_id": f"s{star}", "phase": phase, "mag": mag}))
    fits = pd.DataFrame({"star_id": [f"s{star}" for star in range(number)], "period": period})
    return fits.assign(status="ok"), pd.concat(tables, ignore_index=True).assign(kept=True), truth


def infer(population, fits, folded):
    """Return the posteriors of all stars, in the order of the table."""
    number = int((fits["status"] == "ok").sum())
    parts = [
        (rows, infer_shapes(population, curves)) for rows, curves in collect_curves(fits, folded)
    ]
    size = population.means.shape[1] - 1
    coefficients, errors = np.empty((2, number, size))
    for rows, shapes in parts:
        coefficients[rows] = shapes.coefficients
        errors[rows] = np.sqrt(np.diagonal(shapes.covariances, axis1=1, axis2=2))
    return coefficients, errors


def train(fits, folded, **settings):
    curves = [curves for _, curves in collect_curves(fits, folded)]
    assert {curve.phase.shape[1] for curve in curves} == {32, 40, 48, 56}
    largest = max(curves, key=lambda group: len(group.period))
    return fit_population([largest], harmonics=HARMONICS, components=2, iterations=25, **settings)


@pytest.fixture(scope="module")
def population():
    return train(*draw_stars(500, 1)[:2])


def least_squares(fits, folded):
    coefficients = []
    for star_id in fits["star_id"]:
        points = folded[folded["star_id"] == star_id]
        design = evaluate_harmonics(points["phase"].to_numpy(), HARMONICS)
        coefficients.append(np.linalg.lstsq(design, points["mag"].to_numpy())[0][1:])
    return np.array(coefficients)


def test_the_population_makes_noisy_curves_more_accurate(population):
    fits, folded, truth = draw_stars(150, 2)
    coefficients, _ = infer(population, fits, folded)
    alone = least_squares(fits, folded)
    assert np.std(coefficients - truth) < 0.9 * np.std(alone - truth)


def test_the_errors_are_those_of_the_coefficients(population):
    fits, folded, truth = draw_stars(200, 3)
    coefficients, errors = infer(population, fits, folded)
    within = np.abs(coefficients - truth) < errors
    assert 0.6 < within.mean() < 0.78


def test_wrong_points_hardly_matter(population):
    fits, folded, truth = draw_stars(150, 4, outliers=0.05)
    coefficients, _ = infer(population, fits, folded)
    alone = least_squares(fits, folded)
    assert np.std(coefficients - truth) < 0.3 * np.std(alone - truth)


def test_a_star_does_not_depend_on_the_others(population):
    fits, folded, _ = draw_stars(60, 5)
    together, errors = infer(population, fits, folded)
    order = np.random.default_rng(6).permutation(60)
    for part in (order, order[:7], order[:1]):
        chosen = fits.iloc[part]
        rows = folded[folded["star_id"].isin(chosen["star_id"])]
        apart, apart_errors = infer(population, chosen, rows.sample(frac=1, random_state=7))
        assert apart.tobytes() == together[part].tobytes()
        assert apart_errors.tobytes() == errors[part].tobytes()


def infer_directly(population, curves, iterations=150):
    """Where `infer_shapes` leads, by plain steps with a matrix of the harmonics of each point."""
    coefficients, covariances = [], []
    prior = np.linalg.inv(population.covariances)
    mean, deviation = population.period_scale
    for phase, mag, used, period in zip(
        curves.phase, curves.mag, curves.used.astype(bool), curves.period, strict=True
    ):
        phase, mag = phase[used], mag[used]
        basis = evaluate_harmonics(phase, HARMONICS)[:, 1:]
        place = np.minimum((phase * len(population.profile)).astype(int), 24)
        profile = population.profile[place]
        variance = 0.01 * np.mean(mag**2) + 0.01**2
        inverse = np.full(len(mag), 1 / variance)
        for _ in range(iterations):
            design = basis - inverse @ basis / inverse.sum()
            residual = mag - inverse @ mag / inverse.sum()
            seen = np.zeros((len(prior[0]), len(prior[0])))
            seen[:-1, :-1] = (design.T * inverse) @ design
            seen[-1, -1] = 0.02**-2
            projection = np.append(design.T @ (inverse * residual), 0.0)
            projection[-1] = (period - mean) / deviation * 0.02**-2
            covariance = np.linalg.inv(seen + prior)
            pull = projection + np.matmul(prior, population.means[..., None])[..., 0]
            means = np.matmul(covariance, pull[..., None])[..., 0]
            evidence = (pull * means).sum(axis=1) - (
                population.means * np.matmul(prior, population.means[..., None])[..., 0]
            ).sum(axis=1)
            evidence += np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(prior)[1]
            shares = population.shares * np.exp((evidence - evidence.max()) / 2)
            shares /= shares.sum()
            centre = shares @ means
            mixed = np.tensordot(shares, covariance, 1)
            mixed += ((means - centre).T * shares) @ (means - centre)
            square = (residual - design @ centre[:-1]) ** 2
            square += ((design @ mixed[:-1, :-1]) * design).sum(axis=1)
            freedom, strength = float(population.freedom), float(population.strength)
            weight = (freedom + 1) / (freedom + square / profile / variance)
            variance = (weight @ (square / profile) + strength * 0.01**2) / (
                len(mag) - 1 + strength
            )
            inverse = weight / (profile * variance)
        coefficients.append(centre[:-1])
        covariances.append(mixed[:-1, :-1])
    return np.array(coefficients), np.array(covariances)


def test_series_for_all_points_are_what_matrices_of_each_point_would_be(population):
    """Steps that go on until nothing moves end where plain ones end."""
    prior = Prior.of([population])
    for _, curves in collect_curves(*draw_stars(40, 13, outliers=0.05)[:2]):
        coefficients, covariances = infer_directly(population, curves, iterations=400)
        points, noise = place_points(curves, prior), guess_noise(curves, prior.freedom)
        for _ in range(400):
            posterior, noise, _ = expect(prior, points, curves.period, noise)
        np.testing.assert_allclose(posterior.mean[:, 0, :-1], coefficients, atol=1e-9)
        # Gaussians of a share below 1e-7 in a star, a hundredth of a mag away, are left out.
        np.testing.assert_allclose(posterior.covariance[:, 0, :-1, :-1], covariances, atol=5e-11)


@pytest.mark.parametrize("wrong", [0.0, 2.0, -2.0, 4.0, -4.0])
def test_a_few_strides_come_close_to_where_all_steps_lead(population, wrong):
    """Also with one point of each star that is so much (mag) off."""
    fits, folded, _ = draw_stars(150, 19)
    off = folded.groupby("star_id").sample(1, random_state=19).index
    folded.loc[off, "mag"] += wrong
    prior, away = Prior.of([population]), []
    for _, curves in collect_curves(fits, folded):
        shapes = infer_shapes(population, curves)
        points, noise = place_points(curves, prior), guess_noise(curves, prior.freedom)
        for _ in range(150):
            posterior, noise, _ = expect(prior, points, curves.period, noise)
        errors = np.sqrt(np.diagonal(posterior.covariance[:, 0], axis1=1, axis2=2))[:, :-1]
        difference = shapes.coefficients - posterior.mean[:, 0, :-1]
        away += list(np.abs(difference / errors).max(axis=1))
        np.testing.assert_allclose(shapes.noise, np.sqrt(noise[0].variance[:, 0]), rtol=0.2)
    assert np.median(away) < 0.02
    assert np.quantile(away, 0.95) < 0.1
    assert max(away) < 0.5


def test_the_noise_is_as_typical_where_there_is_no_point(population):
    _, curves = next(collect_curves(*draw_stars(20, 20)[:2]))
    used = curves.used * (np.arange(len(curves.used)) > 0)[:, None]
    shapes = infer_shapes(population, curves._replace(used=used, mag=curves.mag * used))
    assert shapes.noise[0] == pytest.approx(0.01)
    assert (shapes.noise[1:] > 0.01).all()


def test_members_of_several_sizes_look_at_the_stars_together(population):
    small = train(*draw_stars(300, 14)[:2], strength=1.0)
    smaller = small._replace(
        means=small.means[:1], covariances=small.covariances[:1], shares=np.ones(1)
    )
    populations = [population, smaller, small]
    _, curves = next(collect_curves(*draw_stars(30, 15)[:2]))
    for shapes, alone in zip(infer_with_each(populations, curves), populations, strict=True):
        for one, other in zip(shapes, infer_shapes(alone, curves), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_a_star_without_numbers_gets_none_and_the_others_theirs(population):
    _, curves = next(collect_curves(*draw_stars(20, 16)[:2]))
    mag = curves.mag.copy()
    mag[[3, 5], [2, 0]] = np.nan
    shapes = infer_shapes(population, curves._replace(mag=mag))
    good = np.delete(np.arange(len(mag)), [3, 5])
    assert np.isnan(shapes.coefficients[[3, 5]]).all()
    expected = infer_shapes(population, curves.take(good))
    for one, other in zip(shapes, expected, strict=True):
        assert one[good].tobytes() == other.tobytes()


def test_groups_of_curves_are_learnt_from_as_if_they_were_of_one_length():
    groups = list(collect_curves(*draw_stars(120, 17)[:2]))
    settings = {"harmonics": HARMONICS, "components": 2, "iterations": 5}
    apart = fit_population([curves for _, curves in groups], **settings)
    together = fit_population([join_curves(groups)], **settings)
    for one, other in zip(apart, together, strict=True):
        if one is not None:
            np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-10)


def test_no_matrix_of_each_star_is_held(population):
    """What is learnt from and inferred takes memory for the points, and for a batch of stars."""
    _, curves = next(collect_curves(*draw_stars(50, 18)[:2]))
    many = curves.take(np.resize(np.arange(len(curves.period)), 8000))
    size = sum(array.nbytes for array in many[:3])
    for work in (
        lambda: fit_population([many], iterations=1),
        lambda: infer_shapes(population, many),
    ):
        tracemalloc.start()
        work()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 * size


def test_stars_without_a_fit_are_left_out_but_no_points_are():
    fits, folded, _ = draw_stars(3, 8)
    fits.loc[1, "status"] = "fit_failed"
    folded["kept"] = np.arange(len(folded)) % 2 == 0
    counts = folded[folded["star_id"] != "s1"].groupby("star_id").size().to_numpy()
    seen = []
    for rows, curves in collect_curves(fits, folded):
        seen += rows.tolist()
        np.testing.assert_array_equal(curves.used.sum(axis=1), counts[rows])
        np.testing.assert_allclose(curves.mag.sum(axis=1), 0, atol=1e-12)
        assert (curves.phase[curves.used == 0] == 0).all()
    assert sorted(seen) == [0, 1]


def test_descriptions_do_not_depend_on_the_height_of_the_curve_but_on_its_shape(population):
    fits, folded, _ = draw_stars(5, 9)
    ((_, curves),) = collect_curves(fits, folded[folded.groupby("star_id").cumcount() < 30])
    shapes = infer_shapes(population, curves)
    inputs = describe_shapes(shapes, curves.period)
    assert inputs.shape == (5, 5 * HARMONICS + 1)
    np.testing.assert_array_equal(inputs[:, 2 * HARMONICS], fits["period"])
    amplitudes = inputs[:, 2 * HARMONICS + 1 : 3 * HARMONICS + 1]
    np.testing.assert_allclose(amplitudes[:, 0], np.hypot(inputs[:, 0], inputs[:, 1]), rtol=1e-12)
    brighter = describe_shapes(
        infer_shapes(population, curves._replace(mag=curves.mag - 3 * curves.used)), curves.period
    )
    np.testing.assert_allclose(brighter[:, : 2 * HARMONICS], inputs[:, : 2 * HARMONICS], atol=0.02)


def test_a_gaussian_without_stars_spoils_nothing():
    """Two kinds of stars, told apart by shape and period, for three Gaussians."""
    random = np.random.default_rng(3)
    number, points = 600, 40
    second = np.arange(number) % 2 == 1
    shapes = np.array([[0.3, 0.05, 0.1, 0.02, 0.03, 0.01], [0.1, 0.2, 0.02, 0.05, 0.01, 0.02]])
    coefficients = shapes[second.astype(int)] + random.normal(0, 0.001, (number, 6))
    phase = random.uniform(0, 1, (number, points))
    columns = evaluate_harmonics(phase.ravel(), HARMONICS)[:, 1:].reshape(number, points, 6)
    mag = np.einsum("npk,nk->np", columns, coefficients) + random.normal(0, 0.001, phase.shape)
    period = np.where(second, 0.7, 0.5) + random.normal(0, 0.001, number)
    curves = Curves(phase, mag - mag.mean(axis=1, keepdims=True), np.ones_like(mag), period)
    population = fit_population([curves], harmonics=HARMONICS, components=3)
    assert all(np.isfinite(part).all() for part in population if part is not None)
    assert np.sort(population.shares)[:2].sum() < 0.52


def test_too_few_stars_are_refused():
    (_, curves), *_ = collect_curves(*draw_stars(15, 10)[:2])
    with pytest.raises(ValueError, match="are too few for 3 components"):
        fit_population([curves])


def observe_again(fits, truth, seed: int, size: float = 0.7):
    """Sparse and noisy light curves of the same stars in another band."""
    random = np.random.default_rng(seed)
    tables = []
    for star_id, coefficients in zip(fits["star_id"], truth, strict=True):
        phase = random.uniform(0, 1, random.integers(8, 14))
        mag = 14 + size * evaluate_harmonics(phase, HARMONICS)[:, 1:] @ coefficients
        mag += random.normal(0, 0.05, len(phase))
        tables.append(pd.DataFrame({"star_id": star_id, "phase": phase, "mag": mag}))
    return pd.concat(tables, ignore_index=True).assign(band="RP")


@pytest.fixture(scope="module")
def joint():
    """Stars in two bands, and the population of their joint shapes."""
    fits, folded, truth = draw_stars(300, 11)
    others = observe_again(fits, truth, 12)
    curves = join_curves(collect_curves(fits, folded, others, ["RP"]))
    settings = {"harmonics": HARMONICS, "components": 2, "iterations": 15}
    return fit_population([curves], **settings), curves, truth


def test_what_one_band_lacks_the_other_tells(joint):
    population, curves, truth = joint
    own, further = population.split()
    assert (own, further) == (slice(0, 6), slice(6, 12))
    shapes = infer_shapes(population, curves)
    np.testing.assert_allclose(shapes.coefficients[:, own], truth, atol=0.04)
    error = np.std(shapes.coefficients[:, further] - 0.7 * truth)
    alone = curves.further[0]
    of_one = fit_population([alone], harmonics=HARMONICS, components=2, iterations=15)
    assert error < 0.7 * np.std(infer_shapes(of_one, alone).coefficients - 0.7 * truth)
    deviations = np.sqrt(np.diagonal(shapes.covariances, axis1=1, axis2=2))[:, further]
    within = np.abs(shapes.coefficients[:, further] - 0.7 * truth) < deviations
    # Rather too large errors: what keeps the covariance regular is a part of them.
    assert 0.65 < within.mean() < 0.85


def test_a_band_without_points_is_marginalised(joint):
    population, curves, _ = joint
    lacking = curves._replace(
        further=tuple(
            Curves(*np.zeros((3, *band.used.shape)), band.period) for band in curves.bands[1:]
        )
    )
    shapes = infer_shapes(population, lacking)
    # The same as of the population of the own band and the period alone.
    kept = np.r_[0:6, 12]
    marginal = population._replace(
        means=population.means[:, kept],
        covariances=population.covariances[:, kept][:, :, kept],
        profile=population.profile[0],
        harmonics=None,
    )
    alone = infer_shapes(marginal, curves._replace(further=()))
    np.testing.assert_allclose(shapes.coefficients[:, :6], alone.coefficients, atol=1e-8)
    np.testing.assert_allclose(shapes.covariances[:, :6, :6], alone.covariances, atol=1e-8)
    np.testing.assert_allclose(shapes.noise, alone.noise)
    # What stands for the other band is plausible, and so are the inputs of regressors.
    whole = infer_shapes(population, curves)
    np.testing.assert_allclose(shapes.coefficients[:, 6:], whole.coefficients[:, 6:], atol=0.1)
    inputs, usual = (
        describe_shapes(of_stars, curves.period, population.split()) for of_stars in (shapes, whole)
    )
    assert inputs.shape == (300, 5 * HARMONICS + 1 + 3 * HARMONICS)
    assert (np.abs(inputs - usual.mean(axis=0)) < 6 * usual.std(axis=0) + 1e-9).all()
    assert np.isfinite(inputs).all()


def test_a_star_does_not_depend_on_the_others_in_several_bands(joint):
    population, curves, _ = joint
    together = infer_shapes(population, curves)
    for rows in (np.arange(7), np.array([211])):
        apart = infer_shapes(population, curves.take(rows))
        for one, other in zip(apart, together, strict=True):
            assert one.tobytes() == other[rows].tobytes()


def test_curves_of_a_missing_band_are_asked_for():
    fits, folded, _ = draw_stars(3, 8)
    with pytest.raises(ValueError, match="there are no light curves in BP, RP"):
        next(collect_curves(fits, folded, None, ["BP", "RP"]))
