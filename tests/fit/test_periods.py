"""Periods and types are found, and given ones checked."""

import numpy as np
import pandas as pd
import pytest

from metalyra.core.resources import RESOURCES
from metalyra.fit.columns import PERIOD_COLUMNS
from metalyra.fit.periodograms import (
    LEAST_NOISE,
    find_peaks,
    make_frequencies,
    measure_improvement,
    measure_power,
)
from metalyra.fit.periods import find_periods
from metalyra.fit.shape_learning import write_populations
from metalyra.fit.shape_populations import SHAPES, load_populations
from metalyra.surveys.formats.star_tables import UNKNOWN_TYPE

# A_k (mag) and phi_k1 (rad, sine series) of typical stars in V.
SHAPES_OF = {
    "RRab": ((0.32, 0.15, 0.11, 0.07, 0.04, 0.02), (0.0, 2.3, 5.0, 1.5, 4.4, 0.9)),
    "RRc": ((0.22, 0.03, 0.015), (0.0, 3.2, 0.6)),
}
DEFAULTS = {"kind": "RRab", "period": 0.55, "epochs": 45, "noise": 0.02, "seed": 1}


def shape(kind, phase):
    amplitudes, phases = SHAPES_OF[kind]
    waves = [
        a * np.sin(2 * np.pi * k * phase + p)
        for k, (a, p) in enumerate(zip(amplitudes, phases, strict=True), start=1)
    ]
    return np.sum(waves, axis=0)


def space_times(epochs, rng):
    """Return pairs of transits, 106 minutes apart, some weeks after the last: as Gaia's."""
    visits = np.sort(rng.uniform(0, 950, (epochs + 1) // 2))
    return np.sort(np.concatenate([visits, visits + 0.0740]))[:epochs]


def ground_times(epochs, rng):
    """Return one epoch a night, within two hours of the meridian."""
    nights = np.sort(rng.choice(700, epochs, replace=False))
    return nights * 0.99727 + rng.uniform(-0.08, 0.08, epochs)


def light_curve(star_id, mag_of, times=space_times, **changes):
    of = {**DEFAULTS, **changes}
    rng = np.random.default_rng(of["seed"])
    time = times(of["epochs"], rng)
    mag = 15 + mag_of(time) + of["noise"] * rng.standard_normal(time.size)
    return pd.DataFrame({"star_id": star_id, "time": time, "mag": mag, "mag_err": of["noise"]})


def pulsating(star_id, kind, period, **changes):
    return light_curve(star_id, lambda time: shape(kind, time / period), **changes)


def table_of(*star_ids, **columns):
    plain = {"period": np.nan, "pulsation_type": "", "status": "ok"}
    return pd.DataFrame({"star_id": star_ids, **plain, **columns})


def find(curve, mode="find", **columns):
    stars = table_of(curve["star_id"].iloc[0], **columns)
    return find_periods(stars, curve, mode).iloc[0]


@pytest.mark.parametrize("times", [space_times, ground_times])
@pytest.mark.parametrize(("kind", "period"), [("RRab", 0.5713), ("RRab", 0.4387), ("RRc", 0.3121)])
def test_an_unknown_period_and_type_are_found(kind, period, times):
    for seed in range(3):
        star = find(pulsating("a", kind, period, times=times, seed=seed, epochs=60))
        assert star["period"] == pytest.approx(period, rel=1e-4)
        assert abs(star["period"] - period) < 6 * star["period_err"]
        assert (star["status"], star["period_status"]) == ("ok", "found")
        assert (star["pulsation_type"], star["type_status"]) == (kind, "classified")
        assert star["period_false_alarm"] < 0.01
        shares = star[["probability_rrab", "probability_rrc", "probability_rrd"]].sum()
        assert shares + star["probability_other"] == pytest.approx(1)


def test_a_type_that_the_archive_does_not_know_is_found():
    star = find(pulsating("a", "RRc", 0.3121, epochs=60), pulsation_type=UNKNOWN_TYPE)
    assert (star["pulsation_type"], star["type_status"]) == ("RRc", "classified")


def test_noise_has_no_period():
    statuses = [
        find(light_curve("a", np.zeros_like, seed=seed, noise=0.1, epochs=40))["status"]
        for seed in range(20)
    ]
    assert statuses.count("period_not_found") + statuses.count("not_rr_lyrae") >= 19
    assert statuses.count("period_not_found") >= 18


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (0.5713, "given"),
        (0.5713 * 2, "given_halved"),
        (0.5713 / 2, "given_doubled"),
        (1 / (1 / 0.5713 + 1), "given_alias"),
        (0.5713 * 1.0008, "given_refined"),
        (0.6239, "given_replaced"),
    ],
)
def test_a_given_period_is_checked(given, status):
    curve = pulsating("a", "RRab", 0.5713, times=ground_times, epochs=80)
    star = find(curve, "check", period=given, pulsation_type="RRab")
    assert (star["period_status"], star["given_period"]) == (status, given)
    if status == "given":
        assert star["period"] == given
    else:
        assert star["period"] == pytest.approx(0.5713, rel=1e-4)
    assert (star["pulsation_type"], star["type_status"]) == ("RRab", "given")


