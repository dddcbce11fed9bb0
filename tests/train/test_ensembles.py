import json

import numpy as np
import pandas as pd
import pytest

from metalyra.predict.cards import make_card, write_card
from metalyra.train.ensembles import (
    describe_training,
    measure_parts,
    predict_parts,
    save_network,
    split_stars,
    train_member,
)
from metalyra.train.evaluation import evaluate, measure_folds
from metalyra.train.training_set import make_training_set
from metalyra.train.training_settings import complete_training

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
    return make_training_set(stars, labels, folds=4, seed=1), star_ids, sequences


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


def test_a_member_may_take_the_epoch_that_the_fold_likes_best(sample):
    training = TRAINING | {"validation": "fold"}
    _, history, out_of_fold = train_member(*sample, 1, NETWORK, training, seed=1)
    squared_error = np.mean((out_of_fold["feh_predicted"] - out_of_fold["feh"]) ** 2)
    assert squared_error == pytest.approx(history["val_loss"].min(), rel=1e-4)


def test_a_member_may_take_the_last_epoch(sample):
    training = TRAINING | {"validation": "none", "learning_rate": 0.1, "schedule": "constant"}
    _, history, out_of_fold = train_member(*sample, 1, NETWORK, training, seed=1)
    squared_error = np.mean((out_of_fold["feh_predicted"] - out_of_fold["feh"]) ** 2)
    assert squared_error == pytest.approx(history["val_loss"].iloc[-1], rel=1e-4)
    assert history["val_loss"].idxmin() != len(history) - 1


@pytest.mark.parametrize("validation", ["inner", "none"])
def test_the_held_out_fold_leaves_no_trace_in_the_network(sample, validation):
    development, star_ids, sequences = sample
    training = TRAINING | {"epochs": 3, "validation": validation}
    held_out = (development["fold"] == 1).to_numpy()
    other = development.assign(feh=np.where(held_out, -9.0, development["feh"]))
    spoilt = np.where(held_out[:, None, None], 100, sequences).astype(np.float32)
    clean, _, _ = train_member(*sample, 1, NETWORK, training, seed=1)
    changed, _, _ = train_member(other, star_ids, spoilt, 1, NETWORK, training, seed=1)
    assert weights_of(changed) == weights_of(clean)


WEIGHTS = [
    {"density_threshold": 0.5},
    {"density_alpha": 0.9, "inverse_variance": True, "scaling": "range"},
]


@pytest.mark.parametrize("validation", ["inner", "none"])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_a_member_learns_nothing_from_its_fold(sample, validation, weights):
    """Whatever the fold is, network, scaling and training are the same to the last bit."""
    development, star_ids, sequences = sample
    random = np.random.default_rng(5)
    held_out = (development["fold"] == 1).to_numpy()
    shift = np.where(held_out, random.uniform(-3, 3, len(held_out)), 0)
    factor = np.where(held_out, random.uniform(0.1, 10, len(held_out)), 1)
    other = development.assign(
        feh=development["feh"] + shift,
        feh_err=development["feh_err"] * factor,
        period=development["period"] * factor,
    )
    spoilt = sequences * factor[:, None, None].astype(np.float32)
    training = TRAINING | {"epochs": 3, "validation": validation}
    settings = (1, NETWORK, training, 1)
    clean, history, _ = train_member(*sample, *settings, weights=weights)
    changed, again, _ = train_member(other, star_ids, spoilt, *settings, weights=weights)
    assert weights_of(changed) == weights_of(clean)
    assert again["loss"].tolist() == history["loss"].tolist()
    unweighted, _, _ = train_member(*sample, *settings)
    assert weights_of(unweighted) != weights_of(clean)


