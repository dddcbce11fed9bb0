"""Recurrent networks, which read a light curve point by point."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def bilstm(
    sequences: "keras.KerasTensor",
    mask: "keras.KerasTensor",
    *,
    units: Sequence[int] = (32, 32),
    recurrent_l1: float = 3e-6,
    dropout: float = 0.1,
) -> "keras.KerasTensor":
    """Stack bidirectional LSTM layers (Dékány & Grebel 2022, Fig. 5 and Table 2).

    Parameters
    ----------
    sequences
        Shape (n, steps, channels).
    mask
        Shape (n, steps); false for the steps to skip.
    units
        Neurons of each layer and direction (published: 32, 32 for Ks and 16, 16 for G).
    recurrent_l1
        L1 regularisation of the recurrent weights (published: 3e-6 for Ks, 5e-6 for G).
    dropout
        Dropout after each layer (published: 0.1).

    Returns
    -------
    keras.KerasTensor
        The last states of both directions, shape (n, 2 * units[-1]).
    """
    from keras import layers, regularizers

    hidden = sequences
    for number, width in enumerate(units, start=1):
        lstm = layers.LSTM(
            width,
            return_sequences=number < len(units),
            recurrent_regularizer=regularizers.L1(recurrent_l1),
            name=f"lstm{number}",
        )
        hidden = layers.Bidirectional(lstm, name=f"bilstm{number}")(hidden, mask=mask)
        hidden = layers.Dropout(dropout, name=f"dropout{number}")(hidden)
    return hidden
