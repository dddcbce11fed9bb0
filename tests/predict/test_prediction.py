import shutil

import numpy as np
import pandas as pd
import pytest

from metalyra.core.tables import write_table
from metalyra.predict.cards import make_card, read_card, write_card
from metalyra.predict.networks import predict_metallicities
from metalyra.predict.prediction import check_fit, judge_predictions, predict_stars
from metalyra.predict.training_range import measure_training_range
from metalyra.predict.uncertainty import BOUNDS, ERROR_PARTS
from metalyra.train.ensembles import save_network
from metalyra.train.evaluation import evaluate
from metalyra.train.networks import KINDS, build_network, reads_any_length
from metalyra.train.sequences import PADDING, sequence_shape
from metalyra.train.training_set import TRAINING_SET
from tests.predict.test_training_range import draw_fits

# Keras 3 copies TensorFlow's arrays as NumPy 1 did.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

MODELS = {
    "bilstm": (
        {"kind": "bilstm", "units": [16, 16]},
        {"recipe": "dg22", "max_phase": 1.2, "bins": 60},
    ),
    "convolutional": ({"kind": "convolutional"}, {"recipe": "gp_curve"}),
}


@pytest.fixture(scope="module", params=MODELS)
def ensemble(request, tmp_path_factory):
    """An ensemble of two untrained networks, and sequences of 700 stars."""
    directory = tmp_path_factory.mktemp(request.param)
    network, sequence = MODELS[request.param]
    steps, channels = sequence_shape(sequence)
    for member in range(2):
        save_network(build_network(network, steps, channels), directory / f"member_{member}.keras")
    card = make_card(
        name="test",
        band="G",
        relation="dekany2021",
        network=network,
        sequence=sequence,
        members=range(2),
        provenance={},
    )
    write_card(card, directory / "card.json")
    random = np.random.default_rng(1)
    sequences = random.normal(size=(700, steps, channels)).astype(np.float32)
    if request.param == "bilstm":
        sequences[np.arange(steps) >= random.integers(15, steps, 700)[:, None]] = PADDING
    return directory, np.array([f"s{star}" for star in range(700)]), sequences


def test_predictions_do_not_depend_on_the_other_stars(ensemble):
    directory, star_ids, sequences = ensemble
    together = predict_metallicities(directory, star_ids, sequences)
    order = np.random.default_rng(2).permutation(700)
    for part in (order, np.arange(50), np.arange(300, 310), np.array([511])):
        apart = predict_metallicities(directory, star_ids[part], sequences[part])
        expected = together.iloc[part].reset_index(drop=True)
        assert apart["star_id"].tolist() == expected["star_id"].tolist()
        for column in ("feh", "feh_std", "member_0", "member_1"):
            assert apart[column].to_numpy().tobytes() == expected[column].to_numpy().tobytes()


@pytest.mark.parametrize("kind", [*filter(reads_any_length, KINDS)])
def test_networks_predict_the_same_without_the_padding_that_all_have(kind):
    random = np.random.default_rng(5)
    sequences = random.normal(size=(30, 24, 2)).astype(np.float32)
    sequences[np.arange(24) >= random.integers(5, 17, 30)[:, None]] = PADDING
    config = {"kind": kind, "units": [4, 3], "dropout": 0.1}
    fixed, free = (build_network(config, steps, 2) for steps in (24, None))
    free.set_weights(fixed.get_weights())
    expected = np.asarray(fixed.predict_on_batch(sequences))[:, 0]
    assert len(set(expected)) == 30
    np.testing.assert_allclose(evaluate(free, sequences), expected, atol=1e-6)


