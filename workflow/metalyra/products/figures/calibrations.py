"""Figures of calibrated relations: the posterior of their coefficients."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from corner import corner
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from metalyra.label.relations import read_relations
from metalyra.products.figures.drawing import Subject, figure
from metalyra.products.figures.style import SAMPLE_COLOURS, new_figure, say, styled

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

VARIANT_LABELS: Mapping[str, str] = {
    "least_squares": "weighted least squares",
    "dekany2021": "as Dékány et al. (2021) did it",
    "errors_once": "errors counted once",
    "scatter": "with intrinsic scatter",
    "hierarchical": "spectra grouped by star",
}
"""What regressions are called, by their names in `metalyra.label.regression.VARIANTS`."""

_CONTENTS = (0.393, 0.865)  # of the 1 and 2 sigma ellipses of a normal distribution
_BIN = 0.15  # standard deviations
_MOST_BINS = 300
_SMOOTHING = 1.0  # bins
_OPACITIES = (0.0, 0.15, 0.45)  # beyond, between and within the contours
_PANEL = 1.4  # inches
_MARGIN = 1.0  # inches
_PUBLISHED_COLOUR = "0.25"


@figure(
    "calibration",
    of="calibration",
    reads=("draws", "relations"),
    settings=("compare_with", "labels"),
    category="Calibration",
    product="posterior, {type}",
)
def draw_calibration(subject: Subject) -> Figure:
    """Draw the posterior of a calibrated relation beside the published regression."""
    kind = subject.names["type"]
    draws = subject.read("draws")
    draws = draws[draws["pulsation_type"] == kind].drop(columns="pulsation_type")
    title = f"{subject.title[0].upper()}{subject.title[1:]}, {kind}"
    posteriors = {
        VARIANT_LABELS.get(str(name), str(name)): rows.drop(columns="variant")
        for name, rows in draws.groupby("variant")
    }
    if not posteriors:
        figure = new_figure(4.4, 3.4)
        axes = figure.subplots()
        axes.set(title=title)
        say(axes, "too few labelled stars of this type")
        return figure
    marked: dict[str, float] = {}
    # A published relation is marked beside a calibration on the spectra that it is of.
    if not subject.settings["labels"]:
        relations = read_relations(str(subject.files["relations"]))
        published = relations[subject.settings["compare_with"]][kind]
        marked = {"intercept": published.intercept, **published.coefficients}
    return corner_figure(posteriors, marked, title)


@styled
def corner_figure(
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
    published = published or {}
    parameters = _varying_parameters(list(posteriors.values()))
    side = _PANEL * len(parameters) + _MARGIN
    figure = new_figure(side, side, layout=None)
    colours = SAMPLE_COLOURS[2:0:-1] + SAMPLE_COLOURS[3:]
    colour_of = {name: colours[place % len(colours)] for place, name in enumerate(posteriors)}
    for name, draws in posteriors.items():
        _add_posterior(figure, draws, parameters, list(posteriors.values()), colour_of[name])
    panels = np.array(figure.axes).reshape(len(parameters), len(parameters))
    _mark(panels, [published.get(parameter) for parameter in parameters])
    edge = _MARGIN / side
    figure.subplots_adjust(edge, edge, 1 - 0.1 * edge, 1 - 0.1 * edge, wspace=0.05, hspace=0.05)
    for axes in panels.diagonal():
        axes.autoscale(axis="y")
        axes.set_ylim(bottom=0)
    for axes in panels.flat:
        axes.minorticks_off()
        axes.tick_params(labelsize=8)
    handles = [Line2D([], [], color=colour, label=name) for name, colour in colour_of.items()]
    if published:
        handles.append(
            Line2D(
                [],
                [],
                color=_PUBLISHED_COLOUR,
                linestyle="--",
                linewidth=0.9,
                label="published coefficients",
            )
        )
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


def _varying_parameters(posteriors: Sequence[pd.DataFrame]) -> list[str]:
    """Return the columns that vary in any posterior: coefficients as they appear, then the rest."""
    names = dict.fromkeys(name for draws in posteriors for name in draws.columns)
    last = [name for name in ("scatter", "error_scale") if name in names]
    names = dict.fromkeys([*[name for name in names if name not in last], *last])
    return [name for name in names if any(_varies(draws, name) for draws in posteriors)]


def _varies(draws: pd.DataFrame, name: str) -> bool:
    return name in draws and bool(np.ptp(draws[name].to_numpy()) > 0)


def _shared_range(posteriors: Sequence[pd.DataFrame], name: str) -> tuple[float, float]:
    """Return limits that hold all but the last thousandth of every posterior."""
    limits = [
        np.quantile(draws[name], [0.001, 0.999]) for draws in posteriors if _varies(draws, name)
    ]
    low, high = min(low for low, _ in limits), max(high for _, high in limits)
    margin = 0.04 * (high - low)
    return float(low - margin), float(high + margin)


def _add_posterior(
    figure: Figure,
    draws: pd.DataFrame,
    parameters: Sequence[str],
    posteriors: Sequence[pd.DataFrame],
    colour: str,
) -> None:
    """Draw one posterior; what it has fixed is left out, where others vary it."""
    limits = [_shared_range(posteriors, name) for name in parameters]
    # The library wants a distribution of each: any will do where nothing is shown.
    anything = draws[next(name for name in parameters if _varies(draws, name))]
    columns, bins = [], []
    for name, (low, high) in zip(parameters, limits, strict=True):
        values = draws[name] if _varies(draws, name) else _rescale(anything, low, high)
        columns.append(values.to_numpy(dtype=float))
        # As fine as this posterior needs, whatever the range of the others.
        bins.append(int(np.clip((high - low) / (_BIN * values.std()), 10, _MOST_BINS)))
    drawn = {axes: set(axes.get_children()) for axes in figure.axes}
    corner(
        np.column_stack(columns),
        bins=bins,
        range=limits,
        color=colour,
        smooth=_SMOOTHING,
        levels=_CONTENTS,
        labels=[LABELS.get(name, name) for name in parameters],
        label_kwargs={"fontsize": 10},
        max_n_ticks=3,
        plot_datapoints=False,
        plot_density=False,
        no_fill_contours=True,
        fill_contours=True,
        hist_kwargs={"density": True},
        contour_kwargs={"linewidths": 0.9},
        contourf_kwargs={"colors": [to_rgba(colour, opacity) for opacity in _OPACITIES]},
        fig=figure,
        quiet=True,
    )
    panels = np.array(figure.axes).reshape(len(parameters), len(parameters))
    for place, name in enumerate(parameters):
        if not _varies(draws, name):
            for axes in {*panels[place, : place + 1], *panels[place:, place]}:
                _remove_drawn(axes, drawn.get(axes, set()))


def _rescale(values: pd.Series, low: float, high: float) -> pd.Series:
    """Return values that lie between limits as the given ones do between theirs."""
    rescaled: pd.Series[Any] = (values - values.min()) * ((high - low) / np.ptp(values)) + low
    return rescaled


def _remove_drawn(axes: Axes, before: set[Artist]) -> None:
    for artist in [*axes.collections, *axes.patches]:
        if artist not in before:
            artist.remove()


def _mark(panels: np.ndarray, published: Sequence[float | None]) -> None:
    """Mark the published values in all panels of a parameter."""
    look = {"color": _PUBLISHED_COLOUR, "linestyle": "--", "linewidth": 0.8}
    for place, value in enumerate(published):
        if value is None:
            continue
        for axes in panels[place:, place]:
            axes.axvline(value, **look)
        for axes in panels[place, :place]:
            axes.axhline(value, **look)
