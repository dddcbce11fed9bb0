"""Which stars a model is for."""

import pandas as pd

from metalyra.ledger import OK


def select_pulsation_type(
    fits: pd.DataFrame, stars: pd.DataFrame, pulsation_type: str
) -> pd.DataFrame:
    """Return the fits with the status ``wrong_pulsation_type`` for stars of another type.

    Parameters
    ----------
    fits
        The fits table, or a part of it; a status other than ok stays.
    stars
        At least `star_id` and `pulsation_type` of the same stars, in any order.
    pulsation_type
        RRab or RRc: the stars that a model has been trained on.
    """
    types = fits["star_id"].map(stars.set_index("star_id")["pulsation_type"])
    other = (fits["status"] == OK) & (types != pulsation_type)
    return fits.assign(status=fits["status"].mask(other, "wrong_pulsation_type"))
