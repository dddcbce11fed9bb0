"""On a cluster, a study ends with the bytes that it has at home, whatever breaks on the way."""

import itertools
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.private import NODES, Cluster, Job, find_processes, kill, wait_until
from tests.integration.conftest import Project

STUDY = ("--configfile", "tests/cluster/tiny.yaml")
QUICK = (
    *("--workflow-profile", "workflow/profiles/slurm"),
    *("--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "2"),
)
"""The profile, and looks at the states of jobs that suit jobs of seconds."""

ALONE = ("--group-components", "fit=1", "--slurm-no-requeue")
"""Many submissions, so that there is something to break, and restarts left to Snakemake: SLURM
waits two minutes with them."""

STARVING = ("label", "catalogue", "ledger")
"""Rules whose first attempts get too little memory."""


def digests(project: Project) -> dict[str, str]:
    """Return the digests of the files of the study."""
    return project.digests("tiny")


@pytest.fixture(scope="module")
def at_home(cluster, new_project) -> dict[str, str]:
    project = new_project()
    project.run("--cores", "2", *STUDY)
    return digests(project)


class Disturbance:
    """What breaks things on the cluster while runs of a study are at work.

    Every fault falls on the longest-waiting job of those at work that has had none, so that no job
    has more of them than the profile has retries.
    """

    def __init__(self, cluster: Cluster, start: Callable[[], subprocess.Popen]) -> None:
        self.cluster, self.start = cluster, start
        self.run = start()
        self.hit: set[int] = set()
        self.done: list[str] = []
        self.hanging: list[Job] = []
        self.failures: list[str] = []
        self.moments = random.Random(3)

    def find_victim(self) -> Job:
        """Wait for a fit at work that nothing has happened to."""
        found: list[Job] = []

        def is_there() -> bool:
            assert self.run.poll() is None, "the run has ended too soon"
            jobs = self.cluster.jobs("running")
            found[:] = [j for j in jobs if "fit" in j.comment and j.number not in self.hit]
            return bool(found)

        wait_until(is_there, 300, "a fit at work")
        time.sleep(self.moments.uniform(0, 3))
        return found[0]

    def has_state(self, job: Job, *states: str) -> bool:
        """Return whether a job is in one of these states now."""
        return any(now.number == job.number and now.state in states for now in self.cluster.jobs())

    def break_with(self, fault: str) -> None:
        """Break something, after a while of a job's work."""
        while not self.has_state(victim := self.find_victim(), "RUNNING"):
            pass
        getattr(self, fault)(victim)
        self.hit.add(victim.number)
        self.done.append(fault)

    def finish(self) -> str:
        """Wait for the end of the study, and return what the runs to its end have said.

        A run that ends in failure tells its user why, and that the same command goes on; so it
        does here, once.
        """
        output, _ = self.run.communicate(timeout=1800)
        if self.run.returncode:
            self.failures.append(tell_failure(output, self.cluster.jobs()))
            print(self.failures[-1])
            assert re.search(r"^MetaLyra: ", output, re.MULTILINE), self.failures[-1]
            self.run = self.start()
            further, _ = self.run.communicate(timeout=1800)
            assert self.run.returncode == 0, tell_failure(further, self.cluster.jobs())
            output += further
        return output

    def cancel(self, job: Job) -> None:
        self.cluster.ask("scancel", str(job.number))

    def reach_time_limit(self, job: Job) -> None:
        """Let a job hang; SLURM looks at time limits twice a minute."""
        for number in find_processes(f"SLURM_JOB_ID={job.number}\0", str(self.cluster.folder)):
            kill(number, signal.SIGSTOP)
        self.cluster.ask("scontrol", "update", f"JobId={job.number}", "TimeLimit=0:01")
        self.hanging.append(job)

    def kill_process(self, job: Job) -> None:
        """Kill what the job has started on its node, as a kernel that runs out of memory does."""
        signs = (f"SLURM_JOB_ID={job.number}\0", str(self.cluster.folder))

        def is_killed() -> bool:
            ended = job.number not in {at_work.number for at_work in self.cluster.jobs("running")}
            for number in find_processes(*signs):
                command = Path(f"/proc/{number}/cmdline")
                if command.exists() and b"snakemake" in command.read_bytes():
                    kill(number)
                    return True
            return ended

        wait_until(is_killed, 60, "a process of the job")

    def stop_node(self, job: Job) -> None:
        self.hit |= {each.number for each in self.cluster.jobs() if each.node == job.node}
        self.cluster.stop_node(job.node)
        node = ("scontrol", "update", f"NodeName={job.node}")
        self.cluster.ask(*node, "State=DOWN", "Reason=power")
        assert self.has_state(job, "NODE_FAIL")
        self.cluster.start_node(job.node, resumed=True)

    def stop_controller(self, _: Job) -> None:
        self.cluster.stop_controller()
        time.sleep(3)
        self.cluster.start_controller()

    def kill_run(self, _: Job) -> None:
        self.run.send_signal(signal.SIGKILL)
        self.run.communicate()
        assert self.cluster.jobs("pending,running"), "nothing is left in the queue"
        self.hit |= {job.number for job in self.cluster.jobs()}
        self.run = self.start()


FAULTS = (
    *("cancel", "kill_process", "kill_run"),
    *("stop_node", "cancel", "stop_controller", "kill_process", "kill_run"),
    *("reach_time_limit", "kill_process", "cancel"),
)


def test_a_study_survives_faults_with_the_bytes_of_home(cluster, new_project, at_home):
    project = new_project()
    first = len(cluster.jobs())
    memory = [f"{rule}:mem_mb=60 if attempt == 1 else 2000" for rule in STARVING]
    run = (*QUICK, *STUDY, *ALONE, "--set-resources", *memory)
    disturbance = Disturbance(cluster, lambda: project.start(*run, **cluster.environment))
    for fault in FAULTS:
        disturbance.break_with(fault)
    output = disturbance.finish()
    assert digests(project) == at_home
    assert "Nothing to be done" in project.run("--cores", "1", "--dry-run", *STUDY)
    assert all(disturbance.has_state(job, "TIMEOUT") for job in disturbance.hanging)
    faults = [*disturbance.done, *(["lack_memory"] * count_starved(output))]
    print(len(faults), "faults:", *faults)
    assert len(faults) >= 12
    assert len(set(faults)) >= 6
    runs = 1 + FAULTS.count("kill_run") + len(disturbance.failures)
    check_that_runs_follow_each_other(cluster.jobs()[first:], runs)


def tell_failure(output: str, jobs: list[Job]) -> str:
    """Return the lines of a run's output that tell why it has failed, with its ill-ended jobs."""
    telling = re.compile(r"rror|xception|failed|missing|MetaLyra|restart|steps|refused|Elapsed")
    lines = [line[:300] for line in output.splitlines() if telling.search(line)]
    ill = [f"{job.number} {job.state} {job.comment}" for job in jobs if job.state != "COMPLETED"]
    return "\n".join([*lines[-40:], "jobs:", *ill[-20:]])


def count_starved(output: str) -> int:
    """Return how many jobs of starving rules have failed."""
    return len(re.findall(rf"^Error in rule ({'|'.join(STARVING)}):", output, re.MULTILINE))


def check_that_runs_follow_each_other(jobs: list[Job], runs: int) -> None:
    """Check that the jobs of a run have ended before the next of so many has submitted any."""
    names = list(dict.fromkeys(job.name for job in jobs))
    assert len(names) == runs
    for before, after in itertools.pairwise(names):
        last = max(job.ended for job in jobs if job.name == before)
        assert last <= min(job.submitted for job in jobs if job.name == after)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            ("--default-resources", "slurm_partition=none"),
            "this cluster has no partition none; name",
        ),
        (("--default-resources", "slurm_account=mine"), "leave out slurm_account=mine"),
        (("--set-resources", "fit:mem_mb=99000"), "fit asks for 99000 MB of memory, and the"),
        (("--set-resources", "ledger:runtime=6000"), "ledger asks for 6000 minutes, and the"),
        (("--set-resources", "simulate:gpu=1"), "simulate asks for 1 GPU(s), which no node"),
        (
            ("--configfile", "config/config.yaml", "--config", "gpu=1"),
            "train_batch asks for 1 GPU(s)",
        ),
        (("--slurm-status-command", "sacct"), "add --slurm-status-command squeue"),
    ],
)
def test_what_the_cluster_cannot_do_ends_a_run_at_once(cluster, untouched, asked, said):
    before = cluster.jobs()
    status, output = untouched.attempt(*QUICK, *STUDY, *asked, **cluster.environment)
    assert status != 0
    assert len([line for line in output.splitlines() if said in line]) == 1
    assert cluster.jobs() == before
    assert digests(untouched) == {}


