import numpy as np
import pandas as pd
import pytest

from metalyra.label.calibrators import CalibrationError
from metalyra.label.own_labels import (
    ASSUMED_ERROR,
    calibrate_on_labels,
    compare_features,
    take_calibrators,
)
from metalyra.label.relations import Relation

TRUTH = {"period": -5.0, "a2": 4.0, "phi31": 1.1}


def draw_sample(rrab: int, rrc: int, *, errors: bool = True, scatter: float = 0.1):
    """Fits and star table of a survey in V; [Fe/H] is linear in period, A2 and phi31."""
    random = np.random.default_rng(5)
    number = rrab + rrc
    star_ids = [f"s{star:03d}" for star in range(number)]
    fits = pd.DataFrame(
        {
            "star_id": star_ids,
            "status": "ok",
            "period": random.normal(0.55, 0.06, number),
            "phase_coverage": 0.95,
            **{f"a{k}": random.normal(0.3 / k, 0.03, number) for k in range(1, 7)},
            **{f"phi{k}1": random.normal(5.0, 0.3, number) for k in range(2, 7)},
        }
    )
    for name in [column for column in fits if column.startswith(("a", "phi"))]:
        fits[f"{name}_err"] = 0.005
    feh = -6.0 + sum(slope * fits[name] for name, slope in TRUTH.items())
    feh_err = random.uniform(0.05, 0.15, number)
    stars = pd.DataFrame(
        {
            "star_id": star_ids,
            "pulsation_type": ["RRab"] * rrab + ["RRc"] * rrc,
            "archive_feh": feh + random.normal(0, np.hypot(scatter, feh_err)),
        }
    )
    if errors:
        stars["archive_feh_err"] = feh_err
    return fits, stars


def test_a_relation_in_any_band_is_found_again():
    calibrators = take_calibrators(*draw_sample(300, 5))
    products = calibrate_on_labels(
        calibrators, {}, band="V", features=["period", "a2", "phi31"], draws=2000, seed=1
    )
    entry = products.relations["RRab"]
    assert "RRc" not in products.relations
    relation = Relation(**entry)
    assert relation.band == "V"
    errors = np.sqrt(np.diag(relation.covariance))[1:]
    for name, error in zip(relation.features, errors, strict=True):
        assert abs(relation.coefficients[name] - TRUTH[name]) < 4 * error
    assert relation.scatter == pytest.approx(0.1, abs=0.03)
    accuracy = products.accuracy.set_index("pulsation_type").loc["RRab"]
    # Scatter and errors of the spectra, some 0.145 dex.
    assert accuracy["rmse"] == pytest.approx(0.145, abs=0.02)
    assert accuracy["coverage_68"] == pytest.approx(0.68, abs=0.06)
    assert accuracy["coverage_95"] == pytest.approx(0.95, abs=0.03)
    assert "300 RRab, 5 RRc" in products.relations["source"]
    assert products.accuracy["note"].tolist() == ["", "5 labelled RRc stars, a relation needs 20"]


def test_published_features_are_those_of_the_type_and_one_type_is_enough():
    products = calibrate_on_labels(
        take_calibrators(*draw_sample(0, 60)), {}, band="r", draws=1000, seed=1
    )
    assert [*products.relations["RRc"]["coefficients"]] == ["period", "a1", "a2", "phi31"]
    assert products.relations["RRc"]["band"] == "r"
    assert set(products.draws["pulsation_type"]) == {"RRc"}


def test_labels_without_errors_have_an_assumed_one():
    calibrators = take_calibrators(*draw_sample(40, 0, errors=False))
    assert set(calibrators["feh_err"]) == {ASSUMED_ERROR}
    products = calibrate_on_labels(calibrators, {}, band="V", draws=1000, seed=1)
    assert np.isfinite(products.accuracy["rmse"]).all()


def test_a_published_relation_is_beside_it_in_its_own_band_alone():
    published = {"RRab": Relation("I", "sine", 5.0, -6.0, TRUTH, scatter=None)}
    calibrators = take_calibrators(*draw_sample(60, 0))
    for band, known in (("I", True), ("V", False)):
        products = calibrate_on_labels(calibrators, published, band=band, draws=1000, seed=1)
        assert products.coefficients["published"].notna().any() == known


def test_too_few_stars_are_counted():
    calibrators = take_calibrators(*draw_sample(8, 3))
    message = (
        "on 8 RRab, 3 RRc stars .*: 8 labelled RRab stars, a relation needs 20; 3 labelled RRc"
    )
    with pytest.raises(CalibrationError, match=message):
        calibrate_on_labels(calibrators, {}, band="V")


def test_cuts_select_the_stars():
    fits, stars = draw_sample(60, 0)
    fits.loc[:49, "phase_coverage"] = 0.3
    with pytest.raises(CalibrationError, match="10 RRab, 0 RRc"):
        calibrate_on_labels(
            take_calibrators(fits, stars), {}, band="V", cuts={"phase_coverage": [0.8, None]}
        )


def test_stars_without_label_or_fit_are_no_calibrators():
    fits, stars = draw_sample(10, 0)
    stars.loc[0, "archive_feh"] = np.nan
    fits.loc[1, "status"] = "too_few_epochs"
    assert take_calibrators(fits, stars)["star_id"].tolist() == [f"s{n:03d}" for n in range(2, 10)]


def test_the_features_that_matter_are_chosen():
    table = compare_features(take_calibrators(*draw_sample(200, 5)), features=["a4"], seed=1)
    chosen = table[table["chosen"]].set_index("search")["features"].str.split()
    assert set(table["pulsation_type"]) == {"RRab"}
    for names in chosen:
        assert {*TRUTH} <= {*names}
    assert table["features"].str.contains("a4").any()


def test_a_posterior_that_is_too_irregular_is_one_of_least_squares(monkeypatch):
    from metalyra.label import own_labels

    def refuse(stars, kind, variant, **settings):
        if variant != "least_squares":
            raise CalibrationError("the posterior is too irregular")
        return calibrate(stars, kind, variant, **settings)

    calibrate = own_labels.calibrate
    monkeypatch.setattr(own_labels, "calibrate", refuse)
    calibrators = take_calibrators(*draw_sample(60, 0))
    products = calibrate_on_labels(calibrators, {}, band="V", draws=1000, seed=1)
    assert products.accuracy["variant"].tolist() == ["least_squares"]
    assert "(least_squares)" in products.relations["source"]
    assert products.relations["RRab"]["scatter"] == pytest.approx(0.1, abs=0.05)


def test_stars_of_one_error_and_noisy_curves_are_calibrated():
    """Of 265 such stars the scale of the errors and the scatter cannot be told apart."""
    fits, stars = draw_sample(265, 0)
    errors = {name: 0.15 for name in fits if name.startswith("phi") and name.endswith("_err")}
    fits = fits.assign(**errors)
    stars = stars.assign(archive_feh_err=0.2)
    products = calibrate_on_labels(
        take_calibrators(fits, stars), {}, band="V", variant="scatter", draws=1000, seed=1
    )
    assert products.accuracy["rmse"].iloc[0] < 0.25
