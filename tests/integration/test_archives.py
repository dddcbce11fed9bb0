"""Everything over HTTP: the same as from files, whatever goes wrong on the way."""

import gzip
import io
import json
import logging
import os
import shutil
from collections import Counter

import pandas as pd
import pytest
from benchmarks.archive_studies import (
    CONFIGS,
    prepare_monti25,
    prepare_simulated,
    register_simulated,
    run,
)
from benchmarks.archives import OGLE, SHORT, Study, campaign, draw, make_holdings, quick, sweep
from benchmarks.release_day import BULGE

from metalyra.acquire.clients import acquire_query
from metalyra.acquire.services import find_services, read_archives
from metalyra.core.tables import read_table
from metalyra.surveys import ingest, survey
from testbench.loopback import KINDS, VARIABLE, LoopbackArchive
from testbench.simulate import simulate_sky, write_archives

# pyvo leaves it to the garbage collector to close their connections.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def network_only(monkeypatch):
    """No mirror, no proxy, and no wish to be offline."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for variable in ("METALYRA_MIRROR", "METALYRA_OFFLINE", VARIABLE):
        monkeypatch.delenv(variable, raising=False)


# Misbehaviour


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """A campaign, and the address of its archive."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("METALYRA_OFFLINE", raising=False)
        with campaign(tmp_path_factory.mktemp("campaign")) as started:
            yield started, os.environ[VARIABLE]


@pytest.fixture
def running(started, monkeypatch):
    logging.getLogger("metalyra").setLevel(logging.CRITICAL)
    running, address = started
    monkeypatch.setenv(VARIABLE, address)
    yield running
    logging.getLogger("metalyra").setLevel(logging.NOTSET)


def test_every_kind_of_fault_at_every_request(running):
    """A source for each way in which archives are asked."""
    faults = Counter()
    for outcome in sweep(running, SHORT):
        assert outcome.defects == []
        assert outcome.error is None or str(outcome.error).startswith("source '")
        faults += outcome.faults
    assert faults.total() >= 200
    assert set(faults) == set(KINDS)


def test_faults_at_random(running):
    """All sources, with many faults in a run."""
    outcomes = list(draw(running, rate=0.1, seed=0, faults=40))
    assert [outcome.defects for outcome in outcomes] == [[]] * len(outcomes)
    assert sum(outcome.error is None for outcome in outcomes) > 0


def test_an_archive_that_is_silent_for_too_long_is_asked_again(running):
    outcome = running.run(quick(at={1: "hang"}, hang=1.5), [f"{OGLE}/RRab.dat"])
    assert (outcome.error, outcome.defects, outcome.requests) == (None, [], 2)


# The same tables as from files


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    """A simulated sky whose lists have each star once, in order, as an archive's tables do."""
    folder = tmp_path_factory.mktemp("sky")
    make_holdings(folder)
    for survey_name in ("gaia_dr2", "gaia_dr3"):
        path = folder / survey_name / "vari_rrlyrae.csv.gz"
        stars = pd.read_csv(path, dtype=str, keep_default_na=False)
        stars = stars.drop_duplicates("source_id")
        stars = stars.loc[stars["source_id"].astype("int64").sort_values().index]
        stars["p1_o"] = stars["p1_o"].where(stars["p1_o"] != "unknown", "")
        path.write_bytes(gzip.compress(stars.to_csv(index=False).encode(), mtime=0))
    return folder


@pytest.fixture
def study(sky, tmp_path, monkeypatch):
    """A study whose archives are on this machine."""
    with LoopbackArchive(sky, registry=sky / "registry.yaml") as archive:
        monkeypatch.setenv(VARIABLE, archive.address)
        yield Study(tmp_path, sky / "registry.yaml")


