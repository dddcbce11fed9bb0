"""Own stars without a period: it is found, and the rest of the path goes on with it."""

import numpy as np
import pandas as pd
import pytest

from metalyra.core.tables import read_table
from tests.fit.test_periods import ground_times, light_curve, pulsating

pytestmark = pytest.mark.study

PERIODS = {"ab_0": 0.5713, "ab_1": 0.4876, "ab_2": 0.6402, "c_0": 0.3121, "c_1": 0.2876}
STUDY = """
study: seek
chunks: 2
samples:
  mine: {survey: own, band: V, stars: [stars.csv], light_curves: [curves.csv], periods: find}
"""


def write_files(folder, columns=("star_id",)):
    curves = [
        pulsating(name, "RRab" if name.startswith("ab") else "RRc", period, seed=number, epochs=60)
        for number, (name, period) in enumerate(PERIODS.items())
    ]
    curves.append(light_curve("noise", np.zeros_like, noise=0.1))
    pd.concat(curves).to_csv(folder / "curves.csv", index=False)
    stars = pd.DataFrame({"star_id": [*PERIODS, "noise", "absent"]})
    stars["period"] = stars["star_id"].map(PERIODS)
    stars.loc[stars["star_id"] == "ab_1", "period"] *= 2
    stars[[*columns]].to_csv(folder / "stars.csv", index=False)


@pytest.fixture(scope="module")
def project(new_project):
    project = new_project()
    write_files(project.folder)
    project.path("seek.yaml").write_text(STUDY)
    return project


def test_periods_are_found_where_there_are_none(project):
    catalogue = "results/seek/catalogue/metallicities.csv"
    ledger = "results/seek/ledger.csv"
    project.run(catalogue, ledger, "--cores", "2", "--configfile", "seek.yaml")
    rows = pd.read_csv(project.path(catalogue)).set_index("star_id")
    found = rows.loc[[*PERIODS]]
    np.testing.assert_allclose(found["period"], list(PERIODS.values()), rtol=1e-4)
    assert found["pulsation_type"].tolist() == ["RRab"] * 3 + ["RRc"] * 2
    assert (found["period_status"] == "found").all()
    assert (found["type_status"] == "classified").all()
    assert found["amplitude"].notna().all()
    assert rows.loc["noise", "status"] == "period_not_found"
    assert "is wrong with a probability of" in rows.loc["noise", "reason"]
    assert rows.loc["absent", "status"] == "no_light_curve"
    counted = pd.read_csv(project.path(ledger))
    periods = counted[counted["stage"] == "periods"].set_index("status")["stars"]
    assert periods.to_dict() == {"ok": 5, "no_light_curve": 1, "period_not_found": 1}
    table = read_table(project.path("results/seek/periods/mine.parquet"))
    assert table["star_id"].tolist() == [*PERIODS, "noise", "absent"]


def test_several_bands_find_what_one_is_too_sparse_for(project):
    curves = []
    for number, (name, period) in enumerate(PERIODS.items()):
        kind = "RRab" if name.startswith("ab") else "RRc"
        for place, (band, epochs) in enumerate({"zg": 10, "zr": 14, "zi": 10}.items()):
            seed = 10 * number + place
            curve = pulsating(name, kind, period, seed=seed, epochs=epochs, times=ground_times)
            curves.append(curve.assign(filter=band))
    pd.concat(curves).to_csv(project.path("bands.csv"), index=False)
    pd.DataFrame({"star_id": [*PERIODS]}).to_csv(project.path("names.csv"), index=False)
    study = STUDY.replace("band: V", "band: g, period_bands: [ztf_r, i, Ks]").replace("seek", "gri")
    study = study.replace("stars.csv", "names.csv").replace("curves.csv", "bands.csv")
    project.path("gri.yaml").write_text(study)
    table = "results/gri/periods/mine.parquet"
    project.run(table, "--cores", "1", "--configfile", "gri.yaml")
    stars = read_table(project.path(table)).set_index("star_id")
    assert (stars["status"] == "ok").all()
    np.testing.assert_allclose(stars["period"], [*PERIODS.values()], rtol=2e-4)
    assert stars["pulsation_type"].tolist() == ["RRab"] * 3 + ["RRc"] * 2
    assert (stars["period_bands"] == "g, i, r").all()
    log = project.path("results/gri/logs/ingest_other_bands/mine.log").read_text()
    assert "no star has a measurement in band Ks; there are r (70), g (50), i" in log
    alone = STUDY.replace("seek", "gri").replace("band: V", "band: g")
    project.path("gri.yaml").write_text(
        alone.replace("stars.csv", "names.csv").replace("curves.csv", "bands.csv")
    )
    project.run(table, "--cores", "1", "--configfile", "gri.yaml")
    stars = read_table(project.path(table))
    assert (stars["status"] == "too_few_epochs").all()
    assert "period_bands" not in stars


def test_own_stars_may_have_their_periods_checked(project, mirror):
    write_files(project.folder, ("star_id", "period"))
    own = ("stars=stars.csv", "lightcurves=curves.csv", "model=dg22_g", "band=G", "output=feh.csv")
    run = ("--cores", "2", "--configfile", "config/apply.yaml", "--config", *own, "periods=check")
    project.run(*run, METALYRA_MIRROR=str(mirror))
    rows = pd.read_csv(project.path("feh.csv")).set_index("star_id")
    assert rows.loc["ab_1", "period_status"] == "given_halved"
    assert rows.loc["ab_1", "period"] == pytest.approx(PERIODS["ab_1"], rel=1e-4)
    assert rows.loc["ab_1", "given_period"] == pytest.approx(2 * PERIODS["ab_1"])
    assert rows.loc["ab_0", "period_status"] == "given"
    assert rows.loc["ab_0", "period"] == PERIODS["ab_0"]
    assert rows.loc[["ab_0", "ab_1", "ab_2"], "feh"].notna().all()
    assert rows.loc["c_0", "status"] == "wrong_pulsation_type"


def test_a_list_without_periods_says_how_to_find_them(project):
    write_files(project.folder)
    study = STUDY.replace(", periods: find", "").replace("seek", "given")
    project.path("given.yaml").write_text(study)
    target = "results/given/stars/mine.parquet"
    status, output = project.attempt(target, "--cores", "1", "--configfile", "given.yaml")
    assert status
    assert "stars.csv: no column 'period' with the period (d) of any star" in output


def test_folded_light_curves_have_no_periods_to_find(project):
    study = STUDY.replace("periods: find", "periods: find, phases: published")
    project.path("folded.yaml").write_text(study)
    status, output = project.attempt("--dry-run", "--configfile", "folded.yaml")
    assert status
    assert "samples.mine.periods: light curves with phases: published are folded" in output
