"""The fit of a chunk: published curves, errors, statuses, and independence of the chunk."""

import runpy
import warnings
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metalyra.core.tables import read_metadata, read_table, write_table
from metalyra.fit import batches, fitting
from metalyra.fit.description import measure_shape, rotate
from metalyra.fit.fitting import PERIODS, fit_stars
from metalyra.fit.fourier import evaluate_harmonics, measure_phase_coverage
from metalyra.fit.settings import FitSettings
from tests.fit.test_fourier import PERIOD, make_light_curve


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
    # More than are factorised or described at once.
    stars, light_curves = make_chunk(count=40, epochs=30)
    stars.loc[stars.index[1::2], "pulsation_type"] = "RRc"
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


def test_a_star_of_whose_row_a_number_is_not_finite_is_told_apart(monkeypatch):
    measure = fitting.measure_star

    def measure_with_a_gap(*arguments):
        star = measure(*arguments)
        lacking = star._replace(amplitude=np.nan * star.amplitude)
        return lacking if star.row["n_epochs"] < 35 else star

    monkeypatch.setattr(fitting, "measure_star", measure_with_a_gap)
    fits, _ = fit_stars(*make_chunk(count=4, epochs=30), {}, seed=1)
    assert list(fits["status"]) == ["fit_failed", "fit_failed", "ok", "ok"]


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


def test_the_curve_says_where_phase_zero_and_maximum_light_are():
    stars, light_curves = make_chunk(count=3)
    known = stars.assign(archive_time_of_maximum=[np.nan, 3.0, 4.0])
    for alignment in ("phi1", "maximum"):
        fits, _ = fit_stars(known, light_curves, {"alignment": alignment}, seed=1)
        assert (fits["alignment"] == alignment).all()
        assert fits["phase_of_maximum"].between(0, 1, inclusive="left").all()
        brightest = [np.argmin(curve) / 100 for curve in fits["curve"]]
        assert abs(np.exp(2j * np.pi * (fits["phase_of_maximum"][0] - brightest[0])) - 1) < 0.07
        for row, epoch in ((1, 3.0), (2, 4.0)):
            star = fits.iloc[row]
            phase = (epoch - star["epoch"]) / star["period"] + star["phase_shift"]
            turns = phase - star["phase_of_maximum"]
            assert turns == pytest.approx(round(turns), abs=1e-9)
    none, _ = fit_stars(stars.iloc[:1], light_curves.iloc[:0], {}, seed=1)
    assert none["alignment"].tolist() == ["phi1"]
    assert none["phase_of_maximum"].isna().all()


def test_published_phases_have_the_alignment_that_is_declared():
    stars, light_curves = make_chunk(count=2)
    light_curves["phase"] = (light_curves["time"] / PERIOD + 0.3) % 1.0
    known = stars.assign(archive_time_of_maximum=3.0)
    config = {"phases": "published", "alignment": "maximum"}
    fits, _ = fit_stars(known, light_curves, config, seed=1)
    assert (fits["alignment"] == "maximum").all()
    for row in fits.itertuples():
        assert row.phase_of_maximum == pytest.approx(np.argmin(row.curve) / 100, abs=0.006)


@pytest.mark.parametrize(
    "sentinel", [99.999, -999.0, 99.0, -99.0, 1e300, -1e300, -9.99, 0.0, 5000.0, np.inf]
)
@pytest.mark.parametrize("config", [{}, {"phases": "published"}])
def test_sentinels_are_missing_magnitudes(sentinel, config):
    stars, light_curves = make_chunk(count=2)
    light_curves["phase"] = light_curves["time"] / PERIOD % 1.0
    without = np.arange(len(light_curves)) % 3 > 0
    expected, _ = fit_stars(stars, light_curves[without], config, seed=1)
    light_curves["mag"] = light_curves["mag"].where(without, sentinel)
    fits, _ = fit_stars(stars, light_curves, config, seed=1)
    pd.testing.assert_frame_equal(fits, expected, check_exact=True)
    assert (fits["status"] == "ok").all()


def test_a_light_curve_of_sentinels_or_fluxes_has_too_few_epochs():
    stars, light_curves = make_chunk(count=2)
    flux = 10 ** (-0.4 * (light_curves["mag"] - 25))
    for mag in (99.999, flux):
        fits, _ = fit_stars(stars, light_curves.assign(mag=mag), {}, seed=1)
        assert (fits["status"] == "too_few_epochs").all()


