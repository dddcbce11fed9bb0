"""Figures of metallicities: their distribution, and how they agree with others."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter, map_coordinates

from metalyra.core.arrays import Floats
from metalyra.core.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from metalyra.core.statuses import OK
from metalyra.products.figures.drawing import Subject, figure
from metalyra.products.figures.style import (
    BACKING,
    BAND_LABELS,
    FEH_COLOURS,
    FEH_LABEL,
    MODEL_COLOUR,
    MOST_VECTORS,
    SAMPLE_COLOURS,
    VALIDATION_COLOUR,
    add_metallicity_bar,
    bin_width,
    count_stars,
    draw_metallicity_points,
    explain_marks,
    find_finite,
    keep_finite,
    new_figure,
    say,
    scale_of_means,
    styled,
    wrap,
)

MOST_POINTS = 5_000
"""A diagram of more stars than this shows the mean of cells."""


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
    models = catalogue["model"].fillna("")
    origins = models.where(models != "", catalogue["relation"].fillna(""))
    samples: dict[str, pd.Series] = {}
    for (sample, origin), stars in catalogue.groupby(["sample", origins], sort=False):
        title, source = study.call(str(sample)), study.call(str(origin))
        whole = f"{title}: {source}"
        # A model that is trained on the sample names it.
        samples[source if title in source and source not in samples else whole] = stars["feh"]
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
        stars["period"],
        stars["amplitude"],
        stars["feh"],
        subject.settings["band"],
        subject.title,
        stars["pulsation_type"].fillna("").to_numpy(object),
    )


@figure("recovery", of="simulated sample", reads=("truth",), category="Truth")
def draw_recovery(subject: Subject) -> Figure:
    """Draw the metallicities of a sample against the simulated ones."""
    pairs = subject.read("truth")
    stars = pairs[pairs["sample"] == subject.names["sample"]]
    return predicted_against_true(
        stars["feh_true"], stars["feh"], title=subject.title, true_label="Simulated [Fe/H] (dex)"
    )


@styled
def predicted_against_true(
    true: ArrayLike,
    predicted: ArrayLike,
    title: str = "",
    true_label: str = f"True {FEH_LABEL}",
    predicted_label: str = f"Predicted {FEH_LABEL}",
    errors: ArrayLike | None = None,
) -> Figure:
    """Draw predicted against true metallicities, with residuals and metrics.

    After Dékány & Grebel (2022), Fig. 6. Darker points have more neighbours; the lines
    in the residuals are the running median and the limits of the central 68 %.

    Parameters
    ----------
    true, predicted : array, shape (n,)
        Metallicities (dex); pairs that are not finite are left out.
    title, true_label, predicted_label
        Texts of the figure.
    errors : array, shape (n,), optional
        Of the true ones (dex), where they are labels: they are drawn, and R2 is weighted by
        their inverse squares if all are known and positive.
    """
    spread = np.full(len(np.asarray(true)), np.nan) if errors is None else np.asarray(errors, float)
    spread = spread[find_finite(true, predicted)]
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
    has_errors = bool(np.all(spread > 0))
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
            rasterized=len(true) > MOST_VECTORS,
        )
        if has_errors and len(true) <= MOST_VECTORS:
            look = {"linestyle": "none", "ecolor": "0.8", "elinewidth": 0.5, "zorder": 0.5}
            axes.errorbar(true, values, xerr=spread, **look)
    main.plot([low, high], [low, high], color=MODEL_COLOUR, zorder=3)
    main.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    below.axhline(0, color=MODEL_COLOUR, zorder=3)
    draw_running_median(below, true, residual)
    reach = max(0.1, 1.08 * float(np.abs(residual).max()))
    below.set_ylim(-reach, reach)
    below.yaxis.set_major_locator(MaxNLocator(4, symmetric=True, steps=[1, 2, 5, 10]))
    text = describe_residuals(true, predicted, spread if has_errors else None)
    main.text(0.04, 0.96, text, transform=main.transAxes, va="top", zorder=5, bbox=BACKING)
    if has_errors:
        _draw_usual_error(main, float(np.median(spread)))
    figure.align_ylabels()
    return figure


def _draw_usual_error(axes: Axes, error: float) -> None:
    """Draw the median error of the labels in a corner that has few stars, with its value."""
    low, high = axes.get_xlim()
    x, y = high - 0.06 * (high - low) - error, low + 0.07 * (high - low)
    axes.errorbar(x, y, xerr=error, color="0.3", capsize=2, elinewidth=0.9)
    axes.text(
        x, y + 0.02 * (high - low), f"error of labels, median {error:.2f}", ha="right", fontsize=8
    )


def describe_residuals(true: Floats, predicted: Floats, errors: Floats | None = None) -> str:
    """Return number, bias, RMSE, MAE and R2 of predictions, one a line.

    With errors of the true ones, R2 is weighted by their inverse squares, as that of the cards
    of models and of the papers; all else counts every star alike.
    """
    lines = [
        f"$N$ = {len(true):,}",
        f"bias = ${np.mean(predicted - true):+.3f}$ dex",
        f"RMSE = {root_mean_squared_error(true, predicted):.3f} dex",
        f"MAE = {mean_absolute_error(true, predicted):.3f} dex",
    ]
    if np.ptp(true) > 0:
        weights = None if errors is None else 1 / np.square(errors)
        weighted = " unweighted" if errors is None else " weighted"
        lines.append(f"$R^2${weighted} = {r2_score(true, predicted, weights):.3f}")
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
            label = wrap(f"{name} ({len(values):,})", figure.get_figwidth())
            axes.hist(values, edges, label=label, **look)
            if np.ptp(values) > 0:
                density = gaussian_kde(values)(grid)
                axes.plot(grid, density * len(values) * width, color=colour)
    panels[0].set_yscale("log")
    panels[0].yaxis.set_major_formatter("{x:,.0f}")
    panels[0].set_ylim(bottom=0.5)
    panels[1].set_ylim(bottom=0)
    columns = 1 if max(map(len, finite)) > 25 else 2
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", handlelength=1.4, ncols=columns)
    figure.align_ylabels()
    return figure


@styled
def bailey_diagram(
    period: ArrayLike,
    amplitude: ArrayLike,
    feh: ArrayLike,
    band: str,
    title: str = "",
    types: ArrayLike | None = None,
) -> Figure:
    """Draw the period-amplitude diagram, coloured by metallicity.

    After Dékány & Grebel (2022), Fig. 3. Of more than `MOST_POINTS` stars the mean of cells is
    drawn, with contours of the number of stars. Lines are those of the Oosterhoff groups, in
    bands that have one: see `oosterhoff_amplitude`.

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
    types : array of str, shape (n,), optional
        Pulsation types, which have their own marks.
    """
    finite = find_finite(period, amplitude, feh)
    kinds = None if types is None else np.asarray(types, dtype=object)[finite]
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
    bar: dict[str, Any] = {}
    if len(feh) > MOST_POINTS:
        bar = {"scale": scale_of_means(feh), "label": f"Mean {FEH_LABEL}"}
        _draw_mean_cells(axes, period, amplitude, feh, bar["scale"])
    else:
        draw_metallicity_points(axes, period, amplitude, feh, kinds)
    axes.set_ylim(0, 1.08 * amplitude.max())
    if kinds is None or "RRab" in kinds:
        _draw_oosterhoff(axes, band)
    add_metallicity_bar(figure, axes, **bar)
    number = count_stars(len(feh), kinds)
    axes.set_title(f"{title}: {number}" if title else number)
    if kinds is not None and len(feh) <= MOST_POINTS:
        explain_marks(figure, kinds, loc="outside lower left", ncols=3)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower right", ncols=2, handlelength=1.6)
    return figure


def _draw_mean_cells(
    axes: Axes, period: Floats, amplitude: Floats, feh: Floats, scale: Normalize
) -> None:
    """Draw the mean [Fe/H] of cells, and contours around 25, 50, 75 and 95 % of the stars."""
    across, up = (np.percentile(values, [0.1, 99.9]) for values in (period, amplitude))
    counts, x, y = np.histogram2d(period, amplitude, 90, [across, up])
    sums, _, _ = np.histogram2d(period, amplitude, [x, y], weights=feh)
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    axes.pcolormesh(x, y, means.T, cmap=FEH_COLOURS, norm=scale, rasterized=True)
    smooth = gaussian_filter(counts, 2.0)
    ordered = np.sort(smooth.ravel())[::-1]
    share = np.cumsum(ordered) / ordered.sum()
    levels = np.unique([ordered[np.searchsorted(share, part)] for part in (0.95, 0.75, 0.5, 0.25)])
    middles = [(edges[1:] + edges[:-1]) / 2 for edges in (x, y)]
    axes.contour(*middles, smooth.T, levels=levels, colors="black", linewidths=0.7)


def oosterhoff_amplitude(period: Floats, band: str, group: str) -> Floats | None:
    """Return the amplitudes (mag) of RRab stars of an Oosterhoff group at periods (d).

    Parameters
    ----------
    period : array, shape (n,)
        Periods (d).
    band
        Band of the amplitude.
    group
        "I", or "II", whose periods are longer by 0.06 dex.

    Returns
    -------
    array, shape (n,), or None
        None in a band without a known ratio to the amplitude in V. The line in V is that of
        Zorotovic et al. (2010, AJ 139, 357), those in I are within 0.01 mag of Kunder et al.'s
        (2013, AJ 145, 33) for both groups. The line in G is of no paper: it is that in I, times
        the ratio of the amplitudes of OGLE-III and Gaia DR3 RRab stars of the Magellanic Clouds,
        which are little reddened (``python -m benchmarks.amplitudes``).
    """
    if band not in _AMPLITUDES_OF_V:
        return None
    x = np.log10(period) - (0.06 if group == "II" else 0.0)
    return _AMPLITUDES_OF_V[band] * (-2.627 - 22.046 * x - 30.876 * x**2)


_AMPLITUDES_OF_V: Mapping[str, float] = {"V": 1.0, "I": 1 / 1.6, "G": 1.39 / 1.6}
"""Amplitudes by band, in units of that in V."""


def _draw_oosterhoff(axes: Axes, band: str) -> None:
    """Draw the lines of both Oosterhoff groups where RRab stars are."""
    limits = axes.get_xlim(), axes.get_ylim()
    for group, start, line in (("I", 0.44, "--"), ("II", 0.505, ":")):
        period = np.linspace(start, start + 0.35, 100)
        amplitude = oosterhoff_amplitude(period, band, group)
        if amplitude is None:
            continue
        drawn = amplitude > 0.1
        look: dict[str, Any] = {"color": "black", "linewidth": 1.1, "linestyle": line}
        axes.plot(period[drawn], amplitude[drawn], label=f"Oosterhoff {group}", **look)
    axes.set(xlim=limits[0], ylim=limits[1])


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
    # Over the points, with a white edge that tells it from them.
    edge = [withStroke(linewidth=3.2, foreground="white")]
    axes.plot(middle, levels[1], color=colour, linewidth=1.8, zorder=4, path_effects=edge)
    edge = [withStroke(linewidth=2.4, foreground="white")]
    look: dict[str, Any] = {"color": colour, "linewidth": 1.0, "linestyle": (0, (4, 2))}
    for level in (levels[0], levels[2]):
        axes.plot(middle, level, path_effects=edge, zorder=4, **look)
