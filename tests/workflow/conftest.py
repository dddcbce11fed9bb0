"""The rules of the workflow, as Snakemake reads them."""

import os
from contextlib import ExitStack, chdir
from unittest import mock

import pytest
import yaml

from tests.workflow.parsing import ROOT, parse_workflow

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


@pytest.fixture(scope="session")
def workflows(tmp_path_factory):
    """The studies, as Snakemake reads them."""
    with ExitStack() as stack:
        parsed = []
        # What Snakemake does to the process must not stay with it for other tests.
        with mock.patch.dict(os.environ), chdir("."):
            for name, keys in STUDIES.items():
                folder = tmp_path_factory.mktemp(name)
                (folder / "stars.csv").write_text("star_id,period\na,0.5\n")
                (folder / "curves.csv").write_text("star_id,time,mag\na,1.0,15.0\n")
                study = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())
                paths = {key: str(folder / keys[key]) for key in ("stars", "lightcurves") if keys}
                workflow = parse_workflow({**study, **keys, **paths}, folder)
                parsed.append(stack.enter_context(workflow))
        yield parsed


@pytest.fixture(scope="session")
def rules(workflows):
    """The rules that make something, of all studies."""
    return [rule for workflow in workflows for rule in workflow.rules if not rule.norun]
