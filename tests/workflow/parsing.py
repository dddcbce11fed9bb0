"""The workflow of a study, as Snakemake reads it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.settings.types import (
    ConfigSettings,
    OutputSettings,
    Quietness,
    ResourceSettings,
    StorageSettings,
)
from snakemake.workflow import Workflow

ROOT = Path(__file__).parents[2]


@contextmanager
def parse_workflow(study: dict[str, Any], folder: Path) -> Iterator[Workflow]:
    """Give the workflow of a study whose configuration is written to a folder."""
    path = folder / "study.json"
    path.write_text(json.dumps(study))
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        yield api.workflow(
            resource_settings=ResourceSettings(),
            config_settings=ConfigSettings(configfiles=[path]),
            storage_settings=StorageSettings(),
            snakefile=ROOT / "Snakefile",
            workdir=folder,
        )._workflow
