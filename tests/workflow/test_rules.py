"""The workflow's files: rules, environments, profiles."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from metalyra.core.fingerprints import find_module, trace_imports

ROOT = Path(__file__).parents[2]
RULE_FILES = sorted((ROOT / "workflow/rules").glob("*.smk"))
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
PROFILES = sorted((ROOT / "workflow/profiles").glob("*/profile.v9+.yaml"))
OURS = {"metalyra", "testbench", "snakemake"}
MODULES = {"job", "stage_tables"}  # of workflow/scripts; the others are scripts of rules
DEFINITIONS = (ast.FunctionDef, ast.ClassDef, ast.Lambda)
DIRECTIVES = ("output", "log", "benchmark", "threads", "resources", "conda", "message", "script")


PACKAGES = {
    "annotated_types": "annotated-types",
    "astropy_healpix": "astropy-healpix",
    "yaml": "pyyaml",
    "sklearn": "scikit-learn",
    "lazy_loader": "lazy-loader",
}
"""Packages that are imported by another name."""


def rules() -> dict[str, str]:
    """Return the text of every rule by its place."""
    found = {}
    for path in RULE_FILES:
        parts = re.split(r"^( *)rule\b(.*):$", path.read_text(), flags=re.MULTILINE)
        for number, (name, text) in enumerate(zip(parts[2::3], parts[3::3], strict=True)):
            found[f"{path.stem}:{name.strip() or number}"] = text
    return found


def locked_versions(python: tuple[int, int]) -> dict[str, str]:
    """Return the versions of requirements.txt that are for a Python version."""
    versions = {}
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        match = re.match(r"([a-z0-9._-]+)==([^ ;]+)(?: ; (.*?))? \\$", line)
        if match:
            name, version, marker = match.groups()
            bound = re.fullmatch(r"python_full_version (<|>=) '3\.(\d+)'", marker or "")
            if bound and (python < (3, int(bound[2]))) != (bound[1] == "<"):
                continue
            versions[name] = version
    return versions


@pytest.mark.parametrize("rule", rules())
def test_every_rule_has_what_a_user_and_a_cluster_need(rule):
    text = rules()[rule]
    for directive in DIRECTIVES:
        assert re.search(rf"^ +{directive}:$|^ +{directive}: \S", text, re.MULTILINE), directive
    for resource in ("mem_mb=", "runtime="):
        assert resource in text


@pytest.mark.parametrize("rule", rules())
def test_every_rule_has_a_script_and_an_environment_of_its_own(rule):
    for name in re.findall(r'"\.\./(scripts/\w+\.py)"', rules()[rule]):
        assert (ROOT / "workflow" / name).is_file()
    for name in re.findall(r'"\.\./\.\./(envs/\w+\.yaml)"', rules()[rule]):
        assert (ROOT / name).is_file()


def test_no_script_and_no_environment_is_left_over():
    text = "\n".join(rules().values())
    scripts = {path.stem for path in (ROOT / "workflow/scripts").glob("*.py")} - MODULES
    assert {name for name in scripts if f"scripts/{name}.py" not in text} == set()
    assert {path.name for path in ENVIRONMENTS if f"envs/{path.name}" not in text} == set()


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_the_pins_of_an_environment_are_those_of_the_lock(path):
    environment = yaml.safe_load(path.read_text())
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    (_, python), *pins = [entry.split("=") for entry in environment["dependencies"]]
    locked = locked_versions(tuple(int(part) for part in python.split(".")))
    assert pins
    for name, version in pins:
        assert version == locked[name.removesuffix("-base")], name


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_an_environment_has_what_its_scripts_import(path):
    environment = yaml.safe_load(path.read_text())
    names = {entry.split("=")[0].removesuffix("-base") for entry in environment["dependencies"]}
    scripts = {
        name
        for text in rules().values()
        if f"envs/{path.name}" in text
        for name in re.findall(r'"\.\./scripts/(\w+)\.py"', text)
    }
    imported = third_party_imports(scripts)
    assert imported - names == set()


def third_party_imports(scripts: set[str]) -> set[str]:
    """Return the packages that scripts need, with all of the library that they import."""
    found = set()
    for module in trace_imports(*(f"{script}.py" for script in scripts)):
        for node in ast.walk(ast.parse(find_module(module).read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module]
            else:
                continue
            for top in {name.partition(".")[0] for name in names}:
                if top not in sys.stdlib_module_names | MODULES | OURS:
                    found.add(PACKAGES.get(top, top))
    return found


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.parent.name)
def test_a_killed_run_starts_again_with_any_profile(path):
    profile = yaml.safe_load(path.read_text())
    assert profile["nolock"]
    assert profile["rerun-incomplete"]


def test_the_default_profile_is_where_snakemake_looks_for_it():
    assert (ROOT / "profiles/default/profile.v9+.yaml").is_file()


def test_the_slurm_profile_names_rules_that_exist():
    profile = yaml.safe_load((ROOT / "workflow/profiles/slurm/profile.v9+.yaml").read_text())
    names = {place.partition(":")[2] for place in rules()}
    assert set(profile["slurm-array-jobs"].split(", ")) <= names
    assert set(profile["set-resources"]) <= names


def test_the_lock_holds_hashes_and_no_index_addresses():
    text = (ROOT / "requirements.txt").read_text()
    assert "://" not in text
    requirements = re.findall(r"^[a-z0-9._-]+==", text, re.MULTILINE)
    hashed = re.findall(r"^[a-z0-9._-]+==[^\n]* \\\n +--hash=sha256:", text, re.MULTILINE)
    assert len(requirements) == len(hashed) > 50


def test_every_requirement_is_locked():
    locked = locked_versions((3, 11))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for group in (project["dependencies"], *project["optional-dependencies"].values()):
        for requirement in group:
            assert re.split(r"[\[<>=]", requirement)[0].lower() in locked


def test_scripts_define_nothing():
    """What is worth a function is worth a place in the library."""
    for path in (ROOT / "workflow/scripts").glob("*.py"):
        if path.stem not in MODULES:
            defined = [
                node
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, DEFINITIONS)
            ]
            assert not defined, path.name
