"""From light curves to metallicities, with an ensemble of any kind."""

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from metalyra.domain import find_out_of_domain
from metalyra.ledger import OK
from metalyra.networks import ANY_LENGTH, build_network
from metalyra.sequences import count_steps, make_sequences, sequence_shape
from metalyra.uncertainty import LEVELS, Calibration, estimate_errors, half_width_name

if TYPE_CHECKING:
    import keras

_BATCH = 256
"""Most stars evaluated at once: fewer share the steps of a network's loop among too few."""

_ROWS = 64
"""Batches are filled up to a multiple of so many stars.

All rows of an array whose shape is a multiple of every vector length are computed alike,
so that a star's prediction does not depend on the other stars, their number or their
order: not in its last bit.
"""


def predict_stars(
    model_directory: Path | str, fits: pd.DataFrame, folded: pd.DataFrame
) -> pd.DataFrame:
    """Predict [Fe/H] with a model of any kind, with errors and flags where it knows them.

    Parameters
    ----------
    model_directory
        With card.json and the members.
    fits, folded
        Tables of the stars; only those of status ok are predicted.

    Returns
    -------
    DataFrame
        star_id; feh, the mean of the members (dex); feh_std, their standard deviation
        with ddof 0; feh_error, the calibrated standard error (dex) with respect to the
        relation of the labels, and feh_half_width_<percent>, the half widths of its
        intervals; out_of_domain, the quantities in which the star is outside the training
        set, separated by commas; member_0, member_1, ...: the [Fe/H] of each. Published
        models have neither errors nor flags. A star's values are the same to the last bit
        whatever other stars are in the call.
    """
    from metalyra.stacking import predict_with_stack

    card = read_card(model_directory)
    stars = fits[fits["status"] == OK].reset_index(drop=True)
    if "stack" in card:
        predictions = predict_with_stack(model_directory, stars, folded)
    else:
        sequences = make_sequences(stars, folded, card["sequence"])
        predictions = predict_metallicities(model_directory, *sequences)
    spread = predictions.pop("spread") if "spread" in predictions else np.zeros(len(stars))
    columns: dict[str, Any] = {}
    if card.get("calibration"):
        known = card["calibration"] | {"quantiles": tuple(card["calibration"]["quantiles"])}
        errors, half_widths = estimate_errors(Calibration(**known), np.asarray(spread))
        columns["feh_error"] = errors
        for level, width in zip(LEVELS, half_widths.T, strict=True):
            columns[half_width_name(level)] = width
    if card.get("domain"):
        columns["out_of_domain"] = find_out_of_domain(stars, card["domain"])
    after = predictions.columns.get_loc("feh_std") + 1
    for position, (name, values) in enumerate(columns.items(), start=after):
        predictions.insert(position, name, values)
    return predictions


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


def evaluate(network: "keras.Model", sequences: np.ndarray) -> np.ndarray:
    """Return the [Fe/H] that one network predicts.

    Stars with sequences of similar length are evaluated together, and a network that
    reads any length is not shown the padding that they have in common.

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
    steps, channels = sequences.shape[1:]
    lengths = count_steps(sequences)
    order = np.argsort(lengths, kind="stable")
    for start in range(0, len(sequences), _BATCH):
        stars = order[start : start + _BATCH]
        if network.input_shape[1] is None:
            steps = max(1, lengths[stars[-1]])
        batch = np.zeros((-(-len(stars) // _ROWS) * _ROWS, steps, channels), dtype=np.float32)
        batch[: len(stars)] = sequences[stars, :steps]
        predicted[stars] = network.predict_on_batch(batch)[: len(stars), 0]
    return predicted


@lru_cache(maxsize=4)
def _load_members(
    config: str, steps: int, channels: int, versions: tuple[tuple[str, int], ...]
) -> tuple["keras.Model", list[list[np.ndarray]]]:
    """Return a network for all members, and the weights of each.

    They are kept, for to read them and to compile the network takes longer than to
    predict a chunk. `versions` are the files and when they were changed.
    """
    settings = json.loads(config)
    any_length = settings["kind"] in ANY_LENGTH
    network = build_network(settings, None if any_length else steps, channels)
    weights = []
    for file, _ in versions:
        network.load_weights(file)
        weights.append(network.get_weights())
    return network, weights


def read_card(model_directory: Path | str) -> dict[str, Any]:
    """Return what a model's card says."""
    return json.loads((Path(model_directory) / "card.json").read_text())
