"""Recurrent networks, which read a light curve point by point."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metalyra.core.bounds import Counts, NotNegative, Shares
from metalyra.train.networks import network

if TYPE_CHECKING:
    import keras


@network("lstm", any_length=True)
def lstm(
    sequences: "keras.KerasTensor",
    mask: "keras.KerasTensor",
    *,
    units: Counts = (20, 16, 8),
    kernel_l1: NotNegative = 0.0,
    kernel_l2: NotNegative = 2e-6,
    recurrent_l1: NotNegative = 2e-6,
    recurrent_l2: NotNegative = 0.0,
    dropout: Shares = (0.2, 0.2, 0.1),
) -> "keras.KerasTensor":
    """Stack LSTM layers (Monti et al. 2024, Sec. 4.2.4).

    The defaults are published, except for the units, which the paper prints only for its
    GRU network (Table 2), and of which it says that its architecture is the same.

    Parameters
    ----------
    sequences, mask, units, kernel_l1, kernel_l2, recurrent_l1, recurrent_l2, dropout
        See `stack_recurrent`.

    Returns
    -------
    keras.KerasTensor
        The last state, shape (n, units[-1]).
    """
    return stack_recurrent(
        "lstm",
        sequences,
        mask,
        units=units,
        kernel=(kernel_l1, kernel_l2),
        recurrent=(recurrent_l1, recurrent_l2),
        dropout=dropout,
    )


@network("bilstm", any_length=True)
def bilstm(
    sequences: "keras.KerasTensor",
    mask: "keras.KerasTensor",
    *,
    units: Counts = (32, 32),
    kernel_l1: NotNegative = 0.0,
    kernel_l2: NotNegative = 0.0,
    recurrent_l1: NotNegative = 3e-6,
    recurrent_l2: NotNegative = 0.0,
    dropout: Shares = 0.1,
) -> "keras.KerasTensor":
    """Stack bidirectional LSTM layers (Dékány & Grebel 2022, Fig. 5 and Table 2).

    The defaults are those published for Ks; for G, units are 16, 16 and recurrent_l1 is
    5e-6. That of Monti et al. (2024) is in `config/monti24.yaml`.

    Parameters
    ----------
    sequences, mask, units, kernel_l1, kernel_l2, recurrent_l1, recurrent_l2, dropout
        See `stack_recurrent`.

    Returns
    -------
    keras.KerasTensor
        The last states of both directions, shape (n, 2 * units[-1]).
    """
    return stack_recurrent(
        "bilstm",
        sequences,
        mask,
        units=units,
        kernel=(kernel_l1, kernel_l2),
        recurrent=(recurrent_l1, recurrent_l2),
        dropout=dropout,
    )


@network("gru", any_length=True)
def gru(
    sequences: "keras.KerasTensor",
    mask: "keras.KerasTensor",
    *,
    units: Counts = (20, 16, 8),
    kernel_l1: NotNegative = 0.0,
    kernel_l2: NotNegative = 2e-6,
    recurrent_l1: NotNegative = 2e-6,
    recurrent_l2: NotNegative = 0.0,
    dropout: Shares = (0.2, 0.2, 0.1),
) -> "keras.KerasTensor":
    """Stack GRU layers (Monti et al. 2024, Table 2; Monti et al. 2025, Fig. 4).

    Parameters
    ----------
    sequences, mask, units, kernel_l1, kernel_l2, recurrent_l1, recurrent_l2, dropout
        See `stack_recurrent`.

    Returns
    -------
    keras.KerasTensor
        The last state, shape (n, units[-1]).
    """
    return stack_recurrent(
        "gru",
        sequences,
        mask,
        units=units,
        kernel=(kernel_l1, kernel_l2),
        recurrent=(recurrent_l1, recurrent_l2),
        dropout=dropout,
    )


@network("bigru", any_length=True)
def bigru(
    sequences: "keras.KerasTensor",
    mask: "keras.KerasTensor",
    *,
    units: Counts = (20, 16, 8),
    kernel_l1: NotNegative = 2e-6,
    kernel_l2: NotNegative = 0.0,
    recurrent_l1: NotNegative = 2e-6,
    recurrent_l2: NotNegative = 0.0,
    dropout: Shares = (0.2, 0.2, 0.1),
) -> "keras.KerasTensor":
    """Stack bidirectional GRU layers (Monti et al. 2024, Sec. 4.2.5).

    The paper refers to its bidirectional LSTM for the regularisation; its units are
    taken to be those of its GRU network (Table 2).

    Parameters
    ----------
    sequences, mask, units, kernel_l1, kernel_l2, recurrent_l1, recurrent_l2, dropout
        See `stack_recurrent`.

    Returns
    -------
    keras.KerasTensor
        The last states of both directions, shape (n, 2 * units[-1]).
    """
    return stack_recurrent(
        "bigru",
        sequences,
        mask,
        units=units,
        kernel=(kernel_l1, kernel_l2),
        recurrent=(recurrent_l1, recurrent_l2),
        dropout=dropout,
    )


def stack_recurrent(
    kind: str,
    sequences: "keras.KerasTensor",
    mask: "keras.KerasTensor",
    *,
    units: Sequence[int],
    kernel: tuple[float, float],
    recurrent: tuple[float, float],
    dropout: float | Sequence[float],
    first: int = 1,
    keep_steps: bool = False,
) -> "keras.KerasTensor":
    """Stack recurrent layers, each followed by dropout.

    Parameters
    ----------
    kind
        "lstm", "gru", or "bilstm", "bigru" for both directions.
    sequences
        Shape (n, steps, channels).
    mask
        Shape (n, steps); false for the steps to skip.
    units
        Neurons of each layer and direction.
    kernel, recurrent
        Coefficients of the L1 and L2 norms of the weights that act on the inputs and on
        the states.
    dropout
        Dropout after all layers, or after each.
    first
        Number of the first layer, in the names of the layers.
    keep_steps
        Whether the last layer, too, returns a state for every step.

    Returns
    -------
    keras.KerasTensor
        The last states, shape (n, features); with `keep_steps` (n, steps, features).

    Raises
    ------
    ValueError
        If `dropout` does not have one value a layer.
    """
    from keras import layers, regularizers

    rates = [dropout] * len(units) if isinstance(dropout, int | float) else dropout
    if len(rates) != len(units):
        raise ValueError(f"{len(units)} recurrent layers cannot have {len(rates)} dropouts")
    cell = kind.removeprefix("bi")
    hidden = sequences
    for number, (width, rate) in enumerate(zip(units, rates, strict=True), start=first):
        layer = {"lstm": layers.LSTM, "gru": layers.GRU}[cell](
            width,
            return_sequences=keep_steps or number < first + len(units) - 1,
            kernel_regularizer=regularizers.L1L2(*kernel),
            recurrent_regularizer=regularizers.L1L2(*recurrent),
            name=f"{cell}{number}",
        )
        if cell != kind:
            layer = layers.Bidirectional(layer, name=f"{kind}{number}")
        hidden = layer(hidden, mask=mask)
        hidden = layers.Dropout(rate, name=f"dropout{number}")(hidden)
    return hidden
