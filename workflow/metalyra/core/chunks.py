"""Which job a star belongs to."""

import hashlib

import pandas as pd


def chunk_of(star_id: str, chunks: int) -> int:
    """Return the chunk, 0 to ``chunks - 1``, that holds a star.

    The chunk follows from the name of the star alone, so that adding a star to a
    study leaves every other star in its chunk.
    """
    return int.from_bytes(hashlib.sha256(star_id.encode()).digest()[:4], "big") % chunks


def select_chunk(table: pd.DataFrame, chunk: int, chunks: int) -> pd.DataFrame:
    """Return the rows of a table whose stars are in a chunk, in the order of the table."""
    return table[[chunk_of(star_id, chunks) == chunk for star_id in table["star_id"].tolist()]]
