"""The models that the library comes with, in a fresh copy of the project."""

import pandas as pd
import pytest
from benchmarks.apply import apply

from metalyra.predict.shipped import SHIPPED_MODELS, list_models


@pytest.mark.parametrize(
    "name", [path.parent.name for path in sorted(SHIPPED_MODELS.glob("*/card.json"))]
)
def test_a_model_is_applied_without_network_and_mirror(tmp_path, name):
    model = list_models().set_index("name", drop=False).loc[name]
    seconds, table = apply(tmp_path, model, stars=40, cores=2)
    assert table["star_id"].tolist() == [f"star_{number:03}" for number in range(40)]
    assert (table["status"] == "ok").sum() > 20
    assert table.loc[table["status"] == "ok", "feh"].between(-3, 0.5).all()
    assert (table.loc[table["status"] == "ok", "feh_err"] > 0.05).all()
    assert (table["relation"] == model["relation"]).all()
    assert seconds < 600  # for 500 stars on a quiet machine: benchmarks.apply


def test_a_model_is_made_again_to_the_byte(new_project, mirror):
    """The smallest; `make models` makes them all."""
    project = new_project()
    folder = project.path("resources/models/metalyra_i")
    shipped = {path.name: path.read_bytes() for path in folder.iterdir()}
    for path in folder.iterdir():
        path.unlink()
    project.run(
        *("resources/models/metalyra_i/SHA256SUMS", "--cores", "2"),
        *("--configfile", "config/models.yaml"),
        METALYRA_MIRROR=str(mirror),
    )
    made = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert made.keys() == shipped.keys()
    assert [name for name in made if made[name] != shipped[name]] == []
    stars = pd.read_parquet(folder / "training_set.parquet")
    assert stars["star_id"].is_unique
