"""What regressors get: numbers of many stars, scaled and in batches."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from metalyra.core.arrays import Floats

_BATCH = 192
"""Stars evaluated at once; always this many.

Matrix products compute rows in tiles of up to 24 or 64, and those of an incomplete tile in
another way: a multiple of all of them treats every row alike, wherever it is.
"""


class Scaling(NamedTuple):
    """Mean and standard deviation (d,) of the inputs of the training set."""

    mean: Floats
    deviation: Floats

    @classmethod
    def of(cls, inputs: Floats) -> "Scaling":
        """Measure inputs (n, d); a constant one keeps its size."""
        return cls(inputs.mean(axis=0), np.where(np.ptp(inputs, axis=0) > 0, inputs.std(axis=0), 1))

    def __call__(self, inputs: Floats) -> Floats:
        """Return inputs of mean 0 and standard deviation 1."""
        return (inputs - self.mean) / self.deviation


def evaluate_in_batches(function: Callable[[Floats], Floats], inputs: Floats) -> Floats:
    """Evaluate stars in batches of one size, so that none depends on the others."""
    predicted = np.empty(len(inputs))
    for start in range(0, len(inputs), _BATCH):
        batch = inputs[start : start + _BATCH]
        full = np.zeros((_BATCH, inputs.shape[1]))
        full[: len(batch)] = batch
        predicted[start : start + _BATCH] = function(full)[: len(batch)]
    return predicted
