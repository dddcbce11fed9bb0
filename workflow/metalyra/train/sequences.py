"""The sequences that the networks read: light curves as arrays of one length.

A recipe is data: its name and settings, as they stand in the configuration and on a
model's card. The length of the sequences follows from the recipe alone, so that a star
has the same sequence whatever other stars are prepared with it.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from annotated_types import Ge, Le

from metalyra.core.bounds import Count, NotNegative, Positive
from metalyra.core.settings import complete_settings
from metalyra.core.tables import replace_when_complete
from metalyra.fit.alignment import ALIGNMENTS, turn_curves

PADDING = -1.0
"""Value of all channels of a step that holds no measurement."""


def make_sequences(
    fits: pd.DataFrame, folded: pd.DataFrame, recipe: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the sequences of all stars that have a fit.

    Parameters
    ----------
    fits
        The fits table; only stars of status ok get a sequence.
    folded
        The folded light curves of the same stars; only points marked `kept` are used, unless
        the recipe says otherwise.
    recipe
        The name of the recipe under `recipe`, what its sequences have at phase 0 under
        `alignment`, and its settings: see `RECIPES`. The curves are turned to it, however
        they were aligned in the fit.

    Returns
    -------
    star_ids : array of str, shape (n,)
        In the order of `fits`.
    sequences : array of float32, shape (n, steps, channels)

    Raises
    ------
    ValueError
        If the recipe or one of its settings is unknown.
    """
    settings = complete_recipe(recipe)
    build = RECIPES[settings.pop("recipe")]
    fits, folded = turn_curves(fits[fits["status"] == "ok"], folded, settings.pop("alignment"))
    star_ids = fits["star_id"].to_numpy(dtype=str)
    # What is beyond the range of the networks' numbers is infinite for them.
    with np.errstate(over="ignore"):
        return star_ids, build(fits, folded, **settings).astype(np.float32)


