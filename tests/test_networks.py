import numpy as np
import pytest

from metalyra.networks import build_network, complete_network, set_scaling
from metalyra.sequences import PADDING

# Keras 3 copies TensorFlow's arrays as NumPy 1 did.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CONVOLUTIONAL = {"kind": "convolutional", "filters": [4, 8], "hidden": 8}


@pytest.mark.parametrize(
    ("units", "counts"),
    [((16, 16), (2432, 6272, 33)), ((32, 32), (8960, 24832, 65))],
    ids=["G", "Ks"],
)
def test_bilstm_has_the_published_numbers_of_parameters(units, counts):
    network = build_network({"kind": "bilstm", "units": units}, 60, 2)
    layers = [network.get_layer(name) for name in ("bilstm1", "bilstm2", "head")]
    assert tuple(layer.count_params() for layer in layers) == counts
    assert sum(np.prod(weight.shape) for weight in network.trainable_weights) == sum(counts)


def test_convolutional_has_the_parameters_of_its_layers():
    config = {"kind": "convolutional", "filters": [4, 8], "kernel_size": 3, "pool": 2, "hidden": 6}
    network = build_network(config, 20, 5)
    convolutions = (3 * 5 * 4 + 4) + (3 * 4 * 8 + 8)
    dense = (10 * 8 * 6 + 6) + (6 + 1)
    assert sum(np.prod(weight.shape) for weight in network.trainable_weights) == (
        convolutions + dense
    )


def test_bilstm_does_not_see_padding():
    network = build_network({"kind": "bilstm", "units": [4, 4]}, 12, 2)
    sequences = np.random.default_rng(1).normal(size=(3, 12, 2)).astype(np.float32)
    sequences[:, 8:] = PADDING
    short = build_network({"kind": "bilstm", "units": [4, 4]}, 8, 2)
    short.set_weights(network.get_weights())
    np.testing.assert_array_equal(
        network.predict_on_batch(sequences), short.predict_on_batch(sequences[:, :8])
    )


def test_a_measurement_of_minus_one_in_one_channel_is_not_padding():
    network = build_network({"kind": "bilstm", "units": [4]}, 4, 2)
    sequences = np.full((2, 4, 2), PADDING, dtype=np.float32)
    sequences[:, 0] = 0.3
    sequences[1, 1, 0] = 0.5
    full, longer = network.predict_on_batch(sequences)[:, 0]
    assert full != longer


def test_convolutional_reads_a_closed_curve():
    from metalyra.networks.layers import CircularPadding

    curve = np.arange(5.0)[None, :, None]
    np.testing.assert_array_equal(
        np.asarray(CircularPadding(2)(curve))[0, :, 0], [3, 4, 0, 1, 2, 3, 4, 0, 1]
    )


def test_scaling_standardises_inputs_and_output():
    import keras

    random = np.random.default_rng(2)
    sequences = random.normal([5.0, 100.0], [2.0, 0.1], size=(50, 12, 2)).astype(np.float32)
    sequences[:, 9:] = PADDING
    feh, weights = random.normal(-1.4, 0.3, 50), random.uniform(0.5, 1.5, 50)
    network = build_network({"kind": "bilstm", "units": [4]}, 12, 2)
    set_scaling(network, sequences, feh, weights)
    scaled = keras.Model(network.input, network.get_layer("input_scaling").output)
    points = np.asarray(scaled.predict_on_batch(sequences))[:, :9]
    np.testing.assert_allclose(points.mean(axis=(0, 1)), 0, atol=1e-3)
    np.testing.assert_allclose(points.std(axis=(0, 1)), 1, atol=1e-3)

    network.get_layer("head").set_weights([np.zeros((8, 1)), np.ones(1)])
    mean = np.average(feh, weights=weights)
    deviation = np.sqrt(np.average((feh - mean) ** 2, weights=weights))
    np.testing.assert_allclose(network.predict_on_batch(sequences), mean + deviation, rtol=1e-5)


def test_a_constant_channel_is_only_centred():
    sequences = np.full((3, 4, 1), 0.7, dtype=np.float32)
    network = build_network({"kind": "bilstm", "units": [2]}, 4, 1)
    set_scaling(network, sequences, np.array([-1.3, -1.3, -1.3]), np.ones(3))
    factor, offset = network.get_layer("input_scaling").get_weights()
    assert factor == 1
    assert offset == pytest.approx(-0.7)
    assert np.isfinite(network.predict_on_batch(sequences)).all()


def test_networks_can_be_saved_and_loaded_by_keras_alone(tmp_path):
    import keras

    sequences = np.random.default_rng(3).normal(size=(4, 20, 5)).astype(np.float32)
    network = build_network(CONVOLUTIONAL, 20, 5)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(
        loaded.predict_on_batch(sequences), network.predict_on_batch(sequences)
    )


def test_unknown_kinds_and_hyperparameters_are_named():
    with pytest.raises(ValueError, match="'perceptron'; known are bilstm, convolutional"):
        build_network({"kind": "perceptron"}, 40, 5)
    with pytest.raises(ValueError, match="a bilstm network: neurons; allowed are units"):
        build_network({"kind": "bilstm", "neurons": 16}, 40, 5)


def test_a_complete_configuration_names_every_hyperparameter():
    complete = complete_network(CONVOLUTIONAL)
    assert complete | CONVOLUTIONAL == complete
    assert {"kernel_size", "dropout", "activation"} <= set(complete)
    assert complete_network(complete) == complete
