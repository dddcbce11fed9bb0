import json

import numpy as np
import pandas as pd
import pytest

from metalyra.core.metrics import root_mean_squared_error
from metalyra.core.tables import write_table
from metalyra.fit.fourier import evaluate_harmonics
from metalyra.predict.cards import make_card, write_card
from metalyra.predict.prediction import predict_stars
from metalyra.predict.published import convert_published_model
from metalyra.predict.stack_cards import copy_published, evaluate_stack, make_stack_card
from metalyra.predict.stacks import predict_published
from metalyra.stack.regressors import KINDS
from metalyra.stack.stacking import (
    PUBLISHED,
    add_published,
    combine,
    complete_stack,
    read_stack_member,
    train_stack_member,
    write_stack_member,
)
from metalyra.train.ensembles import save_network
from metalyra.train.networks import build_network
from metalyra.train.sequences import sequence_shape
from metalyra.train.training_set import TRAINING_SET, make_training_set, select_training_set
from tests.predict.test_training_range import draw_fits

# Keras 3 copies TensorFlow's arrays as NumPy 1 did.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

STACK = {
    "population": {"harmonics": 2, "components": 2, "iterations": 8},
    "regressors": {
        "linear": {"kind": "ridge"},
        "support_vectors": {"kind": "support_vectors"},
    },
    "published": "dg22_g",
}


def draw_stars(number: int, seed: int):
    """Stars whose metallicity follows from the period and the shape of noisy curves."""
    random = np.random.default_rng(seed)
    period, hidden = random.uniform(0.45, 0.7, number), random.normal(0, 1, number)
    tables = []
    for star in range(number):
        phase = random.uniform(0, 1, random.integers(20, 45))
        size, angle = 0.3 - 0.4 * (period[star] - 0.55), 0.4 * hidden[star]
        truth = size * np.array([1, 0, 0.4 * np.cos(angle), 0.4 * np.sin(angle)])
        mag = 15 + evaluate_harmonics(phase, 2)[:, 1:] @ truth
        mag += random.normal(0, 0.02, len(phase))
        tables.append(pd.DataFrame({"star_id": f"s{star}", "phase": phase, "mag": mag}))
    fits = pd.DataFrame({"star_id": [f"s{star}" for star in range(number)], "period": period})
    folded = pd.concat(tables, ignore_index=True).assign(kept=True)
    points = folded.groupby("star_id", sort=False)["mag"]
    fits["n_epochs"] = points.size().to_numpy()
    fits["amplitude"] = points.agg(np.ptp).to_numpy()
    fits["snr"] = fits["amplitude"] * np.sqrt(fits["n_epochs"]) / 0.02
    feh = -1.4 - 3 * (period - 0.55) + 0.3 * hidden
    shapes = draw_fits(number, seed).filter(regex=r"^(a\d|phi\d1)|_err$|coverage")
    return fits.join(shapes).assign(status="ok"), folded, feh


@pytest.fixture(scope="module")
def sample():
    fits, folded, feh = draw_stars(240, 1)
    labels = fits[["star_id", "status"]].assign(feh=feh, feh_err=0.1, relation="test")
    return make_training_set(fits, labels, folds=3, seed=1), fits, folded


