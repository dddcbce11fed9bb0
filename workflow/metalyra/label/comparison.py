"""Calibrations of a relation compared: coefficients, and accuracy on stars kept apart."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metalyra.core.arrays import Indices
from metalyra.core.metrics import mean_absolute_error, root_mean_squared_error
from metalyra.core.randomness import generator
from metalyra.label.calibration import calibrate, describe_relations, summarise
from metalyra.label.calibrators import (
    FEATURES,
    CalibrationError,
    list_photometry,
    select_calibrators,
)
from metalyra.label.regression import PUBLISHED_VARIANT, VARIANTS
from metalyra.label.relations import Relation


def draw_star_folds(star_ids: NDArray[np.str_], folds: int, rng: np.random.Generator) -> Indices:
    """Return a random fold (0 to folds - 1) for each row; the rows of a star share it.

    Raises
    ------
    CalibrationError
        If there are fewer stars than folds.
    """
    names, star = np.unique(star_ids, return_inverse=True)
    if not 2 <= folds <= len(names):
        raise CalibrationError(f"{len(names)} stars cannot be split into {folds} folds")
    return (rng.permutation(len(names)) % folds)[star]


def cross_validate(
    calibrators: pd.DataFrame,
    pulsation_type: str,
    variant: str,
    *,
    features: Sequence[str] | None = None,
    folds: int = 10,
    repeats: int = 5,
    draws: int = 1_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Predict every calibrator from the other stars.

    Parameters
    ----------
    calibrators, pulsation_type, variant, features, draws, seed
        See `calibrate`.
    folds
        Parts that the stars are split into; the same for every variant.
    repeats
        Number of such splits.

    Returns
    -------
    pandas.DataFrame
        ``repeat, star_id, feh, feh_err, error_scale, predicted, predicted_err``: the
        spectra, `repeats` times; `error_scale` is that of the quoted `feh_err` by the
        calibration which predicts the star, 1 where the variant fits none.
    """
    star_ids = calibrators["star_id"].to_numpy(str)
    tables = []
    for repeat in range(repeats):
        rng = generator(seed, "calibrate/folds", f"{pulsation_type}/{repeat}")
        fold = draw_star_folds(star_ids, folds, rng)
        table = calibrators[["star_id", "feh", "feh_err"]].assign(
            repeat=repeat, error_scale=np.nan, predicted=np.nan, predicted_err=np.nan
        )
        for left_out in range(folds):
            test = fold == left_out
            calibration = calibrate(
                calibrators[~test],
                pulsation_type,
                variant,
                features=features,
                draws=draws,
                seed=seed,
            )
            table.loc[test, ["predicted", "predicted_err"]] = np.column_stack(
                calibration.predict(calibrators[test])
            )
            table.loc[test, "error_scale"] = calibration.draws["error_scale"].mean()
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def evaluate_cross_validation(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracy of cross-validated predictions, by spectrum and by star.

    A star's [Fe/H] is the mean of its spectra, weighted by 1 / e^2.

    Parameters
    ----------
    predictions
        What `cross_validate` returns.

    Returns
    -------
    pandas.DataFrame
        Rows spectrum and star: ``unit, count, mae, rmse, bias`` (predicted - true, dex)
        and ``reduced_error``, the rms of the residuals in units of their predicted errors
        (1 if these are right), those of the spectra with the fitted scale.
    """
    precision = predictions["feh_err"] ** -2
    weighted = predictions.assign(precision=precision, feh=predictions["feh"] * precision)
    stars = weighted.groupby(["repeat", "star_id"], as_index=False).agg(
        {
            **{"feh": "sum", "precision": "sum", "error_scale": "first"},
            **{"predicted": "first", "predicted_err": "first"},
        }
    )
    stars["feh"] /= stars["precision"]
    stars["feh_err"] = stars["precision"] ** -0.5
    rows = []
    for unit, table in (("spectrum", predictions), ("star", stars)):
        true, predicted = table["feh"].to_numpy(), table["predicted"].to_numpy()
        spectroscopic = (table["error_scale"] * table["feh_err"]).to_numpy()
        error = np.hypot(spectroscopic, table["predicted_err"].to_numpy())
        rows.append(
            {
                "unit": unit,
                "count": len(table) // table["repeat"].nunique(),
                "mae": mean_absolute_error(true, predicted),
                "rmse": root_mean_squared_error(true, predicted),
                "bias": float(np.mean(predicted - true)),
                "reduced_error": float(np.sqrt(np.mean(((predicted - true) / error) ** 2))),
            }
        )
    return pd.DataFrame(rows)


def compare_coefficients(
    calibrators: Mapping[str, pd.DataFrame], published: Relation, *, draws: int, seed: int
) -> pd.DataFrame:
    """Return the coefficients of every variant with each photometry, one row a parameter.

    Parameters
    ----------
    calibrators
        Selected spectra of one pulsation type, by photometry: see `list_photometry`.
    published
        The relation to be compared with.
    draws, seed
        See `calibrate`.

    Returns
    -------
    pandas.DataFrame
        ``photometry`` and the columns of `summarise`.
    """
    tables = []
    for photometry, spectra in calibrators.items():
        pulsation_type = str(spectra["pulsation_type"].iloc[0])
        for variant in VARIANTS:
            calibration = calibrate(spectra, pulsation_type, variant, draws=draws, seed=seed)
            summary = summarise(calibration, published)
            summary.insert(0, "photometry", photometry)
            tables.append(summary)
    return pd.concat(tables, ignore_index=True)


def compare_accuracy(calibrators: pd.DataFrame, pulsation_type: str, *, seed: int) -> pd.DataFrame:
    """Return the cross-validated accuracy of every variant.

    Returns
    -------
    pandas.DataFrame
        ``pulsation_type, variant`` and the columns of `evaluate_cross_validation`.
    """
    tables = []
    for variant in VARIANTS:
        accuracy = evaluate_cross_validation(
            cross_validate(calibrators, pulsation_type, variant, seed=seed)
        )
        accuracy.insert(0, "pulsation_type", pulsation_type)
        accuracy.insert(1, "variant", variant)
        tables.append(accuracy)
    return pd.concat(tables, ignore_index=True)


class Products(NamedTuple):
    """What a calibration leaves.

    Attributes
    ----------
    relations
        Entry of a file of relations: see `describe_relations`.
    draws
        Posterior draws of the relation and, for comparison, of the published regression:
        ``pulsation_type, variant`` and one column a parameter.
    coefficients, accuracy
        See `compare_coefficients` and `compare_accuracy`.
    """

    relations: dict[str, Any]
    draws: pd.DataFrame
    coefficients: pd.DataFrame
    accuracy: pd.DataFrame


def calibrate_relation(
    spectra: pd.DataFrame,
    fits: pd.DataFrame,
    published: Mapping[str, Relation],
    *,
    variant: str,
    photometry: str,
    draws: int,
    seed: int,
) -> Products:
    """Calibrate a relation for both pulsation types, and show it beside all other ways.

    Parameters
    ----------
    spectra
        What `metalyra.surveys.ifeh.read_calibrators` returns.
    fits
        Our fits of the same stars.
    published
        The published relation, by pulsation type.
    variant
        A name of `VARIANTS`, that of the relation.
    photometry
        'published' or 'own': the light-curve parameters of the relation.
    draws, seed
        See `calibrate`.
    """
    calibrations, posteriors, coefficients, accuracy = [], [], [], []
    for kind in FEATURES:
        selected = select_calibrators(spectra, kind)
        sources = list_photometry(selected, fits)
        made = {
            name: calibrate(sources[photometry], kind, name, draws=draws, seed=seed)
            for name in dict.fromkeys((PUBLISHED_VARIANT, variant))
        }
        calibrations.append(made[variant])
        for name, calibration in made.items():
            posterior = calibration.draws.copy()
            posterior.insert(0, "pulsation_type", kind)
            posterior.insert(1, "variant", name)
            posteriors.append(posterior)
        coefficients.append(compare_coefficients(sources, published[kind], draws=draws, seed=seed))
        accuracy.append(compare_accuracy(selected, kind, seed=seed))
    stars = ", ".join(f"{entry.stars} {entry.pulsation_type}" for entry in calibrations)
    source = f"calibrated here on {stars} ({photometry} photometry, {variant})"
    return Products(
        describe_relations(calibrations, source),
        pd.concat(posteriors, ignore_index=True),
        pd.concat(coefficients, ignore_index=True),
        pd.concat(accuracy, ignore_index=True),
    )
