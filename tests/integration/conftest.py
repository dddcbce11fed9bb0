"""Runs of the workflow in copies of the project."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

ROOT = Path(__file__).parents[2]

OF_A_RUN = {"logs", "benchmarks", ".run.lock", ".jobs.lock", "report.html", "index.html"}
"""What tells of a run of a study: its times and its machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the runs of the workflow as slow, and begin with them.

    No process of the tests then waits for another at the end.
    """
    runs = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in runs:
        item.add_marker(pytest.mark.slow)
    others = [item for item in items if item not in runs]
    items[:] = [*runs, *others]


class Project:
    """A copy of the project as a fresh clone has it, with its own results."""

    def __init__(self, folder: Path, finished: Path | None = None) -> None:
        self.folder = folder
        if finished is not None:
            # Times of change as well, by which Snakemake knows what is done.
            shutil.copytree(finished, folder, symlinks=True, dirs_exist_ok=True)
            return
        files = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for name in filter(None, files.split("\0")):
            source, copy = ROOT / name, folder / name
            if source.is_symlink() or source.is_file():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, copy, follow_symlinks=False)

    def start(
        self, *arguments: str, log: IO[str] | int = subprocess.PIPE, **environment: str
    ) -> subprocess.Popen:
        """Start Snakemake with these arguments; what it says goes into a log, or is to be read."""
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", *arguments],
            cwd=self.folder,
            env={**os.environ, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> str:
        """Run Snakemake and return what it says; fail if it fails."""
        status, output = self.attempt(*arguments, **environment)
        assert status == 0, output
        return output

    def attempt(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Run Snakemake and return its exit status and what it says."""
        process = self.start(*arguments, **environment)
        output, _ = process.communicate(timeout=1200)
        return process.returncode, output

    def digests(self, study: str) -> dict[str, str]:
        """Return the digests of the files of a study, without those that a killed job had begun."""
        folder = self.path("results") / study
        files = [
            path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".part"
        ]
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if path.relative_to(folder).parts[0] not in OF_A_RUN
        }

    def path(self, name: str) -> Path:
        """Return a file of the project."""
        return self.folder / name


@pytest.fixture(scope="session")
def new_project(tmp_path_factory) -> Callable[[], Project]:
    """Make copies of the project."""
    return lambda: Project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Project:
    """The demo study, run once for all processes of the tests; each has its own copy."""
    together = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        together = together.parent
    finished, done = together / "demo", together / "demo.done"
    with (together / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(finished, ignore_errors=True)
            finished.mkdir()
            Project(finished).run("--cores", "all")
            done.touch()
    return Project(tmp_path_factory.mktemp("project"), finished)
