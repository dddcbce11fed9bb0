"""However a study is run, it ends with the same bytes."""

import hashlib
import random
import signal
import time

import pytest

STUDY = ("--configfile", "tests/integration/small.yaml")
PRODUCTS = (
    *(f"results/small/catalogue/metallicities.{suffix}" for suffix in ("parquet", "vot", "fits")),
    "results/small/catalogue/metallicities.csv",
    "results/small/ledger.csv",
    "results/small/models/small_g/card.json",
)
RUN = (*STUDY, "--config", "chunks={}", "--", *PRODUCTS)


def arguments(cores: int, chunks: int) -> list[str]:
    return ["--cores", str(cores), *(part.format(chunks) for part in RUN)]


def digests(project) -> dict[str, str]:
    return {name: hashlib.sha256(project.path(name).read_bytes()).hexdigest() for name in PRODUCTS}


@pytest.fixture(scope="module")
def undisturbed(new_project) -> dict[str, str]:
    project = new_project()
    project.run(*arguments(cores=1, chunks=1))
    return digests(project)


def test_cores_and_chunks_leave_no_trace(new_project, undisturbed):
    project = new_project()
    project.run(*arguments(cores=2, chunks=5))
    assert digests(project) == undisturbed


def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bytes(new_project, undisturbed):
    project = new_project()
    moments = random.Random(3)
    kills = 0
    for _ in range(6):
        run = project.start(*arguments(cores=2, chunks=3))
        time.sleep(moments.uniform(4, 14))
        if run.poll() is not None:
            break
        run.send_signal(signal.SIGKILL)
        run.communicate()
        kills += 1
    assert kills > 2
    project.run(*arguments(cores=2, chunks=3))
    assert digests(project) == undisturbed


def test_a_second_run_beside_a_live_one_is_refused(new_project):
    project = new_project()
    first = project.start("--cores", "1", *STUDY, "--", *PRODUCTS)
    try:
        lock = project.path("results/small/.run.lock")
        while not (lock.exists() and lock.read_text()):
            assert first.poll() is None, first.communicate()[0]
            time.sleep(0.1)
        status, output = project.attempt("--cores", "1", *STUDY, "--", PRODUCTS[0])
        assert first.poll() is None
        assert status != 0
        assert f"another run of this study is at work (process {first.pid} on" in output
    finally:
        first.kill()
        first.communicate()
