"""Regressors: from a few numbers that describe a star to its [Fe/H].

scikit-learn and Keras fit them; what they have learnt is kept as plain arrays, and evaluated here.
So a regressor is stored as numbers alone, its predictions do not change with the version
of a library, and a star's prediction does not depend on the stars predicted with it.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from metalyra.core.randomness import derive_seed, generator
from metalyra.core.settings import complete_settings

Floats = NDArray[np.float64]

_BATCH = 256
"""Stars evaluated at once; always this many, as in `metalyra.predict.prediction`."""

_TUNING_STARS = 800
"""Stars that the hyper-parameters of a Gaussian process are chosen with."""


class Regressor(Protocol):
    """What has been learnt, as named arrays."""

    def predict(self, inputs: Floats) -> Floats:
        """Return [Fe/H] (n,) of stars with inputs (n, d)."""

    def _asdict(self) -> dict[str, NDArray]: ...


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

        def add(batch: Floats) -> Floats:
            return np.exp(-self.gamma * _distances(scaling(batch), self.anchors)) @ (
                self.coefficients
            )

        return self.offset + _in_batches(add, inputs)


class LinearModel(NamedTuple):
    """Slopes (d,) of the inputs, and constant term."""

    slopes: Floats
    offset: Floats

    def predict(self, inputs: Floats) -> Floats:
        """Return [Fe/H] (n,) of stars with inputs (n, d)."""
        return self.offset + _in_batches(lambda batch: batch @ self.slopes, inputs)


class Trees(NamedTuple):
    """A sum of decision trees, the nodes of all trees in one row.

    Attributes
    ----------
    roots : (t,)
        First node of each tree.
    feature : (m,)
        Input that a node asks for; negative at a leaf.
    threshold : (m,)
        Largest value that goes to the left.
    left, right : (m,)
        Following nodes.
    value : (m,)
        What a leaf adds (dex).
    offset : ()
        Constant term (dex).
    """

    roots: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: Floats
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: Floats
    offset: Floats

    def predict(self, inputs: Floats) -> Floats:
        """Return [Fe/H] (n,) of stars with inputs (n, d)."""
        inputs = inputs.astype(np.float32)  # in which scikit-learn finds the thresholds
        star = np.arange(len(inputs))
        total = np.full(len(inputs), float(self.offset))
        for root in self.roots:
            node = np.full(len(inputs), root)
            while (inner := self.feature[node] >= 0).any():
                at = node[inner]
                below = inputs[star[inner], self.feature[at]] <= self.threshold[at]
                node[inner] = np.where(below, self.left[at], self.right[at])
            total += self.value[node]
        return total


class Perceptrons(NamedTuple):
    """The mean of `s` networks of two dense layers.

    Attributes
    ----------
    mean, deviation : (d,)
        Scaling of the inputs.
    first, second, last : (s, d, h), (s, h, h), (s, h)
        Weights of the layers.
    first_bias, second_bias, last_bias : (s, h), (s, h), (s,)
        Their biases.
    offset : ()
        Constant term (dex).
    """

    mean: Floats
    deviation: Floats
    first: Floats
    first_bias: Floats
    second: Floats
    second_bias: Floats
    last: Floats
    last_bias: Floats
    offset: Floats

    def predict(self, inputs: Floats) -> Floats:
        """Return [Fe/H] (n,) of stars with inputs (n, d)."""
        scaling = Scaling(self.mean, self.deviation)

        def evaluate(batch: Floats) -> Floats:
            scaled = _clip(scaling(batch))
            total = np.zeros(len(batch))
            for seed in range(len(self.last)):
                hidden = _swish(scaled @ self.first[seed] + self.first_bias[seed])
                hidden = _swish(hidden @ self.second[seed] + self.second_bias[seed])
                total += hidden @ self.last[seed] + self.last_bias[seed]
            return total / len(self.last)

        return self.offset + _in_batches(evaluate, inputs)


FORMS: Mapping[str, type[Regressor]] = {
    form.__name__: form for form in (KernelMachine, LinearModel, Perceptrons, Trees)
}
"""What a regressor may look like once it is fitted, by the name it is stored under."""


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
    if kind not in KINDS:
        raise ValueError(f"unknown kind of regressor {kind!r}; known are {', '.join(KINDS)}")
    return {"kind": kind, **complete_settings(KINDS[kind], settings, f"a {kind} regressor")}


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
    coefficients = amplitude**2 * np.linalg.solve(covariance, feh - mean)
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
    return np.sqrt(square / square.mean())


def fit_random_trees(
    inputs: Floats,
    feh: Floats,
    weights: Floats,
    seed: int,
    *,
    trees: int = 200,
    leaf: int = 4,
    share: float = 0.5,
) -> Trees:
    """Fit extremely randomised trees (Geurts et al. 2006).

    Their number, the fewest stars in a leaf, and the share of the inputs that a node
    chooses from.
    """
    from sklearn.ensemble import ExtraTreesRegressor

    model = ExtraTreesRegressor(
        trees, min_samples_leaf=leaf, max_features=share, random_state=seed % 2**32
    ).fit(inputs, feh, weights)
    return _join_trees([tree.tree_ for tree in model.estimators_], 1 / trees, 0.0)


def fit_boosted_trees(
    inputs: Floats,
    feh: Floats,
    weights: Floats,
    seed: int,
    *,
    trees: int = 300,
    depth: int = 4,
    leaf: int = 10,
    learning_rate: float = 0.05,
    share: float = 0.3,
    stars: float = 0.5,
) -> Trees:
    """Fit gradient-boosted trees (Friedman 2002).

    Their number, the depth of each, the fewest stars in a leaf, how much of its
    prediction a tree may add, the share of the inputs that a node chooses from, and the
    share of the stars that a tree sees.
    """
    from sklearn.ensemble import GradientBoostingRegressor

    model = GradientBoostingRegressor(
        n_estimators=trees,
        max_depth=depth,
        min_samples_leaf=leaf,
        learning_rate=learning_rate,
        max_features=share,
        subsample=stars,
        random_state=seed % 2**32,
    ).fit(inputs, feh, weights)
    start = float(model.init_.constant_[0, 0])
    return _join_trees([tree.tree_ for tree in model.estimators_[:, 0]], learning_rate, start)


def fit_perceptrons(
    inputs: Floats,
    feh: Floats,
    weights: Floats,
    seed: int,
    *,
    networks: int = 5,
    neurons: int = 64,
    dropout: float = 0.1,
    epochs: int = 60,
    batch_size: int = 64,
    learning_rate: float = 0.003,
    weight_decay: float = 0.01,
) -> Perceptrons:
    """Fit networks of two dense layers, which differ by their first weights.

    Trained by AdamW along a cosine, with a Huber loss, through all epochs: no star is
    looked at to decide when to stop.
    """
    import keras

    from metalyra.train.training import fit_network, make_deterministic

    scaling = Scaling.of(inputs)
    mean = np.average(feh, weights=weights)
    scaled = _clip(scaling(inputs)).astype(np.float32)
    parameters = []
    for number in range(networks):
        make_deterministic(derive_seed(seed, "perceptrons", str(number)))
        network = keras.Sequential(
            [
                keras.Input((inputs.shape[1],)),
                keras.layers.Dense(neurons, activation="swish"),
                keras.layers.Dropout(dropout),
                keras.layers.Dense(neurons, activation="swish"),
                keras.layers.Dropout(dropout),
                keras.layers.Dense(1),
            ]
        )
        fit_network(
            network,
            (scaled, (feh - mean).astype(np.float32), weights.astype(np.float32)),
            None,
            generator(seed, "shuffle", str(number)),
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            loss="huber",
        )
        parameters.append([array.astype(float) for array in network.get_weights()])
    first, first_bias, second, second_bias, last, last_bias = (
        np.stack(arrays) for arrays in zip(*parameters, strict=True)
    )
    return Perceptrons(
        *scaling,
        first,
        first_bias,
        second,
        second_bias,
        last[:, :, 0],
        last_bias[:, 0],
        np.array(mean),
    )


KINDS: Mapping[str, Callable[..., Regressor]] = {
    "ridge": fit_ridge,
    "support_vectors": fit_support_vectors,
    "gaussian_process": fit_gaussian_process,
    "random_trees": fit_random_trees,
    "boosted_trees": fit_boosted_trees,
    "perceptrons": fit_perceptrons,
}
"""Regressors by kind; their hyper-parameters are the functions' keyword arguments."""


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


