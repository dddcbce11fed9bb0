"""The conda environments of `envs/`: each has what its rules' scripts need, and no more."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

from tests.workflow.needs import declared_requirements, list_packages, trace_modules
from tests.workflow.parsing import ROOT, parse_workflow, place

ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
OTHERWISE_ON_CONDA = {"matplotlib-base": "matplotlib"}

each_environment = pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)


def scripts_of(rules, environment: Path) -> set[str]:
    """Return the scripts that rules run in an environment."""
    return {
        Path(rule.script).stem
        for rule in rules
        if rule.is_script and place(rule, rule.conda_env) == environment
    }


def declared(environment: Path) -> dict[str, str]:
    """Return what an environment has, by its name on PyPI, with its bounds."""
    entries = yaml.safe_load(environment.read_text())["dependencies"]
    split = [re.fullmatch(r"([a-z0-9-]+)(.*)", entry).groups() for entry in entries]
    return {OTHERWISE_ON_CONDA.get(name, name): bounds for name, bounds in split}


@each_environment
def test_an_environment_has_what_its_scripts_need_and_no_more(rules, path):
    scripts = scripts_of(rules, path)
    assert scripts
    assert set(declared(path)) - {"python"} == list_packages(trace_modules(scripts))


@each_environment
def test_the_bounds_of_an_environment_are_those_of_the_project(path):
    """The newest of the lock need not be on conda-forge yet."""
    assert yaml.safe_load(path.read_text())["channels"] == ["conda-forge", "nodefaults"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known = {**declared_requirements(), "python": project["requires-python"]}
    entries = declared(path)
    assert entries == {name: known[name] for name in entries}


def test_jobs_run_in_the_container_that_a_study_names(tmp_path):
    study = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    (tmp_path / "metalyra.sif").touch()
    named = {**study, "container": "metalyra.sif"}
    with parse_workflow(named, tmp_path, {DeploymentMethod.APPTAINER}) as workflow:
        makers = [rule for rule in workflow.rules if not rule.norun]
        assert {rule.container_img for rule in makers} == {"metalyra.sif"}
    with (
        pytest.raises(WorkflowError, match="needs the image that jobs run in"),
        parse_workflow(study, tmp_path, {DeploymentMethod.APPTAINER}),
    ):
        pass
