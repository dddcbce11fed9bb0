"""What a network is made of, layer by layer."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from metalyra.train.networks import build_network
from metalyra.train.sequences import sequence_shape

if TYPE_CHECKING:
    import keras

LAYER_COLUMNS = ("layer", "kind", "settings", "output_shape", "n_parameters")
"""Columns of a table of layers."""

_FRAME = ("mask", "input_scaling", "output_scaling")
"""Layers that every network has around its body, with nothing to learn."""

_ANY_LENGTH = "n"
"""Stands for a number of steps that a network does not fix."""


def describe_architecture(network: Mapping[str, Any], sequence: Mapping[str, Any]) -> pd.DataFrame:
    """Return the layers of a network of a configuration, which is built for that.

    Parameters
    ----------
    network
        Of `metalyra.train.networks.build_network`.
    sequence
        Recipe of the sequences that it reads. Where the longest light curve sets the number of
        steps, it is not fixed.

    Returns
    -------
    DataFrame
        Of `list_layers`.

    Raises
    ------
    ValueError
        If a kind or a setting is unknown.
    """
    steps, channels = sequence_shape(sequence)
    return list_layers(build_network(network, steps or None, channels))


def list_layers(network: "keras.Model") -> pd.DataFrame:
    """Return the layers of a network, from the sequences to [Fe/H].

    Parameters
    ----------
    network
        Of `metalyra.train.networks.build_network`; its mask and its scaling of sequences and
        [Fe/H], which are not learnt, are left out.

    Returns
    -------
    DataFrame
        Of each layer, in the order of the network: layer, its name; kind, of Keras, that of
        both directions with ``Bidirectional`` before it; settings, its hyper-parameters in
        words; output_shape, without the stars, such as ``60 x 64``; n_parameters, how many
        numbers it learns.
    """
    rows = [
        (
            layer.name,
            _name_kind(layer),
            _describe_settings(layer),
            _describe_shape(layer.output.shape[1:]),
            sum(math.prod(weight.shape) for weight in layer.trainable_weights),
        )
        for layer in network.layers
        if layer.name not in _FRAME
    ]
    return pd.DataFrame(rows, columns=list(LAYER_COLUMNS))


def _name_kind(layer: "keras.Layer") -> str:
    wrapped = getattr(layer, "forward_layer", None)
    name = type(layer).__name__
    return name if wrapped is None else f"{name} {type(wrapped).__name__}"


def _describe_shape(shape: tuple[int | None, ...]) -> str:
    return " x ".join(_ANY_LENGTH if size is None else str(size) for size in shape)


def _describe_settings(layer: "keras.Layer") -> str:
    """Return size, dropout and regularisation of a layer, as far as it has them."""
    config: Mapping[str, Any] = getattr(layer, "forward_layer", layer).get_config()
    words = []
    if "units" in config:
        words.append(f"{config['units']} neuron{'s' if config['units'] > 1 else ''}")
    if "filters" in config:
        sizes = " x ".join(map(str, config["kernel_size"]))
        words.append(f"{config['filters']} filters of {sizes}")
    if "num_heads" in config:
        words.append(f"{config['num_heads']} heads of {config['key_dim']}")
    if config.get("rate"):
        words.append(f"dropout {config['rate']:g}")
    for part in ("kernel", "recurrent"):
        penalty = (config.get(f"{part}_regularizer") or {}).get("config", {})
        for norm in ("l1", "l2"):
            if strength := float(penalty.get(norm, 0.0)):
                words.append(f"{part} {norm.upper()} {strength:.3g}")
    return ", ".join(words)
