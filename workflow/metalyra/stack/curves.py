"""Folded light curves of many stars as arrays, in one band or several."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from metalyra.core.arrays import Floats, Indices
from metalyra.fit.alignment import turn_curves

ALIGNMENT = "phi1"
"""What lies at phase 0 of the curves of a population, see `metalyra.fit.alignment`."""

_SHORTEST = 32
"""Points that light curves are padded to at least."""


class Curves(NamedTuple):
    """Folded light curves of `n` stars, padded to a common number of points.

    Attributes
    ----------
    phase, mag : (n, points)
        Aligned phase, and magnitude minus the star's mean; 0 where there is no point.
    used : (n, points)
        1 where there is a point, else 0.
    period : (n,)
        Periods (d).
    further
        Light curves of the same stars in further bands, at the same phases 0.
    """

    phase: Floats
    mag: Floats
    used: Floats
    period: Floats
    further: tuple["Curves", ...] = ()

    def take(self, rows: Indices | slice) -> "Curves":
        """Return the light curves of some stars."""
        return Curves(
            self.phase[rows],
            self.mag[rows],
            self.used[rows],
            self.period[rows],
            tuple(band.take(rows) for band in self.further),
        )

    @property
    def bands(self) -> tuple["Curves", ...]:
        """The light curves band by band, the own one first."""
        return (self._replace(further=()), *self.further)


def collect_curves(
    fits: pd.DataFrame,
    folded: pd.DataFrame,
    others: pd.DataFrame | None = None,
    bands: Sequence[str] = (),
) -> Iterator[tuple[Indices, Curves]]:
    """Collect light curves by their number of points.

    Parameters
    ----------
    fits
        The fits table; only stars of status ok are collected.
    folded
        The folded light curves of the same stars, turned to `ALIGNMENT` here. Points that
        the fit rejected are used as well: the noise has room for them, and most of them
        are real.
    others
        Those in further bands, of `metalyra.fit.fold_other_bands`.
    bands
        The further bands. A star may have no points in them.

    Yields
    ------
    rows : array of int
        Rows among the stars of status ok.
    curves
        Their light curves, padded to 32 points or by at most a quarter, as the star alone says.
    """
    fits = fits[fits["status"] == "ok"]
    stars, folded = turn_curves(fits, folded, ALIGNMENT)
    tables = [folded]
    if bands:
        if others is None:
            raise ValueError(f"there are no light curves in {', '.join(bands)}")
        others = turn_curves(fits, others, ALIGNMENT)[1]
        tables += [others[others["band"] == band] for band in bands]
    period = stars["period"].to_numpy(dtype=float)
    points = [_sort_points(stars, table) for table in tables]
    most = np.max([band.counts for band in points], axis=0)
    most = np.maximum(most, _SHORTEST)
    step = 2 ** (np.frexp(most - 1)[1] - 3)
    lengths = (most + step - 1) // step * step
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        own, *further = [_pad_points(band, rows, length, period[rows]) for band in points]
        yield rows, own._replace(further=tuple(further))


def join_curves(groups: Iterable[tuple[Indices, Curves]]) -> Curves:
    """Return the light curves of all stars of `collect_curves`, padded to the longest."""
    rows, curves = zip(*groups, strict=True)
    order = np.argsort(np.concatenate(rows))
    length = max(group.phase.shape[1] for group in curves)
    own, *further = [
        _stack_curves(parts, order, length)
        for parts in zip(*(group.bands for group in curves), strict=True)
    ]
    return own._replace(further=tuple(further))


def _stack_curves(parts: Sequence[Curves], order: Indices, length: int) -> Curves:
    def stack(values: Sequence[Floats]) -> Floats:
        padded = [np.pad(part, ((0, 0), (0, length - part.shape[1]))) for part in values]
        return np.concatenate(padded)[order]

    return Curves(
        stack([part.phase for part in parts]),
        stack([part.mag for part in parts]),
        stack([part.used for part in parts]),
        np.concatenate([part.period for part in parts])[order],
    )


class _Points(NamedTuple):
    """Points of one band, in order of star and phase."""

    star: Indices  # row of the star
    phase: Floats
    mag: Floats
    counts: Indices  # (stars,) points of each


def _sort_points(stars: pd.DataFrame, folded: pd.DataFrame) -> _Points:
    star = pd.Index(stars["star_id"]).get_indexer(folded["star_id"])
    phase, mag = (folded[name].to_numpy(dtype=float) for name in ("phase", "mag"))
    order = np.lexsort((mag, phase, star))
    order = order[np.count_nonzero(star < 0) :]  # the points of other stars come first
    star, phase, mag = star[order], phase[order], mag[order]
    return _Points(star, phase, mag, np.bincount(star, minlength=len(stars)))


def _pad_points(points: _Points, rows: Indices, length: int, period: Floats) -> Curves:
    """Return the light curves of some stars in one band."""
    starts = np.cumsum(points.counts) - points.counts
    position = np.arange(len(points.star)) - starts[points.star]
    place = np.full(len(points.counts), -1)
    place[rows] = np.arange(len(rows))
    row = place[points.star]
    inside = row >= 0
    at = row[inside], position[inside]
    phase, mag, present = np.zeros((3, len(rows), length))
    phase[at], mag[at], present[at] = points.phase[inside], points.mag[inside], 1.0
    mean = mag.sum(axis=1) / np.maximum(present.sum(axis=1), 1)
    return Curves(phase, (mag - mean[:, None]) * present, present, period)
