"""Members of an ensemble trained together, in one compiled program: Keras on JAX.

All that differs between the members of an ensemble are their numbers: those they start from
and those they are shown. So a step of all of them is one step of arrays that have one axis
more (`jax.vmap`), which keeps a GPU as busy as a single small network cannot.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from metalyra.core.fingerprints import fingerprint
from metalyra.train.checkpoints import Checkpoint, State
from metalyra.train.training import Progress, compile_network, identify_training
from metalyra.train.training_settings import TrainingSettings

if TYPE_CHECKING:
    import keras

    Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def trains_together() -> bool:
    """Tell whether members are trained together: where Keras computes with JAX."""
    import keras

    backend: str = keras.backend.backend()
    return backend == "jax"


def fit_networks(
    networks: "Sequence[keras.Model]",
    trained_on: "Sequence[Arrays]",
    validated_on: "Sequence[Arrays]",
    randoms: Sequence[np.random.Generator],
    checkpoints: Sequence[Checkpoint] | None = None,
    *,
    counts: Sequence[int] | None = None,
    **settings: Any,
) -> list[pd.DataFrame]:
    """Fit networks that differ in their numbers only, as `metalyra.train.training.fit_network`.

    An epoch has as many batches as that of the member of most stars needs, all of one size: of a
    member of fewer stars, some are in two of them, others in each epoch.

    Parameters
    ----------
    networks
        m networks of one configuration; changed.
    trained_on, validated_on, randoms, checkpoints
        Of each what `fit_network` takes.
    counts
        Stars that the members of the whole ensemble are trained on, so that it does not matter
        which of them are trained together; by default, those that are here.
    **settings
        Of `metalyra.train.training_settings.TrainingSettings`.

    Returns
    -------
    list of DataFrame
        The history of each.

    Raises
    ------
    ValueError
        If settings are wrong.
    metalyra.train.training.DivergedError
        If the loss of a member is no longer finite and no epoch was chosen before.
    """
    chosen = TrainingSettings(**settings)
    guided = chosen.validation != "none"
    own_counts = [len(feh) for _, feh, _ in trained_on]
    counts = counts or own_counts
    batches = math.ceil(max(counts) / chosen.batch_size)
    size = math.ceil(max(counts) / batches)
    code = fingerprint("metalyra.train.together")
    for network in networks:
        _avoid_cudnn(network)
        compile_network(network, chosen, batches)
    ensemble = _Ensemble(networks, trained_on, validated_on)
    progresses = [Progress(chosen, chosen.epochs) for _ in networks]
    bests = [network.get_weights() for network in networks]
    identities = []
    for member, checkpoint in enumerate(checkpoints or ()):
        parts = trained_on[member], validated_on[member], randoms[member]
        identity = identify_training(networks[member], *parts, chosen, batches, size, code)
        identities.append(identity)
        if (state := checkpoint.read(identity)) is not None:
            ensemble.restore(member, state)
            randoms[member].bit_generator.state = state.random
            bests[member] = state.best
            for epoch in state.history:
                progresses[member].add(*epoch)

    while active := [member for member, own in enumerate(progresses) if not own.is_over()]:
        orders = np.zeros((batches, len(networks), size), dtype=np.int32)
        for member in active:
            shuffled = randoms[member].permutation(own_counts[member])
            orders[:, member] = np.resize(shuffled, (batches, size))
            if chosen.schedule == "reduce_on_plateau":
                reduced = chosen.reduction ** progresses[member].reductions
                ensemble.set_learning_rate(member, chosen.learning_rate * reduced)
        losses, val_losses, rates = ensemble.go_through(orders, active)
        for member in active:
            own = progresses[member]
            if own.add(losses[member], val_losses[member], rates[member]):
                bests[member] = ensemble.weights_of(member)
            if checkpoints and (own.is_over() or checkpoints[member].is_due()):
                state = ensemble.collect(member, bests[member], own, randoms[member])
                checkpoints[member].write(state, identities[member])
            if not own.is_finite():
                own.has_chosen(guided=guided)  # or the others would go on for nothing
    for member, (network, own) in enumerate(zip(networks, progresses, strict=True)):
        chosen_epoch = own.has_chosen(guided=guided)
        network.set_weights(bests[member] if chosen_epoch else ensemble.weights_of(member))
    return [own.tabulate() for own in progresses]


class _Ensemble:
    """Networks as one, with their stars: all arrays have the members as their first axis.

    Attributes
    ----------
    network
        The first, whose steps all take.
    state
        Trainable variables, others, those of the optimiser, those of metrics.
    """

    def __init__(
        self,
        networks: "Sequence[keras.Model]",
        trained_on: "Sequence[Arrays]",
        validated_on: "Sequence[Arrays]",
    ) -> None:
        import jax

        self.network = networks[0]
        parts = [_list_variables(network) for network in networks]
        self.state: list[list[Any]] = [
            [np.stack([each.numpy() for each in alike]) for alike in zip(*lists, strict=True)]
            for lists in zip(*parts, strict=True)
        ]
        self._places = {
            id(variable): (part, number)
            for part, variables in enumerate(parts[0])
            for number, variable in enumerate(variables)
        }
        self._trained_on = jax.device_put(_stack_stars(trained_on))
        self._validated_on = jax.device_put(_stack_evenly(validated_on))
        self._train = jax.jit(jax.vmap(self._train_one, in_axes=(0, 0, 1, 0)))
        self._validate = jax.jit(jax.vmap(self._validate_one))

    def go_through(
        self, orders: np.ndarray, active: Sequence[int]
    ) -> tuple[list[float], list[float], list[float]]:
        """Train an epoch, and return losses, validation losses and learning rates of the members.

        Parameters
        ----------
        orders : array of int, shape (batches, m, size)
            Rows of the stars in each batch.
        active
            Members that learn; the others stay as they are.
        """
        learns = np.isin(np.arange(orders.shape[1]), active)
        self.state, losses, rates = self._train(self.state, self._trained_on, orders, learns)
        val_losses = self._validate(self.state, self._validated_on)
        return tuple(np.asarray(values).tolist() for values in (losses, val_losses, rates))

    def set_learning_rate(self, member: int, rate: float) -> None:
        """Set the learning rate of a member whose schedule depends on its validation."""
        optimizer = self.state[2]
        for place, variable in enumerate(self.network.optimizer.variables):
            if variable.name == "learning_rate":
                rates = np.array(optimizer[place])
                rates[member] = rate
                optimizer[place] = rates

    def weights_of(self, member: int) -> list[np.ndarray]:
        """Return the weights of a member."""
        return self._take(self.network.weights, member)

    def collect(
        self,
        member: int,
        best: list[np.ndarray],
        progress: Progress,
        random: np.random.Generator,
    ) -> State:
        """Return the state of the training of a member."""
        return State(
            variables=self._take(self.network.variables, member),
            optimizer=self._take(self.network.optimizer.variables, member),
            best=best,
            history=progress.history,
            random=random.bit_generator.state,
        )

    def restore(self, member: int, state: State) -> None:
        """Put a member into a saved state."""
        variables = [*self.network.variables, *self.network.optimizer.variables]
        for variable, value in zip(variables, [*state.variables, *state.optimizer], strict=True):
            part, number = self._places[id(variable)]
            self.state[part][number][member] = value

    def _take(self, variables: "Sequence[keras.Variable]", member: int) -> list[np.ndarray]:
        places = [self._places[id(variable)] for variable in variables]
        return [np.array(self.state[part][number][member]) for part, number in places]

    def _train_one(self, state: list[Any], stars: Any, order: Any, learns: Any) -> Any:
        """Train one member an epoch, in batches of the rows `order` (batches, size)."""
        import jax
        import keras

        *before, metrics = state
        optimizer = self.network.optimizer
        values = zip(optimizer.variables, before[2], strict=True)
        with keras.StatelessScope(state_mapping=list(values)):
            rate = keras.ops.convert_to_tensor(optimizer.learning_rate)

        def step(current: list[Any], rows: Any) -> Any:
            batch = tuple(array[rows] for array in stars)
            logs, (*following, _) = self.network.train_step((*current, metrics), batch)
            return following, logs["loss"]

        after, losses = jax.lax.scan(step, before, order)
        kept = jax.tree.map(lambda new, old: jax.numpy.where(learns, new, old), after, before)
        return [*kept, metrics], losses.mean(), rate

    def _validate_one(self, state: list[Any], stars: Any) -> Any:
        trainable, others, _, metrics = state
        return self.network.test_step((trainable, others, metrics), stars)[0]["loss"]


def _list_variables(network: "keras.Model") -> "list[list[keras.Variable]]":
    """Return what a step changes: see `_Ensemble`."""
    return [
        network.trainable_variables,
        network.non_trainable_variables,
        network.optimizer.variables,
        network.metrics_variables,
    ]


def _stack_stars(members: "Sequence[Arrays]") -> "Arrays":
    """Return the stars of all members, filled up by stars of no weight."""
    most = max(len(feh) for _, feh, _ in members)
    filled = []
    for sequences, feh, weights in members:
        missing = most - len(feh)
        ends = ((0, missing), (0, 0), (0, 0))
        filled.append((np.pad(sequences, ends), np.pad(feh, ends[0]), np.pad(weights, ends[0])))
    sequences, feh, weights = (np.stack(arrays) for arrays in zip(*filled, strict=True))
    return sequences.astype(np.float32), feh.astype(np.float32), weights.astype(np.float32)


def _stack_evenly(members: "Sequence[Arrays]") -> "Arrays":
    """Return all stars with weights of which the mean, stars of no weight included, is theirs."""
    most = max(len(feh) for _, feh, _ in members)
    return _stack_stars(
        [(sequences, feh, weights * most / max(len(feh), 1)) for sequences, feh, weights in members]
    )


def _avoid_cudnn(network: "keras.Model") -> None:
    """Let recurrent layers compute by steps: the kernels of cuDNN are for one network alone."""
    for layer in network.layers:
        for name in ("forward_layer", "backward_layer"):
            if hasattr(layer, name):
                getattr(layer, name).use_cudnn = False
        if hasattr(layer, "use_cudnn"):
            layer.use_cudnn = False