def test_a_given_period_stays_where_there_is_no_other():
    star = find(light_curve("a", np.zeros_like, noise=0.1), "check", period=0.5)
    assert (star["period"], star["status"]) == (0.5, "ok")
    assert star["period_status"] in ("given", "given_unconfirmed")


def test_a_given_type_is_kept_and_doubted():
    star = find(pulsating("a", "RRab", 0.5713), pulsation_type="RRc")
    assert (star["pulsation_type"], star["type_status"]) == ("RRc", "given_unlikely")


def test_stars_of_two_modes_are_told():
    def modes(time):
        return shape("RRc", time / 0.3605) + 0.09 * np.sin(2 * np.pi * time / 0.3605 * 0.745)

    star = find(light_curve("a", modes, epochs=120, noise=0.01))
    assert star["period"] == pytest.approx(0.3605, rel=1e-4)
    assert (star["pulsation_type"], star["status"]) == ("RRd", "wrong_pulsation_type")
    assert star["probability_rrd"] > 0.9


def test_an_eclipsing_binary_is_no_rr_lyrae_star():
    def eclipses(time):
        phase = (time / 0.9137) % 1
        depth = 0.5 * np.exp(-0.5 * ((phase - 0.25) / 0.03) ** 2)
        return depth + 0.35 * np.exp(-0.5 * ((phase - 0.75) / 0.03) ** 2)

    star = find(light_curve("a", eclipses, epochs=150, noise=0.01))
    assert star["status"] in ("not_rr_lyrae", "period_not_found")


def test_every_star_keeps_its_row_and_what_is_known_of_it():
    curves = pd.concat(
        [
            pulsating("short", "RRab", 0.55, epochs=8),
            pulsating("good", "RRab", 0.55),
            light_curve("flat", np.zeros_like, noise=0.0),
            pulsating("night", "RRab", 0.55, times=lambda n, rng: np.linspace(0, 0.3, n)),
        ]
    )
    stars = table_of("good", "bad", "none", "short", "flat", "night", archive_feh=[1.0, *5 * [2.0]])
    stars.loc[1, "status"] = "duplicate_id"
    stars["reason"] = ["", "row 1 is the same star", *4 * [""]]
    table = find_periods(stars.set_index(np.arange(6) + 7), curves, "find")
    assert table["star_id"].tolist() == stars["star_id"].tolist()
    assert table["archive_feh"].tolist() == stars["archive_feh"].tolist()
    expected = ["ok", "duplicate_id", "no_light_curve", "too_few_epochs", "constant_magnitude"]
    assert table["status"].tolist() == [*expected, "too_few_epochs"]
    assert table["reason"].tolist()[:2] == ["", "row 1 is the same star"]
    assert "8" in table["reason"].iloc[3]
    assert {*PERIOD_COLUMNS} < {*table}
    alone = find_periods(stars.head(1), curves[curves["star_id"] == "good"], "find")
    pd.testing.assert_frame_equal(
        alone.reset_index(drop=True), table.head(1).reset_index(drop=True)
    )


