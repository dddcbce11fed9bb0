"""Stars with spectroscopic metallicities, on which relations are calibrated."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

FEATURES: Mapping[str, tuple[str, ...]] = {
    "RRab": ("period", "a2", "phi31"),
    "RRc": ("period", "a1", "a2", "phi31"),
}
"""The published light-curve parameters, by pulsation type; the period counts as exact."""

SELECTION: Mapping[str, Mapping[str, tuple[float | None, float | None]]] = {
    "RRab": {"snr": (95.0, None), "phase_coverage": (0.8, None)},
    "RRc": {"snr": (70.0, None), "phase_coverage": (0.8, None)},
}
"""The published selection: lowest and highest allowed value by column."""


class CalibrationError(ValueError):
    """Calibrators that cannot be used; the message says why."""


def select_calibrators(
    calibrators: pd.DataFrame,
    pulsation_type: str,
    cuts: Mapping[str, Sequence[float | None]] | None = None,
) -> pd.DataFrame:
    """Return the spectra that a relation is calibrated on.

    Parameters
    ----------
    calibrators
        What `metalyra.surveys.ifeh.read_calibrators` returns.
    pulsation_type
        RRab or RRc.
    cuts
        Lowest and highest allowed value, None for no bound, by column; the published
        selection if None. A missing value fails.

    Raises
    ------
    CalibrationError
        If a cut names an unknown column.
    """
    used = calibrators["keep"] & (calibrators["pulsation_type"] == pulsation_type)
    for column, (low, high) in (SELECTION[pulsation_type] if cuts is None else cuts).items():
        if column not in calibrators:
            raise CalibrationError(
                f"the cut on {column!r} names no column of the calibrators; known are "
                f"{', '.join(sorted(calibrators.columns))}"
            )
        used &= calibrators[column].between(
            -np.inf if low is None else low, np.inf if high is None else high
        )
    return calibrators[used].reset_index(drop=True)


def replace_photometry(calibrators: pd.DataFrame, fits: pd.DataFrame) -> pd.DataFrame:
    """Return the calibrators with our own light-curve parameters instead of the published.

    Parameters
    ----------
    calibrators
        Spectra, as selected.
    fits
        The fits table of the stars whose light curves there are.

    Returns
    -------
    pandas.DataFrame
        Spectra of the stars that are fitted, with the columns of `fits`.
    """
    spectra = ["star_id", "name", "pulsation_type", "instrument", "source", "feh", "feh_err"]
    fitted = fits[fits["status"] == "ok"].drop(columns="status")
    return calibrators[spectra].merge(fitted, on="star_id", how="inner", validate="many_to_one")


def list_photometry(calibrators: pd.DataFrame, fits: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the calibrators with each photometry there is, to be compared.

    Parameters
    ----------
    calibrators, fits
        See `replace_photometry`.

    Returns
    -------
    dict
        ``published``; ``own``, our fits of the stars whose light curves there are; and
        ``published_same``, the published parameters of the stars of ``own``.
    """
    own = replace_photometry(calibrators, fits)
    same = calibrators[calibrators["star_id"].isin(own["star_id"])]
    return {
        "published": calibrators,
        "published_same": same.reset_index(drop=True),
        "own": own,
    }
