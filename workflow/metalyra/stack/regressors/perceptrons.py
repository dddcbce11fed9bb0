"""Small networks of dense layers."""

from typing import NamedTuple

import numpy as np

from metalyra.core.arrays import Floats
from metalyra.core.randomness import derive_seed, generator
from metalyra.stack.inputs import Scaling, evaluate_in_batches
from metalyra.stack.regressors import FORMS, KINDS


@FORMS.register("Perceptrons", __name__)
class Perceptrons(NamedTuple):
    """The mean of `s` networks of two dense layers.

    Attributes
    ----------
    mean, deviation : (d,)
        Scaling of the inputs.
    first, second, last : (s, d, h), (s, h, h), (s, h)
        Weights of the layers.
    first_bias, second_bias, last_bias : (s, h), (s, h), (s,)
        Their biases.
    offset : ()
        Constant term (dex).
    """

    mean: Floats
    deviation: Floats
    first: Floats
    first_bias: Floats
    second: Floats
    second_bias: Floats
    last: Floats
    last_bias: Floats
    offset: Floats

    def predict(self, inputs: Floats) -> Floats:
        """Return [Fe/H] (n,) of stars with inputs (n, d)."""
        scaling = Scaling(self.mean, self.deviation)

        def evaluate(batch: Floats) -> Floats:
            hidden = _swish(_clip(scaling(batch)) @ self.first + self.first_bias[:, None])
            hidden = _swish(hidden @ self.second + self.second_bias[:, None])
            outputs = (hidden @ self.last[:, :, None])[:, :, 0] + self.last_bias[:, None]
            mean: Floats = outputs.mean(axis=0)
            return mean

        return self.offset + evaluate_in_batches(evaluate, inputs)


@KINDS.register("perceptrons", __name__)
def fit_perceptrons(
    inputs: Floats,
    feh: Floats,
    weights: Floats,
    seed: int,
    *,
    networks: int = 5,
    neurons: int = 64,
    dropout: float = 0.1,
    epochs: int = 60,
    batch_size: int = 64,
    learning_rate: float = 0.003,
    weight_decay: float = 0.01,
) -> Perceptrons:
    """Fit networks of two dense layers, which differ by their first weights.

    Trained by AdamW along a cosine, with a Huber loss, through all epochs: no star is
    looked at to decide when to stop.
    """
    import keras

    from metalyra.train.training import fit_network, make_deterministic

    scaling = Scaling.of(inputs)
    mean = np.average(feh, weights=weights)
    scaled = _clip(scaling(inputs)).astype(np.float32)
    parameters = []
    for number in range(networks):
        make_deterministic(derive_seed(seed, "perceptrons", str(number)))
        network = keras.Sequential(
            [
                keras.Input((inputs.shape[1],)),
                keras.layers.Dense(neurons, activation="swish"),
                keras.layers.Dropout(dropout),
                keras.layers.Dense(neurons, activation="swish"),
                keras.layers.Dropout(dropout),
                keras.layers.Dense(1),
            ]
        )
        fit_network(
            network,
            (scaled, (feh - mean).astype(np.float32), weights.astype(np.float32)),
            None,
            generator(seed, "shuffle", str(number)),
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            loss="huber",
        )
        parameters.append([array.astype(float) for array in network.get_weights()])
    first, first_bias, second, second_bias, last, last_bias = (
        np.stack(arrays) for arrays in zip(*parameters, strict=True)
    )
    return Perceptrons(
        *scaling,
        first,
        first_bias,
        second,
        second_bias,
        last[:, :, 0],
        last_bias[:, 0],
        np.array(mean),
    )


def _clip(scaled: Floats) -> Floats:
    """Hold scaled inputs within the range that networks have learnt."""
    return np.clip(scaled, -5, 5)


def _swish(values: Floats) -> Floats:
    # By the hyperbolic tangent, which NumPy has for several numbers at once: the more of them
    # in single precision, in which the networks were trained.
    activated: Floats = values * (
        0.5 + 0.5 * np.tanh(0.5 * values, dtype=np.float32, casting="same_kind")
    )
    return activated
