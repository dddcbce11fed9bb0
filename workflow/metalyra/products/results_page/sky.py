"""The sky map of a results page: where stars are on it, and the lines behind them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.core.properties import value
from bokeh.models import ColumnDataSource, CustomJSTickFormatter, Range1d
from matplotlib.projections.geo import MollweideAxes
from numpy.typing import ArrayLike

from metalyra.core.arrays import Floats
from metalyra.products.figures.sky_maps import (
    ALL_SKY,
    BULGE,
    SkyRegion,
    choose_region,
    unwrap_longitude,
)

View = tuple[float, float, float, float]
"""What is left and right, at the bottom and at the top of a map."""

_FRAME_COLOUR, _LINE_COLOUR, _LABEL_COLOUR = "#8a94a0", "#dde2e7", "#56616e"


def place_on_map(longitude: ArrayLike, latitude: ArrayLike) -> tuple[Floats, Floats]:
    """Return where stars are on the map of all of them.

    Parameters
    ----------
    longitude, latitude : array, shape (n,)
        Galactic coordinates (deg), NaN where there is no position.

    Returns
    -------
    x, y : array, shape (n,)
        On the whole sky, of stars that spread over much of it, places in Mollweide's projection
        with longitude to the left and the Galactic centre at 0; else longitude, without a jump,
        and latitude (deg).
    """
    longitude, latitude = np.asarray(longitude, float), np.asarray(latitude, float)
    region = _choose(longitude, latitude)
    if region == ALL_SKY:
        return project(longitude, latitude)
    return region.unwrap(longitude), latitude


def _choose(longitude: Floats, latitude: Floats) -> SkyRegion:
    known = np.isfinite(longitude)
    return choose_region(longitude[known], latitude[known])


def project(longitude: ArrayLike, latitude: ArrayLike) -> tuple[Floats, Floats]:
    """Return the places of positions (deg) in Mollweide's projection, longitude to the left."""
    places = np.radians(
        np.column_stack([-unwrap_longitude(np.asarray(longitude, float), 0.0), latitude])
    )
    known = np.isfinite(places).all(axis=1)
    transform = MollweideAxes.MollweideTransform(resolution=1)
    places[known] = transform.transform_non_affine(places[known])
    places[~known] = np.nan
    return places[:, 0], places[:, 1]


def lay_out(plot: Any, longitude: Floats, latitude: Floats) -> None:
    """Draw what is behind the stars of a map, and say from where to where it can be seen.

    Parameters
    ----------
    plot
        Of Bokeh, empty. Its tag has `views`, by name as `View`, and `shrink`: how much smaller
        a unit across is than one upwards.
    longitude, latitude : array, shape (n,)
        Galactic coordinates of the stars (deg).
    """
    region = _choose(longitude, latitude)
    if region == ALL_SKY:
        has_bulge = bool(BULGE.contains(longitude, latitude).any())
        views, shrink = _draw_whole_sky(plot, has_bulge), 1.0
    else:
        (west, east), (south, north) = region.longitude, region.latitude
        views, shrink = {"all": (east, west, south, north)}, _shrink(region)
        _name_degrees(plot)
    left, right, low, high = views["all"]
    plot.x_range, plot.y_range = Range1d(left, right), Range1d(low, high)
    plot.tags = [{"views": views, "shrink": shrink}]


def _shrink(region: SkyRegion) -> float:
    return float(np.cos(np.radians(sum(region.latitude) / 2)))


def _name_degrees(plot: Any) -> None:
    plot.xaxis.axis_label, plot.yaxis.axis_label = (
        "Galactic longitude l (deg)",
        "Galactic latitude b (deg)",
    )
    plot.xaxis.formatter = CustomJSTickFormatter(
        code="const l = ((tick % 360) + 360) % 360; return String(+l.toFixed(4)) + '°'"
    )
    plot.yaxis.formatter = CustomJSTickFormatter(
        code="return (tick < 0 ? '−' : '') + String(+Math.abs(tick).toFixed(4)) + '°'"
    )