@pytest.fixture(scope="module")
def members(sample):
    return [train_stack_member(*sample, fold, STACK, seed=1) for fold in range(3)]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A "published" ensemble of untrained networks that differ a little."""
    import keras

    keras.utils.set_random_seed(1)
    directory = tmp_path_factory.mktemp("dg22_g")
    network, sequence = {"kind": "bilstm", "units": [4, 4]}, {"recipe": "dg22"}
    built = build_network(network, *sequence_shape(sequence))
    kernel, bias = built.get_layer("head").get_weights()
    for member in range(3):
        built.get_layer("head").set_weights([kernel, bias + np.float32(0.001 * member)])
        save_network(built, directory / f"member_{member}.keras")
    card = make_card(
        name="dg22_g",
        band="G",
        relation="test",
        network=network,
        sequence=sequence,
        members=range(3),
        provenance={},
    )
    write_card(card, directory / "card.json")
    return directory


@pytest.fixture(scope="module")
def out_of_fold(members, sample, published):
    table = pd.concat([table for _, table in members], ignore_index=True)
    return add_published(table, predict_published(published, *sample[1:]))


@pytest.fixture(scope="module")
def model(tmp_path_factory, sample, members, published, out_of_fold):
    """The folder of a complete stack."""
    directory = tmp_path_factory.mktemp("stack")
    for number, (member, _) in enumerate(members):
        write_stack_member(member, directory / f"member_{number}.npz")
    copy_published(published, directory / PUBLISHED)
    development, fits, _ = sample
    card = make_stack_card(
        out_of_fold,
        development,
        fits,
        name="test",
        band="G",
        relation="test",
        stack=STACK,
        seed=1,
        weights={"density_threshold": 0.5},
        pulsation_type="RRab",
        cuts={"snr": [30, None]},
        fit={"kernel": "expsine2", "phases": "measured"},
    )
    write_card(card, directory / "card.json")
    return directory


def test_a_member_predicts_the_fold_it_has_not_seen(sample, members):
    development, _, _ = sample
    _, table = members[1]
    held_out = development[development["fold"] == 1]
    assert sorted(table["star_id"]) == sorted(held_out["star_id"])
    error = root_mean_squared_error(table["feh"], table["support_vectors"])
    assert error < 0.6 * held_out["feh"].std()
    assert (table["spread"] > 0).all()


def test_a_member_knows_neither_labels_nor_light_curves_of_its_fold(sample, members):
    development, fits, folded = sample
    held_out = development["fold"] == 1
    spoilt = folded.copy()
    stars = development.loc[held_out, "star_id"]
    spoilt.loc[spoilt["star_id"].isin(stars), "mag"] *= 3
    unlabelled = development.assign(feh=development["feh"].where(~held_out, 99.0))
    other, _ = train_stack_member(unlabelled, fits, spoilt, 1, STACK, seed=1)
    member, _ = members[1]
    for name, array in member.population._asdict().items():
        if array is None:
            continue
        assert array.tobytes() == getattr(other.population, name).tobytes(), name
    for name, regressor in member.regressors.items():
        for key, array in regressor._asdict().items():
            assert array.tobytes() == getattr(other.regressors[name], key).tobytes(), key


EVERY_KIND = {
    "ridge": {"kind": "ridge"},
    "relation": {"kind": "relation"},
    "support_vectors": {"kind": "support_vectors"},
    "relevant_inputs": {"kind": "support_vectors", "relevance": True},
    "gaussian_process": {"kind": "gaussian_process"},
    "random_trees": {"kind": "random_trees", "trees": 5},
    "boosted_trees": {"kind": "boosted_trees", "trees": 5},
    "perceptrons": {"kind": "perceptrons", "networks": 1, "neurons": 4, "epochs": 2},
}


@pytest.mark.parametrize("noise_floor", [None, 0.1])
def test_a_member_learns_nothing_from_its_fold(tmp_path, sample, noise_floor):
    """Whatever the fold is, the member is the same to the last byte."""
    assert {config["kind"] for config in EVERY_KIND.values()} == set(KINDS)
    development, fits, folded = sample
    random = np.random.default_rng(5)
    held_out = (development["fold"] == 1).to_numpy()
    shift = np.where(held_out, random.uniform(-3, 3, len(held_out)), 0)
    factor = np.where(held_out, random.uniform(0.5, 2, len(held_out)), 1)
    other = development.assign(
        feh=development["feh"] + shift, feh_err=development["feh_err"] * factor
    )
    spoilt = folded.copy()
    points = spoilt["star_id"].isin(development.loc[held_out, "star_id"])
    spoilt.loc[points, "mag"] += random.normal(0, 0.3, points.sum())
    # A light curve of the fold may also have more points than any other star has.
    twice = spoilt[points].assign(phase=random.uniform(0, 1, points.sum()))
    spoilt = pd.concat([spoilt, twice, twice.assign(phase=(twice["phase"] + 0.3) % 1)])
    stack = {
        "population": {"harmonics": 3, "components": 2, "iterations": 3},
        "regressors": EVERY_KIND,
        "noise_floor": noise_floor,
    }
    weights = {"density_threshold": 0.5, "inverse_variance": True}
    tables = {
        "clean": (development, fits, folded),
        "changed": (other, fits.assign(period=fits["period"] * factor), spoilt),
    }
    for name, table in tables.items():
        member, _ = train_stack_member(*table, 1, stack, 1, weights=weights)
        write_stack_member(member, tmp_path / name)
    assert (tmp_path / "clean").read_bytes() == (tmp_path / "changed").read_bytes()


def test_a_stack_may_be_trained_with_weights(sample, members):
    weights = {"density_threshold": 0.5}
    weighted, _ = train_stack_member(*sample, 1, STACK, 1, weights=weights)
    slopes = [member.regressors["linear"].slopes for member in (weighted, members[1][0])]
    assert (slopes[0] != slopes[1]).all()


def test_the_same_seed_gives_the_same_bytes(tmp_path, sample, members):
    again, table = train_stack_member(*sample, 2, STACK, seed=1)
    for name, member in (("a", members[2][0]), ("b", again)):
        write_stack_member(member, tmp_path / f"{name}.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    pd.testing.assert_frame_equal(table, members[2][1], check_exact=True)


def test_weights_are_those_of_the_truth():
    random = np.random.default_rng(2)
    feh = random.normal(-1.4, 0.5, 4000)
    noise = random.normal(0, [0.1, 0.2, 3.0], (4000, 3))
    combination = combine(feh, feh[:, None] + noise)
    # Inverse variances, but for the shrinkage towards the mean of all stars.
    assert combination.weights == pytest.approx([0.78, 0.19, 0.001], abs=0.02)
    assert (combination.weights >= 0).all()
    assert combination(feh[:, None] + noise).mean() == pytest.approx(feh.mean(), abs=1e-9)


def test_regressors_may_all_count_alike():
    random = np.random.default_rng(3)
    feh = random.normal(-1.4, 0.5, 40)
    predictions = feh[:, None] + random.normal(0, 0.2, (40, 4))
    combination = combine(feh, predictions, "mean")
    np.testing.assert_allclose(combination(predictions), predictions.mean(axis=1))
    with pytest.raises(ValueError, match="combination is 'best'; allowed are learnt, mean"):
        complete_stack(STACK | {"combination": "best"})
    # What a card of a stack with learnt weights says has not changed.
    assert "combination" not in complete_stack(STACK)


def test_a_stack_of_few_stars_is_not_trained(tmp_path, sample):
    _, fits, folded = sample
    labels = fits[["star_id", "status"]].assign(feh=np.nan, feh_err=0.1, relation="test")
    labels.loc[labels.index[:8], "feh"] = np.linspace(-2, -1, 8)
    labels.loc[labels.index[8:], "status"] = "no_relation"
    few = make_training_set(fits, labels, folds=3, fewest_stars=25, seed=1)
    settings = {**STACK, "published": None}
    members = [train_stack_member(few, fits, folded, fold, settings, seed=1) for fold in range(3)]
    for number, (member, _) in enumerate(members):
        assert member is None
        write_stack_member(member, tmp_path / f"member_{number}.npz")
    out_of_fold = pd.concat([table for _, table in members], ignore_index=True)
    assert out_of_fold.empty
    names = ["linear", "support_vectors"]
    assert evaluate_stack(out_of_fold, names, "mean").empty
    described = {"name": "own", "band": "V", "relation": "as_published", "stack": settings}
    card = make_stack_card(
        *(out_of_fold, few, fits), **described, seed=1, pulsation_type="RRc", fewest_stars=25
    )
    note = "8 labelled RRc stars can be used, the model own needs 25: it was not trained"
    assert (card["kind"], card["provenance"]["note"]) == ("untrained", note)
    write_card(card, tmp_path / "card.json")
    write_table(select_training_set(few), tmp_path / TRAINING_SET)
    # A star that failed before has its own status.
    fits = fits.assign(status=fits["status"].mask(fits.index == 3, "too_few_epochs"))
    predictions = predict_stars(tmp_path, fits, folded)
    assert predictions["status"].value_counts().to_dict() == {"no_model": 239, "too_few_epochs": 1}
    assert predictions["feh"].isna().all()
    assert set(predictions.loc[predictions["status"] == "no_model", "reason"]) == {note}


def test_a_label_of_a_large_error_counts_less_with_a_noise_floor(sample):
    development, fits, folded = sample
    wrong = development["star_id"].isin(development["star_id"][::4])
    spoilt = development.assign(
        feh=development["feh"] + wrong, feh_err=np.where(wrong, 20.0, np.nan)
    )
    settings = {**STACK, "noise_floor": 0.1}
    slopes = {}
    for name, table in {"clean": development, "spoilt": spoilt}.items():
        member, _ = train_stack_member(table, fits, folded, 0, settings, seed=1)
        slopes[name] = member.regressors["linear"].offset
    member, _ = train_stack_member(spoilt.assign(feh_err=0.1), fits, folded, 0, settings, seed=1)
    assert abs(slopes["spoilt"] - slopes["clean"]) < 0.3 * abs(
        member.regressors["linear"].offset - slopes["clean"]
    )


def test_a_stack_is_evaluated_with_weights_that_have_not_seen_the_fold(out_of_fold):
    names = ["linear", "support_vectors"]
    evaluated = evaluate_stack(out_of_fold, names)
    changed = out_of_fold.copy()
    fold = changed["fold"] == 2
    changed.loc[fold, "feh"] = 7.0
    again = evaluate_stack(changed, names)
    columns = ["feh_predicted", "feh_predicted_err", "feh_half_width_68", "feh_half_width_95"]
    pd.testing.assert_frame_equal(evaluated.loc[fold, columns], again.loc[fold, columns])
    assert (evaluated.loc[~fold, "feh_predicted"] != again.loc[~fold, "feh_predicted"]).all()


def test_a_stack_is_no_worse_than_its_best_regressor(out_of_fold):
    evaluated = evaluate_stack(out_of_fold, ["linear", "support_vectors", PUBLISHED])
    errors = {
        name: root_mean_squared_error(evaluated["feh"], evaluated[name])
        for name in ("linear", "support_vectors", "feh_predicted")
    }
    assert errors["feh_predicted"] < 1.02 * min(errors.values())


def test_published_networks_predict_the_fold_of_their_number(sample, published):
    predictions = predict_published(published, *sample[1:])
    table = sample[0][["star_id", "fold"]]
    added = add_published(table, predictions).set_index("star_id")
    predictions = predictions.set_index("star_id")
    for fold in range(3):
        stars = table.loc[table["fold"] == fold, "star_id"]
        np.testing.assert_array_equal(
            added.loc[stars, PUBLISHED], predictions.loc[stars, f"member_{fold}"]
        )
    with pytest.raises(ValueError, match="do not predict every star of every fold"):
        add_published(table.assign(fold=3), predictions.reset_index())


def test_predictions_of_new_stars_are_accurate_and_know_their_errors(model):
    fits, folded, feh = draw_stars(300, 3)
    predicted = predict_stars(model, fits, folded)
    card = json.loads((model / "card.json").read_text())
    errors = predicted["feh"].to_numpy() - feh
    assert np.sqrt(np.mean(errors**2)) < 1.2 * card["metrics"]["union"]["rmse"]
    for level in (68, 95):
        inside = np.abs(errors) <= (predicted[f"feh_high_{level}"] - predicted["feh"])
        assert inside.mean() == pytest.approx(level / 100, abs=0.08)
    members = predicted[["member_0", "member_1", "member_2"]].to_numpy()
    np.testing.assert_allclose(predicted["feh"], members.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(predicted["feh_std"], members.std(axis=1), rtol=1e-9)


def test_predictions_do_not_depend_on_the_other_stars(model):
    fits, folded, _ = draw_stars(300, 4)
    fits.loc[5, "status"] = "fit_failed"
    together = predict_stars(model, fits, folded).set_index("star_id")
    assert together.loc["s5", "status"] == "fit_failed"
    order = np.random.default_rng(5).permutation(300)
    for part in (order, order[:40], order[:1]):
        chosen = fits.iloc[part]
        rows = folded[folded["star_id"].isin(chosen["star_id"])]
        apart = predict_stars(model, chosen, rows).set_index("star_id")
        expected = together.loc[apart.index]
        pd.testing.assert_frame_equal(apart, expected, check_exact=True)


def test_stars_unlike_the_training_set_are_flagged(model):
    fits, folded, _ = draw_stars(4, 6)
    fits["period"] = [0.55, 0.2, 0.55, 0.9]
    fits["snr"] = [150.0, 150.0, 1.0, 1e6]
    fits["amplitude"], fits["n_epochs"] = 0.6, 30
    predicted = predict_stars(model, fits, folded)
    assert predicted["out_of_domain"].tolist() == ["", "period", "", "period"]
    assert predicted["status"][2] == "cut:snr"
    assert predicted["feh"].notna().all()


def test_no_stars_have_no_predictions(model):
    fits, folded, _ = draw_stars(3, 7)
    predicted = predict_stars(model, fits.assign(status="fit_failed"), folded)
    assert predicted["feh"].isna().all()
    assert set(predicted["status"]) == {"fit_failed"}
    assert {"feh_err", "out_of_domain", "member_2"} <= set(predicted)


def test_a_star_of_the_training_is_combined_without_its_own_fold(model, sample, out_of_fold):
    development, fits, folded = sample
    card = json.loads((model / "card.json").read_text())
    write_table(select_training_set(development), model / TRAINING_SET)
    try:
        predicted = predict_stars(model, fits, folded)
    finally:
        (model / TRAINING_SET).unlink()
    assert predicted["in_training"].all()
    # What the nested cross-validation says of the same stars, which has not seen them either.
    evaluated = evaluate_stack(out_of_fold, list(card["combination"]["weights"]))
    expected = evaluated.set_index("star_id")["feh_predicted"].reindex(predicted["star_id"])
    np.testing.assert_allclose(predicted["feh"], expected, atol=1e-9)
    in_sample = predict_stars(model, fits, folded)
    assert not in_sample["in_training"].any()
    assert (np.abs(in_sample["feh"] - predicted["feh"]) > 1e-4).mean() > 0.9


def test_a_card_says_what_the_stack_is(model, out_of_fold):
    card = json.loads((model / "card.json").read_text())
    assert card["members"] == [0, 1, 2]
    assert card["alignment"] == "phi1"
    assert list(card["combination"]["weights"]) == ["linear", "support_vectors", PUBLISHED]
    evaluated = evaluate_stack(out_of_fold, list(card["combination"]["weights"]))
    error = root_mean_squared_error(evaluated["feh"], evaluated["feh_predicted"])
    assert card["metrics"]["union"]["rmse"] == pytest.approx(error)
    assert card["stack"] == complete_stack(STACK)
    assert set(card["metrics"]["coverage"]) == {"0.68", "0.95"}
    assert card["provenance"]["weights"] == {"density_threshold": 0.5}
    assert card["pulsation_type"] == "RRab"
    assert card["cuts"] == {"snr": [30, None]}
    assert card["fit"] == {"kernel": "expsine2", "phases": "measured"}


def test_a_card_has_the_combination_that_each_fold_has_had_no_part_in(model, out_of_fold):
    combination = json.loads((model / "card.json").read_text())["combination"]
    names = list(combination["weights"])
    evaluated = evaluate_stack(out_of_fold, names)
    assert list(combination["by_fold"]) == ["0", "1", "2"]
    for fold, own in combination["by_fold"].items():
        rows = out_of_fold["fold"] == int(fold)
        weighed = (out_of_fold.loc[rows, names] * own["weights"]).sum(axis=1)
        np.testing.assert_allclose(
            own["offset"] + weighed, evaluated.loc[rows, "feh_predicted"], rtol=1e-12
        )
        assert own["weights"] != combination["weights"]


def test_a_card_warns_of_published_networks_that_have_seen_the_fold(model, sample, out_of_fold):
    card = json.loads((model / "card.json").read_text())
    assert "optimistic" in card["provenance"]["note"]
    options = {"name": "own", "band": "G", "relation": "test", "seed": 1}
    own = make_stack_card(out_of_fold, *sample[:2], stack=STACK | {"published": None}, **options)
    assert own["provenance"]["note"] is None


def test_a_member_is_read_as_it_was_written(tmp_path, members):
    member, _ = members[0]
    write_stack_member(member, tmp_path / "member.npz")
    read = read_stack_member(tmp_path / "member.npz")
    assert list(read.regressors) == list(member.regressors)
    inputs = np.random.default_rng(8).normal(size=(5, 11))
    for name, regressor in member.regressors.items():
        assert (read.regressors[name].predict(inputs) == regressor.predict(inputs)).all()


@pytest.mark.parametrize(
    ("stack", "message"),
    [
        ({"regressors": {}}, "a stack needs regressors"),
        ({"regressors": {PUBLISHED: {"kind": "ridge"}}}, "cannot be named published"),
        ({"regressors": {"spread": {"kind": "ridge"}}}, "cannot be named spread"),
        ({"regressors": {"a/b": {"kind": "ridge"}}}, "named by letters, digits and underscores"),
        ({"regressor": {}}, "unknown settings of a stack: regressor; allowed are population"),
        ({"regressors": {"a": {"kind": "oracle"}}}, "unknown kind of regressor 'oracle'"),
        (
            {"regressors": {"a": {"kind": "ridge"}}, "population": {"stars": 1}},
            "the population of a stack: stars; allowed are harmonics",
        ),
    ],
)
def test_unknown_settings_are_named(stack, message):
    with pytest.raises(ValueError, match=message):
        complete_stack(stack)


def test_a_star_without_a_fit_is_an_error(sample):
    development, fits, folded = sample
    with pytest.raises(ValueError, match="has no fit"):
        train_stack_member(development, fits[1:], folded, 0, STACK, seed=1)


def test_published_networks_predict_what_was_published(tmp_path, mirror):
    """The out-of-fold predictions of the first real stars, to their printed digits."""
    from metalyra.fit.fitting import fit_stars
    from metalyra.surveys import check_stars
    from metalyra.surveys.dg22 import read_light_curves, read_stars

    folder = mirror / "dekany_grebel_2022"
    stars = check_stars(read_stars([folder / "g_dev_reconstructed.csv"])).iloc[::90]
    curves = read_light_curves([folder / "lc_dev_g.tar.gz"], stars, "G")
    light_curves = pd.concat(
        [curve.table.assign(star_id=curve.star_id, band="G") for curve in curves]
    )
    fits, folded = fit_stars(stars, light_curves, {"phases": "published"}, 1)
    convert_published_model(
        folder / "results_g" / "best_model_g",
        tmp_path,
        name="dg22_g",
        band="G",
        relation="dekany2021",
        sequence={"recipe": "dg22"},
        members=10,
    )
    table = stars[["star_id"]].assign(fold=stars["archive_fold"].astype(int))
    added = add_published(table, predict_published(tmp_path, fits, folded))
    path = folder / "results_g" / "best_model_g" / "published_val_predictions.csv"
    published = pd.read_csv(path, dtype={"id": str}).set_index("id").loc[table["star_id"]]
    np.testing.assert_allclose(added[PUBLISHED], published["published_val_pred"], atol=2e-5)


@pytest.fixture(scope="module")
def in_two_bands(sample):
    """The sample, its light curves in BP too, and a stack of both."""
    _, _, folded = sample
    others = folded.assign(band="BP", mag=13 + 0.8 * (folded["mag"] - 15)).iloc[::2]
    settings = {**STACK, "published": None, "bands": ["G", "BP"], "combination": "mean"}
    members = [
        train_stack_member(*sample, fold, settings, seed=1, others=others) for fold in (0, 1, 2)
    ]
    return others, settings, members


def test_a_stack_of_several_bands_says_which_and_asks_for_them(tmp_path, sample, in_two_bands):
    development, fits, folded = sample
    others, settings, members = in_two_bands
    assert "bands" not in complete_stack(STACK | {"bands": ["G"]})
    out_of_fold = pd.concat([table for _, table in members], ignore_index=True)
    for number, (member, _) in enumerate(members):
        write_stack_member(member, tmp_path / f"member_{number}.npz")
        again = read_stack_member(tmp_path / f"member_{number}.npz")
        assert again.population.split() == [slice(0, 4), slice(4, 8)]
    described = {"name": "both", "band": "G", "relation": "test", "stack": settings}
    card = make_stack_card(out_of_fold, development, fits, **described, seed=1)
    assert (card["band"], card["stack"]["bands"]) == ("G", ["G", "BP"])
    write_card(card, tmp_path / "card.json")
    with pytest.raises(ValueError, match=r"reads BP beside G, .* of mine .* shape_bands: \[BP\]"):
        predict_stars(tmp_path, fits, folded, sample="mine")
    whole = predict_stars(tmp_path, fits, folded, others=others).set_index("star_id")
    lacking = others[others["star_id"] != "s7"]
    values = predict_stars(tmp_path, fits, folded, others=lacking).set_index("star_id")
    assert "no points in BP" in values["reason"]["s7"] or values["status"]["s7"] != "ok"
    rest = values.index != "s7"
    pd.testing.assert_frame_equal(values[rest], whole[rest], check_exact=True)
    assert abs(values["feh"]["s7"] - whole["feh"]["s7"]) < 3 * values["feh_err_model"]["s7"]
    error = root_mean_squared_error(out_of_fold["feh"], out_of_fold["support_vectors"])
    assert error < 0.6 * development["feh"].std()
