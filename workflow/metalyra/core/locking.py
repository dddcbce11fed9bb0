"""One run of a study at a time, without a lock that outlives a killed run."""

import fcntl
import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

logger = logging.getLogger(__name__)

RUN_LOCK = ".run.lock"
"""Held by the main process of a run; names it, its machine, where its results are, and its logs."""

JOBS_LOCK = ".jobs.lock"
"""Shared by the jobs of a run; jobs may outlive a main process that was killed."""

_held: dict[Path, tuple[TextIO, list[str]]] = {}


class StudyLockedError(Exception):
    """Another run of the study is alive."""


def lock_study(folder: Path, logs: Sequence[Path] = ()) -> list[Path]:
    """Lock a study for as long as this process lives.

    On a file system without locks, or whose locks hold on one machine only, a warning is logged.

    Parameters
    ----------
    folder
        Folder of the study's results.
    logs
        Where this run keeps its log, for the run that comes after it.

    Returns
    -------
    list of Path
        The logs of the runs before, whose jobs may be left: all since `wait_for_jobs` has last
        waited for them. None of runs in another folder, of which this one is a copy, and none
        of a run that may still be alive where no lock tells.

    Raises
    ------
    StudyLockedError
        If another run of the study is alive.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = _open(folder / RUN_LOCK)
    locks_tell = True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = lock.readline().strip()
        lock.close()
        raise StudyLockedError(
            f"another run of this study is at work ({holder or 'unknown process'}); wait for its "
            "end, or give this one a name of its own with --config study=<name>"
        ) from None
    except OSError as error:
        locks_tell = False
        logger.warning(
            "%s: no locks on this file system (%s); take care that one run at a time is at work "
            "on a study",
            folder,
            error.strerror,
        )
    else:
        if option := find_local_locks(folder, Path("/proc/self/mounts")):
            locks_tell = False
            logger.warning(
                "%s: the locks of this file system hold on this machine only (%s); start all runs "
                "of a study from one machine",
                folder,
                option,
            )
    holder, before = _read(lock, folder)
    _held[folder] = lock, list(map(str, logs))
    _write(lock, folder, [*before, *map(str, logs)])
    if before and not locks_tell and not _has_ended(holder):
        logger.warning(
            "%s: jobs that %s may have left are let be, for it may be alive; cancel them by hand "
            "if it is not",
            folder,
            holder,
        )
        return []
    return [Path(log) for log in before]


def wait_for_jobs(folder: Path) -> None:
    """Wait for the end of jobs of earlier runs of a study that this process has locked.

    So no two jobs ever write the same file. Jobs may outlive a run that was killed; on a cluster,
    they are to be cancelled first.

    Parameters
    ----------
    folder
        Folder of the study's results.
    """
    with _open(folder / JOBS_LOCK) as jobs:
        try:
            fcntl.flock(jobs, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.warning("%s: waiting for the jobs of a run that was killed", folder)
            fcntl.flock(jobs, fcntl.LOCK_EX)
        except OSError:  # no locks: lock_study has said so
            return
    lock, logs = _held[folder]
    _write(lock, folder, logs)


def find_local_locks(folder: Path, mounts: Path) -> str:
    """Return why the locks in a folder hold on this machine only, or nothing if they do not.

    Parameters
    ----------
    folder
        A folder.
    mounts
        The table of what is mounted, such as /proc/self/mounts; it need not be there.
    """
    if not mounts.exists():
        return ""
    points: dict[Path, tuple[str, list[str]]] = {}
    for line in mounts.read_text().splitlines():
        point, kind, given = line.split(" ")[1:4]
        points[Path(point.replace("\\040", " "))] = kind, given.split(",")
    place = folder.resolve()
    kind, options = next((points[at] for at in (place, *place.parents) if at in points), ("", []))
    # nfs(5): these leave the locks of flock to the client; Lustre's client has an option likewise.
    local = {"nfs": ("nolock", "local_lock=all", "local_lock=flock"), "lustre": ("localflock",)}
    found = [option for option in local.get(kind.rstrip("4"), ()) if option in options]
    return f"{kind} mounted with {found[0]}" if found else ""


def _write(lock: TextIO, folder: Path, logs: Sequence[str]) -> None:
    """Write into the lock file of a run who holds it, where, and the logs of the last runs."""
    holder = f"process {os.getpid()} on {os.uname().nodename}"
    lock.seek(0)
    lock.truncate()
    lock.write("\n".join([holder, str(folder.resolve()), *logs]) + "\n")
    lock.flush()


def _read(lock: TextIO, folder: Path) -> tuple[str, list[str]]:
    """Return who has held a lock before, and the logs of the last runs in this folder."""
    holder, place, *logs = [*lock.read().splitlines(), "", ""]
    logs = list(filter(None, logs))
    if logs and place != str(folder.resolve()):
        logger.warning("%s was copied or moved from %s: jobs from there are let be", folder, place)
        logs = []
    return holder, logs


def _has_ended(holder: str) -> bool:
    """Return whether the process that a lock file names is known to have ended."""
    found = re.fullmatch(r"process (\d+) on (\S+)", holder)
    return (
        found is not None
        and found[2] == os.uname().nodename
        and not Path(f"/proc/{found[1]}").exists()
    )


@contextmanager
def mark_job(folder: Path) -> Iterator[None]:
    """Hold the study's job lock, together with all other jobs, within the context."""
    folder.mkdir(parents=True, exist_ok=True)
    with _open(folder / JOBS_LOCK) as jobs:
        try:
            fcntl.flock(jobs, fcntl.LOCK_SH)
        except OSError as error:
            logger.debug("%s: no locks on this file system (%s)", folder, error)
        yield


def _open(path: Path) -> TextIO:
    """Open a lock file for reading and writing, as it is or new."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+")
