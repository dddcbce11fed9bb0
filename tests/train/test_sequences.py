import numpy as np
import pandas as pd
import pytest
from scipy import interpolate
from scipy.interpolate import make_smoothing_spline

from metalyra.fit import fit_stars
from metalyra.surveys import check_stars, survey
from metalyra.train.sequences import (
    PADDING,
    complete_recipe,
    count_steps,
    make_sequences,
    read_sequences,
    resample_periodic,
    sequence_shape,
    smooth_periodic,
    write_sequences,
)
from tests.papers import MONTI_2024_SEQUENCES, MONTI_2025_SEQUENCES

DG22_KS = {"recipe": "dg22", "max_phase": 1.2, "bins": 60}


def folded_curve(star_id: str, phase: list[float], mag: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"star_id": star_id, "phase": phase, "mag": mag, "kept": True})


def fit_rows(*star_ids: str, period: float = 0.5) -> pd.DataFrame:
    return pd.DataFrame({"star_id": star_ids, "period": period, "status": "ok"})


def random_sample(stars: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    random = np.random.default_rng(1)
    fits = fit_rows(*(f"s{star}" for star in range(stars)))
    fits["period"] = random.uniform(0.4, 0.8, stars)
    curves = [
        folded_curve(star, random.random(n), random.normal(15, 0.3, n))
        for star, n in zip(fits["star_id"], random.integers(20, 150, stars), strict=True)
    ]
    return fits, pd.concat(curves, ignore_index=True)


def test_dg22_points_are_sorted_scaled_centred_and_padded():
    folded = folded_curve("a", [0.6, 0.2, 0.4], [15.3, 15.0, 15.6])
    star_ids, sequences = make_sequences(fit_rows("a"), folded, {"recipe": "dg22", "steps": 5})
    assert star_ids.tolist() == ["a"]
    assert sequences.dtype == np.float32
    np.testing.assert_allclose(
        sequences[0],
        [[0.1, -0.3], [0.2, 0.3], [0.3, 0.0], [PADDING] * 2, [PADDING] * 2],
        atol=1e-6,
    )


def test_dg22_bins_hold_mean_phases_and_magnitudes_and_empty_bins_are_dropped():
    folded = folded_curve("a", [0.01, 0.03, 0.55, 0.99], [1.0, 2.0, 4.0, 6.0])
    recipe = {"recipe": "dg22", "bins": 10}
    _, sequences = make_sequences(fit_rows("a", period=2.0), folded, recipe)
    assert sequences.shape == (1, 10, 2)
    expected = np.array([[0.02, 1.5], [0.55, 4.0], [0.99, 6.0]])
    expected[:, 1] -= expected[:, 1].mean()
    np.testing.assert_allclose(sequences[0, :3], expected * [2, 1], atol=1e-6)
    assert (sequences[0, 3:] == PADDING).all()


def test_dg22_points_beyond_phase_1_repeat_the_start_of_the_cycle():
    folded = folded_curve("a", [0.1, 0.19, 0.2, 0.9], [1.0, 2.0, 3.0, 4.0])
    recipe = {"recipe": "dg22", "max_phase": 1.2, "steps": 8}
    _, sequences = make_sequences(fit_rows("a", period=1.0), folded, recipe)
    np.testing.assert_allclose(sequences[0, :6, 0], [0.1, 0.19, 0.2, 0.9, 1.1, 1.19], atol=1e-6)
    mag = np.array([1, 2, 3, 4, 1, 2])
    np.testing.assert_allclose(sequences[0, :6, 1], mag - mag.mean(), atol=1e-6)
    assert (sequences[0, 6:] == PADDING).all()


def test_only_kept_points_of_fitted_stars_are_used():
    folded = pd.concat(
        [
            folded_curve(star, [0.1, 0.2, 0.3], [1.0, 9.0, 2.0]).assign(kept=[True, False, True])
            for star in ("a", "b")
        ]
    )
    fits = fit_rows("a", "b").assign(status=["ok", "fit_failed"])
    star_ids, sequences = make_sequences(fits, folded, {"recipe": "dg22", "steps": 4})
    assert star_ids.tolist() == ["a"]
    np.testing.assert_allclose(sequences[0, :2, 1], [-0.5, 0.5])
    assert (sequences[0, 2:] == PADDING).all()


def test_points_near_the_mean_curve_are_used_though_the_fit_rejected_them():
    phase = np.arange(100) / 100
    fits = fit_rows("a", "b").assign(
        curve=[np.sin(2 * np.pi * phase), np.zeros(100)], mean_mag=[15.0, 16.0], sigma=[0.1, 0.01]
    )
    # At phase 0.255, between two samples of the curve, the first star is expected at 16.0.
    folded = pd.concat(
        [
            folded_curve("a", [0.1, 0.255, 0.255, 0.255], [15.0, 16.0, 16.45, 16.55]),
            folded_curve("b", [0.1, 0.2, 0.995], [16.0, 16.02, 15.96]),
        ]
    ).assign(kept=[True, False, False, False, True, False, False])
    recipe = {"recipe": "dg22", "steps": 4}
    _, strict = make_sequences(fits, folded, recipe)
    _, tolerant = make_sequences(fits, folded, recipe | {"tolerance": 5})
    measured = (strict != PADDING).all(axis=2).sum(axis=1).tolist()
    assert measured == [1, 1]
    mag = np.array([15.0, 16.0, 16.45])
    np.testing.assert_allclose(tolerant[0, :3, 1], mag - mag.mean(), atol=1e-6)
    np.testing.assert_allclose(tolerant[1, :3, 1], [0.02 / 3, 0.08 / 3, -0.1 / 3], atol=1e-6)
    assert (tolerant[0, 3:] == PADDING).all()


def test_without_rejected_points_a_tolerance_asks_for_nothing_of_the_fit():
    fits, folded = random_sample(5)
    _, strict = make_sequences(fits, folded, {"recipe": "dg22"})
    _, tolerant = make_sequences(fits, folded, {"recipe": "dg22", "tolerance": 5})
    assert tolerant.tobytes() == strict.tobytes()


def test_long_light_curves_are_binned_or_truncated():
    phase = (np.arange(30) + 0.5) / 30
    folded = folded_curve("a", phase, np.arange(30.0))
    fits = fit_rows("a", period=1.0)
    _, binned = make_sequences(fits, folded, {"recipe": "dg22", "steps": 10})
    _, truncated = make_sequences(
        fits, folded, {"recipe": "dg22", "steps": 10, "excess": "truncate"}
    )
    np.testing.assert_allclose(binned[0, :, 0], phase.reshape(10, 3).mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(truncated[0, :, 0], phase[:10], atol=1e-6)
    np.testing.assert_allclose(truncated[0, :, 1], np.arange(10) - 14.5)


@pytest.mark.parametrize(
    "recipe",
    [
        DG22_KS,
        {"recipe": "dg22"},
        {"recipe": "gp_curve", "points": 264},
        {"recipe": "spline", "points": 50, "smoothing": 1e-5},
        {"recipe": "spline", "points": 50, "magnitude": "standardised"},
    ],
)
def test_sequences_do_not_depend_on_the_other_stars(recipe):
    fits, folded = random_sample(40)
    random = np.random.default_rng(2)
    fits["curve"] = list(random.normal(size=(40, 100)))
    for column in ("gp_noise", "n_epochs", "amplitude"):
        fits[column] = random.uniform(0.1, 1, 40)
    _, together = make_sequences(fits, folded, recipe)
    order = random.permutation(40)
    _, shuffled = make_sequences(fits.iloc[order], folded.sample(frac=1, random_state=3), recipe)
    _, alone = make_sequences(fits.iloc[[17]], folded, recipe)
    assert shuffled.tobytes() == together[order].tobytes()
    assert alone.tobytes() == together[[17]].tobytes()


def test_steps_are_counted_up_to_the_last_measurement():
    sequences = np.full((3, 4, 2), PADDING)
    sequences[0, :2] = 0.5
    sequences[1, 2, 1] = 0.5  # one channel may have the value of the padding
    assert count_steps(sequences).tolist() == [2, 3, 0]


def test_the_gp_curve_is_followed_by_constant_channels():
    phase = np.arange(100) / 100
    fits = fit_rows("a", period=0.6).assign(
        curve=[np.sin(2 * np.pi * phase)], gp_noise=0.02, n_epochs=50, amplitude=0.7
    )
    _, sequences = make_sequences(fits, None, {"recipe": "gp_curve", "points": 8})
    np.testing.assert_allclose(sequences[0, :, 0], np.sin(2 * np.pi * np.arange(8) / 8), atol=1e-6)
    constants = np.array([0.6, np.log(0.02), np.log(50), 0.7], dtype=np.float32)
    assert (sequences[0, :, 1:] == constants).all()


def test_a_constant_channel_must_be_a_column():
    fits = fit_rows("a").assign(curve=[np.zeros(100)])
    with pytest.raises(ValueError, match="log_colour"):
        make_sequences(fits, None, {"recipe": "gp_curve", "constants": ["log_colour"]})


@pytest.mark.parametrize("points", [7, 40, 100, 264])
def test_resampling_is_exact_for_band_limited_curves(points):
    random = np.random.default_rng(4)
    harmonics = np.arange(1, 41)
    amplitude, offset = random.normal(size=40), random.uniform(0, 2 * np.pi, 40)

    def curve(phase):
        return (amplitude * np.sin(2 * np.pi * harmonics * phase[:, None] + offset)).sum(axis=1)

    resampled = resample_periodic(curve(np.arange(100) / 100)[None], points)
    np.testing.assert_allclose(resampled[0], curve(np.arange(points) / points), atol=1e-12)


def test_resampling_at_the_samples_returns_them():
    curves = np.random.default_rng(5).normal(size=(3, 100))
    np.testing.assert_allclose(resample_periodic(curves, 50), curves[:, ::2], atol=1e-12)
    np.testing.assert_allclose(resample_periodic(curves, 200)[:, ::2], curves, atol=1e-12)


def sawtooth(phase: np.ndarray) -> np.ndarray:
    """Return a light curve like an RRab star's (mag), brightest near phase 0."""
    harmonics = np.arange(1, 5)
    waves = np.cos(2 * np.pi * harmonics * phase[:, None] + 0.4 * (harmonics - 1))
    return 15 - 0.4 * waves @ (1 / harmonics**1.5)


def noisy_sawtooth(points: int, noise: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    random = np.random.default_rng(6)
    phase = random.random(points)
    mag = sawtooth(phase) + random.normal(0, noise, points)
    return fit_rows("a", period=0.6), folded_curve("a", phase, mag)


def test_the_spline_smooths_the_noise():
    fits, folded = noisy_sawtooth(120, 0.05)
    _, sequences = make_sequences(fits, folded, {"recipe": "spline", "magnitude": "plain"})
    grid = np.arange(264) / 264
    assert np.std(sequences[0, :, 1] - sawtooth(grid)) < 0.6 * 0.05
    np.testing.assert_allclose(sequences[0, :, 0], grid * 0.6, atol=1e-6)


def test_the_spline_closes_at_the_end_of_the_cycle():
    _, folded = noisy_sawtooth(60, 0.02)
    ends = smooth_periodic(
        folded["phase"].to_numpy(), folded["mag"].to_numpy(), np.array([0, 1e-9, 1 - 1e-9])
    )
    assert ends[2] == pytest.approx(ends[0], abs=0.01)
    open_ended = make_smoothing_spline(*np.sort(folded[["phase", "mag"]].to_numpy(), axis=0).T)
    assert abs(open_ended(1.0) - open_ended(0.0)) > 0.1


def test_a_spline_can_be_as_smooth_as_a_line():
    _, folded = noisy_sawtooth(60, 0.02)
    grid = np.arange(50) / 50
    smooth, rough = (
        smooth_periodic(folded["phase"].to_numpy(), folded["mag"].to_numpy(), grid, smoothing)
        for smoothing in (1e3, 1e-7)
    )
    assert np.abs(np.diff(smooth, 2)).max() < 1e-4
    assert np.std(rough - sawtooth(grid)) < 0.03


def test_a_spline_through_clumps_of_points_is_no_line():
    """SciPy's search stops short for some: for which depends on how a processor rounds."""
    for seed in range(60):
        random = np.random.default_rng(seed)
        phase = (np.repeat(random.random(12), 4) + random.normal(0, 0.004, 48)) % 1
        mag = sawtooth(phase) + random.normal(0, 0.02, 48)
        assert np.std(smooth_periodic(phase, mag, phase) - sawtooth(phase)) < 0.02


def test_a_spline_whose_penalty_is_not_found_takes_the_best_of_several(monkeypatch):
    """As if SciPy's search had stopped at a straight line."""

    def stop_short(phase, mag, w=None, lam=None):
        return make_smoothing_spline(phase, mag, w=w, lam=1e6 if lam is None else lam)

    phase = np.sort(np.random.default_rng(7).random(48))
    mag = sawtooth(phase)
    assert np.ptp(stop_short(phase, mag)(phase)) < 0.5 * np.ptp(mag)
    monkeypatch.setattr(interpolate, "make_smoothing_spline", stop_short)
    assert np.std(smooth_periodic(phase, mag, phase) - mag) < 0.03


def test_a_real_star_whose_transits_come_in_clumps_keeps_its_amplitude(mirror):
    gaia, folder = survey("gaia_dr3"), mirror / "gaia_dr3"
    stars = check_stars(gaia.read_stars([folder / "ogle_periods_for_gaia_dr3.csv"]))
    stars = stars[stars["star_id"] == "4043811352430923264"].reset_index(drop=True)
    [curve] = gaia.read_light_curves([folder / "epoch_photometry/datalink_00.zip"], stars, "G")
    light_curve = curve.table.assign(star_id=curve.star_id, band="G")
    fits, folded = fit_stars(stars, light_curve, {"alignment": "maximum"}, seed=1)
    _, sequences = make_sequences(fits, folded, {"recipe": "spline", "magnitude": "plain"})
    assert np.ptp(sequences[0, :, 1]) == pytest.approx(fits["amplitude"].iloc[0], rel=0.1)


def test_magnitudes_of_the_spline_are_plain_centred_or_standardised():
    fits, folded = noisy_sawtooth(80, 0.02)
    plain, centred, standardised = (
        make_sequences(fits, folded, {"recipe": "spline", "magnitude": magnitude})[1][0, :, 1]
        for magnitude in ("plain", "centred", "standardised")
    )
    np.testing.assert_allclose(centred, plain - folded["mag"].mean(), atol=1e-5)
    np.testing.assert_allclose(standardised, (plain - plain.mean()) / plain.std(), atol=1e-4)


def test_points_of_almost_one_phase_count_as_one():
    _, folded = noisy_sawtooth(40, 0.02)
    phase, mag = folded["phase"].to_numpy(), folded["mag"].to_numpy()
    grid = np.arange(100) / 100
    once = smooth_periodic(phase, mag, grid, 1e-5)
    close = smooth_periodic(np.append(phase, phase[:1] + 1e-9), np.append(mag, mag[:1]), grid, 1e-5)
    np.testing.assert_allclose(close, once, atol=0.02)


def test_a_light_curve_of_two_phases_is_named():
    folded = folded_curve("b", [0.1, 0.1, 0.6], [15.0, 15.1, 15.4])
    with pytest.raises(ValueError, match="star b: points at 2 phases do not make a curve"):
        make_sequences(fit_rows("b"), folded, {"recipe": "spline"})


def test_magnitudes_of_an_unknown_kind_are_named():
    with pytest.raises(ValueError, match="'flux'; allowed are 'plain', 'centred' and"):
        sequence_shape({"recipe": "spline", "magnitude": "flux"})


def test_the_raw_catalogue_has_all_points_as_measured_and_padding():
    fits, folded = noisy_sawtooth(60, 0.02)
    folded["kept"] = np.arange(60) % 3 > 0
    raw = MONTI_2024_SEQUENCES["Raw catalog"]
    _, sequences = make_sequences(fits, folded, raw)
    points = folded.sort_values("phase")
    np.testing.assert_allclose(sequences[0, :60, 0], points["phase"] * 0.6, atol=1e-6)
    np.testing.assert_allclose(sequences[0, :60, 1], points["mag"], atol=1e-5)
    assert (sequences[0, 60:] == PADDING).all()
    # The published code subtracts the mean.
    _, centred = make_sequences(fits, folded, {**raw, "magnitude": "centred"})
    np.testing.assert_allclose(centred[0, :60, 1], points["mag"] - points["mag"].mean(), atol=1e-5)


def test_contradictory_settings_of_folded_sequences_are_named():
    with pytest.raises(ValueError, match="all_points and tolerance exclude each other"):
        sequence_shape({"recipe": "dg22", "all_points": True, "tolerance": 5})
    with pytest.raises(ValueError, match="'flux'; allowed are 'plain' and 'centred'"):
        sequence_shape({"recipe": "dg22", "magnitude": "flux"})


@pytest.mark.parametrize("recipe", [*MONTI_2024_SEQUENCES.values(), *MONTI_2025_SEQUENCES.values()])
def test_the_recipes_of_the_papers_have_known_settings(recipe):
    assert complete_recipe(recipe) | dict(recipe) == complete_recipe(recipe)


@pytest.mark.parametrize(
    ("recipe", "shape"),
    [
        (DG22_KS, (60, 2)),
        ({"recipe": "dg22"}, (80, 2)),
        ({"recipe": "gp_curve"}, (40, 5)),
        ({"recipe": "spline"}, (264, 2)),
        (MONTI_2024_SEQUENCES["Raw catalog"], (264, 2)),
        (MONTI_2025_SEQUENCES["RRab"], (264, 2)),
        (MONTI_2025_SEQUENCES["RRc"], (265, 2)),
        ({"recipe": "gp_curve", "points": 16, "constants": []}, (16, 1)),
    ],
)
def test_the_shape_follows_from_the_recipe(recipe, shape):
    assert sequence_shape(recipe) == shape


def test_unknown_recipes_and_settings_are_named():
    with pytest.raises(ValueError, match="'lasso'; known are dg22, gp_curve, spline"):
        complete_recipe({"recipe": "lasso"})
    with pytest.raises(ValueError, match="dg22: nbins; allowed are max_phase, bins"):
        complete_recipe({"recipe": "dg22", "nbins": 60})
    with pytest.raises(ValueError, match="'drop'; allowed are 'bin' and 'truncate'"):
        sequence_shape({"recipe": "dg22", "excess": "drop"})


def test_a_complete_recipe_makes_the_same_sequences():
    fits, folded = random_sample(3)
    _, given = make_sequences(fits, folded, DG22_KS)
    _, completed = make_sequences(fits, folded, complete_recipe(DG22_KS))
    assert given.tobytes() == completed.tobytes()


def test_sequences_survive_the_disk(tmp_path):
    fits, folded = random_sample(5)
    star_ids, sequences = make_sequences(fits, folded, DG22_KS)
    write_sequences(tmp_path / "a.npz", star_ids, sequences)
    write_sequences(tmp_path / "b.npz", star_ids, sequences)
    read_ids, read = read_sequences(tmp_path / "a.npz")
    assert read_ids.tolist() == star_ids.tolist()
    assert read.tobytes() == sequences.tobytes()
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_archives_with_objects_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", star_id=np.array([{}], dtype=object), sequences=np.zeros(1))
    with pytest.raises(ValueError, match="allow_pickle"):
        read_sequences(tmp_path / "a.npz")
