import numpy as np
import pandas as pd
import pytest

from metalyra.predict.training_range import (
    QUALITY,
    RANGES,
    RAREST,
    fit_shapes,
    judge_stars,
    measure_training_range,
)
from metalyra.train.selection import apply_cuts


def draw_fits(number: int, seed: int = 1) -> pd.DataFrame:
    """Fits of stars whose shapes follow from their periods, with some scatter."""
    random = np.random.default_rng(seed)
    period = random.uniform(0.45, 0.7, number)
    size = 0.35 - 0.4 * (period - 0.55) + 0.01 * random.normal(size=number)
    fits = pd.DataFrame({"star_id": [f"s{star}" for star in range(number)], "period": period})
    for k, share in ((1, 1.0), (2, 0.5), (3, 0.3), (4, 0.2)):
        fits[f"a{k}"] = share * size * (1 + 0.03 * random.normal(size=number))
        fits[f"a{k}_err"] = 0.002
    for k, centre in ((2, 9.1), (3, 5.9), (4, 8.6)):
        fits[f"phi{k}1"] = centre + (period - 0.55) + 0.05 * random.normal(size=number)
        fits[f"phi{k}1_err"] = 0.02
    fits["amplitude"], fits["amplitude_err"] = 2.4 * size, 0.01
    fits["n_epochs"] = random.integers(25, 60, number)
    fits["snr"] = random.uniform(60, 400, number)
    fits["phase_coverage"] = random.uniform(0.86, 0.96, number)
    return fits.assign(status="ok")


TRAINING = draw_fits(2000)
DOMAIN = measure_training_range(TRAINING)


def test_ranges_and_quality_are_those_of_the_training_set():
    for column in RANGES:
        assert DOMAIN["ranges"][column] == [TRAINING[column].min(), TRAINING[column].max()]
    for column in QUALITY:
        assert DOMAIN["quality"][column] == [TRAINING[column].min(), None]


def test_stars_of_the_training_are_inside_and_others_are_not():
    stars = TRAINING.head(4).copy()
    stars.loc[1, "period"] = 0.2
    stars.loc[2, ["period", "amplitude"]] = [2.0, 3.0]
    stars.loc[3, "amplitude"] = np.nan
    assert judge_stars(stars, DOMAIN).outside.tolist() == ["", "period", "period", "amplitude"]


def test_more_epochs_and_a_better_light_curve_are_no_fault():
    stars = TRAINING.assign(n_epochs=16000, snr=1e5, phase_coverage=0.999)
    assert (apply_cuts(stars, DOMAIN["quality"]) == "").all()
    assert (judge_stars(stars, DOMAIN).outside == "").all()


def test_new_stars_of_the_population_are_like_it():
    unlike = judge_stars(draw_fits(4000, seed=2), DOMAIN).unlike
    assert 0 < unlike.mean() < 5 * RAREST


@pytest.mark.parametrize(
    "change",
    [
        {"phi21": 9.1 - np.pi},  # upside down
        {"a2": 0.5, "phi31": 2.0},  # two cycles in one
        {"period": 0.3},
        {"a1": np.nan},
        {"amplitude": 0.0},
    ],
)
def test_other_shapes_are_unlike_it(change):
    stars = draw_fits(200, seed=3).assign(**change)
    judged = judge_stars(stars, DOMAIN)
    assert judged.unlike.mean() > 0.95
    assert not np.isnan(judged.distance).any()


def test_a_shape_that_is_poorly_known_is_not_unlike_others():
    noisy = draw_fits(200, seed=4)
    random = np.random.default_rng(5)
    for k in (2, 3, 4):
        noisy[f"phi{k}1"] += random.normal(0, 0.8, 200)
    assert judge_stars(noisy, DOMAIN).unlike.mean() > 0.9
    errors = {f"phi{k}1_err": 0.8 for k in (2, 3, 4)}
    assert judge_stars(noisy.assign(**errors), DOMAIN).unlike.mean() < 0.02


def test_a_star_is_judged_by_itself_to_the_last_bit():
    stars = draw_fits(300, seed=6)
    together = judge_stars(stars, DOMAIN).distance
    apart = np.concatenate([judge_stars(stars.iloc[[row]], DOMAIN).distance for row in range(300)])
    assert together.tobytes() == apart.tobytes()


def test_a_card_of_another_version_is_named():
    shapes = {"means": [[0.0] * 8], "covariances": [np.eye(8).tolist()], "limit": 4.0}
    with pytest.raises(ValueError, match="as another version of MetaLyra does; train the model"):
        judge_stars(draw_fits(3), {**DOMAIN, "shapes": shapes})


def test_too_few_stars_make_no_population():
    assert fit_shapes(draw_fits(49)) is None
    judged = judge_stars(draw_fits(5), measure_training_range(draw_fits(49)))
    assert not judged.unlike.any()
    assert np.isnan(judged.distance).all()
