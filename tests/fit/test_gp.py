"""The periodic Gaussian process is the dense one, at a fraction of the cost."""

import tarfile

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from metalyra.fit import gp
from metalyra.fit.fourier import evaluate_harmonics
from metalyra.fit.settings import KERNEL_NAMES
from tests.fit.test_fourier import PERIOD, make_light_curve

HARMONICS = 30


def folded(seed, count=80, noise=0.03):
    time, mag, _ = make_light_curve(np.random.default_rng(seed), count, noise)
    return (time / PERIOD) % 1, mag


def expsine2(first, second, length_scale):
    return np.exp(-2 * np.sin(np.pi * (first[:, None] - second)) ** 2 / length_scale**2)


def matern32(first, second, length_scale):
    """The Matern 3/2 kernel summed over all turns of the circle."""
    turns = np.arange(-60, 61)
    scaled = np.sqrt(3) * np.abs(first[:, None, None] - second[:, None] - turns) / length_scale
    kernel = ((1 + scaled) * np.exp(-scaled)).sum(axis=-1)
    zero = np.sqrt(3) * np.abs(turns) / length_scale
    return kernel / ((1 + zero) * np.exp(-zero)).sum()


DENSE = {"expsine2": expsine2, "matern32": matern32}


@pytest.mark.parametrize("name", DENSE)
def test_harmonic_weights_sum_to_the_kernel(name):
    lag = np.linspace(0, 1, 50)
    for length_scale in (0.35, 0.8, 2.0):
        weights, _ = gp.KERNELS[name](np.array([length_scale]), 100)
        series = np.cos(2 * np.pi * lag[:, None] * np.arange(101)) @ weights[0]
        dense = DENSE[name](lag, np.zeros(1), length_scale)[:, 0]
        np.testing.assert_allclose(series, dense, atol=3e-5)


def test_the_kernels_are_those_that_settings_may_name():
    assert tuple(gp.KERNELS) == KERNEL_NAMES


