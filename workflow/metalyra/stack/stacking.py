"""Stacks: ensembles of several kinds of regressors, with weights learnt out of fold.

A member of a stack is trained without one cross-validation fold: the population that its
light curves come from (`metalyra.stack.population`), and regressors of several kinds on the
shapes that it infers (`metalyra.stack.regressors`). Published networks may join in: each
predicts the fold that it has not seen, and new stars get the mean of them all. The
weights of the kinds are those that combine the out-of-fold predictions best; a star's
metallicity is the mean of the members'. The published networks have not been trained on
the fold that counts as theirs, but it has chosen their epoch: a stack that they join has
weights and errors that are a little optimistic, and says so on its card.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metalyra.core.arrays import Floats, Indices
from metalyra.core.randomness import derive_seed
from metalyra.core.settings import complete_settings
from metalyra.core.statuses import OK
from metalyra.core.tables import replace_when_complete
from metalyra.core.threads import on_one_thread
from metalyra.stack.curves import Curves, collect_curves
from metalyra.stack.packing import pack_arrays, unpack_arrays
from metalyra.stack.population import (
    Shapes,
    describe_shapes,
    fit_population,
    infer_with_each,
)
from metalyra.stack.posteriors import Population
from metalyra.stack.regressors import FORMS, Regressor, complete_regressor, fit_regressor
from metalyra.stack.regressors.linear import LinearModel
from metalyra.train.weights import make_weights

PUBLISHED = "published"
"""Name of the published networks among the regressors, and of their folder."""

UNLABELLED = ("unlabelled", "most_unlabelled")
"""What a stack says of the light curves, labelled or not, that its populations learn from."""

COMBINATIONS = ("learnt", "mean")
"""How regressors are combined, see `combine`."""

BANDS = "bands"
"""Key of the bands of a stack that reads several, its own first."""

_BLOCK = 960
"""Stars whose posteriors are held in memory at once: full batches of the regressors."""

_OUT_OF_FOLD = ("star_id", "fold", "feh", "feh_err", "spread")
"""Columns beside the regressors' in a table of out-of-fold predictions."""


class StackMember(NamedTuple):
    """What one member has learnt: its population, and regressors by name.

    `slopes` (2 J,), band by band, tell how [Fe/H] changes with the coefficients, for the
    spread that the noise of a light curve leaves.
    """

    population: Population
    regressors: Mapping[str, Regressor]
    slopes: Floats


class Combination(NamedTuple):
    """Weights of the regressors, not negative, and a constant term (dex)."""

    weights: Floats
    offset: float

    def __call__(self, predictions: Floats) -> Floats:
        """Combine the predictions (n, regressors) of each star."""
        # Not a matrix product, whose last bits may depend on the number of stars.
        combined: Floats = (predictions * self.weights).sum(axis=1)
        return self.offset + combined


