"""The features that help are found, and on the real calibrators they are the published ones."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from metalyra.label.calibrators import FEATURES, CalibrationError, select_calibrators
from metalyra.label.feature_selection import CANDIDATES, select_features
from metalyra.surveys.ifeh import read_calibrators

TABLES = ("CHR_X_phot_single.dat", "LIT_hires_feh_1_X_phot.dat", "LIT_hires_feh_2_X_phot.dat")


@pytest.fixture(scope="module")
def spectra(mirror):
    return read_calibrators([mirror / "dekany_2021_ifeh" / name for name in TABLES])


def chosen_features(path: pd.DataFrame) -> set[str]:
    assert path["chosen"].sum() == 1
    return set(path.loc[path["chosen"], "features"].item().split())


def simulate_spectra(seed=0, stars=60) -> pd.DataFrame:
    """Draw stars where a1 and a2 help only together, and phi21 follows the star's name."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.normal(size=(stars, len(CANDIDATES))), columns=list(CANDIDATES))
    table["star_id"] = [f"star {number}" for number in range(stars)]
    table["a2"] = table["a1"] + 0.1 * rng.normal(size=stars)
    table["feh"] = 10 * (table["a1"] - table["a2"]) + 0.4 * table["period"]
    spectra = table.loc[np.repeat(np.arange(stars), 3)].reset_index(drop=True)
    return spectra.assign(feh=spectra["feh"] + rng.normal(0, 0.05, len(spectra)))


@pytest.mark.parametrize(
    ("kind", "search", "by_star"),
    [
        ("RRab", "forward", False),
        ("RRab", "forward", True),
        ("RRab", "exhaustive", True),
        ("RRc", "forward", False),
        ("RRc", "exhaustive", True),
    ],
)
def test_published_features_are_chosen(spectra, kind, search, by_star):
    calibrators = select_calibrators(spectra, kind)
    path = select_features(calibrators, kind, search=search, by_star=by_star, repeats=3)
    assert chosen_features(path) == set(FEATURES[kind])


def test_error_is_larger_when_stars_are_kept_together(spectra):
    calibrators = select_calibrators(spectra, "RRc")
    together, apart = (
        select_features(calibrators, "RRc", by_star=by_star, repeats=2)["mae"].iloc[-1]
        for by_star in (True, False)
    )
    assert together > 1.2 * apart


def test_features_that_help_together_are_found_by_the_exhaustive_search():
    path = select_features(simulate_spectra(), "RRab", search="exhaustive", folds=5, repeats=2)
    assert chosen_features(path) == {"period", "a1", "a2"}
    assert path["n_features"].tolist() == [1, 2, 3, 4, 5, 6]


def test_forward_search_adds_one_feature_at_a_time():
    path = select_features(simulate_spectra(), "RRab", folds=5, repeats=2)
    sets = [set(features.split()) for features in path["features"]]
    assert all(small < large for small, large in pairwise(sets))


def test_the_same_seed_gives_the_same_path():
    table = simulate_spectra(1)
    first, second, other = (
        select_features(table, "RRab", folds=5, repeats=1, seed=seed) for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, second)
    assert not first["mae"].equals(other["mae"])


def test_bad_settings_are_named():
    table = simulate_spectra()
    with pytest.raises(ValueError, match="search is 'backward'; it must be one of forward"):
        select_features(table, "RRab", search="backward")
    with pytest.raises(CalibrationError, match="60 stars cannot be split into 61 folds"):
        select_features(table, "RRab", folds=61)
    with pytest.raises(CalibrationError, match="lacks one of"):
        select_features(table.assign(a3=np.nan), "RRab")
