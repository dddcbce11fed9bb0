"""The period and the type of RR Lyrae stars, found or checked in their light curves.

The peaks of a periodogram (`metalyra.fit.periodograms`) are compared by how well the curve
folded with each agrees with the shapes that RRab and RRc stars have (`metalyra.fit.
shape_populations`), with any other periodic curve, and with none. What is most probable is
the star's period and type; one minus its share is the probability of a false alarm, by noise
or by an alias.

Points in other bands than the star's own may join: each band has its own amplitude, shape and
phase, the frequency is that of all.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit, logsumexp

from metalyra.core.arrays import Booleans, Floats
from metalyra.core.threads import on_one_thread
from metalyra.fit.columns import PERIOD_BANDS, PERIOD_COLUMNS, TYPES
from metalyra.fit.failures import LightCurveError, failures_are_the_stars
from metalyra.fit.folding import CleanCurve, clean_curve, read_points
from metalyra.fit.periodograms import (
    Periodogram,
    find_peaks,
    make_frequencies,
    measure_improvement,
    measure_power,
)
from metalyra.fit.second_modes import SecondMode, find_second_mode
from metalyra.fit.shape_populations import (
    FREEDOM,
    Evidence,
    Points,
    fit_bands,
    load_populations,
    measure_evidence,
)
from metalyra.surveys.formats.star_tables import UNKNOWN_TYPE

logger = logging.getLogger(__name__)

SEARCHED = (0.18, 1.1)
"""Shortest and longest period (d) that is looked for: see `metalyra.fit.fitting.PERIODS`."""

PRIORS: Mapping[str, float] = {"RRab": 0.65, "RRc": 0.33, "other": 0.02}
"""Shares of the types among stars of an RR Lyrae list; RRd stars are looked for among RRc."""

_GIVEN_SHARE = 0.9
"""Prior probability that a given type is right."""

FALSE_ALARM = 0.1
"""Probability of a false alarm above which a period counts as not found."""

_HARMONICS = 3  # of the periodogram
_NOISE = 0.05  # mag, by which its harmonics are held back
_CANDIDATES = 20
_SCANNED = 1000  # points of a long light curve in the periodogram
_COMPARED = 400  # in the comparison of its peaks
_FEWEST = 12  # points; a curve has up to a dozen free parameters
_AT_ONCE = 0.01  # d, within which points of several bands tell one phase
_FEWEST_OF_BAND = 2  # points of one of several bands
_SHAPED = 8  # in one of several bands, whose shape counts: twice mean, amplitude, phase and period
_GOLDEN = 0.6180339887498949
_SAME = 1.0  # frequencies within this / (time span) are one peak
_NEAR, _ROUNDED = 5.0, 0.05  # resolutions within which a period is refined, and left alone
_ALIASES = (1.0, 2.0, 3.0, 1.0027379, 2.0054758, 0.5)
"""Frequencies (1 / d) of the windows of ground-based surveys: days, sidereal days."""
_REFINED = 6  # harmonics with which a period is refined
_RRD_SHARE = 0.02  # prior odds of a second mode
_UNLIKELY = 0.01  # probability of a given type below which it is said
_DECISIVE = 3.0  # log of the odds against a given period, from which another replaces it


class PeriodicStar(NamedTuple):
    """The period and type of one star.

    Attributes
    ----------
    period, period_err
        In d.
    status
        How the given period fared, see `find_star`.
    false_alarm
        Probability that the period is a wrong one.
    probabilities
        Of each of `TYPES`.
    """

    period: float
    period_err: float
    status: str
    false_alarm: float
    probabilities: Mapping[str, float]


@on_one_thread
def find_periods(
    stars: pd.DataFrame,
    light_curves: pd.DataFrame,
    mode: str,
    others: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Find or check the periods of a chunk of stars, and their types.

    Parameters
    ----------
    stars
        Columns ``star_id``, ``period`` (d, NaN if unknown), ``pulsation_type`` (empty or
        `UNKNOWN_TYPE` if unknown), ``status``.
    light_curves
        Columns ``star_id``, ``time`` (d), ``mag``, ``mag_err``, and ``aperture`` where the
        survey has several: the first is taken. With `others`, ``band``.
    mode
        ``find`` all periods, or ``check`` the given ones and find the others.
    others
        Light curves in other bands, with the columns ``star_id``, ``band``, ``time`` (d, on
        the scale of `light_curves`), ``mag``, ``mag_err``; of all stars or some.

    Returns
    -------
    pandas.DataFrame
        The rows of `stars` with `PERIOD_COLUMNS` and ``period_err`` (d), and with `others`
        `PERIOD_BANDS`. A star of status ok may get ``too_few_epochs``,
        ``constant_magnitude``, ``period_not_found``, ``not_rr_lyrae`` or
        ``wrong_pulsation_type``. Where the type is not given it is the most probable one.
    """
    groups = _group_by_star(light_curves)
    other_groups = {} if others is None else _group_by_star(others)
    rows = []
    for _, star in stars.iterrows():
        given = float(star["period"])
        kind = star["pulsation_type"]
        kind = kind if isinstance(kind, str) and kind != UNKNOWN_TYPE else ""
        row: dict[str, Any] = {"given_period": given, "period_status": "", "type_status": ""}
        row |= {"status": star["status"], "period": given, "pulsation_type": kind}
        row |= {"reason": "", PERIOD_BANDS: ""}
        try:
            if star["status"] != "ok":
                raise LightCurveError(star["status"])
            if star["star_id"] not in groups:
                raise LightCurveError("no_light_curve")
            with failures_are_the_stars():
                curves = _clean(groups[star["star_id"]], other_groups.get(star["star_id"]))
                row[PERIOD_BANDS] = ", ".join(curves)
                found = find_star([*curves.values()], kind, given if mode == "check" else np.nan)
            row |= _describe(found, kind)
        except LightCurveError as problem:
            row |= {"status": str(problem), "reason": problem.reason}
            if star["status"] == "ok":
                logger.info("star %s: %s", star["star_id"], problem)
        rows.append(row)
    new = [*PERIOD_COLUMNS] if others is None else [*PERIOD_COLUMNS, PERIOD_BANDS]
    added = pd.DataFrame(rows, index=stars.index, columns=[*_REPLACED, *new, "reason"])
    added = added.astype({name: "str" if name in _TEXTS else float for name in added})
    table = stars.drop(columns=new, errors="ignore")
    table = table.assign(**{name: added[name] for name in _REPLACED})
    if "reason" in stars:
        table["reason"] = stars["reason"].where(stars["status"] != "ok", added["reason"])
    return pd.concat([table, added[new]], axis="columns")


