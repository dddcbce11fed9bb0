import json
import shutil
import tarfile
from collections.abc import Collection
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

from metalyra.predict.cards import read_card
from metalyra.predict.networks import predict_metallicities
from metalyra.predict.prediction import quality_cuts
from metalyra.predict.published import convert_published_model
from metalyra.predict.uncertainty import LEVELS
from metalyra.train.networks import complete_network
from metalyra.train.published import (
    PREDICTED,
    load_published_network,
    read_architecture,
    read_published_predictions,
    read_training_stars,
    read_weights,
)
from metalyra.train.sequences import make_sequences
from metalyra.train.training_set import read_training_set
from tests.papers import DEKANY_GREBEL_2022

ROOT = Path(__file__).parents[2]

# Keras 3 copies TensorFlow's arrays as NumPy 1 did.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RECIPES = {
    "g": {"recipe": "dg22", "excess": "truncate"},
    "k": {"recipe": "dg22", "max_phase": 1.2, "bins": 60},
}

TABLE_5 = {
    "7": (-1.27, 0.07),
    "27": (-0.40, 0.05),
    "36": (-1.48, 0.05),
    "64": (-1.81, 0.12),
    "108": (-1.30, 0.02),
}
"""[Fe/H] and its spread: the first rows of Dékány & Grebel (2022), Table 5."""


@pytest.fixture(scope="module")
def release(mirror) -> Path:
    return mirror / "dekany_grebel_2022"


@pytest.fixture(scope="module")
def best_model_g(release) -> Path:
    return release / "results_g/best_model_g"


def read_folded(path: Path, names: Collection[str]) -> pd.DataFrame:
    """Read the light curves of some stars of the release."""
    curves = []
    with tarfile.open(path) as archive:
        for member in archive:
            name = Path(member.name).name.removesuffix("_bin.dat")
            if name in names:
                phase, mag = np.loadtxt(archive.extractfile(member), unpack=True)
                curve = pd.DataFrame({"star_id": name, "phase": phase, "mag": mag, "kept": True})
                curves.append(curve[phase < 1])
    return pd.concat(curves, ignore_index=True)


def convert(release: Path, band: str, destination: Path, members: int = 10) -> None:
    convert_published_model(
        release / f"results_{band}/best_model_{band}",
        destination,
        name=f"dg22_{band}",
        band=band,
        relation="dekany2021",
        sequence=RECIPES[band],
        members=members,
    )


def test_ks_networks_give_the_first_rows_of_table_5(release, tmp_path):
    lines = (release / "inner_bulge_new_rrab.dat").read_text().splitlines()
    rows = [line.split() for line in lines if not line.startswith("#")]
    stars = {row[0]: (row[1], float(row[4])) for row in rows if row[1] in TABLE_5}
    fits = pd.DataFrame(
        {"star_id": list(stars), "period": [period for _, period in stars.values()], "status": "ok"}
    )
    folded = read_folded(release / "lc_target_k.tar.gz", stars)
    convert(release, "k", tmp_path)
    predictions = predict_metallicities(tmp_path, *make_sequences(fits, folded, RECIPES["k"]))
    rounded = {
        stars[row.star_id][0]: (round(row.feh, 2), round(row.feh_std, 2))
        for row in predictions.itertuples()
    }
    assert rounded == TABLE_5


def test_g_networks_give_the_published_predictions_of_their_own_fold(release, tmp_path):
    published = pd.read_csv(
        release / "results_g/best_model_g/published_val_predictions.csv", dtype={"id": str}
    ).set_index("id")
    stars = pd.read_csv(release / "g_dev_reconstructed.csv", dtype={"id": str})
    stars = stars.rename(columns={"id": "star_id"}).assign(status="ok")
    folded = read_folded(release / "lc_dev_g.tar.gz", set(stars["star_id"]))
    counts = folded.groupby("star_id").size()
    # Some of each fold, and all whose light curves the published recipe truncated.
    chosen = (stars.index % 12 == 0) | stars["star_id"].isin(counts.index[counts > 80])
    stars = stars[chosen].reset_index(drop=True)
    assert (counts[stars["star_id"]] > 80).sum() == 10
    convert(release, "g", tmp_path)
    predictions = predict_metallicities(tmp_path, *make_sequences(stars, folded, RECIPES["g"]))
    own_fold = predictions[[f"member_{fold}" for fold in range(8)]].to_numpy()[
        np.arange(len(stars)), stars["fold"]
    ]
    expected = published.loc[stars["star_id"], "published_val_pred"].to_numpy()
    np.testing.assert_allclose(own_fold, expected, rtol=0, atol=2e-6)


