"""The flagship, config/gaia.yaml, on the mirror: a fifth of its stars, and quick settings."""

import json
import subprocess

import numpy as np
import pandas as pd
import pytest

from metalyra.core.tables import read_table
from tests.integration.conftest import ROOT

pytestmark = pytest.mark.study

MODELS = {"metalyra_rrab": "RRab", "metalyra_rrc": "RRc"}


@pytest.fixture(scope="module")
def finished(new_project, mirror):
    project = new_project()
    study = ["--configfile", "config/gaia.yaml", str(ROOT / "tests/integration/small_gaia.yaml")]
    products = ["ledger.csv", "release/SHA256SUMS", "models/metalyra_rrc_prior/card.json"]
    products = [f"results/gaia_dr3/{name}" for name in products]
    environment = {"METALYRA_MIRROR": str(mirror), "METALYRA_OFFLINE": "1"}
    project.run("--cores", "2", *products, *study, **environment)
    return project.path("results/gaia_dr3")


def test_every_star_is_in_the_release_with_the_estimates_of_all_models(finished):
    catalogue = read_table(finished / "catalogue/metallicities.parquet")
    catalogue = catalogue[catalogue["sample"] == "gaia_g"]
    released = read_table(finished / "release/catalogue.parquet")
    assert released["source_id"].astype(str).tolist() == catalogue["star_id"].tolist()
    valued = released[released["feh"].notna()]
    assert len(valued) > 250
    for model, kind in MODELS.items():
        own = valued[valued["model"] == model]
        assert set(own["pulsation_type"]) == {kind}
        for name in (model, f"{model}_joint"):
            assert np.isfinite(own[f"feh_by_{name}"]).all()
            assert (own[f"feh_err_by_{name}"] > 0).all()
    # By which name is in the catalogue is said, and whether it has seen the star.
    assert valued["in_training"].any()
    check = ["sha256sum", "--check", "--quiet", "SHA256SUMS"]
    subprocess.run(check, cwd=finished / "release", check=True)


def test_the_models_learn_from_the_stars_that_ogle_has(finished):
    for name, kind in MODELS.items():
        development = read_table(finished / f"development/{name}.parquet")
        used = development[development["fold"] >= 0]
        assert len(used) > 30
        matched = read_table(finished / "matched/gaia_g.parquet").set_index("star_id")
        assert matched.loc[used["star_id"], "reference_id"].notna().all()
        assert (matched.loc[used["star_id"], "pulsation_type"] == kind).all()
        card = json.loads((finished / f"models/{name}/card.json").read_text())
        assert card["metrics"]["union"]["rmse"] < 0.5


def test_bands_and_priors_are_on_the_card(finished):
    def stack(name):
        return json.loads((finished / f"models/{name}/card.json").read_text())["stack"]

    assert stack("metalyra_rrab_joint")["bands"] == ["G", "BP", "RP"]
    assert stack("metalyra_rrc_prior")["unlabelled"] == ["gaia_g"]
    learnt = read_table(finished / "unlabelled/metalyra_rrc_prior/fits.parquet")["star_id"]
    development = read_table(finished / "development/metalyra_rrc_prior.parquet")
    assert len(learnt) > 50
    assert not set(learnt) & set(development.loc[development["fold"] >= 0, "star_id"])


def test_the_ledger_adds_up(finished):
    ledger = pd.read_csv(finished / "ledger.csv")
    counted = ledger[ledger["sample"] == "gaia_g"].groupby(["stage", "model"])["stars"].sum()
    assert (counted == counted.iloc[0]).all()
