"""Sums of Gaussians around stars of the training set."""

from typing import NamedTuple

import numpy as np

from metalyra.core.arrays import Floats
from metalyra.core.randomness import generator
from metalyra.stack.inputs import Scaling, evaluate_in_batches
from metalyra.stack.regressors import FORMS, KINDS

_TUNING_STARS = 800
"""Stars that the hyper-parameters of a Gaussian process are chosen with."""


@FORMS.register("KernelMachine", __name__)
class KernelMachine(NamedTuple):
    """A sum of Gaussians around stars of the training set.

    Attributes
    ----------
    mean, deviation : (d,)
        Scaling of the inputs.
    anchors : (a, d)
        Scaled inputs of stars.
    coefficients : (a,)
        [Fe/H] (dex) that each adds at its own place.
    gamma, offset : ()
        Inverse squared width of the Gaussians, and constant term (dex).
    """

    mean: Floats
    deviation: Floats
    anchors: Floats
    coefficients: Floats
    gamma: Floats
    offset: Floats

    def predict(self, inputs: Floats) -> Floats:
        """Return [Fe/H] (n,) of stars with inputs (n, d)."""
        scaling = Scaling(self.mean, self.deviation)
        # As one matrix product: -gamma |x - a|^2 = [x, |x|^2, 1] . gamma [2 a, -1, -|a|^2].
        squares = (self.anchors**2).sum(axis=1)
        right = self.gamma * np.vstack([2 * self.anchors.T, -np.ones_like(squares), -squares])

        def add(batch: Floats) -> Floats:
            scaled = scaling(batch)
            left = np.column_stack([scaled, (scaled**2).sum(axis=1), np.ones(len(scaled))])
            kernels: Floats = left @ right
            np.minimum(kernels, 0, out=kernels)  # which they are but for rounding
            return np.exp(kernels, out=kernels) @ self.coefficients

        return self.offset + evaluate_in_batches(add, inputs)


@KINDS.register("support_vectors", __name__)
def fit_support_vectors(
    inputs: Floats,
    feh: Floats,
    weights: Floats,
    seed: int,
    *,
    c: float = 2.0,
    gamma: float = 0.007,
    epsilon: float = 0.1,
    relevance: bool = False,
) -> KernelMachine:
    """Fit support vectors with a Gaussian kernel.

    `c` is the price of an error (per dex), `gamma` the kernel's inverse squared width in
    scaled inputs, `epsilon` the error (dex) that costs nothing. With `relevance`, the
    inputs are scaled by how much [Fe/H] changes with them, so that those that say nothing
    of it do not count as a distance: see `measure_relevance`.
    """
    from sklearn.svm import SVR

    scaling = Scaling.of(inputs)
    if relevance:
        relevant = measure_relevance(inputs, feh, weights, seed)
        scaling = scaling._replace(deviation=scaling.deviation / relevant)
    model = SVR(C=c, gamma=gamma, epsilon=epsilon).fit(scaling(inputs), feh, weights)
    return KernelMachine(
        *scaling,
        model.support_vectors_,
        model.dual_coef_[0],
        np.array(gamma),
        np.array(model.intercept_[0]),
    )


@KINDS.register("gaussian_process", __name__)
def fit_gaussian_process(
    inputs: Floats,
    feh: Floats,
    weights: Floats,
    seed: int,
    *,
    amplitude: float | None = None,
    length_scale: float | None = None,
    noise: float | None = None,
) -> KernelMachine:
    """Fit a Gaussian process with a Gaussian kernel.

    `amplitude` and `noise` are in dex, `length_scale` in scaled inputs. Where one is not
    given, all are chosen by the marginal likelihood of a sample of the stars. The noise
    of a star falls with the root of its weight.
    """
    scaling = Scaling.of(inputs)
    scaled, mean = scaling(inputs), np.average(feh, weights=weights)
    if amplitude is None or length_scale is None or noise is None:
        amplitude, length_scale, noise = _choose_kernel(scaled, feh - mean, weights, seed)
    gamma = 0.5 / length_scale**2
    covariance = amplitude**2 * np.exp(-gamma * _distances(scaled, scaled))
    covariance[np.diag_indices_from(covariance)] += noise**2 / weights
    coefficients = amplitude**2 * np.linalg.solve(covariance, (feh - mean).astype(float))
    return KernelMachine(*scaling, scaled, coefficients, np.array(gamma), np.array(mean))


def measure_relevance(inputs: Floats, feh: Floats, weights: Floats, seed: int) -> Floats:
    """Return how much [Fe/H] changes with each input, in units of its standard deviation.

    The root mean square gradient of a Gaussian process of one width for all inputs, at
    the stars that it is fitted to (the diagonal of the expected gradient outer product:
    Trivedi et al. 2014; Radhakrishnan et al. 2024, Science 383, 1461).

    Parameters
    ----------
    inputs : array, shape (n, d)
    feh, weights : array, shape (n,)
        [Fe/H] (dex) and weights of the stars.
    seed
        Seed of the Gaussian process.

    Returns
    -------
    array, shape (d,)
        Positive, of mean square 1.
    """
    machine = fit_gaussian_process(inputs, feh, weights, seed)
    anchors = machine.anchors
    pull = np.exp(-machine.gamma * _distances(anchors, anchors)) * machine.coefficients
    slopes = pull @ anchors - pull.sum(axis=1)[:, None] * anchors
    square = np.average(slopes**2, axis=0, weights=weights)
    # An input without any slope, such as a constant one, must not end as an infinite scale.
    square = np.maximum(square, 1e-12 * max(square.max(), 1e-300))
    relevance: Floats = np.sqrt(square / square.mean())
    return relevance


def _choose_kernel(
    scaled: Floats, feh: Floats, weights: Floats, seed: int
) -> tuple[float, float, float]:
    """Return amplitude (dex), length scale and noise (dex) of the highest likelihood."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    random = generator(seed, "kernel", "stars")
    drawn = random.choice(
        len(feh), min(len(feh) // 2, _TUNING_STARS), replace=False, p=weights / weights.sum()
    )
    kernel = ConstantKernel(0.2, (1e-3, 1e2)) * RBF(
        np.sqrt(scaled.shape[1]), (0.3, 100)
    ) + WhiteKernel(0.03, (1e-6, 1e2))
    best = GaussianProcessRegressor(kernel).fit(scaled[drawn], feh[drawn]).kernel_
    return (
        float(np.sqrt(best.k1.k1.constant_value)),
        float(best.k1.k2.length_scale),
        float(np.sqrt(best.k2.noise_level)),
    )


def _distances(first: Floats, second: Floats) -> Floats:
    """Return the squared distances (n, m) between points (n, d) and (m, d)."""
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)
    distances: Floats = np.maximum(squares - 2 * first @ second.T, 0)
    return distances
