"""The networks: a configuration in, a Keras model out.

A kind of network is a function of one module of this package, with the decorator
`network`. All networks share one frame: the sequences are scaled, a body of the configured kind
turns them into features, a linear head turns these into [Fe/H]. The scaling of the
inputs and of the output is part of the network, so that its weights are all there is to
know about it. Keras is only imported when a network is built.
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metalyra.core.registry import Registry
from metalyra.core.settings import complete_settings
from metalyra.train.sequences import PADDING

if TYPE_CHECKING:
    import keras

Body = Callable[..., "keras.KerasTensor"]
"""From scaled sequences and their mask to features (n, d), by hyper-parameters."""

KINDS: Registry[Body] = Registry("kind of network", __name__)
"""Bodies of networks by kind; their hyper-parameters are the functions' keyword arguments."""

_ANY_LENGTH: set[str] = set()


def network(kind: str, *, any_length: bool = False) -> Callable[[Body], Body]:
    """Return the decorator of a function that is the body of a kind of network.

    Parameters
    ----------
    kind
        Its name in the configuration.
    any_length
        Whether it reads sequences of any length, and predicts the same with less padding.
    """

    def register(body: Body) -> Body:
        if any_length:
            _ANY_LENGTH.add(kind)
        return KINDS.register(kind, body.__module__)(body)

    return register


def reads_any_length(kind: str) -> bool:
    """Tell whether networks of a kind read sequences of any length."""
    return kind in KINDS and kind in _ANY_LENGTH


def complete_network(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a network with all its hyper-parameters.

    Raises
    ------
    ValueError
        If the kind or a hyper-parameter is unknown.
    """
    hyperparameters = dict(config)
    kind = hyperparameters.pop("kind", None)
    return {"kind": kind, **complete_settings(KINDS[kind], hyperparameters, f"a {kind} network")}


def name_backend() -> str:
    """Return the name of the library that Keras computes with, which takes seconds to load.

    It is found as Keras finds it: the environment variable KERAS_BACKEND, keras.json in its
    folder, TensorFlow.
    """
    if named := os.environ.get("KERAS_BACKEND"):
        return named
    settings = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "keras.json"
    known = json.loads(settings.read_text()) if settings.is_file() else {}
    return str(known.get("backend", "tensorflow"))


def build_network(
    config: Mapping[str, Any], steps: int | None, channels: int, precision: str = "float32"
) -> "keras.Model":
    """Build a network with fresh weights and no scaling.

    Parameters
    ----------
    config
        The kind of the network under `kind`, and its hyper-parameters: see `KINDS`.
    steps, channels
        Shape of a sequence. Steps where all channels are padding are masked. None for
        any number of steps, which some kinds read: `reads_any_length`.
    precision
        Keras' policy of the numbers that the body computes with; its weights, and the
        scaling of the sequences and of [Fe/H], are float32 with any.

    Returns
    -------
    keras.Model
        From sequences (n, steps, channels) to [Fe/H] (n, 1).

    Raises
    ------
    ValueError
        If the kind or a hyper-parameter is unknown.
    """
    import keras

    from metalyra.train.layers import FixedScaling, PaddingMask

    hyperparameters = complete_network(config)
    body = KINDS[hyperparameters.pop("kind")]
    inputs = keras.Input((steps, channels), name="sequences")
    mask = PaddingMask(name="mask", dtype="float32")(inputs)
    scaled = FixedScaling(name="input_scaling", dtype="float32")(inputs)
    usual = keras.config.dtype_policy()
    # A network, too, asks for the policy when it is made, to scale its loss.
    keras.config.set_dtype_policy(precision)
    try:
        features = body(scaled, mask, **hyperparameters)
        head = keras.layers.Dense(1, name="head", dtype="float32")(features)
        feh = FixedScaling(name="output_scaling", dtype="float32")(head)
        return keras.Model(inputs, feh, name="network")
    finally:
        keras.config.set_dtype_policy(usual)


def set_scaling(
    network: "keras.Model",
    sequences: np.ndarray,
    feh: np.ndarray,
    weights: np.ndarray,
    *,
    of_inputs: bool = True,
    of_labels: bool = True,
) -> None:
    """Standardise the inputs and the output of a network by its training set.

    Principal components, where the network has them, are found in the same set.

    Parameters
    ----------
    network
        Of `build_network`.
    sequences : array, shape (n, steps, channels)
        Each channel gets mean 0 and standard deviation 1 over its unmasked steps.
    feh : array, shape (n,)
        The network's head predicts it in units of its standard deviation from its mean.
    weights : array, shape (n,)
        Weights of the stars in the mean and standard deviation of `feh`.
    of_inputs, of_labels
        Whether they are standardised; sequences are read, and [Fe/H] is learnt, as they
        are where not.
    """
    import keras

    from metalyra.train.layers import PrincipalComponents

    if of_inputs:
        points = sequences[np.any(sequences != PADDING, axis=-1)].astype(float)
        mean, deviation = points.mean(axis=0), points.std(axis=0)
        deviation[np.ptp(points, axis=0) == 0] = 1
        network.get_layer("input_scaling").set_weights([1 / deviation, -mean / deviation])
    if of_labels:
        mean_feh = np.average(feh, weights=weights)
        variance_feh = np.average((feh - mean_feh) ** 2, weights=weights)
        deviation_feh = np.sqrt(variance_feh) if np.ptp(feh) > 0 else 1.0
        network.get_layer("output_scaling").set_weights(
            [np.array([deviation_feh]), np.array([mean_feh])]
        )
    for layer in network.layers:
        if isinstance(layer, PrincipalComponents):
            curves = keras.Model(network.input, layer.input).predict_on_batch(sequences)
            layer.adapt(np.asarray(curves))
