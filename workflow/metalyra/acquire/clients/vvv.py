"""VVV: the epochs of given positions, from the catalogues of ESO and of the VSA by TAP.

The columns stay as the archive has them; `metalyra.surveys.vvv` makes light curves of them.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from metalyra.acquire.clients.interface import (
    Client,
    QueryError,
    ask_for_table,
    count_parts,
    read_tables,
    required,
    split_stars,
    write_csv,
)
from metalyra.acquire.queries import Request, Settings, select_epochs

DEFAULT_RADIUS = 1.0
"""Distance (arcsec) within which a source of the archive is the star."""

_ARCSEC = 1 / 3600


def _radius(query: Settings) -> float:
    return float(query.get("radius", DEFAULT_RADIUS)) * _ARCSEC


def _count_epoch_parts(product: Settings, query: Settings, stars: int) -> int:
    return count_parts(stars, product["positions_per_request"])


def _plan(
    product: Settings, query: Settings, stars: pd.DataFrame | None, parts: int
) -> list[Request]:
    placed = _with_positions(required(stars))
    positions = list(zip(placed["ra"], placed["dec"], strict=True))
    return [
        ask_for_table(product, select_epochs(product, some, _radius(query)))
        for some in split_stars(positions, parts)
    ]


def _with_positions(stars: pd.DataFrame) -> pd.DataFrame:
    """Return the stars that have a position, in order of declination: neighbours together."""
    if "ra" not in stars:
        raise QueryError("the archive is asked by position; name star files that have positions")
    known = stars.dropna(subset=["ra", "dec"])
    return known.sort_values(["dec", "ra", "star_id"], kind="stable", ignore_index=True)


def _assemble(
    product: Settings,
    query: Settings,
    stars: pd.DataFrame | None,
    replies: Sequence[Path],
    destination: Path,
) -> None:
    """Give each star the epochs of its nearest source, as the archive has them."""
    epochs = _without_rows(product)
    for table in read_tables(product, replies):
        # A source that is near two stars may be in two replies, each time with all its epochs.
        new = ~table["source_id"].isin(epochs["source_id"])
        epochs = pd.concat([epochs, table[new]], ignore_index=True)
    sources = epochs.drop_duplicates("source_id", ignore_index=True)
    sources = sources.astype({"ra": float, "dec": float})
    pairs = _nearest(_with_positions(required(stars)), sources, _radius(query))
    table = pairs.merge(epochs, on="source_id")
    table = table.sort_values([*table.columns], kind="stable")
    write_csv(table, destination)


def _without_rows(product: Settings) -> pd.DataFrame:
    """Return an empty table with the columns of a reply."""
    names = [column.rpartition(".")[2] for column in product["columns"]]
    return pd.DataFrame(columns=["source_id", "ra", "dec", *names], dtype="str")


def _nearest(stars: pd.DataFrame, sources: pd.DataFrame, radius: float) -> pd.DataFrame:
    """Return `star_id` and `source_id` of each star and its nearest source within a radius.

    Parameters
    ----------
    stars, sources
        With `ra`, `dec` (deg) and their identifiers.
    radius
        Largest distance (deg).
    """
    from astropy import units
    from astropy.coordinates import SkyCoord

    if stars.empty or sources.empty:
        return pd.DataFrame({"star_id": [], "source_id": []}, dtype="str")
    here, there = (
        SkyCoord(table["ra"].to_numpy() * units.deg, table["dec"].to_numpy() * units.deg)
        for table in (stars, sources)
    )
    index, distance, _ = here.match_to_catalog_sky(there)
    found = distance.to_value(units.deg) <= radius
    return pd.DataFrame(
        {
            "star_id": stars["star_id"].to_numpy()[found],
            "source_id": sources["source_id"].to_numpy()[index[found]],
        }
    )


EPOCHS = Client(_count_epoch_parts, _plan, _assemble)
