"""The calibration gives the published relations, and honest errors where those do not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from metalyra.fit.fitting import fit_stars
from metalyra.label.calibration import calibrate, describe_relations, summarise
from metalyra.label.calibrators import (
    FEATURES,
    CalibrationError,
    list_photometry,
    select_calibrators,
)
from metalyra.label.comparison import cross_validate, draw_star_folds, evaluate_cross_validation
from metalyra.label.regression import VARIANTS, log_likelihood, make_regression, measure_scatter
from metalyra.label.relations import Relation, estimate_metallicity, read_relations
from metalyra.label.sampler import fit_pareto_tail
from metalyra.surveys.ifeh import read_calibrators, read_light_curves

PUBLISHED = read_relations(Path(__file__).parents[2] / "resources" / "relations.yaml")["dekany2021"]
TABLES = ("CHR_X_phot_single.dat", "LIT_hires_feh_1_X_phot.dat", "LIT_hires_feh_2_X_phot.dat")

# Posterior means and standard deviations that independent samplers found on the same
# tables: shared/reference/metallicity_relations.md, "Refits"; intercept first.
REFITS = {
    ("RRab", "least_squares"): ([-4.926, -6.386, 3.985, 1.129], None),
    ("RRab", "dekany2021"): ([-5.828, -6.347, 5.800, 1.249], [0.152, 0.068, 0.327, 0.020]),
    ("RRab", "errors_once"): ([-5.929, -6.341, 6.026, 1.263], [0.173, 0.079, 0.372, 0.023]),
    ("RRab", "scatter"): ([-4.947, -6.189, 4.987, 1.095], [0.266, 0.136, 0.567, 0.038]),
    ("RRc", "least_squares"): ([-1.581, -9.972, 15.768, -35.808, 0.245], None),
    ("RRc", "dekany2021"): (
        [-1.804, -9.887, 13.809, -34.947, 0.318],
        [0.116, 0.278, 0.624, 1.223, 0.015],
    ),
    ("RRc", "errors_once"): (
        [-1.814, -9.759, 13.475, -34.917, 0.321],
        [0.126, 0.299, 0.669, 1.265, 0.016],
    ),
    ("RRc", "scatter"): (
        [-1.772, -9.575, 13.433, -34.603, 0.305],
        [0.170, 0.452, 0.923, 1.692, 0.021],
    ),
}
INTRINSIC_SCATTER = {"RRab": 0.133, "RRc": 0.119}


@pytest.fixture(scope="module")
def spectra(mirror):
    return read_calibrators([mirror / "dekany_2021_ifeh" / name for name in TABLES])


TRUTH = np.array([-5.0, -6.0, 4.0, 1.1])


TRUE_RELATION = Relation(
    *("I", "sine", 5.88, TRUTH[0]),
    dict(zip(("period", "a2", "phi31"), TRUTH[1:].tolist(), strict=True)),
    scatter=0.15,
)


def simulate_calibrators(seed, stars=50, scatter=0.15, error_scale=1.2) -> pd.DataFrame:
    """Draw stars with 1 to 9 spectra each, whose [Fe/H] follow `TRUTH`."""
    rng = np.random.default_rng(seed)
    true = pd.DataFrame(
        {
            "star_id": [f"star {number:03d}" for number in range(stars)],
            "pulsation_type": "RRab",
            "period": rng.uniform(0.4, 0.7, stars),
            "a2": rng.normal(0.11, 0.03, stars),
            "phi31": rng.normal(5.7, 0.35, stars),
            "a2_err": 0.004,
            "phi31_err": rng.uniform(0.02, 0.15, stars),
        }
    )
    design = np.column_stack([np.ones(stars), true[["period", "a2", "phi31"]]])
    feh = design @ TRUTH + rng.normal(0, scatter, stars)
    measured = true.assign(
        a2=true["a2"] + rng.normal(0, true["a2_err"]),
        phi31=true["phi31"] + rng.normal(0, true["phi31_err"]),
    )
    star = np.repeat(np.arange(stars), rng.integers(1, 10, stars))
    error = rng.uniform(0.05, 0.2, star.size)
    return (
        measured.iloc[star]
        .assign(feh=feh[star] + rng.normal(0, error_scale * error), feh_err=error)
        .reset_index(drop=True)
    )


def test_published_selection(spectra):
    selected = {kind: select_calibrators(spectra, kind) for kind in FEATURES}
    counts = {kind: (len(rows), rows["star_id"].nunique()) for kind, rows in selected.items()}
    assert counts == {"RRab": (375, 80), "RRc": (153, 24)}


@pytest.mark.parametrize(("kind", "variant"), REFITS)
def test_regressions_agree_with_independent_ones(spectra, kind, variant):
    calibration = calibrate(select_calibrators(spectra, kind), kind, variant, draws=4000)
    draws = calibration.draws[["intercept", *FEATURES[kind]]]
    means, deviations = REFITS[kind, variant]
    np.testing.assert_array_less(np.abs(draws.mean() - means) / draws.std(), 0.1)
    if deviations is not None:
        # The references have three decimals.
        np.testing.assert_allclose(draws.std(), deviations, rtol=0.07, atol=0.0005)
    if variant == "scatter":
        assert calibration.draws["scatter"].mean() == pytest.approx(
            INTRINSIC_SCATTER[kind], abs=0.008
        )
    assert calibration.efficiency > 0.3


@pytest.mark.parametrize("kind", FEATURES)
def test_published_coefficients_lie_within_the_posterior(spectra, kind):
    calibration = calibrate(select_calibrators(spectra, kind), kind, "dekany2021", draws=4000)
    summary = summarise(calibration, PUBLISHED[kind])
    assert summary["parameter"].tolist() == ["intercept", *FEATURES[kind]]
    assert (summary["deviation"].abs() < 1).all()
    draws = calibration.draws[["intercept", *FEATURES[kind]]]
    offset = summary["published"].to_numpy() - draws.mean().to_numpy()
    distance = offset @ np.linalg.solve(np.cov(draws.T.to_numpy()), offset)
    assert distance < stats.chi2.ppf(0.68, len(offset))
    published = PUBLISHED[kind].residual_scatter
    assert calibration.residual_scatter == pytest.approx(published, abs=0.002)


@pytest.mark.parametrize("kind", FEATURES)
def test_errors_of_the_published_relation_are_those_of_the_calibrators(spectra, kind):
    calibrators = select_calibrators(spectra, kind)
    found = measure_scatter(calibrators, PUBLISHED[kind])
    assert found.intrinsic == pytest.approx(PUBLISHED[kind].scatter, abs=0.001)
    calibration = calibrate(calibrators, kind, "dekany2021", seed=42)
    np.testing.assert_allclose(
        PUBLISHED[kind].covariance, calibration.relation().covariance, rtol=1e-4
    )


def test_own_fits_give_the_coefficients_of_the_published_columns(spectra, mirror):
    selected = {kind: select_calibrators(spectra, kind) for kind in FEATURES}
    stars = pd.concat(selected.values()).drop_duplicates("star_id").assign(status="ok")
    archive = mirror / "dekany_2021_ifeh" / "photometry.tar.gz"
    curves = pd.concat(
        curve.table.assign(star_id=curve.star_id, band="I")
        for curve in read_light_curves([archive], stars, "I")
    )
    settings = {"published": True, "draws": 50, "rrc": {"order_max": 5, "sigma_clip": None}}
    fits, _ = fit_stars(stars, curves, settings, seed=1)
    for kind, calibrators in selected.items():
        photometry = list_photometry(calibrators, fits)
        own, same = (
            calibrate(photometry[name], kind, "hierarchical", draws=2000)
            for name in ("own", "published_same")
        )
        asas = calibrators[calibrators["photometry"] == "asas"]
        assert (own.stars, own.spectra) == (asas["star_id"].nunique(), len(asas))
        assert (same.stars, same.spectra) == (own.stars, own.spectra)
        parameters = ["intercept", *FEATURES[kind]]
        difference = (own.draws.mean() - same.draws.mean())[parameters].abs()
        assert (difference < same.draws.std()[parameters]).all()


@pytest.mark.parametrize("kind", FEATURES)
def test_total_errors_hold_the_spectroscopic_metallicities(spectra, kind):
    calibrators = select_calibrators(spectra, kind)
    precision = calibrators["feh_err"] ** -2
    groups = calibrators["star_id"]
    total = precision.groupby(groups).sum()
    mean = (precision * calibrators["feh"]).groupby(groups).sum() / total
    stars = calibrators.drop_duplicates("star_id").assign(status="ok")
    stars = stars.assign(cov_a1_a2=0.0, cov_a1_phi31=0.0, cov_a2_phi31=0.0)
    labels = estimate_metallicity(stars, stars, "dekany2021", PUBLISHED).set_index("star_id")
    scale = measure_scatter(calibrators, PUBLISHED[kind]).error_scale
    deviation = (labels["feh"] - mean).abs() / np.hypot(labels["feh_err"], scale * total**-0.5)
    for limit, share in ((1.0, 0.683), (1.96, 0.95)):
        sampling_error = np.sqrt(share * (1 - share) / len(deviation))
        assert np.mean(deviation < limit) == pytest.approx(share, abs=1.5 * sampling_error)


def test_scatter_about_a_relation_is_the_intrinsic_one():
    found = [
        measure_scatter(simulate_calibrators(seed, stars=80), TRUE_RELATION) for seed in range(20)
    ]
    mean = np.mean([[one.intrinsic, one.error_scale] for one in found], axis=0)
    np.testing.assert_allclose(mean, [0.15, 1.2], rtol=0.07)
    errors = [(one.intrinsic - 0.15) / one.intrinsic_err for one in found]
    assert 0.6 < np.std(errors) < 1.5


def test_errors_of_the_coefficients_are_no_scatter():
    calibrators = simulate_calibrators(7, stars=80)
    without = measure_scatter(calibrators, TRUE_RELATION)
    known = {"intercept": 0.1, "period": 0.0, "a2": 0.0, "phi31": 0.0}
    found = measure_scatter(calibrators, replace(TRUE_RELATION, errors=known))
    assert found.intrinsic == pytest.approx(np.sqrt(without.intrinsic**2 - 0.1**2), abs=0.01)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_calibrated_relation_has_the_intrinsic_scatter(variant):
    made = [
        calibrate(simulate_calibrators(seed, stars=80), "RRab", variant, draws=300).relation()
        for seed in range(5)
    ]
    assert np.mean([one.scatter for one in made]) == pytest.approx(0.15, abs=0.05)
    assert np.mean([one.residual_scatter for one in made]) > 0.2


def test_likelihood_is_that_of_the_joint_normal_distribution():
    calibrators = simulate_calibrators(1, stars=12)
    calibrators["cov_a2_phi31"] = 0.3 * calibrators["a2_err"] * calibrators["phi31_err"]
    regression = make_regression(calibrators, FEATURES["RRab"], VARIANTS["hierarchical"])
    coefficients = np.array([[-5.0, -6.0, 4.0, 1.1], [-4.0, -5.0, 8.0, 0.9]])
    scatter, error_scale = np.array([0.15, 0.3]), np.array([1.2, 0.8])
    design = np.column_stack([np.ones(len(calibrators)), calibrators[[*FEATURES["RRab"]]]])
    same_star = np.equal.outer(*[calibrators["star_id"].to_numpy()] * 2)
    expected = []
    for theta, tau, scale in zip(coefficients, scatter, error_scale, strict=True):
        measured = (
            (theta[2] * calibrators["a2_err"]) ** 2
            + (theta[3] * calibrators["phi31_err"]) ** 2
            + 2 * theta[2] * theta[3] * calibrators["cov_a2_phi31"]
        ).to_numpy()
        covariance = np.diag((scale * calibrators["feh_err"].to_numpy()) ** 2)
        covariance += same_star * (tau**2 + measured)
        expected.append(
            stats.multivariate_normal(design @ theta, covariance).logpdf(calibrators["feh"])
        )
    found = log_likelihood(regression, coefficients, scatter, error_scale)
    assert found[1] - found[0] == pytest.approx(expected[1] - expected[0], abs=1e-8)


def test_repeated_spectra_teach_about_the_star_only_once():
    once = simulate_calibrators(2).drop_duplicates("star_id")
    often = pd.concat([once] * 10, ignore_index=True)
    deviations = {
        (variant, name): calibrate(table, "RRab", variant, draws=2000).draws["phi31"].std()
        for variant in ("scatter", "hierarchical")
        for name, table in (("once", once), ("often", often))
    }
    independent = deviations["scatter", "often"] / deviations["scatter", "once"]
    grouped = deviations["hierarchical", "often"] / deviations["hierarchical", "once"]
    assert independent < 0.45  # nearly 1 / sqrt(10)
    assert grouped > 0.6  # the spectroscopic errors alone are averaged


def test_hierarchical_errors_are_honest_and_the_published_ones_too_small():
    deviations = {"hierarchical": [], "dekany2021": []}
    others = []
    for seed in range(30):
        calibrators = simulate_calibrators(seed)
        for variant, found in deviations.items():
            draws = calibrate(calibrators, "RRab", variant, draws=400, seed=seed).draws
            coefficients = draws[["intercept", *FEATURES["RRab"]]]
            found.append((coefficients.mean() - TRUTH) / coefficients.std())
            if variant == "hierarchical":
                others.append(draws[["scatter", "error_scale"]].mean())
    spread = {variant: np.sqrt(np.mean(np.square(found))) for variant, found in deviations.items()}
    assert 0.8 < spread["hierarchical"] < 1.25
    assert spread["dekany2021"] > 2
    np.testing.assert_allclose(np.mean(others, axis=0), [0.15, 1.2], rtol=0.1)


def test_the_same_seed_gives_the_same_draws():
    calibrators = simulate_calibrators(3)
    first, second, other = (
        calibrate(calibrators, "RRab", draws=100, seed=seed).draws for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, second)
    assert not first.equals(other)


def test_draws_are_effective_where_few_proposals_count():
    few = calibrate(simulate_calibrators(0, stars=5), "RRab", draws=2000)
    assert few.efficiency < 0.05
    assert few.effective_size >= 2000
    assert few.pareto_k <= 0.7
    summary = summarise(few, TRUE_RELATION)
    assert (summary["effective_size"] == few.effective_size).all()
    assert (summary["pareto_k"] == few.pareto_k).all()


def test_a_posterior_that_the_proposals_miss_is_refused():
    with pytest.raises(CalibrationError, match="of 200000 proposals count where 2000 draws"):
        calibrate(simulate_calibrators(3, stars=6), "RRab", draws=2000)


@pytest.mark.parametrize("shape", [-0.5, 0.3, 0.7, 1.5])
def test_pareto_tail_is_found(shape):
    draws = [np.random.default_rng(seed).uniform(size=20_000) for seed in range(30)]
    fitted = [fit_pareto_tail((uniform**-shape - 1) / shape) for uniform in draws]
    assert np.mean(fitted) == pytest.approx(shape, abs=0.06)
    assert fit_pareto_tail(np.ones(1000)) == -np.inf


def test_calibration_is_used_like_a_published_relation(tmp_path):
    calibrators = simulate_calibrators(4)
    calibration = calibrate(calibrators, "RRab", draws=500)
    path = tmp_path / "relations.yaml"
    path.write_text(yaml.safe_dump({"mine": describe_relations([calibration], "simulated")}))
    relations = read_relations(path)["mine"]
    stars = calibrators.drop_duplicates("star_id").assign(status="ok", cov_a2_phi31=0.0)
    labels = estimate_metallicity(stars, stars, "mine", relations)
    predicted, whole_error = calibration.predict(stars)
    np.testing.assert_allclose(labels["feh"], predicted)
    np.testing.assert_allclose(labels["feh_err"], whole_error)
    floor = np.hypot(labels["feh_err_light_curve"], calibration.scatter)
    assert (labels["feh_err"] > floor).all()
    assert (labels["relation"] == "mine").all()


def test_a_star_is_predicted_without_its_own_spectra():
    calibrators = simulate_calibrators(5, stars=30)
    star = calibrators["star_id"] == calibrators["star_id"][0]
    changed = calibrators.assign(feh=calibrators["feh"] + 3.0 * star)
    settings = {"folds": 5, "repeats": 1, "draws": 200}
    before, after = (
        cross_validate(table, "RRab", "hierarchical", **settings)
        for table in (calibrators, changed)
    )
    assert before["predicted"].notna().all()
    pd.testing.assert_series_equal(before["predicted"][star], after["predicted"][star])
    assert not np.allclose(before["predicted"][~star], after["predicted"][~star])


def test_errors_of_spectra_are_judged_on_the_fitted_scale():
    reduced = {"spectrum": [], "star": []}
    for seed in range(3):
        calibrators = simulate_calibrators(seed, stars=60, error_scale=2.0)
        predictions = cross_validate(
            calibrators, "RRab", "hierarchical", folds=5, repeats=1, draws=200
        )
        assert predictions["error_scale"].between(1.6, 2.4).all()
        table = evaluate_cross_validation(predictions).set_index("unit")["reduced_error"]
        for unit, found in reduced.items():
            found.append(table[unit])
    assert np.mean(reduced["spectrum"]) == pytest.approx(1, abs=0.12)
    assert np.mean(reduced["star"]) == pytest.approx(1, abs=0.12)
    fixed = cross_validate(calibrators, "RRab", "scatter", folds=5, repeats=1, draws=200)
    assert (fixed["error_scale"] == 1).all()


def test_folds_keep_the_spectra_of_a_star_together():
    stars = np.repeat([f"s{number}" for number in range(23)], 3)
    fold = draw_star_folds(stars, 5, np.random.default_rng(1))
    assert pd.Series(fold).groupby(stars).nunique().max() == 1
    sizes = pd.Series(fold[::3]).value_counts()
    assert sizes.max() - sizes.min() <= 1
    with pytest.raises(CalibrationError, match="23 stars cannot be split into 24 folds"):
        draw_star_folds(stars, 24, np.random.default_rng(1))


def test_accuracy_by_spectrum_and_by_star():
    predictions = pd.DataFrame(
        {
            "repeat": 0,
            "star_id": ["a", "a", "b"],
            "feh": [-1.0, -2.0, -0.5],
            "feh_err": [0.1, 0.2, 0.3],
            "error_scale": [2.0, 2.0, 1.0],
            "predicted": [-1.5, -1.5, -0.1],
            "predicted_err": [0.4, 0.4, 0.4],
        }
    )
    table = evaluate_cross_validation(predictions).set_index("unit")
    mean = (-1.0 / 0.01 - 2.0 / 0.04) / (1 / 0.01 + 1 / 0.04)
    assert table["count"].to_dict() == {"spectrum": 3, "star": 2}
    assert table.loc["spectrum", "mae"] == pytest.approx((0.5 + 0.5 + 0.4) / 3)
    assert table.loc["spectrum", "bias"] == pytest.approx((-0.5 + 0.5 + 0.4) / 3)
    assert table.loc["star", "mae"] == pytest.approx((abs(-1.5 - mean) + 0.4) / 2)
    reduced = [(-1.5 - mean) / np.hypot(0.4, 2 * np.sqrt(1 / 125)), 0.4 / 0.5]
    assert table.loc["star", "reduced_error"] == pytest.approx(np.sqrt(np.mean(np.square(reduced))))


def test_calibrators_that_cannot_be_used_are_named():
    calibrators = simulate_calibrators(6)
    incomplete = calibrators.assign(a2=calibrators["a2"].where(calibrators.index != 7))
    with pytest.raises(CalibrationError, match=f"star {calibrators['star_id'][7]} lacks one of"):
        calibrate(incomplete, "RRab")
    with pytest.raises(CalibrationError, match="4 stars are too few"):
        calibrate(calibrators[calibrators["star_id"] < "star 004"], "RRab")
    several = calibrators.assign(a2=calibrators["a2"].where(calibrators.index > 0, 0.1))
    with pytest.raises(CalibrationError, match="star 000 has several values of one of"):
        calibrate(several[several["star_id"].duplicated(keep=False)], "RRab")
    with pytest.raises(CalibrationError, match="period, a2, phi31 of the stars are not indep"):
        calibrate(calibrators.assign(a2=0.1), "RRab")
    with pytest.raises(CalibrationError, match="cut on 'color' names no column"):
        select_calibrators(calibrators.assign(keep=True), "RRab", {"color": (0.0, 1.0)})
