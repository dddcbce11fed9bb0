"""Figures of two metallicities of the same stars."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from metalyra.core.arrays import Floats
from metalyra.core.metrics import density_mode
from metalyra.core.tables import describe, read_metadata, read_rows
from metalyra.products.comparisons import summarise_comparison
from metalyra.products.figures.drawing import Subject, figure
from metalyra.products.figures.light_curves import light_curve_panel
from metalyra.products.figures.metallicities import draw_running_median, padded_range
from metalyra.products.figures.style import (
    BACKING,
    FEH_LABEL,
    MODEL_COLOUR,
    SAMPLE_COLOURS,
    bin_width,
    keep_finite,
    new_figure,
    styled,
    wrap,
)

_FEW = 300
"""Stars up to which their errors are drawn, too."""

_COLOURS = colormaps["viridis"]


@figure(
    "comparisons",
    of="comparison",
    reads=("compared",),
    settings=("title",),
    category="Comparisons",
    product="star by star",
)
def draw_comparison(subject: Subject) -> Figure:
    """Draw a comparison star by star."""
    about = read_metadata(str(subject.files["compared"]))
    return comparison_figure(subject.read("compared"), title=subject.settings["title"], **about)


@figure(
    "compared_distributions",
    of="comparison",
    reads=("compared",),
    settings=("title",),
    category="Comparisons",
    product="distributions",
)
def draw_distributions(subject: Subject) -> Figure:
    """Draw the distributions of both sides of a comparison."""
    about, table = read_metadata(str(subject.files["compared"])), subject.read("compared")
    sides = {about["of"]: table["feh"], about["against"]: table["reference_feh"]}
    return distribution_figure(sides, subject.settings["title"])


@figure(
    "distributions",
    of="distribution",
    reads=("distributed",),
    settings=("title",),
    category="Comparisons",
    product="distributions",
)
def draw_distribution(subject: Subject) -> Figure:
    """Draw the distributions of the metallicities of several samples."""
    stars = subject.read("distributed")
    sides = {title: stars.loc[stars["title"] == title, "feh"] for title in stars["title"].unique()}
    return distribution_figure(sides, subject.settings["title"])


@figure(
    "discrepant_stars",
    of="comparison",
    reads=("compared", "fits", "folded"),
    settings=("discrepant", "title"),
    category="Comparisons",
    product="most discrepant stars",
)
def draw_discrepant(subject: Subject) -> Figure:
    """Draw the light curves of the stars that differ most."""
    table = subject.read("compared").head(subject.settings["discrepant"])
    shown = table["star_id"].tolist()
    fits, folded = (read_rows(list(subject.files[name]), shown) for name in ("fits", "folded"))
    remarks = {star["star_id"]: _describe_pair(star) for _, star in table.iterrows()}
    title = f"{subject.settings['title']}: most discrepant stars"
    types = table[["star_id", "pulsation_type"]]
    return light_curve_panel(shown, fits, folded, types, remarks=remarks, title=title)


def _describe_pair(star: pd.Series) -> str:
    """Return both metallicities of a star, and its other name."""
    other = f" ({star['reference_id']})" if star["reference_id"] != star["star_id"] else ""
    return f"[Fe/H] = ${star['feh']:.2f}$ against ${star['reference_feh']:.2f}${other}"


@styled
def comparison_figure(
    table: pd.DataFrame, of: str, against: str, colour: str, title: str = ""
) -> Figure:
    """Draw one [Fe/H] of stars against another, with the differences and their numbers.

    Parameters
    ----------
    table
        Of a `metalyra.products.comparisons.Comparison`.
    of, against
        What its two metallicities are called.
    colour
        The column that colours the points.
    title
        Of the figure.
    """
    figure = new_figure(4.8, 5.8)
    main, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    main.set(title=title, ylabel=wrap(f"[Fe/H], {of} (dex)", 4.2))
    below.set(xlabel=wrap(f"[Fe/H], {against} (dex)", 4.2), ylabel=r"$\Delta$[Fe/H] (dex)")
    theirs, ours = table["reference_feh"].to_numpy(float), table["feh"].to_numpy(float)
    limits = padded_range(np.concatenate([theirs, ours]))
    shades = table[colour].to_numpy(float)
    known = shades[np.isfinite(shades)]
    scale = Normalize(*np.percentile(known, [2, 98])) if len(known) else Normalize()
    known_before = table["in_calibration"].to_numpy(bool)
    if len(table) <= _FEW:
        # An error that is not known is not drawn.
        errors = table[["feh_err", "reference_feh_err"]].fillna(0.0).to_numpy(float).T
        _draw_errors(main, theirs, ours, *errors)
        _draw_errors(below, theirs, ours - theirs, np.hypot(*errors))
    for axes, values in ((main, ours), (below, ours - theirs)):
        # Those calibrated on are squares, a mark that tells them apart in any colour.
        for rows, marker in ((~known_before, "o"), (known_before, "s")):
            points = axes.scatter(
                theirs[rows],
                values[rows],
                c=shades[rows],
                s=float(np.clip(12000 / len(table), 2.5, 16)),
                marker=marker,
                cmap=_COLOURS,
                norm=scale,
                plotnonfinite=True,
                linewidths=0.4 if len(table) <= _FEW else 0,
                edgecolors="white",
            )
    main.plot(limits, limits, color=MODEL_COLOUR, zorder=3)
    main.set(xlim=limits, ylim=limits)
    below.axhline(0, color=MODEL_COLOUR, zorder=3)
    draw_running_median(below, theirs, ours - theirs, fewest=5, colour="black")
    reach = max(0.1, 1.08 * float(np.abs(ours - theirs).max()))
    below.set_ylim(-reach, reach)
    below.yaxis.set_major_locator(MaxNLocator(4, symmetric=True, steps=[1, 2, 5, 10]))
    _write_numbers(main, table)
    column = describe(colour)
    unit = f" ({column.unit})" if column.unit else ""
    figure.colorbar(points, ax=[main, below], label=f"{column.description}{unit}", extend="both")
    figure.align_ylabels([main, below])
    return figure


def _draw_errors(
    axes: Axes, x: Floats, y: Floats, y_err: Floats, x_err: Floats | None = None
) -> None:
    """Draw errors behind the points."""
    axes.errorbar(x, y, y_err, x_err, fmt="none", ecolor="0.8", elinewidth=0.6, zorder=0.5)


def _write_numbers(axes: Axes, table: pd.DataFrame) -> None:
    """Write the numbers of a comparison into the corner that has no stars."""
    numbers = summarise_comparison(table).iloc[0]
    lines = [
        f"$N$ = {numbers['n']:,}",
        f"bias = ${numbers['bias_mean']:+.3f}$ (median ${numbers['bias_median']:+.3f}$) dex",
        f"scatter = {numbers['scatter_std']:.3f} (robust {numbers['scatter_mad']:.3f}) dex",
        f"RMSE = {numbers['rmse']:.3f} dex",
    ]
    if np.isfinite(numbers["pearson_r"]):
        lines.append(f"$r$ = {numbers['pearson_r']:.3f}")
    look: dict[str, Any] = {
        "transform": axes.transAxes,
        "fontsize": 8,
        "zorder": 5,
        "bbox": BACKING,
    }
    axes.text(0.03, 0.97, "\n".join(lines), va="top", **look)
    remarks = {
        "n_in_calibration": "calibrated on (squares)",
        "n_in_training": "trained on, out of fold",
    }
    lines = [f"{numbers[name]:,} {remark}" for name, remark in remarks.items() if numbers[name]]
    if lines:
        axes.text(0.97, 0.03, "\n".join(lines), ha="right", **look)


@styled
def distribution_figure(sides: Mapping[str, pd.Series], title: str = "") -> Figure:
    """Draw distributions of metallicities with kernel densities and their modes.

    After Dékány & Grebel (2022), Figs. 9 and 11, right.

    Parameters
    ----------
    sides
        Metallicities (dex) by what they are called.
    title
        Of the figure.
    """
    from scipy.stats import gaussian_kde

    figure = new_figure(4.4, 3.6)
    axes = figure.subplots()
    axes.set(title=title, xlabel=FEH_LABEL, ylabel="Density (1 / dex)")
    values_of = {name: keep_finite(values)[0] for name, values in sides.items()}
    together = np.concatenate(list(values_of.values()))
    width = bin_width(together)
    low, high = np.floor(together.min() / width) - 1, np.ceil(together.max() / width) + 1
    edges = np.arange(low, high + 0.5) * width
    grid = np.linspace(edges[0], edges[-1], 400)
    lines = 0
    # As many as a distribution may have, in other colours each.
    for (name, values), colour in zip(values_of.items(), SAMPLE_COLOURS[1:], strict=False):
        counts = np.histogram(values, edges)[0] / (width * len(values))
        axes.stairs(counts, edges, color=colour, alpha=0.3, fill=True)
        mode, label = density_mode(values), f"{name} ({len(values):,})"
        if np.isfinite(mode):
            density = gaussian_kde(values)
            axes.plot(grid, density(grid), color=colour)
            axes.plot([mode, mode], [0, density(mode)[0]], "--", color=colour, linewidth=1)
            label += f", mode ${mode:.2f}$"
        label = wrap(label, 1.2 * figure.get_figwidth())  # in letters smaller than a title's
        lines += label.count("\n") + 1
        axes.plot([], [], color=colour, label=label)
    # The legend stands above what is drawn.
    axes.set_ylim(0, (1.1 + 0.09 * lines) * axes.dataLim.ymax)
    axes.legend(loc="upper left", handlelength=1.2, fontsize=8)
    return figure
