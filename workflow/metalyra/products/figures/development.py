"""Figures of many light curves at once: of a sample, and of what a model is developed with."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from metalyra.core.randomness import generator
from metalyra.core.statuses import OK
from metalyra.products.figures.drawing import Subject, figure
from metalyra.products.figures.metallicities import bailey_diagram
from metalyra.products.figures.style import (
    BAND_LABELS,
    FEH_COLOURS,
    add_metallicity_bar,
    keep_finite,
    metallicity_scale,
    new_figure,
    say,
    styled,
)

PERIOD_LABEL = "Period (d)"

PERIOD_COLOURS: Colormap = ListedColormap(
    colormaps["viridis"](np.linspace(0.0, 0.9, 256)), "period"
)
"""Colours of the period, other than those of [Fe/H]."""


@figure(
    "phased_curves",
    of="sample",
    reads=("fits", "folded"),
    category="Light curves",
    product="all light curves",
    optional=True,
)
def draw_phased_curves(subject: Subject) -> Figure:
    """Draw all light curves of a sample over each other, coloured by the period."""
    fits, folded = subject.read("fits"), subject.read("folded")
    return phased_curves(fits, folded, fits.set_index("star_id")["period"], subject.title)


@figure(
    "phased_development_set",
    of="model trained here",
    reads=("training_set", "fits", "folded"),
    category="Models",
    product="light curves of the development set",
    optional=True,
)
def draw_phased_development_set(subject: Subject) -> Figure:
    """Draw the light curves that a model is trained on over each other, coloured by [Fe/H]."""
    feh = _labels_of(subject)
    title = f"Development set: {subject.title}"
    return phased_curves(subject.read("fits"), subject.read("folded"), feh, title)


@figure(
    "bailey_development_set",
    of="model trained here",
    reads=("training_set", "fits"),
    category="Models",
    product="Bailey diagram of the development set",
    optional=True,
)
def draw_bailey_development_set(subject: Subject) -> Figure:
    """Draw periods and amplitudes of the stars that a model is trained on, with their labels."""
    feh, fits = _labels_of(subject), subject.read("fits")
    stars = fits.assign(feh=fits["star_id"].map(feh)).dropna(subset="feh")
    return bailey_diagram(
        stars["period"],
        stars["amplitude"],
        stars["feh"],
        str(fits["band"].iloc[0]) if len(fits) else "",
        f"Development set: {subject.title}",
    )


@figure(
    "snr",
    of="sample",
    reads=("stars", "fits"),
    category="Light curves",
    product="signal-to-noise ratios",
    optional=True,
)
def draw_snr(subject: Subject) -> Figure:
    """Draw the distribution of the S/N of a sample: ours, and the star list's where it has it."""
    stars, fits = subject.read("stars"), subject.read("fits")
    samples = {"our fits": fits.loc[fits["status"] == OK, "snr"]}
    if "archive_snr" in stars:
        samples["star list"] = stars["archive_snr"]
    return cumulative_snr(samples, subject.title)


@figure(
    "snr_of_samples",
    of="study",
    reads=("catalogue",),
    category="Light curves",
    product="signal-to-noise ratios",
    optional=True,
)
def draw_snr_of_samples(subject: Subject) -> Figure:
    """Draw the distributions of the S/N of all samples of a study, as of several bands."""
    catalogue = subject.read("catalogue")
    names = catalogue["sample"].map(subject.call)
    groups = catalogue["snr"].groupby(names, sort=False)
    return cumulative_snr({str(name): snr for name, snr in groups})


def _label(band: str) -> str:
    return BAND_LABELS.get(band, band)


def _labels_of(subject: Subject) -> pd.Series:
    """Return the [Fe/H] of the stars that a model is trained on, by name."""
    stars = subject.read("training_set")
    return stars[stars["fold"] >= 0].set_index("star_id")["feh"].astype(float)