def test_an_inner_validation_is_drawn_across_all_metallicities(sample):
    stars = sample[0].sort_values("star_id", ignore_index=True)
    training = complete_training({"validation": "inner", "validation_share": 0.2})
    parts = split_stars(stars, 2, training, seed=1)
    assert (sum(parts.values()) == 1).all()
    assert (parts["held_out"] == (stars["fold"] == 2)).all()
    assert parts["validation"].sum() == round(0.2 * (stars["fold"] != 2).sum())
    known = np.sort(stars["feh"][~parts["held_out"]])
    ranks = np.searchsorted(known, np.sort(stars["feh"][parts["validation"]]))
    assert (ranks // 5 == np.arange(len(ranks))).all()
    again = split_stars(stars, 2, training, seed=1)["validation"]
    assert (again == parts["validation"]).all()
    for other in (split_stars(stars, 2, training, seed=2), split_stars(stars, 3, training, seed=1)):
        assert (other["validation"] != parts["validation"]).any()


def test_a_share_that_takes_all_stars_is_an_error(sample):
    training = TRAINING | {"validation": "inner", "validation_share": 0.999}
    with pytest.raises(ValueError, match="90 stars are too few to set some aside"):
        train_member(*sample, 1, NETWORK, training, seed=1)


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


def test_a_member_of_a_repeat_holds_out_a_fold_of_it(sample):
    development, star_ids, sequences = sample
    repeated = development.assign(fold_2=(development["fold"] + 1) % 4 + 4)
    training = TRAINING | {"epochs": 1}
    _, _, out_of_fold = train_member(repeated, star_ids, sequences, 5, NETWORK, training, seed=1)
    assert set(out_of_fold["star_id"]) == set(development["star_id"][development["fold"] == 0])
    assert (out_of_fold["fold"] == 5).all()


def test_members_of_one_job_are_those_of_jobs_of_their_own(tmp_path, sample):
    training = TRAINING | {"epochs": 2}
    for folder, members in (("shared", [0, 1]), ("alone", [1])):
        for member in members:
            network, _, _ = train_member(*sample, member, NETWORK, training, seed=1)
            save_network(network, tmp_path / folder / f"{member}.keras")
    shared, alone = (tmp_path / folder / "1.keras" for folder in ("shared", "alone"))
    assert shared.read_bytes() == alone.read_bytes()


def test_a_member_of_mixed_precision_predicts_in_float32(tmp_path, sample, member):
    import keras

    training = TRAINING | {"precision": "mixed_bfloat16"}
    network, _, out_of_fold = train_member(*sample, 1, NETWORK, training, seed=1)
    save_network(network, tmp_path / "member.keras")
    loaded = keras.saving.load_model(tmp_path / "member.keras")
    assert {layer.compute_dtype for layer in loaded.layers} == {"float32"}
    assert weights_of(loaded) == weights_of(network) != weights_of(member[0])
    errors = out_of_fold["feh_predicted"] - out_of_fold["feh"]
    assert errors.std() < 0.5 * out_of_fold["feh"].std()
    assert keras.config.dtype_policy().name == "float32"


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
            provenance=describe_training(*sample, TRAINING, 1, weights=WEIGHTS[0]),
            out_of_fold=member[2],
            pulsation_type="RRab",
            cuts={"snr": [30, None]},
            fit={"kernel": "expsine2", "phases": "measured"},
        )
        write_card(card, tmp_path / f"{name}.json")
    text = (tmp_path / "a.json").read_text()
    assert text == (tmp_path / "b.json").read_text()
    assert json.loads(text) == card
    assert card["members"] == [0, 1, 2, 3]
    assert card["provenance"]["training"]["weight_decay"] == complete_training({})["weight_decay"]
    assert card["provenance"]["weights"] == WEIGHTS[0]
    assert card["provenance"]["search"] is None
    assert card["pulsation_type"] == "RRab"
    assert card["cuts"] == {"snr": [30, None]}
    assert card["fit"] == {"kernel": "expsine2", "phases": "measured"}
    assert set(card["versions"]) == {"metalyra", "keras", "tensorflow", "numpy"}


