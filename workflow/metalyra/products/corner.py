"""The corner figure of a posterior: all its parameters, one by one and in pairs."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from metalyra.products.figures import new_figure, styled

Floats = NDArray[np.float64]

LABELS: Mapping[str, str] = {
    "intercept": "intercept\n(dex)",
    "period": "$P$\n(dex d$^{-1}$)",
    "a1": "$A_1$\n(dex mag$^{-1}$)",
    "a2": "$A_2$\n(dex mag$^{-1}$)",
    "phi31": "$\\phi_{31}$\n(dex rad$^{-1}$)",
    "scatter": "scatter\n(dex)",
    "error_scale": "error scale",
}
"""Labels of the parameters of a calibration."""

COLOURS = ("#2471a3", "#c0392b", "#1e8449", "#b9770e")

_CONTENTS = (0.865, 0.393)  # of the 2 and 1 sigma ellipses of a normal distribution
_BINS = 48
_SMOOTHING = 1.3  # bins
_PANEL = 1.3  # inches
_MARGIN = 0.95  # inches


@styled
def corner(
    posteriors: Mapping[str, pd.DataFrame],
    published: Mapping[str, float] | None = None,
    title: str = "",
) -> Figure:
    """Draw the posteriors of one or more regressions over each other.

    Contours hold 39.3 % and 86.5 % of the draws (1 and 2 sigma of a normal distribution).

    Parameters
    ----------
    posteriors
        Draws by the name of the regression; one column a parameter. Columns that do not
        vary in any of them are left out.
    published
        Values to be marked, by parameter.
    title
        Heading.
    """
    parameters = _varying_parameters(list(posteriors.values()))
    count = len(parameters)
    side = _PANEL * count + _MARGIN
    figure = new_figure(side, side, layout="none")
    edge = _MARGIN / side
    figure.subplots_adjust(edge, edge, 1 - 0.1 * edge, 1 - 0.1 * edge, wspace=0.05, hspace=0.05)
    grid = figure.subplots(count, count, squeeze=False)
    ranges = {name: _shared_range(list(posteriors.values()), name) for name in parameters}
    for row, vertical in enumerate(parameters):
        for column, horizontal in enumerate(parameters):
            axes = grid[row, column]
            if column > row:
                axes.set_visible(False)
                continue
            for draws, colour in zip(posteriors.values(), _colours(len(posteriors)), strict=True):
                if column < row:
                    _draw_contours(axes, draws, (horizontal, vertical), ranges, colour)
                else:
                    _draw_histogram(axes, draws, horizontal, ranges[horizontal], colour)
            _mark(axes, published or {}, horizontal, vertical if column < row else None)
            _label(axes, row, column, parameters, ranges)
    figure.align_labels()
    handles = [
        Line2D([], [], color=colour, label=name)
        for name, colour in zip(posteriors, _colours(len(posteriors)), strict=True)
    ]
    if published:
        handles.append(Line2D([], [], color="0.25", ls="--", lw=0.9, label="published"))
    figure.legend(
        handles=handles,
        loc="upper right",
        bbox_to_anchor=(0.98, 0.98),
        title=title or None,
        fontsize=10,
        title_fontsize=11,
        alignment="left",
    )
    return figure


def _colours(count: int) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(count)]


def _varying_parameters(posteriors: Sequence[pd.DataFrame]) -> list[str]:
    """Return the columns that vary in any posterior, in the order of their appearance."""
    names = dict.fromkeys(name for draws in posteriors for name in draws.columns)
    return [
        name
        for name in names
        if any(name in draws and np.ptp(draws[name].to_numpy()) > 0 for draws in posteriors)
    ]


def _varies(draws: pd.DataFrame, *names: str) -> bool:
    return all(name in draws and np.ptp(draws[name].to_numpy()) > 0 for name in names)


def _shared_range(posteriors: Sequence[pd.DataFrame], name: str) -> tuple[float, float]:
    """Return limits that hold all but the last thousandth of every posterior."""
    limits = [
        np.quantile(draws[name], [0.001, 0.999]) for draws in posteriors if _varies(draws, name)
    ]
    low, high = min(low for low, _ in limits), max(high for _, high in limits)
    margin = 0.04 * (high - low)
    return float(low - margin), float(high + margin)


def _draw_histogram(
    axes: Axes, draws: pd.DataFrame, name: str, limits: tuple[float, float], colour: str
) -> None:
    """Draw the density of one parameter, its maximum scaled to 1."""
    if not _varies(draws, name):
        return
    # Bins as fine as this posterior needs, whatever the range of the others.
    values = draws[name].to_numpy()
    bins = np.arange(limits[0], limits[1] + (step := 0.2 * values.std()), step)
    counts, edges = np.histogram(values, bins=bins)
    axes.stairs(counts / counts.max(), edges, color=colour, lw=1.2)
    axes.stairs(counts / counts.max(), edges, color=colour, alpha=0.12, fill=True)


def _draw_contours(
    axes: Axes,
    draws: pd.DataFrame,
    names: tuple[str, str],
    ranges: Mapping[str, tuple[float, float]],
    colour: str,
) -> None:
    """Draw the contours that hold the 1 and 2 sigma contents of the draws of two parameters."""
    if not _varies(draws, *names):
        return
    pair = [draws[name].to_numpy() for name in names]
    # A grid that fits this posterior, whatever the range of the others.
    box = [_shared_range([draws], name) for name in names]
    counts, x, y = np.histogram2d(*pair, bins=_BINS, range=_widen(box))
    density = gaussian_filter(counts, _SMOOTHING)
    levels = _levels(density, counts)
    centres = [(edges[1:] + edges[:-1]) / 2 for edges in (x, y)]
    axes.contourf(*centres, density.T, [*levels, np.inf], colors=[colour], alpha=0.15)
    axes.contourf(*centres, density.T, [levels[-1], np.inf], colors=[colour], alpha=0.3)
    axes.contour(*centres, density.T, levels, colors=[colour], linewidths=0.9)


def _widen(box: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return limits with room for the smoothing."""
    return [(low - 0.1 * (high - low), high + 0.1 * (high - low)) for low, high in box]


