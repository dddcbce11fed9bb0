"""What a client is to the rest of the library."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from metalyra.queries import Request, Settings


class QueryError(ValueError):
    """A query that cannot be asked, or a reply that is no answer; the message says why."""


class OverflowingReplyError(Exception):
    """A reply that the archive has cut at its limit of rows."""


@dataclass(frozen=True)
class Client:
    """How one product of an archive is asked for.

    Attributes
    ----------
    count_parts
        Returns how many parts the requests have at first, from the product, the query and
        the number of stars.
    plan
        Returns the requests, from the product, the query, the stars (None if the product
        needs none) and the number of parts; every request is below the archive's limits
        unless the product has more rows than was thought.
    assemble
        Makes the final file of the replies, in the order of the requests. Gets the
        product, the query, the stars, the replies and the file to write.
    """

    count_parts: Callable[[Settings, Settings, int], int]
    plan: Callable[[Settings, Settings, pd.DataFrame | None, int], list[Request]]
    assemble: Callable[[Settings, Settings, pd.DataFrame | None, Sequence[Path], Path], None]
