"""Ensembles of recurrent networks, whose members read the same light curves together.

A step of a small network is so little work that calling it costs more than computing it, and
light curves differ in length. So many stars take a step at once, in all directions and some
networks: as one product of matrices, whose columns are stars, and a few functions of all
numbers of all gates. A column holds one star behind the other, so that none waits for the
longest. Nothing of Keras is used but the weights, and nothing is compiled.
"""

import heapq
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple, Self

import numpy as np

from metalyra.core.arrays import Floats, Indices, Singles
from metalyra.core.threads import on_one_thread
from metalyra.train.sequences import PADDING

_COLUMNS = 192
"""Stars that take a step together, but for the columns that `find_columns` leaves out."""

_STARS = 1024
"""Stars whose states of all steps are held in memory at once."""

_HALF = np.float32(0.5)

_Cell = Callable[[Singles, Singles], Singles]
"""From the products of a step, which it spoils, and the memory, which it changes, to the state."""


@cache
def find_columns(shapes: tuple[tuple[int, int], ...]) -> Indices:
    """Return columns that BLAS computes alike, so that a star may be in any of them.

    It computes products in tiles, and adds up those of some columns in another order: a star
    would have other last bits there. Which columns differ depends on library and processor.
    A product whose columns are all the same shows them.

    Parameters
    ----------
    shapes
        Of the matrices that columns are multiplied by.
    """
    alike, random = np.ones(_COLUMNS, dtype=bool), np.random.default_rng(0)
    for rows, size in shapes:
        weights, known = (
            random.normal(size=shape).astype(np.float32) for shape in ((rows, size), (size, 1))
        )
        products = weights @ np.repeat(known, _COLUMNS, axis=1)
        _, kind, count = np.unique(products, axis=1, return_inverse=True, return_counts=True)
        alike &= kind == count.argmax()
    # Were there none that all products have, one alone would be alike.
    return np.flatnonzero(alike) if alike.any() else np.zeros(1, dtype=int)


class Packing(NamedTuple):
    """Where stars are in the columns.

    Attributes
    ----------
    column, first, last : (n,)
        Column of each star, its first and its last step there.
    steps
        Of the longest column.
    """

    column: Indices
    first: Indices
    last: Indices
    steps: int

    @classmethod
    def of(cls, lengths: Indices, columns: Indices) -> Self:
        """Lay stars of some lengths (n,) one behind the other, the longest first."""
        column, first = np.zeros((2, len(lengths)), dtype=int)
        ends = [(0, number) for number in columns.tolist()]
        for star in np.argsort(-lengths, kind="stable").tolist():
            end, number = ends[0]
            column[star], first[star] = number, end
            heapq.heapreplace(ends, (end + int(lengths[star]), number))
        return cls(column, first, first + lengths - 1, max(ends)[0])


class Layer(NamedTuple):
    """A recurrent layer of `m` networks, in one direction or two.

    Attributes
    ----------
    weights : (m, directions, 4 u, u + d + 1)
        Of the states, the inputs and a constant 1, as the cell wants them.
    cell
        What follows of their products.
    """

    weights: Singles
    cell: _Cell

    def __call__(self, inputs: Singles, packing: Packing) -> Singles:
        """Read sequences (steps, m, d, columns) and return the states.

        Returns
        -------
        array, shape (steps, m, directions * u, columns)
        """
        steps, members, features, columns = inputs.shape
        directions, units = self.weights.shape[1], self.weights.shape[2] // 4
        of_step = members, directions
        known = np.zeros((*of_step, units + features + 1, columns), dtype=np.float32)
        known[:, :, -1] = 1
        state, memory = known[:, :, :units], np.zeros_like(known[:, :, :units])
        products = np.empty((*of_step, 4 * units, columns), dtype=np.float32)
        states = np.empty((steps, *of_step, units, columns), dtype=np.float32)
        fresh = np.zeros((steps, directions, 1, columns), dtype=bool)
        for direction, start in enumerate((packing.first, packing.last)[:directions]):
            fresh[start, direction, 0, packing.column] = True
        for step in range(steps):
            times = (step, steps - 1 - step)[:directions]
            for direction, time in enumerate(times):
                known[:, direction, units:-1] = inputs[time]
                # Not by a product with 0: a star that is no number must not leave a trace.
                for array in (state, memory):
                    np.copyto(array[:, direction], 0, where=fresh[time, direction])
            np.matmul(self.weights, known, out=products)
            now = self.cell(products, memory)
            state[:] = now
            for direction, time in enumerate(times):
                states[time, :, direction] = now[:, direction]
        return states.reshape(steps, members, directions * units, columns)