def test_predictions_are_mean_and_spread_of_the_members(ensemble):
    directory, star_ids, sequences = ensemble
    predictions = predict_metallicities(directory, star_ids[:20], sequences[:20])
    members = predictions[["member_0", "member_1"]].to_numpy()
    assert (members[:, 0] != members[:, 1]).all()
    np.testing.assert_allclose(predictions["feh"], members.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(
        predictions["feh_std"], np.abs(members[:, 0] - members[:, 1]) / 2, rtol=1e-9
    )


def test_predictions_are_those_of_the_saved_networks(ensemble):
    import keras

    directory, star_ids, sequences = ensemble
    predictions = predict_metallicities(directory, star_ids[:20], sequences[:20])
    for member in range(2):
        network = keras.saving.load_model(directory / f"member_{member}.keras")
        np.testing.assert_allclose(
            predictions[f"member_{member}"],
            np.asarray(network.predict_on_batch(sequences[:20]))[:, 0],
            atol=1e-5,
        )


def test_a_member_that_was_trained_anew_is_read_anew(ensemble, tmp_path):
    directory, star_ids, sequences = ensemble
    for file in directory.iterdir():
        shutil.copy(file, tmp_path)
    before = predict_metallicities(tmp_path, star_ids[:5], sequences[:5])
    card = read_card(tmp_path)
    network = build_network(card["network"], *sequence_shape(card["sequence"]))
    save_network(network, tmp_path / "member_1.keras")
    after = predict_metallicities(tmp_path, star_ids[:5], sequences[:5])
    assert after["member_0"].equals(before["member_0"])
    assert (after["member_1"] != before["member_1"]).all()


def test_no_stars_have_no_predictions(ensemble):
    directory, star_ids, sequences = ensemble
    predictions = predict_metallicities(directory, star_ids[:0], sequences[:0])
    assert predictions.empty
    assert list(predictions) == ["star_id", "feh", "feh_std", "member_0", "member_1"]


def test_sequences_of_another_shape_are_refused(ensemble):
    directory, star_ids, sequences = ensemble
    with pytest.raises(ValueError, match="the model test reads sequences"):
        predict_metallicities(directory, star_ids, sequences[:, :-1])


def draw_stars(number: int, seed: int = 1):
    """Fits and folded points of stars, and curves that are sines."""
    fits, phase = draw_fits(number, seed), np.arange(100) / 100
    curves = fits["amplitude"].to_numpy()[:, None] / 2 * np.sin(2 * np.pi * phase)
    fits = fits.assign(gp_noise=0.02, curve=list(curves))
    folded = pd.DataFrame({"star_id": fits["star_id"], "phase": 0.5, "mag": 15.0, "kept": True})
    return fits, folded


RESIDUALS = np.random.default_rng(5).normal(0, 0.2, 200)


def make_model(directory, members: int = 1, **about):
    """Write an ensemble of untrained networks that knows its training set and its errors."""
    network, sequence = {"kind": "convolutional", "filters": [4]}, {"recipe": "gp_curve"}
    shape = sequence_shape(sequence)
    for member in range(members):
        save_network(build_network(network, *shape), directory / f"member_{member}.keras")
    feh = np.random.default_rng(4).normal(-1.4, 0.3, 200)
    out_of_fold = pd.DataFrame(
        {
            "star_id": np.arange(200).astype(str),
            "fold": np.arange(200) % 2,
            "feh": feh,
            "feh_err": np.nan,
            "feh_predicted": feh + RESIDUALS,
        }
    )
    card = make_card(
        name="test",
        band="G",
        relation="dekany2021",
        network=network,
        sequence=sequence,
        members=range(members),
        provenance={},
        out_of_fold=out_of_fold,
        domain=measure_training_range(draw_stars(2000)[0]),
        **about,
    )
    write_card(card, directory / "card.json")
    return directory


def test_networks_trained_here_know_their_errors_and_their_domain(tmp_path):
    model = make_model(tmp_path)
    fits, folded = draw_stars(60, seed=2)
    fits.loc[[3, 7], ["period", "status"]] = [[0.2, "ok"], [0.5, "fit_failed"]]
    predictions = predict_stars(model, fits, folded, relation_scatter=0.14)
    assert list(predictions) == [
        *("star_id", "feh", "feh_err", *ERROR_PARTS, *BOUNDS, "feh_std", "in_training"),
        *("status", "reason", "shape_distance", "out_of_domain", "member_0"),
    ]
    assert predictions["star_id"].tolist() == fits["star_id"].tolist()
    for level in (68, 95):
        bounds = predictions[f"feh_high_{level}"] - predictions[f"feh_low_{level}"]
        about_label = np.sqrt((bounds.dropna() / 2) ** 2 - (0.14 * (1 + (level == 95))) ** 2)
        share = np.mean(np.abs(RESIDUALS) <= about_label.iloc[0])
        assert share == pytest.approx(level / 100, abs=0.02)
    stars = predictions.set_index("star_id")
    assert stars.loc["s3", "out_of_domain"] == "period"
    assert stars.loc["s3", "status"] == "unlike_training"
    assert np.isfinite(stars.loc["s3", "feh"])
    assert "standard deviations from those of the training set" in stars.loc["s3", "reason"]
    assert stars.loc["s7", "status"] == "fit_failed"
    assert np.isnan(stars.loc["s7", "feh"])
    assert (stars["status"].drop(["s3", "s7"]) == "ok").mean() > 0.95


def test_a_poor_light_curve_keeps_its_value_with_the_status_of_the_cut(tmp_path):
    model = make_model(tmp_path, cuts={"snr": [80, None], "amplitude": [None, 1.4]})
    fits, folded = draw_stars(6, seed=3)
    fits["snr"], fits["n_epochs"] = [5.0, 79.0, 81.0, 1e5, 200.0, 200.0], [40] * 4 + [20, 16_000]
    predictions = predict_stars(model, fits, folded)
    expected = ["cut:snr", "cut:snr", "ok", "ok", "cut:n_epochs", "ok"]
    assert predictions["status"].tolist() == expected
    assert predictions["feh"].notna().all()
    assert predictions["reason"][0] == "snr 5 is not in [80, inf]"
    chosen = predict_stars(model, fits, folded, cuts={"snr": [10, None]})
    assert chosen["status"].tolist() == ["cut:snr", *["ok"] * 5]
    pd.testing.assert_series_equal(chosen["feh"], predictions["feh"])


def test_a_period_beyond_the_training_set_is_named(tmp_path):
    model = make_model(tmp_path)
    card = read_card(model)
    card["domain"]["shapes"] = None
    write_card(card, model / "card.json")
    fits, folded = draw_stars(2, seed=4)
    fits.loc[0, "period"] = 13.2
    predictions = predict_stars(model, fits, folded)
    assert predictions["status"].tolist() == ["outside_training_range", "ok"]
    assert predictions["reason"][0].startswith("period 13.2 is not in [0.45")


def test_a_value_that_is_not_finite_gets_a_status_and_stops_no_other(tmp_path):
    model = make_model(tmp_path)
    fits, folded = draw_stars(3, seed=5)
    judged = judge_predictions(fits, np.array([-1.0, np.inf, np.nan]), read_card(model))
    assert judged["status"].tolist() == ["ok", "prediction_failed", "prediction_failed"]
    fits["curve"] = [fits["curve"][0], np.full(100, 1e300), fits["curve"][2]]
    predictions = predict_stars(model, fits, folded)
    expected = predict_stars(model, fits.iloc[[0, 2]], folded)
    pd.testing.assert_frame_equal(predictions.iloc[[0, 2]].reset_index(drop=True), expected)


def test_stars_of_the_training_get_the_mean_of_the_members_that_have_not_seen_them(tmp_path):
    model = make_model(tmp_path, members=4)
    fits, folded = draw_stars(3, seed=6)
    training = pd.DataFrame({"star_id": ["s1", "s2", "x"], "fold": [2, 0, 1], "fold_2": [3, 3, 3]})
    write_table(training, model / TRAINING_SET)
    predictions = predict_stars(model, fits, folded)
    members = predictions[[f"member_{member}" for member in range(4)]].to_numpy()
    assert predictions["in_training"].tolist() == [False, True, True]
    expected = [members[0].mean(), members[1, [2, 3]].mean(), members[2, [0, 3]].mean()]
    np.testing.assert_array_equal(predictions["feh"], expected)
    np.testing.assert_array_equal(predictions["feh_std"], members.std(axis=1))


def test_another_band_is_refused_or_said(tmp_path):
    model = make_model(tmp_path)
    sample = draw_stars(2, seed=7)
    with pytest.raises(
        ValueError, match=r"the model test is for band G, .* are in V \(sample mine\); take a model"
    ):
        predict_stars(model, *sample, band="V", sample="mine")
    predictions = predict_stars(model, *sample, band="V", other_band=True)
    assert predictions["reason"].str.contains("for band G, the light curves are in V").all()
    assert set(predict_stars(model, *sample, band="G")["reason"]) == {""}


def test_a_fit_that_the_model_does_not_know_is_refused_where_it_matters(tmp_path):
    model = make_model(tmp_path, fit={"use_errors": True, "sigma_clip": 3.0, "kernel": "expsine2"})
    sample = draw_stars(2, seed=8)
    known = {"use_errors": True, "sigma_clip": 9.0, "kernel": "expsine2", "alignment": "maximum"}
    predict_stars(model, *sample, fit=known)
    with pytest.raises(ValueError, match=r"use_errors: true, those of mine have"):
        predict_stars(model, *sample, fit={**known, "use_errors": False}, sample="mine")
    card = read_card(model)
    check_fit({**card, "sequence": {"recipe": "dg22"}}, {**known, "use_errors": False}, "mine")


def test_models_that_know_no_errors_give_none(ensemble):
    directory, _, _ = ensemble
    predictions = predict_stars(directory, *draw_stars(5))
    assert predictions["feh_err"].isna().all()
    assert predictions["feh"].notna().all()
    assert set(predictions["status"]) == {"ok"}
    assert not predictions["in_training"].any()
