"""Which light-curve parameters a metallicity relation needs.

The published selection (Dékány, Grebel & Pojmański 2021) splits the spectra at random,
so that stars with several spectra are in the training and in the test data; here a star
is in one of them only, unless that is asked for.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metalyra.core.arrays import Floats
from metalyra.core.randomness import generator
from metalyra.label.calibrators import FEATURES, CalibrationError, select_calibrators
from metalyra.label.comparison import draw_star_folds

Subset = tuple[str, ...]

CANDIDATES: Subset = ("period", "a1", "a2", "a3", "phi21", "phi31")
"""The published candidates."""

SEARCHES = ("forward", "exhaustive")


def select_features(
    calibrators: pd.DataFrame,
    pulsation_type: str,
    *,
    candidates: Sequence[str] = CANDIDATES,
    search: str = "forward",
    by_star: bool = True,
    folds: int = 20,
    repeats: int = 10,
    seed: int = 0,
) -> pd.DataFrame:
    """Find the best features of a linear regression, for every number of features.

    The best ones have the least cross-validated mean absolute error of ordinary least
    squares, averaged over the repeats. Of the numbers of features, the least is chosen
    whose error is within one standard error of the smallest error.

    Parameters
    ----------
    calibrators
        Selected spectra: see `metalyra.label.calibrators.select_calibrators`.
    pulsation_type
        RRab or RRc.
    candidates
        Columns of `calibrators`.
    search
        'forward': add to the best n - 1 features the best other one, as published;
        'exhaustive': the best of all sets, which finds features that only help together.
    by_star
        Keep the spectra of a star in one fold; else split them as independent.
    folds, repeats
        Of the cross-validation.
    seed
        Seed of the study.

    Returns
    -------
    pandas.DataFrame
        One row a number of features: ``n_features``, ``features`` (separated by spaces; in
        the order of their addition, or of `candidates`), ``mae`` (dex), ``mae_err`` (its
        standard error over the stars, or spectra), ``chosen``.

    Raises
    ------
    CalibrationError
        If there are fewer stars than folds, or a feature is missing.
    ValueError
        If there is no such search.
    """
    if search not in SEARCHES:
        raise ValueError(f"search is {search!r}; it must be one of {', '.join(SEARCHES)}")
    feh = calibrators["feh"].to_numpy(float)
    values = calibrators[list(candidates)].to_numpy(float)
    if not np.isfinite(values).all():
        raise CalibrationError(f"a calibrator lacks one of {', '.join(candidates)}")
    columns = dict(zip(candidates, values.T, strict=True))
    ids = calibrators["star_id"].to_numpy(str)
    groups = ids if by_star else np.arange(len(ids)).astype(str)
    splits = [
        draw_star_folds(
            groups, folds, generator(seed, "select_features", f"{pulsation_type}/{repeat}")
        )
        for repeat in range(repeats)
    ]
    best: Subset = ()
    rows = []
    for size in range(1, len(candidates) + 1):
        errors = {
            subset: _prediction_errors([columns[name] for name in subset], feh, splits)
            for subset in _subsets(candidates, size, search, best)
        }
        best = min(errors, key=lambda subset: errors[subset].mean())
        by_group = pd.Series(errors[best]).groupby(groups).mean()
        rows.append(
            {
                "n_features": size,
                "features": " ".join(best),
                "mae": errors[best].mean(),
                "mae_err": by_group.std() / np.sqrt(len(by_group)),
            }
        )
    path = pd.DataFrame(rows)
    limit = path[["mae", "mae_err"]].iloc[int(path["mae"].argmin())].sum()
    return path.assign(chosen=path.index == (path["mae"] <= limit).idxmax())


def _subsets(candidates: Sequence[str], size: int, search: str, best: Subset) -> Iterable[Subset]:
    """Return the sets of a size that are tried, given the best set that is one smaller."""
    if search == "exhaustive":
        return combinations(candidates, size)
    return [(*best, name) for name in candidates if name not in best]


def _prediction_errors(
    features: Sequence[Floats], feh: Floats, splits: Sequence[NDArray[np.int_]]
) -> Floats:
    """Return the mean absolute prediction error (n,) of each row over the splits."""
    design = np.column_stack([np.ones(len(feh)), *features])
    errors = np.zeros(len(feh))
    for fold in splits:
        for left_out in np.unique(fold):
            test = fold == left_out
            coefficients = np.linalg.lstsq(design[~test], feh[~test])[0]
            errors[test] += np.abs(design[test] @ coefficients - feh[test])
    return errors / len(splits)


def compare_searches(spectra: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the paths of all searches for both pulsation types.

    Parameters
    ----------
    spectra
        What `metalyra.surveys.ifeh.read_calibrators` returns.
    seed
        Seed of the study.

    Returns
    -------
    pandas.DataFrame
        ``pulsation_type, search`` and the columns of `select_features`.
    """
    paths = []
    for kind in FEATURES:
        selected = select_calibrators(spectra, kind)
        for search in SEARCHES:
            path = select_features(selected, kind, search=search, seed=seed)
            path.insert(0, "pulsation_type", kind)
            path.insert(1, "search", search)
            paths.append(path)
    return pd.concat(paths, ignore_index=True)
