"""A survey with spectroscopic metallicities of its own, from two tables to calibrated values."""

import numpy as np
import pandas as pd
import pytest

from metalyra.label.relations import read_relations

pytestmark = pytest.mark.study

CONFIGURATION = (
    "--configfile",
    "config/own_survey.yaml",
    "tests/integration/small_own_survey.yaml",
)


@pytest.fixture(scope="module")
def study(new_project):
    """The study and what it has printed."""
    project = new_project()
    output = project.run("--cores", "all", *CONFIGURATION)
    return project.path("results/own_survey"), output


@pytest.fixture(scope="module")
def stars(study):
    return pd.read_csv(study[0] / "example/stars.csv").set_index("star_id")


@pytest.fixture(scope="module")
def written(study):
    return pd.read_csv(study[0] / "metallicities.csv").set_index("star_id")


def test_every_star_has_a_row_in_the_order_of_the_table(stars, written):
    assert written.index.tolist() == stars.index.tolist()
    rrab = written[stars["pulsation_type"] == "RRab"]
    assert (rrab["status"] == "ok").mean() > 0.7
    assert np.isfinite(rrab.loc[rrab["status"] == "ok", "feh_err"]).all()


def test_labelled_stars_have_the_value_of_a_member_that_has_not_seen_them(study, stars, written):
    unseen = pd.read_parquet(study[0] / "models/own_rrab/out_of_fold.parquet").set_index("star_id")
    trained = written["in_training"]
    assert set(unseen.index) == set(written.index[trained])
    assert stars.loc[unseen.index, "feh"].notna().all()
    np.testing.assert_allclose(written.loc[unseen.index, "feh"], unseen["feh_predicted"], atol=1e-9)
    unlabelled = stars["feh"].isna() & (stars["pulsation_type"] == "RRab")
    assert not trained[unlabelled].any()
    assert written.loc[unlabelled, "feh"].notna().mean() > 0.7


def test_a_type_with_too_few_labels_is_left_out_with_its_numbers(study, stars, written):
    output = study[1]
    labelled = (stars["feh"].notna() & (stars["pulsation_type"] == "RRc")).sum()
    note = f"{labelled} labelled RRc stars can be used, the model own_rrc needs 25"
    assert note in output
    rrc = written[(stars["pulsation_type"] == "RRc") & stars["feh"].isna()]
    assert len(rrc) > 0
    assert set(rrc["status"]) == {"no_model"}
    assert rrc["reason"].str.startswith(note).all()


def test_the_accuracy_is_printed_and_written(study, stars):
    folder, output = study
    table = pd.read_csv(folder / "tables/cross_validation.csv").set_index(
        ["name", "pulsation_type"]
    )
    model = table.loc["own_rrab", "RRab"]
    assert model["n_stars"] >= 25
    assert model["rmse"] < 0.8 * stars.loc[stars["pulsation_type"] == "RRab", "feh"].std()
    assert f"{model['rmse']:.3f}" in output
    assert 0.5 < model["coverage_68"] < 0.85
    relation = table.loc["own_relation", "RRab"]
    assert f"{relation['rmse']:.3f}" in output
    assert (folder / "figures/out_of_fold/own_rrab.png").exists()


def test_the_relation_is_one_of_the_band_to_be_used_elsewhere(study):
    relations = read_relations(study[0] / "calibration/own_relation/relations.yaml")
    relation = relations["own_relation"]["RRab"]
    assert relation.band == "V"
    assert set(relation.features) == {"period", "a1", "a2", "phi31"}
    assert relation.scatter > 0


def test_eight_labelled_stars_are_refused_with_their_number(new_project):
    project = new_project()
    project.path("few.yaml").write_text("example: {n_rrab: 8, n_rrc: 0, labelled: 1}\n")
    status, output = project.attempt(
        *("results/own_survey/calibration/own_relation/relations.yaml", "--cores", "all"),
        *(*CONFIGURATION, "few.yaml"),
    )
    assert status != 0
    assert "no relation can be calibrated on 8 RRab, 0 RRc stars" in output
    assert "Traceback" not in output
