"""Tests of networks on JAX: `test_backends` runs them in a process where Keras computes with it."""

import keras
import numpy as np
import pandas as pd
import pytest

from metalyra.train.checkpoints import Checkpoint
from metalyra.train.devices import name_device
from metalyra.train.ensembles import train_members
from metalyra.train.evaluation import evaluate
from metalyra.train.networks import set_scaling
from metalyra.train.together import fit_networks
from metalyra.train.training import DivergedError, fit_network
from metalyra.train.training_set import make_training_set
from tests.train.test_networks import small_network

# Keras 3 copies arrays as NumPy 1 did.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SETTINGS = {"batch_size": 16, "validation": "fold", "learning_rate": 0.003}
SCHEDULES = {
    "cosine": {"epochs": 4, "warm_up": 1},
    "reduce_on_plateau": {"epochs": 4, "plateau": 1, "optimizer": "adam", "clip_norm": 1.0},
}


def draw_stars(number: int, seed: int):
    """Sequences, [Fe/H] that their means tell, and weights."""
    random = np.random.default_rng(seed)
    sequences = random.normal(size=(number, 12, 2)).astype(np.float32)
    sequences[:, :, 1] += random.normal(0, 0.5, number)[:, None]
    feh = -1.4 + sequences[:, :, 1].mean(axis=1) + random.normal(0, 0.1, number)
    return sequences, feh, random.uniform(0.5, 1.5, number)


TRAINED_ON = [draw_stars(64, member) for member in range(3)]
VALIDATED_ON = [draw_stars(10 + member, 100 + member) for member in range(3)]


def make_networks(kind: str):
    networks = []
    for member, stars in enumerate(TRAINED_ON):
        keras.utils.set_random_seed(member)
        networks.append(small_network(kind, 12))
        set_scaling(networks[-1], *stars)
    return networks


def generators():
    return [np.random.default_rng(member) for member in range(3)]


def fit_together(networks, checkpoints=None, **settings):
    stars = TRAINED_ON, VALIDATED_ON, generators(), checkpoints
    return fit_networks(networks, *stars, **{**SETTINGS, **settings})


