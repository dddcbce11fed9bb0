"""The style that all figures share: fonts, colours, labels, the file that is written.

Every function that draws takes arrays or tables and returns a `matplotlib.figure.Figure`;
only `save_figure` writes. Nothing depends on the state of pyplot or on a user's matplotlibrc,
and the same input gives the same bytes.
"""

import functools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, ParamSpec

import numpy as np
from matplotlib import colormaps
from matplotlib import style as matplotlib_style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, MultipleLocator
from numpy.typing import ArrayLike

from metalyra.core.arrays import Floats
from metalyra.core.randomness import generator
from metalyra.core.tables import replace_when_complete

Parameters = ParamSpec("Parameters")
Layout = Literal["constrained", "compressed"]

STYLE: Mapping[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.labelsize": 10.0,
    "axes.titlesize": 10.0,
    "axes.linewidth": 0.8,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.minor.visible": True,
    "ytick.minor.visible": True,
    "lines.linewidth": 1.2,
    "figure.dpi": 200,
    "savefig.dpi": 200,
}
"""Matplotlib settings of every figure, on top of its defaults."""

FEH_LABEL = "[Fe/H] (dex)"

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

SAMPLE_COLOURS = ("0.35", "#c0392b", "#2471a3", "#b9770e", "#1e8449", "#7d3c98")


def styled(draw: Callable[Parameters, Figure]) -> Callable[Parameters, Figure]:
    """Make a function draw in the style of the project, whatever the user's settings."""

    @functools.wraps(draw)
    def draw_in_style(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Figure:
        with matplotlib_style.context(["default", dict(STYLE)]):
            return draw(*args, **kwargs)

    return draw_in_style


def new_figure(width: float, height: float, layout: Layout | None = "constrained") -> Figure:
    """Return an empty figure of a size in inches that has its own canvas."""
    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path | str) -> None:
    """Write a figure as PNG, complete or not at all, with the same bytes every time."""
    with (
        replace_when_complete(Path(path)) as temporary,
        matplotlib_style.context(["default", dict(STYLE)]),
    ):
        # The name and version of the library are no part of the result.
        figure.savefig(temporary, format="png", metadata={"Software": None})


def metallicity_scale(feh: Floats) -> Normalize:
    """Return the colour scale of metallicities: the inner 96 %, to a tenth of a dex."""
    if not len(feh):
        return Normalize(-2.5, 0.0)
    low, high = np.percentile(feh, [2, 98])
    return Normalize(math.floor(low * 10) / 10, math.floor(high * 10) / 10 + 0.1)


def draw_metallicity_points(
    axes: Axes, x: Floats, y: Floats, feh: Floats, scale: Normalize, **settings: Any
) -> None:
    """Draw stars coloured by [Fe/H], in an order that hides none systematically."""
    order = generator(0, "figures", "drawing order").permutation(len(feh))
    size = float(np.clip(20000 / max(len(feh), 1), 3, 22))
    axes.scatter(
        x[order],
        y[order],
        c=feh[order],
        s=size,
        cmap=FEH_COLOURS,
        norm=scale,
        linewidths=0,
        **settings,
    )


def add_metallicity_bar(figure: Figure, axes: Axes, scale: Normalize, **settings: Any) -> None:
    """Add the colour bar of [Fe/H] to axes that have points or cells."""
    bar = figure.colorbar(axes.collections[-1], ax=axes, label=FEH_LABEL, extend="both", **settings)
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
    arrays = [np.asarray(column, dtype=float) for column in columns]
    finite = np.all([np.isfinite(array) for array in arrays], axis=0)
    return [array[finite] for array in arrays]


def bin_width(values: Floats) -> float:
    """Return the Freedman-Diaconis width of histogram bins, on twentieths of a dex."""
    quartiles = np.percentile(values, [25, 75])
    width = 2 * np.ptp(quartiles) * len(values) ** (-1 / 3)
    return max(1, round(float(width) * 20)) / 20
