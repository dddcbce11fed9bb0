"""Figures of light curves and of what was fitted to them."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import style as matplotlib_style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, MultipleLocator

from metalyra.core.phase_differences import wrap_around
from metalyra.core.statuses import OK
from metalyra.core.tables import read_rows
from metalyra.products.figures.drawing import Subject, figure
from metalyra.products.figures.style import (
    BAND_LABELS,
    DATA_COLOUR,
    MODEL_COLOUR,
    REJECTED_COLOUR,
    STYLE,
    count_stars,
    mark_of,
    new_figure,
    say,
    styled,
)

_LARGEST_DIFFERENCE = 1.5
"""Difference of phases (rad) up to which stars are shown beside the archive's."""


@figure(
    "light_curves",
    of="sample",
    reads=("stars", "fits", "folded", "feh"),
    settings=("show",),
    category="Light curves",
    product="light curves",
)
def draw_light_curves(subject: Subject) -> Figure:
    """Draw light curves of a sample with their fits."""
    fits, show = subject.read("fits"), subject.settings["show"]
    reasons = choose_light_curves(fits, show["stars"], show["first"], show["worst"])
    folded = read_rows(list(subject.files["folded"]), list(reasons))
    stars = subject.read("stars").drop_duplicates("star_id")[["star_id", "pulsation_type"]]
    # Of several models, whose files come one after the other, the first.
    if subject.files["feh"]:
        found = read_rows(list(subject.files["feh"]), list(reasons)).drop_duplicates("star_id")
        columns = ["star_id", "feh", "feh_err", "status"]
        stars = stars.merge(found[columns], on="star_id", how="left")
    return light_curve_panel(
        list(reasons), fits, folded, stars, remarks=reasons, title=subject.title
    )


@figure(
    "archive",
    of="compared sample",
    reads=("stars", "fits"),
    category="Light curves",
    product="against the archive",
)
def draw_archive(subject: Subject) -> Figure:
    """Draw our Fourier phases of a sample against those of its archive."""
    return archive_comparison(subject.read("fits"), subject.read("stars"), title=subject.title)


