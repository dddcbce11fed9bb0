"""The fit of a chunk: published curves, errors, statuses, and independence of the chunk."""

import warnings

import numpy as np
import pandas as pd
import pytest

from metalyra.fitting import FitSettings, fit_stars, measure_shape, rotate
from metalyra.fourier import evaluate_harmonics, measure_phase_coverage
from tests.test_fourier import PERIOD, make_light_curve


def make_chunk(count=12, epochs=120, noise=0.02, band="I"):
    """Return stars and light curves of simulated RRab."""
    curves = []
    for index in range(count):
        rng = np.random.default_rng(index)
        time, mag, _ = make_light_curve(rng, epochs + 3 * index, noise)
        star_id = f"star{index:03d}"
        curves.append(
            pd.DataFrame(
                {"star_id": star_id, "band": band, "time": time, "mag": mag, "mag_err": noise}
            )
        )
    stars = pd.DataFrame(
        {
            "star_id": [f"star{index:03d}" for index in range(count)],
            "period": PERIOD,
            "pulsation_type": "RRab",
            "status": "ok",
        }
    )
    return stars, pd.concat(curves, ignore_index=True)


def read_example(mirror, name):
    values = np.loadtxt(mirror / "lcfit_examples" / "test_photometry" / f"{name}.dat")
    return pd.DataFrame(
        {
            "star_id": name,
            "band": "I",
            "time": values[:, 0],
            "mag": values[:, 1],
            "mag_err": values[:, 2],
        }
    )


EXAMPLES = {"b56841": 0.58085535, "b57131": 0.5373622, "b21314": 0.56296221}


@pytest.mark.parametrize("name", EXAMPLES)
def test_published_examples_are_reproduced(mirror, name):
    """Phases and mean curves of lcfit's own example output, far within 0.01."""
    stars = pd.DataFrame(
        {
            "star_id": [name],
            "period": [EXAMPLES[name]],
            "pulsation_type": ["RRab"],
            "status": ["ok"],
        }
    )
    config = {"order_min": 4, "order_max": 8, "refine_period": True, "published": True}
    fits, folded = fit_stars(stars, read_example(mirror, name), config, seed=1)
    phased = np.loadtxt(mirror / "lcfit_examples" / "phasedlc_test" / f"{name}.dat")
    curve = np.loadtxt(mirror / "lcfit_examples" / "synlc_test" / f"{name}_gpr_syn.dat")
    published = np.sort(phased[phased[:, 0] < 1, 0])
    measured = np.sort(folded.loc[folded["kept"], "phase"])
    assert fits["n_epochs"].item() == published.size
    np.testing.assert_allclose(measured, published, atol=1e-3)
    np.testing.assert_allclose(fits["curve"].item(), curve[:100, 1], atol=1e-3)


def test_the_best_aperture_of_the_vvv_example_is_chosen(mirror):
    values = np.loadtxt(mirror / "lcfit_examples" / "test_photometry" / "b12700.dat")
    curves = pd.concat(
        [
            pd.DataFrame(
                {
                    "star_id": "b12700",
                    "band": "Ks",
                    "time": values[:, 0],
                    "mag": values[:, 3 * aperture - 2],
                    "mag_err": values[:, 3 * aperture - 1],
                    "aperture": aperture,
                }
            )
            for aperture in range(1, 6)
        ]
    )
    stars = pd.DataFrame(
        {
            "star_id": ["b12700"],
            "period": [0.415326],
            "pulsation_type": ["RRab"],
            "status": ["ok"],
        }
    )
    fits, _ = fit_stars(stars, curves, {}, seed=1)
    single = [
        fit_stars(stars, curves[curves["aperture"] == aperture], {}, seed=1)[0]["snr"].item()
        for aperture in range(1, 6)
    ]
    assert fits["status"].item() == "ok"
    assert fits["aperture"].item() == 1 + int(np.argmax(single))
    assert fits["n_epochs"].item() > 500
    fewer, _ = fit_stars(stars, curves, {"apertures": [4, 5]}, seed=1)
    assert fewer["aperture"].item() == 4 + int(np.argmax(single[3:]))
    none, _ = fit_stars(stars, curves, {"apertures": [6]}, seed=1)
    assert none["status"].item() == "no_light_curve"


