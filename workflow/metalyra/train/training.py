"""The training of one network: optimiser, schedule, loss, early stopping, checkpoints."""

import dataclasses
import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from metalyra.core.fingerprints import fingerprint
from metalyra.train.checkpoints import Checkpoint, State, identify
from metalyra.train.devices import has_only_cpu
from metalyra.train.training_settings import TrainingSettings

if TYPE_CHECKING:
    import keras

    Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]

_LOGGER = logging.getLogger(__name__)


class DivergedError(ArithmeticError):
    """A training has left the finite numbers before any epoch was good."""


def fit_network(
    network: "keras.Model",
    trained_on: "Arrays",
    validated_on: "Arrays | None",
    random: np.random.Generator,
    checkpoint: Checkpoint | None = None,
    *,
    stop_after: int | None = None,
    **settings: Any,
) -> pd.DataFrame:
    """Fit a network, and leave it with the weights of its best epoch.

    Without stars that choose the epoch, it keeps the weights of the last.

    Parameters
    ----------
    network
        Of `metalyra.train.networks.build_network`; changed.
    trained_on, validated_on
        Sequences (n, steps, channels), [Fe/H] (n,) in dex and weights (n,) of the stars
        of the training and of the validation; None for no validation. With the setting
        `validation` "none", the validation is only recorded.
    random
        Draws the order of the stars in each epoch.
    checkpoint
        Where the state is saved, and from where a training that was killed goes on, to
        the same weights. The file stays until the caller removes it.
    stop_after
        Epoch at which the training stops on its way; its checkpoint is then the state from
        which it goes on.
    **settings
        Of `metalyra.train.training_settings.TrainingSettings`.

    Returns
    -------
    DataFrame
        epoch (from 1), loss (mean over the batches as they were trained on), val_loss (NaN
        without validation) and learning_rate, at the beginning of the epoch. It ends where
        the loss is no longer finite.

    Raises
    ------
    ValueError
        If settings are wrong, or need a validation where there is none.
    DivergedError
        If the loss is no longer finite and no epoch was chosen before.
    """
    chosen = TrainingSettings(**settings)
    guided = validated_on is not None and chosen.validation != "none"
    if not guided:
        chosen.check_unguided()
    stars = len(trained_on[0])
    batches = math.ceil(stars / chosen.batch_size)
    compile_network(network, chosen, batches)
    progress = Progress(chosen, min(chosen.epochs, stop_after or chosen.epochs))
    best = network.get_weights()
    if checkpoint is not None:
        identity = identify_training(network, trained_on, validated_on, random, chosen)
        if (state := checkpoint.read(identity)) is not None:
            best = _restore(state, network, random, progress)

    # Not network.fit, which takes three times as long for an epoch of some hundred stars,
    # and whose order of the stars depends on the backend.
    while not progress.is_over():
        if chosen.schedule == "reduce_on_plateau":
            reduced = chosen.reduction**progress.reductions
            network.optimizer.learning_rate = chosen.learning_rate * reduced
        learning_rate = float(network.optimizer.learning_rate)
        loss = 0.0
        for batch in np.array_split(random.permutation(stars), batches):
            batch_loss = network.train_on_batch(*(array[batch] for array in trained_on))
            loss += float(batch_loss) * len(batch) / stars
        val_loss = math.nan if validated_on is None else network.test_on_batch(*validated_on)
        if progress.add(loss, float(val_loss), learning_rate):
            best = network.get_weights()
        if checkpoint is not None and (progress.is_over() or checkpoint.is_due()):
            checkpoint.write(_collect(network, random, best, progress), identity)

    if progress.has_chosen(guided=guided):
        network.set_weights(best)
    return progress.tabulate()


def compile_network(network: "keras.Model", settings: TrainingSettings, batches: int) -> None:
    """Give a network its loss and its optimiser, for so many batches an epoch."""
    compiler = settings.jit_compile
    network.compile(
        optimizer=_make_optimizer(settings, batches),
        loss=_make_loss(settings),
        jit_compile=_choose_compiler(network) if compiler is None else compiler,
    )
    network.optimizer.build(network.trainable_variables)


def make_deterministic(seed: int) -> None:
    """Seed all generators, and let a GPU compute in a fixed order, as a CPU does anyway."""
    import keras

    keras.utils.set_random_seed(seed % 2**32)
    if keras.backend.backend() == "tensorflow" and not has_only_cpu():
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()


