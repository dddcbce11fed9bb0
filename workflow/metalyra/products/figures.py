"""The figures of a study.

Every function takes arrays or tables and returns a `matplotlib.figure.Figure`; only
`save_figure` writes. Nothing depends on the state of pyplot or on a user's matplotlibrc,
and the same input gives the same bytes.
"""

import functools
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib import style as matplotlib_style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, MultipleLocator
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.stats import gaussian_kde

from metalyra.core.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from metalyra.core.phase_differences import wrap_around
from metalyra.core.randomness import generator
from metalyra.core.tables import replace_when_complete

Floats = NDArray[np.float64]
Parameters = ParamSpec("Parameters")

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


def new_figure(width: float, height: float, layout: str = "constrained") -> Figure:
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
    true, predicted = _keep_finite(true, predicted)
    figure = new_figure(4.4, 5.7, layout="compressed")
    main, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    main.set(title=title, ylabel=predicted_label)
    below.set(xlabel=true_label, ylabel=r"$\Delta$[Fe/H] (dex)")
    if not len(true):
        say(main)
        say(below, "")
        return figure
    low, high = _padded_range(np.concatenate([true, predicted]))
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
    _draw_running_median(below, true, residual)
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
    finite = {name: _keep_finite(values)[0] for name, values in samples.items()}
    finite = {name: values for name, values in finite.items() if len(values)}
    figure = new_figure(4.4, 5.6)
    panels = figure.subplots(2, 1, sharex=True)
    figure.get_layout_engine().set(hspace=0.0, h_pad=0.02)
    panels[0].set(title=title, ylabel="Stars per bin")
    panels[1].set(xlabel=FEH_LABEL, ylabel="Stars per bin")
    if not finite:
        say(panels[0])
        say(panels[1], "")
        return figure
    together = np.concatenate(list(finite.values()))
    width = _bin_width(together)
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
def sample_weights(
    feh: ArrayLike, density_weights: ArrayLike, weights: ArrayLike, title: str = ""
) -> Figure:
    """Draw the metallicities that a model is trained on, and how much each star counts.

    After Dékány & Grebel (2022), Fig. 4, and Monti et al. (2024), Fig. 3: the histogram
    and kernel density of [Fe/H], the weights by density, and the final weights.

    Parameters
    ----------
    feh, density_weights, weights : array, shape (n,)
        Metallicities (dex) and weights of the stars; those that are not finite are left
        out.
    title
        Title of the figure.
    """
    feh, density_weights, weights = _keep_finite(feh, density_weights, weights)
    figure = new_figure(4.4, 3.4)
    axes = figure.subplots()
    axes.set(title=title, xlabel=FEH_LABEL, ylabel="Density (1 / dex)")
    if not len(feh):
        say(axes)
        return figure
    width = _bin_width(feh)
    edges = np.arange(np.floor(feh.min() / width), np.ceil(feh.max() / width) + 1.5) * width
    axes.hist(feh, edges, density=True, color="0.85", label=f"stars ({len(feh):,})")
    if np.ptp(feh) > 0:
        grid = np.linspace(edges[0], edges[-1], 400)
        axes.plot(grid, gaussian_kde(feh)(grid), color="#1e8449", label="kernel density")
    right = axes.twinx()
    right.set_ylabel("Weight")
    look = {"linestyle": "none", "marker": "o", "markersize": 2, "markeredgewidth": 0}
    right.plot(feh, weights, color=VALIDATION_COLOUR, alpha=0.5, label="final weights", **look)
    right.plot(feh, density_weights, color="black", label="weights by density", **look)
    for scale in (axes, right):
        scale.set_ylim(0, 1.25 * scale.get_ylim()[1])
    (handles, labels), (others, names) = (
        scale.get_legend_handles_labels() for scale in (axes, right)
    )
    look = {"loc": "upper left", "ncols": 2, "fontsize": 7.5, "markerscale": 2}
    axes.legend(handles + others, labels + names, **look)
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
    period, amplitude, feh = _keep_finite(period, amplitude, feh)
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


