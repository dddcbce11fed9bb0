"""Another workflow has studies of MetaLyra as its modules."""

import re

import pytest

from metalyra.core.tables import read_table

SNAKEFILE = ("--snakefile", "tests/integration/module/Snakefile", "--cores", "all")


@pytest.fixture(scope="module")
def project(new_project):
    return new_project()


def counts(output: str) -> dict[str, int]:
    """Return the jobs of a dry run."""
    table = output.partition("Job stats:")[2].partition("total")[0]
    return {
        name: int(number) for name, number in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)
    }


def test_the_rules_of_a_study_have_the_names_that_the_workflow_gives_them(project):
    alone = counts(
        project.run(
            *("--dry-run", "--cores", "all", "--configfile", "tests/integration/small.yaml"),
            *("--config", "chunks=1"),
        )
    )
    assert alone.pop("study") == 1
    for module in ("metalyra", "other_sky"):
        jobs = counts(project.run(*SNAKEFILE, "--dry-run", f"{module}_all"))
        assert jobs.pop(f"{module}_all") == 1
        assert jobs == {f"{module}_{name}": number for name, number in alone.items()}


def test_the_target_is_that_of_the_workflow_and_it_gets_what_it_needs(project):
    output = project.run(*SNAKEFILE)
    assert "train" not in output
    assert len(project.path("compared.txt").read_text().splitlines()) == 2
    small, other = (
        read_table(project.path(f"results/{study}/fits/ogle_i/0.parquet"))
        for study in ("small", "other")
    )
    assert (small["status"] == "ok").sum() > 5
    assert not small["period"].equals(other["period"])
    assert "Nothing to be done" in project.run(*SNAKEFILE)


def test_a_mistake_in_the_configuration_of_a_module_is_told(project):
    snakefile = project.path("tests/integration/module/Snakefile")
    text = snakefile.read_text()
    snakefile.write_text(text.replace('"seed": 8', '"sead": 8'))
    try:
        status, output = project.attempt(*SNAKEFILE, "--dry-run")
    finally:
        snakefile.write_text(text)
    assert status != 0
    assert "sead" in output
    assert "Traceback" not in output
