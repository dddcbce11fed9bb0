"""Figures of what networks are made of."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from metalyra.products.figures.drawing import Subject, figure
from metalyra.products.figures.style import new_figure, styled

COLOURS: Mapping[str, str] = {
    "LSTM": "#d6e6f4",
    "GRU": "#d6e6f4",
    "Conv": "#fbe3cf",
    "Attention": "#e6dcf1",
    "Dense": "#dcefdc",
}
"""Colours of layers by a part of their kind; others are grey."""

_ROW = 0.44
"""Height of a layer (inch)."""


@figure(
    "architecture",
    of="network or published model",
    reads=("layers",),
    category="Models",
    product="architecture",
    optional=True,
)
def draw_architecture(subject: Subject) -> Figure:
    """Draw the layers of the networks of a model."""
    return network_layers(subject.read("layers"), subject.title)


@styled
def network_layers(layers: pd.DataFrame, title: str = "") -> Figure:
    """Draw the layers of a network one below the other, as Dékány & Grebel (2022), Fig. 5, do.

    Parameters
    ----------
    layers
        Of `metalyra.train.architecture.list_layers`: each is a box with its name, kind and
        settings; beside it stand the shape of its output and its number of parameters.
    title
        Title of the figure.
    """
    figure = new_figure(5.4, _ROW * (len(layers) + 2))
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(len(layers) + 0.6, -0.8), title=title)
    axes.set_axis_off()
    axes.text(0.78, -0.45, "output", ha="center", va="center", color="0.4")
    axes.text(1.0, -0.45, "parameters", ha="right", va="center", color="0.4")
    for row, layer in enumerate(layers.to_dict("records")):
        colours = [colour for part, colour in COLOURS.items() if part in layer["kind"]]
        axes.add_patch(
            FancyBboxPatch(
                (0.01, row - 0.33),
                0.62,
                0.66,
                boxstyle="round,pad=0,rounding_size=0.01",
                facecolor=(colours or ["0.94"])[0],
                edgecolor="0.45",
                linewidth=0.8,
            )
        )
        said = layer["settings"] or layer["kind"].replace("InputLayer", "light curves")
        axes.text(0.03, row, layer["layer"], va="center", fontsize=8.5, fontweight="bold")
        axes.text(0.61, row, said, va="center", ha="right", fontsize=7, color="0.25")
        shape = layer["output_shape"].replace("x", "\N{MULTIPLICATION SIGN}")
        axes.text(0.78, row, shape, va="center", ha="center", fontsize=8.5)
        if layer["n_parameters"]:
            axes.text(1.0, row, f"{layer['n_parameters']:,}", va="center", ha="right", fontsize=8.5)
        if row:
            axes.annotate(
                "",
                (0.32, row - 0.33),
                (0.32, row - 0.67),
                arrowprops={"arrowstyle": "-|>", "color": "0.45", "linewidth": 0.8},
            )
    total = f"{layers['n_parameters'].sum():,}"
    axes.text(1.0, len(layers), total, va="center", ha="right", fontsize=8.5, fontweight="bold")
    axes.text(0.78, len(layers), "together", va="center", ha="center", color="0.4")
    return figure