def test_the_card_says_what_was_read(release, best_model_g, tmp_path):
    convert(release, "g", tmp_path, members=2)
    card = read_card(tmp_path)
    assert card["network"] == complete_network(DEKANY_GREBEL_2022["G"])
    assert card["members"] == [0, 1]
    sums = dict(
        reversed(line.split(maxsplit=1))
        for line in (release.parent / "SHA256SUMS").read_text().splitlines()
    )
    published = f"{best_model_g.relative_to(release.parent)}/weights_1.h5"
    (known,) = [sha256 for path, sha256 in sums.items() if path.lstrip("*./") == published]
    assert card["provenance"]["sha256"]["weights_1.h5"] == known


def test_conversion_gives_the_same_bytes_each_time(release, tmp_path):
    for name in ("a", "b"):
        convert(release, "g", tmp_path / name, members=1)
    for name in ("card.json", "member_0.keras"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def architecture(*layers: tuple[str, dict]) -> str:
    return json.dumps(
        {"config": {"layers": [{"class_name": kind, "config": config} for kind, config in layers]}}
    )


def lstm(units: int, l1: float = 1e-6) -> tuple[str, dict]:
    regularizer = {"config": {"l1": l1}}
    config = {"units": units, "recurrent_regularizer": regularizer}
    return "Bidirectional", {"layer": {"config": config}}


HEAD = ("Dense", {"units": 1})


def test_any_number_of_layers_is_read(tmp_path):
    layers = [lstm(4), ("Dropout", {"rate": 0.2}), lstm(8), ("Dropout", {"rate": 0.2})]
    (tmp_path / "model.json").write_text(architecture(("InputLayer", {}), *layers, HEAD))
    assert read_architecture(tmp_path / "model.json") == {
        "kind": "bilstm",
        "units": [4, 8],
        "recurrent_l1": 1e-6,
        "dropout": 0.2,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "does not describe"),
        ("[]", "does not describe"),
        ('{"config": {}}', "does not describe"),
        (architecture(("Lambda", {"function": "x"}), HEAD), "other layers: Lambda, Dense"),
        (architecture(lstm(4), HEAD), "other layers"),
        (
            architecture(lstm(4), ("Dropout", {"rate": 0.1}), ("Dense", {"units": 2})),
            "other layers",
        ),
        (
            architecture(
                lstm(4), ("Dropout", {"rate": 0.1}), lstm(4), ("Dropout", {"rate": 0.2}), HEAD
            ),
            "differ in dropout",
        ),
    ],
)
def test_other_architectures_are_refused(tmp_path, text, message):
    path = tmp_path / "model.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as problem:
        read_architecture(path)
    assert str(path) in str(problem.value)


def test_weights_of_another_architecture_are_refused(best_model_g):
    config = read_architecture(best_model_g / "model.json") | {"units": [32, 32]}
    with pytest.raises(ValueError, match=r"weights_0\.h5 do not fit"):
        load_published_network(config, best_model_g / "weights_0.h5", 80, 2)
    config = config | {"units": [16]}
    with pytest.raises(ValueError, match=r"weights_0\.h5 do not fit"):
        load_published_network(config, best_model_g / "weights_0.h5", 80, 2)


def test_a_corrupt_weights_file_is_named(best_model_g, tmp_path):
    path = tmp_path / "weights_0.h5"
    shutil.copy(best_model_g / "weights_0.h5", path)
    with path.open("r+b") as file:
        file.truncate(20_000)
    with pytest.raises(ValueError, match=r"weights_0\.h5 cannot be read"):
        read_weights(path)