def complete_stack(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a stack with all its settings.

    Parameters
    ----------
    config
        Settings of `metalyra.stack.population.fit_population` under `population`;
        configurations of `metalyra.stack.regressors.fit_regressor` by name under `regressors`;
        under `noise_floor`, optionally, the error (dex) of [Fe/H] that does not come from
        the noise of a light curve: stars are then weighted by the inverse of their
        variance, to which the known errors of their labels add; under `published`,
        optionally, the name of a published model that joins in; under `combination`, optionally,
        how the regressors are combined, see `combine`; under `bands`, optionally, the bands
        that it reads, its own first; under `unlabelled` and `most_unlabelled`, optionally, the
        samples that its populations learn from besides, and how many stars of each at most.

    Raises
    ------
    ValueError
        If a setting is unknown, or there is no regressor.
    """
    known = ("population", "regressors", "noise_floor", PUBLISHED, "combination", BANDS)
    allowed = (*known, *UNLABELLED)
    if unknown := ", ".join(sorted(set(config) - set(allowed))):
        raise ValueError(
            f"unknown settings of a stack: {unknown}; allowed are {', '.join(allowed)}"
        )
    regressors = dict(config.get("regressors") or {})
    reserved = {PUBLISHED, *_OUT_OF_FOLD}
    if not regressors or not all(name.isidentifier() for name in regressors):
        raise ValueError("a stack needs regressors, named by letters, digits and underscores")
    if taken := reserved & set(regressors):
        raise ValueError(f"a regressor of a stack cannot be named {', '.join(sorted(taken))}")
    how = config.get("combination", COMBINATIONS[0])
    if how not in COMBINATIONS:
        raise ValueError(f"combination is {how!r}; allowed are {', '.join(COMBINATIONS)}")
    bands = list(config.get(BANDS) or [])
    return {
        **({BANDS: bands} if len(bands) > 1 else {}),
        **{key: config[key] for key in UNLABELLED if key in config},
        **({"combination": how} if how != COMBINATIONS[0] else {}),
        "population": complete_settings(
            fit_population, config.get("population") or {}, "the population of a stack"
        ),
        "regressors": {name: complete_regressor(entry) for name, entry in regressors.items()},
        "noise_floor": config.get("noise_floor"),
        PUBLISHED: config.get(PUBLISHED),
    }


@on_one_thread
def train_stack_member(
    development: pd.DataFrame,
    fits: pd.DataFrame,
    folded: pd.DataFrame,
    fold: int,
    stack: Mapping[str, Any],
    seed: int,
    *,
    weights: Mapping[str, Any] | None = None,
    others: pd.DataFrame | None = None,
    unlabelled: tuple[pd.DataFrame, pd.DataFrame] | None = None,
) -> tuple[StackMember | None, pd.DataFrame]:
    """Train the member of a stack that sees neither labels nor light curves of one fold.

    Parameters
    ----------
    development
        Of `metalyra.train.training_set.make_training_set`; stars of fold -1 are left out.
    fits, folded
        Tables of all its stars.
    fold
        The fold that is held out.
    stack
        Of `complete_stack`.
    seed
        Seed of the study.
    weights
        Settings of `metalyra.train.weights.make_weights`; learnt from the stars of the other
        folds.
    others
        Folded light curves of the stars in the further bands of the stack.
    unlabelled
        Fits and folded light curves of other stars, from which the population learns as well;
        see `metalyra.train.joining.select_unlabelled`.

    Returns
    -------
    member : StackMember
        None if no star of the development set has a fold.
    out_of_fold : DataFrame
        star_id, fold, feh, feh_err, spread, and the prediction of each regressor, for
        the stars of the fold.

    Raises
    ------
    ValueError
        If a star has no fit, the fold or all others are empty, or a band is missing.
    """
    settings = complete_stack(stack)
    stars = development[development["fold"] >= 0].sort_values("star_id")
    if stars.empty:
        columns = [*_OUT_OF_FOLD, *settings["regressors"]]
        return None, stars.reindex(columns=columns).astype(dict.fromkeys(columns[3:], float))
    fits = fits_of_stars(stars, fits)
    held_out = (stars["fold"] == fold).to_numpy()
    if held_out.all() or not held_out.any():
        raise ValueError(f"fold {fold} leaves no stars to {'train' if held_out.all() else 'test'}")
    known = stars[~held_out]
    # Not even padded together with the fold, whose longest light curve would leave a trace.
    bands = further_bands(settings)
    groups = list(collect_curves(fits[~held_out], folded, others, bands))
    learnt = [curves for _, curves in groups]
    if unlabelled is not None:
        learnt += [curves for _, curves in collect_curves(*unlabelled, others, bands)]
    population = fit_population(learnt, **settings["population"])
    rows, (shapes,), period = _infer_groups([population], groups)
    order = np.argsort(rows)
    shapes, period = Shapes(*(array[order] for array in shapes)), period[order]
    inputs = describe_shapes(shapes, period, population.split())
    feh = known["feh"].to_numpy(dtype=float)
    coordinates = np.column_stack([shapes.coefficients, period])
    linear = cast("LinearModel", fit_regressor({"kind": "ridge"}, coordinates, feh))
    counts = make_weights(feh, known["feh_err"].to_numpy(dtype=float), **(weights or {}))
    if settings["noise_floor"] is not None:
        variance = settings["noise_floor"] ** 2 + measure_spread(shapes, linear.slopes[:-1]) ** 2
        counts = counts / (variance + np.nan_to_num(known["feh_err"].to_numpy(float)) ** 2)
    regressors = {
        name: fit_regressor(
            config,
            inputs,
            feh,
            counts / counts.mean(),
            derive_seed(seed, "train", f"{name} {fold}"),
        )
        for name, config in settings["regressors"].items()
    }
    member = StackMember(population, regressors, linear.slopes[:-1])
    predicted, spread = predict_with_members([member], fits[held_out], folded, others, bands)
    out_of_fold = stars[held_out].reset_index(drop=True).assign(spread=spread[:, 0])
    out_of_fold[list(regressors)] = predicted[:, 0]
    return member, out_of_fold[[*_OUT_OF_FOLD, *regressors]]


def further_bands(stack: Mapping[str, Any]) -> list[str]:
    """Return the bands that a stack reads beside its own, by its settings; often none."""
    return list(stack.get(BANDS, []))[1:]


_Groups = Sequence[tuple[Indices, Curves]]
"""Light curves of `collect_curves`, and which stars they are of."""


def _infer_groups(
    populations: Sequence[Population], groups: _Groups
) -> tuple[Indices, list[Shapes], Floats]:
    """Return which stars there are, their shapes by each population, and their periods (d)."""
    rows = np.concatenate([rows for rows, _ in groups])
    by_group = [infer_with_each(populations, curves) for _, curves in groups]
    shapes = [
        Shapes(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
        for parts in zip(*by_group, strict=True)
    ]
    return rows, shapes, np.concatenate([curves.period for _, curves in groups])


def _take_blocks(groups: _Groups, size: int) -> Iterator[_Groups]:
    """Yield groups of so many stars together, one block after the other."""
    ends = np.cumsum([len(rows) for rows, _ in groups])
    for start in range(0, ends[-1] if len(ends) else 0, size):
        block = []
        for (rows, curves), end in zip(groups, ends, strict=True):
            first = end - len(rows)
            part = slice(max(start - first, 0), max(start + size - first, 0))
            if len(rows[part]):
                block.append((rows[part], curves.take(part)))
        yield block


def predict_with_members(
    members: Sequence[StackMember],
    fits: pd.DataFrame,
    folded: pd.DataFrame,
    others: pd.DataFrame | None = None,
    bands: Sequence[str] = (),
) -> tuple[Floats, Floats]:
    """Predict [Fe/H] with each regressor of some members, which look at the stars together.

    Parameters
    ----------
    members
        Of `train_stack_member`, with the same regressors.
    fits, folded
        Tables of the stars.
    others, bands
        Their folded light curves in the further bands of the stack, and which these are.

    Returns
    -------
    predicted : array, shape (n, members, regressors)
        Of the stars of status ok, in the order of `fits` (dex).
    spread : array, shape (n, members)
        What the noise of the light curve adds to the error of [Fe/H] (dex).
    """
    stars = int((fits["status"] == OK).sum())
    predicted = np.empty((stars, len(members), len(members[0].regressors)))
    spread = np.empty((stars, len(members)))
    groups = list(collect_curves(fits, folded, others, bands))
    for block in _take_blocks(groups, _BLOCK):
        rows, shapes_of_members, period = _infer_groups(
            [member.population for member in members], block
        )
        for number, (member, shapes) in enumerate(zip(members, shapes_of_members, strict=True)):
            inputs = describe_shapes(shapes, period, member.population.split())
            for column, regressor in enumerate(member.regressors.values()):
                predicted[rows, number, column] = regressor.predict(inputs)
            spread[rows, number] = measure_spread(shapes, member.slopes)
    return predicted, spread


def measure_spread(shapes: Shapes, slopes: Floats) -> Floats:
    """Return the error (dex) of [Fe/H] (n,) that the errors of the coefficients lead to."""
    turned = np.matmul(shapes.covariances, slopes[:, None])[:, :, 0]
    spread: Floats = np.sqrt((turned * slopes).sum(axis=1))
    return spread


def add_published(out_of_fold: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Add to each star the prediction of the published network that has not seen its fold.

    Raises
    ------
    ValueError
        If there is no network for a fold, or no prediction for a star.
    """
    row = pd.Index(predictions["star_id"]).get_indexer(out_of_fold["star_id"])
    columns = [f"member_{fold}" for fold in out_of_fold["fold"]]
    if (row < 0).any() or not set(columns) <= set(predictions):
        raise ValueError("the published networks do not predict every star of every fold")
    values = predictions.to_numpy()[row, predictions.columns.get_indexer(pd.Index(columns))]
    return out_of_fold.assign(**{PUBLISHED: values.astype(float)})


def combine(feh: Floats, predictions: Floats, how: str = COMBINATIONS[0]) -> Combination:
    """Return the weights of the regressors, by their predictions (n, regressors) of [Fe/H] (n,).

    Those that are "learnt" bring them closest: least squares with weights that are not
    negative (Breiman 1996). Of few stars one learns little but noise of them (Clemen 1989);
    for the "mean", all regressors count alike.
    """
    if how == "mean":
        return Combination(np.full(predictions.shape[1], 1 / predictions.shape[1]), 0.0)
    from scipy.optimize import nnls

    centre, mean = predictions.mean(axis=0), feh.mean()
    weights, _ = nnls(predictions - centre, feh - mean)
    return Combination(weights, float(mean - centre @ weights))


def combine_folds(
    out_of_fold: pd.DataFrame, names: Sequence[str], how: str = COMBINATIONS[0]
) -> dict[int, Combination]:
    """Return the combination of the regressors `names` that each fold leads to if left out.

    Parameters
    ----------
    out_of_fold
        fold, feh, and a column for each regressor.
    names
        Regressors to combine.
    how
        See `combine`.
    """
    feh, fold = out_of_fold["feh"].to_numpy(dtype=float), out_of_fold["fold"].to_numpy()
    predictions = out_of_fold[list(names)].to_numpy(dtype=float)
    return {
        int(number): combine(feh[fold != number], predictions[fold != number], how)
        for number in np.unique(fold)
    }


def write_stack_member(
    member: StackMember | None, path: Path | str, *, packed: bool = False
) -> None:
    """Write a member as one NumPy archive of plain arrays, complete or not at all.

    The archive of None, a member that was not trained, is empty. With `packed`, in few bytes:
    see `metalyra.stack.packing`.
    """
    if member is None:
        with replace_when_complete(Path(path)) as temporary, temporary.open("wb") as file:
            np.savez(file)
        return
    population = member.population._asdict().items()
    arrays = {f"population/{key}": array for key, array in population if array is not None}
    for name, regressor in member.regressors.items():
        for key, array in regressor._asdict().items():
            arrays[f"regressors/{name}/{type(regressor).__name__}/{key}"] = array
    arrays = {"slopes": member.slopes, **arrays}
    with replace_when_complete(Path(path)) as temporary, temporary.open("wb") as file:
        np.savez(file, **(pack_arrays(arrays) if packed else arrays), allow_pickle=False)


def read_stack_member(path: Path | str) -> StackMember:
    """Read a member; arrays only, no objects."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = unpack_arrays({name: archive[name] for name in archive.files})
    parts: dict[tuple[str, str], dict[str, NDArray[Any]]] = {}
    for name, array in arrays.items():
        if name.startswith("regressors/"):
            _, regressor, form, key = name.split("/")
            parts.setdefault((regressor, form), {})[key] = array
    learnt = [name for name in arrays if name.startswith("population/")]
    population = Population(**{name.partition("/")[2]: arrays[name] for name in learnt})
    regressors = {name: FORMS[form](**entries) for (name, form), entries in parts.items()}
    return StackMember(population, regressors, arrays["slopes"])


def fits_of_stars(stars: pd.DataFrame, fits: pd.DataFrame) -> pd.DataFrame:
    """Return the fits of the stars of a development set, in its order."""
    row = pd.Index(fits["star_id"]).get_indexer(stars["star_id"])
    if (row < 0).any() or (fits["status"].to_numpy()[row] != OK).any():
        raise ValueError("a star of the development set has no fit")
    chosen: pd.DataFrame = fits.iloc[row].reset_index(drop=True)
    return chosen