def _group_by_star(light_curves: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(star_id): rows for star_id, rows in light_curves.groupby("star_id", sort=False)}


_TEXTS = ("period_status", "type_status", "pulsation_type", "status", "reason", PERIOD_BANDS)
_REPLACED = ("period", "period_err", "pulsation_type", "status")


def find_star(curves: Sequence[CleanCurve], kind: str = "", given: float = np.nan) -> PeriodicStar:
    """Find the period and the type of one star, or check a given period.

    Parameters
    ----------
    curves
        Its usable epochs, in one band or several.
    kind
        Its pulsation type, if known.
    given
        Its period (d), if it is to be checked.

    Returns
    -------
    PeriodicStar
        Its status is ``found``, or how the given period fared: ``given`` (it is kept, as it
        is), ``given_refined`` (the same peak of the periodogram, better centred),
        ``given_doubled`` and ``given_halved`` (what is here is twice or half of it),
        ``given_alias`` (they differ by a frequency of the window), ``given_replaced`` (by
        another period), or ``given_unconfirmed`` (none is significant; it is kept).
    """
    bands = _join(curves)
    span = float(np.ptp(np.concatenate([band.time for band in bands])))
    candidates = _list_candidates(bands, given)
    shaped = [band for band in bands if len(bands) == 1 or band.mag.size >= _SHAPED]
    evidence = measure_evidence(
        [_thin(band, _COMPARED) for band in shaped],
        candidates,
        load_populations(),
        float(np.log10(SEARCHED[1] / SEARCHED[0])),
    )
    logs = evidence.log_evidence + np.log(_make_priors(kind))
    for band in bands:
        if all(band is not other for other in shaped):
            logs += _measure_improvement(band, evidence.frequency, on_grid=False)[:, None]
    logs[_find_repeated(evidence.frequency, 0.2 * _SAME / span)] = -np.inf
    place = int(np.argmax(logsumexp(logs, axis=1)))
    status = "found"
    if np.isfinite(given):
        place, status = _judge_given(evidence, logs, place, given, span)
    total = np.logaddexp(logsumexp(logs), evidence.log_constant)
    false_alarm = abs(float(np.expm1(min(logsumexp(logs[place]) - total, 0.0))))
    doubtful = false_alarm > FALSE_ALARM or logs[place].argmax() == len(PRIORS) - 1
    if status not in ("found", "given") and doubtful:
        place, status = 0, "given_unconfirmed"
    frequency = evidence.frequency[place]
    kept = status in ("given", "given_unconfirmed")
    period = given if kept else _refine(shaped, float(frequency))
    error = evidence.frequency_error[place] * period**2
    shares = np.exp(logs[place] - logsumexp(logs[place]))
    richest = _thin(max(bands, key=lambda band: band.mag.size), _SCANNED)
    second = find_second_mode(*richest, 1.0 / period)
    probabilities = _share_types(shares, second)
    return PeriodicStar(period, float(error), status, false_alarm, probabilities)