def test_truth_is_recovered_within_the_errors():
    stars, light_curves = make_chunk(count=40, epochs=150)
    fits, _ = fit_stars(stars, light_curves, {}, seed=1)
    _, _, coefficients = make_light_curve(np.random.default_rng(0))
    truth = {
        name: float(value)
        for name, value in measure_shape(np.pad(coefficients, (0, 10)), "RRab").items()
    }
    assert (fits["status"] == "ok").all()
    assert fits["gp_converged"].all()
    for name in ("a1", "a2", "a3", "phi21", "phi31", "mean_mag", "amplitude"):
        pull = (fits[name] - truth[name]) / fits[f"{name}_err"]
        assert abs(pull.median()) < 0.7, name
        assert 0.5 < pull.std() < 1.6, name


def test_folded_curves_are_aligned_by_phi1():
    stars, light_curves = make_chunk(count=3)
    fits, folded = fit_stars(stars, light_curves, {}, seed=1)
    np.testing.assert_allclose(fits["phi1"], 0.0, atol=1e-12)
    for row in fits.itertuples():
        points = folded[(folded["star_id"] == row.star_id) & folded["kept"]]
        curve = np.interp(points["phase"], np.arange(101) / 100, [*row.curve, row.curve[0]])
        assert np.std(points["mag"] - row.mean_mag - curve) < 0.03
        raw = light_curves[light_curves["star_id"] == row.star_id].sort_values("time")
        phase = ((raw["time"] - row.epoch) / row.period + row.phase_shift) % 1.0
        every = folded[folded["star_id"] == row.star_id]["phase"]
        np.testing.assert_allclose(np.exp(2j * np.pi * phase), np.exp(2j * np.pi * every))


def test_maximum_light_can_be_at_phase_zero():
    stars, light_curves = make_chunk(count=3)
    fits, folded = fit_stars(stars, light_curves, {"alignment": "maximum"}, seed=1)
    by_phi1, _ = fit_stars(stars, light_curves, {}, seed=1)
    for row in fits.itertuples():
        assert int(np.argmin(row.curve)) in (0, 1, 99)
        points = folded[(folded["star_id"] == row.star_id) & folded["kept"]]
        curve = np.interp(points["phase"], np.arange(101) / 100, [*row.curve, row.curve[0]])
        assert np.std(points["mag"] - row.mean_mag - curve) < 0.03
    np.testing.assert_allclose(fits["phi31"], by_phi1["phi31"])
    np.testing.assert_allclose(fits["snr"], by_phi1["snr"], rtol=1e-3)
    known = stars.assign(archive_time_of_maximum=[np.nan, 3.0, 4.0])
    with_epochs, _ = fit_stars(known, light_curves, {"alignment": "maximum"}, seed=1)
    for star_id, epoch in (("star001", 3.0), ("star002", 4.0)):
        row = with_epochs[with_epochs["star_id"] == star_id].iloc[0]
        phase = (epoch - row["epoch"]) / row["period"] + row["phase_shift"]
        assert np.cos(2 * np.pi * phase) == pytest.approx(1.0)
    assert with_epochs["phase_shift"][0] == fits["phase_shift"][0]
    with pytest.raises(ValueError, match="minimum"):
        FitSettings.from_config({"alignment": "minimum"})


def test_known_errors_are_used_where_they_help():
    stars, light_curves = make_chunk(count=30, noise=0.01)
    rng = np.random.default_rng(3)
    noisy = rng.uniform(size=len(light_curves)) < 0.4
    light_curves["mag_err"] = np.where(noisy, 0.06, 0.01)
    light_curves["mag"] += np.where(noisy, 0.06, 0.0) * rng.standard_normal(noisy.size)
    _, _, coefficients = make_light_curve(np.random.default_rng(0))
    truth = float(measure_shape(np.pad(coefficients, (0, 10)), "RRab")["phi31"])
    rms = {}
    for use_errors in (False, True):
        config = {"use_errors": use_errors, "sigma_clip": None}
        fits, _ = fit_stars(stars, light_curves, config, seed=1)
        rms[use_errors] = np.sqrt(np.mean((fits["phi31"] - truth) ** 2))
    assert rms[True] < 0.8 * rms[False]


def test_rotation_moves_the_curve():
    rng = np.random.default_rng(4)
    coefficients = rng.standard_normal((5, 9))
    phase = rng.uniform(size=30)
    moved = evaluate_harmonics(phase + 0.13, 4) @ rotate(coefficients, 0.13).T
    np.testing.assert_allclose(moved, evaluate_harmonics(phase, 4) @ coefficients.T)