@styled
def phased_curves(
    fits: pd.DataFrame, folded: pd.DataFrame, values: pd.Series, title: str = ""
) -> Figure:
    """Draw the phased points of many stars over each other, magnitudes increasing downwards.

    After Dékány & Grebel (2022), Fig. 2: points that the fits keep, minus the mean magnitude;
    one star, the best of those with the median number of points, in black. Here the others are
    coloured.

    Parameters
    ----------
    fits
        star_id, band, mean_mag, snr, status.
    folded
        star_id, phase, mag, kept.
    values
        What the colour shows, by star_id: named feh, [Fe/H] (dex), or period (d). Stars
        without a finite one are left out.
    title
        Title of the figure.
    """
    fitted = fits[(fits["status"] == OK) & fits["star_id"].map(values).notna()]
    points = folded[folded["kept"].astype(bool)]
    points = points.merge(fitted[["star_id", "mean_mag"]], on="star_id")
    phase, mag, colour = keep_finite(
        points["phase"], points["mag"] - points["mean_mag"], points["star_id"].map(values)
    )
    figure = new_figure(5.2, 3.8)
    axes = figure.subplots()
    bands = [_label(band) for band in fits["band"].unique()]
    band = ", ".join(bands) or "magnitude"
    axes.set(title=title, xlabel="Pulsation phase", ylabel=rf"{band} $-$ mean (mag)")
    if not len(phase):
        say(axes)
        return figure
    is_feh = values.name == "feh"
    scale = metallicity_scale() if is_feh else _inner_range(colour)
    order = generator(0, "figures", "drawing order").permutation(len(phase))
    axes.scatter(
        phase[order],
        mag[order],
        c=colour[order],
        s=float(np.clip(60000 / len(phase), 0.6, 6)),
        cmap=FEH_COLOURS if is_feh else PERIOD_COLOURS,
        norm=scale,
        linewidths=0,
    )
    if is_feh:
        add_metallicity_bar(figure, axes)
    else:
        figure.colorbar(axes.collections[-1], ax=axes, label=PERIOD_LABEL, extend="both")
    one = points[points["star_id"] == _choose_example(points["star_id"], fitted)]
    number = fitted["star_id"].isin(points["star_id"]).sum()
    axes.plot(
        one["phase"],
        one["mag"] - one["mean_mag"],
        "o",
        color="black",
        markersize=3,
        markeredgecolor="white",
        markeredgewidth=0.4,
        label=f"one of {number:,} stars, {len(phase):,} points",
    )
    axes.set_xlim(min(0.0, phase.min()), max(1.0, phase.max()))
    low, high = mag.min(), mag.max()
    # Room above the curves for the legend; brighter is up.
    axes.set_ylim(high + 0.04 * (high - low), low - 0.18 * (high - low))
    axes.legend(loc="upper right", handletextpad=0.2)
    return figure


@styled
def cumulative_snr(samples: Mapping[str, ArrayLike], title: str = "") -> Figure:
    """Draw cumulative distributions of signal-to-noise ratios.

    After Dékány & Grebel (2022), Fig. 1.

    Parameters
    ----------
    samples
        S/N by the name that the legend gives them; what is not finite and positive is left out.
    title
        Title of the figure.
    """
    finite = {name: keep_finite(values)[0] for name, values in samples.items()}
    positive = {name: np.sort(values[values > 0]) for name, values in finite.items()}
    positive = {name: values for name, values in positive.items() if len(values)}
    figure = new_figure(4.4, 3.4)
    axes = figure.subplots()
    axes.set(title=title, xlabel="$S/N$ of the light curve", ylabel="Fraction of stars below")
    if not positive:
        say(axes)
        return figure
    for name, values in positive.items():
        fraction = np.arange(1, len(values) + 1) / len(values)
        axes.step(values, fraction, where="post", label=f"{name} ({len(values):,})")
    together = np.concatenate(list(positive.values()))
    low, high = np.percentile(together, [1, 99.8])
    axes.set_xscale("log")
    if low < high:
        axes.set_xlim(low, high)
    axes.set_ylim(0, 1)
    figure.legend(loc="outside lower center", ncols=2, handlelength=1.4)
    return figure


def _inner_range(values: np.ndarray) -> Normalize:
    """Return the colour scale of the inner 96 % of values."""
    low, high = np.percentile(values, [2, 98])
    return Normalize(low, high)


def _choose_example(star_id: pd.Series, fits: pd.DataFrame) -> str:
    """Return the star with the highest S/N of those with the median number of points."""
    stars = fits[["star_id", "snr"]].assign(n=fits["star_id"].map(star_id.value_counts()))
    stars = stars.dropna(subset="n").sort_values(["n", "snr", "star_id"], ignore_index=True)
    median = stars["n"][len(stars) // 2]
    return str(stars.loc[stars["n"] == median, "star_id"].iloc[-1])