def add_metallicity_bar(figure: Figure, axes: Axes, scale: Normalize, **settings: Any) -> None:
    """Add the colour bar of [Fe/H] to axes that have points or cells."""
    bar = figure.colorbar(axes.collections[-1], ax=axes, label=FEH_LABEL, extend="both", **settings)
    bar.locator = MaxNLocator(6, steps=[1, 2, 5, 10])
    bar.minorlocator = MultipleLocator(0.1)
    bar.update_ticks()


def choose_light_curves(
    fits: pd.DataFrame, chosen: Sequence[str] = (), first: int = 0, worst: int = 0
) -> list[str]:
    """Return the stars whose light curves a person should look at, each once.

    Parameters
    ----------
    fits
        Fits of a sample: star_id, snr, status.
    chosen
        Stars asked for.
    first
        So many more stars of the table, in its order.
    worst
        So many more fitted stars, of the lowest S/N.

    Raises
    ------
    ValueError
        If a chosen star is not in the table.
    """
    if missing := sorted(set(chosen) - set(fits["star_id"])):
        raise ValueError(f"no star {', '.join(missing)} in the sample")
    fitted = fits[fits["status"] == "ok"]
    lowest = fitted.sort_values(["snr", "star_id"])["star_id"]
    stars = [*chosen, *fitted["star_id"].head(first), *lowest.head(worst)]
    return list(dict.fromkeys(stars))


@styled
def archive_comparison(fits: pd.DataFrame, stars: pd.DataFrame, parameter: str = "phi31") -> Figure:
    """Draw our Fourier phases minus the archive's against the number of epochs.

    Parameters
    ----------
    fits
        Fits of a sample: star_id, n_epochs, the parameter and its error, status.
    stars
        Its stars: star_id, pulsation_type and ``archive_<parameter>`` (rad, sine series).
    parameter
        A Fourier phase difference.
    """
    figure = new_figure(5.2, 3.6)
    axes = figure.subplots()
    columns = ["star_id", "pulsation_type", f"archive_{parameter}"]
    both = fits[fits["status"] == "ok"].merge(stars[columns], on="star_id")
    both = both[both[f"archive_{parameter}"].notna()]
    if both.empty:
        say(axes)
        return figure
    difference = wrap_around(both[parameter] - both[f"archive_{parameter}"], 0.0)
    for kind, colour in zip(("RRab", "RRc"), (DATA_COLOUR, REJECTED_COLOUR), strict=True):
        rows = (both["pulsation_type"] == kind).to_numpy()
        if not rows.any():
            continue
        values = difference[rows]
        median = float(np.median(values))
        scatter = 1.4826 * float(np.median(np.abs(values - median)))
        label = f"{kind}: {rows.sum()} stars, median {median:+.3f}, scatter {scatter:.3f} rad"
        axes.errorbar(
            both["n_epochs"][rows],
            values,
            both[f"{parameter}_err"][rows],
            fmt="o",
            markersize=2.5,
            elinewidth=0.4,
            alpha=0.6,
            color=colour,
            label=label,
        )
    axes.axhline(0.0, color=MODEL_COLOUR, linewidth=1)
    axes.set_ylim(-1.5, 1.5)
    axes.set_xlabel("Number of epochs")
    axes.set_ylabel(rf"$\Delta\phi_{{{parameter.removeprefix('phi')}}}$, ours $-$ archive (rad)")
    axes.legend(fontsize=7, loc="upper right", frameon=False)
    return figure


