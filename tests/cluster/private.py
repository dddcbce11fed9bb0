"""A SLURM cluster of two nodes on this machine, with folders, ports and keys of its own.

The tests of this folder and `benchmarks/cluster.py` start it. Nothing of it is in /etc, and a
cluster that the machine belongs to is not touched. The commands in its folder `bin` ask it whatever
SLURM_CONF says, for Snakemake takes that from its jobs.
"""

import contextlib
import getpass
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd")
COMMANDS = ("sacct", "sacctmgr", "sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")
NODES = ("one", "two")
PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"])

CONFIGURATION = """\
ClusterName=private
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={ports[0]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
MinJobAge=3600
KillWait=2
SlurmdTimeout=10
NodeName=DEFAULT CPUs={cores} RealMemory=8000
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]}
NodeName=two NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]}
PartitionName=main Nodes=ALL Default=YES MaxTime=1-00:00:00 State=UP
"""


def find_missing() -> list[str]:
    """Return the programs of SLURM and munge that are not on this machine."""
    names = [*PROGRAMS, *COMMANDS]
    return [name for name in names if shutil.which(name, path=PATH) is None]


@dataclass(frozen=True)
class Job:
    """A job as `squeue` tells."""

    number: int
    state: str
    name: str
    comment: str
    node: str
    submitted: str
    started: str
    ended: str


class Cluster:
    """The cluster, from its start to its end as a context.

    Parameters
    ----------
    folder
        An empty folder of a short path.
    cores
        Of each node.
    """

    def __init__(self, folder: Path, cores: int = 2) -> None:
        self.folder, self.cores = folder, cores
        self.configuration = folder / "slurm.conf"
        self._running: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> "Cluster":
        for name in ("state", "bin", *(f"spool.{node}" for node in NODES)):
            (self.folder / name).mkdir()
        host, user = os.uname().nodename.partition(".")[0], getpass.getuser()
        self.configuration.write_text(
            CONFIGURATION.format(
                host=host, user=user, folder=self.folder, ports=find_ports(3), cores=self.cores
            )
        )
        for name in COMMANDS:
            command = self.folder / "bin" / name
            real = shutil.which(name, path=PATH)
            command.write_text(f'#!/bin/sh\nSLURM_CONF={self.configuration} exec {real} "$@"\n')
            command.chmod(0o755)
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o600)
        try:
            self.start_munge()
            self.start_controller("-c")
            for node in NODES:
                self.start_node(node)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()
        # Steps of jobs are no children of ours. All that belongs to the cluster knows its folder.
        while found := list(find_processes(str(self.folder))):
            for number in found:
                kill(number)
            time.sleep(0.2)

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which this is the cluster."""
        return {"PATH": f"{self.folder / 'bin'}{os.pathsep}{PATH}"}

    def start_munge(self) -> None:
        """Start the daemon that vouches for users."""
        files = {
            "socket": "munge.socket",
            "key-file": "munge.key",
            "pid-file": "munge.pid",
            "log-file": "munge.log",
            "seed-file": "munge.seed",
        }
        options = [f"--{option}={self.folder / name}" for option, name in files.items()]
        self._start("munged", "--foreground", "--force", *options)
        wait_until((self.folder / "munge.socket").exists, 20, "munged")

    def start_controller(self, *options: str) -> None:
        """Start the controller, with what it knows of jobs unless options say otherwise."""
        self._start("slurmctld", "-D", *options)
        wait_until(lambda: self.attempt("scontrol", "ping")[0] == 0, 30, "slurmctld")

    def start_node(self, node: str, *before: str, resumed: bool = False) -> None:
        """Start a node, by a command that may come before; resume it if it was taken out."""

        def start() -> None:
            self._start("slurmd", "-D", "-N", node, before=before, SLURMD_NODENAME=node)

        start()
        if resumed:
            self.ask("scontrol", "update", f"NodeName={node}", "State=RESUME")

        def is_up() -> bool:
            if self._running[f"slurmd {node}"].poll() is not None:
                start()
            return self.ask("sinfo", "-h", "-n", node, "-o", "%t").strip() in (
                "idle",
                "mix",
                "alloc",
            )

        wait_until(is_up, 60, f"node {node}")

    def stop_controller(self) -> None:
        """Kill the controller, which forgets the last seconds."""
        self._stop("slurmctld")

    def stop_node(self, node: str) -> None:
        """Kill a node with everything on it, as when its power fails."""
        self._stop(f"slurmd {node}")
        for number in find_processes(str(self.folder), f"SLURMD_NODENAME={node}\0"):
            kill(number)

    def ask(self, *command: str) -> str:
        """Return what a command of the cluster says; fail if it fails."""
        status, output = self.attempt(*command)
        assert status == 0, (command, output)
        return output

    def attempt(self, *command: str) -> tuple[int, str]:
        """Return the exit status of a command of the cluster and what it says."""
        done = subprocess.run(
            command,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    def jobs(self, state: str = "all") -> list[Job]:
        """Return jobs, in the order of their submission."""
        text = self.ask(
            "squeue", "-h", "--sort=i", f"--states={state}", "-o", "%A|%T|%j|%k|%N|%V|%S|%e"
        )
        found = [line.split("|") for line in text.splitlines()]
        return [Job(int(number), *further) for number, *further in found]

    def _start(
        self, program: str, *options: str, before: tuple[str, ...] = (), **further: str
    ) -> None:
        name = " ".join([program, *further.values()])
        with (self.folder / f"{name}.out").open("w") as log:
            self._running[name] = subprocess.Popen(
                [*before, shutil.which(program, path=PATH), *options],
                env={
                    **os.environ,
                    "PATH": PATH,
                    "SLURM_CONF": str(self.configuration),
                    "PRIVATE_CLUSTER": str(self.folder),
                    **further,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _stop(self, name: str) -> None:
        process = self._running.pop(name)
        process.kill()
        process.wait()


def find_ports(number: int) -> list[int]:
    """Return ports that nobody listens to, nor calls from: a node must find its own again."""
    ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    free: list[int] = []
    for port in random.sample(range(ephemeral // 2, ephemeral), 1000):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            free.append(port)
        if len(free) == number:
            break
    return free


def find_processes(*signs: str) -> Iterator[int]:
    """Find the processes whose environment has all these signs."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes().decode(errors="replace")
        except OSError:  # it has ended, or is another user's
            continue
        if int(process.name) != os.getpid() and all(sign in environment for sign in signs):
            yield int(process.name)


def kill(number: int, by: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a process, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(number, by)


def wait_until(holds: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until something holds; fail after some seconds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.2)
