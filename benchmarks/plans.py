"""What it takes to plan the demo (a dry run), beside Snakemake alone on an empty workflow.

CPU seconds of one process at a time; the least of the repeats counts, for whatever else the
machine does only adds to it.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.integration.conftest import Project

COMMAND = (sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1")


def main() -> None:
    """Print the CPU seconds of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder, "empty")
        empty.mkdir()
        Path(empty, "Snakefile").write_text("rule all:\n    shell: 'true'\n")
        project = Project(Path(folder, "demo")).folder
        # Compile the modules of the copy first.
        measure(project)
        of_demo = min(measure(project) for _ in range(repeats))
        of_nothing = min(measure(empty) for _ in range(repeats))
    print(f"dry run of the demo: {of_demo:.2f} CPU s; of one empty rule: {of_nothing:.2f} CPU s")
    print(f"ratio: {of_demo / of_nothing:.2f}")


def measure(folder: Path) -> float:
    """Return the CPU seconds of a dry run of the workflow in a folder."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(COMMAND, cwd=folder, env=os.environ, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
