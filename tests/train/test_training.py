import keras
import numpy as np
import pandas as pd
import pytest

from metalyra.train.checkpoints import Checkpoint, State
from metalyra.train.networks import build_network, set_scaling
from metalyra.train.training import DivergedError, fit_network, make_deterministic
from metalyra.train.training_settings import complete_training

# Keras 3 copies TensorFlow's arrays as NumPy 1 did.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NETWORK = {"kind": "convolutional", "filters": [4], "kernel_size": 3, "hidden": 8, "dropout": 0.1}
SETTINGS = {"epochs": 4, "batch_size": 16, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def stars():
    """Stars whose metallicity follows from the amplitude of their curves: training, validation."""
    random = np.random.default_rng(1)
    amplitude = random.uniform(0.3, 1.2, 80)
    curves = amplitude[:, None] * np.sin(2 * np.pi * np.arange(10) / 10)
    arrays = curves[:, :, None].astype(np.float32), -1.5 + amplitude, random.uniform(0.5, 1.5, 80)
    return tuple(array[:60] for array in arrays), tuple(array[60:] for array in arrays)


def make_network(stars, config=NETWORK, precision="float32"):
    make_deterministic(1)
    network = build_network(config, 10, 1, precision)
    set_scaling(network, *stars[0])
    return network


def fit(stars, checkpoint=None, validated=True, config=NETWORK, **settings):
    settings = SETTINGS | settings
    network = make_network(stars, config, settings.get("precision", "float32"))
    validation = stars[1] if validated else None
    random = np.random.default_rng(2)
    history = fit_network(network, stars[0], validation, random, checkpoint, **settings)
    return network, history


def weights_of(network) -> bytes:
    return b"".join(array.tobytes() for array in network.get_weights())


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "adam", "schedule": "constant", "loss": "mae"},
        {"optimizer": "adamw", "schedule": "cosine", "loss": "huber", "warm_up": 1},
        {"optimizer": "nadam", "schedule": "exponential", "loss": "log_cosh", "clip_norm": 1.0},
        {"optimizer": "rmsprop", "schedule": "reduce_on_plateau", "loss": "mse"},
        {"optimizer": "sgd", "learning_rate": 0.1},
        {"precision": "mixed_float16"},
        {"precision": "mixed_bfloat16"},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_every_choice_of_the_training_learns(stars, settings):
    _, history = fit(stars, **settings)
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    assert history["epoch"].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("kind", "setting", "compiled"),
    [("gru", None, True), ("bilstm", None, True), ("gru", False, False), ("fcn", None, False)],
)
def test_recurrent_networks_are_compiled(stars, monkeypatch, kind, setting, compiled):
    monkeypatch.setattr(keras.Model, "train_on_batch", lambda *batch: 0.1)
    network, _ = fit(stars, validated=False, config={"kind": kind}, jit_compile=setting)
    assert network.jit_compile is compiled


@pytest.mark.parametrize(
    ("settings", "rates"),
    [
        ({"schedule": "constant"}, [1, 1, 1, 1]),
        ({"schedule": "cosine"}, [(1 + np.cos(np.pi * k / 4)) / 2 for k in range(4)]),
        ({"schedule": "cosine", "warm_up": 2}, [0, 0.5, 1, 0.5]),
        ({"schedule": "exponential", "final_share": 0.0625}, [1, 0.5, 0.25, 0.125]),
    ],
)
def test_the_learning_rate_follows_its_schedule(stars, settings, rates):
    _, history = fit(stars, **settings)
    np.testing.assert_allclose(history["learning_rate"], 0.01 * np.array(rates), atol=1e-8)


def test_the_loss_of_an_epoch_is_that_of_all_stars(stars):
    still = {"optimizer": "sgd", "learning_rate": 1e-12, "schedule": "constant", "batch_size": 25}
    network, history = fit(stars, config=NETWORK | {"dropout": 0.0}, **still)
    np.testing.assert_allclose(history["loss"], network.test_on_batch(*stars[0]), rtol=1e-5)


def test_the_learning_rate_is_reduced_on_a_plateau(stars):
    settings = {"schedule": "reduce_on_plateau", "plateau": 2, "reduction": 0.1, "epochs": 7}
    _, history = fit(stars, **settings, min_delta=1e9)
    # No epoch after the first, which has nothing to be compared with, is better by so much.
    expected = 0.01 * 0.1 ** np.array([0, 0, 0, 1, 1, 2, 2])
    np.testing.assert_allclose(history["learning_rate"], expected, rtol=1e-6)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_training_stops_when_the_validation_loss_no_longer_falls(stars, schedule):
    frozen = {"learning_rate": 0.0, "weight_decay": 0.0, "schedule": schedule}
    _, history = fit(stars, epochs=9, patience=3, **frozen)
    assert len(history) == 4
    _, history = fit(stars, epochs=9, patience=3, min_delta=1e9)
    assert len(history) == 4


def test_the_best_epoch_is_kept_however_little_better_it_is(stars):
    network, history = fit(stars, epochs=6, patience=5, min_delta=1e9)
    network.reset_metrics()
    assert network.test_on_batch(*stars[1]) == pytest.approx(history["val_loss"].min())
    assert history["val_loss"].min() < history["val_loss"].iloc[0]


def test_clipped_gradients_lead_elsewhere(stars):
    free, _ = fit(stars, optimizer="sgd")
    clipped, _ = fit(stars, optimizer="sgd", clip_norm=0.01)
    assert weights_of(clipped) != weights_of(free)


def test_a_network_may_be_trained_without_validation(stars):
    _, history = fit(stars, validated=False)
    assert history["val_loss"].isna().all()
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]


