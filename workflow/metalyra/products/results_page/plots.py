"""The plots of a results page, as Bokeh draws them; the page's script gives them their data.

Bokeh, for its scripts are 1.3 MB, a quarter of Plotly's, come with the package, and need no
other machine.
"""

import math
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
from bokeh.embed import json_item
from bokeh.models import (
    BasicTicker,
    BoxSelectTool,
    ColorBar,
    ColumnDataSource,
    HoverTool,
    LinearColorMapper,
    Range1d,
    Span,
    Whisker,
)
from bokeh.plotting import figure
from matplotlib.colors import to_hex

from metalyra.core.statuses import OK
from metalyra.products.figures.style import (
    DATA_COLOUR,
    FEH_COLOURS,
    FEH_LABEL,
    MODEL_COLOUR,
    REJECTED_COLOUR,
    bin_width,
    metallicity_scale,
)
from metalyra.products.results_page.sky import lay_out

_SOFT, _LINE, _CONTEXT, _UNKNOWN = "#56616e", "#8a94a0", "#c3cad2", "#9aa3ad"
_FONT = "system-ui, sans-serif"


def read_scripts() -> str:
    """Return the script of Bokeh that draws the plots."""
    script = files("bokeh") / "server/static/js/bokeh.min.js"
    return script.read_text(encoding="utf-8")


def draw_plots(stars: pd.DataFrame) -> dict[str, Any]:
    """Return the plots of a study, empty, by the names of their places in the page.

    Parameters
    ----------
    stars
        As `metalyra.products.results_page.parts.arrange_stars` returns them; they set scales
        and limits.

    Returns
    -------
    dict
        Plain data, which Bokeh's script reads.
    """
    feh = stars.loc[stars["status"] == OK, "feh"].dropna().to_numpy(float)
    plots = {
        "sky": _draw_sky(stars, _map_colours()),
        "bailey": _draw_bailey(stars, _map_colours()),
        "distribution": _draw_distribution(feh),
        "light-curve": _draw_light_curve(),
    }
    return {name: json_item(plot, name) for name, plot in plots.items()}


def _map_colours() -> LinearColorMapper:
    """Return the colours of [Fe/H], for one plot: no two may share a model."""
    scale = metallicity_scale()
    palette = [to_hex(FEH_COLOURS(x)) for x in np.linspace(0.0, 1.0, 64)]
    return LinearColorMapper(palette=palette, low=scale.vmin, high=scale.vmax, nan_color=_UNKNOWN)


def _new_plot(name: str, x_label: str, y_label: str, tools: str, **settings: Any) -> Any:
    """Return an empty plot in the style of the page."""
    plot = figure(
        name=name,
        x_axis_label=x_label,
        y_axis_label=y_label,
        tools=tools,
        toolbar_location="above",
        sizing_mode="stretch_both",
        output_backend="canvas",
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=_LINE,
        min_border_right=12,
        **settings,
    )
    plot.toolbar.logo = None
    for axis in plot.axis:
        axis.axis_label_text_font = axis.major_label_text_font = _FONT
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = "13px"
        axis.major_label_text_font_size = "12px"
        axis.axis_label_text_color = axis.major_label_text_color = "#1d2733"
        axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = _LINE
    plot.grid.grid_line_color = "#e6eaee"
    return plot


def _add_stars(plot: Any, name: str, colours: LinearColorMapper) -> None:
    """Add the layers of a plot of stars: what is not chosen, what is chosen, the open star."""
    layers = {
        layer: ColumnDataSource({column: [] for column in columns}, name=f"{name}-{layer}")
        for layer, columns in _LAYERS.items()
    }
    cell = {"left": "left", "right": "right", "bottom": "bottom", "top": "top"}
    plain, coloured = {"line_color": None}, {"field": "feh", "transform": colours}
    plot.quad(**cell, source=layers["context-cells"], fill_color=_CONTEXT, **plain)
    plot.scatter(
        *("x", "y"),
        source=layers["context-points"],
        marker="marker",
        size="size",
        fill_color=_CONTEXT,
        fill_alpha=0.6,
        **plain,
    )
    plot.quad(**cell, source=layers["cells"], fill_color=coloured, fill_alpha="alpha", **plain)
    points = plot.scatter(
        *("x", "y"),
        source=layers["points"],
        marker="marker",
        size="size",
        fill_color=coloured,
        fill_alpha=0.85,
        line_color="white",
        line_width=0.3,
    )
    plot.scatter(
        *("x", "y"),
        source=layers["star"],
        size=17,
        fill_color=None,
        line_color="#111111",
        line_width=2.2,
    )
    # The page chooses stars itself, in all plots alike.
    for layer in plot.renderers:
        layer.selection_glyph = layer.nonselection_glyph = None
    hover = HoverTool(
        renderers=[points],
        tooltips=[("", "@name"), ("[Fe/H]", "@feh{0.00} dex"), ("", "@type")],
        point_policy="snap_to_data",
        visible=False,
    )
    plot.add_tools(hover)
    plot.toolbar.active_drag = plot.select_one(BoxSelectTool)
    plot.toolbar.active_scroll = None


