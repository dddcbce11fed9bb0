"""What a study would take from archives, without network."""

from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[2]
STUDY = "tests/integration/small_monti25.yaml"


def test_sources_and_queries_are_printed_without_network(new_project):
    project = new_project()
    environment = {"METALYRA_OFFLINE": "1", "METALYRA_MIRROR": "", "METALYRA_ARCHIVES": ""}
    said = project.run("sources", "queries", "--cores", "1", "--configfile", STUDY, **environment)
    assert "gaia_dr3: epoch_photometry" in said
    assert "FROM gaiadr3.vari_rrlyrae AS rr" in said
    results = project.path("results/small_monti25")
    table = pd.read_csv(results / "sources.csv")
    assert list(table["source"]) == [
        "gaia_dr3/rrlyrae.csv.gz",
        "gaia_dr3/epoch_photometry/0.zip",
        "gaia_dr3/epoch_photometry/1.zip",
    ]
    assert not (results / "sources").exists()
    assert not (results / "replies").exists()
    # They look again whenever they are asked.
    assert "Looking where the sources come from" in project.run(
        "sources", "--cores", "1", "--configfile", STUDY, **environment
    )
