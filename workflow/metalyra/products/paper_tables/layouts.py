"""Layouts of paper tables: a function for each, named by paper and table."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from metalyra.core.registry import Registry

Layout = Callable[[pd.DataFrame, pd.DataFrame, pd.DataFrame], pd.DataFrame]
"""From the star list, the fits and the metallicities of the same stars to the table."""

LAYOUTS: Registry[Layout] = Registry("layout of a paper table", __package__)
"""The layouts by name."""


def layout(name: str) -> Callable[[Layout], Layout]:
    """Return the decorator of a function that lays a table of a paper out.

    Parameters
    ----------
    name
        Of the paper and the table, such as ``dg22_table5``.
    """
    return lambda make: LAYOUTS.register(name, make.__module__)(make)


def choose_layout(table: Mapping[str, Any]) -> str:
    """Return the layout of a table of the configuration.

    Without one, predictions of a model are laid out as in Table 5 of Dékány & Grebel
    (2022), and labels as in its Table 1.
    """
    return str(table.get("layout", "dg22_table5" if "model" in table else "dg22_table1"))
