"""Layouts of paper tables: a function for each, named by paper and table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from metalyra.core.registry import Registry

Layout = Callable[[pd.DataFrame, pd.DataFrame, pd.DataFrame], pd.DataFrame]
"""From the star list, the fits and the metallicities of the same stars to the table."""

Values = Literal["labels", "predictions"]


@dataclass(frozen=True)
class PaperLayout:
    """How a table of a paper is laid out.

    Attributes
    ----------
    of
        The metallicities that it lists: labels, or the predictions of a model.
    make
        Makes it.
    """

    of: Values
    make: Layout


LAYOUTS: Registry[PaperLayout] = Registry("layout of a paper table", __package__)
"""The layouts by name."""


def layout(name: str, *, of: Values) -> Callable[[Layout], Layout]:
    """Return the decorator of a function that lays a table of a paper out.

    Parameters
    ----------
    name
        Of the paper and the table, such as ``dg22_table5``.
    of
        See `PaperLayout`.
    """

    def register(make: Layout) -> Layout:
        LAYOUTS.register(name, make.__module__)(PaperLayout(of, make))
        return make

    return register


def choose_layout(table: Mapping[str, Any]) -> str:
    """Return the layout of a table of the configuration.

    Without one, predictions of a model are laid out as in Table 5 of Dékány & Grebel
    (2022), and labels as in its Table 1.
    """
    return str(table.get("layout", "dg22_table5" if "model" in table else "dg22_table1"))