def test_centred_magnitudes_are_magnitudes():
    stars, light_curves = make_chunk(count=2)
    centred = light_curves.assign(mag=light_curves["mag"] - 15.2)
    assert (fit_stars(stars, centred, {}, seed=1)[0]["status"] == "ok").all()


@pytest.mark.parametrize("sentinel", [0.0, -1.0, 9.999, 99.0, 1e300, -1e300, np.inf, 1e-8])
def test_errors_that_cannot_be_ones_are_unknown(sentinel):
    stars, light_curves = make_chunk(count=2)
    known = np.arange(len(light_curves)) % 4 > 0
    config = {"use_errors": True}
    unknown = light_curves.assign(mag_err=light_curves["mag_err"].where(known))
    expected, _ = fit_stars(stars, unknown, config, seed=1)
    written = light_curves.assign(mag_err=light_curves["mag_err"].where(known, sentinel))
    fits, _ = fit_stars(stars, written, config, seed=1)
    pd.testing.assert_frame_equal(fits, expected, check_exact=True)


def test_a_period_that_no_star_of_the_type_has_is_implausible():
    stars, light_curves = make_chunk(count=4)
    right, _ = fit_stars(stars, light_curves, {}, seed=1)
    wrong = stars.assign(period=[PERIOD, 24 * PERIOD, PERIOD / 24, 1e300])
    fits, _ = fit_stars(wrong, light_curves, {}, seed=1)
    assert fits["status"].tolist() == ["ok", *["implausible_period"] * 3]
    pd.testing.assert_frame_equal(fits.iloc[:1], right.iloc[:1], check_exact=True)
    assert np.isfinite(fits["phi31"][:3]).all()
    light_curves["phase"] = light_curves["time"] / PERIOD % 1.0
    fits, _ = fit_stars(wrong, light_curves, {"phases": "published"}, seed=1)
    assert fits["status"].tolist() == ["ok", *["implausible_period"] * 3]
    unknown = stars.assign(period=np.nan)
    fits, _ = fit_stars(unknown, light_curves, {"phases": "published"}, seed=1)
    assert (fits["status"] == "ok").all()


def test_every_catalogued_period_is_plausible(mirror):
    from metalyra.surveys import check_stars, survey

    lists = {
        "ogle": ["ogle_ocvs/ogle3_rrlyr.txt.gz"],
        "gaia_dr3": ["gaia_dr3/vari_rrlyrae_subset.csv.gz"],
        "dg22": [
            "dekany_grebel_2022/inner_bulge_new_rrab.dat",
            "dekany_grebel_2022/g_dev_reconstructed.csv",
        ],
    }
    for name, paths in lists.items():
        for path in paths:
            stars = check_stars(survey(name).read_stars([mirror / path]))
            for kind, (shortest, longest) in PERIODS.items():
                some = stars[(stars["pulsation_type"] == kind) & (stars["status"] == "ok")]
                assert some["period"].between(1.1 * shortest, longest / 1.1).all(), (path, kind)


def make_noise(count, epochs, rng):
    """Return stars of white noise, of any period and type, with published phases, too."""
    stars, curves = [], []
    for index in range(count):
        kind = ("RRab", "RRc")[index % 2]
        period = rng.uniform(*PERIODS[kind])
        time = np.sort(rng.uniform(0, 1000, epochs))
        error = 10 ** rng.uniform(-2, -0.5) * np.exp(rng.normal(0, 0.3, epochs))
        mag = 16 + error * rng.standard_normal(epochs)
        star_id = f"{epochs}/{index}"
        stars.append((star_id, period, kind, "ok"))
        columns = {"time": time, "phase": time / period % 1.0, "mag": mag, "mag_err": error}
        curves.append(pd.DataFrame({"star_id": star_id, "band": "G", **columns}))
    names = ["star_id", "period", "pulsation_type", "status"]
    return pd.DataFrame(stars, columns=names), pd.concat(curves, ignore_index=True)


@pytest.mark.parametrize("config", [{}, {"use_errors": True}, {"phases": "published"}])
def test_white_noise_is_not_variable(config):
    rng = np.random.default_rng(2)
    samples = [make_noise(60, epochs, rng) for epochs in (25, 50, 100, 200)]
    stars, light_curves = (
        pd.concat(tables, ignore_index=True) for tables in zip(*samples, strict=True)
    )
    fits, folded = fit_stars(stars, light_curves, config, seed=1)
    assert (fits["status"] == "not_variable").mean() > 0.99
    assert np.isfinite(fits["phi31"]).all()
    assert set(folded["star_id"]) == set(stars["star_id"])


