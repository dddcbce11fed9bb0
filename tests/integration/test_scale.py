"""The benchmark of scale, on few stars."""

import pandas as pd
import pytest
from benchmarks.scale import (
    PRODUCTS,
    RESULTS,
    count_stars,
    describe_kill,
    make_project,
    measure_disk,
    measure_stages,
    run_workflow,
    simulate,
)

pytestmark = pytest.mark.study

STARS = 120


def test_a_kill_costs_the_jobs_in_flight_and_no_star(tmp_path):
    assert simulate(tmp_path / "mirror", STARS, batches=1) > 0
    project = make_project(tmp_path, batches=1, chunks=1)
    killed = run_workflow(project, cores=2, kill_after=4)
    assert not any(project.path(name).exists() for name in PRODUCTS)
    again = run_workflow(project, cores=2)
    assert describe_kill(killed, again, cores=2).startswith(f"killed after {len(killed.finished)}")
    assert len({*killed.finished, *again.finished}) == 9
    stages = measure_stages(project.path(RESULTS), STARS)
    assert stages["jobs"].to_dict() == {
        **{"acquire": 2, "ingest": 1, "fit": 1, "label": 1, "predict": 2},
        **{"catalogue": 1, "ledger": 1, "all": 9},
    }
    assert (stages["cpu_s"] > 0).all()
    assert (stages["memory_mb"] < 1000).all()
    assert measure_disk(project.path(RESULTS), tmp_path / "mirror")["all"] < 20
    counted = count_stars(project, STARS)
    assert counted[counted["stage"] == "catalogue"]["stars"].sum() == STARS
    catalogue = pd.read_csv(project.path(PRODUCTS[3]))
    models = set(catalogue.loc[catalogue["status"] == "ok", "model"].dropna())
    assert models == {"metalyra_g", "metalyra_g_rrc"}
