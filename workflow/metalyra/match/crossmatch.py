"""Which star of one survey is which star of another."""

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metalyra.core.arrays import Booleans, Floats
from metalyra.core.bounds import Positive
from metalyra.surveys.formats.star_tables import PULSATION_TYPES

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord


SHIFTS = (45.0, 135.0, 225.0, 315.0)
"""Position angles (deg) in which stars are moved to count matches by chance."""

SHIFT_RADII = 10.0
"""How far they are moved, in match radii."""

PERIOD_AGREEMENT = 1e-4
"""Largest difference (d) of periods that are reported as the same."""

QUANTILES = (0.05, 0.5, 0.95)
"""Quantiles of the separations that are reported."""

Rows = NDArray[np.intp]


def match_stars(
    stars: pd.DataFrame,
    reference: pd.DataFrame,
    radius: float,
    *,
    cell_radius: float | None = None,
    epoch: float | None = None,
    period_tolerance: Positive | None = None,
    period_tolerance_unit: Literal["d", "relative"] = "d",
    ambiguous: Literal["refuse", "nearest"] = "refuse",
    periods: Literal["reference", "own"] = "reference",
) -> pd.DataFrame:
    """Match stars to a reference sample by position and take its periods and types.

    A match is one to one. Repeated identifiers and unknown positions take no part.

    Parameters
    ----------
    stars, reference
        Stars tables, the first checked with ``periods_required=False``: a star whose
        period is NaN waits for that of its match. Where a table has `pmra`, `pmdec`
        (mas/yr) and `ref_epoch` (Julian year), they move its positions; where it has
        `position_from_cell`, that tells the positions that are only those of a cell.
    radius
        Largest separation (arcsec).
    cell_radius
        Largest separation (arcsec) where one of the two positions is the centre of a
        HEALPix cell; such stars take no part if None.
    epoch
        Julian year to which positions with a proper motion are moved; if None, the median
        epoch of the reference sample, if it has one.
    period_tolerance
        Largest difference of the periods for a star that has one of its own; if None,
        periods do not matter. Aliases of a period do not agree with it.
    period_tolerance_unit
        ``d``, or ``relative`` to the period of the reference star.
    ambiguous
        What becomes of a star with more than one reference star within the radius (and of
        its period), or the other way round: ``refuse`` it, or take the ``nearest`` if the
        two are each other's nearest.
    periods
        Whose period and type a matched star has, the ``reference`` star's or its ``own``.

    Returns
    -------
    pandas.DataFrame
        The rows and columns of `stars`, with `reference_id` and `separation` (arcsec) of
        the nearest reference star within the radius (and of the period). The period and
        type of a matched star are those of its reference star. A star that is not ``ok``
        keeps its status; of the others are

        - ``ambiguous_match`` those in a match that is not one to one;
        - ``period_mismatch`` those with reference stars within the radius of a measured
          position, but none of their period;
        - ``no_match`` those without a match and without a period of their own;
        - ``wrong_pulsation_type`` those that are neither RRab nor RRc by their match, or
          by their own type if they have no match;
        - ``invalid_period`` those whose match has no period either.

        With their own periods, all stars keep type and status as well; those whose match is in
        doubt, or with a star of another type, have no `reference_id`.

    Raises
    ------
    ValueError
        If a radius is not positive.
    """
    for name, value in (("match", radius), ("cell", cell_radius)):
        if value is not None and not value > 0:
            raise ValueError(f"the {name} radius is {value!r} arcsec; it must be positive")
    ok = (stars["status"] == "ok").to_numpy()
    known = (reference["status"] != "duplicate_id").to_numpy()
    year = _common_epoch(reference) if epoch is None else epoch
    star, other, separation = _find_pairs(
        stars, reference, ok, known, {False: radius, True: cell_radius}, year
    )
    # That a cell holds a star of another period says nothing.
    sure = ~(is_from_cell(stars).to_numpy()[star] | is_from_cell(reference).to_numpy()[other])
    near = np.bincount(star[sure], minlength=len(stars)) > 0
    if period_tolerance is not None:
        agreeing = _periods_agree(
            stars["period"].to_numpy(dtype=float)[star],
            reference["period"].to_numpy(dtype=float)[other],
            period_tolerance,
            period_tolerance_unit,
        )
        star, other, separation = star[agreeing], other[agreeing], separation[agreeing]
    partner, distance, doubtful = _pair(
        star, other, separation, (len(stars), len(reference)), ambiguous
    )
    matched = partner >= 0

    if periods == "own":
        types = _take(reference["pulsation_type"], partner).set_axis(stars.index)
        differs = types.notna() & stars["pulsation_type"].notna()
        differs &= types != stars["pulsation_type"]
        sole = matched & ~doubtful & ~differs.to_numpy()
        return stars.assign(
            reference_id=_take(reference["star_id"], np.where(sole, partner, -1)).set_axis(
                stars.index
            ),
            separation=np.where(sole, distance, np.nan),
        )
    table = stars.drop(columns="status")
    for column in ("period", "pulsation_type"):
        theirs = _take(reference[column], partner).set_axis(stars.index)
        table[column] = table[column].mask(matched & ~doubtful & theirs.notna(), theirs)
    table["reference_id"] = _take(reference["star_id"], partner).set_axis(stars.index)
    table["separation"] = distance
    status = pd.Series("ok", index=stars.index)
    status = status.mask(~table["pulsation_type"].isin(PULSATION_TYPES), "wrong_pulsation_type")
    status = status.mask(table["period"].isna(), "invalid_period")
    status = status.mask(table["period"].isna() & ~matched, "no_match")
    status = status.mask(near & ~matched, "period_mismatch")
    status = status.mask(doubtful, "ambiguous_match")
    table["status"] = stars["status"].mask(ok, status)
    return table


