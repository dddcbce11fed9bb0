"""Types of settings with their bounds, as functions and the configuration declare them."""

from collections.abc import Sequence
from typing import Annotated

from annotated_types import Ge, Gt, Lt, MinLen

Count = Annotated[int, Ge(1)]
"""A number of things, at least one."""

Counts = Annotated[Sequence[Count], MinLen(1)]
"""Numbers of things, one for each layer."""

NotNegative = Annotated[float, Ge(0)]
Positive = Annotated[float, Gt(0)]

Share = Annotated[float, Ge(0), Lt(1)]
"""A part of a whole, less than all of it."""

ShareOfEach = Annotated[Sequence[Share], MinLen(1)]
"""Shares, one for each layer."""

Shares = Share | Sequence[Share]
"""One share for all layers, or one for each."""
