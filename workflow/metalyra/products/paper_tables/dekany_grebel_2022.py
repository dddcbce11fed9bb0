"""The tables of Dékány & Grebel (2022)."""

from collections.abc import Mapping

import pandas as pd

from metalyra.core.statuses import CUT, restore_star_id
from metalyra.products.paper_tables.layouts import layout

TABLE_5_COLUMNS = (
    "star_id",
    "ra",
    "dec",
    "feh",
    "feh_std",
    "mean_mag",
    "n_epochs",
    "period",
    "amplitude",
    "phase_coverage",
    "snr",
)

TABLE_1_COLUMNS = (
    "star_id",
    "ra",
    "dec",
    "feh",
    "feh_err_light_curve",
    "mean_mag",
    "n_epochs",
    "period",
    "amplitude",
    "a1",
    "a2",
    "a3",
    "phi21",
    "phi31",
    "phase_coverage",
    "snr",
)

PUBLISHED_COLUMNS: Mapping[str, str] = {
    "mean_mag": "archive_mean_mag",
    "amplitude": "archive_amplitude",
    "snr": "archive_snr",
}
"""The columns of the inner-bulge star list that Table 5 repeats."""

Cuts = Mapping[str, tuple[float | None, float | None]]

TABLE_1_CUTS: Cuts = {
    "phase_coverage": (0.8, None),
    "amplitude": (None, 1.2),
    "snr": (50.0, None),
}
"""Smallest and largest value of the stars in Table 1, as its note gives them."""


@layout("dg22_table5", of="predictions")
def dg22_table5(stars: pd.DataFrame, fits: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return Ks-band metallicities and attributes: Table 5 of Dékány & Grebel (2022).

    Mean magnitude, amplitude and S/N are those of the star list where it has them, for
    they were measured on the full light curves and not on the released binned ones.

    Parameters
    ----------
    stars
        Star list; its order is the order of the table.
    fits, predictions
        Fits and predictions of the same stars.

    Returns
    -------
    pandas.DataFrame
        Columns `TABLE_5_COLUMNS`, one row per star of the list, except those that fail the
        cuts that the paper has for the model's targets (status ``cut:...``); a star
        without a prediction has NaN.
    """
    rows = _join(stars, fits, predictions)
    for column, published in PUBLISHED_COLUMNS.items():
        if published in stars:
            rows[column] = stars[published].reset_index(drop=True).fillna(rows[column])
    status = predictions.set_index("star_id")["status"].reindex(stars["star_id"])
    cut = status.str.startswith(CUT).to_numpy(dtype=bool)
    return rows.loc[~cut, list(TABLE_5_COLUMNS)].reset_index(drop=True)


@layout("dg22_table1", of="labels")
def dg22_table1(
    stars: pd.DataFrame, fits: pd.DataFrame, labels: pd.DataFrame, cuts: Cuts = TABLE_1_CUTS
) -> pd.DataFrame:
    """Return I-band parameters and metallicities: Table 1 of Dékány & Grebel (2022).

    Parameters
    ----------
    stars
        Star list; its order is the order of the table.
    fits, labels
        Fits and metallicities of the same stars.
    cuts
        Smallest and largest allowed value by column, None where there is no limit.

    Returns
    -------
    pandas.DataFrame
        Columns `TABLE_1_COLUMNS`: the stars with a metallicity that pass the cuts.
    """
    rows = _join(stars, fits, labels)
    selected = rows["feh"].notna()
    for column, (smallest, largest) in cuts.items():
        if smallest is not None:
            selected &= rows[column] >= smallest
        if largest is not None:
            selected &= rows[column] <= largest
    return rows.loc[selected, list(TABLE_1_COLUMNS)].reset_index(drop=True)


def _join(stars: pd.DataFrame, fits: pd.DataFrame, estimates: pd.DataFrame) -> pd.DataFrame:
    """Return listed, fitted and estimated columns in the order of the star list.

    A value that an estimate gives counts, also where the model does not vouch for it.
    """
    listed = stars.reset_index(drop=True)
    fitted = fits.set_index("star_id").reindex(listed["star_id"]).reset_index(drop=True)
    estimated = estimates.set_index("star_id").reindex(listed["star_id"]).reset_index(drop=True)
    values = [name for name in ("feh", "feh_std", "feh_err_light_curve") if name in estimated]
    rows = pd.concat(
        [
            listed[["ra", "dec"]],
            fitted.drop(columns="status"),
            estimated[values],
        ],
        axis="columns",
    )
    return rows.assign(
        star_id=restore_star_id(listed),
        period=fitted["period"].fillna(listed["period"]),
        n_epochs=fitted["n_epochs"].astype("Int64"),
    )