def match_by_chance(
    stars: pd.DataFrame,
    reference: pd.DataFrame,
    radius: float,
    *,
    cell_radius: float | None = None,
    **settings: Any,
) -> pd.DataFrame:
    """Match stars moved to where none of them is, to see how many matches are by chance.

    Parameters
    ----------
    stars, reference, radius, cell_radius, settings
        As for `match_stars`.

    Returns
    -------
    pandas.DataFrame
        The matches, each with the position angle of the `shift` (deg), whether it was to or
        from the centre of a cell, and its `separation` (arcsec); for the number of a real
        match by chance, divide by the number of `SHIFTS`.
    """
    from astropy import units

    length = SHIFT_RADII * max(radius, cell_radius or 0.0)
    positions = move_to_epoch(stars, None)
    found = []
    for angle in SHIFTS:
        moved = positions.directional_offset_by(angle * units.deg, length * units.arcsec)
        shifted = stars.assign(ra=moved.ra.deg, dec=moved.dec.deg)
        matched = match_stars(shifted, reference, radius, cell_radius=cell_radius, **settings)
        matched = matched[is_matched(matched)]
        found.append(
            pd.DataFrame(
                {
                    "shift": angle,
                    "position_from_cell": is_from_cell(matched),
                    "separation": matched["separation"],
                }
            )
        )
    return pd.concat(found, ignore_index=True)


def summarise_match(
    stars: pd.DataFrame,
    reference: pd.DataFrame,
    matched: pd.DataFrame,
    by_chance: pd.DataFrame,
) -> pd.DataFrame:
    """Return how good a match is, one row for measured positions and one for those of cells.

    Parameters
    ----------
    stars, reference, matched
        What `match_stars` was given and what it returned.
    by_chance
        What `match_by_chance` returned.

    Returns
    -------
    pandas.DataFrame
        `positions` (measured or cell), `stars` (those that took part), `matched`,
        `ambiguous` and their share `ambiguous_fraction` of all with a reference star in
        reach, `period_mismatch`, `chance_matches` (expected number) and their share
        `chance_fraction` of the matches, quantiles of the separations (arcsec),
        `periods_compared` (matches of stars with a period of their own),
        `period_agreement` (the share of them within `PERIOD_AGREEMENT`) and
        `period_difference` (d, median of the absolute values).
    """
    differences = period_differences(stars, reference, matched)
    rows = []
    for positions, cell in (("measured", False), ("cell", True)):
        chosen = ((stars["status"] == "ok") & (is_from_cell(stars) == cell)).to_numpy()
        if cell and not chosen.any():
            continue
        table = matched[chosen]
        pairs = is_matched(table).to_numpy()
        ambiguous = int((table["status"] == "ambiguous_match").sum())
        mismatched = int((table["status"] == "period_mismatch").sum())
        chance = (by_chance["position_from_cell"] == cell).sum() / len(SHIFTS)
        difference = np.abs(differences[chosen])
        difference = difference[np.isfinite(difference)]
        row = {
            "positions": positions,
            "stars": int(chosen.sum()),
            "matched": int(pairs.sum()),
            "ambiguous": ambiguous,
            "ambiguous_fraction": _share(ambiguous, pairs.sum() + ambiguous + mismatched),
            "period_mismatch": mismatched,
            "chance_matches": chance,
            "chance_fraction": _share(chance, pairs.sum()),
        }
        for quantile in QUANTILES:
            name = f"separation_{100 * quantile:02.0f}"
            row[name] = table["separation"][pairs].quantile(quantile)
        row["periods_compared"] = len(difference)
        row["period_agreement"] = _share((difference < PERIOD_AGREEMENT).sum(), len(difference))
        row["period_difference"] = np.median(difference) if len(difference) else np.nan
        rows.append(row)
    return pd.DataFrame(rows)


def period_differences(
    stars: pd.DataFrame, reference: pd.DataFrame, matched: pd.DataFrame
) -> Floats:
    """Return each star's own period minus that of its match (d), NaN where there is none."""
    periods = reference.set_index("star_id")["period"]
    theirs = matched["reference_id"].where(is_matched(matched)).map(periods)
    difference: Floats = stars["period"].to_numpy(dtype=float) - theirs.to_numpy(dtype=float)
    return difference


def is_matched(table: pd.DataFrame) -> pd.Series:
    """Say which stars of a matched table have a reference star that is theirs alone."""
    return table["reference_id"].notna() & (table["status"] != "ambiguous_match")


