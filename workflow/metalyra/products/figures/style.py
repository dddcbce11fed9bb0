"""The style that all figures share: fonts, colours, labels, the file that is written.

Every function that draws takes arrays or tables and returns a `matplotlib.figure.Figure`;
only `save_figure` writes. Nothing depends on the state of pyplot or on a user's matplotlibrc,
and the same input gives the same bytes.
"""

import functools
import math
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

import numpy as np
import pandas as pd
from matplotlib import colormaps, rc_params_from_file
from matplotlib import style as matplotlib_style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, MultipleLocator
from numpy.typing import ArrayLike, NDArray

from metalyra.core.arrays import Floats
from metalyra.core.randomness import generator
from metalyra.core.resources import RESOURCES
from metalyra.core.tables import replace_when_complete

Parameters = ParamSpec("Parameters")
Drawn = TypeVar("Drawn", bound=Figure | tuple[Figure, Any])
Layout = Literal["constrained", "compressed"]

_READ = rc_params_from_file(RESOURCES / "metalyra.mplstyle", use_default_template=False)

STYLE: Mapping[str, Any] = {str(name): value for name, value in _READ.items()}
"""Matplotlib settings of every figure, on top of its defaults."""

FEH_LABEL = "[Fe/H] (dex)"

FEH_RANGE = (-2.5, -0.5)
"""[Fe/H] (dex) from and to which colours go: that of nearly all RR Lyrae stars."""

_LETTERS_OF_INCH = 10.5
"""Letters that an inch of a figure has room for in a title, which stands over the panel alone."""

MOST_VECTORS = 5_000
"""Points from which on they are an image in a PDF file, which else is slow to show."""

BAND_LABELS: Mapping[str, str] = {
    "V": "$V$",
    "I": "$I$",
    "J": "$J$",
    "H": "$H$",
    "Ks": r"$K_\mathrm{s}$",
    "G": "$G$",
    "BP": r"$G_\mathrm{BP}$",
    "RP": r"$G_\mathrm{RP}$",
}

FEH_COLOURS: Colormap = ListedColormap(colormaps["plasma"](np.linspace(0.0, 0.92, 256)), "feh")
"""Colours of [Fe/H]: perceptually uniform, without the yellow that is lost on white."""

DATA_COLOUR = "#34495e"

MODEL_COLOUR = "#c0392b"

VALIDATION_COLOUR = "#2471a3"

REJECTED_COLOUR = "#e67e22"

BACKING: Mapping[str, Any] = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5}
"""What lies behind a text that points may reach."""

SAMPLE_COLOURS = ("0.35", "#c0392b", "#2471a3", "#b9770e", "#1e8449", "#7d3c98")


def styled(draw: Callable[Parameters, Drawn]) -> Callable[Parameters, Drawn]:
    """Make a function draw in the style of the project, whatever the user's settings.

    It returns a figure, or first a figure and then what is said of it.
    """

    @functools.wraps(draw)
    def draw_in_style(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Drawn:
        with matplotlib_style.context(["default", dict(STYLE)]):
            drawn = draw(*args, **kwargs)
            _wrap_titles(drawn if isinstance(drawn, Figure) else drawn[0])
            return drawn

    return draw_in_style


def wrap(text: str, inches: float) -> str:
    """Return a text in lines that are no wider than some inches, in the size of a title.

    A formula between dollar signs stays in one line.
    """
    letters = max(1, int(inches * _LETTERS_OF_INCH))
    whole = re.sub(r"\$[^$]*\$", lambda formula: formula[0].replace(" ", "\0"), text)
    long_words = "$" not in text
    lines = textwrap.fill(whole, letters, break_long_words=long_words, break_on_hyphens=False)
    return lines.replace("\0", " ")


def _wrap_titles(figure: Figure) -> None:
    """Break titles that reach beyond their panels; those of several lines are left alone."""
    for axes in figure.axes:
        place = axes.get_subplotspec()
        if place is not None and "\n" not in axes.get_title():
            width = figure.get_figwidth() / place.get_gridspec().ncols
            axes.title.set_text(wrap(axes.get_title(), width))


def new_figure(width: float, height: float, layout: Layout | None = "constrained") -> Figure:
    """Return an empty figure of a size in inches that has its own canvas."""
    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path | str, about: str = "") -> None:
    """Write a figure as PNG or PDF, complete or not at all, with the same bytes every time.

    Parameters
    ----------
    figure, path
        What is written, and where.
    about
        A text that the file keeps: the description of a PNG, the subject of a PDF.

    Raises
    ------
    ValueError
        If the name ends in neither .png nor .pdf.
    """
    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    if kind not in _METADATA:
        raise ValueError(f"{path}: a figure is written as .png or .pdf")
    with (
        replace_when_complete(path) as temporary,
        matplotlib_style.context(["default", dict(STYLE)]),
    ):
        kept = {_ABOUT[kind]: about} if about else {}
        figure.savefig(temporary, format=kind, metadata={**_METADATA[kind], **kept})


