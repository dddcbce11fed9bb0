"""The demo study: what it makes, and how right it is."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import yaml
from astropy.table import Table

from metalyra.core.tables import read_table

LARGEST_MEDIAN_ERROR = 0.15
SAMPLES = {"ogle_i": "ogle", "gaia_dr2_g": "gaia_dr2", "vvv_ks": "vvv", "gaia_dr3_g": "gaia_dr3"}
MODELS = {"demo_g": "gaia_dr2_g", "demo_ks": "vvv_ks"}


@pytest.fixture(scope="module")
def results(demo):
    return demo.path("results/demo")


@pytest.fixture(scope="module")
def truth(results):
    return pd.read_csv(results / "sources/simulated/truth.csv", dtype={"star_id": str})


@pytest.fixture(scope="module")
def catalogue(results):
    return read_table(results / "catalogue/metallicities.parquet")


def test_the_sky_is_as_large_as_promised(truth):
    sound = truth[truth["defect"].isna()]
    rrab = sound[sound["pulsation_type"] == "RRab"]
    in_all = rrab[rrab["survey"].isin(["ogle", "gaia_dr2", "vvv"])].groupby("star").size() == 3
    rrc = sound[(sound["survey"] == "gaia_dr3") & (sound["pulsation_type"] == "RRc")]
    assert in_all.sum() >= 400
    assert len(rrc) >= 150


@pytest.mark.parametrize(("model", "sample"), MODELS.items())
def test_the_networks_recover_the_true_metallicities(results, truth, model, sample):
    unseen = read_table(results / f"models/{model}/out_of_fold.parquet")
    true = truth[truth["survey"] == SAMPLES[sample]].set_index("star_id")["feh_true"]
    error = (unseen["feh_predicted"] - unseen["star_id"].map(true)).abs()
    assert len(error) > 300
    assert error.median() < LARGEST_MEDIAN_ERROR
    # A network that knows nothing predicts the mean.
    assert error.median() < 0.5 * (true - true.mean()).abs().median()


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_catalogue_recovers_the_true_metallicities(catalogue, truth, sample):
    measured = catalogue[(catalogue["sample"] == sample) & (catalogue["status"] == "ok")]
    true = truth[truth["survey"] == SAMPLES[sample]].set_index("star_id")["feh_true"]
    error = measured["feh"] - measured["star_id"].map(true)
    assert error.notna().all()
    assert error.abs().median() < LARGEST_MEDIAN_ERROR
    assert abs(error.median()) < LARGEST_MEDIAN_ERROR / 3


@pytest.mark.parametrize("sample", SAMPLES)
def test_broken_stars_have_their_status(results, truth, sample):
    simulated = truth[truth["survey"] == SAMPLES[sample]].set_index("star_id")
    expected = simulated["expected_status"]
    model = next((model for model, name in MODELS.items() if name == sample), None)
    last = f"development/{model}" if model else f"labels/{sample}"
    status = read_table(results / f"{last}.parquet").set_index("star_id")["status"]
    assert set(status.index) == set(expected.index)
    broken = expected[expected != "ok"]
    assert broken.nunique() > 4
    assert (status[broken.index] == broken).all()
    # A sound star may fail a selection cut; without an OGLE star it has no label to learn.
    labelled = simulated["star"].isin(truth.loc[truth["survey"] == "ogle", "star"])
    sound = status[expected.index[(expected == "ok") & (labelled | (model is None))]]
    assert (sound.eq("ok") | sound.str.startswith("cut:")).all()
    assert sound.eq("ok").mean() > 0.8
    if model:
        assert (status[expected.index[(expected == "ok") & ~labelled]] == "no_match").all()


def test_the_ledger_adds_up_at_every_stage(results):
    ledger = pd.read_csv(results / "ledger.csv")
    for _, rows in ledger.groupby(["stage", "sample", "model"]):
        assert rows["stars"].sum() == rows["given"].iloc[0]
    for sample, rows in ledger.groupby("sample"):
        stars = read_table(results / f"stars/{sample}.parquet")
        assert set(rows["given"]) == {len(stars)}
    assert set(ledger["sample"]) == set(SAMPLES)


def test_every_star_is_in_the_catalogue_with_a_value_or_a_reason(results, catalogue):
    for sample in SAMPLES:
        stars = read_table(results / f"stars/{sample}.parquet")
        assert (catalogue["sample"] == sample).sum() == len(stars)
    status = catalogue["status"]
    doubtful = status.isin(["unlike_training", "outside_training_range"])
    doubtful |= status.str.startswith("cut:")
    assert (np.isfinite(catalogue["feh"]) == ((status == "ok") | doubtful)).all()
    assert ((catalogue["reason"] == "") == (status == "ok")).all()


def test_pure_noise_has_no_metallicity(catalogue, truth):
    noise = truth[truth["defect"] == "pure_noise"]
    for sample in ("gaia_dr2_g", "vvv_ks"):
        stars = catalogue[catalogue["sample"] == sample].set_index("star_id")
        rows = stars.loc[noise.loc[noise["survey"] == SAMPLES[sample], "star_id"]]
        assert len(rows) > 0
        assert set(rows["status"]) == {"not_variable"}
        assert rows["feh"].isna().all()


def test_a_metallicity_has_one_error_that_is_that_of_its_parts(catalogue):
    measured = catalogue[catalogue["status"] == "ok"]
    parts = ["feh_err_light_curve", "feh_err_model", "feh_err_relation"]
    whole = np.sqrt((measured[parts].fillna(0.0) ** 2).sum(axis=1))
    np.testing.assert_allclose(measured["feh_err"], whole, rtol=1e-9)
    assert (measured["feh_low_95"] < measured["feh_low_68"]).all()
    np.testing.assert_allclose(measured["feh_high_68"] - measured["feh"], measured["feh_err"])


@pytest.mark.parametrize(("model", "sample"), MODELS.items())
def test_stars_of_the_training_have_the_value_that_was_held_out(results, catalogue, model, sample):
    unseen = read_table(results / f"models/{model}/out_of_fold.parquet").set_index("star_id")
    rows = catalogue[(catalogue["sample"] == sample) & (catalogue["model"] == model)]
    rows = rows[rows["in_training"]].set_index("star_id")
    assert len(rows) > 300
    expected = unseen.loc[rows.index, "feh_predicted"]
    np.testing.assert_allclose(rows["feh"], expected, atol=1e-5)
    everyone = catalogue[catalogue["sample"] == sample]
    assert set(unseen.index) <= set(everyone.loc[everyone["in_training"], "star_id"])


def test_all_estimates_are_kept(results, catalogue):
    estimates = read_table(results / "catalogue/estimates.parquet")
    assert estimates["preferred"].sum() == len(catalogue)
    preferred = estimates[estimates["preferred"]].reset_index(drop=True)
    pd.testing.assert_series_equal(preferred["feh"], catalogue["feh"])


@pytest.mark.parametrize("suffix", ["vot", "fits", "csv"])
def test_the_catalogue_is_the_same_in_every_format(results, catalogue, suffix):
    path = results / f"catalogue/metallicities.{suffix}"
    if suffix == "csv":
        other = pd.read_csv(path, keep_default_na=False, dtype={"star_id": str})["feh"]
        other = pd.to_numeric(other, errors="coerce")
    else:
        other = Table.read(path)["feh"].filled(np.nan).astype(float)
    np.testing.assert_array_equal(np.asarray(other), catalogue["feh"].to_numpy())


def test_every_model_has_a_card_and_histories(results):
    for model in MODELS:
        folder = results / f"models/{model}"
        card = json.loads((folder / "card.json").read_text())
        assert card["relation"] == "dekany2021"
        for member in card["members"]:
            assert len(read_table(folder / f"history_{member}.parquet")) > 0


def test_figures_are_drawn(results):
    folder = results / "figures"
    figures = {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")}
    study = yaml.safe_load((results.parents[1] / "config/config.yaml").read_text())
    assert "metallicities.png" in figures
    assert all((folder / name).with_suffix(".pdf").read_bytes()[:4] == b"%PDF" for name in figures)
    assert {f"sky_maps/{name}.png" for name in study["sky_maps"]} <= figures
    for kind in ("bailey", "light_curves", "recovery"):
        assert {f"{kind}/{sample}.png" for sample in SAMPLES} <= figures
    for kind in ("out_of_fold", "out_of_fold_histogram", "weights", "learning_curves"):
        assert {f"{kind}/{model}.png" for model in MODELS} <= figures


def test_a_second_run_does_nothing_and_says_so(demo):
    output = demo.run("--cores", "all")
    assert "Nothing to be done" in output


def test_the_report_is_made(demo):
    report = demo.path("results/demo/report.html").read_text()
    for category in ("Catalogue", "Sky maps", "Models", "Truth", "Light curves", "Metallicities"):
        assert category in report
    assert "metallicities.csv" in report


def test_a_dry_run_of_the_demo_loads_none_of_the_libraries_of_its_jobs(new_project):
    """What it takes is nearly Snakemake's own time: `python -m benchmarks.plans` measures it."""
    output = new_project().run("--dry-run", PYTHONPROFILEIMPORTTIME="1")
    loaded = set(re.findall(r"^import time: .*\| +([\w.]+)$", output, re.MULTILINE))
    assert {"snakemake", "pandas", "metalyra.study"} <= loaded
    assert not loaded & {
        *("tensorflow", "keras", "sklearn", "matplotlib", "astropy", "astroquery", "pyvo"),
        *("scipy.stats", "scipy.optimize", "scipy.linalg", "scipy.interpolate"),
        *("metalyra.fit.fitting", "metalyra.train.training", "testbench.simulate"),
    }


@pytest.mark.parametrize(
    ("module", "again", "not_again"),
    [
        ("products/ledger", {"ledger"}, {"fit", "label", "develop", "train", "predict"}),
        ("fit/gp", {"fit", "label", "develop", "train", "predict"}, {"ingest_gaia_dr2_g", "match"}),
    ],
)
def test_an_edit_of_the_library_repeats_what_depends_on_it(demo, module, again, not_again):
    path = demo.path(f"workflow/metalyra/{module}.py")
    text = path.read_text()
    path.write_text(f"{text}\nANOTHER_CONSTANT = 1\n")
    try:
        output = demo.run("--cores", "1", "--dry-run")
    finally:
        path.write_text(text)
    planned = set(re.findall(r"^(\w+) +\d+$", output, re.MULTILINE))
    assert again <= planned
    assert not not_again & planned
    assert "Nothing to be done" in demo.run("--cores", "1", "--dry-run")
