"""Figures of models: their training, and their predictions in cross-validation."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from metalyra.core.arrays import Floats
from metalyra.core.randomness import generator
from metalyra.core.tables import read_table
from metalyra.products.figures.drawing import Subject, figure
from metalyra.products.figures.metallicities import (
    metallicity_histogram,
    predicted_against_true,
)
from metalyra.products.figures.style import (
    FEH_COLOURS,
    FEH_LABEL,
    MODEL_COLOUR,
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
from metalyra.train.sequences import PADDING, complete_recipe, read_sequences
from metalyra.train.training_settings import TrainingSettings
from metalyra.train.weights import make_weights

LOSS_LABELS: Mapping[str, tuple[str, str]] = {
    "huber": ("Weighted Huber loss", "dex$^2$"),
    "log_cosh": ("Weighted log-cosh loss", "dex"),
    "mae": ("Weighted mean\nabsolute error", "dex"),
    "mse": ("Weighted mean\nsquared error", "dex$^2$"),
}
"""What a loss is called, by the setting `loss` of a training, and the unit that it has."""

MAGNITUDE_LABELS: Mapping[str, str] = {
    "plain": "Magnitude (mag)",
    "centred": "Magnitude minus mean (mag)",
    "standardised": "Magnitude (standard deviations)",
}
"""What the magnitudes of a sequence are, by the setting `magnitude` of its recipe."""


@figure(
    "out_of_fold",
    of="model",
    reads=("out_of_fold",),
    category="Models",
    product="cross-validation",
)
def draw_out_of_fold(subject: Subject) -> Figure:
    """Draw the predictions of an ensemble for the stars that its members were not trained on."""
    return _draw_against_labels(subject.read("out_of_fold"), subject.title)


@figure(
    "out_of_fold_histogram",
    of="model",
    reads=("out_of_fold",),
    category="Models",
    product="distribution",
)
def draw_out_of_fold_histogram(subject: Subject) -> Figure:
    """Draw the distributions of true and predicted metallicities of an ensemble's stars."""
    return _draw_distributions(subject.read("out_of_fold"), subject.title)


@figure(
    "in_fold",
    of="model with training predictions",
    reads=("in_fold",),
    category="Models",
    product="training",
    optional=True,
)
def draw_in_fold(subject: Subject) -> Figure:
    """Draw the predictions of an ensemble for the stars that its members were trained on."""
    return _draw_against_labels(subject.read("in_fold"), f"{subject.title}, training")


@figure(
    "in_fold_histogram",
    of="model with training predictions",
    reads=("in_fold",),
    category="Models",
    product="distribution in training",
    optional=True,
)
def draw_in_fold_histogram(subject: Subject) -> Figure:
    """Draw the distributions of metallicities of the stars that an ensemble was trained on."""
    return _draw_distributions(subject.read("in_fold"), f"{subject.title}, training")


def _draw_against_labels(stars: pd.DataFrame, title: str) -> Figure:
    """Draw predictions of stars of known [Fe/H] against their labels."""
    return predicted_against_true(
        stars["feh"],
        stars["feh_predicted"],
        title=title,
        true_label="[Fe/H] of the label (dex)",
        errors=stars["feh_err"],
    )


def _draw_distributions(stars: pd.DataFrame, title: str) -> Figure:
    """Draw the distributions of labels and predictions of the same stars."""
    samples = {"labels": stars["feh"], "predictions": stars["feh_predicted"]}
    return metallicity_histogram(samples, title)


@figure(
    "weights",
    of="network",
    reads=("training_set",),
    settings=("weights",),
    category="Models",
    product="sample weights",
)
def draw_weights(subject: Subject) -> Figure:
    """Draw how much each star of a development set counts in the training.

    The weights are those of a training on all stars: each member learns its own, which
    differ a little, from the stars that it is trained on.
    """
    stars = subject.read("training_set")
    stars = stars[stars["fold"] >= 0]
    settings = subject.settings["weights"]
    labels = stars["feh"].to_numpy(dtype=float), stars["feh_err"].to_numpy(dtype=float)
    by_density = make_weights(*labels, **{**settings, "inverse_variance": False})
    final = make_weights(*labels, **settings)
    return sample_weights(labels[0], by_density, final, subject.title)


@figure(
    "learning_curves",
    of="network",
    reads=("histories",),
    settings=("training",),
    category="Models",
    product="training",
)
def draw_learning_curves(subject: Subject) -> Figure:
    """Draw how the members of an ensemble were trained."""
    histories = {number: read_table(path) for number, path in enumerate(subject.files["histories"])}
    training = TrainingSettings(**(subject.settings["training"] or {}))
    loss, unit = LOSS_LABELS[training.loss]
    unit = "[Fe/H] standardised" if training.standardise_labels else unit
    return learning_curves(histories, subject.title, f"{loss} ({unit})")


