"""Predictions of an ensemble of networks."""

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from metalyra.train.networks import build_network, reads_any_length
from metalyra.train.sequences import sequence_shape

if TYPE_CHECKING:
    import keras

from metalyra.predict.cards import read_card
from metalyra.train.evaluation import evaluate


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
    members = card["members"]
    files = [directory / f"member_{member}.keras" for member in members]
    versions = tuple((str(file), file.stat().st_mtime_ns) for file in files)
    network, weights = _load_members(json.dumps(card["network"]), *shape, versions)
    predicted = np.empty((len(sequences), len(members)))
    for column, arrays in enumerate(weights):
        network.set_weights(arrays)
        predicted[:, column] = evaluate(network, sequences)
    return pd.DataFrame(
        {
            "star_id": np.asarray(star_ids, dtype=str),
            "feh": predicted.mean(axis=1),
            "feh_std": predicted.std(axis=1),
            **{f"member_{member}": predicted[:, k] for k, member in enumerate(members)},
        }
    )


@lru_cache(maxsize=4)
def _load_members(
    config: str, steps: int, channels: int, versions: tuple[tuple[str, int], ...]
) -> tuple["keras.Model", list[list[np.ndarray]]]:
    """Return a network for all members, and the weights of each.

    They are kept, for to read them and to compile the network takes longer than to
    predict a chunk. `versions` are the files and when they were changed.
    """
    settings = json.loads(config)
    any_length = reads_any_length(settings["kind"])
    network = build_network(settings, None if any_length else steps, channels)
    weights = []
    for file, _ in versions:
        network.load_weights(file)
        weights.append(network.get_weights())
    return network, weights
