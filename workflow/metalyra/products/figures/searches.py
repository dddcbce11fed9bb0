"""Figures of searches for hyper-parameters."""

import json
import math
import re

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from metalyra.products.figures.drawing import Subject, figure
from metalyra.products.figures.style import (
    new_figure,
    say,
    styled,
)


@figure(
    "searches",
    of="search",
    reads=("trials",),
    settings=("metric",),
    category="Searches",
)
def draw_search(subject: Subject) -> Figure:
    """Draw the metric of a search's trials against what they try."""
    return search_trials(subject.read("trials"), subject.settings["metric"], subject.title)


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