def _clean(light_curve: pd.DataFrame, others: pd.DataFrame | None) -> dict[str, CleanCurve]:
    """Return the usable epochs of a star by band, its own in its first aperture.

    Raises
    ------
    LightCurveError
        If there are too few in all bands, or none of them varies.
    """
    if "aperture" in light_curve:
        light_curve = light_curve[light_curve["aperture"] == light_curve["aperture"].min()]
    own = str(light_curve["band"].iloc[0]) if "band" in light_curve else ""
    if others is None:
        return {own: clean_curve(read_points(light_curve), _FEWEST)}
    curves, problems = {}, []
    for band, rows in [(own, light_curve), *others.groupby("band")]:
        try:
            curves[str(band)] = clean_curve(read_points(rows), _FEWEST_OF_BAND)
        except LightCurveError as problem:
            problems.append(problem)
    if not curves:
        raise problems[0]
    sizes = {band: curve.mag.size for band, curve in curves.items()}
    times = np.sort(np.concatenate([curve.time for curve in curves.values()]))
    epochs = 1 + int(np.count_nonzero(np.diff(times) > _AT_ONCE))
    if max(epochs, sizes.get(own, 0)) < _FEWEST or max(sizes.values()) < _SHAPED:
        counts = ", ".join(f"{size} in {band}" for band, size in sizes.items())
        raise LightCurveError(
            "too_few_epochs",
            f"the usable epochs for its period are {counts}; at least {_FEWEST} at different "
            f"times and {_SHAPED} in one band are needed",
        )
    return curves


def _join(curves: Sequence[CleanCurve]) -> list[Points]:
    """Return the points of all bands, with times since the first."""
    start = min(float(curve.time.min()) for curve in curves)
    return [
        Points(curve.time - start, curve.mag, _relative_variance(curve.mag_err)) for curve in curves
    ]


def _relative_variance(errors: Floats) -> Floats:
    """Return the variances of points relative to the typical one, from their errors (mag).

    The curve describes no star better than to a hundredth of a magnitude.
    """
    known = np.isfinite(errors)
    if not known.any():
        return np.ones(errors.size)
    typical = float(np.median(errors[known]))
    variance = np.where(known, errors, typical) ** 2 + 0.01**2
    return np.asarray(variance / np.median(variance))


def _thin(band: Points, number: int) -> Points:
    """Choose about so many points, spread evenly and without a rhythm of their own."""
    points = band.time.size
    some = (np.arange(points) * _GOLDEN) % 1.0 < number / points
    return Points(*(values[some] for values in band))


def _list_candidates(bands: Sequence[Points], given: float) -> Floats:
    """Return the frequencies (1 / d) to compare; the given one, if any, is the first."""
    thinned = [_thin(band, _SCANNED) for band in bands]
    span = float(np.ptp(np.concatenate([band.time for band in thinned])))
    if span < 1.0:
        raise LightCurveError("too_few_epochs")
    frequencies = make_frequencies(span, *SEARCHED)
    if len(thinned) == 1:
        [band] = thinned
        mag, weight = _weigh(band)
        periodogram = measure_power(band.time, mag, weight, frequencies, _HARMONICS, _NOISE)
    else:
        improvements = [_measure_improvement(band, frequencies) for band in thinned]
        periodogram = Periodogram(frequencies, np.sum(improvements, axis=0))
    peaks = frequencies[find_peaks(periodogram, _CANDIDATES)]
    own = bands[0]
    if len(bands) > 1 and own.mag.size >= _FEWEST and np.ptp(own.time) >= 1.0:
        # Bands of poor photometry must not hide what a good one says.
        alone = _list_candidates([own], np.nan)
        peaks = np.concatenate(
            [peaks, [f for f in alone if np.abs(peaks - f).min() > _SAME / span]]
        )
    if not np.isfinite(given):
        return peaks
    first = 1.0 / given
    wanted = [first, first / 2, first * 2]
    wanted += [abs(first + sign * alias) for alias in _ALIASES for sign in (1, -1)]
    inside = [f for f in wanted[1:] if 1 / SEARCHED[1] <= f <= 1 / SEARCHED[0]]
    # What is near a peak is that peak.
    new = [f for f in inside if np.abs(peaks - f).min() > _SAME / span]
    return np.concatenate([[first], peaks, new])


def _weigh(band: Points) -> tuple[Floats, Floats]:
    """Return magnitudes with no point far out, and the weights of the points."""
    mag = band.mag
    if mag.size >= _FEWEST:
        centre = np.median(mag)
        reach = 6 * np.median(np.abs(mag - centre))
        mag = np.clip(mag, centre - reach, centre + reach)
    weight = 1 / band.variance
    weight /= weight.mean()
    return mag, weight


