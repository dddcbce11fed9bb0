"""Gaia: the crosswalk from one release to the next, and lists of stars carried over by it.

A source may have several neighbours in the next release, or none, and two sources may have the
same one. The archive's own match counts where it names one, else the nearest neighbour.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from metalyra.acquire.clients.gaia import TAP_LIGHT_CURVES, split_identifiers
from metalyra.acquire.clients.interface import (
    Client,
    ask_for_table,
    read_tables,
    required,
    write_csv,
)
from metalyra.acquire.queries import Request, Settings, select_light_curves

logger = logging.getLogger(__name__)

_TRUE = ("true", "t", "1")


def carry_over(stars: pd.DataFrame, neighbours: pd.DataFrame) -> pd.DataFrame:
    """Give stars the identifiers of the next release.

    Parameters
    ----------
    stars
        With `star_id`, the identifiers of a release; every row is kept, in its order.
    neighbours
        The archive's crosswalk: `source_id`, `old_source_id` and, if known,
        `angular_distance` (mas), `magnitude_difference` (mag) and `probable_match`; text.

    Returns
    -------
    pandas.DataFrame
        `star_id` is the new identifier, `old_star_id` the one before; `carried_over` says how:
        ``one`` neighbour, the ``probable`` or the ``nearest`` of several; ``shared``, as the
        star's neighbour is a nearer one's of the list; ``none``. Stars of the last two kinds
        keep their old identifier, under which the next release has nothing of them.
    """
    pairs = neighbours.drop_duplicates(["source_id", "old_source_id"]).copy()
    for column in ("angular_distance", "magnitude_difference"):
        given = pairs[column] if column in pairs else pd.Series(np.nan, index=pairs.index)
        pairs[column] = pd.to_numeric(given, errors="coerce").abs()
    given = pairs["probable_match"] if "probable_match" in pairs else pd.Series("", pairs.index)
    pairs["probable_match"] = given.str.lower().isin(_TRUE)
    order = ["probable_match", "angular_distance", "magnitude_difference", "source_id"]
    pairs = pairs.sort_values(order, ascending=[False, True, True, True], kind="stable")
    several = pairs["old_source_id"].duplicated(keep=False)
    pairs["carried_over"] = np.select(
        [~several, pairs["probable_match"]], ["one", "probable"], "nearest"
    )
    best = pairs[pairs["old_source_id"].isin(stars["star_id"])].drop_duplicates("old_source_id")
    best = best.assign(taken=best["source_id"].duplicated()).set_index("old_source_id")
    found = best.reindex(stars["star_id"])
    how = found["carried_over"].mask(found["taken"].eq(True), "shared").fillna("none").to_numpy()
    lost = np.isin(how, ("shared", "none"))
    old = stars["star_id"].to_numpy()
    new = np.where(lost, old, found["source_id"].to_numpy())
    return stars.assign(star_id=new, old_star_id=old, carried_over=how)


def _plan(
    product: Settings, query: Settings, stars: pd.DataFrame | None, parts: int
) -> list[Request]:
    names = product["neighbours"]
    asked = {
        "table": names["table"],
        "identifier": names["columns"]["old_source_id"],
        "columns": [f"{name} AS {role}" for role, name in names["columns"].items()],
    }
    return [
        ask_for_table(product, select_light_curves(asked, ids))
        for ids in split_identifiers(stars, parts)
    ]


def _read_neighbours(product: Settings, replies: Sequence[Path]) -> pd.DataFrame:
    tables = read_tables(product, replies)
    if tables:
        return pd.concat(tables, ignore_index=True)
    return pd.DataFrame(columns=[*product["neighbours"]["columns"]], dtype="str")


def _assemble_new_identifiers(
    product: Settings,
    query: Settings,
    stars: pd.DataFrame | None,
    replies: Sequence[Path],
    destination: Path,
) -> None:
    """Write the list of stars with their new identifiers, as a table of the next release."""
    carried = carry_over(required(stars), _read_neighbours(product, replies))
    counts = carried["carried_over"].value_counts()
    said = ", ".join(f"{count} {how}" for how, count in counts.items())
    logger.info("%s: %d stars, %s", destination.name, len(carried), said)
    write_csv(_as_listed(carried), destination)


def _as_listed(stars: pd.DataFrame) -> pd.DataFrame:
    """Return what a list says of stars, and what their new release does not know better."""
    listed = {"source_id": stars["star_id"], "old_source_id": stars["old_star_id"]}
    listed["carried_over"] = stars["carried_over"]
    if "period" in stars:
        names = stars["ogle_id"] if "ogle_id" in stars else pd.Series("", stars.index)
        listed |= {"ogle_id": names, "ogle_period": stars["period"]}
        listed["ogle_type"] = stars["pulsation_type"]
    return pd.DataFrame(listed)


NEIGHBOURS = Client(TAP_LIGHT_CURVES.count_parts, _plan, TAP_LIGHT_CURVES.assemble)

NEW_IDENTIFIERS = Client(TAP_LIGHT_CURVES.count_parts, _plan, _assemble_new_identifiers)
