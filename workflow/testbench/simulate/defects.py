"""What is wrong with the broken stars, and how the study is to account for each."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

EXPECTED_STATUS: Mapping[str, str] = {
    "": "ok",
    "no_light_curve": "no_light_curve",
    "error_page": "unreadable_light_curve",
    "random_bytes": "unreadable_light_curve",
    "empty_file": "unreadable_light_curve",
    "few_epochs": "too_few_epochs",
    "nan_magnitudes": "too_few_epochs",
    "constant_magnitude": "constant_magnitude",
    "some_infinite_magnitudes": "ok",
    "repeated_epochs": "ok",
    "pure_noise": "not_variable",
    "duplicate_id": "duplicate_id",
    "period_zero": "invalid_period",
    "period_negative": "invalid_period",
    "period_text": "invalid_period",
    "period_missing": "invalid_period",
    "wrong_pulsation_type": "wrong_pulsation_type",
    "ambiguous_match": "ambiguous_match",
    "no_match": "no_match",
}
"""Status by defect."""

_LIGHT_CURVES = (
    "no_light_curve",
    "error_page",
    "random_bytes",
    "empty_file",
    "few_epochs",
    "nan_magnitudes",
    "constant_magnitude",
    "some_infinite_magnitudes",
    "repeated_epochs",
)
_MAGNITUDES = ("nan_magnitudes", "constant_magnitude", "some_infinite_magnitudes", "pure_noise")
_PERIODS = ("period_zero", "period_negative", "period_text", "period_missing")

SURVEY_DEFECTS: Mapping[str, tuple[str, ...]] = {
    "ogle": (*_LIGHT_CURVES, *_PERIODS, "duplicate_id"),
    "gaia_dr2": (*_LIGHT_CURVES, "duplicate_id", "ambiguous_match", "no_match", "pure_noise"),
    "gaia_dr3": (*_LIGHT_CURVES, *_PERIODS, "duplicate_id", "wrong_pulsation_type"),
    "vvv": (*_LIGHT_CURVES, "duplicate_id", "ambiguous_match", "no_match", "pure_noise"),
}
"""The defects that each survey has stars of."""

FEW_EPOCHS = 12
NOISE_EPOCHS = 80
"""Enough for a star of pure noise to pass every cut but that on S/N, were it not for its fit."""

_ERROR_PAGE = b"<html><head><title>503 Service Unavailable</title></head><body/></html>\n"


def break_period(defect: str, period: float) -> float | str | None:
    """Return the period as a star table with a defect has it.

    A star without a match is lost only if it has no period of its own.
    """
    return {
        "period_zero": 0.0,
        "period_negative": -period,
        "period_text": "unknown",
        "period_missing": None,
        "no_match": None,
    }.get(defect, period)


def break_light_curve(
    defect: str, table: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame | bytes | None:
    """Return a light curve with a defect.

    Parameters
    ----------
    defect
        A key of `EXPECTED_STATUS`; those of star tables change nothing here.
    table
        The sound light curve; every column that begins with ``mag`` and is no error is a
        magnitude.
    rng
        Generator of the defect.

    Returns
    -------
    DataFrame, bytes or None
        The table, the content of a file that is no table, or None if there is no file.
    """
    if defect == "no_light_curve":
        return None
    if defect == "error_page":
        return _ERROR_PAGE
    if defect == "random_bytes":
        return rng.bytes(1500)
    if defect == "empty_file":
        return b""
    if defect == "repeated_epochs":
        repeated = rng.choice(len(table), len(table) // 4, replace=False)
        return pd.concat([table, table.iloc[repeated]], ignore_index=True)
    if defect not in _MAGNITUDES:
        return table
    broken = table.copy()
    magnitudes = [name for name in table if name.startswith("mag") and "err" not in name]
    level = np.tile(table[magnitudes].median(), (len(table), 1))
    if defect == "nan_magnitudes":
        broken[magnitudes] = np.nan
    elif defect == "constant_magnitude":
        broken[magnitudes] = level.round(3)
    elif defect == "some_infinite_magnitudes":
        broken.loc[rng.choice(len(table), 3, replace=False), magnitudes] = np.inf
    else:
        broken[magnitudes] = level + rng.normal(0, 0.05, (len(table), 1))
    return broken
