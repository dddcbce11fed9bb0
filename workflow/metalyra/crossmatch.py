"""Which star of one survey is which star of another."""

import numpy as np
import pandas as pd
from astropy import units
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from metalyra.surveys.star_tables import PULSATION_TYPES


def match_stars(stars: pd.DataFrame, reference: pd.DataFrame, radius: float) -> pd.DataFrame:
    """Match stars to a reference sample by position and take its periods and types.

    A match is one to one: the star is the only one within `radius` of the reference star
    and the other way round. Repeated identifiers and unknown positions take no part.

    Parameters
    ----------
    stars, reference
        Stars tables, the first checked with ``periods_required=False``: a star whose
        period is NaN waits for that of its match.
    radius
        Largest separation (arcsec).

    Returns
    -------
    pandas.DataFrame
        The rows and columns of `stars`, with `reference_id` and `separation` (arcsec) of
        the nearest reference star within the radius. The period and type of a matched star
        are those of its reference star. A star that is not ``ok`` keeps its status; of the
        others are

        - ``ambiguous_match`` those in a match that is not one to one;
        - ``no_match`` those without a match and without a period of their own;
        - ``wrong_pulsation_type`` those that are neither RRab nor RRc by their match, or
          by their own type if they have no match;
        - ``invalid_period`` those whose match has no period either.

    Raises
    ------
    ValueError
        If `radius` is not positive.
    """
    if not radius > 0:
        raise ValueError(f"the match radius is {radius!r} arcsec; it must be positive")
    ok = (stars["status"] == "ok").to_numpy()
    mine = np.flatnonzero(ok & _has_position(stars))
    theirs = np.flatnonzero(
        (reference["status"] != "duplicate_id").to_numpy() & _has_position(reference)
    )
    star, other, separation = _find_pairs(stars.iloc[mine], reference.iloc[theirs], radius)
    star, other = mine[star], theirs[other]
    # The nearest reference star of each star comes first.
    order = np.lexsort((separation, star))
    star, other, separation = star[order], other[order], separation[order]
    nearest = np.unique(star, return_index=True)[1]
    stars_near = np.bincount(other, minlength=len(reference))
    references_near = np.bincount(star, minlength=len(stars))
    ambiguous = references_near > 1
    ambiguous[star[nearest]] |= stars_near[other[nearest]] > 1

    partner = np.full(len(stars), -1)
    partner[star[nearest]] = other[nearest]
    matched = partner >= 0
    distance = np.full(len(stars), np.nan)
    distance[star[nearest]] = separation[nearest]

    table = stars.drop(columns="status")
    for column in ("period", "pulsation_type"):
        value = _take(reference[column], partner).set_axis(stars.index)
        table[column] = table[column].mask(matched & ~ambiguous & value.notna(), value)
    table["reference_id"] = _take(reference["star_id"], partner).set_axis(stars.index)
    table["separation"] = distance
    status = pd.Series("ok", index=stars.index)
    status = status.mask(~table["pulsation_type"].isin(PULSATION_TYPES), "wrong_pulsation_type")
    status = status.mask(table["period"].isna(), "invalid_period")
    status = status.mask(table["period"].isna() & ~matched, "no_match")
    status = status.mask(ambiguous, "ambiguous_match")
    table["status"] = stars["status"].mask(ok, status)
    return table


def _has_position(stars: pd.DataFrame) -> NDArray[np.bool_]:
    return np.isfinite(stars[["ra", "dec"]].to_numpy(dtype=float)).all(axis=1)


def _find_pairs(
    stars: pd.DataFrame, reference: pd.DataFrame, radius: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Return the rows of all pairs within the radius, and their separations (arcsec)."""
    star, other, separation, _ = _coordinates(reference).search_around_sky(
        _coordinates(stars), radius * units.arcsec
    )
    return star, other, separation.to_value(units.arcsec)


def _coordinates(stars: pd.DataFrame) -> SkyCoord:
    return SkyCoord(stars["ra"].to_numpy(), stars["dec"].to_numpy(), unit="deg")


def _take(values: pd.Series, rows: NDArray[np.intp]) -> pd.Series:
    """Return the values of some rows; missing for row -1."""
    return values.reset_index(drop=True).reindex(rows)
