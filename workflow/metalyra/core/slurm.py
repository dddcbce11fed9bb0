"""What a run asks of a SLURM cluster: before its first job, of a killed run's jobs, and at its end.

Everything is asked with SLURM's own commands. Names of runs and reasons of failures are read in the
log that Snakemake keeps of a run, where the plugin for SLURM writes them.
"""

import getpass
import logging
import re
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

LONGEST_PAUSE = 180
"""Seconds between two looks of Snakemake at the states of its jobs, at most."""

LONGEST_END = 600
"""Seconds that cancelled jobs may take to end."""

_RUN = re.compile(r"SLURM run ID: ([\w-]+)")
_SUBMITTED = re.compile(r"submitted with SLURM jobid (\d+) \(log: (.*)\)")
_ERROR = re.compile(
    r"^(?:Error in rule |    message: Error in group ).*\n"
    r"(?:(?!\[|Error in |Trying to restart |Finished jobid: ).*\n)*",
    re.MULTILINE,
)
"""What is said of one attempt that has failed, and of the jobs that have shared its submission."""

_MEMBER = re.compile(r"^ +jobid: (\d+)$", re.MULTILINE)
_FINISHED = re.compile(r"^Finished jobid: (\d+)", re.MULTILINE)
_FAILED = re.compile(r"SLURM-job '(\d+)' failed.*?SLURM status is: '(\w+)'", re.DOTALL)
_FAILED_GROUP = re.compile(
    r"message: Error in group .*\n +log: .*/(\d+)\.log \(check.*\n +jobs:\n +rule (\w+):"
)
_FAILED_HERE = re.compile(
    r"^Error in rule (\w+):\n    message: None\n    jobid: (\d+)\n(?:    .*\n)*?    log: ([^\s,]+)",
    re.MULTILINE,
)
"""What is said of a job that has failed where Snakemake runs, with its log."""

_KILLED = "died with <Signals.SIGKILL"
"""What is said before that of a job that the system has ended, most often for its memory."""

_STOPPED = "Terminating processes on user request"
"""What is said when the user ends the run, before the jobs that are ended so fail."""

_REFUSED = re.compile(r"SLURM sbatch failed\. The error message was '(.*?)'", re.DOTALL)
_UNSEEN = re.compile(
    r"^MissingOutputException in rule (\w+).*\n+"
    r"Job (\d+) +completed successfully.*Missing files after (\d+) seconds",
    re.MULTILINE,
)
"""What is said of a job that has ended well, but whose files the main process does not see."""

_NOT_SUBMITTED = re.compile(r"Exception in run_job for rule (\w+): (.*)")
_FAILED_RULE = re.compile(r"Error in rule (\w+):")
_SIGNS = {
    "OUT_OF_MEMORY": re.compile(r"oom[-_ ]kill|exceeded .*memory limit|MemoryError", re.IGNORECASE),
    "full disk": re.compile(r"No space left on device|Disk quota exceeded"),
    "TIMEOUT": re.compile(r"CANCELLED AT .* DUE TO TIME LIMIT"),
    "NODE_FAIL": re.compile(r"CANCELLED AT .* DUE TO NODE FAIL"),
    "CANCELLED": re.compile(r"CANCELLED AT"),
}
"""What the log of a job has if it has ended for a reason; the first one counts."""

_ADVICE = {
    "OUT_OF_MEMORY": "ran out of memory; ask for more: --set-resources {rule}:mem_mb=<MB>",
    "TIMEOUT": "reached the time limit; ask for more: --set-resources {rule}:runtime=<minutes>",
    "NODE_FAIL": "lost the node that they ran on; the same command goes on from there, and "
    "--slurm-exclude-failed-nodes <node> leaves it out",
    "CANCELLED": "were cancelled by somebody (scancel); the same command goes on from there",
    "full disk": "found the disk full; free some space in {folder}, or ask for a larger quota; the "
    "same command goes on from there",
    "no log": "ended before they could write a log: the nodes must see {folder} and the Python "
    "that runs Snakemake under the paths that they have here, and the disk must have space; "
    "`scontrol show job {job}` names the node, --slurm-exclude-failed-nodes <node> leaves it out",
    "KILLED": "ran out of memory, or were killed by the system for it; run fewer at a time, or on "
    "a machine with more",
    "FAILED": "failed; their logs say why",
}
"""What to do about jobs that have ended in a state."""


class ClusterError(Exception):
    """The cluster cannot do what a run asks of it."""


@dataclass(frozen=True)
class Request:
    """What the jobs of a rule ask of a cluster.

    Attributes
    ----------
    rule
        The rule.
    partition, account
        As the user has named them, several between commas; empty for those that the cluster gives
        by itself.
    cores, memory, gpus
        Of one node; memory in MB.
    runtime
        Minutes of a submission, of all its jobs together.
    """

    rule: str
    partition: str
    account: str
    cores: int
    memory: int
    gpus: int
    runtime: int