def test_broken_stars_get_a_status_and_change_nothing():
    stars, light_curves = make_chunk(count=4)
    before, _ = fit_stars(stars, light_curves, {}, seed=1)
    good = light_curves[light_curves["star_id"] == "star000"]
    broken = {
        "empty": good.assign(mag=np.nan),
        "infinite": good.assign(mag=np.inf),
        "short": good.head(19),
        "flat": good.assign(mag=15.0),
        "repeated": pd.concat([good.head(15)] * 3),
        "half": good.assign(mag=good["mag"].where(np.arange(len(good)) % 2 == 0)),
        "same_time": good.assign(time=5.0),
    }
    curves = pd.concat([light_curves, *(c.assign(star_id=name) for name, c in broken.items())])
    more = stars.iloc[[0] * (len(broken) + 2)].assign(
        star_id=[*broken, "absent", "early"],
        status=["ok"] * (len(broken) + 1) + ["invalid_period"],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fits, folded = fit_stars(pd.concat([stars, more]), curves, {}, seed=1)
    status = dict(zip(fits["star_id"], fits["status"], strict=True))
    assert status["empty"] == status["infinite"] == "too_few_epochs"
    assert status["short"] == status["repeated"] == "too_few_epochs"
    assert status["flat"] == "constant_magnitude"
    assert status["same_time"] == "fit_failed"
    assert status["absent"] == "no_light_curve"
    assert status["early"] == "invalid_period"
    assert status["half"] == "ok"
    pd.testing.assert_frame_equal(fits.iloc[:4], before)
    assert set(folded["star_id"]) == {"star000", "star001", "star002", "star003", "half"}


def test_a_star_is_the_same_in_any_chunk():
    stars, light_curves = make_chunk(count=9)
    fits, folded = fit_stars(stars, light_curves, {}, seed=1)
    for rows in (stars.iloc[[5]], stars.iloc[::-2]):
        subset = light_curves[light_curves["star_id"].isin(rows["star_id"])]
        again, refolded = fit_stars(rows, subset.iloc[::-1], {}, seed=1)
        expected = fits.set_index("star_id").loc[rows["star_id"]].reset_index()
        pd.testing.assert_frame_equal(again, expected, check_exact=True)
        for star_id in rows["star_id"]:
            first = folded[folded["star_id"] == star_id].reset_index(drop=True)
            second = refolded[refolded["star_id"] == star_id].reset_index(drop=True)
            pd.testing.assert_frame_equal(second, first, check_exact=True)


def test_published_phases_are_kept():
    stars, light_curves = make_chunk(count=2)
    light_curves["phase"] = ((light_curves["time"] / PERIOD + 0.3) % 1.0).round(6)
    light_curves["time"] = light_curves["phase"] * PERIOD
    light_curves.loc[::40, "mag"] += 0.5
    light_curves = pd.concat([light_curves, light_curves.iloc[[7]]])
    fits, folded = fit_stars(stars, light_curves, {"phases": "published"}, seed=1)
    assert folded["kept"].all()
    for row in fits.itertuples():
        expected = np.sort(light_curves.loc[light_curves["star_id"] == row.star_id, "phase"])
        measured = np.sort(folded.loc[folded["star_id"] == row.star_id, "phase"])
        assert np.array_equal(measured, expected)
        assert row.phase_shift == 0.0
        assert row.phase_coverage == pytest.approx(measure_phase_coverage(expected))


def test_settings_come_from_a_flat_section():
    settings = FitSettings.from_config(
        {"harmonics": 12, "order_max": 6, "rrc": {"order_max": 4}, "published": True}
    )
    assert settings.harmonics == 12
    assert settings.regression.order_max == 6
    assert settings.regression_of("RRc").order_max == 4
    assert settings.regression_of("RRc").sigma_clip == 4.5
    assert settings.regression.published
    with pytest.raises(TypeError, match="ordre_max"):
        FitSettings.from_config({"ordre_max": 3})


def test_an_empty_chunk_gives_empty_tables():
    stars, light_curves = make_chunk(count=1)
    fits, folded = fit_stars(stars.iloc[:0], light_curves.iloc[:0], {}, seed=1)
    assert len(fits) == len(folded) == 0
    assert "phi31_err" in fits
    assert "kept" in folded
