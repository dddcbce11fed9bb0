"""Predictions of an ensemble of networks."""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from metalyra.train.networks import build_network, reads_any_length
from metalyra.train.sequences import sequence_shape

if TYPE_CHECKING:
    import keras

from metalyra.predict.cards import read_card
from metalyra.predict.recurrent import CELLS, RecurrentNetworks
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
    predict = _load_members(json.dumps(card["network"]), *shape, versions)
    predicted = predict(sequences)
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
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from sequences to the [Fe/H] (n, members) that the members predict.

    It is kept, for to read the members takes longer than to predict a chunk. `versions` are
    the files and when they were changed.
    """
    settings = json.loads(config)
    any_length = reads_any_length(settings["kind"])
    network = build_network(settings, None if any_length else steps, channels)
    weights = []
    for file, _ in versions:
        network.load_weights(file)
        weights.append(network.get_weights())
    if settings["kind"] in CELLS:
        return RecurrentNetworks.of(settings["kind"], weights).predict
    return partial(_predict_one_by_one, network, weights)


def _predict_one_by_one(
    network: "keras.Model", weights: Sequence[Sequence[np.ndarray]], sequences: np.ndarray
) -> np.ndarray:
    """Return the [Fe/H] (n, members) of a network with one set of weights after the other."""
    predicted = np.empty((len(sequences), len(weights)))
    for column, arrays in enumerate(weights):
        network.set_weights(arrays)
        predicted[:, column] = evaluate(network, sequences)
    return predicted
