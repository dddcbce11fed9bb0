"""The conda environments of `envs/`, created for real, from a channel on this machine.

With the stand-in for conda that METALYRA_CONDA names, and the packages of the lock. TensorFlow,
three quarters of it all, is left out, unless METALYRA_CONDA_TENSORFLOW is set; what cannot be
imported for want of it is then not asked for.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import yaml

from tests.workflow.needs import (
    declared_requirements,
    list_imports,
    locked_versions,
    trace_modules,
)
from tests.workflow.parsing import ROOT
from tests.workflow.test_environments import each_environment, scripts_of

STAND_IN = Path(os.environ.get("METALYRA_CONDA", ROOT.parent / "shared/tools/conda"))
LEFT_OUT = set() if os.environ.get("METALYRA_CONDA_TENSORFLOW") else {"tensorflow"}
PYTHON = (3, 11)
"""The version of Python that the stand-in makes packages for."""

INDEX = """
import asyncio, os, sys
from rattler.index import index_fs
asyncio.run(index_fs(sys.argv[1]))
os._exit(0)
"""

IMPORT = """
for statement in {statements}:
    try:
        exec(statement)
    except ModuleNotFoundError as error:
        if error.name not in {left_out}:
            raise
        print("not tried:", statement)
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not STAND_IN.is_dir(), reason=f"no stand-in for conda: {STAND_IN}"),
    pytest.mark.skipif(sys.version_info[:2] != PYTHON, reason=f"not Python {PYTHON}"),
]


def run(*command: object, **environment: str) -> str:
    """Run a program, and return what it says; fail if it fails."""
    words, variables = [str(word) for word in command], {**os.environ, **environment}
    done = subprocess.run(
        words,
        env=variables,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def conda(tmp_path_factory):
    """Run conda, with a channel of the packages of the lock."""
    folder = tmp_path_factory.mktemp("conda")
    tools, channel, wheels = folder / "tools", folder / "channels/conda-forge", folder / "wheels"
    venv.create(tools, with_pip=True)
    python = tools / "bin/python"
    run(python, "-m", "pip", "install", "py-rattler", "pyyaml", "zstandard", "packaging")
    for platform in ("linux-64", "noarch"):
        (channel / platform).mkdir(parents=True)

    versions = locked_versions(PYTHON)
    pins = [f"{name}=={version}\n" for name, version in versions.items()]
    (folder / "lock.txt").write_text("".join(pins))
    wanted = set(declared_requirements()) - LEFT_OUT
    download = (sys.executable, "-m", "pip", "download", "--only-binary", ":all:")
    run(*download, "--constraint", folder / "lock.txt", "--dest", wheels, *sorted(wanted))
    run(sys.executable, STAND_IN / "make_host_python_package.py", channel)
    run(python, STAND_IN / "wheel_to_conda.py", channel, *sorted(wheels.glob("*.whl")))
    run(python, "-c", INDEX, channel)
    environment = {
        "SHIM_CHANNEL_ALIAS": (folder / "channels").as_uri(),
        "SHIM_PKGS_DIR": str(folder / "pkgs"),
    }
    return lambda *words: run(python, STAND_IN / "bin/conda", *words, **environment)


@each_environment
def test_an_environment_is_created_and_has_what_its_scripts_import(rules, conda, tmp_path, path):
    description = yaml.safe_load(path.read_text())
    description["dependencies"] = [
        entry for entry in description["dependencies"] if entry.partition(">")[0] not in LEFT_OUT
    ]
    (tmp_path / path.name).write_text(yaml.safe_dump(description))
    conda("env", "create", "--file", tmp_path / path.name, "--prefix", tmp_path / "environment")

    modules = trace_modules(scripts_of(rules, path))
    ours = {f"import {module}" for module in modules if not module.startswith("scripts.")}
    others = list_imports(modules)
    assert len(ours) > 10
    assert len(others) > 10
    program = tmp_path / "imports.py"
    program.write_text(IMPORT.format(statements=sorted(ours | others), left_out=LEFT_OUT))
    said = run(tmp_path / "environment/bin/python", program, PYTHONPATH=str(ROOT / "workflow"))
    not_tried = said.count("not tried:")
    assert not_tried < len(ours | others) / 3
    assert not_tried == 0 or (LEFT_OUT and path.stem == "networks")