def complete_recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe with all its settings.

    Raises
    ------
    ValueError
        If the recipe or one of its settings is unknown.
    """
    settings = dict(recipe)
    name = settings.pop("recipe", None)
    if name not in RECIPES:
        raise ValueError(f"unknown sequence recipe {name!r}; known are {', '.join(RECIPES)}")
    alignment = settings.pop("alignment", _USUAL_ALIGNMENTS[name])
    if alignment not in ALIGNMENTS:
        raise ValueError(f"alignment is {alignment!r}; allowed are {', '.join(ALIGNMENTS)}")
    what = f"the sequence recipe {name}"
    return {
        "recipe": name,
        "alignment": alignment,
        **complete_settings(RECIPES[name], settings, what),
    }


def sequence_shape(recipe: Mapping[str, Any]) -> tuple[int, int]:
    """Return the steps and channels of the sequences that a recipe makes.

    Raises
    ------
    ValueError
        If the recipe or one of its settings is unknown.
    """
    fits = pd.DataFrame(columns=["star_id", "period", "status"])
    folded = pd.DataFrame(columns=["star_id", "phase", "mag", "kept"])
    _, sequences = make_sequences(fits, folded, recipe)
    return sequences.shape[1], sequences.shape[2]


def count_steps(sequences: np.ndarray) -> np.ndarray:
    """Return the steps (n,) of sequences (n, steps, channels) without the padding behind."""
    measured = np.any(sequences != PADDING, axis=-1)
    steps = measured.shape[1]
    return np.where(measured.any(axis=1), steps - measured[:, ::-1].argmax(axis=1), 0)


def folded_sequences(
    fits: pd.DataFrame,
    folded: pd.DataFrame,
    *,
    max_phase: Annotated[float, Ge(1), Le(2)] = 1.0,
    bins: Count | None = None,
    steps: Count | None = None,
    excess: Literal["bin", "truncate"] = "bin",
    tolerance: Positive | None = None,
    all_points: bool = False,
    magnitude: Literal["plain", "centred"] = "centred",
) -> np.ndarray:
    """Return phase times period and magnitude of the folded points.

    The recipe of Dékány & Grebel (2022), Eq. 1. Points beyond phase 1 repeat those at
    the start of the cycle. Sequences are padded at their ends.

    Parameters
    ----------
    fits, folded
        As for `make_sequences`.
    max_phase
        Phase where the sequences end, 1 to 2 (published: 1.2 for Ks, 1.0 for G and by
        Monti et al. 2024 for their raw catalogue).
    bins
        Number of equal phase bins whose mean phases and magnitudes replace the points
        (published: 60 for Ks); empty bins are dropped. By default, points are not binned.
    steps
        Length of the sequences: `bins`, or 80 where points are not binned, as published.
    excess
        What becomes of light curves with more points than `steps`: "bin" takes the means
        of as many bins, "truncate" drops the last points, as published.
    tolerance
        Points that the fit rejected are used as well where they are within so many
        standard deviations of its mean curve; by default, none are. The curves that the
        published networks learnt from are free of gross outliers only: with 10, their
        RMSE on G-band curves that are folded anew is 0.178 instead of 0.181 dex, and
        wrong points do as little harm as before.
    all_points
        Whether the points that the fit rejected are used however far they are from its
        curve, as in the raw catalogue of Monti et al. (2024).
    magnitude
        "centred": minus the mean of the sequence; or "plain", as measured.

    Returns
    -------
    array, shape (n, steps, 2)
        Phase times period (d); magnitude (mag).

    Raises
    ------
    ValueError
        If `excess` or `magnitude` is unknown, or both `all_points` and a tolerance are asked
        for.
    """
    if excess not in ("bin", "truncate"):
        raise ValueError(f"excess is {excess!r}; allowed are 'bin' and 'truncate'")
    if magnitude not in ("plain", "centred"):
        raise ValueError(f"magnitude is {magnitude!r}; allowed are 'plain' and 'centred'")
    if all_points and tolerance is not None:
        raise ValueError("all_points and tolerance exclude each other")
    steps = steps or bins or 80
    number = len(fits)
    used = folded.assign(kept=True) if all_points else folded
    star, phase, mag = _repeat_cycle(*_used_points(fits, used, tolerance), max_phase)

    binned = np.full(number, bins is not None)
    if excess == "bin":
        binned |= np.bincount(star, minlength=number) > steps
    means = _bin_points(star, phase, mag, binned, np.linspace(0, max_phase, (bins or steps) + 1))
    single = ~binned[star]
    star, phase, mag = (
        np.concatenate([points[single], averages])
        for points, averages in zip((star, phase, mag), means, strict=True)
    )
    order = np.lexsort((phase, star))
    star, phase, mag = star[order], phase[order], mag[order]

    counts = np.bincount(star, minlength=number)
    mean_mag = np.bincount(star, mag, minlength=number) / np.maximum(counts, 1)
    step = np.arange(len(star)) - (np.cumsum(counts) - counts)[star]
    inside = step < steps
    star, step = star[inside], step[inside]
    sequences = np.full((number, steps, 2), PADDING)
    sequences[star, step, 0] = phase[inside] * fits["period"].to_numpy(dtype=float)[star]
    sequences[star, step, 1] = mag[inside] - (mean_mag[star] if magnitude == "centred" else 0)
    return sequences


def curve_sequences(
    fits: pd.DataFrame,
    folded: pd.DataFrame,
    *,
    points: Annotated[int, Ge(2)] = 40,
    constants: Sequence[str] = ("period", "log_gp_noise", "log_n_epochs", "amplitude"),
) -> np.ndarray:
    """Return the mean curves of the Gaussian processes at equal phases.

    Parameters
    ----------
    fits
        The fits table, with the mean curves (magnitude minus mean) in `curve`.
    folded
        Not used: the curve stands for the points.
    points
        Number of phases, from 0, at which the curves are sampled.
    constants
        Columns of `fits` that follow the curve as constant channels; a prefix "log_"
        takes the natural logarithm of the column.

    Returns
    -------
    array, shape (n, points, 1 + number of constants)
    """
    channels = 1 + len(constants)
    if fits.empty:
        return np.empty((0, points, channels))
    sequences = np.empty((len(fits), points, channels))
    sequences[:, :, 0] = resample_periodic(np.stack(fits["curve"].to_list()), points)
    for channel, name in enumerate(constants, start=1):
        column = name.removeprefix("log_")
        if column not in fits:
            raise ValueError(f"constant channel {name!r} names no column of the fits table")
        values = fits[column].to_numpy(dtype=float)
        sequences[:, :, channel] = (np.log(values) if name != column else values)[:, None]
    return sequences


def spline_sequences(
    fits: pd.DataFrame,
    folded: pd.DataFrame,
    *,
    points: Annotated[int, Ge(2)] = 264,
    magnitude: Literal["plain", "centred", "standardised"] = "centred",
    smoothing: NotNegative | None = None,
) -> np.ndarray:
    """Return phase times period and magnitude of a smoothing spline at equal phases.

    The recipe of Monti et al. (2024, Sec. 3; 2025, Sec. 2.3), whose phase 0 is at maximum
    light.

    Parameters
    ----------
    fits, folded
        As for `make_sequences`.
    points
        Number of phases, from 0 (published: 264 for RRab and 265 for RRc stars).
    magnitude
        "plain"; "centred": minus the mean of the light curve's points; or
        "standardised": the resampled curve has mean 0 and standard deviation 1.
    smoothing
        See `smooth_periodic`; by default chosen for each star, as published.

    Returns
    -------
    array, shape (n, points, 2)
        Phase times period (d); magnitude (mag, or standard deviations).

    Raises
    ------
    ValueError
        If `magnitude` is unknown, or a light curve has too few points.
    """
    if magnitude not in ("plain", "centred", "standardised"):
        raise ValueError(
            f"magnitude is {magnitude!r}; allowed are 'plain', 'centred' and 'standardised'"
        )
    grid = np.arange(points) / points
    sequences = np.empty((len(fits), points, 2))
    sequences[:, :, 0] = fits["period"].to_numpy(dtype=float)[:, None] * grid
    star, phase, mag = _used_points(fits, folded)
    order = np.lexsort((mag, phase, star))
    ends = np.searchsorted(star[order], np.arange(1, len(fits)))
    for row, own in enumerate(np.split(order, ends)[: len(fits)]):
        try:
            curve = smooth_periodic(phase[own], mag[own], grid, smoothing)
        except ValueError as error:
            raise ValueError(f"star {fits['star_id'].iloc[row]}: {error}") from error
        if magnitude == "centred":
            curve -= mag[own].mean()
        elif magnitude == "standardised":
            curve = (curve - curve.mean()) / curve.std()
        sequences[row, :, 1] = curve
    return sequences


RECIPES: Mapping[str, Callable[..., np.ndarray]] = {
    "dg22": folded_sequences,
    "gp_curve": curve_sequences,
    "spline": spline_sequences,
}
"""Recipes by name; their settings are the functions' keyword arguments."""

