import numpy as np
import pytest

from metalyra.core.factors import invert_factors


@pytest.mark.parametrize("places", [None, [0, 2]])
def test_factors_are_inverted_where_they_are_and_others_are_left(places):
    roots = np.random.default_rng(1).normal(size=(4, 5, 5))
    factors = np.linalg.cholesky(roots @ roots.swapaxes(1, 2) + np.eye(5))
    inverted = factors.copy()
    invert_factors(inverted, places)
    chosen = range(4) if places is None else places
    for place, (before, after) in enumerate(zip(factors, inverted, strict=True)):
        expected = np.linalg.inv(before) if place in chosen else before
        np.testing.assert_allclose(after, expected, atol=1e-12)