@pytest.mark.parametrize("name", gp.KERNELS)
def test_weight_slopes_are_the_derivatives(name):
    log_scale = np.array([-1.5, 0.0, 1.2])
    step = 1e-6
    above = np.log(gp.KERNELS[name](np.exp(log_scale + step), 10)[0])
    below = np.log(gp.KERNELS[name](np.exp(log_scale - step), 10)[0])
    slopes = gp.KERNELS[name](np.exp(log_scale), 10)[1]
    np.testing.assert_allclose(slopes, (above - below) / (2 * step), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kernel", gp.KERNELS)
@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("ratio_prior", [None, (3.0, 0.7)])
def test_posterior_has_the_derivatives_it_says(ratio_prior, published, kernel):
    batch = gp._Batch([gp.summarise(*folded(1), HARMONICS, published)], kernel, ratio_prior)
    step = 1e-4
    for position in ([-0.5, 4.0], [0.8, 9.0], [-1.2, 1.0], [1.5, 2.0]):
        here = batch.differentiate(np.array([position]), np.array([0]))
        assert here.value == pytest.approx(batch.evaluate(np.array([position]), np.array([0])))
        for axis in range(2):
            moved = np.array([position, position])
            moved[:, axis] += (-step, step)
            value, gradient, _ = batch.differentiate(moved, np.array([0, 0]))
            slope, bend = np.diff(value)[0], np.diff(gradient, axis=0)[0]
            assert here.gradient[0, axis] == pytest.approx(slope / (2 * step), rel=1e-3, abs=1e-2)
            np.testing.assert_allclose(
                here.hessian[0, axis], bend / (2 * step), rtol=2e-3, atol=2e-3
            )


@pytest.mark.parametrize("kernel", gp.KERNELS)
def test_tabulated_kernels_are_the_kernels(kernel):
    log_scale = np.random.default_rng(0).uniform(*np.log(gp.LENGTH_SCALES), 500)
    tabulated = gp.tabulate_kernel(kernel, 24)(log_scale)
    np.testing.assert_allclose(
        np.exp(tabulated), gp.KERNELS[kernel](np.exp(log_scale), 24)[0], rtol=1e-8
    )


def test_what_is_left_out_changes_nothing(monkeypatch):
    summaries = [gp.summarise(*folded(seed, count=30 + 9 * seed), 24) for seed in range(6)]
    some = gp.fit_batch(summaries)
    monkeypatch.setattr(gp, "_NEGLIGIBLE", 1e-300)
    every = gp.fit_batch(summaries)
    assert [factor.shape[0] for factor in every.best.factors] == [48] * 6
    assert max(factor.shape[0] for factor in some.best.factors) < 48
    np.testing.assert_allclose(some.mean, every.mean, atol=1e-5)
    np.testing.assert_allclose(some.log_bayes_factor, every.log_bayes_factor, atol=1e-4)
    for one, all_of_them in zip(some.best.factors, every.best.factors, strict=True):
        size = one.shape[0]
        spread = (all_of_them @ all_of_them.T)[:size, :size]
        np.testing.assert_allclose(one @ one.T, spread, atol=1e-4 * spread.max())


def test_published_posterior_is_that_of_three_dense_copies():
    """One constant, one kernel, each point thrice: lcfit's regression, without its matrix."""
    phase, mag = folded(2)
    posterior = gp.fit_batch([gp.summarise(phase, mag, HARMONICS, published=True)])
    length_scale, noise = posterior.best.length_scale[0], posterior.best.noise[0]
    variance = posterior.best.amplitude[0] ** 2
    copies, thrice = np.tile(phase, 3), np.tile(mag, 3)
    covariance = variance * expsine2(copies, copies, length_scale)
    covariance += noise**2 * np.eye(thrice.size)
    grid = np.arange(0, 1, 0.02)
    mean = variance * expsine2(grid, copies, length_scale) @ np.linalg.solve(covariance, thrice)
    series = evaluate_harmonics(grid, HARMONICS) @ posterior.best.coefficients[0]
    np.testing.assert_allclose(series, mean, atol=1e-5)
    dense = multivariate_normal(np.zeros(thrice.size), covariance).logpdf(thrice)
    assert posterior.best.log_likelihood[0] == pytest.approx(dense, abs=1e-3)


def test_posterior_is_the_dense_one_with_a_free_mean():
    phase, mag = folded(3)
    posterior = gp.fit_batch([gp.summarise(phase, mag, HARMONICS)])
    noise, variance = posterior.best.noise[0], posterior.best.amplitude[0] ** 2
    length_scale = posterior.best.length_scale[0]
    free_mean = 1e6
    covariance = variance * expsine2(phase, phase, length_scale) + free_mean
    covariance += noise**2 * np.eye(phase.size)
    grid = np.arange(0, 1, 0.02)
    cross = variance * expsine2(grid, phase, length_scale) + free_mean
    centred = mag - mag.mean()
    mean = cross @ np.linalg.solve(covariance, centred) + mag.mean()
    harmonics = evaluate_harmonics(grid, HARMONICS)
    np.testing.assert_allclose(harmonics @ posterior.best.coefficients[0], mean, atol=1e-5)

    prior = variance * expsine2(grid, grid, length_scale) + free_mean
    spread = np.sqrt(np.diag(prior - cross @ np.linalg.solve(covariance, cross.T)))
    posterior = posterior._replace(
        nodes=posterior.nodes[:1] * 2, degrees_of_freedom=np.array([10**9])
    )
    drawn = gp.draw_coefficients(posterior, 0, 4000, np.random.default_rng(0))
    drawn = drawn @ harmonics[:, : drawn.shape[1]].T
    np.testing.assert_allclose(drawn.std(axis=0), spread, rtol=0.08)


@pytest.mark.parametrize("count", [20, 80])
def test_mode_beats_a_fine_grid(count):
    for seed in range(12):
        noise = (0.003, 0.03, 0.3)[seed % 3]
        summary = gp.summarise(*folded(seed, count, noise), HARMONICS)
        batch = gp._Batch([summary], "expsine2")
        position, value, _, _, converged = gp.find_mode(batch)
        scales, ratios = np.meshgrid(np.log(np.geomspace(0.1, 10, 40)), np.linspace(-9, 23, 60))
        grid = np.column_stack([scales.ravel(), ratios.ravel()])
        values = batch.evaluate(grid, np.zeros(len(grid), dtype=int))
        assert converged[0]
        assert value[0] == batch.evaluate(position, np.array([0]))[0]
        assert value[0] >= values.max() - 1e-6


def test_a_star_does_not_depend_on_its_batch():
    summaries = [gp.summarise(*folded(seed, count=60 + 7 * seed), 24) for seed in range(9)]
    together = gp.fit_batch(summaries, rival="matern52")
    for star in (0, 4, 8):
        alone = gp.fit_batch([summaries[star]], rival="matern52")
        pair = gp.fit_batch([summaries[(star + 1) % 9], summaries[star]], rival="matern52")
        for name in ("mean", "log_bayes_factor", "converged"):
            expected = getattr(together, name)[star]
            assert np.array_equal(expected, getattr(alone, name)[0]), name
            assert np.array_equal(expected, getattr(pair, name)[1]), name
        for name in ("coefficients", "factors", "length_scale", "noise", "log_likelihood"):
            for node in range(14):
                expected = getattr(together.nodes[node][1], name)[star]
                assert np.array_equal(expected, getattr(alone.nodes[node][1], name)[0]), name
                assert np.array_equal(expected, getattr(pair.nodes[node][1], name)[1]), name


def test_kernels_share_the_posterior_by_their_evidence():
    summaries = [gp.summarise(*folded(seed), 24) for seed in range(3)]
    first, second = (gp.fit_batch(summaries, kernel) for kernel in ("expsine2", "matern32"))
    both = gp.fit_batch(summaries, "expsine2", rival="matern32", rival_share=0.8)
    shares = np.array([share for share, _ in both.nodes])
    np.testing.assert_allclose(shares.sum(axis=0), 1.0)
    odds = shares[:7].sum(axis=0) / shares[7:].sum(axis=0)
    ratio = np.exp(first.log_bayes_factor - second.log_bayes_factor)
    np.testing.assert_allclose(odds, ratio / 4, rtol=1e-6)
    np.testing.assert_allclose(
        np.exp(both.log_bayes_factor),
        0.2 * np.exp(first.log_bayes_factor) + 0.8 * np.exp(second.log_bayes_factor),
    )
    assert np.array_equal(both.best.coefficients, first.best.coefficients)


def test_two_kernels_give_the_mean_of_what_is_drawn():
    summaries = [gp.summarise(*folded(seed), 24) for seed in range(2)]
    both = gp.fit_batch(summaries, "expsine2", rival="matern52", rival_share=0.9)
    drawn = gp.draw_coefficients(both, 1, 20_000, np.random.default_rng(0))
    standard_error = drawn.std(axis=0) / np.sqrt(len(drawn))
    used = drawn.shape[1]
    assert (np.abs(drawn.mean(axis=0) - both.mean[1, :used]) < 5 * standard_error).all()
    assert (both.mean[1, used:] == 0).all()
    assert (np.abs(both.mean[1] - both.best.coefficients[1])[:used] > 5 * standard_error).any()
    alone = gp.fit_batch(summaries)
    assert np.array_equal(alone.mean, alone.best.coefficients)


@pytest.mark.parametrize("ratio_prior", [None, gp.LOG_RATIO_PRIOR])
@pytest.mark.parametrize("noise", [0.03, 0.2])
def test_the_evidence_is_the_likelihood_integrated_over_the_hyper_parameters(noise, ratio_prior):
    summary = gp.summarise(*folded(4, count=200, noise=noise), 12)
    for kernel in ("expsine2", "matern52"):
        batch = gp._Batch([summary], kernel, ratio_prior=None)
        scales = np.linspace(*np.log(gp.LENGTH_SCALES), 60)
        ratios = np.linspace(*np.log(gp.RATIOS), 200)
        grid = np.stack(np.meshgrid(scales, ratios), axis=-1).reshape(-1, 2)
        values = batch.evaluate(grid, np.zeros(len(grid), dtype=int))
        evidence = np.log(np.exp(values - values.max()).mean()) + values.max()
        # No variance, no periodic curve.
        constant = batch.evaluate(np.array([[0.0, -40.0]]), np.array([0]))[0]
        fitted = gp.fit_batch([summary], kernel, ratio_prior=ratio_prior)
        assert fitted.log_bayes_factor[0] == pytest.approx(evidence - constant, abs=0.5)


def test_white_noise_is_no_periodic_curve():
    rng = np.random.default_rng(5)
    noise = [
        gp.summarise(rng.uniform(size=60), 15 + 0.1 * rng.standard_normal(60), 24)
        for _ in range(100)
    ]
    assert np.quantile(gp.fit_batch(noise).log_bayes_factor, 0.9) < 0
    star = gp.summarise(*folded(4, count=60), 24)
    assert gp.fit_batch([star]).log_bayes_factor[0] > 50


def test_a_lone_star_whose_likelihood_is_no_number_is_an_error():
    star = gp.summarise(*folded(4, count=60), 24)._replace(square=np.nan)
    with pytest.raises(FloatingPointError, match="the likelihood of a light curve is no number"):
        gp.fit_batch([star])


def test_nodes_stand_for_the_uncertainty_of_the_hyper_parameters():
    """Their weighted mean and scatter are those of the likelihood on a fine grid."""
    batch = gp._Batch([gp.summarise(*folded(4, count=200), HARMONICS)], "expsine2")
    position, _, _, hessian, _ = gp.find_mode(batch)
    offsets = np.linspace(-2, 2, 81)
    grid = position + np.stack(np.meshgrid(offsets, offsets), axis=-1).reshape(-1, 2)
    values = batch.evaluate(grid, np.zeros(len(grid), dtype=int))
    weights = np.exp(values - values.max())
    weights /= weights.sum()
    spread = np.sqrt(
        np.average((grid - np.average(grid, axis=0, weights=weights)) ** 2, axis=0, weights=weights)
    )
    shares, positions = gp.spread_nodes(position, *gp.measure_widths(hessian))
    points = positions[:, 0]
    assert shares.sum() == pytest.approx(1)
    np.testing.assert_allclose(shares @ points, position[0], atol=1e-9)
    np.testing.assert_allclose(np.sqrt(shares @ (points - position[0]) ** 2), spread, rtol=0.3)


def test_evidence_is_that_at_the_maximum_of_the_likelihood(monkeypatch):
    """Steps that are not taken change its logarithm by less than 0.05."""
    summaries = [gp.summarise(*folded(seed, 40, 0.03 * seed), HARMONICS) for seed in range(1, 12)]
    batch = gp._Batch(summaries, "matern52")
    mode = gp.find_mode(batch)
    quick = gp.measure_evidence(batch, mode)
    monkeypatch.setattr(gp, "_LEAST_GAIN", 0.0)
    np.testing.assert_allclose(quick, gp.measure_evidence(batch, mode), atol=0.05)


def test_weighted_posterior_is_the_dense_one_with_known_variances():
    phase, mag = folded(5)
    variance = np.exp(np.random.default_rng(8).normal(0, 1.0, phase.size))
    variance /= np.exp(np.log(variance).mean())
    summary = gp.summarise(phase, mag, HARMONICS, variance=7.0 * variance)
    posterior = gp.fit_batch([summary])
    noise, amplitude = posterior.best.noise[0], posterior.best.amplitude[0]
    free_mean = 1e6
    covariance = amplitude**2 * expsine2(phase, phase, posterior.best.length_scale[0]) + free_mean
    covariance += noise**2 * np.diag(variance)
    grid = np.arange(0, 1, 0.02)
    cross = amplitude**2 * expsine2(grid, phase, posterior.best.length_scale[0]) + free_mean
    mean = cross @ np.linalg.solve(covariance, mag - mag.mean()) + mag.mean()
    series = evaluate_harmonics(grid, HARMONICS) @ posterior.best.coefficients[0]
    np.testing.assert_allclose(series, mean, atol=1e-5)


def test_likelihoods_of_different_weightings_compare_as_the_dense_ones():
    """The dense GP has a flat prior of the mean, integrated out, and the best scale."""
    phase, mag = folded(7, count=60)
    rng = np.random.default_rng(11)
    length_scale, ratio = 0.7, 400.0
    position, ours, dense = np.log([[length_scale, ratio]]), [], []
    for spread in (0.0, 0.5, 1.5, 2.5):
        variance = np.exp(rng.normal(0, spread, phase.size))
        variance /= np.exp(np.log(variance).mean())
        summary = gp.summarise(phase, mag, HARMONICS, variance=variance)
        batch = gp._Batch([summary], "expsine2", ratio_prior=None)
        ours.append(batch.evaluate(position, np.array([0]))[0])
        # The kernel's constant term is as free as the mean.
        weights, _ = gp.KERNELS["expsine2"](np.array([length_scale]), HARMONICS)
        kernel = ratio * (expsine2(phase, phase, length_scale) - weights[0, 0]) + np.diag(variance)
        inverse = np.linalg.inv(kernel)
        precision = inverse.sum()
        residual = mag - (inverse @ mag).sum() / precision
        freedom = phase.size - 1
        scale = residual @ inverse @ residual / freedom
        likelihood = -0.5 * freedom * (np.log(2 * np.pi * scale) + 1)
        likelihood -= 0.5 * (np.linalg.slogdet(kernel)[1] + np.log(precision))
        dense.append(likelihood)
    np.testing.assert_allclose(np.diff(ours), np.diff(dense), atol=1e-4)
    assert ours[0] == pytest.approx(dense[0], abs=1e-4)


def test_summaries_by_sums_of_twice_as_many_harmonics_are_the_same():
    rng = np.random.default_rng(12)
    phase, mag = rng.uniform(size=3000), rng.normal(15, 0.3, size=3000)
    columns = evaluate_harmonics(phase, 2 * HARMONICS)
    variances = [None, rng.uniform(0.5, 2, size=3000), rng.uniform(0.1, 9, size=3000)]
    summaries = gp.summarise_weightings(columns, mag, variances)
    for found, variance in zip(summaries, variances, strict=True):
        expected = gp.summarise(phase, mag, HARMONICS, variance=variance)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-9)


