"""Networks with self-attention, which compare all points of a light curve with each other.

Monti et al. (2024, 2025) announce them as their next steps and print no sizes.
"""

from typing import TYPE_CHECKING

from metalyra.core.bounds import Count, Counts, NotNegative, Share, ShareOfEach
from metalyra.train.networks import network
from metalyra.train.networks.recurrent import stack_recurrent

if TYPE_CHECKING:
    import keras


@network("transformer")
def transformer(
    sequences: "keras.KerasTensor",
    mask: "keras.KerasTensor",
    *,
    width: Count = 32,
    heads: Count = 4,
    blocks: Count = 2,
    feedforward: Count = 64,
    dropout: Share = 0.1,
) -> "keras.KerasTensor":
    """Encode a light curve as a Transformer does, and average over its points.

    The encoder of Vaswani et al. (2017), with the normalisation before each sublayer and
    sizes for some thousand stars. The phases that the encoder needs are a channel of the
    sequences; the order of the points is encoded by waves.

    Parameters
    ----------
    sequences
        Shape (n, steps, channels).
    mask
        Shape (n, steps); false for the steps that get no attention.
    width
        Channels of the embedding.
    heads
        Attention heads, which share the width evenly.
    blocks
        Number of blocks of attention and feed-forward layers.
    feedforward
        Neurons of the inner feed-forward layers.
    dropout
        Dropout of the attention and after each sublayer.

    Returns
    -------
    keras.KerasTensor
        Shape (n, width).

    Raises
    ------
    ValueError
        If the heads cannot share the width.
    """
    from keras import layers

    from metalyra.train.layers import PositionalEncoding

    if width % heads:
        raise ValueError(f"{heads} attention heads cannot share a width of {width} evenly")
    hidden = layers.Dense(width, name="embedding")(sequences)
    hidden = PositionalEncoding(name="position")(hidden)
    for number in range(1, blocks + 1):
        name = f"block{number}_"
        normed = layers.LayerNormalization(name=f"{name}normalisation1")(hidden)
        attended = layers.MultiHeadAttention(
            heads, width // heads, dropout=dropout, name=f"{name}attention"
        )(normed, normed, value_mask=mask)
        attended = layers.Dropout(dropout, name=f"{name}dropout1")(attended)
        hidden = layers.Add(name=f"{name}sum1")([hidden, attended])
        normed = layers.LayerNormalization(name=f"{name}normalisation2")(hidden)
        inner = layers.Dense(feedforward, activation="gelu", name=f"{name}inner")(normed)
        outer = layers.Dense(width, name=f"{name}outer")(inner)
        outer = layers.Dropout(dropout, name=f"{name}dropout2")(outer)
        hidden = layers.Add(name=f"{name}sum2")([hidden, outer])
    hidden = layers.LayerNormalization(name="normalisation")(hidden)
    return layers.GlobalAveragePooling1D(name="average")(hidden, mask=mask)


@network("attention_gru")
def attention_gru(
    sequences: "keras.KerasTensor",
    mask: "keras.KerasTensor",
    *,
    units: Counts = (20, 16, 8),
    heads: Count = 4,
    key_width: Count = 16,
    kernel_l1: NotNegative = 0.0,
    kernel_l2: NotNegative = 2e-6,
    recurrent_l1: NotNegative = 2e-6,
    recurrent_l2: NotNegative = 0.0,
    dropout: ShareOfEach = (0.2, 0.2, 0.1),
) -> "keras.KerasTensor":
    """Let the states of GRU layers attend to each other before the last layer reads them.

    The GRU network of Monti et al. (2024, Table 2) with self-attention, added to its
    input and normalised, before its last layer.

    Parameters
    ----------
    sequences
        Shape (n, steps, channels).
    mask
        Shape (n, steps); false for the steps to skip.
    units, kernel_l1, kernel_l2, recurrent_l1, recurrent_l2, dropout
        See `metalyra.train.networks.recurrent.stack_recurrent`; two layers or more, with one
        dropout each.
    heads, key_width
        Attention heads, and the channels of each.

    Returns
    -------
    keras.KerasTensor
        The last state, shape (n, units[-1]).
    """
    from keras import layers

    kernel, recurrent = (kernel_l1, kernel_l2), (recurrent_l1, recurrent_l2)
    hidden = stack_recurrent(
        "gru",
        sequences,
        mask,
        units=units[:-1],
        dropout=dropout[:-1],
        keep_steps=True,
        kernel=kernel,
        recurrent=recurrent,
    )
    attended = layers.MultiHeadAttention(heads, key_width, name="attention")(
        hidden, hidden, value_mask=mask
    )
    hidden = layers.Add(name="sum")([hidden, attended])
    hidden = layers.LayerNormalization(name="normalisation")(hidden)
    return stack_recurrent(
        "gru",
        hidden,
        mask,
        units=units[-1:],
        dropout=dropout[-1:],
        first=len(units),
        kernel=kernel,
        recurrent=recurrent,
    )
