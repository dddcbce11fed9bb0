import subprocess
import sys

import numpy as np
import pytest

from metalyra.train.networks import (
    KINDS,
    build_network,
    complete_network,
    name_backend,
    set_scaling,
)
from metalyra.train.sequences import PADDING
from tests.papers import DEKANY_GREBEL_2022, MONTI_2024

# Keras 3 copies TensorFlow's arrays as NumPy 1 did.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CONVOLUTIONAL = {"kind": "convolutional", "filters": [4, 8], "hidden": 8}

SMALL = {
    "attention_gru": {"units": [4, 4, 3], "heads": 2, "key_width": 3},
    "bigru": {"units": [4, 3], "dropout": 0.1},
    "bilstm": {"units": [4, 4]},
    "conv_gru": {"filters": [4, 5, 4], "pool": 3, "units": [3, 2]},
    "conv_lstm": {"filters": [4, 5, 4], "units": [3, 2]},
    "convolutional": {"filters": [4, 8], "hidden": 8},
    "fcn": {"filters": [4, 5, 4]},
    "gru": {"units": [4, 3], "dropout": 0.1},
    "inception_time": {"modules": 3, "filters": 3, "bottleneck": 3, "kernel_sizes": [6, 3]},
    "joined_convolutional": {"filters": [4, 4, 4], "hidden": 8},
    "lstm": {"units": [4, 3], "dropout": 0.1},
    "principal_components": {"components": 3, "hidden": [4]},
    "resnet": {"filters": [4, 5]},
    "transformer": {"width": 8, "heads": 2, "feedforward": 8},
}
"""A small network of every kind."""

MASKED = sorted(set(KINDS) - {"convolutional", "joined_convolutional", "principal_components"})
"""The kinds that can be shown sequences of several lengths."""


def small_network(kind: str, steps: int, channels: int = 2):
    return build_network({"kind": kind, **SMALL[kind]}, steps, channels)


def randomise(network) -> None:
    """Give a network weights that no initialiser gives; all positive, as variances are."""
    random = np.random.default_rng(7)
    network.set_weights([random.uniform(0.05, 0.5, weight.shape) for weight in network.weights])


def evaluate(network, sequences: np.ndarray) -> np.ndarray:
    """Call a network without compiling it, which takes longer than all its work here."""
    return np.asarray(network(sequences))


def count_trainable(network) -> int:
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


def count_recurrent(cell: str, inputs: int, units: int) -> int:
    """Return the parameters of one direction of a recurrent layer, gate by gate."""
    weights = units * (inputs + units)
    return 4 * (weights + units) if cell == "lstm" else 3 * (weights + 2 * units)


def count_convolution(size: int, inputs: int, filters: int) -> int:
    """Return the parameters of a convolution, its biases and its normalisation."""
    return size * inputs * filters + filters + 2 * filters


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


def test_gru_has_the_published_numbers_of_parameters():
    network = build_network(MONTI_2024["GRU"], 264, 2)
    layers = [network.get_layer(name) for name in ("gru1", "gru2", "gru3", "head")]
    assert [layer.count_params() for layer in layers] == [1440, 1824, 624, 9]
    assert count_trainable(network) == 1440 + 1824 + 624 + 9


@pytest.mark.parametrize(
    ("name", "cell", "directions"),
    [("LSTM", "lstm", 1), ("BiLSTM", "lstm", 2), ("GRU", "gru", 1), ("BiGRU", "gru", 2)],
)
def test_recurrent_networks_have_the_parameters_of_their_gates(name, cell, directions):
    network = build_network(MONTI_2024[name], 30, 2)
    inputs, expected = 2, 0
    for units in (20, 16, 8):
        expected += directions * count_recurrent(cell, inputs, units)
        inputs = directions * units
    assert count_trainable(network) == expected + inputs + 1


