"""Relations calibrated on the [Fe/H] that came with a star list, in the band of its curves."""

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtri

from metalyra.label.calibration import Calibration, calibrate, describe_relations, summarise
from metalyra.label.calibrators import FEATURES, CalibrationError, select_calibrators
from metalyra.label.comparison import Products, cross_validate, evaluate_cross_validation
from metalyra.label.feature_selection import CANDIDATES, SEARCHES, select_features
from metalyra.label.regression import VARIANTS
from metalyra.label.relations import Relation, take_published

ASSUMED_ERROR = 0.1
"""Error (dex) of a spectroscopic [Fe/H] in a list without any; its scale is fitted."""

FEWEST_STARS = 20
"""Stars that a relation is calibrated on, at least."""

FALLBACK = "least_squares"
"""The regression whose posterior is regular for any stars."""

_FOLDS = 10
_FEATURE_FOLDS = 20
_MOST_EXHAUSTIVE = 8  # features of which all sets are tried
_LEVELS = {"coverage_68": 0.68, "coverage_95": 0.95}


def take_calibrators(fits: pd.DataFrame, stars: pd.DataFrame) -> pd.DataFrame:
    """Return the stars whose list has their [Fe/H], with the parameters of their light curves.

    Parameters
    ----------
    fits
        The fits table of all stars.
    stars
        The star table: see `metalyra.label.relations.take_published`.

    Returns
    -------
    pandas.DataFrame
        One row a star: `pulsation_type`, `feh`, `feh_err` (dex; where the list has none the
        median of the others, or `ASSUMED_ERROR`), `keep` (true) and the columns of the fits.
    """
    labels = take_published(fits, stars)
    labels = labels[labels["status"] == "ok"]
    labelled = labels[["star_id", "pulsation_type", "feh"]].assign(
        feh_err=labels["training_err"].fillna(ASSUMED_ERROR), keep=True
    )
    measured = fits[fits["status"] == "ok"].drop(columns="status")
    return labelled.merge(measured, on="star_id", validate="one_to_one")


def calibrate_on_labels(
    calibrators: pd.DataFrame,
    published: Mapping[str, Relation],
    *,
    band: str,
    features: Sequence[str] | None = None,
    cuts: Mapping[str, Sequence[float | None]] | None = None,
    variant: str = "hierarchical",
    draws: int = 10_000,
    seed: int = 0,
) -> Products:
    """Calibrate a relation for each pulsation type that there are enough stars of.

    Parameters
    ----------
    calibrators
        Of `take_calibrators`.
    published
        A relation to be shown beside it, by pulsation type, where it is for the same band.
    band
        Band of the light curves.
    features
        Light-curve parameters of the relation; the published ones of each type if None.
    cuts
        Lowest and highest allowed value by column; none if None.
    variant, draws, seed
        See `metalyra.label.calibration.calibrate`. Where the posterior of the variant is too
        irregular to be drawn from, `FALLBACK` takes its place.

    Returns
    -------
    Products
        The accuracy has the shares of stars within intervals of 68 and 95 % besides, and a
        note for a type that has no relation.

    Raises
    ------
    CalibrationError
        If no pulsation type has a relation; the message has the numbers of stars.
    """
    selected = {kind: select_calibrators(calibrators, kind, cuts or {}) for kind in FEATURES}
    counts = ", ".join(f"{len(stars)} {kind}" for kind, stars in selected.items())
    made: dict[str, Calibration] = {}
    accuracy = []
    for kind, stars in selected.items():
        try:
            made[kind], measured = _calibrate_type(
                stars, kind, variant, features=features, band=band, draws=draws, seed=seed
            )
            accuracy.append(measured)
        except CalibrationError as error:
            logging.info("no relation for %s: %s", kind, error)
            if len(stars):
                accuracy.append(_describe_failure(kind, variant, str(error)))
    if not made:
        notes = "; ".join(str(table["note"].iloc[0]) for table in accuracy)
        raise CalibrationError(
            f"no relation can be calibrated on {counts} stars with a label and a good light curve"
            + (f": {notes}" if notes else "")
        )
    known = {kind: published[kind] for kind in made if kind in published}
    known = {kind: relation for kind, relation in known.items() if relation.band == band}
    used = ", ".join(dict.fromkeys(calibration.variant for calibration in made.values()))
    source = f"calibrated here on {counts} stars with [Fe/H] of their list ({used})"
    return Products(
        describe_relations([*made.values()], source),
        pd.concat([_list_draws(calibration) for calibration in made.values()], ignore_index=True),
        pd.concat(
            [
                summarise(calibration, known.get(kind)).assign(photometry="own")
                for kind, calibration in made.items()
            ],
            ignore_index=True,
        ),
        pd.concat(accuracy, ignore_index=True).fillna({"count": 0}).astype({"count": int}),
    )


