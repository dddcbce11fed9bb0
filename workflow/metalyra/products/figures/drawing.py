"""What a figure of a study is: one function, which says what it draws and from what.

A module of this package has the figures of a subject. A figure is found by its name, which
is that of its folder in figures/ and of its caption in workflow/report/.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from metalyra.core.registry import Registry
from metalyra.core.tables import read_table, read_tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Subject:
    """What one figure is of, with all that it is drawn from."""

    names: Mapping[str, str]
    """Names by kind: of the sample, the model, the map ..."""

    files: Mapping[str, str | Sequence[str]]
    """The files that the figure reads; those of chunks in a list."""

    settings: Mapping[str, Any]
    """The settings of the subject that the figure depends on; None for one that it lacks."""

    titles: Mapping[str, str] = field(default_factory=dict)
    """What samples and models are called, by the names that the configuration has for them."""

    def call(self, name: str) -> str:
        """Return what a sample or a model is called."""
        return self.titles.get(name, name)

    @property
    def title(self) -> str:
        """What the sample or the model that the figure is of is called."""
        return self.call(next(iter(self.names.values()), ""))

    def read(self, name: str) -> pd.DataFrame:
        """Return a table that the figure reads, its chunks together."""
        files = self.files[name]
        return read_table(files) if isinstance(files, str) else read_tables(list(files))


Draw = Callable[[Subject], "Figure"]


def _locate(name: str) -> str | None:
    """Return the module of a figure, so that a job imports no other figure's libraries."""
    declaration = declared_figures().get(name)
    return declaration.module if declaration else None


FIGURES: Registry[Draw] = Registry("figure", __package__, _locate)
"""The functions that draw the figures of a study, by name."""


@dataclass(frozen=True)
class Declaration:
    """What the decorator of a figure says.

    Parameters
    ----------
    name
        Of the figure.
    of
        What there is a figure of: see `SUBJECTS` in workflow/rules/figures.smk.
    reads
        The files that it is drawn from: see `FILES` there.
    settings
        The settings of its subject that it depends on.
    category, product
        Where it stands in the report; `product` may have names of its subject in braces.
    module
        That it is in.
    optional
        Whether a study draws it only if its key `further_figures` or `figures` names it. It is
        drawn anyway when its file is asked for.
    """

    name: str
    of: str
    reads: tuple[str, ...]
    category: str
    product: str = "figure"
    settings: tuple[str, ...] = ()
    module: str = ""
    optional: bool = False


def figure(
    name: str,
    *,
    of: str,
    reads: tuple[str, ...],
    category: str,
    product: str = "figure",
    settings: tuple[str, ...] = (),
    optional: bool = False,
) -> Callable[[Draw], Draw]:
    """Return the decorator of a function that draws a figure; see `Declaration`.

    Its arguments are literals, for they are read from the source: a workflow has to know
    what figures there are, and not how they are drawn.
    """
    return lambda draw: FIGURES.register(name, draw.__module__)(draw)


@cache
def declared_figures() -> Mapping[str, Declaration]:
    """Return what the decorators of all figures say, by name, without importing any.

    The libraries that draw take a second to import, which every job would wait for.
    """
    found = [
        Declaration(ast.literal_eval(call.args[0]), module=module, **_keywords(call))
        for module, tree in _modules()
        for function in tree.body
        if isinstance(function, ast.FunctionDef)
        for call in function.decorator_list
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == figure.__name__
    ]
    return {declaration.name: declaration for declaration in found}


def _modules() -> list[tuple[str, ast.Module]]:
    return [
        (f"{__package__}.{path.stem}", ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(Path(__file__).parent.glob("*.py"))
    ]


def _keywords(call: ast.Call) -> dict[str, Any]:
    return {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