def test_only_plain_arrays_are_read(tmp_path):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["kernel"] = np.ones(3)
    with h5py.File(tmp_path / "links.h5", "w") as file:
        file["bias"] = np.zeros(2)
        file["external"] = h5py.ExternalLink(str(secret), "/kernel")
        file["soft"] = h5py.SoftLink("/bias")
    assert list(read_weights(tmp_path / "links.h5")) == ["bias"]

    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        layout = h5py.VirtualLayout((3,), dtype=float)
        layout[:] = h5py.VirtualSource(str(secret), "kernel", (3,))
        file.create_virtual_dataset("kernel", layout)
    with h5py.File(tmp_path / "outside.h5", "w") as file:
        file.create_dataset("kernel", (8,), "f4", external=[(str(secret), 0, 32)])
    with h5py.File(tmp_path / "text.h5", "w") as file:
        file["kernel"] = "text"
    for name in ("virtual", "outside", "text"):
        with pytest.raises(ValueError, match="kernel is not a plain array"):
            read_weights(tmp_path / f"{name}.h5")


def test_huge_arrays_are_not_read(tmp_path):
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_dataset("kernel", (10**10,), "f4", chunks=(10**6,), compression="gzip")
    with pytest.raises(ValueError, match="kernel is larger than"):
        read_weights(tmp_path / "huge.h5")


def test_published_networks_know_their_training_set_and_errors(release, tmp_path):
    folder = "dekany_grebel_2022/results_g/best_model_g"
    known = yaml.safe_load((ROOT / "resources/published_models.yaml").read_text())[folder]
    stars = read_training_stars(release / "g_dev_reconstructed.csv")
    assert len(stars) == 3567
    convert_published_model(
        release / "results_g/best_model_g",
        tmp_path,
        name="dg22_g",
        band="G",
        relation="dekany2021",
        sequence=RECIPES["g"],
        members=2,
        known=known,
        training_stars=stars,
    )
    card = read_card(tmp_path)
    assert quality_cuts(card) == known["cuts"]
    assert card["domain"]["ranges"] == known["ranges"]
    assert card["calibration"] == known["calibration"]
    assert read_training_set(tmp_path)["star_id"].tolist() == stars["star_id"].tolist()


def test_the_errors_of_published_networks_are_those_of_their_published_predictions(release):
    known = yaml.safe_load((ROOT / "resources/published_models.yaml").read_text())
    table = pd.read_csv(release / "results_g/best_model_g/published_val_predictions.csv")
    residuals = np.abs(table["published_val_pred"] - table["FeH"])
    calibration = known["dekany_grebel_2022/results_g/best_model_g"]["calibration"]
    for level, quantile in zip(LEVELS, calibration["quantiles"], strict=True):
        assert (residuals <= calibration["floor"] * quantile).mean() == pytest.approx(
            level, abs=0.002
        )


def test_a_table_of_training_stars_without_folds_is_named(tmp_path):
    (tmp_path / "stars.csv").write_text("id,period\n1,0.5\n")
    with pytest.raises(ValueError, match=r"stars\.csv has no column fold"):
        read_training_stars(tmp_path / "stars.csv")


def test_published_predictions_of_both_formats_are_read(release):
    [path] = (release / "results_k/best_model_k").glob("predict_val_*.dat")
    ks = read_published_predictions(path)
    assert list(ks) == list(PREDICTED)
    assert ks.iloc[0][["star_id", "fold", "feh", "feh_predicted"]].tolist() == [
        *("b65215", 0, -1.246, -1.2549)
    ]
    assert (len(ks), ks["fold"].nunique(), ks["star_id"].nunique()) == (7534, 10, 7534)
    g = read_published_predictions(release / "results_g/best_model_g/published_val_predictions.csv")
    assert g["star_id"][0] == "5968634897855209344"
    assert (len(g), g["fold"].max()) == (3567, 7)
    assert ks["feh_err"].isna().all()
    assert g["feh_err"].isna().all()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.dat", ""),
        ("a.dat", "b1 0 -1.4\n"),
        ("a.dat", "b1 0 -1.4 faint\n"),
        ("a.dat", "b1 0 -1.4 nan\n"),
        ("a.csv", "id,fold,FeH\nb1,0,-1.4\n"),
    ],
)
def test_a_file_that_has_no_predictions_is_refused_by_name(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=r"a\.(dat|csv): no "):
        read_published_predictions(tmp_path / name)
