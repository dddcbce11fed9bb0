import shutil

import numpy as np
import pandas as pd
import pytest

from metalyra.cards import make_card, write_card
from metalyra.domain import measure_domain
from metalyra.ensembles import save_network
from metalyra.networks import ANY_LENGTH, build_network
from metalyra.prediction import evaluate, predict_metallicities, predict_stars, read_card
from metalyra.sequences import PADDING, sequence_shape

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


@pytest.mark.parametrize("kind", sorted(ANY_LENGTH))
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


def draw_stars(number: int):
    """Fits and folded points of stars whose curve is a sine."""
    random = np.random.default_rng(3)
    amplitude, phase = random.uniform(0.3, 0.9, number), np.arange(100) / 100
    fits = pd.DataFrame(
        {
            "star_id": [f"s{star}" for star in range(number)],
            "period": random.uniform(0.4, 0.8, number),
            "amplitude": amplitude,
            "n_epochs": 40,
            "snr": 200.0,
            "gp_noise": 0.02,
            "curve": list(amplitude[:, None] / 2 * np.sin(2 * np.pi * phase)),
            "status": "ok",
        }
    )
    folded = pd.DataFrame({"star_id": fits["star_id"], "phase": 0.5, "mag": 15.0, "kept": True})
    return fits, folded


def test_networks_trained_here_know_their_errors_and_their_domain(tmp_path):
    fits, folded = draw_stars(60)
    network, sequence = {"kind": "convolutional", "filters": [4]}, {"recipe": "gp_curve"}
    save_network(build_network(network, *sequence_shape(sequence)), tmp_path / "member_0.keras")
    feh = np.random.default_rng(4).normal(-1.4, 0.3, 200)
    residuals = np.random.default_rng(5).normal(0, 0.2, 200)
    out_of_fold = pd.DataFrame(
        {
            "star_id": np.arange(200).astype(str),
            "fold": 0,
            "feh": feh,
            "feh_err": np.nan,
            "feh_predicted": feh + residuals,
        }
    )
    card = make_card(
        name="test",
        band="G",
        relation="dekany2021",
        network=network,
        sequence=sequence,
        members=[0],
        provenance={},
        out_of_fold=out_of_fold,
        domain=measure_domain(fits),
    )
    write_card(card, tmp_path / "card.json")
    fits.loc[[3, 7], ["period", "status"]] = [[0.2, "ok"], [0.5, "fit_failed"]]
    predictions = predict_stars(tmp_path, fits, folded)
    assert list(predictions) == [
        *("star_id", "feh", "feh_std", "feh_error"),
        *("feh_half_width_68", "feh_half_width_95", "out_of_domain", "member_0"),
    ]
    assert len(predictions) == 59
    for level in (68, 95):
        (half_width,) = predictions[f"feh_half_width_{level}"].unique()
        assert np.mean(np.abs(residuals) <= half_width) == pytest.approx(level / 100, abs=0.01)
    outside = predictions.set_index("star_id")["out_of_domain"]
    assert outside["s3"] == "period"
    assert (outside.drop("s3") == "").all()


def test_models_that_know_no_errors_give_none(ensemble):
    directory, _, _ = ensemble
    predictions = predict_stars(directory, *draw_stars(5))
    assert list(predictions) == ["star_id", "feh", "feh_std", "member_0", "member_1"]
