"""Phases in cycles."""

import numpy as np

from metalyra.core.phase_differences import wrap_cycles


def test_cycles_are_wrapped_as_their_remainders_are():
    rng = np.random.default_rng(1)
    cycles = [*rng.normal(scale=1e4, size=1000), -1e-17, -0.0, 0.0, -2.0, 3.0, 1e17, np.nan]
    np.testing.assert_array_equal(wrap_cycles(np.array(cycles)), np.array(cycles) % 1.0)
