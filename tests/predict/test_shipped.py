"""The models that the library comes with, and how a model becomes one of them."""

import shutil

import numpy as np
import pandas as pd
import pytest

from metalyra.core.resources import RESOURCES
from metalyra.predict.cards import read_card, write_card
from metalyra.predict.shipped import (
    SHIPPED_MODELS,
    ModelError,
    find_damage,
    list_models,
    locate_model,
    ship_model,
)
from metalyra.stack.packing import pack_arrays, unpack_arrays
from metalyra.stack.population import Population
from metalyra.stack.regressors import fit_regressor
from metalyra.stack.stacking import StackMember, read_stack_member, write_stack_member

NAMES = ("metalyra_g", "metalyra_g_rrc", "metalyra_i")


def test_the_models_are_listed_with_what_they_are_for():
    models = list_models().set_index("name")
    assert tuple(models.index) == NAMES
    assert models["band"].to_dict() == dict(zip(NAMES, "GGI", strict=True))
    assert models["pulsation_type"].to_list() == ["RRab", "RRc", "RRab"]
    assert (models["n_stars"] > 50).all()
    assert models["rmse"].between(0.02, 0.25).all()
    assert models["description"].str.len().min() > 100
    for name, folder in models["folder"].items():
        assert locate_model(name) == locate_model(folder) == SHIPPED_MODELS / name


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_whole_and_small(name):
    folder = SHIPPED_MODELS / name
    assert list(find_damage(folder)) == []
    members = [f"member_{member}.npz" for member in read_card(folder)["members"]]
    expected = {"card.json", "training_set.parquet", "SHA256SUMS", *members}
    assert {path.name for path in folder.iterdir()} == expected
    listed = (folder / "SHA256SUMS").read_text().split()[1::2]
    assert {*listed, "SHA256SUMS"} == expected
    assert read_card(folder)["stack"]["published"] is None


def test_all_models_together_are_small():
    assert sum(path.stat().st_size for path in SHIPPED_MODELS.rglob("*")) < 12e6
    assert SHIPPED_MODELS == RESOURCES / "models"


def test_an_unknown_model_is_named_with_those_there_are():
    known = ", ".join(NAMES)
    with pytest.raises(ModelError, match=f"'metalyra_v'.*{known}.*config/own_survey"):
        locate_model("metalyra_v")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "card.json is damaged"),
        (lambda path: path.with_name("member_3.npz").unlink(), "member_3.npz is missing"),
        (lambda path: path.with_name("SHA256SUMS").write_text("?"), "line 1 of SHA256SUMS"),
    ],
)
def test_a_damaged_model_is_refused(tmp_path, harm, message):
    folder = tmp_path / "metalyra_i"
    shutil.copytree(SHIPPED_MODELS / "metalyra_i", folder)
    harm(folder / "card.json")
    with pytest.raises(ModelError, match=f"{folder}.*{message}.*install MetaLyra again"):
        locate_model(folder)


@pytest.fixture(scope="module")
def member():
    """A member with every kind of regressor that becomes smaller."""
    random = np.random.default_rng(1)
    inputs = random.normal(size=(300, 6)) * [0.1, 1, 5, 20, 0, 0.01] + [0.5, 0, 3, -7, 2, 0]
    feh = -1.4 + 3 * (inputs[:, 0] - 0.5) + 0.2 * np.tanh(inputs[:, 1])
    kinds = {
        "support_vectors": {"relevance": True},
        "gaussian_process": {},
        "boosted_trees": {},
        "ridge": {},
    }
    regressors = {
        kind: fit_regressor({"kind": kind, **settings}, inputs, feh)
        for kind, settings in kinds.items()
    }
    population = Population(*(random.normal(size=(3, 4)) for _ in Population._fields))
    return StackMember(population, regressors, np.ones(4)), inputs


def test_a_packed_member_predicts_the_same(member, tmp_path):
    stack, inputs = member
    write_stack_member(stack, tmp_path / "plain.npz")
    write_stack_member(stack, tmp_path / "packed.npz", packed=True)
    sizes = [(tmp_path / f"{name}.npz").stat().st_size for name in ("plain", "packed")]
    assert sizes[1] < 0.5 * sizes[0]
    packed = read_stack_member(tmp_path / "packed.npz")
    for name, regressor in stack.regressors.items():
        difference = packed.regressors[name].predict(inputs) - regressor.predict(inputs)
        assert np.abs(difference).max() < 1e-4, name
    for one, other in zip(packed.population, stack.population, strict=True):
        np.testing.assert_array_equal(one, other)


def test_trees_go_the_same_way_once_they_are_packed():
    """Thresholds of single precision are not above those they stand for."""
    threshold = np.random.default_rng(2).normal(size=5000)
    name = "regressors/trees/Trees/threshold"
    packed = unpack_arrays(pack_arrays({name: threshold}))[name]
    inputs = np.nextafter(threshold.astype(np.float32), np.float32(np.inf))
    for shifted in (inputs, threshold.astype(np.float32)):
        np.testing.assert_array_equal(shifted <= packed, shifted <= threshold)


def test_what_is_shipped_has_the_same_bytes_each_time(member, tmp_path):
    stack, _ = member
    trained = tmp_path / "trained"
    trained.mkdir()
    write_card({"name": "x", "members": [0]}, trained / "card.json")
    write_stack_member(stack, trained / "member_0.npz")
    pd.DataFrame({"star_id": ["a"], "fold": [0]}).to_parquet(trained / "training_set.parquet")
    contents = []
    for folder in (tmp_path / "one", tmp_path / "other"):
        folder.mkdir()
        (folder / "member_1.npz").write_text("of an earlier model")
        ship_model(trained, folder, "A model.")
        contents.append({path.name: path.read_bytes() for path in folder.iterdir()})
        assert read_card(folder)["description"] == "A model."
        assert list(find_damage(folder)) == []
    assert contents[0] == contents[1]
    assert "member_1.npz" not in contents[0]
