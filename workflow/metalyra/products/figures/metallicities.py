"""Figures of metallicities: their distribution, and how they agree with others."""

import math
from collections.abc import Mapping

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter, map_coordinates

from metalyra.core.arrays import Floats
from metalyra.core.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from metalyra.core.statuses import OK
from metalyra.products.figures.drawing import Subject, figure
from metalyra.products.figures.style import (
    BAND_LABELS,
    FEH_LABEL,
    MODEL_COLOUR,
    SAMPLE_COLOURS,
    VALIDATION_COLOUR,
    add_metallicity_bar,
    bin_width,
    draw_metallicity_points,
    keep_finite,
    metallicity_scale,
    new_figure,
    say,
    styled,
)


@figure(
    "metallicities",
    of="study",
    reads=("catalogue",),
    category="Metallicities",
    product="distribution",
)
def draw_metallicities(study: Subject) -> Figure:
    """Draw the distributions of the metallicities of all samples."""
    catalogue = study.read("catalogue")
    catalogue = catalogue[catalogue["status"] == OK]
    samples = {
        f"{sample} ({stars['model'].iloc[0] or stars['relation'].iloc[0]})": stars["feh"]
        for sample, stars in catalogue.groupby("sample", sort=False)
    }
    return metallicity_histogram(samples)


@figure(
    "bailey",
    of="sample with metallicities",
    reads=("catalogue",),
    settings=("band",),
    category="Metallicities",
    product="Bailey diagram",
)
def draw_bailey(subject: Subject) -> Figure:
    """Draw the periods and amplitudes of a sample."""
    sample, catalogue = subject.names["sample"], subject.read("catalogue")
    stars = catalogue[(catalogue["sample"] == sample) & (catalogue["status"] == OK)]
    return bailey_diagram(
        stars["period"], stars["amplitude"], stars["feh"], subject.settings["band"], sample
    )


@figure("recovery", of="simulated sample", reads=("truth",), category="Truth")
def draw_recovery(subject: Subject) -> Figure:
    """Draw the metallicities of a sample against the simulated ones."""
    sample, pairs = subject.names["sample"], subject.read("truth")
    stars = pairs[pairs["sample"] == sample]
    return predicted_against_true(
        stars["feh_true"], stars["feh"], title=sample, true_label="Simulated [Fe/H] (dex)"
    )


@styled
def predicted_against_true(
    true: ArrayLike,
    predicted: ArrayLike,
    title: str = "",
    true_label: str = f"True {FEH_LABEL}",
    predicted_label: str = f"Predicted {FEH_LABEL}",
) -> Figure:
    """Draw predicted against true metallicities, with residuals and metrics.

    After Dékány & Grebel (2022), Fig. 6. Darker points have more neighbours; the line
    and band in the residuals are the running median and the central 68 %.

    Parameters
    ----------
    true, predicted : array, shape (n,)
        Metallicities (dex); pairs that are not finite are left out.
    title, true_label, predicted_label
        Texts of the figure.
    """
    true, predicted = keep_finite(true, predicted)
    figure = new_figure(4.4, 5.7, layout="compressed")
    main, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    main.set(title=title, ylabel=predicted_label)
    below.set(xlabel=true_label, ylabel=r"$\Delta$[Fe/H] (dex)")
    if not len(true):
        say(main)
        say(below, "")
        return figure
    low, high = padded_range(np.concatenate([true, predicted]))
    colours = _neighbour_colours(true, predicted)
    order = np.argsort(colours, kind="stable")
    residual = predicted - true
    size = float(np.clip(12000 / len(true), 2.5, 14))
    for axes, values in ((main, predicted), (below, residual)):
        axes.scatter(
            true[order],
            values[order],
            c=colours[order],
            s=size,
            cmap=_point_colours(),
            vmin=0,
            vmax=1,
            linewidths=0,
        )
    main.plot([low, high], [low, high], color=MODEL_COLOUR, zorder=3)
    main.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    below.axhline(0, color=MODEL_COLOUR, zorder=3)
    draw_running_median(below, true, residual)
    reach = max(0.1, 1.08 * float(np.abs(residual).max()))
    below.set_ylim(-reach, reach)
    below.yaxis.set_major_locator(MaxNLocator(4, symmetric=True, steps=[1, 2, 5, 10]))
    main.text(0.04, 0.96, describe_residuals(true, predicted), transform=main.transAxes, va="top")
    figure.align_ylabels()
    return figure


def describe_residuals(true: Floats, predicted: Floats) -> str:
    """Return number, bias, RMSE, MAE and R2 of predictions, one a line."""
    lines = [
        f"$N$ = {len(true):,}",
        f"bias = ${np.mean(predicted - true):+.3f}$ dex",
        f"RMSE = {root_mean_squared_error(true, predicted):.3f} dex",
        f"MAE = {mean_absolute_error(true, predicted):.3f} dex",
    ]
    if np.ptp(true) > 0:
        lines.append(f"$R^2$ = {r2_score(true, predicted):.3f}")
    return "\n".join(lines)


