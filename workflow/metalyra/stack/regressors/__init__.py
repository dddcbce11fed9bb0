"""Regressors: from a few numbers that describe a star to its [Fe/H].

scikit-learn and Keras fit them; what they have learnt is kept as plain arrays, and evaluated here.
So a regressor is stored as numbers alone, its predictions do not change with the version
of a library, and a star's prediction does not depend on the stars predicted with it.
A kind of regressor, and the form that it has once it is fitted, are registered by a module of
this package.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from metalyra.core.arrays import Floats
from metalyra.core.registry import Registry
from metalyra.core.settings import complete_settings


class Regressor(Protocol):
    """What has been learnt, as named arrays."""

    def predict(self, inputs: Floats) -> Floats:
        """Return [Fe/H] (n,) of stars with inputs (n, d)."""

    def _asdict(self) -> dict[str, NDArray[Any]]: ...


FORMS: Registry[type[Regressor]] = Registry("form of a regressor", __name__)
"""What a regressor may look like once it is fitted, by the name it is stored under."""

KINDS: Registry[Callable[..., Regressor]] = Registry("kind of regressor", __name__)
"""Regressors by kind; their hyper-parameters are the functions' keyword arguments."""


def fit_regressor(
    config: Mapping[str, Any],
    inputs: Floats,
    feh: Floats,
    weights: Floats | None = None,
    seed: int = 0,
) -> Regressor:
    """Fit a regressor.

    Parameters
    ----------
    config
        The kind of the regressor under `kind`, and its hyper-parameters: see `KINDS`.
    inputs : array, shape (n, d)
        Numbers that describe each star.
    feh : array, shape (n,)
        Metallicities (dex).
    weights : array, shape (n,), optional
        How much each star counts; of mean 1.
    seed
        The same seed gives the same regressor.

    Raises
    ------
    ValueError
        If the kind or a hyper-parameter is unknown.
    """
    settings = complete_regressor(config)
    fit = KINDS[settings.pop("kind")]
    weights = np.ones(len(feh)) if weights is None else weights
    return fit(inputs, feh, weights, seed, **settings)


def complete_regressor(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a regressor with all its hyper-parameters.

    Raises
    ------
    ValueError
        If the kind or a hyper-parameter is unknown.
    """
    settings = dict(config)
    kind = settings.pop("kind", None)
    return {"kind": kind, **complete_settings(KINDS[kind], settings, f"a {kind} regressor")}
