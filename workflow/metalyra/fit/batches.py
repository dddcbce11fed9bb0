"""The Gaussian processes of many stars at once."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from metalyra.core.arrays import Floats
from metalyra.fit.failures import NUMERICAL
from metalyra.fit.folding import FoldedCurve
from metalyra.fit.fourier import evaluate_harmonics
from metalyra.fit.gp import (
    Posterior,
    Summary,
    choose_summaries,
    fit_batch,
    summarise,
    summarise_columns,
    summarise_weightings,
)
from metalyra.fit.settings import FitSettings

logger = logging.getLogger(__name__)

_BINS = 200  # lcfit bins folded curves of more points than this


def fit_gps(
    folded: Sequence[FoldedCurve],
    settings: FitSettings,
    rival: str | None,
    rival_share: float,
) -> Posterior:
    """Fit the Gaussian processes of stars as one batch."""
    posterior = fit_batch(summarise_stars(folded, settings), settings.kernel, rival, rival_share)
    if settings.published:
        # Only points that count once can say whether the star varies.
        once = summarise_stars(folded, replace(settings, published=False))
        log_bayes_factor = fit_batch(once, settings.kernel).log_bayes_factor
        posterior = posterior._replace(log_bayes_factor=log_bayes_factor)
    return posterior


def fit_apart_if_need_be(
    batch: Sequence[str],
    folded: Mapping[str, FoldedCurve],
    fit: Callable[[Sequence[FoldedCurve]], Posterior],
) -> Iterator[tuple[str, Posterior | None, int]]:
    """Give each star with the posterior of its batch and its place there.

    A batch that cannot be fitted is halved until the star to blame is alone; it has no
    posterior. The others are the same to the last bit in any batch.
    """
    try:
        posterior = fit([folded[star_id] for star_id in batch])
    except NUMERICAL as error:
        if len(batch) == 1:
            logger.info("star %s: %s: %s", batch[0], type(error).__name__, error)
            yield batch[0], None, 0
            return
        half = len(batch) // 2
        yield from fit_apart_if_need_be(batch[:half], folded, fit)
        yield from fit_apart_if_need_be(batch[half:], folded, fit)
        return
    yield from ((star_id, posterior, index) for index, star_id in enumerate(batch))


_SHARES = {"RRc": {"expsine2": 0.05, "matern52": 0.95}}
"""Prior share of the stars of a pulsation type that each kernel describes, where one is not enough.

Weak harmonics of real RRc stars fall more slowly than the exponential-sine-squared kernel has it.
By the kernels' evidences (`python -m benchmarks.kernels`), 0.74 +- 0.06 of Gaia DR3 stars (G) and
0.48 +- 0.16 of ASAS stars (I) have the Matern kernel. But the share is the one whose intervals held
68.3 % of simulated truths (`python -m benchmarks.intervals --types RRc --matern SHARE`) before log
rho had its prior. Now those of phi31 hold 0.669 +- 0.007 on average with 0.95, 0.678 with 0.9,
0.692 with 0.7, and 0.662 with the Matern kernel alone; those of [Fe/H] 0.668, 0.675, 0.690 and
0.662. RRab stars have strong harmonics that the points themselves determine, and one kernel will
do.
"""


def split_batches(
    types: Mapping[str, str], kernel: str, size: int = 256
) -> Iterator[tuple[list[str], str | None, float]]:
    """Give stars by type in batches, with another kernel that may be theirs and its share."""
    groups: dict[str, list[str]] = {}
    for star_id, pulsation_type in types.items():
        groups.setdefault(pulsation_type, []).append(star_id)
    for pulsation_type, group in groups.items():
        shares = _SHARES.get(pulsation_type, {})
        rivals = [(share, name) for name, share in shares.items() if name != kernel]
        rival_share, rival = max(rivals, default=(0.0, None))
        for start in range(0, len(group), size):
            yield group[start : start + size], rival, rival_share


def summarise_stars(folded: Sequence[FoldedCurve], settings: FitSettings) -> list[Summary]:
    """Return what the Gaussian processes need of each star."""
    if settings.published:
        return [_summarise_as_published(star, settings.harmonics) for star in folded]
    floors = _ERROR_FLOORS if settings.use_errors else (np.inf,)
    candidates = [_summarise_star(star, settings.harmonics, floors) for star in folded]
    if len(floors) == 1:
        return [summary for (summary,) in candidates]
    return choose_summaries([*zip(*candidates, strict=True)], settings.kernel)


_ERROR_FLOORS = (np.inf, 2.0, 1.0, 0.5, 0.0)
"""White noise beside the known errors, in units of a star's median error."""


def _summarise_star(
    folded: FoldedCurve, harmonics: int, error_floors: Sequence[float]
) -> list[Summary]:
    """Return the summaries of a star with each of the error floors."""
    kept = folded.fit.kept
    phase, mag, error = folded.phase[kept], folded.curve.mag[kept], folded.curve.mag_err[kept]
    known = np.isfinite(error) & (error > 0)
    if np.isinf(error_floors).all() or not known.any():
        equal = summarise_columns(evaluate_harmonics(phase, harmonics), mag)
        return [equal] * len(error_floors)
    typical = np.median(error[known])
    variance = np.where(known, error, typical) ** 2
    variances = [
        None if np.isinf(floor) else variance + (floor * typical) ** 2 for floor in error_floors
    ]
    if mag.size > _MANY:
        return summarise_weightings(evaluate_harmonics(phase, 2 * harmonics), mag, variances)
    columns = evaluate_harmonics(phase, harmonics)
    return [summarise_columns(columns, mag, one) for one in variances]


_MANY = 2000
"""Points of which all products take longer than sums of twice as many harmonics."""


def _summarise_as_published(folded: FoldedCurve, harmonics: int) -> Summary:
    kept = folded.fit.kept
    phase, mag = bin_phases(folded.phase[kept], folded.curve.mag[kept])
    return summarise(phase, mag, harmonics, published=True)


def bin_phases(phase: Floats, mag: Floats) -> tuple[Floats, Floats]:
    """Return the means in 200 equal phase bins where there are more points, as lcfit does."""
    if phase.size <= _BINS:
        return phase, mag
    bins = np.minimum((phase * _BINS).astype(int), _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    filled = counts > 0
    means = np.bincount(bins, weights=mag, minlength=_BINS)[filled] / counts[filled]
    return (np.flatnonzero(filled) + 0.5) / _BINS, means