def test_the_likelihood_knows_which_points_are_noisier():
    rng = np.random.default_rng(9)
    phase, mag = folded(6, count=200, noise=0.0)
    error = np.where(rng.uniform(size=200) < 0.3, 0.1, 0.01)
    mag = mag + error * rng.standard_normal(200)
    told = gp.summarise(phase, mag, HARMONICS, variance=error**2)
    untold = gp.summarise(phase, mag, HARMONICS)
    assert gp.choose_summaries([[untold], [told]])[0] is told
    shuffled = gp.summarise(phase, mag, HARMONICS, variance=rng.permutation(error) ** 2)
    assert gp.choose_summaries([[untold], [shuffled]])[0] is untold


@pytest.mark.parametrize("kernel", gp.KERNELS)
def test_every_kernel_converges_on_a_real_star(mirror, kernel):
    """Of a noisy star, where length scale and variance make a ridge of the likelihood."""
    phase, mag = np.loadtxt(mirror / "lcfit_examples" / "phasedlc_test" / "b56841.dat").T
    once = phase < 1
    summary = gp.summarise(phase[once], mag[once], 24)
    assert gp.fit_batch([summary], kernel).converged[0]


def read_sparse_curves(mirror, number, published):
    """Return summaries of the first Gaia stars of 20 to 26 epochs."""
    summaries = []
    with tarfile.open(mirror / "dekany_grebel_2022" / "lc_dev_g.tar.gz") as archive:
        for member in archive:
            if not member.name.endswith("_bin.dat"):
                continue
            phase, mag = np.loadtxt(archive.extractfile(member), usecols=(0, 1)).T
            once = phase < 1
            if 20 <= np.count_nonzero(once) <= 26:
                summaries.append(gp.summarise(phase[once], mag[once], 24, published))
            if len(summaries) == number:
                return summaries
    raise AssertionError("the archive has fewer sparse curves")


@pytest.mark.parametrize("published", [False, True])
def test_sparse_real_curves_have_noise(mirror, published):
    """No point of a coarse grid beats the mode; as published, one without noise does."""
    batch = gp._Batch(read_sparse_curves(mirror, 40, published), "expsine2")
    mode = gp.find_mode(batch)
    rows = np.arange(mode.value.size)
    scales, ratios = np.meshgrid(np.log(np.geomspace(0.1, 10, 12)), np.linspace(-9, 23, 33))
    grid = np.column_stack([scales.ravel(), ratios.ravel()])
    values = np.array([batch.evaluate(np.tile(point, (rows.size, 1)), rows) for point in grid])
    gain = values.max(axis=0) - mode.value
    if published:
        assert np.mean(gain > 2) > 0.5
        assert np.median(grid[values.argmax(axis=0), 1]) > 15
    else:
        assert gain.max() < 1e-6
        assert mode.position[:, 1].max() < 10
