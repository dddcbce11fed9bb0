import json

import numpy as np
import pandas as pd
import pytest

from metalyra.development import make_development_set
from metalyra.ensembles import (
    complete_training,
    describe_training,
    fit_network,
    make_card,
    measure_folds,
    save_network,
    train_member,
    write_card,
)
from metalyra.metrics import evaluate_predictions
from metalyra.networks import build_network

# Keras 3 copies TensorFlow's arrays as NumPy 1 did.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NETWORK = {"kind": "convolutional", "filters": [4], "kernel_size": 3, "hidden": 8, "dropout": 0.1}
TRAINING = {"epochs": 15, "batch_size": 16, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def sample():
    """Stars whose metallicity follows from the amplitude and period of their curves."""
    random = np.random.default_rng(1)
    amplitude, period = random.uniform(0.3, 1.2, 120), random.uniform(0.4, 0.8, 120)
    phase = np.arange(10) / 10
    sequences = np.empty((120, 10, 2), dtype=np.float32)
    sequences[:, :, 0] = amplitude[:, None] * np.sin(2 * np.pi * phase)
    sequences[:, :, 1] = period[:, None]
    star_ids = np.array([f"s{star}" for star in range(120)])
    stars = pd.DataFrame({"star_id": star_ids, "period": period, "status": "ok"})
    feh = -0.5 - 3 * (period - 0.4) + 0.5 * amplitude
    labels = stars[["star_id", "status"]].assign(feh=feh, feh_err=0.1, relation="test")
    return make_development_set(stars, labels, folds=4, seed=1), star_ids, sequences


@pytest.fixture(scope="module")
def member(sample):
    return train_member(*sample, 1, NETWORK, TRAINING, seed=1)


def weights_of(network) -> bytes:
    return b"".join(array.tobytes() for array in network.get_weights())


def test_a_member_learns_and_predicts_the_fold_it_has_not_seen(sample, member):
    development, _, _ = sample
    _, history, out_of_fold = member
    held_out = development[development["fold"] == 1]
    assert sorted(out_of_fold["star_id"]) == sorted(held_out["star_id"])
    errors = out_of_fold["feh_predicted"] - out_of_fold["feh"]
    assert errors.std() < 0.3 * held_out["feh"].std()
    assert history["epoch"].tolist() == list(range(1, 16))
    assert history["loss"].iloc[-1] < 0.2 * history["loss"].iloc[0]


def test_a_member_has_the_weights_of_its_best_epoch(member):
    _, history, out_of_fold = member
    squared_error = np.mean((out_of_fold["feh_predicted"] - out_of_fold["feh"]) ** 2)
    assert squared_error == pytest.approx(history["val_loss"].min(), rel=1e-4)


def test_the_same_seed_gives_the_same_network(sample, member):
    development, star_ids, sequences = sample
    order = np.random.default_rng(2).permutation(len(star_ids))
    shuffled = (development.iloc[order], star_ids[order[::-1]], sequences[order[::-1]])
    again, history, out_of_fold = train_member(*shuffled, 1, NETWORK, TRAINING, seed=1)
    assert weights_of(again) == weights_of(member[0])
    pd.testing.assert_frame_equal(history, member[1], check_exact=True)
    pd.testing.assert_frame_equal(out_of_fold, member[2], check_exact=True)
    other, _, _ = train_member(*sample, 1, NETWORK, TRAINING | {"epochs": 1}, seed=2)
    assert weights_of(other) != weights_of(member[0])


def test_training_stops_when_the_validation_loss_no_longer_falls(sample):
    training = TRAINING | {"learning_rate": 0.0, "weight_decay": 0.0, "patience": 3}
    _, history, _ = train_member(*sample, 0, NETWORK, training, seed=1)
    assert len(history) == 4


@pytest.mark.parametrize(
    "settings", [{"optimizer": "adam", "schedule": "constant"}, {"loss": "huber"}]
)
def test_every_choice_of_the_training_learns(sample, settings):
    training = TRAINING | settings | {"epochs": 4}
    _, history, _ = train_member(*sample, 0, NETWORK, training, seed=1)
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]


def test_stars_outside_the_folds_are_not_used(sample):
    development, star_ids, sequences = sample
    left_out = development.assign(fold=np.where(development["fold"] == 3, -1, development["fold"]))
    spoilt = sequences.copy()
    spoilt[(left_out["fold"] == -1).to_numpy()] = 1e6
    training = TRAINING | {"epochs": 1}
    clean, _, _ = train_member(left_out, star_ids, sequences, 0, NETWORK, training, seed=1)
    other, _, _ = train_member(left_out, star_ids, spoilt, 0, NETWORK, training, seed=1)
    assert weights_of(clean) == weights_of(other)


