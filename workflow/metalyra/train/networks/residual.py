"""Convolutional networks without dense layers, plain and with residual connections."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metalyra.core.bounds import Count, Counts
from metalyra.train.networks import network

if TYPE_CHECKING:
    import keras


@network("fcn")
def fcn(
    sequences: "keras.KerasTensor",
    mask: "keras.KerasTensor",
    *,
    filters: Counts = (128, 256, 128),
    kernel_sizes: Counts = (8, 5, 3),
) -> "keras.KerasTensor":
    """Stack convolutions and average over the curve (Monti et al. 2024, Sec. 4.2.1).

    The fully convolutional network of Wang et al. (2017).

    Parameters
    ----------
    sequences
        Shape (n, steps, channels).
    mask
        Shape (n, steps); false for the steps to leave out of everything.
    filters, kernel_sizes
        Filters of each convolution, and their widths in steps.

    Returns
    -------
    keras.KerasTensor
        Shape (n, filters[-1]).
    """
    from keras import layers

    curve = stack_convolutions(sequences, mask, filters=filters, kernel_sizes=kernel_sizes)
    return layers.GlobalAveragePooling1D(name="average")(curve, mask=mask)


@network("resnet")
def resnet(
    sequences: "keras.KerasTensor",
    mask: "keras.KerasTensor",
    *,
    filters: Counts = (64, 64, 64),
    kernel_sizes: Counts = (8, 5, 3),
) -> "keras.KerasTensor":
    """Stack residual blocks and average over the curve (Monti et al. 2024, Sec. 4.2.3).

    As in the reference implementations of Wang et al. (2017), the sum with the shortcut
    comes before the last activation of a block, and the shortcut is normalised, after a
    convolution of width 1 where the number of channels changes. These have 64, 128 and
    128 filters; the paper prints 64 throughout.

    Parameters
    ----------
    sequences
        Shape (n, steps, channels).
    mask
        Shape (n, steps); false for the steps to leave out of everything.
    filters
        Filters of each block.
    kernel_sizes
        Widths of the convolutions of a block, in steps.

    Returns
    -------
    keras.KerasTensor
        Shape (n, filters[-1]).
    """
    from keras import layers

    curve = sequences
    for number, width in enumerate(filters, start=1):
        block = f"block{number}_"
        branch = stack_convolutions(
            curve,
            mask,
            filters=[width] * len(kernel_sizes),
            kernel_sizes=kernel_sizes,
            name=block,
            activate_last=False,
        )
        curve = add_shortcut(curve, branch, mask, name=block)
    return layers.GlobalAveragePooling1D(name="average")(curve, mask=mask)


@network("inception_time")
def inception_time(
    sequences: "keras.KerasTensor",
    mask: "keras.KerasTensor",
    *,
    modules: Count = 6,
    filters: Count = 32,
    bottleneck: Count = 32,
    kernel_sizes: Counts = (40, 20, 10),
) -> "keras.KerasTensor":
    """Stack Inception modules and average over the curve (Monti et al. 2024, Sec. 4.2.2).

    The paper gives no sizes; these are the ones of Ismail Fawaz et al. (2020), and of the
    authors' published code: a single network, with a residual connection every three
    modules.

    Parameters
    ----------
    sequences
        Shape (n, steps, channels).
    mask
        Shape (n, steps); false for the steps to leave out of everything.
    modules
        Number of Inception modules.
    filters
        Filters of each convolution of a module.
    bottleneck
        Channels to which a module first reduces its input.
    kernel_sizes
        Widths of the parallel convolutions of a module, in steps.

    Returns
    -------
    keras.KerasTensor
        Shape (n, filters * (number of kernel sizes + 1)).
    """
    from keras import layers

    from metalyra.train.layers import FillPadding

    curve = shortcut = sequences
    for number in range(1, modules + 1):
        name = f"module{number}_"
        cleared = FillPadding(name=f"{name}clear")(curve, mask)
        # Lower than all features, so that padding is never the maximum.
        lowered = FillPadding(-1e4, name=f"{name}lower")(curve, mask)
        narrow = cleared
        if curve.shape[-1] > 1:
            narrow = layers.Conv1D(bottleneck, 1, use_bias=False, name=f"{name}bottleneck")(cleared)
        branches = [
            layers.Conv1D(
                filters, size, padding="same", use_bias=False, name=f"{name}convolution{size}"
            )(narrow)
            for size in kernel_sizes
        ]
        pooled = layers.MaxPooling1D(3, strides=1, padding="same", name=f"{name}pool")(lowered)
        branches.append(
            layers.Conv1D(filters, 1, use_bias=False, name=f"{name}pooled_convolution")(pooled)
        )
        curve = layers.Concatenate(name=f"{name}branches")(branches)
        curve = layers.BatchNormalization(name=f"{name}normalisation")(curve, mask=mask)
        curve = layers.ReLU(name=f"{name}activation")(curve)
        if number % 3 == 0:
            curve = shortcut = add_shortcut(shortcut, curve, mask, name=name)
    return layers.GlobalAveragePooling1D(name="average")(curve, mask=mask)


def stack_convolutions(
    sequences: "keras.KerasTensor",
    mask: "keras.KerasTensor",
    *,
    filters: Sequence[int],
    kernel_sizes: Sequence[int],
    name: str = "",
    activate_last: bool = True,
) -> "keras.KerasTensor":
    """Stack convolutions, each with batch normalisation and ReLU (Monti et al. 2024, Eq. 5).

    Steps without a measurement count as beyond the end of the sequence: zero for the
    convolutions, absent from the moments of the normalisation.

    Parameters
    ----------
    sequences
        Shape (n, steps, channels).
    mask
        Shape (n, steps).
    filters, kernel_sizes
        Filters of each convolution, and their widths in steps.
    name
        Beginning of the layers' names.
    activate_last
        Whether the last convolution, too, has an activation.

    Returns
    -------
    keras.KerasTensor
        Shape (n, steps, filters[-1]).
    """
    from keras import layers

    from metalyra.train.layers import FillPadding

    curve = sequences
    for number, (width, size) in enumerate(zip(filters, kernel_sizes, strict=True), start=1):
        curve = FillPadding(name=f"{name}clear{number}")(curve, mask)
        curve = layers.Conv1D(width, size, padding="same", name=f"{name}convolution{number}")(curve)
        curve = layers.BatchNormalization(name=f"{name}normalisation{number}")(curve, mask=mask)
        if activate_last or number < len(filters):
            curve = layers.ReLU(name=f"{name}activation{number}")(curve)
    return curve


def add_shortcut(
    shortcut: "keras.KerasTensor",
    branch: "keras.KerasTensor",
    mask: "keras.KerasTensor",
    *,
    name: str,
) -> "keras.KerasTensor":
    """Add the normalised input of a residual block to its output, and apply ReLU."""
    from keras import layers

    from metalyra.train.layers import FillPadding

    if shortcut.shape[-1] != branch.shape[-1]:
        shortcut = FillPadding(name=f"{name}clear_shortcut")(shortcut, mask)
        shortcut = layers.Conv1D(branch.shape[-1], 1, name=f"{name}expansion")(shortcut)
    shortcut = layers.BatchNormalization(name=f"{name}shortcut")(shortcut, mask=mask)
    total = layers.Add(name=f"{name}sum")([branch, shortcut])
    return layers.ReLU(name=f"{name}output")(total)
