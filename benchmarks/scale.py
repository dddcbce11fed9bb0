"""A catalogue of as many simulated Gaia stars as wanted, and what every stage of it takes.

The files of the archive are written first: some thousand stars, copied with new noise. Then the
workflow runs with the study `benchmarks/scale.yaml`, in a copy of the project, without network. CPU
seconds are those of the jobs themselves; wall times depend on what else the machine does. With
--kill-after all processes of the run are killed in the middle, and it is started again.
"""

import argparse
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import yaml
from tests.integration.conftest import Project

from metalyra.core import read_table
from testbench.simulate.copies import write_copies

CONFIG = "benchmarks/scale.yaml"
RESULTS = "results/scale"
PRODUCTS = (
    *(
        f"{RESULTS}/catalogue/metallicities.{suffix}"
        for suffix in ("parquet", "vot", "fits", "csv")
    ),
    f"{RESULTS}/ledger.csv",
)
BATCH_SIZE = 5000
"""Sources of a request to the archive, at most."""

_STARTED = re.compile(r"^Job (\d+): (.*)$", re.MULTILINE)
_FINISHED = re.compile(r"^Finished jobid: (\d+)", re.MULTILINE)
_TAKEN = re.compile(r"took ([\d.]+) s of CPU and ([\d.]+) MB of memory")


class Run(NamedTuple):
    """One call of Snakemake.

    Attributes
    ----------
    wall, cpu
        Seconds until it ended, and of CPU in all processes that it has seen end.
    planning
        Seconds until the first job was started.
    started, finished
        What its jobs say that they do.
    """

    wall: float
    cpu: float
    planning: float
    started: list[str]
    finished: list[str]


def main() -> None:
    """Print the tables, and fail if a star is lost or a kill costs more than it may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stars", type=int, default=300_000)
    parser.add_argument("--folder", type=Path, required=True, help="where everything is written")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--stars-of-a-job", type=int, default=1500)
    parser.add_argument("--kill-after", type=int, metavar="JOBS", help="jobs that finish before")
    options = parser.parse_args()
    batches = -(-options.stars // BATCH_SIZE)
    seconds = simulate(options.folder / "mirror", options.stars, batches)
    print(f"{options.stars} stars simulated: {seconds:.0f} s of CPU", flush=True)
    project = make_project(options.folder, batches, -(-options.stars // options.stars_of_a_job))
    runs = [run_workflow(project, options.cores, options.kill_after)]
    if options.kill_after:
        runs.append(run_workflow(project, options.cores))
        print(describe_kill(*runs, cores=options.cores))
    stages = measure_stages(project.path(RESULTS), options.stars)
    print(stages.to_string(float_format="{:.1f}".format))
    print(describe_workflow(runs, stages, options.cores))
    print(measure_disk(project.path(RESULTS), options.folder / "mirror").to_string())
    print(count_stars(project, options.stars).to_string(index=False))


def simulate(mirror: Path, stars: int, batches: int) -> float:
    """Write the archive's files unless they are there; return the seconds of CPU of that."""
    mark = mirror / "seconds.txt"
    if not mark.exists():
        before = time.process_time()
        write_copies(mirror, stars, batches)
        mark.write_text(f"{time.process_time() - before:.1f}")
    return float(mark.read_text())


def make_project(folder: Path, batches: int, chunks: int) -> Project:
    """Copy the project, with the numbers of batches and chunks in its study."""
    project = Project(folder / "clone")
    path = project.path(CONFIG)
    config = yaml.safe_load(path.read_text())
    for query in config["queries"].values():
        query.update({"batches": batches} if "batches" in query else {})
    path.write_text(yaml.safe_dump({**config, "chunks": chunks}, sort_keys=False))
    return project


