"""However a study is run, it ends with the same bytes."""

import hashlib
import random
import signal
import time

import pytest
import yaml

from metalyra.core.tables import read_table

pytestmark = pytest.mark.study

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
def finished(new_project):
    project = new_project()
    project.run(*arguments(cores=1, chunks=1))
    return project


@pytest.fixture(scope="module")
def undisturbed(finished) -> dict[str, str]:
    return digests(finished)


def test_a_search_goes_on_where_it_stopped_and_finds_the_best(finished):
    run, folder = ("--cores", "1", *STUDY, "--config", "chunks=1", "--"), "searches/small_search"
    finished.run(*run, f"results/small/{folder}/trials/0_0_1.parquet")
    output = finished.run(*run, f"results/small/{folder}/best.yaml")
    assert "Training trial 0 of small_search, round 0 of bracket 0" in output
    assert "Training trial 1 of small_search, round 0 of bracket 0" not in output
    results = read_table(finished.path(f"results/small/{folder}/results.parquet"))
    assert len(results) == 5
    best = yaml.safe_load(finished.path(f"results/small/{folder}/best.yaml").read_text())
    assert best["value"] == results.loc[results["epochs"] == 2, "rmse"].min()


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
