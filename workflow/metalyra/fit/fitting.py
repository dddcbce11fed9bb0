"""From the light curves of a chunk of stars to their fits and folded curves.

One star goes through: cleaning and robust Fourier regression (`metalyra.fit.folding`), phase
alignment, periodic Gaussian process (`metalyra.fit.gp`), errors from posterior draws
(`metalyra.fit.description`). The Gaussian processes of the whole chunk are fitted as one batch
(`metalyra.fit.batches`). A star that cannot be fitted gets a status; it never stops the others,
nor changes them.

A star whose period is none of its type (`PERIODS`), or whose light curve is no better described
by a periodic curve than by a constant (`DECISIVE`), keeps its measured columns but gets a
status.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from metalyra.core.phase_differences import wrap_cycles
from metalyra.core.randomness import generator
from metalyra.core.threads import on_one_thread
from metalyra.fit.batches import fit_apart_if_need_be, fit_gps, split_batches
from metalyra.fit.columns import FIT_COLUMNS, TABLE_COLUMNS
from metalyra.fit.description import MeasuredStar, describe_stars, measure_star
from metalyra.fit.failures import LightCurveError, failures_are_the_stars
from metalyra.fit.folding import FoldedCurve, ObservedCurve, fold_best_aperture, read_points
from metalyra.fit.gp import Posterior
from metalyra.fit.settings import FitSettings

logger = logging.getLogger(__name__)

PERIODS = {"RRab": (0.2, 1.3), "RRc": (0.15, 0.8)}
"""Periods (d) that the stars of a type have, between these bounds and a good deal inside.

RRab stars of the catalogues (OGLE-III and -IV, Gaia DR3, VVV, the calibrators) have 0.245 to
0.9994 d, RRc stars 0.200 to 0.665 d; the bounds are at least a fifth beyond.
"""

DECISIVE = 3.0
"""Log of the Bayes factor from which a light curve is periodic rather than constant.

Odds of 20 to 1, the conventional bound of strong evidence (Kass & Raftery 1995). White noise of 20
to 200 epochs passes it in fewer than 5 of 1000 cases. The stars of the mirror below it are those
whose catalogued period does not fold their light curve.
"""


@on_one_thread
@np.errstate(all="ignore")  # what is not finite gets a status
def fit_stars(
    stars: pd.DataFrame, light_curves: pd.DataFrame, config: Mapping[str, Any], seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit the light curves of a chunk of stars.

    Parameters
    ----------
    stars
        Columns ``star_id``, ``period`` (d), ``pulsation_type``, ``status``, and
        ``archive_time_of_maximum`` (d) where the archive has it.
    light_curves
        Columns ``star_id``, ``band``, ``time`` (d), ``mag``, ``mag_err``, and ``aperture``
        where the survey has several.
    config
        The `fit` section of the sample; see `FitSettings`.
    seed
        Seed of the study.

    Returns
    -------
    fits
        One row for every row of `stars`, in their order: `star_id`, `band`, the `period` (d)
        of the fit, what `describe_stars` measures (units and meanings: `metalyra.core.tables`), and
        `status`, ``ok`` or one of `metalyra.core.statuses.STATUSES`, and its `reason` in words
        where the star list has one, too. Stars that are
        ``implausible_period`` or ``not_variable`` have their measured columns; those of any
        other status are NaN.
    folded
        `star_id`, `band`, `phase`, `mag`, `mag_err`, `kept` of the stars measured.
    """
    settings = FitSettings.from_config(config)
    folded, rows = _fold_stars(stars, light_curves, settings, seed)
    turns: dict[str, float] = {}
    for star_id, row, turn in _describe_stars(folded, settings):
        rows[star_id] = row
        if turn is not None:
            turns[star_id] = turn
    _judge_periods(stars, rows)
    band = str(light_curves["band"].iloc[0]) if len(light_curves) else ""
    measured = {
        star_id: (star.curve, turns[star_id])
        for star_id, star in folded.items()
        if star_id in turns
    }
    return _fits_table(stars, rows, band, settings.alignment), _folded_table(measured, band)


class _FoldedStar(NamedTuple):
    """A star that waits for its Gaussian process, and its own generator."""

    curve: FoldedCurve
    pulsation_type: str
    time_of_maximum: float
    rng: np.random.Generator