def _measure_improvement(band: Points, frequency: Floats, *, on_grid: bool = True) -> Floats:
    """Return how much a periodic curve in one band improves on a constant one."""
    mag, weight = _weigh(band)
    return measure_improvement(
        band.time, mag, weight, frequency, _HARMONICS, _NOISE, on_grid=on_grid
    )


def _find_repeated(frequency: Floats, resolution: float) -> Booleans:
    """Say which frequencies (c,) have moved to the peak of an earlier one."""
    close = np.abs(frequency[:, None] - frequency) < resolution
    return np.asarray(np.tril(close, -1).any(axis=1))


def _make_priors(kind: str) -> Floats:
    """Return the prior probabilities of the populations, and of others."""
    priors = np.array([PRIORS[name] for name in (*load_populations(), "other")])
    if kind in load_populations():
        of_type = np.array([name == kind for name in (*load_populations(), "other")])
        priors = np.where(
            of_type, _GIVEN_SHARE, priors * (1 - _GIVEN_SHARE) / priors[~of_type].sum()
        )
    return priors


def _judge_given(
    evidence: Evidence, logs: Floats, best: int, given: float, span: float
) -> tuple[int, str]:
    """Return the place of the period to take, and how the given one (place 0) fared."""
    total = logsumexp(logs, axis=1)
    first, other = 1.0 / given, evidence.frequency[best]
    resolution = _SAME / span
    if abs(other - first) < _NEAR * resolution:
        # Catalogues round their periods.
        return best, "given" if abs(other - first) < _ROUNDED * resolution else "given_refined"
    if total[best] - total[0] < _DECISIVE:
        return 0, "given"
    if abs(2 * other - first) < 2 * resolution:
        return best, "given_doubled"
    if abs(other - 2 * first) < 2 * resolution:
        return best, "given_halved"
    differences = np.array([abs(other - first), other + first])
    if np.abs(differences[:, None] - np.array(_ALIASES)).min() < 2 * resolution:
        return best, "given_alias"
    return best, "given_replaced"


def _refine(bands: Sequence[Points], frequency: float) -> float:
    """Return the period (d) that all points have, those far from the curve counting less."""
    weighted = [*bands]
    for _ in range(4):
        fitted = fit_bands(weighted, np.array([frequency]), _REFINED)
        frequency = float(fitted[0].frequency[0])
        squares = [
            fit.residuals[0] ** 2 / band.variance for fit, band in zip(fitted, bands, strict=True)
        ]
        scales = [1.4826**2 * float(np.median(square)) + 1e-6 for square in squares]
        weighted = [
            band._replace(variance=band.variance * (1 + square / (FREEDOM * scale)))
            for band, square, scale in zip(bands, squares, scales, strict=True)
        ]
    return 1.0 / frequency


def _share_types(shares: Floats, second: SecondMode) -> dict[str, float]:
    """Return the probability of each of `TYPES`, of the star's populations and second mode."""
    names = (*load_populations(), "other")
    two_modes = float(expit(second.log_odds + np.log(_RRD_SHARE)))
    probabilities = dict(zip(names, (shares * (1 - two_modes)).tolist(), strict=True))
    return {name: {**probabilities, "RRd": two_modes}[name] for name in TYPES}


def _describe(found: PeriodicStar, kind: str) -> dict[str, Any]:
    """Return what the star table says of a star."""
    probable = max(TYPES, key=lambda name: found.probabilities[name])
    row: dict[str, Any] = {
        "period": found.period,
        "period_err": found.period_err,
        "period_status": found.status,
        "period_false_alarm": found.false_alarm,
        "pulsation_type": kind or probable,
        "type_status": "given" if kind else "classified",
        **{f"probability_{name.lower()}": found.probabilities[name] for name in TYPES},
        "status": "ok",
    }
    if kind in TYPES and found.probabilities[kind] < _UNLIKELY:
        row["type_status"] = "given_unlikely"
    period = f"the most probable period, {found.period:.5f} d,"
    if found.status == "found" and found.false_alarm > FALSE_ALARM:
        row |= {"period": np.nan, "period_err": np.nan, "status": "period_not_found"}
        row["reason"] = f"{period} is wrong with a probability of {found.false_alarm:.2f}"
    elif row["pulsation_type"] == "other":
        share = found.probabilities["other"]
        row["status"] = "not_rr_lyrae"
        row["reason"] = f"with {period} it is no RR Lyrae star, with a probability of {share:.2f}"
    elif row["pulsation_type"] not in load_populations():
        whose = "type in the star list" if kind else "most probable type"
        row["status"] = "wrong_pulsation_type"
        row["reason"] = f"its {whose} is {row['pulsation_type']}; known: RRab, RRc"
    return row