@pytest.fixture(scope="module")
def untouched(new_project) -> Project:
    return new_project()


@pytest.fixture
def with_mounts() -> None:
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"]).returncode:
        pytest.skip("file systems cannot be mounted here")


TARGET = ("--", "results/tiny/sources/simulated/truth.csv")
SIMULATE = (*QUICK, *STUDY, "--retries", "0", *TARGET)


def test_a_job_over_its_memory_is_known_as_such_and_one_made_good_told_apart(cluster, new_project):
    memory = ("simulate:mem_mb=60 if attempt == 1 else 2000", "ingest_ogle_i:mem_mb=60")
    stars = ("--retries", "1", "--", "results/tiny/stars/ogle_i.parquet")
    status, output = new_project().attempt(
        *QUICK, *STUDY, "--set-resources", *memory, *stars, **cluster.environment
    )
    assert status != 0
    failed, good = [line for line in output.splitlines() if line.startswith("MetaLyra: ")]
    assert "ingest_ogle_i: 2 submission(s) ran out of memory" in failed
    assert Path(re.search(r"\(log: (.*)\)", failed)[1]).exists()
    assert "simulate: 1 submission(s) failed and were made good" in good


def test_a_submission_starts_snakemake_once_and_its_jobs_one_after_the_other(cluster, new_project):
    project = new_project()
    fits = [f"results/tiny/fits/ogle_i/{chunk}.parquet" for chunk in range(4)]
    before = len(cluster.jobs())
    kept = ("--slurm-keep-successful-logs", "--", *fits)
    project.run(*QUICK, *STUDY, *kept, **cluster.environment)
    logs = list(project.path(".snakemake/slurm_logs").rglob("*.log"))
    assert len(logs) == len(cluster.jobs()) - before == 3
    assert all(log.read_text().count("Snakemake version") == 1 for log in logs)
    [of_fits] = [log.read_text() for log in logs if "fit" in str(log)]
    turns = re.findall(r"^(?:Job \d+: (Fitting)|(Finished) jobid)", of_fits, re.MULTILINE)
    assert ["".join(turn) for turn in turns] == 4 * ["Fitting", "Finished"]


