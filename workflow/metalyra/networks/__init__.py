"""The networks: a configuration in, a Keras model out.

All networks share one frame: the sequences are scaled, a body of the configured kind
turns them into features, a linear head turns these into [Fe/H]. The scaling of the
inputs and of the output is part of the network, so that its weights are all there is to
know about it. Keras is only imported when a network is built.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from metalyra.sequences import PADDING
from metalyra.settings import complete_settings

if TYPE_CHECKING:
    import keras
    import numpy as np


def complete_network(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a network with all its hyper-parameters.

    Raises
    ------
    ValueError
        If the kind or a hyper-parameter is unknown.
    """
    hyperparameters = dict(config)
    kind, kinds = hyperparameters.pop("kind", None), _kinds()
    if kind not in kinds:
        raise ValueError(f"unknown kind of network {kind!r}; known are {', '.join(kinds)}")
    return {"kind": kind, **complete_settings(kinds[kind], hyperparameters, f"a {kind} network")}


def build_network(config: Mapping[str, Any], steps: int, channels: int) -> "keras.Model":
    """Build a network with fresh weights and no scaling.

    Parameters
    ----------
    config
        The kind of the network under `kind`, and its hyper-parameters: the keyword
        arguments of the function of that name in this package.
    steps, channels
        Shape of a sequence. Steps where all channels are padding are masked.

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

    from metalyra.networks.layers import FixedScaling, PaddingMask

    hyperparameters = complete_network(config)
    body = _kinds()[hyperparameters.pop("kind")]
    inputs = keras.Input((steps, channels), name="sequences")
    mask = PaddingMask(name="mask")(inputs)
    scaled = FixedScaling(name="input_scaling")(inputs)
    features = body(scaled, mask, **hyperparameters)
    head = keras.layers.Dense(1, name="head")(features)
    return keras.Model(inputs, FixedScaling(name="output_scaling")(head), name="network")


def set_scaling(
    network: "keras.Model", sequences: "np.ndarray", feh: "np.ndarray", weights: "np.ndarray"
) -> None:
    """Standardise the inputs and the output of a network by its training set.

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
    """
    import numpy as np

    points = sequences[np.any(sequences != PADDING, axis=-1)].astype(float)
    mean, deviation = points.mean(axis=0), points.std(axis=0)
    deviation[deviation == 0] = 1
    network.get_layer("input_scaling").set_weights([1 / deviation, -mean / deviation])
    mean_feh = np.average(feh, weights=weights)
    deviation_feh = np.sqrt(np.average((feh - mean_feh) ** 2, weights=weights)) or 1.0
    network.get_layer("output_scaling").set_weights(
        [np.array([deviation_feh]), np.array([mean_feh])]
    )


def _kinds() -> dict[str, Callable[..., Any]]:
    from metalyra.networks import convolutional, recurrent

    return {"bilstm": recurrent.bilstm, "convolutional": convolutional.convolutional}