@pytest.mark.parametrize(
    ("name", "stars"),
    [
        ("gaia_dr2", "gaia_dr2/rrlyrae.csv.gz"),
        ("gaia_dr2", "gaia_dr2/aip.csv.gz"),
        ("gaia_dr3", "gaia_dr3/rrlyrae.csv.gz"),
    ],
)
def test_gaia(study, sky, tmp_path, name, stars):
    """From both archives: the stars, broken ones too, and their light curves."""
    curves = f"{name}/epochs.zip"
    for source in dict.fromkeys([*study.lists(curves), stars, curves]):
        study.acquire(source)
    asked = read_sample(name, "G", study.path(stars), study.path(curves), tmp_path / "asked")
    files = (sky / name / "vari_rrlyrae.csv.gz", sky / name / "epoch_photometry.zip")
    expected = read_sample(name, "G", *files, tmp_path / "expected")
    for one, other in zip(asked, expected, strict=True):
        shared = [column for column in other if column in one]
        assert {"star_id", "status", "period", "ra"} <= {*other} or "mag" in shared
        pd.testing.assert_frame_equal(one[shared], other[shared])


def test_gaia_light_curves_of_the_aip(study, sky, tmp_path):
    """One table for all stars; of a damaged file it has nothing."""
    stars, curves = "gaia_dr2/aip.csv.gz", "gaia_dr2/aip_epochs.csv"
    for source in (stars, curves):
        study.acquire(source)
    files = sky / "gaia_dr2/epoch_photometry.zip"
    asked = read_sample("gaia_dr2", "G", study.path(stars), study.path(curves), tmp_path / "asked")
    expected = read_sample("gaia_dr2", "G", study.path(stars), files, tmp_path / "expected")
    pd.testing.assert_frame_equal(asked[1], expected[1])
    damaged = expected[0]["status"] == "unreadable_light_curve"
    assert damaged.sum() > 0
    statuses = expected[0]["status"].mask(damaged, "no_light_curve")
    assert asked[0]["status"].tolist() == statuses.tolist()


def test_ogle(study, sky, tmp_path):
    """The packed files and single ones."""
    for source in (f"{OGLE}/ident.dat", f"{OGLE}/RRab.dat", f"{OGLE}/phot.tar.gz"):
        study.acquire(source)
        assert study.path(source).read_bytes() == (sky / source).read_bytes()
    study.acquire(f"{OGLE}/phot_i.zip")
    packed = read_sample("ogle", "I", *_ogle(study, "phot.tar.gz"), tmp_path / "packed")[1]
    single = read_sample("ogle", "I", *_ogle(study, "phot_i.zip"), tmp_path / "single")[1]
    assert single["star_id"].nunique() == 3  # the fourth has no light curve
    pd.testing.assert_frame_equal(
        single, packed[packed["star_id"].isin(single["star_id"])].reset_index(drop=True)
    )


def _ogle(study, curves):
    return study.path(f"{OGLE}/RRab.dat"), study.path(f"{OGLE}/{curves}")


@pytest.mark.parametrize("archive", ["eso", "vsa"])
def test_vvv(study, sky, tmp_path, archive):
    """The first aperture, which both have; times go from the Sun to the Earth and back."""
    study.acquire("vvv/stars.csv")
    study.acquire(f"vvv/{archive}.csv")
    stars = study.path("vvv/stars.csv")
    asked = read_sample("vvv", "Ks", stars, study.path(f"vvv/{archive}.csv"), tmp_path / "asked")
    expected = read_sample(
        "vvv", "Ks", stars, sky / "vvv/light_curves.tar.gz", tmp_path / "expected"
    )
    one, other = (
        curves[(curves["aperture"] == 1) & curves["mag"].between(0, 99)]
        for curves in (asked[1], expected[1])
    )
    merged = one.merge(other, on=["star_id", "mag", "mag_err"], suffixes=("", "_file"))
    assert other["star_id"].isin(one["star_id"]).mean() > 0.9
    near = (merged["time"] - merged["time_file"]).abs() < 1e-6
    assert near.sum() >= 0.99 * len(one)


def read_sample(name, band, stars, curves, folder):
    """Return the star table and the light curves of a sample."""
    table = ingest(survey(name), [stars], [curves], band, folder, 1, periods_required=False)
    return table, read_table(folder / "0.parquet")


