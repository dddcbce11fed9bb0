"""The workflow's files: rules, environments, profiles."""

import ast
import inspect
import re
import sys
import tomllib
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from snakemake.io import is_flagged

from metalyra.core.fingerprints import find_module, fingerprint, trace_imports
from metalyra.products import declared_figures
from metalyra.study import Study
from tests.workflow.parsing import ROOT, parse_workflow

SURVEYS = sorted((ROOT / "workflow/metalyra/surveys").glob("*.py"))
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
PROFILES = sorted((ROOT / "workflow/profiles").glob("*/profile.v9+.yaml"))
OURS = {"metalyra", "testbench", "snakemake"}
MODULES = {
    "job",
    "stage_tables",
    "compared_sides",
}  # of workflow/scripts; the others are scripts of rules
DEFINITIONS = (ast.FunctionDef, ast.ClassDef, ast.Lambda)
OWN_STARS = {
    "stars": "stars.csv",
    "lightcurves": "curves.csv",
    "model": "dg22_g",
    "band": "G",
    "output": "feh.csv",
    "periods": "find",
    "period_bands": ["BP"],
    "shape_bands": ["BP", "RP"],
}
STUDIES = {"config": {}, "dg22": {}, "models": {}, "apply": OWN_STARS, "own_survey": {}}
"""Studies that together have every rule: of a simulated sky, of the archives, of what is shipped,
of own stars with their periods to find, of own labels."""

COMPUTING_NOTHING = {"publish_member", "take_from_batch"}
"""Rules that copy files: they have a command and no script."""

LOOKING_OUTSIDE = {"acquire", "sources", "queries", "check_release"}
"""Rules that do not run again when their code changes: what is outside is as it was."""

PACKAGES = {
    "annotated_types": "annotated-types",
    "astropy_healpix": "astropy-healpix",
    "yaml": "pyyaml",
    "sklearn": "scikit-learn",
    "lazy_loader": "lazy-loader",
}
"""Packages that are imported by another name."""


@pytest.fixture(scope="module")
def workflows(tmp_path_factory):
    """The studies, as Snakemake reads them."""
    with ExitStack() as stack:
        parsed = []
        for name, keys in STUDIES.items():
            folder = tmp_path_factory.mktemp(name)
            (folder / "stars.csv").write_text("star_id,period\na,0.5\n")
            (folder / "curves.csv").write_text("star_id,time,mag\na,1.0,15.0\n")
            study = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())
            paths = {key: str(folder / keys[key]) for key in ("stars", "lightcurves") if keys}
            workflow = parse_workflow({**study, **keys, **paths}, folder)
            parsed.append(stack.enter_context(workflow))
        yield parsed


@pytest.fixture(scope="module")
def rules(workflows):
    """The rules that make something, of all studies."""
    return [rule for workflow in workflows for rule in workflow.rules if not rule.norun]


def place(rule, path: str) -> Path:
    """Return the file that a rule names."""
    return (Path(rule.basedir) / path).resolve()


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


def test_the_studies_have_every_rule(workflows):
    files = {Path(rule.snakefile).name for workflow in workflows for rule in workflow.rules}
    with_rules = {path.name for path in (ROOT / "workflow/rules").glob("*.smk")}
    assert with_rules - files == {"common.smk", "figure_paths.smk", "report.smk", "runs.smk"}
    names = {rule.name for workflow in workflows for rule in workflow.rules}
    assert {"study", "all", "simulate", "acquire", "own_stars"} <= names


@pytest.mark.parametrize("directive", ["output", "log", "benchmark", "conda_env", "message"])
def test_every_rule_has_what_a_user_and_a_cluster_need(rules, directive):
    assert len(rules) > 80
    assert {rule.name for rule in rules if not getattr(rule, directive)} == set()


@pytest.mark.parametrize("resource", ["mem_mb", "runtime", "_cores"])
def test_every_rule_says_what_it_takes(rules, resource):
    assert {rule.name for rule in rules if resource not in dict(rule.resources.items())} == set()


def test_every_rule_has_a_script_and_an_environment(rules):
    for rule in rules:
        assert place(rule, rule.conda_env) in ENVIRONMENTS, rule.name
        if rule.name in COMPUTING_NOTHING:
            assert rule.is_shell
        else:
            assert place(rule, rule.script).parent == ROOT / "workflow/scripts", rule.name
            assert place(rule, rule.script).is_file(), rule.name