@dataclass(frozen=True)
class Node:
    """A node in one of its partitions, as `sinfo` tells; memory in MB, limit in minutes."""

    partition: str
    is_default: bool
    is_up: bool
    cores: int
    memory: int
    gpus: int
    limit: float


def is_at_hand() -> bool:
    """Return whether this machine has the commands of SLURM."""
    return shutil.which("sinfo") is not None


def check_cluster(requests: Iterable[Request]) -> None:
    """Check that the cluster has partitions, accounts and nodes for all that is asked for.

    Parameters
    ----------
    requests
        What the jobs ask for.

    Raises
    ------
    ClusterError
        With a line for everything that the cluster does not have, which says what to do.
    """
    asked = list(requests)
    nodes = read_nodes(_ask("sinfo", "--all", "--noheader", "--Node", "--format=%P|%a|%c|%m|%G|%l"))
    problems = find_unmet(asked, nodes)
    accounts = {name for request in asked for name in re.findall(r"[^,\s]+", request.account)}
    problems += find_unknown(accounts, _accounts() if accounts else [])
    if problems:
        raise ClusterError("\n".join(dict.fromkeys(problems)))


def check_states(command: str, shortest_pause: int) -> None:
    """Check that Snakemake will see the ends of its jobs, and not wait for ever.

    Parameters
    ----------
    command
        What it asks for the states of jobs: sacct or squeue.
    shortest_pause
        Seconds from a look at the states that has found an end to the next one.

    Raises
    ------
    ClusterError
        If the command does not tell; the message says which does.
    """
    has_accounts = _has_accounts()
    if command == "sacct":
        if not has_accounts:
            raise ClusterError(
                "this cluster keeps no accounts of jobs, and sacct cannot tell their states; add "
                "--slurm-status-command squeue"
            )
        return
    remembered = read_memory_of_jobs(_ask("scontrol", "show", "config"))
    if remembered > max(LONGEST_PAUSE, 3 * shortest_pause - 1):
        return
    if has_accounts:
        raise ClusterError(
            f"SLURM forgets a job {remembered} s after its end here, and squeue may miss it; add "
            "--slurm-status-command sacct"
        )
    raise ClusterError(
        f"SLURM forgets a job {remembered} s after its end here and keeps no accounts, so that the "
        f"ends of jobs are missed; ask those who run the cluster for MinJobAge=300 in slurm.conf"
    )


def read_nodes(text: str) -> list[Node]:
    """Read nodes from what `sinfo` says, a line for a node in a partition.

    Parameters
    ----------
    text
        Partition, availability, cores, memory, generic resources and time limit, between bars.
    """
    nodes = []
    for line in filter(None, text.splitlines()):
        partition, available, cores, memory, gres, limit = line.split("|")
        gpus = re.findall(r"gpu(?::[^:,()]+)?:(\d+)", gres)
        nodes.append(
            Node(
                partition=partition.rstrip("*"),
                is_default=partition.endswith("*"),
                is_up=available == "up",
                cores=int(cores.rstrip("+")),
                memory=int(memory.rstrip("+")),
                gpus=sum(map(int, gpus)),
                limit=read_limit(limit),
            )
        )
    return nodes


def read_limit(text: str) -> float:
    """Read a time limit (minutes) as SLURM prints it: [days-][[hours:]minutes:]seconds."""
    if not (found := re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text)):
        return float("inf")
    days, hours, minutes, seconds = (int(number or 0) for number in found.groups())
    return (days * 24 + hours) * 60 + minutes + seconds / 60


def read_memory_of_jobs(text: str) -> float:
    """Read how long (s) the controller knows a job after its end, from its configuration."""
    found = re.search(r"^MinJobAge\s*=\s*(\d+)", text, re.MULTILINE)
    return int(found[1]) if found else float("inf")


def find_unmet(requests: Iterable[Request], nodes: Sequence[Node]) -> list[str]:
    """Return a line for everything that is asked for and that no node has.

    Parameters
    ----------
    requests
        What the jobs ask for.
    nodes
        The nodes of all partitions.
    """
    names = sorted({node.partition for node in nodes})
    problems = []
    for request in requests:
        within = [
            node
            for node in nodes
            if (
                node.partition in request.partition.split(",")
                if request.partition
                else node.is_default
            )
        ]
        choose = f"name one with --default-resources slurm_partition=<name> ({', '.join(names)})"
        if not within and request.partition:
            problems.append(f"this cluster has no partition {request.partition}; {choose}")
        elif not within:
            problems.append(f"this cluster has no default partition; {choose}")
        elif not any(node.is_up for node in within):
            problems.append(f"the partition {within[0].partition} is down; {choose}")
        else:
            problems += _find_missing(request, within)
    return list(dict.fromkeys(problems))


