"""Linear models."""

from typing import NamedTuple

import numpy as np

from metalyra.core.arrays import Floats
from metalyra.core.phase_differences import wrap_around
from metalyra.stack.inputs import Scaling, evaluate_in_batches
from metalyra.stack.regressors import FORMS, KINDS


@FORMS.register("LinearModel", __name__)
class LinearModel(NamedTuple):
    """Slopes (d,) of the inputs, and constant term."""

    slopes: Floats
    offset: Floats

    def predict(self, inputs: Floats) -> Floats:
        """Return [Fe/H] (n,) of stars with inputs (n, d)."""
        return self.offset + evaluate_in_batches(lambda batch: batch @ self.slopes, inputs)


@FORMS.register("LinearRelation", __name__)
class LinearRelation(NamedTuple):
    """[Fe/H] linear in period, A_1, A_2 and phi_31, as published relations are.

    Attributes
    ----------
    slopes : (4,)
        Of period (dex / d), A_1, A_2 (dex / mag) and phi_31 (dex / rad).
    centre : ()
        Centre (rad) of the window of phi_31.
    offset : ()
        Constant term (dex).
    """

    slopes: Floats
    centre: Floats
    offset: Floats

    def predict(self, inputs: Floats) -> Floats:
        """Return [Fe/H] (n,) of stars with inputs (n, d) of `describe_shapes`."""

        def evaluate(batch: Floats) -> Floats:
            return _read_terms(batch, float(self.centre)) @ self.slopes

        return self.offset + evaluate_in_batches(evaluate, inputs)


@KINDS.register("relation", __name__)
def fit_relation(inputs: Floats, feh: Floats, weights: Floats, seed: int) -> LinearRelation:
    """Fit the four terms of a metallicity relation: few enough for a few tens of stars.

    The inputs are those of `metalyra.stack.population.describe_shapes`.

    Raises
    ------
    ValueError
        If they are of less than three harmonics.
    """
    if inputs.shape[1] < 16 or inputs.shape[1] % 5 != 1:
        raise ValueError(
            "a relation reads phi31: the population of its stack needs three harmonics or more"
        )
    del seed  # nothing is drawn
    _, _, _, cosine, sine = _split(inputs)
    centre = float(
        np.arctan2(np.average(sine, weights=weights), np.average(cosine, weights=weights))
    )
    terms = _read_terms(inputs, centre)
    root = np.sqrt(weights)[:, None]
    design = np.column_stack([np.ones(len(feh)), terms])
    offset, *slopes = np.linalg.lstsq(design * root, feh * root[:, 0])[0]
    return LinearRelation(np.array(slopes), np.array(centre), np.array(offset))


def _split(inputs: Floats) -> tuple[Floats, ...]:
    """Return period, A_1, A_2, and cosine and sine of phi_31, each (n,), of shapes described."""
    harmonics = (inputs.shape[1] - 1) // 5
    period = 2 * harmonics
    phase = period + 1 + harmonics + 1  # after that of phi_21
    columns = (period, period + 1, period + 2, phase, phase + harmonics - 1)
    return tuple(inputs[:, column] for column in columns)


def _read_terms(inputs: Floats, centre: float) -> Floats:
    """Return the terms (n, 4) of a relation, phi_31 within pi of `centre`."""
    period, first, second, cosine, sine = _split(inputs)
    phi31 = wrap_around(np.arctan2(sine, cosine), centre)
    return np.column_stack([period, first, second, phi31])


@KINDS.register("ridge", __name__)
def fit_ridge(
    inputs: Floats, feh: Floats, weights: Floats, seed: int, *, alpha: float = 1.0
) -> LinearModel:
    """Fit a linear model whose slopes, of scaled inputs, are held back by `alpha`."""
    from sklearn.linear_model import Ridge

    del seed  # nothing is drawn
    scaling = Scaling.of(inputs)
    model = Ridge(alpha=alpha).fit(scaling(inputs), feh, weights)
    slopes = model.coef_ / scaling.deviation
    return LinearModel(slopes, np.array(model.intercept_ - slopes @ scaling.mean))
