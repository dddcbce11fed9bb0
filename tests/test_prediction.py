import numpy as np
import pytest

from metalyra.ensembles import make_card, save_network, write_card
from metalyra.networks import build_network
from metalyra.prediction import predict_metallicities
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


def test_no_stars_have_no_predictions(ensemble):
    directory, star_ids, sequences = ensemble
    predictions = predict_metallicities(directory, star_ids[:0], sequences[:0])
    assert predictions.empty
    assert list(predictions) == ["star_id", "feh", "feh_std", "member_0", "member_1"]


def test_sequences_of_another_shape_are_refused(ensemble):
    directory, star_ids, sequences = ensemble
    with pytest.raises(ValueError, match="the model test reads sequences"):
        predict_metallicities(directory, star_ids, sequences[:, :-1])