@pytest.mark.parametrize(
    ("name", "kernel", "recurrent", "rates"),
    [
        ("LSTM", (0, 2e-6), (2e-6, 0), [0.2, 0.2, 0.1]),
        ("BiLSTM", (2e-6, 0), (2e-6, 0), [0.2, 0.2, 0.1]),
        ("GRU", (0, 2e-6), (2e-6, 0), [0.2, 0.2, 0.1]),
        ("BiGRU", (2e-6, 0), (2e-6, 0), [0.2, 0.2, 0.1]),
        ("ConvLSTM", (0, 2e-6), (2e-6, 0), [0.2, 0.1]),
        ("ConvGRU", (0, 2e-6), (2e-6, 0), [0.2, 0.1]),
    ],
)
def test_recurrent_networks_are_regularised_as_published(name, kernel, recurrent, rates):
    import keras

    network = build_network(MONTI_2024[name], 30, 2)
    cells = [
        getattr(layer, "forward_layer", layer)
        for layer in network.layers
        if isinstance(layer, keras.layers.LSTM | keras.layers.GRU | keras.layers.Bidirectional)
    ]
    assert len(cells) == len(rates)
    for cell in cells:
        for regularizer, published in (
            (cell.kernel_regularizer, kernel),
            (cell.recurrent_regularizer, recurrent),
        ):
            assert (float(regularizer.l1), float(regularizer.l2)) == pytest.approx(published)
    dropouts = [layer for layer in network.layers if isinstance(layer, keras.layers.Dropout)]
    assert [layer.rate for layer in dropouts] == rates


def test_every_recurrent_layer_has_its_dropout():
    with pytest.raises(ValueError, match="2 recurrent layers cannot have 3 dropouts"):
        build_network({"kind": "gru", "units": [4, 4]}, 10, 2)


def test_fcn_has_the_parameters_of_its_layers():
    convolutions = (
        count_convolution(8, 2, 128)
        + count_convolution(5, 128, 256)
        + count_convolution(3, 256, 128)
    )
    assert count_trainable(build_network(MONTI_2024["FCN"], 30, 2)) == convolutions + 128 + 1


def test_resnet_has_the_parameters_of_its_layers():
    expected, inputs = 0, 2
    for _ in range(3):
        expected += count_convolution(8, inputs, 64)
        expected += count_convolution(5, 64, 64) + count_convolution(3, 64, 64)
        expected += count_convolution(1, 2, 64) if inputs == 2 else 2 * 64
        inputs = 64
    assert count_trainable(build_network(MONTI_2024["ResNet"], 30, 2)) == expected + 64 + 1


def test_inception_time_has_the_parameters_of_its_layers():
    expected, inputs = 0, 2
    for _ in range(6):
        expected += inputs * 32 + (40 + 20 + 10) * 32 * 32 + inputs * 32 + 2 * 128
        inputs = 128
    shortcuts = count_convolution(1, 2, 128) + 2 * 128
    network = build_network(MONTI_2024["Inception"], 60, 2)
    assert count_trainable(network) == expected + shortcuts + 128 + 1


@pytest.mark.parametrize(("name", "cell"), [("ConvLSTM", "lstm"), ("ConvGRU", "gru")])
def test_hybrid_networks_have_the_parameters_of_their_layers(name, cell):
    convolutions = (
        count_convolution(8, 2, 128)
        + count_convolution(5, 128, 256)
        + count_convolution(3, 256, 128)
    )
    recurrent = count_recurrent(cell, 128, 8) + count_recurrent(cell, 8, 4)
    network = build_network(MONTI_2024[name], 30, 2)
    assert count_trainable(network) == convolutions + recurrent + 4 + 1


def test_transformer_has_the_parameters_of_its_layers():
    config = {"kind": "transformer", "width": 8, "heads": 2, "blocks": 3, "feedforward": 20}
    attention = 4 * (8 * 8 + 8)
    feedforward = (8 * 20 + 20) + (20 * 8 + 8)
    expected = (2 * 8 + 8) + 3 * (attention + feedforward + 2 * 2 * 8) + 2 * 8 + (8 + 1)
    assert count_trainable(build_network(config, 30, 2)) == expected


def test_the_heads_of_a_transformer_share_its_width():
    with pytest.raises(ValueError, match="3 attention heads cannot share a width of 8"):
        build_network({"kind": "transformer", "width": 8, "heads": 3}, 30, 2)


