"""From sequences to metallicities, with an ensemble of networks."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from metalyra.networks import build_network
from metalyra.sequences import sequence_shape

if TYPE_CHECKING:
    import keras

_BATCH = 256
"""Stars evaluated at once.

The networks always see this many sequences, the last batch being filled up. All rows of
an array whose shape is a multiple of every vector length are computed alike, so that a
star's prediction does not depend on the other stars, their number or their order: not in
its last bit.
"""


def predict_metallicities(
    model_directory: Path | str, star_ids: np.ndarray, sequences: np.ndarray
) -> pd.DataFrame:
    """Predict [Fe/H] with every member of an ensemble.

    Parameters
    ----------
    model_directory
        With card.json and member_<k>.keras.
    star_ids : array of str, shape (n,)
    sequences : array, shape (n, steps, channels)
        Made by the recipe of the model's card.

    Returns
    -------
    DataFrame
        star_id; feh, the mean of the members (dex); feh_std, their standard deviation
        with ddof 0; member_0, member_1, ...: the [Fe/H] of each. A star's values are
        the same to the last bit whatever other stars are in the call.

    Raises
    ------
    ValueError
        If the sequences do not have the shape that the model was trained on.
    """
    directory = Path(model_directory)
    card = read_card(directory)
    shape = sequence_shape(card["sequence"])
    if sequences.shape[1:] != shape:
        raise ValueError(
            f"the model {card['name']} reads sequences of (steps, channels) {shape}, "
            f"not {sequences.shape[1:]}"
        )
    network = build_network(card["network"], *shape)
    members = card["members"]
    predicted = np.empty((len(sequences), len(members)))
    for column, member in enumerate(members):
        network.load_weights(directory / f"member_{member}.keras")
        predicted[:, column] = evaluate(network, sequences)
    return pd.DataFrame(
        {
            "star_id": np.asarray(star_ids, dtype=str),
            "feh": predicted.mean(axis=1),
            "feh_std": predicted.std(axis=1),
            **{f"member_{member}": predicted[:, k] for k, member in enumerate(members)},
        }
    )


def evaluate(network: "keras.Model", sequences: np.ndarray) -> np.ndarray:
    """Return the [Fe/H] that one network predicts, in batches of one size.

    Parameters
    ----------
    network
        Of `metalyra.networks.build_network`.
    sequences : array, shape (n, steps, channels)

    Returns
    -------
    array, shape (n,)
        Independent, star by star, of the other stars.
    """
    predicted = np.empty(len(sequences))
    for start in range(0, len(sequences), _BATCH):
        batch = sequences[start : start + _BATCH]
        full = np.zeros((_BATCH, *sequences.shape[1:]), dtype=np.float32)
        full[: len(batch)] = batch
        predicted[start : start + _BATCH] = network.predict_on_batch(full)[: len(batch), 0]
    return predicted


def read_card(model_directory: Path | str) -> dict[str, Any]:
    """Return what a model's card says."""
    return json.loads((Path(model_directory) / "card.json").read_text())