@styled
def metallicity_histogram(samples: Mapping[str, ArrayLike], title: str = "") -> Figure:
    """Draw histograms of metallicities on a logarithmic and a linear scale.

    After Dékány & Grebel (2022), Fig. 7; the first sample is filled, the others are
    outlined, and curves are kernel density estimates.

    Parameters
    ----------
    samples
        Metallicities (dex) by the name that the legend gives them; values that are not
        finite are left out.
    title
        Title of the figure.
    """
    from scipy.stats import gaussian_kde

    finite = {name: keep_finite(values)[0] for name, values in samples.items()}
    finite = {name: values for name, values in finite.items() if len(values)}
    figure = new_figure(4.4, 5.6)
    panels = figure.subplots(2, 1, sharex=True)
    figure.set_layout_engine(ConstrainedLayoutEngine(hspace=0.0, h_pad=0.02))
    panels[0].set(title=title, ylabel="Stars per bin")
    panels[1].set(xlabel=FEH_LABEL, ylabel="Stars per bin")
    if not finite:
        say(panels[0])
        say(panels[1], "")
        return figure
    together = np.concatenate(list(finite.values()))
    width = bin_width(together)
    low, high = np.floor(together.min() / width), np.ceil(together.max() / width)
    edges = np.arange(low, high + 1.5) * width
    grid = np.linspace(edges[0] - width, edges[-1] + width, 400)
    for axes in panels:
        for number, (name, values) in enumerate(finite.items()):
            colour = SAMPLE_COLOURS[number % len(SAMPLE_COLOURS)]
            look = {"histtype": "step", "color": colour, "linewidth": 1.0}
            if number == 0:
                look = {"histtype": "stepfilled", "color": "0.82"}
            axes.hist(values, edges, label=f"{name} ({len(values):,})", **look)
            if np.ptp(values) > 0:
                density = gaussian_kde(values)(grid)
                axes.plot(grid, density * len(values) * width, color=colour)
    panels[0].set_yscale("log")
    panels[0].yaxis.set_major_formatter("{x:,.0f}")
    panels[0].set_ylim(bottom=0.5)
    panels[1].set_ylim(bottom=0)
    panels[0].legend(loc="upper right", handlelength=1.4)
    figure.align_ylabels()
    return figure


@styled
def bailey_diagram(
    period: ArrayLike, amplitude: ArrayLike, feh: ArrayLike, band: str, title: str = ""
) -> Figure:
    """Draw the period-amplitude diagram, coloured by metallicity.

    After Dékány & Grebel (2022), Fig. 3.

    Parameters
    ----------
    period : array, shape (n,)
        Pulsation period (d).
    amplitude : array, shape (n,)
        Peak-to-valley amplitude (mag).
    feh : array, shape (n,)
        [Fe/H] (dex); stars without any of the three are left out.
    band
        Band of the amplitude.
    title
        Title of the figure.
    """
    period, amplitude, feh = keep_finite(period, amplitude, feh)
    figure = new_figure(5.2, 4.0)
    axes = figure.subplots()
    axes.set(
        title=title,
        xlabel="Period (d)",
        ylabel=f"Total amplitude in {BAND_LABELS.get(band, band)} (mag)",
    )
    if not len(feh):
        say(axes)
        return figure
    scale = metallicity_scale(feh)
    draw_metallicity_points(axes, period, amplitude, feh, scale)
    axes.set_ylim(bottom=0)
    axes.text(0.97, 0.96, f"{len(feh):,} stars", transform=axes.transAxes, ha="right", va="top")
    add_metallicity_bar(figure, axes, scale)
    return figure


def padded_range(values: Floats) -> tuple[float, float]:
    """Return limits around values, on tenths."""
    low, high = values.min(), values.max()
    pad = max(0.05, 0.03 * (high - low))
    return math.floor((low - pad) * 10) / 10, math.ceil((high + pad) * 10) / 10


def _neighbour_colours(x: Floats, y: Floats) -> Floats:
    """Return how crowded each point is, 0 to 1 on a logarithmic scale."""
    cells = 100
    counts, *edges = np.histogram2d(x, y, cells)
    smooth = gaussian_filter(counts, sigma=3.0, mode="constant")
    place = [
        (values - edge[0]) / (edge[1] - edge[0]) - 0.5
        for values, edge in zip((x, y), edges, strict=True)
    ]
    crowding: Floats = np.log1p(map_coordinates(smooth, place, order=1, mode="nearest") * 50)
    return crowding / max(float(crowding.max()), 1.0)


def _point_colours() -> Colormap:
    """Return greys from light to dark that are still seen on white."""
    return ListedColormap(colormaps["Greys"](np.linspace(0.42, 0.95, 256)), "points")


def draw_running_median(
    axes: Axes, x: Floats, y: Floats, fewest: int = 10, colour: str = VALIDATION_COLOUR
) -> None:
    """Draw the median and central 68 % of y in bins of x with enough stars."""
    edges = np.arange(np.floor(x.min() * 5), np.ceil(x.max() * 5) + 1) / 5
    bins = np.digitize(x, edges)
    full = [number for number in range(1, len(edges) + 1) if np.sum(bins == number) >= fewest]
    if len(full) < 2:
        return
    middle = np.array([np.mean(x[bins == number]) for number in full])
    levels = np.array([np.percentile(y[bins == number], [16, 50, 84]) for number in full]).T
    axes.fill_between(middle, levels[0], levels[2], color=colour, alpha=0.25, linewidth=0)
    axes.plot(middle, levels[1], color=colour, zorder=4)
