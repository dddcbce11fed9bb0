"""Layers that Keras lacks."""

from typing import Any

import keras
import numpy as np
from keras import ops

from metalyra.train.sequences import PADDING


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
class PooledMask(keras.layers.Layer):
    """True for the steps of a pooled sequence that hold at least one measurement.

    Parameters
    ----------
    pool
        Neighbouring steps pooled into one; those that miss at the end are added.
    """

    def __init__(self, pool: int, **options: Any) -> None:
        super().__init__(**options)
        self.pool = pool

    def call(self, measured: keras.KerasTensor) -> keras.KerasTensor:
        """Return the mask, shape (n, steps / pool rounded up), of a mask (n, steps)."""
        steps = measured.shape[1]
        filled = ops.pad(measured, ((0, 0), (0, -steps % self.pool)))
        return ops.any(ops.reshape(filled, (-1, -(-steps // self.pool), self.pool)), axis=-1)

    def compute_output_spec(self, measured: keras.KerasTensor) -> keras.KerasTensor:
        """Tell shape and type of the mask."""
        return keras.KerasTensor((measured.shape[0], -(-measured.shape[1] // self.pool)), "bool")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "pool": self.pool}


@keras.saving.register_keras_serializable(package="metalyra")
class FillPadding(keras.layers.Layer):
    """Give the steps without a measurement a fixed value.

    Parameters
    ----------
    value
        Value of all channels of these steps.
    """

    def __init__(self, value: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.value = value
        self.supports_masking = True

    def call(self, inputs: keras.KerasTensor, measured: keras.KerasTensor) -> keras.KerasTensor:
        """Return sequences (n, steps, channels), filled where `measured` (n, steps) is false."""
        fill = ops.cast(self.value, inputs.dtype)
        return ops.where(ops.expand_dims(measured, -1), inputs, fill)

    def compute_mask(self, inputs: keras.KerasTensor, previous: object = None) -> None:
        """Let no mask follow the sequences on its own: layers are given theirs."""

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "value": self.value}


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


@keras.saving.register_keras_serializable(package="metalyra")
class Curve(keras.layers.Layer):
    """The first channel of sequences (n, steps, channels): shape (n, steps, 1)."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Leave out the channels that are constant."""
        return inputs[:, :, :1]


@keras.saving.register_keras_serializable(package="metalyra")
class Constants(keras.layers.Layer):
    """The other channels of sequences (n, steps, channels): shape (n, channels - 1)."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Read the constant channels at the first step."""
        return inputs[:, 0, 1:]


@keras.saving.register_keras_serializable(package="metalyra")
class PrincipalComponents(keras.layers.Layer):
    """Project curves on the principal components of the training set.

    The mean curve and the components are fixed before the training, and saved with the
    other weights.

    Parameters
    ----------
    components
        Number of components.
    """

    def __init__(self, components: int, **options: Any) -> None:
        super().__init__(**options)
        self.components = components

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the mean curve and the components."""
        steps = input_shape[-1]
        self.mean = self.add_weight(
            name="mean", shape=(steps,), initializer="zeros", trainable=False
        )
        self.basis = self.add_weight(
            name="basis",
            shape=(steps, self.components),
            initializer="orthogonal",
            trainable=False,
        )

    def adapt(self, curves: np.ndarray) -> None:
        """Find the components of a training set, scaled to coefficients of variance 1.

        Parameters
        ----------
        curves : array, shape (n, steps)

        Raises
        ------
        ValueError
            If there are fewer curves than components.
        """
        if len(curves) < self.components:
            raise ValueError(f"{len(curves)} curves have no {self.components} components")
        mean = curves.mean(axis=0, dtype=float)
        _, deviations, axes = np.linalg.svd(curves - mean, full_matrices=False)
        deviations, axes = deviations[: self.components], axes[: self.components]
        # A component's sign is arbitrary: let its largest element be positive.
        largest = np.abs(axes).argmax(axis=1)
        axes *= np.sign(axes[np.arange(len(axes)), largest])[:, None]
        deviations /= np.sqrt(len(curves))
        deviations[deviations <= 1e-6 * deviations[0]] = 1
        self.set_weights([mean, (axes / deviations[:, None]).T])

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return the coefficients, shape (n, components), of curves (n, steps)."""
        return ops.matmul(inputs - self.mean, self.basis)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "components": self.components}


@keras.saving.register_keras_serializable(package="metalyra")
class PositionalEncoding(keras.layers.Layer):
    """Add waves by which a network tells the steps of a sequence apart.

    Sines and cosines of the step with wavelengths from 2 pi to 10000 times 2 pi steps
    (Vaswani et al. 2017, Sec. 3.5).
    """

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Add the waves to sequences (n, steps, channels)."""
        _, steps, channels = inputs.shape
        channel = np.arange(channels)
        angle = np.arange(steps)[:, None] / 10000 ** (2 * (channel // 2) / channels)
        waves = np.where(channel % 2 == 0, np.sin(angle), np.cos(angle))
        return inputs + ops.cast(waves, inputs.dtype)
