"""Several samples as one that a model is trained on, each star once."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from metalyra.core.randomness import generator
from metalyra.core.statuses import OK
from metalyra.match.crossmatch import is_matched, match_stars, move_to_epoch

SAME_POSITION = 1.0
"""Largest distance (arcsec) of the positions of one star in two samples."""

SAME_CELL = 60.0
"""Largest distance (arcsec) of one star in two samples, where its position is that of a cell."""

SAME_PERIOD = 1e-4
"""Largest relative difference of the periods of one star in two samples."""


class SampleTables(NamedTuple):
    """What is known of a sample.

    Attributes
    ----------
    stars
        The star table, matched where the sample is (`reference_id`).
    fits
        Fits of the light curves of its stars.
    labels
        Labels of its stars, or of those of `reference_id` if it is matched.
    """

    stars: pd.DataFrame
    fits: pd.DataFrame
    labels: pd.DataFrame


def join_samples(
    samples: Mapping[str, SampleTables], *, through_match: Collection[str] | None = None
) -> SampleTables:
    """Return several samples as one.

    Parameters
    ----------
    samples
        By name. A star of more than one is that of the first: stars are the same that have one
        identifier, or one place on the sky (`SAME_POSITION`, `SAME_CELL`) and one period.
    through_match
        Samples whose labels are those of `reference_id`; all that have one if None.

    Returns
    -------
    SampleTables
        The fits have the column `sample`. A star that an earlier sample has is left out of those
        of later ones. Labels are by the sample's own `star_id`.
    """
    parts: list[SampleTables] = []
    for name, tables in samples.items():
        own = through_match is not None and name not in through_match
        labels = tables.labels if own else label_own_stars(tables.stars, tables.labels)
        repeated = set[str]()
        for earlier in parts:
            repeated |= find_same_stars(tables.stars, earlier.stars)
        stars = tables.stars.drop(columns=["reference_id", "separation"], errors="ignore")
        known = (stars, tables.fits.assign(sample=name), labels)
        parts.append(SampleTables(*(table[~table["star_id"].isin(repeated)] for table in known)))
    return SampleTables(
        *(pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True))
    )


def select_unlabelled(
    stars: pd.DataFrame,
    fits: pd.DataFrame,
    development: pd.DataFrame,
    trained: pd.DataFrame,
    pulsation_type: str,
    *,
    most: int,
    seed: int,
) -> pd.DataFrame:
    """Return the fits of stars from which a population may learn beside the labelled ones.

    Parameters
    ----------
    stars, fits
        Of one sample. A light curve that came folded needs no period.
    development
        Development set of the model; its stars with a fold are the labelled ones.
    trained
        Star table of the samples that the model is trained on.
    pulsation_type
        Type of the stars that the model is for.
    most
        Stars that are drawn at random, if there are more.
    seed
        Seed of the study.

    Returns
    -------
    pandas.DataFrame
        Fits of status ok, by `star_id`. None is of a labelled star, whatever its name here: each
        of those is in a fold that some member has not seen.
    """
    used = development.loc[development["fold"] >= 0, "star_id"]
    labelled = trained[trained["star_id"].isin(used)]
    kind = stars.set_index("star_id")["pulsation_type"].reindex(fits["star_id"])
    chosen = (fits["status"] == OK).to_numpy() & (kind == pulsation_type).to_numpy()
    repeated = find_same_stars(stars, labelled) | find_neighbours(stars, labelled)
    chosen &= ~fits["star_id"].isin(repeated).to_numpy()
    names = np.sort(fits.loc[chosen, "star_id"].to_numpy(dtype=str))
    if len(names) > most:
        names = generator(seed, "unlabelled", "").choice(names, most, replace=False)
    return fits[fits["star_id"].isin(set(names))].sort_values("star_id", ignore_index=True)


def list_usable_stars(joined: SampleTables, sample: str) -> set[str]:
    """Return the stars of one of the joined samples that have a fit and a label."""
    fits, labels = joined.fits, joined.labels
    fitted = fits.loc[(fits["sample"] == sample) & (fits["status"] == OK), "star_id"]
    return set(fitted) & set(labels.loc[labels["status"] == OK, "star_id"])


def label_own_stars(stars: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Return the labels of a sample's stars by their own `star_id`, if need be through a match.

    Stars without a match have the status ``no_match``.
    """
    if "reference_id" not in stars:
        return labels
    reference = stars["reference_id"].where(is_matched(stars))
    own = labels.set_index("star_id").reindex(reference).reset_index(drop=True)
    own.insert(0, "star_id", stars["star_id"].to_numpy())
    return own.assign(status=own["status"].astype(object).fillna("no_match"))


def find_neighbours(stars: pd.DataFrame, others: pd.DataFrame) -> set[str]:
    """Return the stars without a period that may be those of another sample by their place."""
    from astropy import units

    untimed = stars[~np.isfinite(stars["period"].astype(float)) & stars["ra"].notna()]
    placed = others[others["ra"].notna()]
    if untimed.empty or placed.empty:
        return set()
    near, *_ = move_to_epoch(placed, None).search_around_sky(
        move_to_epoch(untimed, None), SAME_CELL * units.arcsec
    )
    return set(untimed["star_id"].iloc[near])


def find_same_stars(stars: pd.DataFrame, others: pd.DataFrame) -> set[str]:
    """Return the identifiers of the stars that another sample has as well.

    Parameters
    ----------
    stars, others
        Star tables: `star_id`, `ra`, `dec` (deg), `period` (d), `status`.
    """
    same = set(stars["star_id"]) & set(others["star_id"])
    placed = [
        table[(table["status"] != "duplicate_id") & np.isfinite(table["period"].astype(float))]
        for table in (stars, others)
    ]
    matched = match_stars(
        placed[0].assign(status=OK),
        placed[1],
        SAME_POSITION,
        cell_radius=SAME_CELL,
        period_tolerance=SAME_PERIOD,
        period_tolerance_unit="relative",
        ambiguous="nearest",
        periods="own",
    )
    return same | set(matched.loc[matched["reference_id"].notna(), "star_id"])