# A whole study


@pytest.mark.study
def test_a_study_of_the_archives_is_the_one_of_files(new_project, mirror, tmp_path):
    """Monti et al. (2025) in a small field; the benchmark runs the others, too."""
    asked, read = new_project(), new_project()
    holdings = prepare_monti25(asked, mirror, tmp_path)
    with LoopbackArchive(holdings) as archive:
        over_http, _ = run(asked, "small_monti25", **{VARIABLE: archive.address})
        assert {entry.agent.partition("/")[0] for entry in archive.log} == {"MetaLyra"}
        assert archive.most_at_once["gaia"] <= 2
    offline = {"METALYRA_MIRROR": str(tmp_path), "METALYRA_OFFLINE": "1"}
    from_files, _ = run(read, "small_monti25", **offline)
    assert over_http == from_files
    catalogue = pd.read_csv(io.BytesIO(over_http["catalogue/metallicities.csv"]))
    assert len(catalogue) == len(pd.read_csv(tmp_path / "gaia_dr3/rrlyrae.csv.gz"))
    assert (catalogue["status"] == "ok").sum() > 20
    ledger = pd.read_csv(io.BytesIO(over_http["ledger.csv"]))
    assert (ledger.groupby("stage")["stars"].sum() == len(catalogue)).all()


@pytest.mark.study
def test_dekany_and_grebel_from_the_archives(new_project, mirror, tmp_path):
    """OGLE, Gaia DR2 and VVV pulled, G and Ks networks trained, the paper's tables and maps."""
    project = new_project()
    holdings = prepare_simulated("small_dg22_full", project, mirror, tmp_path)
    study = project.path("results/small_dg22_full")
    products = [f"tables/table{number}.csv" for number in (1, 4, 5)]
    products += [f"figures/sky_maps/figure{number}.png" for number in (10, 12)]
    registry = project.path("resources/sources.yaml")
    with LoopbackArchive(holdings, registry=registry) as archive:
        project.run(
            *("--cores", "2", "--configfile", CONFIGS["small_dg22_full"], "--"),
            *(f"results/small_dg22_full/{product}" for product in products),
            **{VARIABLE: archive.address, "METALYRA_MIRROR": ""},
        )
        assert {entry.agent.partition("/")[0] for entry in archive.log} == {"MetaLyra"}
        assert {"ogle", "gaia", "vsa"} <= set(archive.most_at_once)
    # The Ks stars are OGLE's, and learn their labels by name.
    listed, labels, learnt = (
        read_table(study / name).set_index("star_id")
        for name in ("stars/vvv_ks.parquet", "labels/ogle_i.parquet", "development/own_ks.parquet")
    )
    assert listed.index.equals(labels.index)
    assert listed.index.str.startswith("OGLE-BLG-RRLYR-").all()
    used = learnt[learnt["status"] == "ok"]
    assert len(used) >= 20
    assert (used["feh"] == labels.loc[used.index, "feh"]).all()
    assert used["period"].tolist() == listed.loc[used.index, "period"].tolist()
    truth = pd.read_csv(tmp_path / "simulated/truth.csv").set_index(["survey", "star_id"])
    truth = truth.loc["ogle", "feh_true"].reindex(used.index)
    assert (used["feh"] - truth).abs().median() < 0.15
    cut = read_table(study / "development/own_g.parquet")["status"] == "cut:amplitude_I"
    assert 0 < cut.sum() < 20
    card = json.loads((study / "models/own_ks/card.json").read_text())
    assert card["cuts_not_applied"] == {"archive_blazhko_probability": [None, 0.7]}
    assert card["provenance"]["n_stars"] == len(used)
    log = (study / "logs/develop/own_ks.log").read_text()
    assert "has no archive_blazhko_probability: the optional cut" in log
    tables = {number: pd.read_csv(study / f"tables/table{number}.csv") for number in (1, 4, 5)}
    assert all(len(table) >= 20 and (table["feh"] < 0.5).sum() >= 20 for table in tables.values())
    # What Table 5 says of a star is of its Ks light curve, not of OGLE's.
    fits = read_table(study / "fits/vvv_ks/0.parquet").set_index("star_id")
    ks = tables[5].set_index("star_id")["mean_mag"].dropna()
    assert (ks - fits["mean_mag"].reindex(ks.index)).abs().max() < 0.0006
    assert fits["phase_of_maximum"].notna().sum() > 20


