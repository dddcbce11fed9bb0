"""The networks of Dékány & Grebel (2022), read from their files into ours.

The architecture is read from model.json as data, the weights from HDF5 as arrays;
neither is ever executed, and links and external files in the HDF5 are not followed.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd

from metalyra.train.networks import build_network

if TYPE_CHECKING:
    import keras

_SIZE_LIMIT = 100 * 2**20
"""Largest file of weights that is read (bytes); the published ones have 0.1 MB."""

_IDLE_LAYERS = ("InputLayer", "TFOpLambda")
"""Layers without settings of interest: the input, and the mask made from it."""


def read_training_stars(path: Path | str) -> pd.DataFrame:
    """Return star_id and fold, the number of the network that has not seen the star.

    Parameters
    ----------
    path
        CSV table of a development set, with the columns id and fold.

    Raises
    ------
    ValueError
        If it has not.
    """
    table = pd.read_csv(path, dtype={"id": str})
    if missing := {"id", "fold"} - set(table):
        raise ValueError(f"{path} has no column {', '.join(sorted(missing))}")
    known = table.dropna(subset="fold")
    return pd.DataFrame({"star_id": known["id"], "fold": known["fold"].astype(int)})


PREDICTED = ("star_id", "fold", "feh", "feh_err", "feh_predicted")
"""Columns of the predictions of an ensemble for stars with labels."""

_PREDICTED_AS = ("id", "fold", "FeH", "published_val_pred")
"""The columns of published predictions, in a table with a header."""


def read_published_predictions(path: Path | str) -> pd.DataFrame:
    """Return what the members of a published ensemble predict for stars with labels.

    Parameters
    ----------
    path
        Name of the star, number of the network, true and predicted [Fe/H] (dex), separated by
        blanks; or a CSV table with the columns id, fold, FeH and published_val_pred.

    Returns
    -------
    DataFrame
        `PREDICTED`; the errors of the labels are not published, and NaN.

    Raises
    ------
    ValueError
        If the file has no such rows.
    """
    try:
        if Path(path).suffix == ".csv":
            table = pd.read_csv(path, dtype={"id": str}, usecols=list(_PREDICTED_AS))
        else:
            table = pd.read_csv(
                path, sep=r"\s+", comment="#", names=list(_PREDICTED_AS), dtype={"id": str}
            )
        star_id, fold, feh, predicted = (table[name] for name in _PREDICTED_AS)
        rows = pd.DataFrame(
            {
                "star_id": star_id.astype(str),
                "fold": fold.astype(int),
                "feh": feh.astype(float),
                "feh_err": np.nan,
                "feh_predicted": predicted.astype(float),
            }
        )
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{path}: no table of star, network, true and predicted [Fe/H]: {error}"
        ) from error
    if rows.empty or not np.isfinite(rows[["feh", "feh_predicted"]].to_numpy()).all():
        raise ValueError(f"{path}: no rows, or a row without its true or predicted [Fe/H]")
    return rows


def read_architecture(path: Path | str) -> dict[str, Any]:
    """Return the network configuration that a published model.json describes.

    Parameters
    ----------
    path
        Written by Keras 2: bidirectional LSTM layers, each followed by dropout, and a
        dense head of one neuron.

    Returns
    -------
    dict
        For `metalyra.train.networks.build_network`.

    Raises
    ------
    ValueError
        If the file describes another kind of network.
    """
    path = Path(path)
    try:
        layers = [
            (layer["class_name"], layer["config"])
            for layer in json.loads(path.read_text())["config"]["layers"]
        ]
        lstms = [config["layer"]["config"] for kind, config in layers if kind == "Bidirectional"]
        rates = {config["rate"] for kind, config in layers if kind == "Dropout"}
        penalties = {lstm["recurrent_regularizer"]["config"]["l1"] for lstm in lstms}
        heads = [config["units"] for kind, config in layers if kind == "Dense"]
        units = [lstm["units"] for lstm in lstms]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} does not describe a network of LSTM layers: {error!r}") from error
    kinds = [kind for kind, _ in layers if kind not in _IDLE_LAYERS]
    if kinds != ["Bidirectional", "Dropout"] * len(units) + ["Dense"] or heads != [1]:
        raise ValueError(f"{path} describes a network of other layers: {', '.join(kinds)}")
    if len(rates) != 1 or len(penalties) != 1:
        raise ValueError(f"{path}: the layers differ in dropout or regularisation")
    return {
        "kind": "bilstm",
        "units": units,
        "recurrent_l1": round(penalties.pop(), 12),  # stored as a 32-bit number
        "dropout": rates.pop(),
    }


def load_published_network(
    config: Mapping[str, Any], path: Path | str, steps: int, channels: int
) -> "keras.Model":
    """Build a network and give it the weights of a published file.

    Keras 2 and 3 order the gates and biases of an LSTM alike.

    Parameters
    ----------
    config
        Of `read_architecture`.
    path
        One of the weights_<k>.h5.
    steps, channels
        Shape of the sequences.

    Raises
    ------
    ValueError
        If the weights do not fit the architecture.
    """
    network = build_network(config, steps, channels)
    weights = read_weights(path)
    wrappers = sorted({name.split("/")[0] for name in weights if name.startswith("bidirectional")})
    try:
        for number, wrapper in enumerate(wrappers, start=1):
            layer = network.get_layer(f"bilstm{number}")
            for direction in ("forward", "backward"):
                arrays = _arrays_of(weights, f"{wrapper}/{wrapper}/{direction}_")
                getattr(layer, f"{direction}_layer").set_weights(
                    [arrays[part] for part in ("kernel", "recurrent_kernel", "bias")]
                )
        head = _arrays_of(weights, "head/")
        network.get_layer("head").set_weights([head["kernel"], head["bias"]])
    except (ValueError, KeyError) as error:
        raise ValueError(f"the weights of {path} do not fit the architecture: {error}") from error
    return network


def read_weights(path: Path | str) -> dict[str, np.ndarray]:
    """Return the numeric arrays of an HDF5 file by their paths within it.

    Raises
    ------
    ValueError
        If the file is too large, is not HDF5, or holds anything but plain numeric
        arrays.
    """
    path = Path(path)
    if path.stat().st_size > _SIZE_LIMIT:
        raise ValueError(f"{path} is larger than {_SIZE_LIMIT} bytes")
    arrays: dict[str, np.ndarray] = {}

    def collect(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        if item.dtype.kind != "f" or item.is_virtual or item.external:
            raise ValueError(f"{path}: {name} is not a plain array of numbers")
        if item.nbytes > _SIZE_LIMIT:
            raise ValueError(f"{path}: {name} is larger than {_SIZE_LIMIT} bytes")
        arrays[name] = item[()]

    try:
        with h5py.File(path, "r") as file:
            file.visititems(collect)  # goes through hard links only
    except OSError as error:
        raise ValueError(f"{path} cannot be read as HDF5: {error}") from error
    return arrays


def _arrays_of(weights: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Return the arrays below a prefix by their last names, without Keras 2's ':0'."""
    return {
        name.rpartition("/")[2].removesuffix(":0"): array
        for name, array in weights.items()
        if name.startswith(prefix)
    }