@styled
def match_quality(
    separations: ArrayLike,
    by_chance: ArrayLike,
    trials: int,
    period_differences: ArrayLike,
    period_agreement: float,
) -> Figure:
    """Draw the separations of a cross-match and how well the periods agree.

    Parameters
    ----------
    separations
        Of the matches (arcsec).
    by_chance
        Of the matches of all trials with shifted positions (arcsec).
    trials
        Number of these trials.
    period_differences
        Own period minus that of the match (d), for stars that have both.
    period_agreement
        Largest difference (d) of periods that are the same.
    """
    figure = new_figure(7.0, 3.2)
    left, right = figure.subplots(1, 2)
    (found,), (chance,) = _keep_finite(separations), _keep_finite(by_chance)
    if found.size:
        smallest, largest = 1e-3, 1.01 * max(1e-2, *found, *chance)
        bins = np.geomspace(smallest, largest, 40)
        left.hist(
            np.maximum(found, smallest),
            bins,
            color=DATA_COLOUR,
            alpha=0.7,
            label=f"{found.size} matches",
        )
        left.hist(
            np.maximum(chance, smallest),
            bins,
            weights=np.full(chance.size, 1 / trials),
            histtype="step",
            color=MODEL_COLOUR,
            label=f"{chance.size / trials:.1f} by chance",
        )
        left.set_xscale("log")
        left.legend(loc="upper left")
    else:
        say(left, "no matches")
    left.set_xlabel("Separation (arcsec)")
    left.set_ylabel("Stars")
    (differences,) = _keep_finite(period_differences)
    if differences.size:
        smallest = 1e-8
        size = np.maximum(np.abs(differences), smallest)
        right.hist(size, np.geomspace(smallest, 1.0, 49), color=DATA_COLOUR, alpha=0.7)
        right.axvline(period_agreement, color=MODEL_COLOUR, linewidth=1)
        share = np.mean(np.abs(differences) < period_agreement)
        right.set_title(f"{share:.1%} of {differences.size} periods agree")
        right.set_xscale("log")
    else:
        say(right, "no periods to compare")
    right.set_xlabel("Difference of the periods (d)")
    return figure


