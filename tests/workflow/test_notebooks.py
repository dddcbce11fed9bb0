"""The notebooks run from their first cell to their last, and are kept without outputs."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import metalyra
from metalyra.core import write_table
from testbench.simulate import simulate_stars

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))


def run(path: Path, folder: Path) -> list[dict]:
    """Run a notebook in a folder, and return what its cells have put out."""
    folder.mkdir(parents=True)
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=300, resources=where)
    # This library, whichever is installed; and no data, network or settings of the user.
    environment = {name: text for name, text in os.environ.items() if "METALYRA" not in name}
    paths = {"PYTHONPATH": str(ROOT / "workflow"), "MPLCONFIGDIR": str(folder), "MPLBACKEND": ""}
    client.execute(env=environment | paths | {"METALYRA_OFFLINE": "1"})
    return [dict(output) for cell in notebook.cells for output in cell.get("outputs", [])]


def kinds(outputs: list[dict]) -> set[str]:
    return {kind for output in outputs for kind in output.get("data", {})}


def test_there_are_three():
    assert {path.stem for path in NOTEBOOKS} == {"one_star", "your_survey", "the_catalogue"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_they_are_valid_and_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_they_run(path, tmp_path):
    outputs = run(path, tmp_path / "docs/notebooks")
    assert {"image/png", "text/html"} <= kinds(outputs)
    for output in outputs:
        assert output["output_type"] != "error"
        assert "Warning" not in output.get("text", "")


@pytest.mark.slow
def test_the_catalogue_may_be_that_of_the_demo(tmp_path):
    stars, light_curves = simulate_stars(n_rrab=20, seed=2)
    catalogue = metalyra.predict(stars, light_curves, model="metalyra_g")
    demo = tmp_path / "results/demo/catalogue"
    write_table(catalogue.assign(sample="demo"), demo / "metallicities.parquet")
    outputs = run(ROOT / "docs/notebooks/the_catalogue.ipynb", tmp_path / "docs/notebooks")
    assert "20 rows" in outputs[0]["text"]
