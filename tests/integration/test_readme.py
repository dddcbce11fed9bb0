"""Every command of the README and of the documentation does what it says.

Commands are run, or planned by a dry run if they take long or need a cluster, or, of programs with
options of their own, asked for their help.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib import pyplot

import metalyra
from testbench.simulate import simulate_stars, simulate_survey
from tests.integration.conftest import ROOT, Project

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BY_READER = {"source", "for", "done", "pre-commit", "conda", "docker", "apptainer"}
"""What is done by the reader's shell, or with a program of the reader's own."""


def find_commands(page: Path) -> list[str]:
    """Return the lines of the blocks of shell commands of a page, without comments."""
    return [
        re.sub(r"\s+#\s.*", "", command).strip()
        for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
        for command in block.replace("\\\n", " ").strip().splitlines()
    ]


def split_command(command: str) -> tuple[dict[str, str], str, list[str]]:
    """Return the variables, the program and the arguments of a command.

    A ``<name>`` that the reader chooses is called so.
    """
    words = shlex.split(re.sub(r"<(\w+)>", r"\1", command))
    count = next(k for k, word in enumerate(words) if not re.match(r"[A-Z_]+=", word))
    variables = dict(word.split("=", 1) for word in words[:count])
    return variables, words[count], words[count + 1 :]


COMMANDS = list(dict.fromkeys(command for page in PAGES for command in find_commands(page)))


def by(program: str) -> list[str]:
    return [command for command in COMMANDS if split_command(command)[1] == program]


CALLS = [
    block
    for page in PAGES
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    if "import metalyra" in block
]


def test_there_are_commands():
    programs = {split_command(command)[1] for command in COMMANDS}
    assert programs == {"make", "snakemake", "metalyra", "python", *BY_READER}
    assert len(find_commands(ROOT / "README.md")) >= 4
    assert len(by("snakemake")) >= 20
    assert len(CALLS) == 2


@pytest.mark.parametrize("command", by("make"))
def test_make_knows_its_targets(command):
    subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("command", by("python"))
def test_programs_say_what_they_take(command):
    """They are asked for their help, which names each option of the command."""
    variables, _, arguments = split_command(command)
    assert arguments[0] == "-m"
    options = [word for word in arguments if word.startswith("--")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), **variables}
    asked = [sys.executable, "-m", arguments[1], "--help"]
    done = subprocess.run(asked, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [option for option in options if option not in done.stdout] == []


def test_benchmarks_that_pages_name_are_there():
    pages = [*PAGES, ROOT / "benchmarks/README.md"]
    names = {
        name
        for page in pages
        for name in re.findall(r"python -m (benchmarks(?:\.\w+)+)", page.read_text())
    }
    assert len(names) >= 20
    assert [name for name in sorted(names) if find_spec(name) is None] == []


def test_own_stars_get_metallicities(demo, mirror):
    [command] = [line for line in find_commands(ROOT / "README.md") if "config/apply.yaml" in line]
    curves = demo.path("curves")
    curves.mkdir()
    points = pd.read_parquet(demo.path("results/demo/light_curves/gaia_dr2_g/0.parquet"))
    stars = pd.read_parquet(demo.path("results/demo/matched/gaia_dr2_g.parquet"))
    stars = stars[stars["star_id"].isin(points["star_id"]) & (stars["status"] == "ok")].head(2)
    stars[["star_id", "period"]].to_csv(demo.path("stars.csv"), index=False)
    for star_id, rows in points[points["star_id"].isin(stars["star_id"])].groupby("star_id"):
        rows[["time", "mag", "mag_err"]].to_csv(curves / f"{star_id}.csv", index=False)
    demo.run(*split_command(command)[2], METALYRA_MIRROR=str(mirror))
    table = pd.read_csv(demo.path("metallicities.csv"), dtype={"star_id": str})
    assert table["star_id"].to_list() == stars["star_id"].to_list()
    assert (table["status"] == "ok").all()
    model = re.search(r"model=(\w+)", command)[1]
    if model in metalyra.models()["name"].tolist():
        called = metalyra.predict(demo.path("stars.csv"), curves, model=model, band="G")
        assert called["feh"].tolist() == table["feh"].tolist()
        assert called["feh_err"].tolist() == table["feh_err"].tolist()


@pytest.fixture(scope="module")
def project(new_project) -> Project:
    """A copy of the project with stars.csv and curves/, whose stars have spectra."""
    project = new_project()
    survey = simulate_survey({"n_rrab": 4, "n_rrc": 1, "labelled": 0.75}, seed=1)
    survey.stars.to_csv(project.path("stars.csv"), index=False)
    project.path("metalyra.sif").touch()
    project.path("curves").mkdir()
    for star_id, points in survey.light_curves.groupby("star_id"):
        points.drop(columns="star_id").to_csv(project.path(f"curves/{star_id}.csv"), index=False)
    return project


def plan_together(commands: list[str]) -> dict[tuple[str, ...], list[str]]:
    """Return the targets of the commands that are otherwise the same, by their options.

    The variables of a command are among its options; those without a target have the default.
    """
    together: dict[tuple[str, ...], list[str]] = {}
    for command in commands:
        variables, _, words = split_command(command)
        cores = words.index("--cores") if "--cores" in words else len(words)
        words = words[:cores] + words[cores + 2 :]
        count = next(k for k, word in enumerate(words) if word.startswith("-"))
        options = (*(f"{name}={value}" for name, value in variables.items()), *words[count:])
        together.setdefault(options, []).append(words[:count] or ["study"])
    return {
        options: list(dict.fromkeys(target for targets in several for target in targets))
        for options, several in together.items()
    }


PLANS = plan_together(by("snakemake"))


@pytest.mark.parametrize("options", PLANS, ids=" ".join)
def test_the_workflow_can_plan_them(project, mirror, options):
    """Other tests run the studies on small samples: tests/integration/test_*.py."""
    if {"conda", "--use-conda"} & {*options} and shutil.which("conda") is None:
        pytest.skip("conda is not installed here")
    if "apptainer" in options and not (shutil.which("apptainer") or shutil.which("singularity")):
        pytest.skip("Apptainer is not installed here")
    variables, first, rest = split_command(shlex.join(options))
    # DR4 is in no mirror.
    if "release=dr4" not in options:
        variables = {"METALYRA_MIRROR": str(mirror), **variables}
    arguments = [*PLANS[options], first, *rest, "--cores", "1", "--dry-run"]
    output = project.run(*arguments, **variables)
    assert "Job stats:" in output or "conda" in output
    if "config/own_survey.yaml" in options:
        assert "Calibrating the relation own_relation" in output
        assert "metallicities.csv" in output


@pytest.fixture
def curve(tmp_path) -> pd.DataFrame:
    """The light curve of the star with the period of the pages, also in rr_lyrae.csv."""
    curve = simulate_stars(1, seed=8, n_epochs=50)[1].query("band == 'G'")
    curve[["time", "mag", "mag_err"]].to_csv(tmp_path / "rr_lyrae.csv", index=False)
    return curve


@pytest.mark.parametrize("command", by("metalyra"))
def test_the_command_does_what_it_says(command, curve, tmp_path):
    """As a module, for the script is that of another installation."""
    program = [sys.executable, "-m", "metalyra", *split_command(command)[2]]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "metalyra_g" in done.stdout
    if "--figure" in command:
        assert "status     ok" in done.stdout
        assert (tmp_path / "rr_lyrae.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("block", CALLS, ids=lambda block: f"{block.count(chr(10))} lines")
def test_the_calls_do_what_they_say(block, curve):
    stars, light_curves = simulate_stars(3, seed=5, n_epochs=60)
    given = {name: curve[name].to_numpy() for name in ("time", "mag", "mag_err")}
    names: dict[str, Any] = {**given, "stars": stars, "light_curves": light_curves}
    exec(block, names)
    assert names["star"].status == "ok"
    if "table" in names:
        assert names["table"]["star_id"].tolist() == stars["star_id"].tolist()
        assert (names["table"]["status"] == "ok").all()
    pyplot.close("all")
