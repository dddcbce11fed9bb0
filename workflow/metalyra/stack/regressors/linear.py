"""Linear models."""

from typing import NamedTuple

import numpy as np

from metalyra.core.arrays import Floats
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
