"""Which stars a model is for: pulsation types, and cuts."""

import logging
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metalyra.core.statuses import OK

logger = logging.getLogger(__name__)

Cuts = Mapping[str, Sequence[float | None]]
"""Lowest and highest allowed value by column, both inclusive, None for no bound."""

ARCHIVE = "archive_"
"""What the names of the star list's own columns begin with."""


def select_stars(fits: pd.DataFrame, stars: pd.DataFrame, pulsation_type: str) -> pd.DataFrame:
    """Return the fits with a status for the stars that a model cannot be applied to.

    Parameters
    ----------
    fits
        The fits table, or a part of it; a status other than ok stays.
    stars
        At least `star_id` and `pulsation_type` of the same stars, in any order.
    pulsation_type
        RRab or RRc: the stars that a model has been trained on; others become
        ``wrong_pulsation_type``. A light curve that came folded can be fitted without its
        period, but not be predicted: its star becomes ``invalid_period``.
    """
    types = fits["star_id"].map(stars.set_index("star_id")["pulsation_type"])
    status = fits["status"].mask(
        (fits["status"] == OK) & (types != pulsation_type), "wrong_pulsation_type"
    )
    unfolded = (status == OK) & ~np.isfinite(fits["period"])
    chosen = fits.assign(status=status.mask(unfolded, "invalid_period"))
    if "reason" in fits:
        other = (status == "wrong_pulsation_type") & (fits["status"] == OK)
        why = f"the model is for {pulsation_type} stars, this is one of type " + types.astype(str)
        chosen["reason"] = fits["reason"].mask(other, why)
    return chosen


def join_archive(table: pd.DataFrame, stars: pd.DataFrame) -> pd.DataFrame:
    """Return a table of stars (`star_id`) with the archive_* columns of their star list."""
    own = stars.set_index("star_id").filter(regex=f"^{ARCHIVE}")
    return table.join(own[own.columns.difference(table.columns, sort=False)], on="star_id")


def choose_cuts(cuts: Cuts, optional: Cuts, columns: Collection[str]) -> tuple[Cuts, Cuts]:
    """Return the cuts that a training applies, and those that it cannot, which the log names.

    Parameters
    ----------
    cuts
        Applied in any case.
    optional
        Applied after them where the star list has the column.
    columns
        Of the star list.
    """
    known = {column: bounds for column, bounds in optional.items() if column in columns}
    absent = {column: bounds for column, bounds in optional.items() if column not in columns}
    for column, (low, high) in absent.items():
        logger.warning(
            "the star list has no %s: the optional cut to [%s, %s] is not applied",
            *(column, "-inf" if low is None else low, "inf" if high is None else high),
        )
    return {**cuts, **known}, absent


def apply_cuts(table: pd.DataFrame, cuts: Cuts) -> NDArray[np.str_]:
    """Return the column of the first cut that each row fails; empty where it passes all.

    Parameters
    ----------
    table
        n rows.
    cuts
        Tried in this order. A missing value fails.

    Raises
    ------
    ValueError
        If a cut names an unknown column or one without numbers.
    """
    failed = np.full(len(table), "", dtype=object)
    for column, (low, high) in cuts.items():
        if column not in table:
            raise ValueError(
                f"the cut on {column!r} names no column of the fits, labels or star list; "
                f"known are {', '.join(sorted(table.columns))}"
            )
        try:
            values = table[column].to_numpy(dtype=float, na_value=np.nan)
        except (TypeError, ValueError):
            raise ValueError(f"the cut on {column!r}: the column does not hold numbers") from None
        inside = values >= (-np.inf if low is None else low)
        inside &= values <= (np.inf if high is None else high)
        failed = np.where((failed == "") & ~inside, column, failed)
    return failed