def _points_by_star(light_curves: pd.DataFrame, published_phases: bool) -> dict[str, ObservedCurve]:
    """Return the points of each star, in the order of the table."""
    star, names = pd.factorize(light_curves["star_id"])
    order = np.argsort(star, kind="stable")
    bounds = np.searchsorted(star[order], np.arange(len(names) + 1))
    points = read_points(light_curves, published_phases).take(order)
    return {
        str(name): points.take(slice(first, last))
        for name, first, last in zip(names, bounds[:-1], bounds[1:], strict=True)
    }


def _fold_stars(
    stars: pd.DataFrame, light_curves: pd.DataFrame, settings: FitSettings, seed: int
) -> tuple[dict[str, _FoldedStar], dict[str, dict[str, Any]]]:
    """Return the stars that could be folded, and the rows of the fits table of the others."""
    points = _points_by_star(light_curves, settings.phases == "published")
    unknown = pd.Series(np.nan, index=stars.index)
    maxima = stars.get("archive_time_of_maximum", unknown)
    columns = (stars["star_id"], stars["period"], stars["pulsation_type"], stars["status"], maxima)
    folded: dict[str, _FoldedStar] = {}
    failed: dict[str, dict[str, Any]] = {}
    for name, period, pulsation_type, status, maximum in zip(*columns, strict=True):
        star_id = str(name)
        try:
            if status != "ok":
                raise LightCurveError(status)
            if pulsation_type not in PERIODS:
                raise LightCurveError("wrong_pulsation_type")
            if star_id not in points:
                raise LightCurveError("no_light_curve")
            rng = generator(seed, "fit", star_id)
            with failures_are_the_stars():
                curve = fold_best_aperture(
                    points[star_id], float(period), pulsation_type, settings, rng
                )
            folded[star_id] = _FoldedStar(curve, pulsation_type, maximum, rng)
        except LightCurveError as problem:
            failed[star_id] = {"period": period, "status": str(problem), "reason": problem.reason}
            if status == "ok":
                logger.info("star %s: %s", star_id, problem)
    return folded, failed


def _describe_stars(
    folded: Mapping[str, _FoldedStar], settings: FitSettings
) -> Iterator[tuple[str, dict[str, Any], float | None]]:
    """Give each star, its row of the fits table, and how far its phases turn if measured."""
    curves = {star_id: star.curve for star_id, star in folded.items()}
    types = {star_id: star.pulsation_type for star_id, star in folded.items()}
    for batch, rival, rival_share in split_batches(types, settings.kernel):
        fit = partial(fit_gps, settings=settings, rival=rival, rival_share=rival_share)
        fitted = fit_apart_if_need_be(batch, curves, fit)
        while some := [*islice(fitted, _DESCRIBED_AT_ONCE)]:
            yield from _describe_some(folded, some, settings)


_DESCRIBED_AT_ONCE = 16
"""Stars whose draws stay in the processor's cache."""


def _describe_some(
    folded: Mapping[str, _FoldedStar],
    fitted: Iterable[tuple[str, Posterior | None, int]],
    settings: FitSettings,
) -> Iterator[tuple[str, dict[str, Any], float | None]]:
    """Give what `_describe_stars` does of stars of one type with their posteriors."""
    measured: dict[str, MeasuredStar] = {}
    failed: dict[str, LightCurveError] = {}
    for star_id, posterior, index in fitted:
        curve, _, maximum, rng = folded[star_id]
        try:
            if posterior is None:
                raise LightCurveError("fit_failed")
            with failures_are_the_stars():
                measured[star_id] = measure_star(curve, posterior, index, settings, rng, maximum)
        except LightCurveError as problem:
            failed[star_id] = problem
    if measured:
        pulsation_type = folded[next(iter(measured))].pulsation_type
        rows = describe_stars([*measured.values()], pulsation_type, settings.published)
        for (star_id, star), row in zip(measured.items(), rows, strict=True):
            if row is None:
                failed[star_id] = LightCurveError("fit_failed")
                continue
            if row["gp_log_bayes_factor"] < DECISIVE:
                row["status"] = "not_variable"
                row["reason"] = (
                    f"at the period {row['period']:.8g} d, the log evidence of a periodic curve "
                    f"over a constant is {row['gp_log_bayes_factor']:.1f} (at least {DECISIVE:g})"
                )
            yield star_id, row, star.turn
    for star_id, failure in failed.items():
        logger.info("star %s: %s", star_id, failure)
        row = {"status": str(failure), "reason": failure.reason}
        yield star_id, {"period": folded[star_id].curve.period, **row}, None


