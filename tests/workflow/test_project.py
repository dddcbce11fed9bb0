"""What the pages and files around the library say of it."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import metalyra

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PAGES = ["CONTRIBUTING.md", "README.md", *sorted(f"docs/{p.name}" for p in ROOT.glob("docs/*.md"))]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
ROOMS = {path.parent.name for path in (ROOT / "workflow/metalyra").glob("*/__init__.py")}


def test_the_version_is_one():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    [latest, *_] = re.findall(r"^## ([0-9.]+) - ", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert citation["version"] == latest == metalyra.__version__


def test_every_python_that_is_promised_is_tested():
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())
    job = workflow["jobs"]["tests"]
    low, high = re.findall(r"3\.(\d+)", PROJECT["project"]["requires-python"])
    promised = [f"3.{minor}" for minor in range(int(low), int(high))]
    assert job["strategy"]["matrix"]["python"] == promised
    assert any(".ci/run" in step.get("run", "") for step in job["steps"])


def test_the_hooks_are_what_the_environment_has():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    lint = (ROOT / "Makefile").read_text()
    for hook in hooks:
        program = hook["entry"].split()[0].removeprefix(".venv/bin/")
        assert f"$(BIN)/{program} " in lint.replace("\n", " ")


def test_every_room_has_its_place_among_the_layers():
    [layers] = [
        contract["layers"]
        for contract in PROJECT["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]
    assert {room for layer in layers for room in re.findall(r"metalyra\.(\w+)", layer)} == ROOMS


def test_the_guide_shows_every_room():
    assert set(re.findall(r"^\| `(\w+)/` \|", CONTRIBUTING, re.M)) == ROOMS


def test_tests_are_in_the_room_of_what_they_test():
    folders = {path.parent.name for path in (ROOT / "tests").rglob("test_*.py")}
    assert folders - {"testbench", "benchmarks", "workflow", "integration", "cluster"} == ROOMS


@pytest.mark.parametrize("page", PAGES)
def test_make_has_the_targets_that_pages_name(page):
    for target in set(re.findall(r"\bmake ([a-z]+)\b(?=`|  |$)", (ROOT / page).read_text(), re.M)):
        command = ["make", target, "--dry-run"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("page", PAGES)
def test_pages_name_files_that_exist(page):
    text = (ROOT / page).read_text()
    names = re.findall(
        r"`((?:workflow|config|envs|docs|resources|tests|benchmarks)/[\w./-]+)`", text
    )
    assert [name for name in names if not (ROOT / name).exists()] == []