@dataclass
class Progress:
    """The epochs of a training so far, and what the validation says of them.

    Attributes
    ----------
    settings
        Of the training.
    last
        The epoch at which it ends or stops.
    history
        loss, val_loss and learning_rate of each epoch.
    best
        Lowest validation loss.
    reference
        The last validation loss that was lower than the one before by `min_delta`.
    waited
        Epochs since then.
    reductions
        How often the learning rate was reduced on a plateau.
    """

    settings: TrainingSettings
    last: int
    history: list[tuple[float, float, float]] = field(default_factory=list)
    best: float = math.inf
    reference: float = math.inf
    waited: int = 0
    reductions: int = 0

    def add(self, loss: float, val_loss: float, learning_rate: float) -> bool:
        """Add an epoch, and tell whether it is the best so far."""
        self.history.append((loss, val_loss, learning_rate))
        if val_loss < self.reference - self.settings.min_delta:
            self.reference, self.waited = val_loss, 0
        else:
            self.waited += 1
            self.reductions += self.waited % self.settings.plateau == 0
        is_best = val_loss < self.best
        self.best = val_loss if is_best else self.best
        return is_best

    def is_finite(self) -> bool:
        """Tell whether the last loss is finite."""
        return not self.history or math.isfinite(self.history[-1][0])

    def is_over(self) -> bool:
        """Tell whether the training ends here."""
        settings = self.settings
        stopped = settings.patience is not None and self.waited >= settings.patience
        return len(self.history) >= self.last or stopped or not self.is_finite()

    def has_chosen(self, *, guided: bool) -> bool:
        """Tell whether an epoch was chosen, in the end.

        Raises
        ------
        DivergedError
            If none was, and the loss is no longer finite.
        """
        chosen = guided and math.isfinite(self.best)
        if not self.is_finite():
            diverged = f"the loss is no longer finite after epoch {len(self.history)}"
            if not chosen:
                raise DivergedError(f"{diverged}; try a smaller learning_rate, or clip_norm")
            _LOGGER.warning("%s; an earlier one is kept", diverged)
        return chosen

    def tabulate(self) -> pd.DataFrame:
        """Return the history as a table."""
        table = pd.DataFrame(self.history, columns=["loss", "val_loss", "learning_rate"])
        table.insert(0, "epoch", np.arange(1, len(table) + 1))
        return table


def _make_optimizer(settings: TrainingSettings, batches: int) -> "keras.Optimizer":
    """Return the optimiser with its schedule, for so many batches an epoch."""
    from keras import optimizers

    rate: Any = settings.learning_rate
    if settings.schedule == "cosine" and settings.warm_up:
        rate = optimizers.schedules.CosineDecay(
            0.0,
            (settings.epochs - settings.warm_up) * batches,
            warmup_target=rate,
            warmup_steps=settings.warm_up * batches,
        )
    elif settings.schedule == "cosine":
        rate = optimizers.schedules.CosineDecay(rate, settings.epochs * batches)
    elif settings.schedule == "exponential":
        rate = optimizers.schedules.ExponentialDecay(
            rate, settings.epochs * batches, settings.final_share
        )
    kinds = {
        "adam": optimizers.Adam,
        "adamw": partial(optimizers.AdamW, weight_decay=settings.weight_decay),
        "nadam": optimizers.Nadam,
        "rmsprop": optimizers.RMSprop,
        "sgd": partial(optimizers.SGD, momentum=settings.momentum, nesterov=True),
    }
    return kinds[settings.optimizer](rate, global_clipnorm=settings.clip_norm)


def _make_loss(settings: TrainingSettings) -> "keras.Loss":
    from keras import losses

    kinds = {
        "huber": partial(losses.Huber, delta=settings.delta),
        "log_cosh": losses.LogCosh,
        "mae": losses.MeanAbsoluteError,
        "mse": losses.MeanSquaredError,
    }
    return kinds[settings.loss]()


def _choose_compiler(network: "keras.Model") -> bool | str:
    """Tell Keras whether XLA shall compile the network: "auto" to leave it the choice.

    Measured on one core: steps of a GRU and a bidirectional LSTM take 0.56 and 0.45 of
    the time with XLA, those of convolutional networks as long as without.
    """
    from keras import layers

    recurrent = any(
        isinstance(layer, layers.RNN | layers.Bidirectional) for layer in network.layers
    )
    return True if recurrent and has_only_cpu() else "auto"


def identify_training(
    network: "keras.Model",
    trained_on: "Arrays",
    validated_on: "Arrays | None",
    random: np.random.Generator,
    settings: TrainingSettings,
    *further: Any,
) -> str:
    """Name a training by all that its outcome depends on, and `further` things."""
    import keras

    about = {
        "settings": dataclasses.asdict(settings),
        "network": network.get_config(),
        "random": random.bit_generator.state,
        "libraries": [
            keras.backend.backend(),
            keras.__version__,
            fingerprint("metalyra.train.training"),
        ],
        **({"further": further} if further else {}),
    }
    return identify(about, [*_values(network.variables), *trained_on, *(validated_on or ())])


def _collect(
    network: "keras.Model",
    random: np.random.Generator,
    best: list[np.ndarray],
    progress: Progress,
) -> State:
    """Return the state of a training between two epochs."""
    return State(
        variables=_values(network.variables),
        optimizer=_values(network.optimizer.variables),
        best=best,
        history=progress.history,
        random=random.bit_generator.state,
    )


def _restore(
    state: State,
    network: "keras.Model",
    random: np.random.Generator,
    progress: Progress,
) -> list[np.ndarray]:
    """Put a training into a saved state, and return the weights of its best epoch."""
    for variable, value in zip(network.variables, state.variables, strict=True):
        variable.assign(value)
    for variable, value in zip(network.optimizer.variables, state.optimizer, strict=True):
        variable.assign(value)
    random.bit_generator.state = state.random
    for epoch in state.history:
        progress.add(*epoch)
    return state.best


def _values(variables: "Iterable[keras.Variable]") -> list[np.ndarray]:
    """Return the values of variables, those of a network's generators included."""
    return [variable.numpy() for variable in variables]
