"""Linear relations of the period and a few Fourier parameters, as the literature has them."""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import numpy as np
from annotated_types import MinLen
from numpy.typing import NDArray

from metalyra.core.arrays import Floats
from metalyra.core.phase_differences import wrap_around
from metalyra.stack.inputs import evaluate_in_batches
from metalyra.stack.regressors import FORMS, KINDS

Term = Literal["period", "a1", "a2", "a3", "phi21", "phi31"]
Terms = Annotated[Sequence[Term], MinLen(1)]


@FORMS.register("FourierRelation", __name__)
class FourierRelation(NamedTuple):
    """Slopes of some Fourier parameters, and constant term.

    Attributes
    ----------
    column : (t,)
        Input with the parameter, or with the cosine of the phase difference.
    sine : (t,)
        Input with the sine of the phase difference; negative for other parameters.
    centre : (t,)
        Centre (rad) of the 2 pi window of the phase difference.
    slopes : (t,)
        dex per day, magnitude or radian.
    offset : ()
        Constant term (dex).
    """

    column: NDArray[np.int64]
    sine: NDArray[np.int64]
    centre: Floats
    slopes: Floats
    offset: Floats

    def predict(self, inputs: Floats) -> Floats:
        """Return [Fe/H] (n,) of stars with inputs (n, d)."""
        return self.offset + evaluate_in_batches(
            lambda batch: self.measure(batch) @ self.slopes, inputs
        )

    def measure(self, inputs: Floats) -> Floats:
        """Return the parameters (n, t) of stars with inputs (n, d)."""
        values = inputs[:, self.column]
        phases = np.arctan2(inputs[:, self.sine], values)
        return np.where(self.sine >= 0, wrap_around(phases, self.centre), values)


@KINDS.register("relation", __name__)
def fit_relation(
    inputs: Floats,
    feh: Floats,
    weights: Floats,
    seed: int,
    *,
    terms: Terms = ("period", "a2", "phi31"),
) -> FourierRelation:
    """Fit a linear relation by weighted least squares.

    For samples of some ten stars, from which nothing more can be learnt.

    Parameters
    ----------
    inputs, feh, weights, seed
        See `metalyra.stack.regressors.fit_regressor`; the inputs are those of
        `metalyra.stack.population.describe_shapes`.
    terms
        Parameters of the relation: period (d), a1, a2, a3 (mag), phi21, phi31 (rad, sine series).
    """
    del seed  # nothing is drawn
    harmonics = (inputs.shape[1] - 1) // 5
    places = [_find_inputs(term, harmonics) for term in terms]
    column, sine = (np.array(numbers, dtype=np.int64) for numbers in zip(*places, strict=True))
    mean = weights @ np.exp(1j * np.arctan2(inputs[:, sine], inputs[:, column]))
    relation = FourierRelation(
        column, sine, np.where(sine >= 0, np.angle(mean), 0.0), np.zeros(len(terms)), np.zeros(())
    )
    design = np.column_stack([relation.measure(inputs), np.ones(len(feh))])
    root = np.sqrt(weights)
    solved = np.linalg.lstsq(design * root[:, None], feh * root, rcond=None)[0]
    return relation._replace(slopes=solved[:-1], offset=np.array(solved[-1]))


def _find_inputs(term: str, harmonics: int) -> tuple[int, int]:
    """Return which inputs have a term: the one, or cosine and sine; -1 for none."""
    period = 2 * harmonics
    if term == "period":
        return period, -1
    if term.startswith("a"):
        return period + int(term[1:]), -1
    cosine = period + harmonics + int(term[3]) - 1
    return cosine, cosine + harmonics - 1
