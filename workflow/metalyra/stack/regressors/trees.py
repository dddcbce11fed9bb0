"""Sums of decision trees."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metalyra.core.arrays import Floats
from metalyra.stack.regressors import FORMS, KINDS

_BATCH = 256
"""Stars that climb the trees together: what they hold stays in a processor's cache."""


@FORMS.register("Trees", __name__)
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
        # All trees are climbed at once. A leaf follows itself, whatever its star is like.
        leaf, own = self.feature < 0, np.arange(len(self.feature))
        following = np.column_stack(
            [np.where(leaf, own, self.left), np.where(leaf, own, self.right)]
        ).ravel()
        feature = np.where(leaf, 0, self.feature)
        predicted = np.empty(len(inputs))
        for start in range(0, len(inputs), _BATCH):
            # In single precision scikit-learn finds the thresholds.
            batch = inputs[start : start + _BATCH].astype(np.float32)
            first = np.arange(len(batch))[:, None] * batch.shape[1]
            node = np.tile(self.roots, (len(batch), 1))
            while not leaf[node].all():
                right = batch.ravel()[first + feature[node]] > self.threshold[node]
                node = following[2 * node + right]
            predicted[start : start + _BATCH] = self.value[node].sum(axis=1)
        return self.offset + predicted


@KINDS.register("random_trees", __name__)
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


@KINDS.register("boosted_trees", __name__)
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