def test_a_node_that_does_not_see_the_folder_is_told_of(cluster, new_project, with_mounts):
    project = new_project()
    hide = 'mount -t tmpfs none "$0" && exec "$@"'
    for node in NODES:
        cluster.stop_node(node)
        cluster.start_node(node, "unshare", "--mount", "sh", "-c", hide, str(project.folder))
    try:
        status, output = project.attempt(*SIMULATE, **cluster.environment)
    finally:
        for node in NODES:
            cluster.stop_node(node)
            cluster.start_node(node)
    assert status != 0
    [line] = [line for line in output.splitlines() if line.startswith("MetaLyra: ")]
    assert f"the nodes must see {project.folder}" in line
    assert "(log: " not in line
    project.run(*SIMULATE, **cluster.environment)


def test_a_full_disk_is_told_of_and_nothing_is_half_written(cluster, new_project, with_mounts):
    project = new_project()
    results = project.path("results/tiny")
    results.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "none", results], check=True)
    try:
        status, output = project.attempt(*SIMULATE, **cluster.environment)
        left = digests(project)
    finally:
        subprocess.run(["umount", "--lazy", results], check=True)
    assert status != 0
    [line] = [line for line in output.splitlines() if line.startswith("MetaLyra: ")]
    assert "found the disk full; free some space" in line
    assert Path(re.search(r"\(log: (.*)\)", line)[1]).exists()
    project.run(*SIMULATE, **cluster.environment)
    whole = digests(project)
    assert set(left) < set(whole)
    assert {name: whole[name] for name in left} == left
