"""Figures of how well models do with more and with fewer epochs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedLocator,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
    ScalarFormatter,
)

from metalyra.core.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from metalyra.core.randomness import generator
from metalyra.products.figures.drawing import Subject, figure
from metalyra.products.figures.metallicities import describe_residuals
from metalyra.products.figures.style import (
    BACKING,
    DATA_COLOUR,
    FEH_LABEL,
    MODEL_COLOUR,
    VALIDATION_COLOUR,
    new_figure,
    say,
    styled,
)

EPOCH_COLOURS = ListedColormap(colormaps["viridis"](np.linspace(0.0, 0.95, 256)), "epochs")
"""Colours of numbers of epochs: perceptually uniform, the lighter the more."""

R2_LABEL = "$R^2$ unweighted"
"""Every star counts alike, other than in the metrics of a model's card."""

_FEWEST = 5  # stars of a bin that has metrics


@figure(
    "accuracy_by_epochs",
    of="accuracy by epochs",
    reads=("pairs",),
    settings=("models", "edges"),
    category="Metallicities",
    product="accuracy by epochs",
)
def draw_accuracy_by_epochs(subject: Subject) -> Figure:
    """Draw how well models do for labelled stars of few and of many epochs."""
    models = {name: subject.call(name) for name in subject.settings["models"]}
    return accuracy_by_epochs(subject.read("pairs"), models, subject.settings["edges"])


@styled
def accuracy_by_epochs(
    pairs: pd.DataFrame, models: Mapping[str, str], edges: Sequence[int]
) -> Figure:
    """Draw predicted against labelled metallicities by the number of epochs, and metrics.

    After Monti et al. (2025), Fig. 7, a column for each model.

    Parameters
    ----------
    pairs
        Of `metalyra.products.epoch_accuracy.pair_with_labels`.
    models
        What they are called, by name, from left to right.
    edges
        Smallest number of epochs of each bin but the first, ascending.
    """
    figure = new_figure(3.5 * len(models) + 0.8, 6.0)
    above, below = figure.subplots(
        2, len(models), squeeze=False, height_ratios=[3, 2], sharex="row", sharey="row"
    )
    above[0].set_ylabel(f"Predicted {FEH_LABEL}")
    below[0].set_ylabel("Error (dex)")
    rights = []
    counts = pairs["n_epochs"].to_numpy(dtype=float)
    norm = LogNorm(*_range_of(counts))
    for (model, title), scatter, metrics in zip(models.items(), above, below, strict=True):
        own = pairs[pairs["model"] == model]
        scatter.set(title=title, xlabel="[Fe/H] of the label (dex)")
        metrics.set_xlabel("Number of epochs")
        _draw_stars(scatter, own, norm)
        rights.append(_draw_metrics(metrics, own, edges))
    _share_ranges(above, pairs)
    _share_errors(below)
    _share_scores(rights)
    if drawn := [axes.collections[0] for axes in above if axes.collections]:
        bar = figure.colorbar(drawn[0], ax=list(above), label="Epochs")
        bar.locator = LogLocator(subs=(1.0, 2.0, 5.0))
        bar.formatter = ScalarFormatter()
        bar.update_ticks()
        bar.ax.yaxis.set_minor_formatter(NullFormatter())
    figure.legend(handles=[*below[0].lines, *rights[0].lines], loc="outside lower center", ncols=3)
    return figure


def _draw_stars(axes: Axes, pairs: pd.DataFrame, norm: LogNorm) -> None:
    """Draw the stars of a model in an order that hides none systematically."""
    if pairs.empty:
        say(axes)
        return
    order = generator(0, "figures", "drawing order").permutation(len(pairs))
    true, predicted, epochs = (
        pairs[name].to_numpy(dtype=float)[order] for name in ("feh", "feh_predicted", "n_epochs")
    )
    size = float(np.clip(12000 / len(pairs), 2, 12))
    axes.scatter(true, predicted, c=epochs, s=size, cmap=EPOCH_COLOURS, norm=norm, linewidths=0)
    axes.axline((0, 0), slope=1, color=MODEL_COLOUR, zorder=3)
    text = describe_residuals(true, predicted)
    axes.text(0.04, 0.97, text, transform=axes.transAxes, va="top", zorder=5, bbox=BACKING)


def _draw_metrics(axes: Axes, pairs: pd.DataFrame, edges: Sequence[int]) -> Axes:
    """Draw the metrics of a model by bins of epochs; return the scale of R2."""
    epochs, true, predicted = (
        pairs[name].to_numpy(dtype=float) for name in ("n_epochs", "feh", "feh_predicted")
    )
    bins = np.digitize(epochs, edges)
    chosen = [bins == number for number in range(len(edges) + 1)]
    chosen = [inside for inside in chosen if np.count_nonzero(inside) >= _FEWEST]
    middle = [float(np.median(epochs[inside])) for inside in chosen]
    look: dict[str, Any] = {"marker": "o", "markersize": 4}
    right = axes.twinx()
    right.tick_params(axis="y", which="both", colors=VALIDATION_COLOUR)
    for scale, name, measure, colour, style in (
        (axes, "RMSE", root_mean_squared_error, MODEL_COLOUR, "-"),
        (axes, "MAE", mean_absolute_error, DATA_COLOUR, "--"),
        (right, R2_LABEL, r2_score, VALIDATION_COLOUR, ":"),
    ):
        values = [measure(true[inside], predicted[inside]) for inside in chosen]
        scale.plot(middle, values, linestyle=style, color=colour, label=name, **look)
    for place, inside in zip(middle, chosen, strict=True):
        axes.annotate(
            f"{np.count_nonzero(inside):,}",
            (place, 0.98),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="top",
            fontsize=7,
            rotation=90,
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    return right


def _drawn_values(scales: Sequence[Axes]) -> list[float]:
    """Return all finite values that lines of some axes have."""
    lines = [np.asarray(line.get_ydata(), dtype=float) for axes in scales for line in axes.lines]
    return [float(value) for values in lines for value in values if np.isfinite(value)]


def _share_errors(scales: Sequence[Axes]) -> None:
    """Let all panels have one scale of errors, with room for the numbers of stars above."""
    scales[0].set_ylim(0, 1.4 * max([0.1, *_drawn_values(scales)]))


def _share_scores(scales: Sequence[Axes]) -> None:
    """Let all panels have one scale of R2, with room for the numbers of stars above 1."""
    low = min([0.8, *_drawn_values(scales)])
    for axes in scales:
        axes.set_ylim(low - 0.05 * (1 - low), 1 + 0.35 * (1 - low))
        ticks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, 1)
        axes.yaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= 1]))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.tick_params(axis="y", labelright=axes is scales[-1])
    scales[-1].set_ylabel(R2_LABEL, color=VALIDATION_COLOUR)


def _range_of(epochs: np.ndarray) -> tuple[float, float]:
    """Return the inner 98 % of numbers of epochs, as a range that is not empty."""
    if not len(epochs):
        return 10.0, 100.0
    low, high = np.percentile(epochs, [1, 99])
    return float(low), float(max(high, low + 1))


def _share_ranges(panels: Sequence[Axes], pairs: pd.DataFrame) -> None:
    """Let all panels show the same square of metallicities."""
    values = pairs[["feh", "feh_predicted"]].to_numpy(dtype=float)
    if not len(values):
        return
    low, high = np.floor(values.min() * 5 - 0.2) / 5, np.ceil(values.max() * 5 + 0.2) / 5
    for axes in panels:
        axes.set(xlim=(low, high), ylim=(low, high))
        axes.set_box_aspect(1)
