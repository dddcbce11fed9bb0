"""Where jobs look for the library."""

import os
from pathlib import Path

_VARIABLE = "PYTHONPATH"


def look_first_in(folder: Path) -> None:
    """Let the jobs of this process look for modules in a folder before what is installed.

    So library and workflow are always of one version. Snakemake has a workflow's folder on
    its own path, but hands it to jobs behind all others.
    """
    known = [path for path in os.environ.get(_VARIABLE, "").split(os.pathsep) if path]
    if str(folder) not in known:
        os.environ[_VARIABLE] = os.pathsep.join([str(folder), *known])
