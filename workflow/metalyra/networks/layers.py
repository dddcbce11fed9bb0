"""Layers that Keras lacks."""

from typing import Any

import keras
from keras import ops

from metalyra.sequences import PADDING


@keras.saving.register_keras_serializable(package="metalyra")
class PaddingMask(keras.layers.Layer):
    """True for the steps of a sequence that hold a measurement."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return the mask, shape (n, steps), of sequences (n, steps, channels)."""
        return ops.any(ops.not_equal(inputs, PADDING), axis=-1)

    def compute_output_spec(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Tell shape and type of the mask."""
        return keras.KerasTensor(inputs.shape[:-1], dtype="bool")


@keras.saving.register_keras_serializable(package="metalyra")
class FixedScaling(keras.layers.Layer):
    """Multiply each channel by a factor and add an offset, both fixed before the training.

    They start as 1 and 0 and are saved with the other weights. Unlike those of Keras'
    `Normalization`, they can be exchanged in a compiled network.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the factor and the offset of each channel."""
        shape = (input_shape[-1],)
        self.factor = self.add_weight(
            name="factor", shape=shape, initializer="ones", trainable=False
        )
        self.offset = self.add_weight(
            name="offset", shape=shape, initializer="zeros", trainable=False
        )

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Scale the last axis."""
        return inputs * self.factor + self.offset


@keras.saving.register_keras_serializable(package="metalyra")
class CircularPadding(keras.layers.Layer):
    """Repeat the ends of a closed curve beyond its beginning and its end.

    Parameters
    ----------
    margin
        Steps added on either side.
    """

    def __init__(self, margin: int, **options: Any) -> None:
        super().__init__(**options)
        self.margin = margin

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Pad the steps of curves (n, steps, channels)."""
        before, after = inputs[:, -self.margin :], inputs[:, : self.margin]
        return ops.concatenate([before, inputs, after], axis=1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "margin": self.margin}
