import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from metalyra.core import locking
from metalyra.core.locking import (
    JOBS_LOCK,
    StudyLockedError,
    find_local_locks,
    lock_study,
    mark_job,
    wait_for_jobs,
)

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


def release() -> None:
    for lock, _ in locking._held.values():
        lock.close()
    locking._held.clear()


@pytest.fixture(autouse=True)
def released():
    """Release what a test has locked: a run would do so by its end."""
    yield
    release()


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
            "import sys; from pathlib import Path; from metalyra.core.locking import *;"
            "folder = Path(sys.argv[1]); lock_study(folder); wait_for_jobs(folder);"
            "print((folder / 'written').exists())",
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


def test_the_jobs_of_a_study_that_was_copied_are_let_be(tmp_path, caplog):
    lock_study(tmp_path / "one", [Path("first.log")])
    release()
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    assert lock_study(tmp_path / "copy") == []
    assert f"copied or moved from {tmp_path / 'one'}" in caplog.text
    assert lock_study(tmp_path / "one") == [Path("first.log")]


@pytest.mark.parametrize("alive", [True, False])
def test_without_locks_the_jobs_of_a_run_are_let_be_that_may_be_alive(
    tmp_path, monkeypatch, caplog, holder, alive
):
    run = holder("run", tmp_path)
    run.kill()
    run.wait()
    held = tmp_path / locking.RUN_LOCK
    first = f"process {os.getpid() if alive else run.pid} on {os.uname().nodename}"
    held.write_text("\n".join([first, str(tmp_path.resolve()), "first.log"]) + "\n")

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locking.fcntl, "flock", refuse)
    assert lock_study(tmp_path) == ([] if alive else [Path("first.log")])
    assert ("it may be alive" in caplog.text) == alive


def test_jobs_do_not_exclude_each_other(tmp_path):
    with mark_job(tmp_path), mark_job(tmp_path):
        assert (tmp_path / JOBS_LOCK).exists()


def test_a_run_is_told_of_all_runs_since_jobs_were_last_waited_for(tmp_path):
    assert lock_study(tmp_path, [Path("first.log")]) == []
    release()
    assert lock_study(tmp_path, [Path("second.log")]) == [Path("first.log")]
    release()
    assert lock_study(tmp_path, [Path("third.log")]) == [Path("first.log"), Path("second.log")]
    wait_for_jobs(tmp_path)
    release()
    assert lock_study(tmp_path) == [Path("third.log")]


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(locking.fcntl, "flock", refuse)
    lock_study(tmp_path, [Path("first.log")])
    wait_for_jobs(tmp_path)
    with mark_job(tmp_path):
        pass
    assert "no locks on this file system (No locks available)" in caplog.text
    release()
    # Whether the run before is alive cannot be seen, and here it is; it is not forgotten.
    assert lock_study(tmp_path) == []
    assert (tmp_path / locking.RUN_LOCK).read_text().splitlines()[2:] == ["first.log"]


@pytest.mark.parametrize(
    ("mounted", "reason"),
    [
        ("nfs rw,vers=3,nolock,addr=10.0.0.1", "nfs mounted with nolock"),
        ("nfs4 rw,vers=4.2,local_lock=all", "nfs4 mounted with local_lock=all"),
        ("nfs4 rw,vers=4.2,local_lock=none", ""),
        ("nfs rw,vers=3,local_lock=posix", ""),
        ("lustre rw,localflock", "lustre mounted with localflock"),
        ("lustre rw,flock", ""),
        ("ext4 rw", ""),
    ],
)
def test_locks_that_hold_on_one_machine_only_are_known(tmp_path, mounted, reason):
    folder, mounts = tmp_path / "shared disk/study", tmp_path / "mounts"
    folder.mkdir(parents=True)
    at = str(tmp_path.resolve() / "shared disk").replace(" ", "\\040")
    mounts.write_text(f"root / ext4 rw 0 0\nserver:/data {at} {mounted} 0 0\n")
    assert find_local_locks(folder, mounts) == reason
    assert find_local_locks(tmp_path, mounts) == ""


def test_locks_are_taken_to_hold_where_mounts_are_not_known(tmp_path):
    assert find_local_locks(tmp_path, tmp_path / "no_mounts") == ""
