"""The models that the library comes with, in a fresh copy of the project."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.apply import apply

from metalyra.predict.shipped import SHIPPED_MODELS, list_models


@pytest.mark.parametrize(
    "name", [path.parent.name for path in sorted(SHIPPED_MODELS.glob("*/card.json"))]
)
def test_a_model_is_applied_without_network_and_mirror(tmp_path, name):
    model = list_models().set_index("name", drop=False).loc[name]
    _, cpu, table = apply(tmp_path, model, stars=40, cores=2)
    assert table["star_id"].tolist() == [f"star_{number:03}" for number in range(40)]
    assert (table["status"] == "ok").sum() > 20
    assert table.loc[table["status"] == "ok", "feh"].between(-3, 0.5).all()
    assert (table.loc[table["status"] == "ok", "feh_err"] > 0.05).all()
    assert (table["relation"] == model["relation"]).all()
    assert cpu < 120  # so that 500 stars take less than a minute on two cores: benchmarks.apply


@pytest.mark.study
def test_a_model_is_made_again_to_the_byte(new_project, mirror):
    """The smallest; `make models` makes them all. Another processor rounds in another way."""
    project = new_project()
    folder = project.path("resources/models/metalyra_i")
    shipped = read_folder(folder)

    def make() -> dict[str, bytes]:
        for path in folder.iterdir():
            path.unlink()
        shutil.rmtree(project.path("results/models/models"), ignore_errors=True)
        project.run(
            *("resources/models/metalyra_i/SHA256SUMS", "--cores", "2"),
            *("--configfile", "config/models.yaml"),
            METALYRA_MIRROR=str(mirror),
        )
        return read_folder(folder)

    made = make()
    assert made.keys() == shipped.keys()
    assert make() == made
    for name in made:
        if name.endswith(".npz"):
            arrays, expected = (np.load(io.BytesIO(files[name])) for files in (made, shipped))
            assert arrays.files == expected.files
            for key in arrays.files:
                np.testing.assert_allclose(arrays[key], expected[key], rtol=1e-6, atol=1e-8)
    cards = [json.loads(files["card.json"]) for files in (made, shipped)]
    assert cards[0]["metrics"]["union"] == pytest.approx(cards[1]["metrics"]["union"], rel=1e-6)
    stars = pd.read_parquet(folder / "training_set.parquet")
    pd.testing.assert_frame_equal(
        stars, pd.read_parquet(io.BytesIO(shipped["training_set.parquet"]))
    )
    assert stars["star_id"].is_unique


def read_folder(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
