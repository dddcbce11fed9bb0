import numpy as np
import pytest
from scipy.stats import gaussian_kde

from metalyra.train.weights import (
    dense_weights,
    density_weights,
    inverse_variance_weights,
    make_weights,
)


@pytest.fixture
def feh():
    random = np.random.default_rng(1)
    return np.concatenate([random.normal(-1.4, 0.2, 900), random.uniform(-2.6, -0.1, 100)])


def test_density_weights_are_inverse_densities_above_the_threshold(feh):
    density = gaussian_kde(feh)(feh)
    weights = density_weights(feh, 0.5)
    common = density > 0.5
    np.testing.assert_allclose((weights * density)[common], (weights * density)[common][0])
    assert np.ptp(weights[~common]) == 0
    assert weights[~common][0] == pytest.approx(weights[common].max(), rel=0.05)
    assert weights.mean() == pytest.approx(1)


def test_a_high_threshold_makes_the_weights_uniform(feh):
    np.testing.assert_allclose(density_weights(feh, 100), 1)


def test_inverse_variance_weights():
    np.testing.assert_allclose(inverse_variance_weights(np.array([0.1, 0.2])), [1.6, 0.4])


@pytest.mark.parametrize("missing", [np.nan, 0.0, -0.1])
def test_inverse_variance_weights_need_errors(missing):
    with pytest.raises(ValueError, match="positive error"):
        inverse_variance_weights(np.array([0.1, missing]))


def test_weights_are_the_product_of_those_asked_for(feh):
    feh_err = np.random.default_rng(2).uniform(0.05, 0.2, len(feh))
    assert (make_weights(feh, feh_err) == 1).all()
    both = make_weights(feh, feh_err, density_threshold=0.5, inverse_variance=True)
    product = density_weights(feh, 0.5) * inverse_variance_weights(feh_err)
    np.testing.assert_allclose(both, product / product.mean())


def test_errors_may_be_missing_where_they_are_not_used(feh):
    missing = np.full(len(feh), np.nan)
    weights = make_weights(feh, missing, density_threshold=0.5)
    np.testing.assert_allclose(weights, density_weights(feh, 0.5))


def test_weights_sum_to_the_number_of_stars(feh):
    feh_err = np.random.default_rng(2).uniform(0.05, 0.2, len(feh))
    for settings in ({}, {"density_threshold": 0}, {"density_alpha": 0.9}):
        weights = make_weights(feh, feh_err, inverse_variance=True, **settings)
        assert weights.sum() == pytest.approx(len(feh))
        assert weights.min() > 0


def test_without_a_threshold_weights_are_inverse_densities(feh):
    weights = make_weights(feh, feh, density_threshold=0)
    np.testing.assert_allclose(np.ptp(weights * gaussian_kde(feh)(feh)), 0, atol=1e-12)


def test_weights_can_be_scaled_to_a_range(feh):
    number, ranged = (
        make_weights(feh, feh, density_threshold=0.5, scaling=scaling)
        for scaling in ("number", "range")
    )
    assert (ranged.min(), ranged.max()) == (0.01, pytest.approx(1))
    np.testing.assert_allclose(
        (ranged - 0.01) / 0.99, (number - number.min()) / np.ptp(number), atol=1e-12
    )
    assert (make_weights(feh, feh, scaling="range") == 1).all()


SETTINGS = [
    {},
    {"density_threshold": 0.5},
    {"density_alpha": 0.9, "inverse_variance": True},
    {"density_threshold": 0.5, "inverse_variance": True, "scaling": "range"},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_weights_are_learnt_from_the_stars_of_a_training_alone(feh, settings):
    feh_err = np.random.default_rng(2).uniform(0.05, 0.2, len(feh))
    training, others = (slice(0, 800), slice(800, None))
    learnt = (feh[training], feh_err[training])
    own = make_weights(*learnt, **settings)
    np.testing.assert_array_equal(make_weights(*learnt, trained_on=learnt, **settings), own)
    whole = make_weights(feh, feh_err, trained_on=learnt, **settings)
    np.testing.assert_array_equal(whole[training], own)
    one = slice(803, 804)
    alone = make_weights(feh[one], feh_err[one], trained_on=learnt, **settings)
    np.testing.assert_array_equal(alone, whole[one])
    assert (whole[others] > 0).all()


def test_a_star_beyond_the_training_counts_as_its_extremes(feh):
    settings = {"inverse_variance": True, "scaling": "range"}
    learnt = (feh[:3], np.array([0.1, 0.2, 0.4]))
    far = make_weights(feh[3:5], np.array([0.01, 4.0]), trained_on=learnt, **settings)
    assert far.tolist() == [1, 0.01]


def test_dense_weights_fall_from_the_rarest_to_the_commonest(feh):
    density = gaussian_kde(feh)(feh)
    weights = dense_weights(feh, 0.5)
    assert (np.diff(weights[np.argsort(density)]) <= 0).all()
    assert weights.max() / weights.min() == pytest.approx(2)
    assert weights.mean() == pytest.approx(1)


def test_the_strength_of_dense_weights(feh):
    np.testing.assert_allclose(dense_weights(feh, 0), 1)
    full, double = dense_weights(feh, 1), dense_weights(feh, 2)
    assert np.count_nonzero(full == full.min()) == 1
    assert np.mean(double == double.min()) > 0.3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"density_alpha": -1}, "alpha of the density weights is -1"),
        ({"density_alpha": 1, "density_threshold": 0.5}, "exclude each other"),
        ({"scaling": "unit"}, "'unit'; allowed are number, range"),
    ],
)
def test_settings_that_make_no_weights_are_named(feh, settings, message):
    with pytest.raises(ValueError, match=message):
        make_weights(feh, feh, **settings)