def _join_trees(trees: list[Any], factor: float, offset: float) -> Trees:
    """Lay the nodes of scikit-learn's trees in one row."""
    sizes = [tree.node_count for tree in trees]
    roots = np.cumsum([0, *sizes[:-1]])
    return Trees(
        roots,
        np.concatenate([tree.feature for tree in trees]).astype(np.int64),
        np.concatenate([tree.threshold for tree in trees]),
        np.concatenate(
            [tree.children_left + root for tree, root in zip(trees, roots, strict=True)]
        ),
        np.concatenate(
            [tree.children_right + root for tree, root in zip(trees, roots, strict=True)]
        ),
        factor * np.concatenate([tree.value[:, 0, 0] for tree in trees]),
        np.array(offset),
    )


def _clip(scaled: Floats) -> Floats:
    """Hold scaled inputs within the range that networks have learnt."""
    return np.clip(scaled, -5, 5)


def _swish(values: Floats) -> Floats:
    return values * expit(values)


def _distances(first: Floats, second: Floats) -> Floats:
    """Return the squared distances (n, m) between points (n, d) and (m, d)."""
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)
    return np.maximum(squares - 2 * first @ second.T, 0)


def _in_batches(function: Callable[[Floats], Floats], inputs: Floats) -> Floats:
    """Evaluate stars in batches of one size, so that none depends on the others."""
    predicted = np.empty(len(inputs))
    for start in range(0, len(inputs), _BATCH):
        batch = inputs[start : start + _BATCH]
        full = np.zeros((_BATCH, inputs.shape[1]))
        full[: len(batch)] = batch
        predicted[start : start + _BATCH] = function(full)[: len(batch)]
    return predicted