def choose_light_curves(
    fits: pd.DataFrame, chosen: Sequence[str] = (), first: int = 0, worst: int = 0
) -> dict[str, str]:
    """Return the stars whose light curves a person should look at, each with the reason.

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
    reasons = dict.fromkeys(lowest.head(worst), "lowest S/N")
    reasons |= dict.fromkeys(fitted["star_id"].head(first), "first in the list")
    reasons |= dict.fromkeys(chosen, "asked for")
    stars = [*chosen, *fitted["star_id"].head(first), *lowest.head(worst)]
    return {star: reasons[star] for star in dict.fromkeys(stars)}


@styled
def light_curve_panel(
    star_ids: Sequence[str],
    fits: pd.DataFrame,
    folded: pd.DataFrame,
    metallicities: pd.DataFrame | None = None,
    columns: int = 3,
    remarks: Mapping[str, str] | None = None,
    title: str = "",
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
        Their [Fe/H]: star_id and, where known, feh, feh_err, pulsation_type and status.
    columns
        Panels per row.
    remarks
        One more line above the panel of a star, by `star_id`.
    title
        Title of the figure.
    """
    rows = max(1, math.ceil(len(star_ids) / columns))
    figure = new_figure(2.7 * columns, 2.3 * rows + 0.5)
    figure.suptitle(title, fontsize=10)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for axes in panels[len(star_ids) :]:
        axes.set_axis_off()
    if not len(star_ids):
        say(panels[(columns - 1) // 2])
        return figure
    fits = fits.drop_duplicates("star_id").set_index("star_id")
    fit_of = dict(fits.iterrows())
    points = dict(list(folded[folded["star_id"].isin(star_ids)].groupby("star_id")))
    said = {} if metallicities is None else metallicities.set_index("star_id").to_dict("index")
    for number, (axes, star_id) in enumerate(zip(panels, star_ids, strict=False)):
        fit = fit_of[star_id]
        _draw_light_curve(axes, fit, points.get(star_id, folded.head(0)))
        lines = [
            _describe_star(star_id, fit, said.get(star_id, {})),
            (remarks or {}).get(star_id),
        ]
        axes.set_title("\n".join(filter(None, lines)), fontsize=7.5)
        axes.tick_params(labelsize=7.5)
        axes.tick_params(labelbottom=number + columns >= len(star_ids))
    bands = [BAND_LABELS.get(band, band) for band in fits.loc[list(star_ids), "band"].unique()]
    figure.supxlabel("Pulsation phase", fontsize=10)
    figure.supylabel(f"{', '.join(bands)} (mag)", fontsize=10)
    return figure


@styled
def archive_comparison(
    fits: pd.DataFrame, stars: pd.DataFrame, parameter: str = "phi31", title: str = ""
) -> Figure:
    """Draw our Fourier phases minus the archive's against the number of epochs.

    Parameters
    ----------
    fits
        Fits of a sample: star_id, n_epochs, the parameter and its error, status.
    stars
        Its stars: star_id, pulsation_type and ``archive_<parameter>`` (rad, sine series).
    parameter
        A Fourier phase difference.
    title
        Title of the figure.
    """
    figure = new_figure(5.2, 3.6)
    axes = figure.subplots()
    axes.set_title(title)
    columns = ["star_id", "pulsation_type", f"archive_{parameter}"]
    both = fits[fits["status"] == "ok"].merge(stars[columns], on="star_id")
    both = both[both[f"archive_{parameter}"].notna()]
    if both.empty:
        say(axes)
        return figure
    difference = wrap_around(
        (both[parameter] - both[f"archive_{parameter}"]).to_numpy(dtype=float), 0.0
    )
    for kind, colour in zip(("RRab", "RRc"), (DATA_COLOUR, REJECTED_COLOUR), strict=True):
        rows = (both["pulsation_type"] == kind).to_numpy()
        if not rows.any():
            continue
        values = difference[rows]
        median = float(np.median(values))
        scatter = 1.4826 * float(np.median(np.abs(values - median)))
        label = (
            f"{kind}: {count_stars(rows.sum())}, median ${median:+.3f}$, scatter {scatter:.3f} rad"
        )
        if beyond := int(np.sum(np.abs(values) > _LARGEST_DIFFERENCE)):
            label += f", {beyond:,} not shown"
        axes.errorbar(
            both["n_epochs"][rows],
            values,
            both[f"{parameter}_err"][rows],
            fmt=mark_of(kind),
            markersize=2.5,
            elinewidth=0.4,
            alpha=0.6,
            color=colour,
            label=label,
        )
    axes.axhline(0.0, color=MODEL_COLOUR, linewidth=1)
    axes.set_ylim(-_LARGEST_DIFFERENCE, _LARGEST_DIFFERENCE)
    axes.set_xlabel("Number of epochs")
    axes.set_ylabel(rf"$\Delta\phi_{{{parameter.removeprefix('phi')}}}$, ours $-$ archive (rad)")
    figure.legend(fontsize=7, loc="outside lower center")
    return figure


def new_star_axes() -> Axes:
    """Return axes for one star in a new figure of pyplot, so that notebooks show it."""
    from matplotlib import pyplot

    with matplotlib_style.context(["default", dict(STYLE)]):
        return pyplot.subplots(figsize=(5.4, 3.4), dpi=120, layout="constrained")[1]


@styled
def draw_star_alone(fit: pd.Series, points: pd.DataFrame, band: str, title: str) -> Figure:
    """Return a figure of one star, for a file; parameters are those of `draw_star`."""
    figure = new_figure(5.4, 3.4)
    draw_star(figure.subplots(), fit, points, band, title)
    return figure


def draw_star(
    axes: Axes, fit: pd.Series, points: pd.DataFrame, band: str = "", title: str = ""
) -> None:
    """Draw two cycles of one star from maximum light, in the style of the project.

    Parameters
    ----------
    axes
        Where.
    fit
        The row of the star in the table of fits.
    points
        Its folded light curve: phase, mag, mag_err, kept.
    band
        Its band; nothing if unknown.
    title
        Of the figure.
    """
    with matplotlib_style.context(["default", dict(STYLE)]):
        maximum = fit["phase_of_maximum"]
        origin = float(maximum) if np.isfinite(maximum) else 0.0
        _draw_light_curve(axes, fit, points, cycles=2.0, origin=origin)
        axes.set_xlabel("Pulsation phase from maximum light")
        axes.set_ylabel(f"{BAND_LABELS.get(band, band) or 'Magnitude'} (mag)")
        axes.set_title(title)


def _draw_light_curve(
    axes: Axes,
    fit: pd.Series,
    points: pd.DataFrame,
    cycles: float = 1.5,
    origin: float = 0.0,
) -> None:
    """Draw cycles of one star from a phase in [0, 1) on, brighter upwards."""
    axes.set_xlim(0, cycles)
    axes.xaxis.set_major_locator(MultipleLocator(0.5))
    if points.empty:
        say(axes, fit["status"], fontsize=9)
        return
    points = points.assign(phase=(points["phase"] - origin) % 1.0)
    repeated = [points.assign(phase=points["phase"] + k) for k in range(math.ceil(cycles))]
    shown = pd.concat(repeated)
    shown = shown[shown["phase"] < cycles]
    kept = shown["kept"].to_numpy(dtype=bool)
    errors = shown["mag_err"] if "mag_err" in shown else pd.Series(np.nan, shown.index)
    size = float(np.clip(60 / np.sqrt(len(points)), 1.6, 3.5))
    axes.errorbar(
        shown["phase"][kept],
        shown["mag"][kept],
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
        shown["phase"][~kept],
        shown["mag"][~kept],
        "x",
        markersize=1.2 * size,
        markeredgewidth=0.9,
        color=REJECTED_COLOUR,
    )
    curve = fit["curve"]
    if isinstance(curve, (np.ndarray, list)) and len(curve):
        phase = np.arange(math.ceil((cycles + origin) * len(curve)) + 1) / len(curve) - origin
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


def _describe_star(star_id: str, fit: pd.Series, said: Mapping[Hashable, Any]) -> str:
    """Return the name of a star; below it type, period, epochs, metallicity and what is amiss."""
    facts, values = [], []
    if isinstance(kind := said.get("pulsation_type"), str) and kind:
        facts.append(kind)
    if np.isfinite(fit["period"]):
        facts.append(f"$P$ = {fit['period']:.5f} d")
    if np.isfinite(fit["n_epochs"]):
        facts.append(f"$N$ = {fit['n_epochs']:.0f}")
    if np.isfinite(said.get("feh", np.nan)):
        known = np.isfinite(said.get("feh_err", np.nan))
        error = rf" \pm {said['feh_err']:.2f}" if known else ""
        values.append(f"[Fe/H] = ${said['feh']:.2f}{error}$")
    if isinstance(status := said.get("status"), str) and status != OK:
        values.append(status)
    return "\n".join(filter(None, [star_id, ", ".join(facts), ", ".join(values)]))