_OF_A_WRONG_PERIOD = ("ok", "not_variable", "fit_failed")
"""What may become of the light curve of a star that is folded with a wrong period."""


def _judge_periods(stars: pd.DataFrame, rows: Mapping[str, dict[str, Any]]) -> None:
    """Set the status of the stars whose period is none of their type."""
    columns = (stars["star_id"], stars["period"], stars["pulsation_type"])
    for star_id, period, pulsation_type in zip(*columns, strict=True):
        row = rows[str(star_id)]
        if row["status"] in _OF_A_WRONG_PERIOD:
            shortest, longest = PERIODS[pulsation_type]
            # The period of a light curve that came folded may be unknown.
            if period < shortest or period > longest:
                row["status"] = "implausible_period"
                row["reason"] = (
                    f"the period {period:.8g} d is not in [{shortest:g}, {longest:g}] d, where "
                    f"those of {pulsation_type} stars are"
                )


_WHOLE_NUMBERS = ("n_epochs", "fourier_order", "aperture")


def _fits_table(
    stars: pd.DataFrame, rows: Mapping[str, Mapping[str, Any]], band: str, alignment: str
) -> pd.DataFrame:
    texts = {"variation": "", "band": band, "alignment": alignment}
    found = [
        {**texts, **rows[str(star_id)], "star_id": str(star_id)} for star_id in stars["star_id"]
    ]
    columns: dict[str, Any] = {}
    for name in ("star_id", "band", *TABLE_COLUMNS):
        values: list[Any] = [row.get(name) for row in found]
        if name in _WHOLE_NUMBERS:
            columns[name] = np.array([value or 0 for value in values], dtype=np.int64)
        elif name == "gp_converged":
            columns[name] = np.array([bool(value) for value in values], dtype=bool)
        elif name in FIT_COLUMNS:
            columns[name] = np.array(values, dtype=float)
        else:
            kind = object if "curve" in name else "str"
            columns[name] = pd.Series(values, dtype=kind).array
    table = pd.DataFrame(columns)
    if "reason" in stars:
        table["reason"] = _reasons(stars, rows, table["status"])
    return table


def _reasons(
    stars: pd.DataFrame, rows: Mapping[str, Mapping[str, Any]], statuses: "pd.Series[str]"
) -> "pd.Series[str]":
    """Return why stars are not ok: as their list says or, where it finds no fault, the fit."""
    reasons = [
        listed if before != "ok" else (rows[str(star_id)].get("reason") or "") * (after != "ok")
        for star_id, before, listed, after in zip(
            *(stars["star_id"], stars["status"], stars["reason"], statuses), strict=True
        )
    ]
    return pd.Series(reasons, index=statuses.index, dtype="str")


def _folded_table(measured: Mapping[str, tuple[FoldedCurve, float]], band: str) -> pd.DataFrame:
    """Return the points of all stars, turned to the alignment of the settings."""
    columns = {"star_id": str, "band": str, "phase": float, "mag": float, "mag_err": float}
    if not measured:
        empty = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})
        return empty.assign(kept=pd.Series(dtype=bool))
    curves = [folded for folded, _ in measured.values()]
    phases = [wrap_cycles(folded.phase + turn) for folded, turn in measured.values()]
    sizes = [phase.size for phase in phases]
    return pd.DataFrame(
        {
            "star_id": pd.array([*measured], dtype="str").repeat(sizes),
            "band": pd.array([band], dtype="str").repeat(sum(sizes)),
            "phase": np.concatenate(phases),
            "mag": np.concatenate([folded.curve.mag for folded in curves]),
            "mag_err": np.concatenate([folded.curve.mag_err for folded in curves]),
            "kept": np.concatenate([folded.fit.kept for folded in curves]),
        }
    )