_USUAL_ALIGNMENTS: Mapping[str, str] = {
    "dg22": "phi1",
    "gp_curve": "phi1",
    "spline": "maximum",
}
"""What the sequences of a recipe have at phase 0 where a model does not say otherwise."""


def smooth_periodic(
    phase: np.ndarray, mag: np.ndarray, grid: np.ndarray, smoothing: float | None = None
) -> np.ndarray:
    """Return the smoothing spline of a folded light curve.

    The spline minimises the sum of the squared residuals plus `smoothing` times the
    integral of the squared second derivative (Monti et al. 2024, Eq. 2). SciPy's
    `UnivariateSpline`, which Monti et al. (2025) name, lets the residuals of n points sum
    up to n mag^2 by default: that is one cubic for the whole cycle.

    The published code takes the weight at which SciPy finds the minimum of the generalised
    cross-validation. SciPy looks for it between 0 and n, and where the points come in clumps it
    may end far from it: the curves of 6 of 1,699 stars of Gaia DR3 are straight lines. So, and
    this is ours, where SciPy's curve fits the points no better than one that has lost half of
    the period's own harmonic, the weight is that with the lowest cross-validation of some that
    halve a harmonic, from the first to the last that the points can tell.

    Parameters
    ----------
    phase, mag : array, shape (n,)
        Points of one cycle, phases in [0, 1); the quarters of a cycle before and after
        repeat them, so that the curve closes.
    grid : array, shape (m,)
        Phases in [0, 1) to evaluate the spline at.
    smoothing
        Weight of the curvature, where phases are in cycles; chosen by default.

    Returns
    -------
    array, shape (m,)

    Raises
    ------
    ValueError
        If there are points at fewer than three phases.
    """
    # A spline cannot tell points of one phase apart, and not well those of almost one.
    position, member, counts = np.unique(
        np.round(phase, _PHASE_DIGITS) % 1, return_inverse=True, return_counts=True
    )
    if len(position) < 3:
        raise ValueError(f"points at {len(position)} phases do not make a curve")
    means = np.bincount(member, mag) / counts
    cycles = np.concatenate([position - 1, position, position + 1])
    used = (cycles > -0.25) & (cycles < 1.25)
    # Too few points near the ends of the cycle: its neighbours are used as a whole.
    if np.count_nonzero(used) < 5:
        used[:] = True
    points = cycles[used], np.tile(means, 3)[used], np.tile(counts, 3)[used]
    curve = _fit_spline(*points, smoothing)
    if smoothing is None:
        # Of many even points, a weight of the curvature of n / (2 pi k)^4 halves the harmonic k.
        harmonics = np.geomspace(1, max(1, len(position) // 2), _PENALTIES)
        weights = len(phase) / (2 * np.pi * harmonics) ** 4
        flattened = _fit_spline(*points, weights[0])
        if _sum_residuals(*points, curve) >= _sum_residuals(*points, flattened):
            best = min(weights, key=lambda weight: _cross_validate(*points, weight))
            curve = _fit_spline(*points, best)
    return curve(grid)


def _fit_spline(
    x: np.ndarray, y: np.ndarray, counts: np.ndarray, smoothing: float | None
) -> Callable[[np.ndarray], np.ndarray]:
    from scipy.interpolate import make_smoothing_spline

    spline: Callable[[np.ndarray], np.ndarray] = make_smoothing_spline(
        x, y, w=counts, lam=smoothing
    )
    return spline


def _sum_residuals(
    x: np.ndarray, y: np.ndarray, counts: np.ndarray, curve: Callable[[np.ndarray], np.ndarray]
) -> float:
    """Return the weighted sum of the squared residuals, which grows with the smoothing."""
    return float(np.sum(counts * np.square(y - curve(x))))


def _cross_validate(x: np.ndarray, y: np.ndarray, counts: np.ndarray, smoothing: float) -> float:
    """Return the generalised cross-validation, but for a factor (Wahba 1990, Eq. 4.3.1)."""
    influence = _fit_spline(x, np.eye(len(x)), counts, smoothing)(x)
    residuals = y - influence @ y
    return float(np.sum(counts * residuals**2) / (1 - np.trace(influence) / len(x)) ** 2)


_PHASE_DIGITS = 5
_PENALTIES = 12


def resample_periodic(curves: np.ndarray, points: int) -> np.ndarray:
    """Return periodic curves, sampled at equal phases from 0, at another number of phases.

    The trigonometric interpolation of each curve is evaluated exactly, without
    smoothing, also where `points` is smaller than the number of samples.

    Parameters
    ----------
    curves : array, shape (n, samples)
    points
        Number of phases wanted.

    Returns
    -------
    array, shape (n, points)
    """
    samples = curves.shape[1]
    fine = int(np.lcm(samples, points))
    coefficients = np.fft.rfft(curves)
    if samples % 2 == 0 and fine > samples:
        coefficients[:, -1] /= 2  # the finer grid tells its two signs apart
    fine_curves = np.fft.irfft(coefficients, fine)
    resampled: np.ndarray = fine_curves[:, :: fine // points] * (fine / samples)
    return resampled


def write_sequences(
    path: Path | str, star_ids: np.ndarray, sequences: np.ndarray, **columns: np.ndarray
) -> None:
    """Write sequences, and columns that go with them, as one NumPy archive."""
    with replace_when_complete(Path(path)) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            star_id=np.asarray(star_ids, dtype=str),
            sequences=sequences,
            **columns,
            allow_pickle=False,
        )


def read_sequences(path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """Return the star ids and sequences of an archive; arrays only, no objects."""
    with np.load(path, allow_pickle=False) as archive:
        return archive["star_id"], archive["sequences"]


def _used_points(
    fits: pd.DataFrame, folded: pd.DataFrame, tolerance: float | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return row of the star in `fits`, phase and magnitude of every point to use."""
    star = pd.Index(fits["star_id"]).get_indexer(folded["star_id"])
    phase, mag = (folded[name].to_numpy(dtype=float) for name in ("phase", "mag"))
    used = folded["kept"].to_numpy(dtype=bool).copy()
    if tolerance is not None:
        again = np.flatnonzero(~used & (star >= 0))
        if len(again):
            distance = np.abs(mag[again] - _expect_magnitudes(fits, star[again], phase[again]))
            sigma = fits["sigma"].to_numpy(dtype=float)[star[again]]
            used[again] = distance <= tolerance * sigma
    used &= star >= 0
    return star[used], phase[used], mag[used]


def _expect_magnitudes(fits: pd.DataFrame, star: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """Return the magnitudes of the fits' mean curves at points of the stars in some rows."""
    curves = np.stack(fits["curve"].to_list())
    position = phase * curves.shape[1]
    before = np.floor(position).astype(int) % curves.shape[1]
    share = position - np.floor(position)
    after = curves[star, (before + 1) % curves.shape[1]]
    mean_mag = fits["mean_mag"].to_numpy(dtype=float)[star]
    mag: np.ndarray = mean_mag + (1 - share) * curves[star, before] + share * after
    return mag


def _repeat_cycle(
    star: np.ndarray, phase: np.ndarray, mag: np.ndarray, max_phase: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the points with those of the next cycle, up to `max_phase`."""
    used = np.concatenate([phase, phase + 1]) < max_phase
    return (
        np.tile(star, 2)[used],
        np.concatenate([phase, phase + 1])[used],
        np.tile(mag, 2)[used],
    )


def _bin_points(
    star: np.ndarray, phase: np.ndarray, mag: np.ndarray, binned: np.ndarray, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return star, mean phase and mean magnitude of the filled bins of the binned stars."""
    used = binned[star]
    star, phase, mag = star[used], phase[used], mag[used]
    bins = len(edges) - 1
    cell = star * bins + np.digitize(phase, edges) - 1
    filled, cell, counts = np.unique(cell, return_inverse=True, return_counts=True)
    return filled // bins, np.bincount(cell, phase) / counts, np.bincount(cell, mag) / counts