def test_attention_gru_has_the_parameters_of_its_layers():
    attention = 3 * (16 * 4 * 16 + 4 * 16) + (4 * 16 * 16 + 16) + 2 * 16
    network = build_network({"kind": "attention_gru"}, 30, 2)
    assert count_trainable(network) == 1440 + 1824 + attention + 624 + 9


@pytest.mark.parametrize(("name", "steps_left"), [("CNN", 4), ("CNN (maximum)", 1)])
def test_joined_convolutional_has_the_parameters_of_its_layers(name, steps_left):
    config = DEKANY_GREBEL_2022[name]
    filters = config.get("filters", [16, 32, 48])
    expected, inputs = 0, 1
    for size, width in zip((2, 3, 3), filters, strict=True):
        expected += count_convolution(size, inputs, width)
        inputs = width
    expected += (steps_left * inputs + 3) * 64 + 64 + 64 + 1
    assert count_trainable(build_network(config, 45, 4)) == expected


def test_joined_convolutional_names_what_it_does_not_know():
    with pytest.raises(ValueError, match="'mean'; allowed are 'flatten' and 'maximum'"):
        build_network({"kind": "joined_convolutional", "summary": "mean"}, 45, 4)


@pytest.mark.parametrize("channels", [1, 2])
def test_principal_components_has_the_parameters_of_its_layers(channels):
    network = build_network({"kind": "principal_components"}, 40, channels)
    dense = ((4 + channels - 1) * 20 + 20) + (20 * 20 + 20)
    assert count_trainable(network) == dense + 20 + 1