def test_no_script_and_no_environment_is_left_over(rules):
    scripts = {path.stem for path in (ROOT / "workflow/scripts").glob("*.py")} - MODULES
    assert scripts - {Path(rule.script).stem for rule in rules if rule.is_script} == set()
    used = {place(rule, rule.conda_env) for rule in rules}
    assert set(ENVIRONMENTS) - used == set()


def test_every_rule_runs_again_when_its_own_code_changes(rules):
    """The parameter is of the rule's own script, with the survey that it finds by its name."""
    without = {rule.name for rule in rules if "library" not in dict(rule.params.items())}
    assert without == COMPUTING_NOTHING | LOOKING_OUTSIDE
    surveys = [f"metalyra.surveys.{path.stem}" for path in SURVEYS]
    for rule in rules:
        if rule.name not in without:
            script = Path(rule.script).name
            expected = {fingerprint(script)}
            if script in ("ingest.py", "ingest_other_bands.py", "own_stars.py"):
                expected = {fingerprint(script, survey) for survey in surveys}
            elif script == "figure.py":
                figure = rule.name.removeprefix("figure_")
                expected = {fingerprint(script, declared_figures()[figure].module)}
            if callable(rule.params.library):
                # Of one model or table, which may have modules of its own besides.
                assert inspect.getclosurevars(rule.params.library).nonlocals["script"] == script
            else:
                assert rule.params.library in expected, rule.name


def test_rules_have_the_same_names_in_every_study(workflows):
    """So that a profile can address them; but every sample is ingested by a rule of its own,
    and every shipped model written."""
    own = ["sources.smk", "catalogue.smk", "figures.smk", "ingest.smk", "ship.smk"]
    names = [
        {rule.name for rule in workflow.rules if Path(rule.snakefile).name not in own}
        for workflow in workflows
    ]
    assert names[0] == names[1] == names[2]


def test_what_has_a_caption_has_one_that_exists(rules):
    captions = [
        (rule, file.flags["report"].caption)
        for rule in rules
        for file in rule.output
        if is_flagged(file, "report")
    ]
    assert len(captions) > 20
    for rule, caption in captions:
        assert Path(str(caption)).is_file() or place(rule, str(caption)).is_file(), rule.name


def test_what_needs_the_network_stays_where_the_run_was_started(workflows):
    assert set(workflows[1]._localrules) >= LOOKING_OUTSIDE


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
def test_an_environment_has_what_its_scripts_import(rules, path):
    environment = yaml.safe_load(path.read_text())
    names = {entry.split("=")[0].removesuffix("-base") for entry in environment["dependencies"]}
    scripts = {
        Path(rule.script).stem
        for rule in rules
        if rule.is_script and place(rule, rule.conda_env) == path
    }
    assert scripts
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


def test_the_slurm_profile_names_groups_that_exist():
    profile = yaml.safe_load((ROOT / "workflow/profiles/slurm/profile.v9+.yaml").read_text())
    text = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    assert set(profile["group-components"]) == set(re.findall(r'group:\n +"(\w+)"', text))
    # Where one job of an array fails, what others have written is taken away.
    assert not [key for key in profile if "array" in key]


def test_the_figures_and_tables_of_a_study_share_a_submission(rules):
    """They take seconds, and submissions take longer."""
    files = {"figures.smk", "comparisons.smk", "cross_validation.smk"}
    drawn = [rule for rule in rules if Path(rule.snakefile).name in files]
    assert len(drawn) > 20
    assert {rule.name for rule in drawn if rule.ruleinfo.group != "figures"} == set()


@pytest.mark.parametrize("resource", ["mem_mb", "runtime"])
def test_every_attempt_of_a_job_asks_for_more(rules, resource, monkeypatch):
    monkeypatch.setattr(Study, "batches", lambda study, model: {"0_to_1": [0, 1]})
    wildcards = SimpleNamespace(model="any", batch="0_to_1")
    for rule in rules:
        asked = [rule.resources[resource].evaluate(wildcards, attempt=n).value for n in (1, 2, 3)]
        assert asked == [asked[0], 2 * asked[0], 3 * asked[0]], rule.name


def test_networks_alone_are_trained_on_the_gpus_that_a_study_asks_for(rules):
    """The key `gpu` of the configuration is the one switch."""
    trained = {rule.name for rule in rules if "gpu" in dict(rule.resources.items())}
    assert trained == {"train", "train_batch", "search_trial"}
    for path in PROFILES:
        assert "gpu" not in path.read_text(), path


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
