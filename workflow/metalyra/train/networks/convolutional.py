"""Convolutional networks, which read a light curve as a closed curve."""

from typing import TYPE_CHECKING

from metalyra.core.bounds import Count, Counts, Share
from metalyra.train.networks import network

if TYPE_CHECKING:
    import keras


@network("convolutional")
def convolutional(
    sequences: "keras.KerasTensor",
    mask: "keras.KerasTensor",
    *,
    filters: Counts = (32, 64, 64),
    kernel_size: Count = 5,
    pool: Count = 2,
    hidden: Count = 64,
    activation: str = "gelu",
    dropout: Share = 0.2,
) -> "keras.KerasTensor":
    """Stack convolutions on the phase circle, and a dense layer on top.

    Meant for curves at equal phases over one cycle: the last phase is next to the first.

    Parameters
    ----------
    sequences
        Shape (n, steps, channels).
    mask
        Not used: such curves have no gaps.
    filters
        Filters of each convolution.
    kernel_size
        Width of the convolutions, in steps; odd.
    pool
        Factor by which the maximum over neighbouring steps shortens the curve after each
        convolution but the last.
    hidden
        Neurons of the dense layer.
    activation
        Activation of all layers.
    dropout
        Dropout before and after the dense layer.

    Returns
    -------
    keras.KerasTensor
        Shape (n, hidden).
    """
    from keras import layers

    from metalyra.train.layers import CircularPadding

    curve = sequences
    for number, width in enumerate(filters, start=1):
        closed = CircularPadding(kernel_size // 2, name=f"closure{number}")(curve)
        curve = layers.Conv1D(
            width, kernel_size, activation=activation, name=f"convolution{number}"
        )(closed)
        if number < len(filters):
            curve = layers.MaxPooling1D(pool, name=f"pool{number}")(curve)
    features = layers.Flatten(name="flatten")(curve)
    features = layers.Dropout(dropout, name="dropout1")(features)
    features = layers.Dense(hidden, activation=activation, name="dense")(features)
    return layers.Dropout(dropout, name="dropout2")(features)