def test_the_training_set_is_known_by_its_content(sample):
    development, star_ids, sequences = sample

    def sha256(*changed):
        return describe_training(*changed, TRAINING, 1)["training_set_sha256"]

    original = sha256(development, star_ids, sequences)
    order = np.random.default_rng(3).permutation(len(star_ids))
    assert sha256(development.iloc[order], star_ids, sequences) == original
    assert sha256(development, star_ids[order], sequences[order]) == original
    for column in ("feh", "feh_err", "fold"):
        changed = development.copy()
        changed.loc[5, column] += 1
        assert sha256(changed, star_ids, sequences) != original
    assert sha256(development, star_ids, sequences + np.float32(1e-3)) != original


def test_a_card_says_what_a_search_has_seen(sample):
    devices = ["NVIDIA H200", "CPU", "NVIDIA H200"]
    provenance = describe_training(*sample, TRAINING, 1, search="grid_g", devices=devices)
    assert provenance["devices"] == ["CPU", "NVIDIA H200"]
    assert provenance["search"]["name"] == "grid_g"
    assert "measured on other folds" in provenance["search"]["note"]
    assert "all stars of the training set took part" in provenance["search"]["note"]


def test_metrics_are_given_for_every_part_of_a_members_stars(sample, member):
    training = TRAINING | {"validation": "inner"}
    metrics = measure_parts(predict_parts(member[0], *sample, 1, training, seed=1))
    metrics = metrics.set_index("part")
    assert metrics["n"].to_dict() == {"training": 76, "validation": 14, "held_out": 30}
    union = measure_folds(member[2])["union"]
    assert metrics.loc["held_out", list(union)].to_dict() == pytest.approx(union, rel=1e-6)
    stars = sample[0].sort_values("star_id")
    trained = split_stars(stars, 1, complete_training(training), seed=1)["training"]
    row = pd.Index(sample[1]).get_indexer(stars["star_id"][trained])
    errors = evaluate(member[0], sample[2][row]) - stars["feh"][trained]
    assert metrics.loc["training", "rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)))


def test_a_member_predicts_every_star_once_and_knows_which_it_was_trained_on(sample, member):
    training = TRAINING | {"validation": "inner"}
    parts = predict_parts(member[0], *sample, 1, training, seed=1)
    together = pd.concat(parts.values())
    assert sorted(together["star_id"]) == sorted(sample[0]["star_id"])
    assert (together["fold"] == 1).all()
    held_out = parts["held_out"].sort_values("star_id", ignore_index=True)
    unseen = member[2].sort_values("star_id", ignore_index=True)
    pd.testing.assert_frame_equal(held_out, unseen, check_dtype=False)
    again = predict_parts(member[0], *sample, 1, training, seed=1)
    assert measure_parts(parts).equals(measure_parts(again))


def test_a_card_tells_the_metrics_of_the_training_and_their_spread(sample, member):
    training = TRAINING | {"validation": "inner"}
    metrics = pd.concat(
        [
            measure_parts(predict_parts(member[0], *sample, fold, training, seed=1))
            for fold in (1, 2)
        ]
    )
    card = make_card(
        name="demo_g",
        band="G",
        relation="dekany2021",
        network=NETWORK,
        sequence={"recipe": "gp_curve"},
        members=[1, 2],
        provenance={},
        out_of_fold=member[2],
        domain={"ranges": {"period": [0.4, 0.8]}, "quality": {}, "shapes": None},
        member_metrics=metrics,
    )["metrics"]
    seen = metrics[metrics["part"] == "training"]
    assert card["training"]["by_fold"]["2"]["rmse"] == seen["rmse"].iloc[1]
    assert card["training"]["mean"]["rmse"] == pytest.approx(seen["rmse"].mean())
    assert card["validation"]["std"]["mae"] == pytest.approx(
        metrics.loc[metrics["part"] == "validation", "mae"].std(ddof=0)
    )
    assert "held_out" not in card
    assert "n" not in card["mean"]