def assert_alike(networks, others, tolerance: float):
    for network, other in zip(networks, others, strict=True):
        for one, two in zip(network.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_allclose(one, two, atol=tolerance)


def test_keras_computes_with_jax():
    assert keras.backend.backend() == "jax"
    assert name_device().endswith(" (JAX)")


@pytest.mark.parametrize(
    ("kind", "schedule"),
    [("gru", "cosine"), ("fcn", "reduce_on_plateau")],
)
def test_members_learn_together_what_each_learns_alone(kind, schedule):
    settings = {**SETTINGS, "schedule": schedule, **SCHEDULES[schedule]}
    alone = make_networks(kind)
    expected = [
        fit_network(*arguments, **settings)
        for arguments in zip(alone, TRAINED_ON, VALIDATED_ON, generators(), strict=True)
    ]
    together = make_networks(kind)
    before = together[0].get_weights()
    histories = fit_together(together, **settings)
    for history, own in zip(histories, expected, strict=True):
        pd.testing.assert_frame_equal(history, own, rtol=5e-3, check_dtype=False)
    assert_alike(together, alone, 2e-3)
    changes = zip(together[0].get_weights(), before, strict=True)
    assert max(np.abs(weight - start).max() for weight, start in changes) > 0.01


def test_each_member_stops_when_its_own_validation_says_so():
    networks = make_networks("convolutional")
    settings = {"epochs": 40, "patience": 2, "schedule": "constant"}
    histories = fit_together(networks, **settings)
    assert len({len(history) for history in histories}) > 1
    for network, history, (sequences, feh, weights) in zip(
        networks, histories, VALIDATED_ON, strict=True
    ):
        squares = weights * (evaluate(network, sequences) - feh) ** 2
        assert squares.mean() == pytest.approx(history["val_loss"].min(), rel=1e-3)


def test_an_ensemble_that_was_killed_goes_on(tmp_path, monkeypatch):
    networks = make_networks("convolutional")
    expected = fit_together(networks, epochs=6)

    def checkpoints():
        return [Checkpoint(tmp_path / f"{member}.npz", interval=0) for member in range(3)]

    written = []
    write = Checkpoint.write

    def write_some(checkpoint, state, identity):
        if len(written) == 8:  # the last member is an epoch behind the others
            raise KeyboardInterrupt
        written.append(checkpoint.path)
        write(checkpoint, state, identity)

    monkeypatch.setattr(Checkpoint, "write", write_some)
    with pytest.raises(KeyboardInterrupt):
        fit_together(make_networks("convolutional"), checkpoints(), epochs=6)
    monkeypatch.undo()
    resumed = make_networks("convolutional")
    histories = fit_together(resumed, checkpoints(), epochs=6)
    assert_alike(resumed, networks, 1e-5)
    for history, own in zip(histories, expected, strict=True):
        pd.testing.assert_frame_equal(history, own, rtol=1e-4)


def test_a_training_that_diverges_says_so():
    with pytest.raises(DivergedError, match="no longer finite"):
        fit_together(make_networks("convolutional"), epochs=5, learning_rate=1e30)


def test_a_member_without_stars_that_validate_it_is_trained():
    networks = make_networks("convolutional")
    empty = tuple(array[:0] for array in VALIDATED_ON[0])
    settings = {**SETTINGS, "validation": "none", "epochs": 2}
    stars = TRAINED_ON, [empty, *VALIDATED_ON[1:]], generators()
    histories = fit_networks(networks, *stars, **settings)
    assert [len(history) for history in histories] == [2, 2, 2]
    assert np.isfinite(networks[0].get_weights()[0]).all()


@pytest.mark.parametrize("some", [1, 2])
def test_who_shares_a_job_does_not_matter(some):
    """The stars of all members are counted, and not those of the job."""
    settings = {"counts": [64, 64, 96], **SETTINGS, "epochs": 3}
    together, apart = make_networks("convolutional"), make_networks("convolutional")[:some]
    for networks in (together, apart):
        stars = (part[: len(networks)] for part in (TRAINED_ON, VALIDATED_ON, generators()))
        fit_networks(networks, *stars, **settings)
    assert_alike(apart, together[:some], 1e-5)


def test_an_ensemble_of_unequal_folds_learns(tmp_path):
    sequences, feh, _ = draw_stars(90, 7)
    names = np.array([f"s{star:02}" for star in range(90)])
    stars = pd.DataFrame({"star_id": names, "period": 0.55, "status": "ok"})
    labels = stars[["star_id", "status"]].assign(feh=feh, feh_err=0.1, relation="test")
    folds = dict(zip(names, np.repeat([0, 1, 2], [20, 30, 40]).tolist(), strict=True))
    development = make_training_set(stars, labels, folds=folds, seed=1)
    network = {"kind": "convolutional", "filters": [4], "kernel_size": 3, "hidden": 8}
    training = {"epochs": 40, "batch_size": 16, "learning_rate": 0.01}
    members = [0, 1, 2]
    checkpoints = [Checkpoint(tmp_path / f"{member}.npz") for member in members]
    arguments = development, names, sequences
    trained = list(train_members(*arguments, members, network, training, 1, checkpoints))
    for member, (final, history, out_of_fold) in zip(members, trained, strict=True):
        assert len(history) == 40
        assert set(out_of_fold["star_id"]) == {name for name in names if folds[name] == member}
        error = (out_of_fold["feh_predicted"] - out_of_fold["feh"]).std()
        assert error < 0.7 * feh.std()
        np.testing.assert_array_equal(
            out_of_fold["feh_predicted"],
            evaluate(final, sequences[np.isin(names, out_of_fold["star_id"])]),
        )