def test_an_empty_chunk_has_the_columns():
    stars = table_of("a")
    table = find_periods(stars.head(0), pulsating("a", "RRab", 0.5).head(0), "find")
    assert len(table) == 0
    assert {*PERIOD_COLUMNS, "period_err"} < {*table}


def test_the_periodogram_is_that_of_a_regularised_least_squares_fit():
    curve = pulsating("a", "RRab", 0.5713)
    time, mag = curve["time"].to_numpy(), curve["mag"].to_numpy()
    weight = np.random.default_rng(2).uniform(0.5, 1.5, time.size)
    weight /= weight.mean()
    frequency = make_frequencies(np.ptp(time), 0.4, 0.6)
    power = measure_power(time, mag, weight, frequency, 3, 0.05).power
    centred = mag - np.average(mag, weights=weight)
    k = np.repeat([1, 2, 3], 2)
    for place in (0, 100, int(np.argmax(power)), frequency.size - 1):
        angle = 2 * np.pi * np.outer(time - time.min(), frequency[place] * np.array([1, 2, 3]))
        design = np.ones((time.size, 7))
        design[:, 1::2], design[:, 2::2] = np.cos(angle), np.sin(angle)
        penalty = np.diag([0.0, *(0.05 * k**2) ** 2])
        normal = design.T @ (design * weight[:, None]) + penalty
        pull = design.T @ (weight * centred)
        gain = pull @ np.linalg.solve(normal, pull)
        assert power[place] == pytest.approx(gain / np.sum(weight * centred**2), rel=1e-6)
    peak = find_peaks(measure_power(time, mag, weight, frequency, 3, 0.05), 1)[0]
    assert 1 / frequency[peak] == pytest.approx(0.5713, rel=1e-4)


def in_bands(kind, period, epochs, seed=1, **changes):
    """Return a light curve in g, and those in the bands that `epochs` has besides."""
    curves = [
        pulsating(
            "a", kind, period, epochs=number, times=ground_times, seed=10 * seed + place, **changes
        ).assign(band=band)
        for place, (band, number) in enumerate(epochs.items())
    ]
    for place, curve in enumerate(curves):
        curve["mag"] = 15 + place + (curve["mag"] - 15) * (1 - 0.2 * place)
    return curves[0], pd.concat(curves[1:], ignore_index=True)


SPARSE = {"g": 10, "i": 10, "r": 10, "u": 3}


@pytest.mark.parametrize(("kind", "period"), [("RRab", 0.5713), ("RRab", 0.4387), ("RRc", 0.3121)])
def test_all_bands_find_what_each_is_too_sparse_for(kind, period):
    for seed in range(4):
        own, others = in_bands(kind, period, SPARSE, seed)
        assert find(own)["status"] == "too_few_epochs"
        star = find_periods(table_of("a"), own, "find", others).iloc[0]
        assert star["period"] == pytest.approx(period, rel=1e-4)
        assert (star["status"], star["pulsation_type"]) == ("ok", kind)
        assert star["period_false_alarm"] < 0.1
        assert star["period_bands"] == "g, i, r, u"


def test_noise_in_several_bands_has_no_period():
    for seed in range(8):
        curves = [
            light_curve("a", np.zeros_like, noise=0.1, epochs=12, seed=10 * seed + place)
            for place in range(3)
        ]
        others = pd.concat([curves[1].assign(band="r"), curves[2].assign(band="i")])
        own = curves[0].assign(band="g")
        star = find_periods(table_of("a"), own, "find", others).iloc[0]
        assert star["status"] == "period_not_found"


@pytest.mark.parametrize(("factor", "status"), [(1, "given"), (2, "given_halved")])
def test_a_given_period_is_checked_in_all_bands(factor, status):
    own, others = in_bands("RRab", 0.5713, SPARSE)
    stars = table_of("a", period=0.5713 * factor, pulsation_type="RRab")
    star = find_periods(stars, own, "check", others).iloc[0]
    assert star["period_status"] == status
    assert star["period"] == pytest.approx(0.5713, rel=1e-4)