def _draw_whole_sky(plot: Any, has_bulge: bool) -> Mapping[str, View]:
    """Draw the frame of the sky and its meridians and parallels; return the views of it."""
    plot.axis.visible = plot.grid.visible = False
    plot.outline_line_color = None
    turn = np.linspace(0.0, 2 * np.pi, 181)
    across, up = 2 * np.sqrt(2), np.sqrt(2)
    meridians = [(np.full(91, x), np.linspace(-90, 90, 91)) for x in range(-150, 180, 30)]
    parallels = [(np.linspace(-179.99, 180, 181), np.full(181, y)) for y in range(-60, 90, 30)]
    _draw_lines(plot, [*meridians, *parallels], "sky-lines")
    plot.line(across * np.cos(turn), up * np.sin(turn), line_color=_FRAME_COLOUR, line_width=1.2)
    # As on the figures: away from the plane, where most stars are.
    meridian_labels = [(x, -60, f"{x % 360}°") for x in range(-120, 180, 60)]
    _draw_labels(plot, meridian_labels, "sky-labels")
    parallel_labels = [(179.99, y, _write_degrees(y)) for y in (-60, -30, 0, 30, 60)]
    _draw_labels(plot, parallel_labels, "sky-labels", "right")
    # Room on the left for the latitudes.
    views = {"all": (-1.12 * across, 1.02 * across, -1.02 * up, 1.02 * up)}
    if has_bulge:
        views["bulge"] = _draw_bulge(plot)
    return views


def _draw_bulge(plot: Any) -> View:
    """Draw the finer lines of the bulge, which the page shows when it turns to it."""
    (west, east), (south, north) = BULGE.longitude, BULGE.latitude
    # Beyond the bulge as well, for the place of the map may be wider than high.
    across, up = np.linspace(2 * west, 2 * east, 49), np.linspace(2 * south, 2 * north, 49)
    meridians = [(np.full(49, x), up) for x in range(-20, 21, 5)]
    parallels = [(across, np.full(49, y)) for y in range(-20, 21, 5)]
    _draw_lines(plot, [*meridians, *parallels], "bulge-lines", visible=False)
    steps = range(-10, 11, 5)
    meridian_labels = [(x, south, f"{x % 360}°") for x in steps]
    _draw_labels(plot, meridian_labels, "bulge-labels", visible=False)
    parallel_labels = [(east, y, _write_degrees(y)) for y in steps]
    _draw_labels(plot, parallel_labels, "bulge-labels", "right", visible=False)
    x, y = project([east, west, 0, 0], [0, 0, south, north])
    return 1.25 * float(x[0]), 1.02 * float(x[1]), 1.08 * float(y[2]), 1.02 * float(y[3])


def _write_degrees(angle: int) -> str:
    return f"{angle}°".replace("-", "−")


def _draw_lines(
    plot: Any, lines: Sequence[tuple[Floats, Floats]], name: str, *, visible: bool = True
) -> None:
    places = [project(*line) for line in lines]
    source = ColumnDataSource({"x": [x for x, _ in places], "y": [y for _, y in places]})
    plot.multi_line("x", "y", source=source, line_color=_LINE_COLOUR, visible=visible, name=name)


def _draw_labels(
    plot: Any,
    labels: Sequence[tuple[float, float, str]],
    name: str,
    align: str = "center",
    *,
    visible: bool = True,
) -> None:
    """Draw labels (longitude, latitude, text) over the stars, on white."""
    longitude, latitude, texts = zip(*labels, strict=True)
    x, y = project(longitude, latitude)
    plot.text(
        x,
        y,
        list(texts),
        text_align=align,
        text_baseline="middle",
        text_font=value("system-ui, sans-serif"),
        text_font_size="11px",
        text_color=_LABEL_COLOUR,
        x_offset=-4 if align == "right" else 0,
        background_fill_color="white",
        background_fill_alpha=0.75,
        level="overlay",
        visible=visible,
        name=name,
    )
