import numpy as np
import pytest
import sklearn.metrics
from scipy.spatial.distance import jensenshannon

from metalyra.core.metrics import (
    density_divergence,
    density_mode,
    evaluate_predictions,
    jensen_shannon_divergence,
    mean_absolute_error,
    median_absolute_error,
    r2_score,
    root_mean_squared_error,
)


@pytest.fixture
def predictions():
    random = np.random.default_rng(1)
    true = random.normal(-1.4, 0.4, 300)
    return true, true + random.normal(0, 0.15, 300), random.uniform(0.02, 0.2, 300)


@pytest.mark.parametrize("weighted", [False, True])
def test_scores_agree_with_scikit_learn(predictions, weighted):
    true, predicted, errors = predictions
    weights = errors**-2 if weighted else None
    ours_and_theirs = {
        r2_score: sklearn.metrics.r2_score,
        root_mean_squared_error: sklearn.metrics.root_mean_squared_error,
        mean_absolute_error: sklearn.metrics.mean_absolute_error,
    }
    for ours, theirs in ours_and_theirs.items():
        expected = theirs(true, predicted, sample_weight=weights)
        assert ours(true, predicted, weights) == pytest.approx(expected, rel=1e-12)
    assert median_absolute_error(true, predicted) == pytest.approx(
        sklearn.metrics.median_absolute_error(true, predicted), rel=1e-12
    )


def test_divergence_lies_between_0_and_1_bit():
    p = np.array([1.0, 3.0, 0.0, 0.0])
    assert jensen_shannon_divergence(p, 10 * p) == 0
    assert jensen_shannon_divergence(p, p[::-1]) == pytest.approx(1)
    half = jensen_shannon_divergence(np.array([1, 0]), np.array([1, 1]))
    assert half == pytest.approx(0.5 * np.log2(4 / 3) + 0.25 * np.log2(2 / 3) + 0.25)


@pytest.mark.parametrize("seed", range(20))
def test_the_divergence_is_the_square_of_scipys_distance_and_never_negative(seed):
    rng = np.random.default_rng(seed)
    p, q = rng.random((2, 100))
    expected = jensenshannon(p, q, base=2) ** 2
    assert jensen_shannon_divergence(p, q) == pytest.approx(expected, rel=1e-12)
    assert 0 <= jensen_shannon_divergence(p, p * (1 + 1e-12 * q)) < 1e-15


def test_divergence_of_samples_grows_with_their_difference(predictions):
    true, predicted, _ = predictions
    near, far = (density_divergence(true, predicted + shift) for shift in (0.0, 0.5))
    assert density_divergence(true, true) == 0
    assert 0 < near < far < 1


def test_errors_weight_the_metrics_that_papers_weight(predictions):
    true, predicted, errors = predictions
    plain, weighted = evaluate_predictions(true, predicted), evaluate_predictions(*predictions)
    assert weighted["r2"] == r2_score(true, predicted, errors**-2)
    assert weighted["wrmse"] == root_mean_squared_error(true, predicted, errors**-2)
    assert weighted["rmse"] == plain["rmse"]
    assert weighted["r2_d_js"] == pytest.approx(weighted["r2"] / weighted["d_js"])
    assert set(weighted) - set(plain) == {"wrmse", "wmae"}


def test_too_few_stars_have_no_density():
    metrics = evaluate_predictions(np.array([-1.0]), np.array([-1.1]))
    assert np.isnan(metrics["d_js"])
    assert metrics["mae"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("part", "stars", "table3"),
    [
        ("val", 7534, {"rmse": 0.15, "mae": 0.11, "medae": 0.08, "d_js": 0.004}),
        ("train", 67806, {"rmse": 0.14, "mae": 0.10, "medae": 0.07, "d_js": 0.004}),
    ],
)
def test_published_ks_predictions_give_the_published_metrics(mirror, part, stars, table3):
    folder = mirror / "dekany_grebel_2022/results_k/best_model_k"
    (path,) = folder.glob(f"predict_{part}_*.dat")
    true, predicted = np.loadtxt(path, usecols=(2, 3), unpack=True)
    assert len(true) == stars
    metrics = evaluate_predictions(true, predicted)
    digits = {"rmse": 2, "mae": 2, "medae": 2, "d_js": 3}
    assert {name: round(metrics[name], n) for name, n in digits.items()} == table3


def test_the_mode_is_where_a_distribution_is_densest():
    random = np.random.default_rng(2)
    values = np.concatenate([random.normal(-1.35, 0.2, 3000), random.normal(-0.4, 0.3, 500)])
    assert density_mode(values) == pytest.approx(-1.35, abs=0.03)
    assert np.isnan([density_mode(np.array(few)) for few in ([], [-1.0, -2.0], [-1.0] * 9)]).all()