@pytest.mark.parametrize("mode", ["find", "check"])
def test_a_star_of_one_band_is_as_without_others_to_the_bit(mode):
    own, others = in_bands("RRab", 0.5713, {"g": 40, "r": 20})
    stars = table_of("a", period=0.9)
    alone = find_periods(stars, own, mode)
    for none in (others.head(0), others.assign(star_id="b"), others.assign(mag=np.nan)):
        table = find_periods(stars, own, mode, none)
        assert table["period_bands"].tolist() == ["g"]
        pd.testing.assert_frame_equal(table.drop(columns="period_bands"), alone, check_exact=True)
    assert find_periods(stars, own, mode, others)["period_bands"].tolist() == ["g, r"]


def test_too_few_epochs_in_all_bands_are_counted():
    own, others = in_bands("RRab", 0.5713, {"g": 4, "r": 5})
    star = find_periods(table_of("a", reason=""), own, "find", others).iloc[0]
    assert star["status"] == "too_few_epochs"
    assert "4 in g, 5 in r; at least 12 at different times and 8 in one band" in star["reason"]
    own, _ = in_bands("RRab", 0.5713, {"g": 10, "r": 1})
    at_once = own.assign(band="r", time=own["time"] + 0.003)
    star = find_periods(table_of("a"), own, "find", at_once).iloc[0]
    assert star["status"] == "too_few_epochs"  # the same phases once more
    own, others = in_bands("RRab", 0.5713, {"g": 7, "r": 7})
    assert find_periods(table_of("a"), own, "find", others)["status"][0] == "too_few_epochs"


def test_the_improvement_is_the_ratio_of_two_integrals():
    """Against the density of a multivariate t distribution, which the integrals are."""
    rng = np.random.default_rng(3)
    time, weight = np.sort(rng.uniform(0, 30, 9)), rng.uniform(0.5, 1.5, 9)
    mag = 0.3 * np.sin(2 * np.pi * time / 0.6) + 0.02 * rng.standard_normal(9)
    weight /= weight.mean()
    frequency = make_frequencies(30.0, 0.5, 0.7)
    on_grid = measure_improvement(time, mag, weight, frequency, 2, 0.05)
    one_by_one = measure_improvement(time, mag, weight, frequency, 2, 0.05, on_grid=False)
    np.testing.assert_allclose(on_grid, one_by_one, rtol=1e-6, atol=1e-8)
    flat = 1e8  # of the mean
    for place in (0, 7, int(np.argmax(on_grid))):
        angle = 2 * np.pi * np.outer(time, frequency[place] * np.array([1, 2]))
        design = np.column_stack([np.cos(angle), np.sin(angle)])
        prior = design @ np.diag((0.05 * np.array([1, 4, 1, 4])) ** -2.0) @ design.T
        constant = np.diag(1 / weight) + flat
        logs = [
            -0.5 * np.linalg.slogdet(matrix)[1]
            - 0.5 * 8 * np.log(mag @ np.linalg.solve(matrix, mag) + 9 * LEAST_NOISE**2)
            for matrix in (constant + prior, constant)
        ]
        assert on_grid[place] == pytest.approx(logs[0] - logs[1], abs=1e-4)


def test_populations_are_plain_and_sound():
    for population in load_populations().values():
        assert population.shares.sum() == pytest.approx(1, abs=1e-5)
        assert (np.linalg.eigvalsh(population.covariances) > 0).all()
    assert (RESOURCES / SHAPES).stat().st_size < 1_000_000


@pytest.mark.slow
def test_the_populations_are_made_again_to_the_byte(mirror, tmp_path):
    write_populations(mirror, tmp_path / SHAPES)
    assert (tmp_path / SHAPES).read_bytes() == (RESOURCES / SHAPES).read_bytes()
