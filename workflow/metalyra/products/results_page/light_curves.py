"""Which light curves a results page has, and where they are read from."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metalyra.core.randomness import generator
from metalyra.core.tables import read_rows
from metalyra.products.results_page.parts import pack_light_curve

MOST_STARS = 5000
"""Fitted stars of a study whose page has the light curves of all."""

DRAWN_STARS = 1000
"""Stars of a larger study, drawn at random, whose light curves its page has."""

MOST_POINTS = 300
"""Points of a light curve that a page has; of a longer one, so many of them, evenly."""

STARS_PER_PART = 250


def choose_stars(
    stars: pd.DataFrame, most: int = MOST_STARS, drawn: int = DRAWN_STARS
) -> pd.DataFrame:
    """Return the stars whose light curves a page has, in the order of the catalogue.

    Parameters
    ----------
    stars
        sample, star_id, mean_mag, status; those that were not fitted have no mean magnitude, and
        of rows with one identifier the duplicates are not fitted.
    most, drawn
        Of more fitted stars than `most`, so many are drawn at random, the same every time.
    """
    fitted = stars[stars["mean_mag"].notna() & (stars["status"] != "duplicate_id")]
    if len(fitted) <= most:
        return fitted
    random = generator(0, "results page", "light curves")
    return fitted.iloc[np.sort(random.choice(len(fitted), drawn, replace=False))]


def number_parts(chosen: pd.DataFrame, stars: pd.DataFrame) -> "pd.Series[float]":
    """Return the number of the part that has the light curve of each star; NaN if none has."""
    parts = pd.Series(np.nan, index=stars.index)
    parts[chosen.index] = np.arange(len(chosen)) // STARS_PER_PART
    return parts


def pack_light_curves(
    chosen: pd.DataFrame,
    fits: Mapping[str, Sequence[Path | str]],
    folded: Mapping[str, Sequence[Path | str]],
) -> Iterator[dict[str, Any]]:
    """Give the light curves of each part, by the row of the star.

    Parameters
    ----------
    chosen
        sample and star_id, as `choose_stars` returns them.
    fits, folded
        Files of the chunks of each sample.
    """
    for first in range(0, len(chosen), STARS_PER_PART):
        part: dict[str, Any] = {}
        for sample, rows in chosen.iloc[first : first + STARS_PER_PART].groupby("sample"):
            names = rows["star_id"].tolist()
            fit_of = read_rows(list(fits[str(sample)]), names).set_index("star_id")
            points = dict(list(read_rows(list(folded[str(sample)]), names).groupby("star_id")))
            for row, name in rows["star_id"].items():
                part[str(row)] = pack_light_curve(fit_of.loc[name], points[name], MOST_POINTS)
        yield part
