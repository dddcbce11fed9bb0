"""The workflow's files: rules, environments, profiles."""

import ast
import inspect
import re
import subprocess
import tomllib
from importlib.metadata import requires, version
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from packaging.requirements import Requirement
from snakemake.io import is_flagged

from metalyra.core.fingerprints import fingerprint
from metalyra.products import declared_figures
from metalyra.study import Study
from tests.workflow.needs import locked_versions
from tests.workflow.parsing import ROOT, place

SURVEYS = sorted((ROOT / "workflow/metalyra/surveys").glob("*.py"))
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
PROFILES = sorted((ROOT / "workflow/profiles").glob("*/profile.v9+.yaml"))
MODULES = {
    "job",
    "stage_tables",
    "compared_sides",
}  # of workflow/scripts; the others are scripts of rules
DEFINITIONS = (ast.FunctionDef, ast.ClassDef, ast.Lambda)
COMPUTING_NOTHING = {"publish_member", "take_from_batch"}
"""Rules that copy files: they have a command and no script."""

LOOKING_OUTSIDE = {"acquire", "sources", "queries", "check_release"}
"""Rules that do not run again when their code changes: what is outside is as it was."""


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
    page = (ROOT / "docs/cluster.md").read_text()
    told = re.findall(r"^group-components: (\{.*\})$", page, re.MULTILINE)
    assert [yaml.safe_load(text) for text in told] == 2 * [profile["group-components"]]


def test_the_figures_and_tables_of_a_study_are_not_submitted(rules):
    """They take seconds, and on a cluster each would take Snakemake's start besides."""
    files = {"figures.smk", "comparisons.smk", "cross_validation.smk"}
    drawn = [rule for rule in rules if Path(rule.snakefile).name in files]
    assert len(drawn) > 20
    assert {rule.name for rule in drawn if not rule.ruleinfo.localrule} == set()


def test_jobs_where_snakemake_runs_are_counted(rules):
    """Snakemake does not heed how many cores it may take there."""
    here = {rule.name for rule in rules if rule.ruleinfo.localrule}
    assert len(here) > 20
    assert {r.name for r in rules if "local_jobs" in dict(r.resources.items())} == here
    profile = yaml.safe_load((ROOT / "workflow/profiles/slurm/profile.v9+.yaml").read_text())
    page = (ROOT / "docs/cluster.md").read_text()
    told = re.findall(r"^resources: (\{.*\})$", page, re.MULTILINE)
    assert [yaml.safe_load(text) for text in told] == 2 * [profile["resources"]]


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


@pytest.mark.parametrize(
    ("lock", "fewest"), [("requirements.txt", 50), ("requirements-gpu.txt", 5)]
)
def test_a_lock_holds_hashes_and_no_index_addresses(lock, fewest):
    text = (ROOT / lock).read_text()
    assert "://" not in text
    requirements = re.findall(r"^[a-z0-9._-]+==", text, re.MULTILINE)
    hashed = re.findall(r"^[a-z0-9._-]+==[^\n]* \\\n +--hash=sha256:", text, re.MULTILINE)
    assert len(requirements) == len(hashed) > fewest


def test_the_lock_for_gpus_adds_what_the_locked_tensorflow_asks_for():
    of_gpu, locked = locked_versions((3, 11), "requirements-gpu.txt"), locked_versions((3, 11))
    assert version("tensorflow") == locked["tensorflow"]
    asked = [Requirement(text) for text in requires("tensorflow")]
    asked = [need for need in asked if need.marker and "and-cuda" in str(need.marker)]
    assert len(asked) > 5
    for need in asked:
        assert need.specifier.contains(of_gpu[need.name]), need
    assert set(of_gpu) & set(locked) == set()


def test_make_installs_the_lock_for_gpus_where_it_is_asked_for():
    def locks(*arguments: str) -> list[str]:
        command = ["make", "--always-make", "--dry-run", "setup", *arguments]
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        return re.findall(r"--requirement (\S+)", said)

    assert locks() == locks("GPU=0") == ["requirements.txt"]
    assert locks("GPU=1") == ["requirements.txt", "requirements-gpu.txt"]


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