def test_a_star_without_a_sequence_is_named(sample):
    development, star_ids, sequences = sample
    with pytest.raises(ValueError, match=r"without a sequence: s0$"):
        train_member(development, star_ids[1:], sequences[1:], 0, NETWORK, TRAINING, seed=1)


def test_an_empty_fold_is_an_error(sample):
    with pytest.raises(ValueError, match="fold 9 leaves no stars to test"):
        train_member(*sample, 9, NETWORK, TRAINING, seed=1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": 0.1}, "the training: lr; allowed are epochs"),
        ({"optimizer": "sgd"}, "optimizer of the training is 'sgd'; allowed are adam, adamw"),
    ],
)
def test_unknown_settings_of_the_training_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        complete_training(settings)


def test_a_network_is_saved_as_the_same_bytes(tmp_path, sample, member):
    import keras

    save_network(member[0], tmp_path / "a.keras")
    again, _, _ = train_member(*sample, 1, NETWORK, TRAINING, seed=1)
    save_network(again, tmp_path / "b.keras")
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()
    assert weights_of(keras.saving.load_model(tmp_path / "a.keras")) == weights_of(member[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.keras", "b.keras"]


def test_a_card_is_plain_data_and_the_same_each_time(tmp_path, sample, member):
    for name in ("a", "b"):
        card = make_card(
            name="demo_g",
            band="G",
            relation="dekany2021",
            network=NETWORK,
            sequence={"recipe": "gp_curve"},
            members=np.arange(4),
            provenance=describe_training(*sample, TRAINING, 1),
            out_of_fold=member[2],
        )
        write_card(card, tmp_path / f"{name}.json")
    text = (tmp_path / "a.json").read_text()
    assert text == (tmp_path / "b.json").read_text()
    assert json.loads(text) == card
    assert card["members"] == [0, 1, 2, 3]
    assert card["provenance"]["training"]["weight_decay"] == complete_training({})["weight_decay"]
    assert set(card["versions"]) == {"metalyra", "keras", "tensorflow", "numpy"}


def test_a_metric_without_a_value_is_null(tmp_path):
    write_card({"metrics": {"union": {"r2": np.nan, "mae": 0.1}}}, tmp_path / "card.json")
    card = json.loads((tmp_path / "card.json").read_text())
    assert card == {"metrics": {"union": {"r2": None, "mae": 0.1}}}


def test_the_training_set_is_known_by_its_content(sample):
    development, star_ids, sequences = sample

    def sha256(*changed):
        return describe_training(*changed, TRAINING, 1)["training_set_sha256"]

    original = sha256(development, star_ids, sequences)
    order = np.random.default_rng(3).permutation(len(star_ids))
    assert sha256(development.iloc[order], star_ids, sequences) == original
    assert sha256(development, star_ids[order], sequences[order]) == original
    for column in ("feh", "weight", "fold"):
        changed = development.copy()
        changed.loc[5, column] += 1
        assert sha256(changed, star_ids, sequences) != original
    assert sha256(development, star_ids, sequences + np.float32(1e-3)) != original


def test_metrics_are_given_for_the_union_and_each_fold(member):
    random = np.random.default_rng(4)
    feh = random.normal(-1.4, 0.3, 60)
    stars = pd.DataFrame(
        {
            "fold": np.arange(60) % 3,
            "feh": feh,
            "feh_err": random.uniform(0.05, 0.2, 60),
            "feh_predicted": feh + random.normal(0, 0.1, 60),
        }
    )
    metrics = measure_folds(stars)
    columns = [stars[name].to_numpy() for name in ("feh", "feh_predicted", "feh_err")]
    assert metrics["union"] == evaluate_predictions(*columns)
    assert metrics["by_fold"]["2"] == evaluate_predictions(*(column[2::3] for column in columns))
    assert list(metrics["by_fold"]) == ["0", "1", "2"]
    unknown = measure_folds(stars.assign(feh_err=np.nan))
    assert unknown["union"] == evaluate_predictions(*columns[:2])


def test_a_network_may_be_trained_without_validation(sample):
    development, _, sequences = sample
    arrays = (
        sequences,
        development["feh"].to_numpy(),
        development["weight"].to_numpy(),
    )
    network = build_network(NETWORK, 10, 2)
    history = fit_network(network, arrays, None, np.random.default_rng(1), epochs=3)
    assert history["val_loss"].isna().all()
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    with pytest.raises(ValueError, match="patience needs stars"):
        fit_network(network, arrays, None, np.random.default_rng(1), patience=2)