@pytest.mark.parametrize("settings", [{"patience": 2}, {"schedule": "reduce_on_plateau"}])
def test_what_needs_a_validation_is_named(stars, settings):
    for without in ({"validated": False}, {"validation": "none"}):
        with pytest.raises(ValueError, match="needs stars that validate the network"):
            fit(stars, **settings, **without)


def test_without_a_choice_the_last_epoch_is_kept_unless_something_needs_a_validation():
    assert complete_training({})["validation"] == "none"
    assert complete_training({"patience": 3})["validation"] == "inner"
    assert complete_training({"patience": 3, "validation": "fold"})["validation"] == "fold"
    assert complete_training({"schedule": "reduce_on_plateau"})["validation"] == "inner"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": 0.1}, "the training: lr; allowed are epochs"),
        ({"optimizer": "lion"}, "optimizer of the training is 'lion'; allowed are adam, adamw"),
        ({"warm_up": 3, "schedule": "constant"}, "warm_up .* needs the schedule cosine"),
        ({"warm_up": 80}, "warm_up .* must be shorter than its epochs"),
        ({"validation": "none", "patience": 3}, "patience needs stars"),
    ],
)
def test_wrong_settings_of_the_training_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        complete_training(settings)


def test_a_training_that_diverges_says_so(stars):
    infinite = (stars[0][0], np.full(60, 1e30), stars[0][2])
    network = make_network(stars)
    with pytest.raises(DivergedError, match="no longer finite after epoch 1; try a smaller"):
        fit_network(network, infinite, stars[1], np.random.default_rng(2), learning_rate=1e30)


def test_a_training_that_diverges_late_keeps_its_best_epoch(stars, caplog, monkeypatch):
    network, losses = make_network(stars), iter([0.3, 0.2, np.nan])
    monkeypatch.setattr(network, "train_on_batch", lambda *batch: next(losses))
    monkeypatch.setattr(network, "test_on_batch", lambda *stars: 0.1)
    before = weights_of(network)
    history = fit_network(
        network, stars[0], stars[1], np.random.default_rng(2), batch_size=60, epochs=9
    )
    assert len(history) == 3
    assert "no longer finite after epoch 3; an earlier one is kept" in caplog.text
    assert weights_of(network) == before


class KilledError(Exception):
    """What ends a training early here."""


def fit_until_killed(saves: int, stars, checkpoint, **settings):
    """Train, and stop after the state was saved so many times."""
    write, written = checkpoint.write, []

    def write_or_stop(*arguments):
        if len(written) == saves:
            raise KilledError
        written.append(arguments)
        write(*arguments)

    checkpoint.write = write_or_stop
    with pytest.raises(KilledError):
        fit(stars, checkpoint, **settings)
    checkpoint.write = write


def messages_of(caplog) -> list[str]:
    records = [record for record in caplog.records if record.name == "metalyra.train.checkpoints"]
    return [record.getMessage() for record in records]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimizer": "sgd", "schedule": "reduce_on_plateau", "plateau": 1},
        {"patience": 2, "min_delta": 1e9},
        {"precision": "mixed_float16"},
    ],
)
def test_a_killed_training_goes_on_to_the_same_bytes(stars, tmp_path, caplog, settings):
    caplog.set_level("INFO", "metalyra")
    undisturbed, history = fit(stars, **settings)
    checkpoint = Checkpoint(tmp_path / "folder/0.npz", interval=0)
    fit_until_killed(2, stars, checkpoint, **settings)
    resumed, again = fit(stars, checkpoint, **settings)
    assert messages_of(caplog) == [f"going on after epoch 2 of {checkpoint.path}"]
    assert weights_of(resumed) == weights_of(undisturbed)
    pd.testing.assert_frame_equal(again, history, check_exact=True)
    # What was finished is not trained once more.
    once_more, _ = fit(stars, checkpoint, **settings)
    assert messages_of(caplog)[1] == f"going on after epoch {len(history)} of {checkpoint.path}"
    assert weights_of(once_more) == weights_of(undisturbed)
    checkpoint.remove()
    assert not checkpoint.path.exists()


def test_a_recurrent_network_goes_on_to_the_same_bytes(stars, tmp_path):
    settings = {"config": {"kind": "gru", "units": [3, 2], "dropout": 0.3}, "epochs": 3}
    undisturbed, _ = fit(stars, **settings)
    checkpoint = Checkpoint(tmp_path / "0.npz", interval=0)
    fit_until_killed(1, stars, checkpoint, **settings)
    resumed, _ = fit(stars, checkpoint, **settings)
    assert weights_of(resumed) == weights_of(undisturbed)


@pytest.fixture(scope="module")
def undisturbed(stars) -> bytes:
    return weights_of(fit(stars)[0])


def test_a_checkpoint_of_another_training_is_not_used(stars, undisturbed, tmp_path, caplog):
    checkpoint = Checkpoint(tmp_path / "0.npz", interval=0)
    fit(stars, checkpoint, learning_rate=0.02)
    network, _ = fit(stars, checkpoint)
    assert messages_of(caplog) == [
        f"the checkpoint {checkpoint.path} is of other settings or data and not used"
    ]
    assert weights_of(network) == undisturbed


@pytest.mark.parametrize("kept", [0, 10, 2000])
def test_a_damaged_checkpoint_is_not_used(stars, undisturbed, tmp_path, caplog, kept):
    checkpoint = Checkpoint(tmp_path / "0.npz")
    checkpoint.write(State([np.zeros(500)], [], [], [(1.0, 1.0, 1.0)], {}), "any")
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:kept])
    network, _ = fit(stars, checkpoint)
    assert f"the checkpoint {checkpoint.path} is damaged and not used" in caplog.text
    assert weights_of(network) == undisturbed