@pytest.fixture(scope="module")
def gaia_sky(tmp_path_factory):
    """Stars of Gaia DR3 alone, some of them broken."""
    folder = tmp_path_factory.mktemp("gaia_sky")
    counts = {"n_rrab": 1, "n_rrab_field": 1, "n_rrc": 20, "n_rrab_dr3": 24}
    write_archives(simulate_sky(counts, seed=7), folder)
    return folder


@pytest.mark.study
@pytest.mark.parametrize(
    ("paper", "study", "models"),
    [
        ("monti24", "small_monti24", ["table_a1_preprocessed_gru"]),
        ("monti25", "small_monti25_archive", ["table1_rrab", "table1_rrc"]),
    ],
)
def test_monti_et_al_from_the_archive(new_project, gaia_sky, paper, study, models):
    """Their own configuration, smaller: trained, every star predicted and in the catalogue."""
    project = new_project()
    files = [f"config/{paper}.yaml", f"config/archives/{paper}.yaml"]
    files.append(f"tests/integration/small_{paper}_archive.yaml")
    catalogue = f"results/{study}/catalogue/metallicities.csv"
    registry = register_simulated(project, gaia_sky)
    with LoopbackArchive(gaia_sky, registry=registry) as archive:
        environment = {VARIABLE: archive.address, "METALYRA_MIRROR": ""}
        project.run("--cores", "2", "--configfile", *files, "--", catalogue, **environment)
    rows = pd.read_csv(project.path(catalogue), dtype={"star_id": str})
    listed = pd.read_csv(gaia_sky / "gaia_dr3/vari_rrlyrae.csv.gz", dtype={"source_id": str})
    types = ["RRab", "RRc"] if paper == "monti25" else ["RRab"]
    wanted = listed["best_classification"].isin(types) & (listed["num_clean_epochs_g"] >= 20)
    wanted &= listed["peak_to_peak_g"] <= 1.4
    # The simulated table has two of its sources twice, an archive none.
    assert sorted(rows["star_id"]) == sorted(listed.loc[wanted, "source_id"].unique())
    assert rows.loc[rows["feh"].isna(), "status"].ne("ok").all()
    results = project.path(f"results/{study}")
    fits = read_table(results / "fits/gaia_dr3_g/0.parquet")
    predicted = set()
    for model in models:
        card = json.loads((results / f"models/{model}/card.json").read_text())
        assert card["provenance"]["n_stars"] >= 15
        assert card["relation"] == "muraveva2025"
        predictions = read_table(results / f"predictions/{model}/gaia_dr3_g/0.parquet")
        predicted |= set(predictions.loc[predictions["feh"].notna(), "star_id"])
    assert predicted == set(fits.loc[fits["status"] == "ok", "star_id"])
    assert len(predicted) >= 20
    assert rows.set_index("star_id")["feh"].reindex(sorted(predicted)).notna().all()


# A release to come


