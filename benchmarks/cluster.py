"""The demo on a SLURM cluster beside the demo at home, on the same cores, or a study of chunks.

The cluster is a private one on this machine, two nodes of one core, and needs slurm-wlm and munge.
By turns, fresh copies of the project run the demo with two cores at home and on the cluster with
the profile; the results must have the same bytes. Wall times have the waits in them, and whatever
else the machine does; CPU seconds, of all processes of a run, have not.
"""

import argparse
import contextlib
import ctypes
import os
import re
import resource
import tempfile
import time
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.cluster.private import Cluster, Job, find_missing
from tests.integration.conftest import Project

PR_SET_CHILD_SUBREAPER = 36
"""What a process tells Linux (sys/prctl.h) to be the parent of all orphans below it."""

CORES = 2
"""At home; those of the cluster are as many, one a node."""

PROFILE = ("--workflow-profile", "workflow/profiles/slurm")


class Run(NamedTuple):
    """One call of Snakemake.

    Attributes
    ----------
    wall, cpu
        Seconds until it ended, and of CPU in all its processes, also those on the nodes.
    memory
        Most memory (MB) of the main process.
    start
        Seconds until the first submission started; of a run on the cluster, as all that follows.
    at_work
        Seconds in which a submission was at work.
    waiting
        Seconds in which none was, from the start of the first to the end of the run: looks at the
        queue that were still to come, and what the main process did itself.
    submissions
        Number of submissions.
    on_nodes
        Seconds of all submissions together, of one core each.
    """

    wall: float
    cpu: float
    memory: float
    start: float = 0.0
    at_work: float = 0.0
    waiting: float = 0.0
    submissions: int = 0
    on_nodes: float = 0.0


def main() -> None:
    """Print the figures, and fail if results differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--seconds-between-looks", type=int, help="instead of the profile's")
    parser.add_argument("--chunks", type=int, help="of another study, run there alone")
    options = parser.parse_args()
    if missing := find_missing():
        raise SystemExit(f"not on this machine: {', '.join(missing)} (slurm-wlm, munge)")
    looks = ()
    if options.seconds_between_looks:
        seconds = str(options.seconds_between_looks)
        looks = ("--slurm-init-seconds-before-status-checks", seconds)
    # A node does not wait for the steps of its jobs; their CPU seconds would be lost.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    # The path of a socket has little space.
    with (
        tempfile.TemporaryDirectory(prefix="slurm-") as folder,
        tempfile.TemporaryDirectory() as projects,
        Cluster(Path(folder), cores=1) as cluster,
    ):
        if options.chunks:
            project = make_project_of_chunks(Path(projects, "chunks"), options.chunks)
            study = ("--configfile", "benchmarks/cluster.yaml")
            print(describe(run_on(cluster, project, *looks, *study)))
        else:
            compare(cluster, Path(projects), options.repeats, looks)


def compare(cluster: Cluster, folder: Path, repeats: int, looks: tuple[str, ...]) -> None:
    """Run the demo at home and on the cluster by turns, and print what each took."""
    runs = []
    for repeat in range(repeats):
        at_home, away = (Project(folder / f"{place}_{repeat}") for place in ("home", "away"))
        home = run(at_home, "--cores", str(CORES))
        print(f"at home, {CORES} cores: {home.wall:.0f} s, {home.cpu:.0f} s of CPU", flush=True)
        there = run_on(cluster, away, *looks)
        print(describe(there))
        runs.append((home, there))
        check_bytes(at_home.digests("demo"), away.digests("demo"))
    ratios = {
        "wall time": [there.wall / home.wall for home, there in runs],
        "without waits": [(there.wall - there.waiting) / home.wall for home, there in runs],
        "time of cores": [there.on_nodes / (CORES * home.wall) for home, there in runs],
        "CPU": [there.cpu / home.cpu for home, there in runs],
    }
    print("on the cluster over at home:", {name: round(median(r), 2) for name, r in ratios.items()})


def check_bytes(home: dict[str, str], away: dict[str, str]) -> None:
    """Print that two runs have the same bytes, or fail."""
    if differing := sorted(
        name for name in home.keys() | away.keys() if home.get(name) != away.get(name)
    ):
        raise SystemExit(f"results differ: {', '.join(differing)}")
    print(f"all {len(home)} files of the results have the same bytes", flush=True)


def make_project_of_chunks(folder: Path, chunks: int) -> Project:
    """Copy the project, with the number of chunks in its study."""
    project = Project(folder)
    path = project.path("benchmarks/cluster.yaml")
    path.write_text(re.sub(r"chunks: \d+", f"chunks: {chunks}", path.read_text()))
    return project


def run(project: Project, *arguments: str, **environment: str) -> Run:
    """Run Snakemake to its end."""
    log, memory = project.folder / "run.log", 0.0
    cpu, start = measure_cpu(), time.time()
    with log.open("w") as output:
        process = project.start(*arguments, log=output, **environment)
        while process.poll() is None:
            memory = max(memory, measure_memory(process.pid))
            time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"the run has failed:\n{log.read_text()[-5000:]}")
    return Run(time.time() - start, measure_cpu() - cpu, memory)


def measure_cpu() -> float:
    """Return the seconds of CPU of all processes below this one that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure_memory(process: int) -> float:
    """Return the most memory (MB) that a process has had at once; 0 if it has ended."""
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def run_on(cluster: Cluster, project: Project, *arguments: str) -> Run:
    """Run Snakemake on the cluster to its end."""
    before, start = len(cluster.jobs()), time.time()
    ended = run(project, *PROFILE, *arguments, **cluster.environment)
    jobs = cluster.jobs()[before:]
    first = min(read_time(job.started) for job in jobs)
    at_work = measure_at_work(jobs)
    return ended._replace(
        start=first - start,
        at_work=at_work,
        waiting=start + ended.wall - first - at_work,
        submissions=len(jobs),
        on_nodes=sum(read_time(job.ended) - read_time(job.started) for job in jobs),
    )


def measure_at_work(jobs: list[Job]) -> float:
    """Return the seconds in which any of these jobs was at work, of whole seconds each."""
    spans = sorted((read_time(job.started), read_time(job.ended)) for job in jobs)
    seconds, until = 0.0, spans[0][0]
    for began, ended in spans:
        seconds += max(0.0, ended - max(began, until))
        until = max(until, ended)
    return seconds


def read_time(text: str) -> float:
    """Read a time of `squeue` as seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


def describe(there: Run) -> str:
    """Say what a run on the cluster took."""
    return (
        f"on the cluster: {there.wall:.0f} s, of which {there.start:.0f} s to the first of "
        f"{there.submissions} submissions, {there.at_work:.0f} s with one at work "
        f"({there.on_nodes:.0f} s of nodes), {there.waiting:.0f} s without; "
        f"{there.cpu:.0f} s of CPU, {there.memory:.0f} MB in the main process"
    )


if __name__ == "__main__":
    main()
