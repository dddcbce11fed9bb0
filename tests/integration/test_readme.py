"""Every command of the README does what it says."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from typing import Any

import pandas as pd
import pytest
from matplotlib import pyplot

import metalyra
from testbench.simulate import simulate_stars, simulate_survey
from tests.integration.conftest import ROOT

README = (ROOT / "README.md").read_text()


def find_commands(page: str) -> list[str]:
    """Return the lines of the blocks of shell commands of a page."""
    return [
        command
        for block in re.findall(r"^```sh\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
        for command in block.replace("\\\n", " ").strip().splitlines()
    ]


COMMANDS = find_commands(README)
ON_PAPERS = [
    command
    for name in ("papers", "gallery")
    for command in find_commands((ROOT / f"docs/{name}.md").read_text())
]
"""Commands of the pages on what studies of papers make."""

CALLS = [
    block
    for block in re.findall(r"^```python\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
    if "import metalyra" in block
]
EXECUTED = {"make", "source"}
"""Commands that are run by other tests, or by the reader's shell."""


def run(project, command: str, *more: str, mirror) -> str:
    program, *arguments = shlex.split(command)
    assert program == "snakemake"
    return project.run(*arguments, *more, METALYRA_MIRROR=str(mirror))


def test_there_are_commands():
    assert {shlex.split(command)[0] for command in COMMANDS} == {"snakemake", "metalyra", *EXECUTED}
    assert len(COMMANDS) >= 9


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("make ")])
def test_make_knows_its_targets(command):
    subprocess.run([*command.split(), "--dry-run"], cwd=ROOT, check=True, capture_output=True)


def test_own_stars_get_metallicities(demo, mirror):
    command = next(command for command in COMMANDS if "config/apply.yaml" in command)
    curves = demo.path("curves")
    curves.mkdir()
    points = pd.read_parquet(demo.path("results/demo/light_curves/gaia_dr2_g/0.parquet"))
    stars = pd.read_parquet(demo.path("results/demo/matched/gaia_dr2_g.parquet"))
    stars = stars[stars["star_id"].isin(points["star_id"]) & (stars["status"] == "ok")].head(2)
    stars[["star_id", "period"]].to_csv(demo.path("stars.csv"), index=False)
    for star_id, rows in points[points["star_id"].isin(stars["star_id"])].groupby("star_id"):
        rows[["time", "mag", "mag_err"]].to_csv(curves / f"{star_id}.csv", index=False)
    run(demo, command, mirror=mirror)
    table = pd.read_csv(demo.path("metallicities.csv"), dtype={"star_id": str})
    assert table["star_id"].to_list() == stars["star_id"].to_list()
    assert (table["status"] == "ok").all()
    model = re.search(r"model=(\w+)", command)[1]
    if model in metalyra.models()["name"].tolist():
        called = metalyra.predict(demo.path("stars.csv"), curves, model=model, band="G")
        assert called["feh"].tolist() == table["feh"].tolist()
        assert called["feh_err"].tolist() == table["feh_err"].tolist()


def test_own_labels_are_learnt_from(new_project, mirror):
    """Planned with two tables; tests/integration/test_own_survey.py runs it."""
    command = next(command for command in COMMANDS if "config/own_survey.yaml" in command)
    project = new_project()
    survey = simulate_survey({"n_rrab": 4, "n_rrc": 1, "labelled": 0.75}, seed=1)
    survey.stars.to_csv(project.path("stars.csv"), index=False)
    project.path("curves").mkdir()
    for star_id, points in survey.light_curves.groupby("star_id"):
        points.drop(columns="star_id").to_csv(project.path(f"curves/{star_id}.csv"), index=False)
    output = run(project, command, "--dry-run", mirror=mirror)
    assert "Calibrating the relation own_relation" in output
    assert "metallicities.csv" in output


@pytest.fixture
def curve(tmp_path) -> pd.DataFrame:
    """The light curve of the star with the period of the README, also in rr_lyrae.csv."""
    curve = simulate_stars(1, seed=8, n_epochs=50)[1].query("band == 'G'")
    curve[["time", "mag", "mag_err"]].to_csv(tmp_path / "rr_lyrae.csv", index=False)
    return curve


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("metalyra ")])
def test_the_command_does_what_it_says(command, curve, tmp_path):
    """As a module, for the script is that of another installation."""
    program = [sys.executable, "-m", "metalyra", *shlex.split(command)[1:]]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "metalyra_g" in done.stdout
    if "--figure" in command:
        assert "status     ok" in done.stdout
        assert (tmp_path / "rr_lyrae.png").read_bytes().startswith(b"\x89PNG")


def test_the_calls_do_what_they_say(curve):
    [block] = CALLS
    stars, light_curves = simulate_stars(3, seed=5, n_epochs=60)
    given = {name: curve[name].to_numpy() for name in ("time", "mag", "mag_err")}
    names: dict[str, Any] = {**given, "stars": stars, "light_curves": light_curves}
    exec(block, names)
    assert names["star"].status == "ok"
    assert names["table"]["star_id"].tolist() == stars["star_id"].tolist()
    assert (names["table"]["status"] == "ok").all()
    pyplot.close("all")


@pytest.mark.parametrize(
    "command",
    [
        *(line for line in COMMANDS if re.search("config/(dg22|dekany21|monti25).yaml", line)),
        *ON_PAPERS,
    ],
)
def test_the_studies_can_be_planned(new_project, mirror, command):
    """A dry run of what takes long, or needs a cluster or conda."""
    if "--sdm conda" in command and shutil.which("conda") is None:
        pytest.skip("conda is not installed here")
    output = run(new_project(), command, "--dry-run", mirror=mirror)
    assert "acquire" in output or "conda" in output