@styled
def light_curve_panel(
    star_ids: Sequence[str],
    fits: pd.DataFrame,
    folded: pd.DataFrame,
    metallicities: pd.DataFrame | None = None,
    columns: int = 3,
) -> Figure:
    """Draw the folded light curves of chosen stars with their fits.

    Points that the fit rejected are crosses; the curve is the mean of the Gaussian
    process, the band its standard error. One and a half cycles are shown, magnitudes
    increase downwards.

    Parameters
    ----------
    star_ids
        The stars to draw, in this order.
    fits
        Their fits: star_id, band, period, n_epochs, mean_mag, curve, curve_err, status.
    folded
        Their folded light curves: star_id, phase, mag, kept and, where known, mag_err.
    metallicities
        Their [Fe/H]: star_id, feh.
    columns
        Panels per row.
    """
    rows = max(1, math.ceil(len(star_ids) / columns))
    figure = new_figure(2.7 * columns, 2.1 * rows + 0.3)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for axes in panels[len(star_ids) :]:
        axes.set_axis_off()
    if not len(star_ids):
        say(panels[(columns - 1) // 2])
        return figure
    fits = fits.drop_duplicates("star_id").set_index("star_id")
    points = dict(list(folded[folded["star_id"].isin(star_ids)].groupby("star_id")))
    feh = {} if metallicities is None else metallicities.set_index("star_id")["feh"].to_dict()
    for number, (axes, star_id) in enumerate(zip(panels, star_ids, strict=False)):
        fit = fits.loc[star_id]
        _draw_light_curve(axes, fit, points.get(star_id, folded.head(0)))
        axes.set_title(_describe_star(star_id, fit, feh.get(star_id, np.nan)), fontsize=7.5)
        axes.tick_params(labelsize=7.5)
        axes.tick_params(labelbottom=number + columns >= len(star_ids))
    bands = [BAND_LABELS.get(band, band) for band in fits.loc[list(star_ids), "band"].unique()]
    figure.supxlabel("Pulsation phase", fontsize=10)
    figure.supylabel(f"{', '.join(bands)} (mag)", fontsize=10)
    return figure


@styled
def learning_curves(histories: Mapping[int, pd.DataFrame], title: str = "") -> Figure:
    """Draw training and validation loss by epoch, one panel per fold.

    After Monti et al. (2024), Fig. 5. The dotted line marks the epoch with the smallest
    validation loss.

    Parameters
    ----------
    histories
        By fold, a table with columns epoch, loss and, where there was a validation set,
        val_loss.
    title
        Title of the figure.
    """
    columns = min(max(len(histories), 1), 5)
    rows = max(1, math.ceil(len(histories) / columns))
    figure = new_figure(max(1.9 * columns + 0.5, 4.4), 2.2 * rows + 0.5)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes in panels[len(histories) :]:
        axes.set_axis_off()
    figure.suptitle(title, fontsize=10)
    if not histories:
        say(panels[0], "no training history")
        return figure
    for axes, (fold, history) in zip(panels, sorted(histories.items()), strict=False):
        axes.plot(history["epoch"], history["loss"], color=MODEL_COLOUR, label="training")
        if "val_loss" in history:
            axes.plot(
                history["epoch"], history["val_loss"], color=VALIDATION_COLOUR, label="validation"
            )
            best = history.loc[history["val_loss"].idxmin()]
            axes.axvline(best["epoch"], color="0.4", linestyle=":", linewidth=0.9)
        axes.set_yscale("log")
        axes.text(
            0.94,
            0.93,
            f"fold {fold}",
            transform=axes.transAxes,
            ha="right",
            va="top",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )
    panels[0].legend(loc="lower left", handlelength=1.4, fontsize=7.5)
    figure.supxlabel("Epoch", fontsize=10)
    figure.supylabel("Loss", fontsize=10)
    return figure


@styled
def search_trials(results: pd.DataFrame, metric: str, title: str = "") -> Figure:
    """Draw the metric of a search's trials against each hyper-parameter, one panel for each.

    Parameters
    ----------
    results
        A row for each training: changes, the values of the hyper-parameters as JSON;
        epochs; and the metric. Those without a metric are counted in the title.
    metric
        Name of the column.
    title
        Title of the figure.
    """
    known = results[np.isfinite(results[metric])]
    tried = [json.loads(changes) for changes in known["changes"]]
    keys = list(dict.fromkeys(key for changes in tried for key in changes))
    figure = new_figure(max(2.6 * len(keys) + 0.8, 4.4), 3.4)
    missing = len(results) - len(known)
    figure.suptitle(f"{title} ({missing} diverged)" if missing else title, fontsize=10)
    panels = figure.subplots(1, max(len(keys), 1), squeeze=False, sharey=True)[0]
    if not keys:
        say(panels[0], "no trials")
        return figure
    epochs = known["epochs"].to_numpy(dtype=float)
    scale = LogNorm(epochs.min(), max(epochs.max(), epochs.min() + 1))
    for axes, key in zip(panels, keys, strict=True):
        values = [json.dumps(changes[key]) for changes in tried]
        order = sorted(set(values), key=_number_first)
        points = axes.scatter(
            [order.index(value) for value in values],
            known[metric],
            c=epochs,
            norm=scale,
            cmap="viridis_r",
            s=18,
            linewidths=0,
        )
        labels = [re.sub(r'["{}\[\]]', "", text) for text in order]
        axes.set_xticks(range(len(order)), labels, rotation=45, ha="right", fontsize=7.5)
        axes.tick_params(axis="x", which="minor", bottom=False, top=False)
        axes.set_xlim(-0.5, len(order) - 0.5)
        axes.set_xlabel(key)
    panels[0].set_ylabel(metric)
    bar = figure.colorbar(points, ax=list(panels), label="Epochs")
    bar.set_ticks(sorted(set(epochs)), labels=[f"{number:.0f}" for number in sorted(set(epochs))])
    bar.minorticks_off()
    return figure


def _number_first(text: str) -> tuple[float, str]:
    """Order JSON texts by number, and those of no number after them."""
    value = json.loads(text)
    return (value if isinstance(value, int | float) else math.inf, text)


def _keep_finite(*columns: ArrayLike) -> list[Floats]:
    """Return the columns as floats, without the rows where any is not finite."""
    arrays = [np.asarray(column, dtype=float) for column in columns]
    finite = np.all([np.isfinite(array) for array in arrays], axis=0)
    return [array[finite] for array in arrays]


def _padded_range(values: Floats) -> tuple[float, float]:
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
    crowding = np.log1p(map_coordinates(smooth, place, order=1, mode="nearest") * 50)
    return crowding / max(crowding.max(), 1.0)


def _point_colours() -> Colormap:
    """Return greys from light to dark that are still seen on white."""
    return ListedColormap(colormaps["Greys"](np.linspace(0.42, 0.95, 256)), "points")


def _draw_running_median(axes: Axes, x: Floats, y: Floats, fewest: int = 10) -> None:
    """Draw the median and central 68 % of y in bins of x with enough stars."""
    edges = np.arange(np.floor(x.min() * 5), np.ceil(x.max() * 5) + 1) / 5
    bins = np.digitize(x, edges)
    full = [number for number in range(1, len(edges) + 1) if np.sum(bins == number) >= fewest]
    if len(full) < 2:
        return
    middle = np.array([np.mean(x[bins == number]) for number in full])
    levels = np.array([np.percentile(y[bins == number], [16, 50, 84]) for number in full]).T
    axes.fill_between(middle, levels[0], levels[2], color="#2471a3", alpha=0.25, linewidth=0)
    axes.plot(middle, levels[1], color="#2471a3", zorder=4)


def _bin_width(values: Floats) -> float:
    """Return the Freedman-Diaconis width of histogram bins, on twentieths of a dex."""
    quartiles = np.percentile(values, [25, 75])
    width = 2 * np.ptp(quartiles) * len(values) ** (-1 / 3)
    return max(1, round(width * 20)) / 20


def _draw_light_curve(axes: Axes, fit: pd.Series, points: pd.DataFrame) -> None:
    """Draw one and a half cycles of one star, brighter upwards."""
    axes.set_xlim(0, 1.5)
    axes.xaxis.set_major_locator(MultipleLocator(0.5))
    if points.empty:
        say(axes, fit["status"], fontsize=9)
        return
    cycles = pd.concat([points, points.assign(phase=points["phase"] + 1)])
    cycles = cycles[cycles["phase"] < 1.5]
    kept = cycles["kept"].to_numpy(dtype=bool)
    errors = cycles["mag_err"] if "mag_err" in cycles else pd.Series(np.nan, cycles.index)
    size = float(np.clip(60 / np.sqrt(len(points)), 1.6, 3.5))
    axes.errorbar(
        cycles["phase"][kept],
        cycles["mag"][kept],
        errors[kept].fillna(0.0),
        fmt="o",
        markersize=size,
        markeredgewidth=0,
        color=DATA_COLOUR,
        ecolor="0.75",
        elinewidth=0.5,
        alpha=0.8,
    )
    axes.plot(
        cycles["phase"][~kept],
        cycles["mag"][~kept],
        "x",
        markersize=1.2 * size,
        markeredgewidth=0.9,
        color=REJECTED_COLOUR,
    )
    curve = fit["curve"]
    if isinstance(curve, (np.ndarray, list)) and len(curve):
        phase = np.arange(math.ceil(1.5 * len(curve)) + 1) / len(curve)
        model = np.resize(np.asarray(curve, dtype=float), len(phase)) + fit["mean_mag"]
        axes.plot(phase, model, color=MODEL_COLOUR, zorder=3)
        if isinstance(fit.get("curve_err"), (np.ndarray, list)):
            error = np.resize(np.asarray(fit["curve_err"], dtype=float), len(phase))
            axes.fill_between(
                phase,
                model - error,
                model + error,
                color=MODEL_COLOUR,
                alpha=0.3,
                linewidth=0,
                zorder=2.5,
            )
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.invert_yaxis()


def _describe_star(star_id: str, fit: pd.Series, feh: float) -> str:
    """Return the name of a star and below it period, epochs and metallicity."""
    facts = []
    if np.isfinite(fit["period"]):
        facts.append(f"$P$ = {fit['period']:.5f} d")
    if np.isfinite(fit["n_epochs"]):
        facts.append(f"$N$ = {fit['n_epochs']:.0f}")
    if np.isfinite(feh):
        facts.append(f"[Fe/H] = ${feh:.2f}$")
    return f"{star_id}\n{', '.join(facts)}"
