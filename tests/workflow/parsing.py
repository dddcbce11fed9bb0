"""The workflow of a study, as Snakemake reads it."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

from snakemake.api import SnakemakeApi
from snakemake.rules import Rule
from snakemake.settings.types import (
    ConfigSettings,
    DeploymentMethod,
    DeploymentSettings,
    OutputSettings,
    Quietness,
    ResourceSettings,
    StorageSettings,
)
from snakemake.workflow import Workflow

ROOT = Path(__file__).parents[2]


@contextmanager
def remove_folders_of_snakemake() -> Iterator[None]:
    """Remove the temporary folders that Snakemake makes within the context at its end.

    Else they are removed with a warning whenever memory is collected, in the midst of any test.
    """
    with ExitStack() as made:

        def make(**settings: Any) -> TemporaryDirectory:
            folder = TemporaryDirectory(**settings)
            made.callback(folder.cleanup)
            return folder

        with mock.patch("snakemake.sourcecache.tempfile.TemporaryDirectory", make):
            yield


@contextmanager
def parse_workflow(
    study: dict[str, Any], folder: Path, deployment: Iterable[DeploymentMethod] = ()
) -> Iterator[Workflow]:
    """Give the workflow of a study whose configuration is written to a folder."""
    path = folder / "study.json"
    path.write_text(json.dumps(study))
    # The workflow tells its jobs by the environment where its library is.
    with (
        remove_folders_of_snakemake(),
        mock.patch.dict(os.environ),
        SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api,
    ):
        yield api.workflow(
            resource_settings=ResourceSettings(),
            config_settings=ConfigSettings(configfiles=[path]),
            storage_settings=StorageSettings(),
            deployment_settings=DeploymentSettings(set(deployment)),
            snakefile=ROOT / "Snakefile",
            workdir=folder,
        )._workflow


def place(rule: Rule, path: str) -> Path:
    """Return the file that a rule names."""
    return (Path(rule.basedir) / path).resolve()
