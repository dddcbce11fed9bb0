"""Which stars a model is for."""

import numpy as np
import pandas as pd

from metalyra.ledger import OK


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
    return fits.assign(status=status.mask(unfolded, "invalid_period"))
