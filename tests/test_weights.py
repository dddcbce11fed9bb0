import numpy as np
import pytest
from scipy.stats import gaussian_kde

from metalyra.weights import density_weights, inverse_variance_weights, make_weights


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
