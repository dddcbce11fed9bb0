"""Figures of cross-matches."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from metalyra.match.crossmatch import PERIOD_AGREEMENT, SHIFTS, is_matched, period_differences
from metalyra.products.figures.drawing import Subject, figure
from metalyra.products.figures.style import (
    DATA_COLOUR,
    MODEL_COLOUR,
    keep_finite,
    new_figure,
    say,
    styled,
)


@figure(
    "match",
    of="matched sample",
    reads=("listed", "reference", "matched", "by_chance"),
    settings=("match",),
    category="Cross-matches",
)
def draw_match(subject: Subject) -> Figure:
    """Draw how good the cross-match of a sample is."""
    matched = subject.read("matched")
    return match_quality(
        matched["separation"][is_matched(matched)],
        subject.read("by_chance")["separation"],
        len(SHIFTS),
        period_differences(subject.read("listed"), subject.read("reference"), matched),
        PERIOD_AGREEMENT,
        float(subject.settings["match"]["radius"]),
        subject.title,
    )


@styled
def match_quality(
    separations: ArrayLike,
    by_chance: ArrayLike,
    trials: int,
    period_differences: ArrayLike,
    period_agreement: float,
    radius: float | None = None,
    title: str = "",
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
    radius
        The match radius (arcsec), which is drawn.
    title
        Title of the figure.
    """
    figure = new_figure(7.0, 3.2)
    left, right = figure.subplots(1, 2)
    figure.suptitle(title, fontsize=10)
    (found,), (chance,) = keep_finite(separations), keep_finite(by_chance)
    if found.size:
        smallest, largest = 1e-3, 1.2 * max(1e-2, radius or 0.0, *found, *chance)
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
        if radius is not None:
            look = {"color": "0.3", "linestyle": "--", "linewidth": 1}
            left.axvline(radius, label=f'match radius {radius:g}"', **look)
        left.set_xscale("log")
    else:
        say(left, "no matches")
    left.set_xlabel("Separation (arcsec)")
    left.set_ylabel("Stars")
    (differences,) = keep_finite(period_differences)
    if differences.size:
        smallest = 1e-8
        size = np.maximum(np.abs(differences), smallest)
        right.hist(size, np.geomspace(smallest, 1.0, 49), color=DATA_COLOUR, alpha=0.7)
        look = {"color": MODEL_COLOUR, "linestyle": ":", "linewidth": 1.2}
        right.axvline(period_agreement, label=f"periods agree: {period_agreement:g} d", **look)
        share = np.mean(np.abs(differences) < period_agreement)
        right.set_title(f"{share:.1%} of {differences.size} periods agree")
        right.set_xscale("log")
    else:
        say(right, "no periods to compare")
    right.set_xlabel("Difference of the periods (d)")
    if left.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower center", ncols=4)
    return figure
