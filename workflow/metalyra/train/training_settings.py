"""How a network is trained, as the configuration says it."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from annotated_types import Ge, Gt, Le, Lt

from metalyra.core.bounds import Count, NotNegative, Positive
from metalyra.core.settings import complete_settings

Optimizer = Literal["adam", "adamw", "nadam", "rmsprop", "sgd"]
Schedule = Literal["constant", "cosine", "exponential", "reduce_on_plateau"]
Loss = Literal["huber", "log_cosh", "mae", "mse"]
Validation = Literal[None, "fold", "inner", "none"]
Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]

CHOICES: Mapping[str, tuple[str | None, ...]] = {
    "optimizer": get_args(Optimizer),
    "schedule": get_args(Schedule),
    "loss": get_args(Loss),
    "validation": get_args(Validation),
    "precision": get_args(Precision),
}
"""Settings of a training that are one of a few names."""


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How a network is trained.

    Attributes
    ----------
    epochs
        Largest number of epochs.
    batch_size
        Largest number of stars per step of the optimisation.
    optimizer
        One of `CHOICES`.
    learning_rate
        At the start.
    weight_decay
        Of AdamW.
    momentum
        Of SGD, with Nesterov's acceleration.
    clip_norm
        Largest norm of the gradient of all weights together; None for any.
    schedule
        "constant"; "cosine", a learning rate that falls to 0 along a cosine;
        "exponential", one that falls exponentially to `final_share` of the start; or
        "reduce_on_plateau", one that is multiplied by `reduction` whenever the validation
        loss has not fallen for `plateau` epochs.
    warm_up
        Epochs over which the learning rate rises from 0 before a cosine.
    final_share, plateau, reduction
        Of these schedules.
    loss
        "mse", "mae", "log_cosh" or "huber" (quadratic below `delta`), weighted by the
        stars' weights.
    delta
        Of the Huber loss (dex).
    validation
        Which stars choose the epoch whose weights are kept: "inner", a share of those
        that the network may see, so that the metrics of the held-out fold are honest;
        "fold", the held-out fold itself, as the papers do; "none", the last epoch is
        kept. By default "inner" where patience or reduce_on_plateau need a validation,
        else "none": at the end of a cosine, the last epoch is as good as the best.
    validation_share
        Of the training stars, set aside where the validation is an inner one.
    patience
        Epochs without a lower validation loss after which the training stops; None to
        go through all.
    min_delta
        By how much a validation loss must be lower to count, for patience and plateau.
    precision
        Keras' policy of numbers: mixed ones are for GPUs.
    standardise_inputs
        Whether the network scales each channel of the sequences to mean 0 and standard
        deviation 1 over its training stars. The papers' networks read them as they are.
    standardise_labels
        Whether it learns [Fe/H] in units of the standard deviation from the mean of its
        training stars. The papers' networks learn it in dex.
    jit_compile
        Whether XLA compiles the network. By default Keras decides, but for recurrent
        networks on a CPU, which take half the time with it.

    Raises
    ------
    ValueError
        If the value of a choice is unknown, or settings contradict each other.
    """

    epochs: Count = 80
    batch_size: Count = 64
    optimizer: Optimizer = "adamw"
    learning_rate: Positive = 0.003
    weight_decay: NotNegative = 0.001
    momentum: Annotated[float, Ge(0), Le(1)] = 0.9
    clip_norm: Positive | None = None
    schedule: Schedule = "cosine"
    warm_up: Annotated[int, Ge(0)] = 0
    final_share: Annotated[float, Gt(0), Le(1)] = 0.01
    plateau: Count = 10
    reduction: Annotated[float, Gt(0), Lt(1)] = 0.5
    loss: Loss = "mse"
    delta: Positive = 0.3
    validation: Validation = None
    validation_share: Annotated[float, Gt(0), Lt(1)] = 0.15
    patience: Count | None = None
    min_delta: NotNegative = 0.0
    precision: Precision = "float32"
    standardise_inputs: bool = True
    standardise_labels: bool = True
    jit_compile: bool | None = None

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            if (given := getattr(self, name)) not in allowed:
                names = ", ".join(filter(None, allowed))
                raise ValueError(f"{name} of the training is {given!r}; allowed are {names}")
        if self.warm_up and self.schedule != "cosine":
            raise ValueError("warm_up of the training needs the schedule cosine")
        if self.warm_up >= self.epochs:
            raise ValueError("warm_up of the training must be shorter than its epochs")
        if self.validation == "none":
            self.check_unguided()

    def is_guided(self) -> bool:
        """Tell whether the training needs a validation on its way."""
        return self.patience is not None or self.schedule == "reduce_on_plateau"

    def check_unguided(self) -> None:
        """Raise a ValueError if the training cannot go without a validation."""
        if self.is_guided():
            what = "reduce_on_plateau" if self.patience is None else "patience"
            raise ValueError(f"{what} needs stars that validate the network")


def complete_training(training: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a training, those given and the defaults.

    Raises
    ------
    ValueError
        If a setting or the value of a choice is unknown, or settings contradict each
        other.
    """
    complete = TrainingSettings(**complete_settings(TrainingSettings, training, "the training"))
    validation = complete.validation or ("inner" if complete.is_guided() else "none")
    return dataclasses.asdict(complete) | {"validation": validation}