def test_a_new_release_needs_only_its_names(sky, tmp_path, monkeypatch):
    """The archive has a DR4, with the tables and columns of DR3."""
    folder = tmp_path / "archive"
    (folder / "gaia_dr4").mkdir(parents=True)
    (folder / "gaia_dr4/vari_rrlyrae.csv.gz").write_bytes(
        (sky / "gaia_dr3/vari_rrlyrae.csv.gz").read_bytes()
    )
    described = read_archives()
    with LoopbackArchive(folder) as archive:
        monkeypatch.setenv(VARIABLE, archive.address)
        destination = tmp_path / "rrlyrae.csv"
        acquire_query(
            "rrlyrae.csv",
            {"archive": "gaia_dr4", "product": "rrlyrae"},
            0,
            star_files=[],
            destination=destination,
            mirror=None,
            replies=tmp_path / "replies",
            archives=described["archives"],
            services=find_services({}, described["services"]),
            policy=Study(tmp_path, folder).policy,
        )
    stars = pd.read_csv(sky / "gaia_dr3/vari_rrlyrae.csv.gz")
    assert pd.read_csv(destination)["source_id"].tolist() == stars["source_id"].tolist()


@pytest.fixture(scope="module")
def release_day(tmp_path_factory):
    """A simulated sky whose DR4 is its DR3, and some of whose stars are RRab."""
    folder = tmp_path_factory.mktemp("release_day")
    write_archives(simulate_sky({"n_rrab": 1, "n_rrab_field": 1, "n_rrc": 24}, seed=7), folder)
    path = folder / "gaia_dr3/vari_rrlyrae.csv.gz"
    stars = pd.read_csv(path, dtype=str, keep_default_na=False)
    stars.loc[::3, "best_classification"] = "RRab"
    stars.loc[::3, "pf"] = stars.loc[::3, "p1_o"]
    stars.drop_duplicates("source_id").to_csv(path, index=False)
    shutil.copytree(folder / "gaia_dr3", folder / "gaia_dr4")
    return folder


SMALL_RELEASE = """
chunks: 1
fit: {harmonics: 12, draws: 20, folds: 3}
queries:
  "gaia_{release}/epoch_photometry/{batch}.zip": {batches: 2}
"""


@pytest.mark.study
def test_release_day(new_project, release_day, tmp_path):
    """From nothing to the catalogue, as docs/release_day.md has it."""
    project = new_project()
    project.path("small.yaml").write_text(SMALL_RELEASE + BULGE)
    study = ["--configfile", "config/gaia.yaml", "small.yaml", "--config", "release=dr4"]
    check = ["--cores", "1", "check_release", *study]
    environment = {"no_proxy": "127.0.0.1", "METALYRA_MIRROR": ""}
    (tmp_path / "gaia_dr3").mkdir()
    with LoopbackArchive(tmp_path) as before:
        status, said = project.attempt(*check, **environment, **{VARIABLE: before.address})
    assert status == 1
    assert "gaia_dr4 is not there yet" in said
    assert project.path("results/gaia_dr4/release_check/report.txt").is_file()
    options = {"dr4": "draft", "vocabulary": "new", "looks": 1}
    registry = register_simulated(project, release_day)
    with LoopbackArchive(release_day, registry=registry, **options) as archive:
        environment[VARIABLE] = archive.address
        project.run("--cores", "1", "results/gaia_dr4/labels/ogle_i.parquet", *study, **environment)
        assert "there, and as expected" in project.run(*check, **environment)
        products = ["catalogue/metallicities.csv", "ledger.csv", "release/SHA256SUMS"]
        products = [f"results/gaia_dr4/{name}" for name in products]
        project.run("--cores", "1", *products, *study, **environment)
    path = project.path("results/gaia_dr4/catalogue/metallicities.csv")
    catalogue = pd.read_csv(path, dtype={"star_id": str})
    catalogue = catalogue[catalogue["sample"] == "gaia_g"]
    stars = pd.read_csv(release_day / "gaia_dr4/vari_rrlyrae.csv.gz")
    wanted = stars[stars["best_classification"].isin(["RRab", "RRc"])]
    assert sorted(catalogue["star_id"]) == sorted(wanted["source_id"].astype(str))
    assert (catalogue["status"] == "ok").sum() > 5
    ledger = pd.read_csv(project.path("results/gaia_dr4/ledger.csv"))
    counted = ledger[ledger["sample"] == "gaia_g"].groupby(["stage", "model"])["stars"].sum()
    assert (counted == len(catalogue)).all()
