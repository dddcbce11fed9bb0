"""Hybrid networks: convolutions find features, recurrent layers read their sequence."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metalyra.core.bounds import Count, Counts, NotNegative, Shares
from metalyra.train.networks import network
from metalyra.train.networks.recurrent import stack_recurrent
from metalyra.train.networks.residual import stack_convolutions

if TYPE_CHECKING:
    import keras


@network("conv_lstm")
def conv_lstm(
    sequences: "keras.KerasTensor",
    mask: "keras.KerasTensor",
    *,
    filters: Counts = (128, 256, 128),
    kernel_sizes: Counts = (8, 5, 3),
    pool: Count = 2,
    units: Counts = (8, 4),
    kernel_l1: NotNegative = 0.0,
    kernel_l2: NotNegative = 2e-6,
    recurrent_l1: NotNegative = 2e-6,
    recurrent_l2: NotNegative = 0.0,
    dropout: Shares = (0.2, 0.1),
) -> "keras.KerasTensor":
    """Read convolutional features by LSTM layers (Monti et al. 2024, Sec. 4.2.6).

    The paper does not print `pool` and `units`; these are of the authors' published code.

    Parameters
    ----------
    sequences
        Shape (n, steps, channels).
    mask
        Shape (n, steps); false for the steps to leave out of everything.
    filters, kernel_sizes
        Filters of each convolution, and their widths in steps.
    pool
        Neighbouring steps of which only the maximum is passed on.
    units, kernel_l1, kernel_l2, recurrent_l1, recurrent_l2, dropout
        See `metalyra.train.networks.recurrent.stack_recurrent`.

    Returns
    -------
    keras.KerasTensor
        The last state, shape (n, units[-1]).
    """
    features, measured = _pool_features(sequences, mask, filters, kernel_sizes, pool)
    return stack_recurrent(
        "lstm",
        features,
        measured,
        units=units,
        kernel=(kernel_l1, kernel_l2),
        recurrent=(recurrent_l1, recurrent_l2),
        dropout=dropout,
    )


@network("conv_gru")
def conv_gru(
    sequences: "keras.KerasTensor",
    mask: "keras.KerasTensor",
    *,
    filters: Counts = (128, 256, 128),
    kernel_sizes: Counts = (8, 5, 3),
    pool: Count = 2,
    units: Counts = (8, 4),
    kernel_l1: NotNegative = 0.0,
    kernel_l2: NotNegative = 2e-6,
    recurrent_l1: NotNegative = 2e-6,
    recurrent_l2: NotNegative = 0.0,
    dropout: Shares = (0.2, 0.1),
) -> "keras.KerasTensor":
    """Read convolutional features by GRU layers (Monti et al. 2024, Sec. 4.2.6).

    See `conv_lstm`, whose LSTM layers they replace.
    """
    features, measured = _pool_features(sequences, mask, filters, kernel_sizes, pool)
    return stack_recurrent(
        "gru",
        features,
        measured,
        units=units,
        kernel=(kernel_l1, kernel_l2),
        recurrent=(recurrent_l1, recurrent_l2),
        dropout=dropout,
    )


def _pool_features(
    sequences: "keras.KerasTensor",
    mask: "keras.KerasTensor",
    filters: Sequence[int],
    kernel_sizes: Sequence[int],
    pool: int,
) -> tuple["keras.KerasTensor", "keras.KerasTensor"]:
    """Return the pooled features of the convolutions, and the mask of their steps."""
    from keras import layers

    from metalyra.train.layers import FillPadding, PooledMask

    features = stack_convolutions(sequences, mask, filters=filters, kernel_sizes=kernel_sizes)
    # Zeros are never the maximum: ReLU leaves nothing below them.
    features = FillPadding(name="clear_pool")(features, mask)
    features = layers.ZeroPadding1D((0, -sequences.shape[1] % pool), name="fill_pool")(features)
    features = layers.MaxPooling1D(pool, name="pool")(features)
    return features, PooledMask(pool, name="pooled_mask")(mask)