_LAYERS: Mapping[str, tuple[str, ...]] = {
    "context-cells": ("left", "right", "bottom", "top"),
    "context-points": ("x", "y", "marker", "size"),
    "cells": ("left", "right", "bottom", "top", "feh", "alpha"),
    "points": ("x", "y", "feh", "marker", "size", "name", "type"),
    "star": ("x", "y"),
}
"""Data of the layers of a plot of stars, from the lowest on."""

_TOOLS = "box_select,wheel_zoom,pan,reset,save"


def _draw_sky(stars: pd.DataFrame, colours: LinearColorMapper) -> Any:
    """Return the map in Galactic coordinates, longitude to the left."""
    plot = _new_plot("sky", "", "", _TOOLS)
    known = stars[stars["longitude"].notna()]
    lay_out(plot, known["longitude"].to_numpy(float), known["latitude"].to_numpy(float))
    _add_stars(plot, "sky", colours)
    bar = ColorBar(
        color_mapper=colours,
        ticker=BasicTicker(desired_num_ticks=6),
        orientation="horizontal",
        height=10,
        padding=4,
        major_label_text_font=_FONT,
        major_label_text_font_size="12px",
        major_label_text_color="#1d2733",
        background_fill_color=None,
    )
    plot.add_layout(bar, "below")
    return plot


def _draw_bailey(stars: pd.DataFrame, colours: LinearColorMapper) -> Any:
    """Return the diagram of periods and amplitudes."""
    period, amplitude = stars["period"].to_numpy(float), stars["amplitude"].to_numpy(float)
    drawn = np.isfinite(amplitude) & np.isfinite(period) & (period > 0)
    x_low, x_high = _enclose(np.log10(period[drawn]), (-0.7, 0.0))
    _, y_high = _enclose(amplitude[drawn], (0.0, 1.2))
    plot = _new_plot(
        *("bailey", "log period (d)", "Amplitude, peak to valley (mag)", _TOOLS),
        x_range=Range1d(x_low, x_high),
        y_range=Range1d(0.0, y_high),
    )
    _add_stars(plot, "bailey", colours)
    return plot


def _enclose(values: np.ndarray, otherwise: tuple[float, float]) -> tuple[float, float]:
    """Return limits around all values but those far from the bulk, or others if there are none."""
    if not len(values):
        return otherwise
    low, high = np.percentile(values, [1, 99])
    bulk = high - low
    low, high = max(values.min(), low - bulk / 2), min(values.max(), high + bulk / 2)
    margin = max(0.04 * (high - low), 0.02)
    return float(low - margin), float(high + margin)


def _draw_distribution(feh: np.ndarray) -> Any:
    """Return the histogram of metallicities."""
    low, high = _enclose(feh, (-2.5, 0.0))
    plot = _new_plot(
        *("distribution", FEH_LABEL, "Number of stars", "xbox_select,reset,save"),
        x_range=Range1d(low, high),
    )
    plot.y_range.start = 0
    plot.y_range.range_padding = 0.08
    width = bin_width(feh) if len(feh) > 1 else 0.1
    edges = [round(k * width, 4) for k in range(math.floor(-4 / width), math.ceil(2 / width) + 1)]
    for layer, colour, alpha in (("context", _CONTEXT, 0.7), ("bars", DATA_COLOUR, 0.85)):
        source = ColumnDataSource(
            {"left": [], "right": [], "top": []}, name=f"distribution-{layer}"
        )
        plot.quad(
            *("left", "right", "top"),
            bottom=0,
            source=source,
            fill_color=colour,
            fill_alpha=alpha,
            line_color="white",
            line_width=0.6,
        )
    plot.add_layout(
        Span(
            name="distribution-star",
            dimension="height",
            location=math.nan,
            line_color="#111111",
            line_width=2,
        )
    )
    plot.tags = [edges]
    plot.toolbar.active_drag = plot.select_one(BoxSelectTool)
    return plot


def _draw_light_curve() -> Any:
    """Return the plot of one star: two cycles from maximum light, brighter upwards."""
    plot = _new_plot(
        *(
            "light-curve",
            "Pulsation phase from maximum light",
            "Magnitude (mag)",
            "box_zoom,reset,save",
        ),
        x_range=Range1d(0.0, 2.0),
    )
    plot.y_range.flipped = True
    columns: dict[str, list[float]] = {"x": [], "y": [], "low": [], "high": []}
    layers = {
        name: ColumnDataSource(columns, name=f"light-curve-{name}")
        for name in ("points", "rejected", "fit")
    }
    plot.add_layout(
        Whisker(
            base="x",
            lower="low",
            upper="high",
            source=layers["points"],
            line_color="#b9c1c9",
            line_width=0.8,
            upper_head=None,
            lower_head=None,
            level="underlay",
        )
    )
    plot.scatter("x", "y", source=layers["points"], size=4.5, color=DATA_COLOUR, alpha=0.75)
    plot.scatter(
        *("x", "y"),
        source=layers["rejected"],
        marker="x",
        size=8,
        line_width=1.6,
        color=REJECTED_COLOUR,
    )
    plot.varea("x", "low", "high", source=layers["fit"], fill_color=MODEL_COLOUR, fill_alpha=0.25)
    plot.line("x", "y", source=layers["fit"], line_color=MODEL_COLOUR, line_width=2)
    return plot