def compare_features(
    calibrators: pd.DataFrame,
    *,
    features: Sequence[str] | None = None,
    cuts: Mapping[str, Sequence[float | None]] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return what `metalyra.label.feature_selection.select_features` finds for each type.

    Candidates are the published ones and `features`; all sets are tried where these are few.
    """
    candidates = tuple(dict.fromkeys([*CANDIDATES, *(features or ())]))
    searches = SEARCHES if len(candidates) <= _MOST_EXHAUSTIVE else SEARCHES[:1]
    paths = []
    for kind in FEATURES:
        stars = select_calibrators(calibrators, kind, cuts or {})
        if len(stars) < FEWEST_STARS:
            continue
        for search in searches:
            path = select_features(
                stars,
                kind,
                candidates=candidates,
                search=search,
                folds=min(_FEATURE_FOLDS, len(stars)),
                repeats=5,
                seed=seed,
            )
            path.insert(0, "pulsation_type", kind)
            path.insert(1, "search", search)
            paths.append(path)
    return pd.concat(paths, ignore_index=True)


def _calibrate_type(
    stars: pd.DataFrame,
    kind: str,
    variant: str,
    *,
    features: Sequence[str] | None,
    band: str,
    draws: int,
    seed: int,
) -> tuple[Calibration, pd.DataFrame]:
    """Return the calibration of one type and its accuracy, or raise a `CalibrationError`."""
    if len(stars) < FEWEST_STARS:
        raise CalibrationError(
            f"{len(stars)} labelled {kind} stars, a relation needs {FEWEST_STARS}"
        )
    for name in dict.fromkeys((variant, FALLBACK)):
        try:
            calibration = calibrate(
                stars, kind, name, features=features, band=band, draws=draws, seed=seed
            )
            return calibration, _measure_accuracy(stars, calibration, seed)
        except CalibrationError as error:
            if name == FALLBACK:
                raise
            logging.info("%s is calibrated by %s instead of %s: %s", kind, FALLBACK, name, error)
    raise AssertionError


def _describe_failure(kind: str, variant: str, note: str) -> pd.DataFrame:
    """Return the accuracy of a type that has no relation."""
    row = {"pulsation_type": kind, "variant": variant, "unit": "star", "count": 0, "note": note}
    return pd.DataFrame([row])


def _list_draws(calibration: Calibration) -> pd.DataFrame:
    """Return the posterior draws of a calibration, with what it is of."""
    draws = calibration.draws.copy()
    draws.insert(0, "pulsation_type", calibration.pulsation_type)
    draws.insert(1, "variant", calibration.variant)
    return draws


def _measure_accuracy(stars: pd.DataFrame, calibration: Calibration, seed: int) -> pd.DataFrame:
    """Return the cross-validated accuracy of a calibration, star by star."""
    predictions = cross_validate(
        stars,
        calibration.pulsation_type,
        calibration.variant,
        features=calibration.features,
        folds=_FOLDS,
        seed=seed,
    )
    accuracy = evaluate_cross_validation(predictions)
    accuracy = accuracy[accuracy["unit"] == "star"].reset_index(drop=True)
    accuracy.insert(0, "pulsation_type", calibration.pulsation_type)
    accuracy.insert(1, "variant", calibration.variant)
    residuals = (predictions["predicted"] - predictions["feh"]).abs()
    # A variant that fits no scatter has it measured about its posterior means.
    unfitted = 0.0 if VARIANTS[calibration.variant].intrinsic_scatter else calibration.scatter
    errors = np.hypot(
        np.hypot(predictions["error_scale"] * predictions["feh_err"], unfitted),
        predictions["predicted_err"],
    )
    shares = {
        name: float((residuals <= ndtri((1 + level) / 2) * errors).mean())
        for name, level in _LEVELS.items()
    }
    return accuracy.assign(**shares, note="")
