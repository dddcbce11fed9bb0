"""The second radial mode of RRd stars: a peak of the residuals at a known ratio of periods.

The first overtone of a star that pulsates in both modes has 0.742 to 0.748 of the period of the
fundamental mode (Soszyński et al. 2016, Fig. 3, their anomalous RRd stars apart).
"""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from metalyra.core.arrays import Floats
from metalyra.fit.periodograms import make_frequencies, measure_power
from metalyra.fit.shape_populations import fit_held_back

PERIOD_RATIOS = (0.742, 0.748)
"""Period of the first overtone over that of the fundamental mode."""

_MAIN_HARMONICS = 3
_HARMONICS = 1
_NOISE = 1e-3  # mag
_SHORTEST, _LONGEST = 0.18, 1.1  # d, between which the residuals are searched


class SecondMode(NamedTuple):
    """What the residuals of a star say of a second mode.

    Attributes
    ----------
    period
        At the highest peak among the ratios of `PERIOD_RATIOS` (d).
    log_odds
        Log of the Bayes factor of a second mode there; minus infinity where the residuals have
        a higher peak elsewhere, which is then what they are about.
    """

    period: float
    log_odds: float


def find_second_mode(time: Floats, mag: Floats, variance: Floats, frequency: float) -> SecondMode:
    """Look for the other radial mode of a star.

    Parameters
    ----------
    time : (n,)
        Times (d).
    mag : (n,)
        Magnitudes.
    variance : (n,)
        Relative variances of the points.
    frequency
        That of the first mode (1 / d), whichever of the two it is.
    """
    fitted = fit_held_back(time, mag, variance, np.array([frequency]), _MAIN_HARMONICS)
    residual = fitted.residuals[0]
    weight = 1 / variance
    weight /= weight.mean()
    frequencies = make_frequencies(float(np.ptp(time)), _SHORTEST, _LONGEST)
    power = measure_power(time, residual, weight, frequencies, _HARMONICS, _NOISE).power
    low, high = PERIOD_RATIOS
    ratio = frequency / frequencies
    inside = ((ratio >= low) & (ratio <= high)) | ((1 / ratio >= low) & (1 / ratio <= high))
    if not inside.any():
        return SecondMode(np.nan, -np.inf)
    place = int(np.argmax(np.where(inside, power, -1.0)))
    best = 1.0 / float(frequencies[place])
    if power[place] < power.max():
        return SecondMode(best, -np.inf)
    # The marginal likelihood of two more coefficients, averaged over the frequencies inside.
    freedom = max(time.size - 2 * _MAIN_HARMONICS - 4, 1)
    logs = -0.5 * freedom * np.log1p(-np.minimum(power[inside], 0.999999)) - np.log(time.size)
    return SecondMode(best, float(logsumexp(logs) - np.log(np.count_nonzero(inside))))