def find_unknown(accounts: Iterable[str], known: Sequence[str] | None) -> list[str]:
    """Return a line for every account that is named and not one of the user's.

    Parameters
    ----------
    accounts
        The accounts that are named.
    known
        The user's; empty where SLURM tells none, and nothing where it keeps none.
    """
    if known is None:
        return [
            f"this cluster keeps no accounts; leave out slurm_account={account}"
            for account in sorted(accounts)
        ]
    return [
        f"you have no account {account} on this cluster (there are: {', '.join(known)}); name one "
        "with --default-resources slurm_account=<name>"
        for account in sorted(accounts)
        if known and account.lower() not in known
    ]


def _find_missing(request: Request, nodes: Sequence[Node]) -> list[str]:
    """Return a line for each thing that the nodes of a partition have too little of."""
    partition, rule = nodes[0].partition, request.rule
    elsewhere = f"name another partition with --set-resources {rule}:slurm_partition=<name>"
    if request.gpus > max(node.gpus for node in nodes):
        return [
            f"{rule} asks for {request.gpus} GPU(s), which no node of the partition {partition} "
            f"has; {elsewhere}, or train without: --config gpu=0"
        ]
    problems = []
    suited = [node for node in nodes if node.gpus >= request.gpus]
    for asked, most, unit, resource in (
        (request.memory, max(node.memory for node in suited), "MB of memory", "mem_mb"),
        (request.cores, max(node.cores for node in suited), "cores", "threads"),
        (request.runtime, max(node.limit for node in suited), "minutes", "runtime"),
    ):
        if asked > most:
            less = f"ask for less with --set-resources {rule}:{resource}=<number>"
            if resource == "threads":
                less = f"ask for less with --set-threads {rule}=<number>"
            elif resource == "runtime":
                less += " or put fewer jobs into a submission with --group-components"
            problems.append(
                f"{rule} asks for {asked} {unit}, and the partition {partition} gives {most:.0f} "
                f"at most; {elsewhere}, or {less}"
            )
    return problems


def cancel_jobs_of(log: Path, pause: float = 2.0) -> None:
    """Cancel the jobs of a run that was killed, and wait for their ends.

    Queued jobs would otherwise do later what the next run does now, and write the same files.

    Parameters
    ----------
    log
        Snakemake's log of that run; that of a run on no cluster has no jobs.
    pause
        Seconds between two looks at the queue.

    Raises
    ------
    ClusterError
        If SLURM does not answer, or the jobs do not end.
    """
    if not log.exists() or not (found := _RUN.search(log.read_text(errors="replace"))):
        return
    if not is_at_hand():
        logger.warning("%s: jobs of this run on a SLURM cluster, if any, go on there", log)
        return
    left = _queued(found[1])
    if not left:
        return
    logger.warning("cancelling %d job(s) of a run that was killed (%s)", len(left), found[1])
    _ask("scancel", "--user", getpass.getuser(), "--name", found[1])
    end = time.monotonic() + LONGEST_END
    while left := _queued(found[1]):
        if time.monotonic() > end:
            raise ClusterError(
                f"jobs {', '.join(left)} of a run that was killed do not end; cancel them with "
                "scancel, or ask those who run the cluster, and start again"
            )
        time.sleep(pause)


def explain_failures(log: str, folder: Path) -> list[str]:
    """Say what has become of the jobs of a run that have failed, and what to do.

    Parameters
    ----------
    log
        The text of Snakemake's log of the run.
    folder
        Where the run was started.

    Returns
    -------
    list of str
        A line for each kind of failure, with the logs that there are, and one for all attempts
        that a later one has made good.
    """
    logs = {job: Path(path) for job, path in _SUBMITTED.findall(log)}
    finished = set(_FINISHED.findall(log))
    failed: dict[tuple[str, str], list[str]] = defaultdict(list)
    made_good: list[str] = []
    for error in _ERROR.findall(log):
        # Of a group of jobs, Snakemake does not say in what state it has ended.
        found = _FAILED.search(error) or _FAILED_GROUP.search(error)
        if found is None:
            continue
        job, told = found.groups()
        path = logs.get(job, Path("-"))
        state, first = (told, "<rule>") if found.re is _FAILED else ("FAILED", told)
        rule, members = _rule(path, first), set(_MEMBER.findall(error))
        if members and members <= finished:
            made_good.append(rule)
        else:
            failed[_reason(state, path), rule].append(job)
    lines = []
    for (reason, rule), jobs in failed.items():
        advice = _ADVICE.get(reason, f"ended as {reason}").format(
            rule=rule, folder=folder, job=jobs[-1]
        )
        written = [str(logs[job]) for job in jobs if job in logs and logs[job].exists()]
        lines.append(
            f"{rule}: {len(jobs)} submission(s) {advice}"
            + (f" (log: {written[-1]})" if written else "")
        )
    for message in dict.fromkeys(_REFUSED.findall(log)):
        lines.append(f"SLURM has refused a job: {' '.join(message.split())}")
    for rule, message in dict.fromkeys(_NOT_SUBMITTED.findall(log)):
        lines.append(f"{rule}: a job could not be submitted: {message}")
    unseen = {rule: wait for rule, job, wait in _UNSEEN.findall(log) if job not in finished}
    for rule, wait in unseen.items():
        lines.append(
            f"{rule}: a job has ended well, and {wait} s later its files were not to be seen from "
            "here; where the file system is slow, wait longer: --latency-wait <seconds>; the same "
            "command goes on from there"
        )
    lines += _explain_failures_here(log, folder, finished)
    if made_good:
        ended = (
            "" if lines else ", but what is said above has ended the run; the same command goes on"
        )
        lines.append(
            f"{', '.join(sorted(set(made_good)))}: {len(made_good)} submission(s) failed and were "
            f"made good by another attempt; nothing to do{ended}"
        )
    return lines


