"""One run of a study at a time, without a lock that outlives a killed run."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

logger = logging.getLogger(__name__)

RUN_LOCK = ".run.lock"
"""Held by the main process of a run; contains its process number and machine."""

JOBS_LOCK = ".jobs.lock"
"""Shared by the jobs of a run; jobs may outlive a main process that was killed."""

_held: dict[Path, TextIO] = {}


class StudyLockedError(Exception):
    """Another run of the study is alive."""


def lock_study(folder: Path) -> None:
    """Lock a study for as long as this process lives.

    If jobs of an earlier run that was killed are still at work, wait for their end, so
    that no two jobs ever write the same file. On a file system without locks, a warning
    is logged instead.

    Parameters
    ----------
    folder
        Folder of the study's results.

    Raises
    ------
    StudyLockedError
        If another run of the study is alive.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = _open(folder / RUN_LOCK)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = lock.read().strip() or "unknown process"
        lock.close()
        raise StudyLockedError(
            f"another run of this study is at work ({holder}); wait for its end, or give this "
            "one a name of its own with --config study=<name>"
        ) from None
    except OSError as error:
        logger.warning("%s: no locks on this file system (%s)", folder, error)
        lock.close()
        return
    lock.truncate(0)
    lock.write(f"process {os.getpid()} on {os.uname().nodename}\n")
    lock.flush()
    _held[folder] = lock
    with _open(folder / JOBS_LOCK) as jobs:
        try:
            fcntl.flock(jobs, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.warning("%s: waiting for the jobs of a run that was killed", folder)
            fcntl.flock(jobs, fcntl.LOCK_EX)


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