# The name and version of the library, and the time, are no part of the result.
_METADATA: Mapping[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
}

_ABOUT = {"png": "Description", "pdf": "Subject"}


def metallicity_scale() -> Normalize:
    """Return the colour scale of metallicities: one for all figures, so that they compare."""
    return Normalize(*FEH_RANGE)


def scale_of_means(means: Floats) -> Normalize:
    """Return the colour scale of mean metallicities: their inner 96 %, to a tenth of a dex."""
    low, high = np.percentile(means, [2, 98])
    return Normalize(math.floor(low * 10) / 10, math.floor(high * 10) / 10 + 0.1)


def draw_metallicity_points(
    axes: Axes,
    x: Floats,
    y: Floats,
    feh: Floats,
    types: NDArray[np.object_] | None = None,
    **settings: Any,
) -> None:
    """Draw stars coloured by [Fe/H], in an order that hides none systematically.

    With `types`, the pulsation types of the stars, each has its own mark: see `mark_of`.
    """
    order = generator(0, "figures", "drawing order").permutation(len(feh))
    look: dict[str, Any] = {
        "s": float(np.clip(20000 / max(len(feh), 1), 3, 22)),
        "cmap": FEH_COLOURS,
        "norm": metallicity_scale(),
        "linewidths": 0,
        "rasterized": len(feh) > MOST_VECTORS,
    }
    of_type = np.full(len(feh), "RRab", dtype=object) if types is None else types
    for kind in pd.unique(of_type[order]):
        rows = order[of_type[order] == kind]
        axes.scatter(x[rows], y[rows], c=feh[rows], marker=mark_of(str(kind)), **look, **settings)


def mark_of(pulsation_type: str) -> str:
    """Return the mark of stars of a type: a circle for RRab, a triangle for RRc."""
    return {"RRab": "o", "RRc": "^"}.get(pulsation_type, "s")


def count_stars(number: int, types: NDArray[np.object_] | None = None) -> str:
    """Return the number of stars in words, with their pulsation type if all have the same."""
    kinds = [] if types is None else pd.unique(types).tolist()
    kind = f"{kinds[0]} " if len(kinds) == 1 and isinstance(kinds[0], str) and kinds[0] else ""
    return f"{number:,} {kind}{'star' if number == 1 else 'stars'}"


def explain_marks(axes: Axes | Figure, types: NDArray[np.object_], **settings: Any) -> None:
    """Add the legend of the marks of pulsation types, if there are several."""
    kinds = sorted(map(str, pd.unique(types)))
    if len(kinds) < 2:
        return
    handles = [
        Line2D([], [], linestyle="none", marker=mark_of(kind), color="0.3", markersize=4.5)
        for kind in kinds
    ]
    names = [f"{kind or 'other'} ({np.sum(types == kind):,})" for kind in kinds]
    axes.legend(handles, names, handletextpad=0.1, **settings)


def add_metallicity_bar(
    figure: FigureBase,
    axes: Axes | Sequence[Axes],
    scale: Normalize | None = None,
    label: str = FEH_LABEL,
    **settings: Any,
) -> None:
    """Add the colour bar of [Fe/H], or of their means by another scale, to axes."""
    colours = ScalarMappable(scale or metallicity_scale(), FEH_COLOURS)
    bar = figure.colorbar(colours, ax=axes, label=label, extend="both", **settings)
    bar.locator = MaxNLocator(6, steps=[1, 2, 5, 10])
    bar.minorlocator = MultipleLocator(0.1)
    bar.update_ticks()


def say(axes: Axes, text: str = "no stars", fontsize: float = 14) -> None:
    """Write in the middle of axes why nothing is drawn there."""
    axes.tick_params(which="both", length=0, labelleft=False, labelbottom=False)
    axes.text(
        0.5,
        0.5,
        text,
        transform=axes.transAxes,
        ha="center",
        va="center",
        fontsize=fontsize,
        color="0.45",
    )


def keep_finite(*columns: ArrayLike) -> list[Floats]:
    """Return the columns as floats, without the rows where any is not finite."""
    finite = find_finite(*columns)
    return [np.asarray(column, dtype=float)[finite] for column in columns]


def find_finite(*columns: ArrayLike) -> NDArray[np.bool_]:
    """Return in which rows all columns are finite."""
    known = [np.isfinite(np.asarray(column, dtype=float)) for column in columns]
    finite: NDArray[np.bool_] = np.all(known, axis=0)
    return finite


def bin_width(values: Floats) -> float:
    """Return the Freedman-Diaconis width of histogram bins, on twentieths of a dex."""
    quartiles = np.percentile(values, [25, 75])
    width = 2 * np.ptp(quartiles) * len(values) ** (-1 / 3)
    return max(1, round(float(width) * 20)) / 20