def _explain_failures_here(log: str, folder: Path, finished: set[str]) -> list[str]:
    """Return a line for each rule of which jobs have failed where Snakemake runs, to the last.

    Jobs that the user has ended have not failed.
    """
    if _STOPPED in log:
        return []
    failed: dict[tuple[str, str], dict[str, Path]] = defaultdict(dict)
    end = 0
    for error in _FAILED_HERE.finditer(log):
        rule, job, path = error.groups()
        reason = _reason("FAILED", Path(path)) if Path(path).exists() else "FAILED"
        if reason == "OUT_OF_MEMORY" or _KILLED in log[end : error.start()]:
            reason = "KILLED"  # nothing that such a job asks for bounds its memory
        end = error.end()
        if job not in finished:
            for earlier in failed.values():
                earlier.pop(job, None)
            failed[reason, rule][job] = Path(path)
    return [
        f"{rule}: {len(jobs)} job(s) "
        + _ADVICE.get(reason, f"ended as {reason}").format(rule=rule, folder=folder, job="")
        + f" (log: {list(jobs.values())[-1]})"
        for (reason, rule), jobs in failed.items()
        if jobs
    ]


def _rule(log: Path, of_group: str) -> str:
    """Return the rule that has failed; of a group, the one that its log names, or its first."""
    text = log.read_text(errors="replace") if log.exists() else ""
    kind, _, name = next(
        (part for part in log.parts if part.startswith(("rule_", "group_"))), ""
    ).partition("_")
    if kind == "rule":
        return name
    named = _FAILED_RULE.findall(text)
    return named[-1] if named else of_group


def _reason(state: str, log: Path) -> str:
    """Return why a job has ended so, by its state and its log."""
    if state not in ("FAILED", "OUT_OF_MEMORY", "CANCELLED"):
        return state
    if not log.exists():
        return state if state == "CANCELLED" else "no log"
    text = log.read_text(errors="replace")
    return next((reason for reason, sign in _SIGNS.items() if sign.search(text)), state)


def _queued(name: str) -> list[str]:
    """Return the jobs of a name that are waiting or at work."""
    return _ask(
        *("squeue", "--all", "--noheader", "--format=%A"),
        *("--user", getpass.getuser(), "--name", name),
    ).split()


def _has_accounts() -> bool:
    """Return whether the cluster keeps accounts of jobs."""
    if shutil.which("sacct") is None:
        return False
    asked = ["sacct", "--noheader", "--allocations", "--starttime=now"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0  # noqa: S603


def _accounts() -> list[str] | None:
    """Return the accounts of this user, in small letters; nothing where the cluster keeps none."""
    user = getpass.getuser()
    answers = []
    for asked in (
        ("sacctmgr", "-n", "-s", "list", "user", user, "format=account%256"),
        ("sshare", "-U", "--noheader", "--format=Account%256"),
    ):
        if shutil.which(asked[0]):
            told = subprocess.run(asked, capture_output=True, check=False, text=True)  # noqa: S603
            if told.returncode == 0:
                answers.append(told.stdout.lower().split())
    return next(filter(None, answers), []) if answers else None


def _ask(*command: str) -> str:
    """Return what a command of SLURM says."""
    try:
        told = subprocess.run(command, capture_output=True, check=False, text=True)  # noqa: S603
    except FileNotFoundError:
        raise ClusterError(
            f"there is no {command[0]} on this machine; start the run on a login node of the "
            "cluster, or without the profile of a cluster"
        ) from None
    if told.returncode:
        raise ClusterError(f"SLURM does not answer: {' '.join(told.stderr.split())}")
    return told.stdout
