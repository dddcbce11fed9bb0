"""Phases in cycles, phase differences phi_k1, and the windows that they are wrapped into."""

import numpy as np

from metalyra.core.arrays import Floats

WINDOW_CENTRES = {"RRab": {2: 9.1, 3: 5.88}, "RRc": {2: 9.1, 3: 6.83}}
"""Centres of the 2 pi windows of phi21 and phi31 (rad), by pulsation type."""


def wrap_around(phase: Floats, centre: Floats | float) -> Floats:
    """Shift phases (rad) by multiples of 2 pi into ``[centre - pi, centre + pi)``."""
    return phase - np.floor((phase - centre + np.pi) / (2 * np.pi)) * 2 * np.pi


def wrap_cycles(cycles: Floats) -> Floats:
    """Return the phases of numbers of cycles: ``cycles % 1``, in a tenth of the time."""
    return cycles - np.floor(cycles)
