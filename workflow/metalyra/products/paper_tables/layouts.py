"""Layouts of paper tables: a function for each, named by paper and table.

A table of labels or predictions has a row a star; its function takes the star list, the fits and
the metallicities of the same stars; one of joined predictions takes those of several models, the
rows of a star in their order. A table of models takes what each of them has, by its name:
of networks, the layers (see `metalyra.train.architecture.list_layers`); of cross-validations, the
predictions for stars of known [Fe/H] (see `metalyra.train.published.PREDICTED`) by part, training
and validation, as far as they are known.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from metalyra.core.registry import Registry

Layout = Callable[..., pd.DataFrame]
"""From what a table is of to the table."""

Values = Literal["labels", "predictions", "joined predictions", "networks", "cross-validations"]

KEYS_OF: Mapping[Values, tuple[str, ...]] = {
    "labels": ("sample",),
    "predictions": ("sample", "model"),
    "joined predictions": ("sample", "models"),
    "networks": ("models",),
    "cross-validations": ("models",),
}
"""The keys of the configuration that say what a table is of."""


@dataclass(frozen=True)
class PaperLayout:
    """How a table of a paper is laid out.

    Attributes
    ----------
    of
        What it lists: labels, the predictions of a model or of several, networks, or
        cross-validations.
    make
        Makes it.
    title
        What the table is, for its readers.
    notes
        What they have to know besides.
    """

    of: Values
    make: Layout
    title: str = ""
    notes: tuple[str, ...] = ()


LAYOUTS: Registry[PaperLayout] = Registry("layout of a paper table", __package__)
"""The layouts by name."""


def layout(
    name: str, *, of: Values, title: str = "", notes: tuple[str, ...] = ()
) -> Callable[[Layout], Layout]:
    """Return the decorator of a function that lays a table of a paper out.

    Parameters
    ----------
    name
        Of the paper and the table, such as ``dg22_table5``.
    of, title, notes
        See `PaperLayout`.
    """

    def register(make: Layout) -> Layout:
        LAYOUTS.register(name, make.__module__)(PaperLayout(of, make, title, notes))
        return make

    return register


def choose_layout(table: Mapping[str, Any]) -> str:
    """Return the layout of a table of the configuration.

    Without one, predictions of a model are laid out as in Table 5 of Dékány & Grebel
    (2022), labels as in its Table 1, and what models achieve as in its Table 3.
    """
    usual = "dg22_table5" if "model" in table else "dg22_table1"
    return str(table.get("layout", "dg22_table3" if "models" in table else usual))