def run_workflow(project: Project, cores: int, kill_after: int | None = None) -> Run:
    """Run the study to its end, or kill all its processes once so many jobs have finished."""
    log = project.path("run.log")
    before, start, planning = _cpu_of_children(), time.perf_counter(), 0.0
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "snakemake", "--cores", str(cores)),
                *("--configfile", CONFIG, "--", *PRODUCTS),
            ],
            cwd=project.folder,
            env=os.environ
            | {"METALYRA_MIRROR": str(project.folder.parent.resolve() / "mirror")}
            | {"METALYRA_ARCHIVES": "", "METALYRA_OFFLINE": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        while process.poll() is None and (kill_after or not planning):
            time.sleep(0.5)
            said = log.read_text()
            if not planning and _STARTED.search(said):
                planning = time.perf_counter() - start
            if kill_after and len(_FINISHED.findall(said)) >= kill_after:
                os.killpg(process.pid, signal.SIGKILL)
                break
        process.wait()
    wall, said = time.perf_counter() - start, log.read_text()
    if process.returncode != (-signal.SIGKILL if kill_after else 0):
        raise SystemExit(f"the run has ended with {process.returncode}: {log}")
    messages = dict(_STARTED.findall(said))
    finished = [messages[job] for job in _FINISHED.findall(said) if job in messages]
    return Run(wall, _cpu_of_children() - before, planning, [*messages.values()], finished)


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def describe_kill(killed: Run, again: Run, cores: int) -> str:
    """Say what a kill has cost; fail if a job that had finished was run again."""
    repeated = Counter(killed.finished) & Counter(again.started)
    if repeated or len(killed.started) - len(killed.finished) > cores:
        raise SystemExit(f"jobs were run again although they had finished: {[*repeated]}")
    twice = Counter(killed.started) & Counter(again.started)
    return (
        f"killed after {len(killed.finished)} jobs, {killed.wall:.0f} s; run twice: {len(twice)} "
        f"jobs, all in flight: {'; '.join(twice)}"
    )


def measure_stages(results: Path, stars: int) -> pd.DataFrame:
    """Return what the jobs of every stage took, by what they say in their log files."""
    rows = []
    for log in sorted((results / "logs").rglob("*.log")):
        name = log.relative_to(results / "logs")
        stage = name.parts[0].removesuffix(".log")
        if found := _TAKEN.search(log.read_text()):
            benchmark = results / "benchmarks" / name.with_suffix(".tsv")
            wall = pd.read_csv(benchmark, sep="\t")["s"].sum()
            rows.append((stage, float(found[1]), wall, float(found[2])))
    jobs = pd.DataFrame(rows, columns=["stage", "cpu_s", "wall_s", "memory_mb"])
    stages = jobs.groupby("stage").agg(
        jobs=("cpu_s", "size"),
        cpu_s=("cpu_s", "sum"),
        wall_s=("wall_s", "sum"),
        memory_mb=("memory_mb", "max"),
    )
    stages.loc["all"] = [*stages[["jobs", "cpu_s", "wall_s"]].sum(), stages["memory_mb"].max()]
    stages["cpu_ms_a_star"] = 1000 * stages["cpu_s"] / stars
    return stages.astype({"jobs": int})


def describe_workflow(runs: list[Run], stages: pd.DataFrame, cores: int) -> str:
    """Say what Snakemake itself took."""
    wall, cpu = sum(run.wall for run in runs), sum(run.cpu for run in runs)
    jobs, of_jobs = stages.loc["all", "jobs"], stages.loc["all"]
    idle = cores * (wall - sum(run.planning for run in runs)) - of_jobs["wall_s"]
    return (
        f"wall {wall:.0f} s, CPU {cpu:.0f} s; Snakemake's own: "
        f"{cpu - of_jobs['cpu_s']:.0f} s of CPU, {runs[0].planning:.0f} s until the "
        f"first job, {idle / jobs:.2f} s a job beside it"
    )


def measure_disk(results: Path, mirror: Path) -> "pd.Series[float]":
    """Return the megabytes of every folder."""
    folders = {"mirror (given)": mirror, **{path.name: path for path in sorted(results.iterdir())}}
    sizes = {name: sum(_sizes(path)) / 1e6 for name, path in folders.items()}
    sizes["all"] = sum(sizes.values())
    return pd.Series(sizes, name="MB").round(1)


def _sizes(path: Path) -> Iterator[int]:
    files = path.rglob("*") if path.is_dir() else [path]
    return (file.lstat().st_size for file in files if not file.is_dir())


def count_stars(project: Project, stars: int) -> pd.DataFrame:
    """Return how many stars are of which status; fail if any is lost."""
    ledger = pd.read_csv(project.path(f"{RESULTS}/ledger.csv"))
    catalogue = read_table(project.path(PRODUCTS[0]), ["star_id"])
    if set(ledger["given"]) != {stars} or catalogue["star_id"].nunique() != stars:
        raise SystemExit(f"{stars} stars went in, {len(catalogue)} came out")
    return ledger[["stage", "model", "status", "stars"]]


if __name__ == "__main__":
    main()