def is_from_cell(stars: pd.DataFrame) -> pd.Series:
    """Say which positions of a stars table are only the centres of HEALPix cells."""
    if "position_from_cell" not in stars:
        return pd.Series(False, index=stars.index)
    return stars["position_from_cell"].isin([True])


def move_to_epoch(stars: pd.DataFrame, epoch: float | None) -> "SkyCoord":
    """Return the positions of a stars table, those with a proper motion at an epoch.

    Parameters
    ----------
    stars
        `ra`, `dec` (deg) and perhaps `pmra` (times cos(dec)), `pmdec` (mas/yr) and
        `ref_epoch` (Julian year).
    epoch
        Julian year; positions stay where they are if None.
    """
    # Looked at by the configuration, too, which needs no coordinates.
    from astropy import units
    from astropy.coordinates import SkyCoord

    positions = SkyCoord(stars["ra"].to_numpy(), stars["dec"].to_numpy(), unit="deg")
    if epoch is None or not {"pmra", "pmdec", "ref_epoch"} <= {*stars}:
        return positions
    years = epoch - stars["ref_epoch"].to_numpy(dtype=float)
    moved = stars[["pmra", "pmdec"]].to_numpy(dtype=float) * years[:, None]
    moved[~np.isfinite(moved).all(axis=1)] = 0.0
    return positions.spherical_offsets_by(*(moved.T * units.mas))


def _common_epoch(reference: pd.DataFrame) -> float | None:
    """Return the median epoch of a sample's positions, if it knows any."""
    if "ref_epoch" not in reference or reference["ref_epoch"].isna().all():
        return None
    return float(reference["ref_epoch"].median())


def _find_pairs(
    stars: pd.DataFrame,
    reference: pd.DataFrame,
    ok: Booleans,
    known: Booleans,
    radii: dict[bool, float | None],
    epoch: float | None,
) -> tuple[Rows, Rows, Floats]:
    """Return the rows of all pairs within the radius, and their separations (arcsec).

    `radii` is for pairs of measured positions (False) and for those with a cell (True).
    """
    from astropy import units

    pairs = []
    for (mine, cell), (theirs, other_cell) in product(_split(stars, ok), _split(reference, known)):
        radius = radii[cell or other_cell]
        if radius is None or not len(mine) or not len(theirs):
            continue
        star, other, separation, _ = move_to_epoch(reference.iloc[theirs], epoch).search_around_sky(
            move_to_epoch(stars.iloc[mine], epoch), radius * units.arcsec
        )
        pairs.append((mine[star], theirs[other], separation.to_value(units.arcsec)))
    if not pairs:
        return np.empty(0, dtype=int), np.empty(0, dtype=int), np.empty(0)
    star, other, separation = map(np.concatenate, zip(*pairs, strict=True))
    return star, other, separation


def _split(stars: pd.DataFrame, chosen: Booleans) -> Iterator[tuple[Rows, bool]]:
    """Give the rows of the chosen stars with measured positions, and with those of cells."""
    chosen = chosen & np.isfinite(stars[["ra", "dec"]].to_numpy(dtype=float)).all(axis=1)
    cells = is_from_cell(stars).to_numpy()
    yield np.flatnonzero(chosen & ~cells), False
    yield np.flatnonzero(chosen & cells), True


def _periods_agree(own: Floats, other: Floats, tolerance: float, unit: str) -> Booleans:
    """Say which pairs have the same period, or no period to tell by."""
    scale = other if unit == "relative" else 1.0
    return ~np.isfinite(own) | (np.abs(own - other) <= tolerance * scale)


def _pair(
    star: Rows, other: Rows, separation: Floats, sizes: tuple[int, int], ambiguous: str
) -> tuple[Rows, Floats, Booleans]:
    """Return each star's nearest partner (or -1), its distance, and whether that is in doubt."""
    partner = np.full(sizes[0], -1)
    distance = np.full(sizes[0], np.nan)
    # Equal distances are decided by row, so that the order of the pairs leaves no trace.
    order = np.lexsort((other, separation, star))
    nearest = order[np.unique(star[order], return_index=True)[1]]
    partner[star[nearest]] = other[nearest]
    distance[star[nearest]] = separation[nearest]
    if ambiguous == "nearest":
        order = np.lexsort((star, separation, other))
        closest = order[np.unique(other[order], return_index=True)[1]]
        back = np.full(sizes[1], -1)
        back[other[closest]] = star[closest]
        doubtful = np.zeros(sizes[0], dtype=bool)
        doubtful[star[nearest]] = back[other[nearest]] != star[nearest]
    else:
        doubtful = np.bincount(star, minlength=sizes[0]) > 1
        doubtful[star[nearest]] |= np.bincount(other, minlength=sizes[1])[other[nearest]] > 1
    return partner, distance, doubtful


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else np.nan


def _take(values: pd.Series, rows: Rows) -> pd.Series:
    """Return the values of some rows; missing for row -1."""
    return values.reset_index(drop=True).reindex(rows)