def test_white_noise_is_not_variable_for_the_published_procedure():
    stars, light_curves = make_noise(20, 80, np.random.default_rng(2))
    fits, _ = fit_stars(stars, light_curves, {"published": True}, seed=1)
    assert (fits["status"] == "not_variable").all()


def test_real_stars_vary(mirror):
    from metalyra.surveys import check_stars, survey

    folder = mirror / "dekany_grebel_2022"
    for band, path, archive, step in (
        ("G", "g_dev_reconstructed.csv", "lc_dev_g.tar.gz", 40),
        ("Ks", "inner_bulge_new_rrab.dat", "lc_target_k.tar.gz", 60),
    ):
        stars = check_stars(survey("dg22").read_stars([folder / path])).iloc[::step]
        curves = [
            curve.table.assign(star_id=curve.star_id, band=band)
            for curve in survey("dg22").read_light_curves([folder / archive], stars, band)
        ]
        fits, _ = fit_stars(stars, pd.concat(curves), {"phases": "published"}, seed=1)
        assert (fits["status"] == "ok").all()


def test_a_batch_that_cannot_be_fitted_leaves_out_the_star_to_blame(monkeypatch, caplog):
    stars, light_curves = make_chunk(count=7)
    fit = batches.fit_batch

    def fit_unless_star_4(summaries, *arguments):
        if any(summary.degrees_of_freedom == 120 + 3 * 4 - 1 for summary in summaries):
            raise np.linalg.LinAlgError("Matrix is not positive definite")
        return fit(summaries, *arguments)

    monkeypatch.setattr(batches, "fit_batch", fit_unless_star_4)
    with caplog.at_level("INFO"):
        fits, refolded = fit_stars(stars, light_curves, {"sigma_clip": None}, seed=1)
    monkeypatch.undo()
    expected, folded = fit_stars(stars, light_curves, {"sigma_clip": None}, seed=1)
    assert fits["status"].tolist() == ["ok"] * 4 + ["fit_failed"] + ["ok"] * 2
    assert "star star004: fit_failed" in caplog.text
    others = fits["star_id"] != "star004"
    pd.testing.assert_frame_equal(fits[others], expected[others], check_exact=True)
    others = folded[folded["star_id"] != "star004"].reset_index(drop=True)
    pd.testing.assert_frame_equal(refolded, others, check_exact=True)