class RecurrentNetworks(NamedTuple):
    """`m` networks of one of the kinds in `CELLS`.

    Attributes
    ----------
    scaling : (2, m, channels)
        Factor and offset of the sequences.
    layers
        From the first to the last.
    slopes : (m, features), constant : (m,)
        Of the head.
    scale : (2, m)
        Factor and offset from the head's output to [Fe/H] (dex).
    """

    scaling: Singles
    layers: list[Layer]
    slopes: Singles
    constant: Singles
    scale: Singles

    @classmethod
    def of(cls, kind: str, weights: Sequence[Sequence[Singles]]) -> Self:
        """Arrange weights, those of a network in the order of `keras.Model.get_weights`."""
        arrays = [np.stack(parts) for parts in zip(*weights, strict=True)]
        factor, offset, *recurrent, slopes, constant, scale, shift = arrays
        of_layer = 6 if kind.startswith("bi") else 3
        layers = [
            CELLS[kind](recurrent[first : first + of_layer])
            for first in range(0, len(recurrent), of_layer)
        ]
        return cls(
            np.stack([factor, offset]),
            layers,
            slopes[:, :, 0],
            constant[:, 0],
            np.stack([scale, shift])[:, :, 0],
        )

    @on_one_thread
    def predict(self, sequences: Singles) -> Floats:
        """Return the [Fe/H] (n, m) of stars with sequences (n, steps, channels).

        A star's values do not depend on the others.
        """
        predicted = np.empty((len(sequences), len(self.slopes)))
        for start in range(0, len(sequences), _STARS):
            stars = slice(start, start + _STARS)
            predicted[stars] = self._predict_stars(sequences[stars])
        return predicted

    def _predict_stars(self, sequences: Singles) -> Singles:
        # A step without a measurement changes no state, wherever it is.
        measured = np.any(sequences != PADDING, axis=-1)
        lengths = np.count_nonzero(measured, axis=1)
        shapes = tuple(layer.weights.shape[2:] for layer in self.layers)
        packing = Packing.of(np.maximum(lengths, 1), find_columns(shapes))
        star, step = np.nonzero(measured)
        place = packing.first[star] + np.cumsum(measured, axis=1)[star, step] - 1
        columns = np.zeros((packing.steps, sequences.shape[2], _COLUMNS), dtype=np.float32)
        columns[place, :, packing.column[star]] = sequences[star, step]
        factor, offset = self.scaling[..., None]
        states = columns[:, None] * factor + offset
        for layer in self.layers:
            states = layer(states, packing)
        units = self.layers[-1].weights.shape[2] // 4
        forwards = states[packing.last, :, :units, packing.column]
        backwards = states[packing.first, :, units:, packing.column]
        final = np.concatenate([forwards, backwards], axis=-1)
        final[lengths == 0] = 0
        factor, offset = self.scale
        predicted: Singles = ((final * self.slopes).sum(axis=-1) + self.constant) * factor + offset
        return predicted


def _join_weights(arrays: Sequence[Singles]) -> tuple[Singles, Singles, Singles]:
    """Return kernel (m, directions, d, 4 u), that of the states, and bias, of each direction."""
    kernel, recurrent, bias = (np.stack(arrays[part::3], axis=1) for part in range(3))
    return kernel, recurrent, bias


def _join_rows(parts: Sequence[Singles], cell: _Cell) -> Layer:
    """Return a layer by the weights (m, directions, u + d + 1, u) of the parts of its products."""
    return Layer(np.concatenate(parts, axis=3).swapaxes(2, 3).copy(), cell)


def _arrange_lstm(arrays: Sequence[Singles]) -> Layer:
    """Return an LSTM layer by its weights: gates in, forget and out, then the candidate.

    A gate is (1 + tanh(x / 2)) / 2: with halved weights, all rows have the same function.
    """
    kernel, recurrent, bias = _join_weights(arrays)
    joined = np.concatenate([recurrent, kernel, bias[:, :, None]], axis=2)
    into, keep, candidate, out = np.split(joined, 4, axis=3)
    return _join_rows([_HALF * into, _HALF * keep, _HALF * out, candidate], _step_lstm)


def _step_lstm(products: Singles, memory: Singles) -> Singles:
    units = memory.shape[2]
    gates = np.tanh(products, out=products)
    into, keep, out, candidate = (
        gates[:, :, part * units : (part + 1) * units] for part in range(4)
    )
    gates[:, :, : 3 * units] += 1
    candidate *= into
    memory *= keep
    memory += candidate
    memory *= 0.5
    np.tanh(memory, out=candidate)
    candidate *= out
    candidate *= 0.5
    return candidate


def _arrange_gru(arrays: Sequence[Singles]) -> Layer:
    """Return a GRU layer by its weights: update and reset, the candidate of states and of inputs.

    The reset gate acts on what the states say of the candidate, as it does in Keras.
    """
    kernel, recurrent, bias = _join_weights(arrays)
    of_states = np.concatenate([recurrent, np.zeros_like(kernel), bias[:, :, 1:]], axis=2)
    of_inputs = np.concatenate([np.zeros_like(recurrent), kernel, bias[:, :, :1]], axis=2)
    *gates, candidate = np.split(of_states + of_inputs, 3, axis=3)
    by_states, by_inputs = (part[..., -candidate.shape[3] :] for part in (of_states, of_inputs))
    parts = [*(_HALF * gate for gate in gates), _HALF * by_states, by_inputs]
    return _join_rows(parts, _step_gru)


def _step_gru(products: Singles, memory: Singles) -> Singles:
    units = memory.shape[2]
    gates = products[:, :, : 2 * units]
    np.tanh(gates, out=gates)
    gates += 1
    update, reset, by_states, candidate = (
        products[:, :, part * units : (part + 1) * units] for part in range(4)
    )
    by_states *= reset
    candidate += by_states
    np.tanh(candidate, out=candidate)
    update *= 0.5
    memory -= candidate
    memory *= update
    memory += candidate
    return memory


CELLS: dict[str, Callable[[Sequence[Singles]], Layer]] = {
    "lstm": _arrange_lstm,
    "bilstm": _arrange_lstm,
    "gru": _arrange_gru,
    "bigru": _arrange_gru,
}
"""How a layer is made of its weights, by the kind of the networks."""