def test_principal_components_are_those_of_the_training_set():
    import keras

    random = np.random.default_rng(4)
    phase = np.arange(30) / 30
    waves = np.stack([np.sin(2 * np.pi * k * phase) for k in (1, 2)])
    amplitudes = random.normal(size=(50, 2)) * [0.4, 0.1]
    curves = 0.3 * np.cos(2 * np.pi * phase) + amplitudes @ waves
    sequences = np.dstack([curves, np.full_like(curves, 0.6)]).astype(np.float32)
    network = build_network({"kind": "principal_components", "components": 2}, 30, 2)
    set_scaling(network, sequences, amplitudes[:, 0], np.ones(50))
    read = keras.Model(network.input, network.get_layer("components").output)
    coefficients = np.asarray(read.predict_on_batch(sequences))
    np.testing.assert_allclose(coefficients.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(np.cov(coefficients.T, ddof=0), np.eye(2), atol=1e-4)
    # Two waves are all there is: the coefficients give their amplitudes back.
    design = np.column_stack([coefficients, np.ones(50)])
    residual = np.linalg.lstsq(design, amplitudes)[1]
    np.testing.assert_allclose(residual, 0, atol=1e-6)


def test_a_training_set_has_at_least_as_many_curves_as_components():
    network = build_network({"kind": "principal_components"}, 12, 1)
    sequences = np.random.default_rng(5).normal(size=(3, 12, 1))
    with pytest.raises(ValueError, match="3 curves have no 4 components"):
        set_scaling(network, sequences, np.array([-1.0, -1.5, -2.0]), np.ones(3))


@pytest.mark.parametrize("kind", MASKED)
@pytest.mark.parametrize("steps", [15, 16])
def test_no_network_with_a_mask_sees_padding(kind, steps):
    network, short = small_network(kind, 23), small_network(kind, steps)
    randomise(network)
    short.set_weights(network.get_weights())
    sequences = np.random.default_rng(1).normal(size=(3, 23, 2)).astype(np.float32)
    sequences[:, steps:] = PADDING
    expected = evaluate(short, sequences[:, :steps])
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(evaluate(network, sequences), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", ["fcn", "resnet", "inception_time"])
def test_padding_is_not_normalised_with_the_measurements(kind):
    network, short = small_network(kind, 23), small_network(kind, 15)
    randomise(network)
    short.set_weights(network.get_weights())
    sequences = np.random.default_rng(1).normal(size=(3, 23, 2)).astype(np.float32)
    sequences[:, 15:] = PADDING
    np.testing.assert_allclose(
        np.asarray(network(sequences, training=True)),
        np.asarray(short(sequences[:, :15], training=True)),
        rtol=1e-4,
    )


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_is_saved_and_loaded_by_keras_alone(kind, tmp_path):
    import keras

    network = small_network(kind, 20, 3)
    randomise(network)
    sequences = np.random.default_rng(3).normal(size=(4, 20, 3)).astype(np.float32)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(evaluate(loaded, sequences), evaluate(network, sequences))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_weight_of_every_kind_learns(kind):
    import keras

    keras.utils.set_random_seed(1)
    random = np.random.default_rng(6)
    feh = random.normal(-1.4, 0.4, 32)
    sequences = random.normal(size=(32, 20, 2)).astype(np.float32)
    network = small_network(kind, 20)
    set_scaling(network, sequences, feh, np.ones(32))
    fixed = [np.array(weight) for weight in network.trainable_weights]
    network.compile(keras.optimizers.Adam(0.01), "mse", run_eagerly=True)
    for _ in range(2):
        assert np.isfinite(network.train_on_batch(sequences, feh))
    for weight, before in zip(network.trainable_weights, fixed, strict=True):
        assert (np.array(weight) != before).any(), weight.path


def test_kinds_are_listed_without_keras():
    command = (
        "import sys, metalyra.train.networks as n; assert n.KINDS and 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", command], check=True, env={"PYTHONPATH": "workflow"})


@pytest.mark.parametrize("networks", [DEKANY_GREBEL_2022, MONTI_2024])
def test_the_networks_of_the_papers_have_known_settings(networks):
    for config in networks.values():
        assert complete_network(config)["kind"] in KINDS


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
    from metalyra.train.layers import CircularPadding

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


def test_inputs_and_labels_stay_as_they_are_where_they_are_not_to_be_standardised():
    random = np.random.default_rng(2)
    sequences = random.normal(5.0, 2.0, size=(50, 12, 2)).astype(np.float32)
    stars = sequences, random.normal(-1.4, 0.3, 50), np.ones(50)
    for of_inputs, of_labels in ((True, False), (False, True), (False, False)):
        network = build_network({"kind": "bilstm", "units": [4]}, 12, 2)
        set_scaling(network, *stars, of_inputs=of_inputs, of_labels=of_labels)
        for name, standardised in (("input", of_inputs), ("output", of_labels)):
            factor, offset = network.get_layer(f"{name}_scaling").get_weights()
            assert ((factor != 1) & (offset != 0)).all() == standardised
            assert ((factor == 1) & (offset == 0)).all() != standardised


def test_a_constant_channel_is_only_centred():
    sequences = np.full((3, 4, 1), 0.7, dtype=np.float32)
    network = build_network({"kind": "bilstm", "units": [2]}, 4, 1)
    set_scaling(network, sequences, np.array([-1.3, -1.3, -1.3]), np.ones(3))
    factor, offset = network.get_layer("input_scaling").get_weights()
    assert factor == 1
    assert offset == pytest.approx(-0.7)
    assert np.isfinite(network.predict_on_batch(sequences)).all()


def test_unknown_kinds_and_hyperparameters_are_named():
    with pytest.raises(ValueError, match="'perceptron'; known are attention_gru, bigru"):
        build_network({"kind": "perceptron"}, 40, 5)
    with pytest.raises(ValueError, match="a bilstm network: neurons; allowed are units"):
        build_network({"kind": "bilstm", "neurons": 16}, 40, 5)


def test_a_complete_configuration_names_every_hyperparameter():
    complete = complete_network(CONVOLUTIONAL)
    assert complete | CONVOLUTIONAL == complete
    assert {"kernel_size", "dropout", "activation"} <= set(complete)
    assert complete_network(complete) == complete


def test_the_backend_is_found_as_keras_finds_it(tmp_path, monkeypatch):
    import keras

    assert name_backend() == keras.backend.backend()
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert name_backend() == "tensorflow"
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    assert name_backend() == "jax"
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert name_backend() == "torch"