@pytest.mark.parametrize("stage", ["fold_best_aperture", "measure_star"])
@pytest.mark.parametrize("error", [OverflowError, ValueError, IndexError, np.linalg.LinAlgError])
def test_whatever_fails_for_one_star_is_its_status(monkeypatch, stage, error):
    stars, light_curves = make_chunk(count=3)
    expected, _ = fit_stars(stars, light_curves, {}, seed=1)
    work, calls = getattr(fitting, stage), []

    def fail_once(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise error("one star")
        return work(*arguments)

    monkeypatch.setattr(fitting, stage, fail_once)
    fits, folded = fit_stars(stars, light_curves, {}, seed=1)
    assert fits["status"].tolist() == ["ok", "fit_failed", "ok"]
    pd.testing.assert_frame_equal(fits.iloc[::2], expected.iloc[::2], check_exact=True)
    assert set(folded["star_id"]) == {"star000", "star002"}


FINITE = st.floats(allow_nan=False, allow_infinity=False)
MAGNITUDES = st.one_of(
    st.floats(10, 20), FINITE, st.sampled_from([1e300, -1e300, 1e-300, 15.0, 99.999, 0.0])
)
TIMES = st.one_of(
    st.floats(0, 1000), FINITE, st.sampled_from([0.0, 1.0, 2457000.5, 1e300, -1e300, 1e-300])
)
ERRORS = st.one_of(
    st.floats(0.001, 0.1), FINITE, st.sampled_from([1e-8, 1e8, 1e-6, 4.9, 0.0, -1.0])
)
CURVES = st.lists(st.tuples(TIMES, MAGNITUDES, ERRORS), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(
    CURVES,
    st.floats(1e-300, 1e300),
    st.sampled_from(["RRab", "RRc"]),
    st.sampled_from([{}, {"use_errors": True}, {"refine_period": True}, {"published": True}]),
    st.booleans(),
)
def test_no_light_curve_stops_or_changes_its_neighbours(curve, period, kind, config, regular):
    config = {**config, "min_epochs": 5}
    neighbours, light_curves = make_chunk(count=2, epochs=40)
    stars = pd.concat(
        [
            neighbours.iloc[:1],
            pd.DataFrame(
                {"star_id": ["x"], "period": period, "pulsation_type": kind, "status": "ok"}
            ),
            neighbours.iloc[1:],
        ],
        ignore_index=True,
    )
    table = pd.DataFrame(curve, columns=["time", "mag", "mag_err"])
    if regular:
        table["time"] = np.arange(len(table)) * 0.37
    both = pd.concat([light_curves, table.assign(star_id="x", band="I")], ignore_index=True)
    fits, folded = fit_stars(stars, both, config, seed=1)
    assert len(fits) == 3
    expected, points = fit_stars(neighbours, light_curves, config, seed=1)
    pd.testing.assert_frame_equal(
        fits.iloc[[0, 2]].reset_index(drop=True), expected, check_exact=True
    )
    others = folded[folded["star_id"] != "x"].reset_index(drop=True)
    pd.testing.assert_frame_equal(others, points, check_exact=True)
    measured = fits["status"].isin(["ok", "not_variable", "implausible_period"])
    assert np.isfinite(fits.loc[measured & fits["snr"].notna(), ["phi31", "phi31_err", "a1"]]).all(
        axis=None
    )


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


def test_the_fits_file_says_the_time_scale_of_its_epochs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stars, light_curves = make_chunk(count=2)
    write_table(stars, "stars.parquet")
    write_table(light_curves, "0.parquet", {"survey": "gaia_dr3", "time_scale": "BJD(TCB)"})
    job = SimpleNamespace(
        input=SimpleNamespace(stars="stars.parquet", light_curves="0.parquet"),
        output=SimpleNamespace(fits="fits.parquet", folded="folded.parquet"),
        params=SimpleNamespace(settings={}, chunks=1, seed=1),
        wildcards=SimpleNamespace(chunk="0"),
    )
    monkeypatch.setattr("job.logged", lambda _: nullcontext())
    script = Path(__file__).parents[2] / "workflow/scripts/fit.py"
    runpy.run_path(str(script), {"snakemake": job})
    assert read_metadata("fits.parquet")["time_scale"] == "BJD(TCB)"
    expected, _ = fit_stars(stars, light_curves, {}, seed=1)
    assert read_table("fits.parquet")["phi31"].tolist() == expected["phi31"].tolist()


def test_an_empty_chunk_gives_empty_tables():
    stars, light_curves = make_chunk(count=1)
    fits, folded = fit_stars(stars.iloc[:0], light_curves.iloc[:0], {}, seed=1)
    assert len(fits) == len(folded) == 0
    assert "phi31_err" in fits
    assert "kept" in folded


def test_the_reason_of_a_failure_is_given_where_the_star_list_has_reasons():
    stars = pd.DataFrame(
        {
            "star_id": ["listed", "few", "flat"],
            "period": [np.nan, 0.5, 0.5],
            "pulsation_type": "RRab",
            "status": ["invalid_period", "ok", "ok"],
        }
    )
    few = pd.DataFrame({"star_id": "few", "time": [1.0, 2.0], "mag": [15.0, 16.0]})
    flat = pd.DataFrame({"star_id": "flat", "time": np.arange(30.0), "mag": 15.0})
    curves = pd.concat([few, flat]).assign(band="G", mag_err=0.1)
    plain, _ = fit_stars(stars, curves, {}, 1)
    assert "reason" not in plain
    fits, _ = fit_stars(stars.assign(reason=["no period", "", ""]), curves, {}, 1)
    assert fits.drop(columns="reason").equals(plain)
    assert fits["reason"].tolist() == [
        "no period",
        "2 usable epochs; at least 20 are needed",
        "all 30 magnitudes are 15",
    ]


def test_what_is_no_number_is_missing_and_stops_no_other_star():
    stars, light_curves = make_chunk(count=3)
    mag = light_curves["mag"].astype(object)
    mag.iloc[[0, 7]] = "fainter than 21"
    fits, _ = fit_stars(stars, light_curves.assign(mag=mag), {}, seed=1)
    expected, _ = fit_stars(stars, light_curves.drop(light_curves.index[[0, 7]]), {}, seed=1)
    pd.testing.assert_frame_equal(fits, expected, check_exact=True)