@figure(
    "sequences",
    of="network",
    reads=("training_set", "sequences"),
    settings=("sequence",),
    category="Models",
    product="sequences",
    optional=True,
)
def draw_sequences(subject: Subject) -> Figure:
    """Draw what a network reads of all stars that it is trained on."""
    stars = subject.read("training_set")
    stars = stars[stars["fold"] >= 0].reset_index(drop=True)
    star_ids, sequences = read_sequences(str(subject.files["sequences"]))
    sequences = sequences[pd.Index(star_ids).get_indexer(stars["star_id"])].astype(float)
    padded = np.all(sequences == PADDING, axis=-1)
    recipe = complete_recipe(subject.settings["sequence"])
    if recipe["recipe"] == "gp_curve":
        steps = sequences.shape[1]
        phase = np.broadcast_to(np.arange(steps) / steps, padded.shape)
        magnitude = sequences[:, :, 0]
    else:
        phase = sequences[:, :, 0] / stars["period"].to_numpy(dtype=float)[:, None]
        magnitude = sequences[:, :, 1]
    return curves_by_metallicity(
        np.where(padded, np.nan, phase),
        np.where(padded, np.nan, magnitude),
        stars["feh"].to_numpy(dtype=float),
        subject.title,
        MAGNITUDE_LABELS[recipe.get("magnitude", "centred")],
        joined=recipe["recipe"] != "dg22",
    )


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
    from scipy.stats import gaussian_kde

    feh, density_weights, weights = keep_finite(feh, density_weights, weights)
    figure = new_figure(4.4, 3.4)
    axes = figure.subplots()
    axes.set(title=title, xlabel=FEH_LABEL, ylabel="Density (1 / dex)")
    if not len(feh):
        say(axes)
        return figure
    width = bin_width(feh)
    edges = np.arange(np.floor(feh.min() / width), np.ceil(feh.max() / width) + 1.5) * width
    axes.hist(feh, edges.tolist(), density=True, color="0.85", label=f"stars ({len(feh):,})")
    if np.ptp(feh) > 0:
        grid = np.linspace(edges[0], edges[-1], 400)
        axes.plot(grid, gaussian_kde(feh)(grid), color="#1e8449", label="kernel density")
    right = axes.twinx()
    right.set_ylabel("Weight")
    look: dict[str, Any] = {
        "linestyle": "none",
        "marker": "o",
        "markersize": 2,
        "markeredgewidth": 0,
    }
    right.plot(feh, weights, color=VALIDATION_COLOUR, alpha=0.5, label="final weights", **look)
    right.plot(feh, density_weights, color="black", label="weights by density", **look)
    for scale in (axes, right):
        scale.set_ylim(0, 1.25 * scale.get_ylim()[1])
    (handles, labels), (others, names) = (
        scale.get_legend_handles_labels() for scale in (axes, right)
    )
    axes.legend(
        handles + others, labels + names, loc="upper left", ncols=2, fontsize=7.5, markerscale=2
    )
    return figure


@styled
def learning_curves(
    histories: Mapping[int, pd.DataFrame], title: str = "", loss: str = "Loss"
) -> Figure:
    """Draw training and validation loss by epoch, one panel per fold.

    After Monti et al. (2024), Fig. 5. The dotted line marks the epoch with the smallest
    validation loss.

    Parameters
    ----------
    histories
        By fold, a table with columns epoch, loss and, where there was a validation set,
        val_loss.
    title, loss
        Title of the figure, and what its loss is called.
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
            best = history["val_loss"].to_numpy().argmin()
            look = {"color": "0.4", "linestyle": ":", "linewidth": 0.9}
            axes.axvline(history["epoch"].iloc[best], label="lowest validation loss", **look)
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
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, handlelength=1.4)
    for axes in panels[max(0, len(histories) - columns) : len(histories)]:
        axes.set_xlabel("Epoch")
    figure.supylabel(loss, fontsize=9, multialignment="center")
    return figure


@styled
def curves_by_metallicity(
    phase: Floats,
    magnitude: Floats,
    feh: Floats,
    title: str = "",
    label: str = "Magnitude (mag)",
    joined: bool = True,
) -> Figure:
    """Draw the sequences of all stars of a training set, coloured by metallicity.

    After Monti et al. (2024), Figs. 1 and 2, and Monti et al. (2025), Fig. 2.

    Parameters
    ----------
    phase, magnitude : array, shape (n, steps)
        NaN where a star has no step.
    feh : array, shape (n,)
        Metallicities (dex).
    title, label
        Texts of the figure and of its scale of magnitudes.
    joined
        Whether the steps of a star are joined by a line; else they are points.
    """
    figure = new_figure(5.2, 4.0)
    axes = figure.subplots()
    axes.set(
        title=title, xlabel="Phase", ylabel=label, xlim=(0, max(1, np.nanmax(phase, initial=0)))
    )
    axes.invert_yaxis()
    if not len(feh):
        say(axes)
        return figure
    order = generator(0, "figures", "drawing order").permutation(len(feh))
    if joined:
        lines = np.stack([phase, magnitude], axis=-1)[order]
        width = float(np.clip(60 / len(feh), 0.15, 0.8))
        curves = LineCollection(
            list(lines), linewidths=width, cmap=FEH_COLOURS, norm=metallicity_scale()
        )
        curves.set_array(feh[order])
        axes.add_collection(curves)
        low, high = np.nanpercentile(magnitude, [0, 100])
        pad = 0.05 * (high - low)
        axes.set_ylim(high + pad, low - pad)
    else:
        steps = phase.shape[1]
        draw_metallicity_points(axes, phase.ravel(), magnitude.ravel(), np.repeat(feh, steps))
    axes.set_title(f"{title}: {len(feh):,} stars" if title else f"{len(feh):,} stars")
    add_metallicity_bar(figure, axes)
    return figure
