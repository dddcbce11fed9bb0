import subprocess
import sys
from pathlib import Path

import pytest

from metalyra.core import locking
from metalyra.core.locking import JOBS_LOCK, StudyLockedError, lock_study, mark_job

LIBRARY = str(Path(__file__).parents[2] / "workflow")

HOLD = """
import sys, time
from pathlib import Path
from metalyra.core.locking import lock_study, mark_job
folder = Path(sys.argv[2])
if sys.argv[1] == "run":
    lock_study(folder)
    print("ready", flush=True)
    time.sleep(60)
else:
    with mark_job(folder):
        print("ready", flush=True)
        sys.stdin.readline()
        (folder / "written").touch()
"""


def hold(kind: str, folder: Path) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, kind, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": LIBRARY},
    )
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.fixture(autouse=True)
def released():
    """Release what a test has locked: a run would do so by its end."""
    yield
    for lock in locking._held.values():
        lock.close()
    locking._held.clear()


@pytest.fixture
def holder():
    processes = []

    def start(kind: str, folder: Path) -> subprocess.Popen:
        processes.append(hold(kind, folder))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_a_second_run_of_a_study_is_refused_and_told_who_runs(tmp_path, holder):
    run = holder("run", tmp_path)
    with pytest.raises(StudyLockedError, match=f"process {run.pid} on "):
        lock_study(tmp_path)


def test_a_killed_run_leaves_no_lock(tmp_path, holder):
    run = holder("run", tmp_path)
    run.kill()
    run.wait()
    lock_study(tmp_path)


def test_studies_do_not_lock_each_other(tmp_path, holder):
    holder("run", tmp_path / "one")
    lock_study(tmp_path / "other")


def test_a_run_waits_for_the_jobs_of_a_killed_one(tmp_path, holder):
    job = holder("job", tmp_path)
    waiting = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from metalyra.core.locking import lock_study;"
            "folder = Path(sys.argv[1]); lock_study(folder); print((folder / 'written').exists())",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": LIBRARY},
    )
    assert "waiting for the jobs" in waiting.stderr.readline()
    job.stdin.write("\n")
    job.stdin.flush()
    output, _ = waiting.communicate(timeout=30)
    assert output == "True\n"


def test_jobs_do_not_exclude_each_other(tmp_path):
    with mark_job(tmp_path), mark_job(tmp_path):
        assert (tmp_path / JOBS_LOCK).exists()