def _levels(density: Floats, counts: Floats) -> list[float]:
    """Return the smoothed densities above which the contents of the counts lie, ascending."""
    order = np.argsort(density, axis=None)[::-1]
    held = np.cumsum(counts.ravel()[order]) / counts.sum()
    return [float(density.ravel()[order[np.searchsorted(held, share)]]) for share in _CONTENTS]


def _mark(
    axes: Axes, published: Mapping[str, float], horizontal: str, vertical: str | None
) -> None:
    style = {"color": "0.25", "ls": "--", "lw": 0.8}
    if horizontal in published:
        axes.axvline(published[horizontal], **style)
    if vertical in published:
        axes.axhline(published[vertical], **style)


def _label(
    axes: Axes,
    row: int,
    column: int,
    parameters: Sequence[str],
    ranges: Mapping[str, tuple[float, float]],
) -> None:
    """Set the limits, and label the outer panels only."""
    horizontal, vertical = parameters[column], parameters[row]
    axes.set_xlim(*ranges[horizontal])
    axes.xaxis.set_major_locator(MaxNLocator(3, prune="both"))
    axes.tick_params(labelsize=8)
    if row == column:
        axes.set_ylim(0, 1.12)
        axes.yaxis.set_major_locator(NullLocator())
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.set_ylim(*ranges[vertical])
        axes.yaxis.set_major_locator(MaxNLocator(3, prune="both"))
    if row == len(parameters) - 1:
        axes.set_xlabel(LABELS.get(horizontal, horizontal))
        axes.tick_params(axis="x", labelrotation=45)
    else:
        axes.tick_params(labelbottom=False)
    if column == 0 and row > 0:
        axes.set_ylabel(LABELS.get(vertical, vertical))
    else:
        axes.tick_params(labelleft=False)
