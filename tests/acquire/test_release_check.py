"""Whether a release is there and as expected, by the loopback archive in several states."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from metalyra.acquire.connection import DownloadError, RetryPolicy
from metalyra.acquire.release_check import ABSENT, AS_EXPECTED, DIFFERENT, check_release, main
from metalyra.acquire.services import find_services, read_archives
from metalyra.surveys.formats.gaia_releases import RELEASES_FILE, read_releases
from testbench.loopback import Faults, LoopbackArchive
from testbench.simulate import simulate_sky, write_archives

DESCRIBED = read_archives()

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("sky")
    write_archives(simulate_sky({"n_rrab": 4, "n_rrab_field": 1, "n_rrc": 3}, seed=5), path)
    stars = pd.read_csv(path / "gaia_dr3/vari_rrlyrae.csv.gz", dtype=str, keep_default_na=False)
    # The simulated list has no RRab stars.
    stars.loc[::3, ["best_classification", "pf"]] = ["RRab", "0.55"]
    stars.to_csv(path / "gaia_dr3/vari_rrlyrae.csv.gz", index=False)
    shutil.copytree(path / "gaia_dr3", path / "gaia_dr4")
    return path


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Check a release at an archive; returns the report."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("METALYRA_OFFLINE", raising=False)

    def make(archive, release="gaia_dr4", releases=RELEASES_FILE):
        monkeypatch.setenv("METALYRA_ARCHIVES", archive.address)
        services = find_services({}, DESCRIBED["services"])
        policy = RetryPolicy(attempts=4, pause=0.0, timeout=5.0)
        return check_release(
            release, DESCRIBED["archives"], services, policy, tmp_path / "check", releases
        )

    return make


def test_before_the_release_it_is_not_there(check, tmp_path):
    (tmp_path / "sky/gaia_dr3").mkdir(parents=True)
    with LoopbackArchive(tmp_path / "sky") as archive:
        report = check(archive)
    assert report.state == ABSENT
    assert report.headline == "gaia_dr4 is not there yet"
    assert not (tmp_path / "check/proposed.yaml").exists()


@pytest.mark.parametrize("mode", ["draft", "draft_with_flags_of_dr3"])
def test_a_release_as_its_block_has_it(check, folder, tmp_path, mode):
    with LoopbackArchive(folder, dr4=mode, vocabulary="new") as archive:
        report = check(archive)
    assert (report.state, report.differences) == (AS_EXPECTED, [])
    text = (tmp_path / "check/report.txt").read_text()
    stars = pd.read_csv(folder / "gaia_dr4/vari_rrlyrae.csv.gz")
    assert f"gaiadr4.vari_rrlyrae: {len(stars)} stars, 340000 thought" in text
    assert "stars have no row in gaiadr4.gaia_source" in text
    assert "EPOCH_PHOTOMETRY as INDIVIDUAL: HTTP 500" in text
    assert ("EPOCH_FLAGS_VARI as DATAMODEL_STANDARD: columns source_id" in text) == (
        mode == "draft"
    )
    replies = tmp_path / "check/replies"
    sums = dict(line.split()[::-1] for line in (replies / "SHA256SUMS").read_text().splitlines())
    assert {*sums} == {path.name for path in replies.iterdir()} - {"SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((replies / name).read_bytes()).hexdigest() == digest


def test_a_release_that_is_called_otherwise_gets_a_block_that_fits(check, folder, tmp_path):
    text = RELEASES_FILE.read_text()
    for expected, other in (
        ("schema: gaiadr4", "schema: gaia_dr4"),
        ("pulsation_type: [best_classification, best_class_name]", "pulsation_type: [best_class]"),
        ('["{band}_used"]', '["{band}_good"]'),
        ("table: all_source_photometry", "table: photometry"),
    ):
        assert expected in text
        text = text.replace(expected, other)
    releases = tmp_path / "releases.yaml"
    releases.write_text(text)
    with LoopbackArchive(folder, dr4="draft", vocabulary="new") as archive:
        report = check(archive, releases=releases)
        assert report.state == DIFFERENT
        differences = "\n".join(report.differences)
        assert "the schema is gaiadr4, not gaia_dr4" in differences
        assert "no column for pulsation_type (best_class), needed; nearest are best_class_name" in (
            differences
        )
        assert "there is no table gaiadr4.photometry" in differences
        assert "flags: no column for flag (g_good); its columns: " in differences
        proposed = yaml.safe_load((tmp_path / "check/proposed.yaml").read_text())["gaia_dr4"]
        assert proposed["schema"] == "gaiadr4"
        assert proposed["stars"]["columns"]["pulsation_type"][0] == "best_class_name"
        # The rest is what a person must decide.
        proposed["flags"][-1]["names"] = ["{band}_used"]
        proposed["fallbacks"].pop()
        releases.write_text(yaml.safe_dump({"gaia_dr4": proposed}))
        assert read_releases(releases)
        assert check(archive, releases=releases).differences == []


def test_dr3_is_there_in_old_and_new_words(check, folder):
    for vocabulary in ("old", "new"):
        with LoopbackArchive(folder, vocabulary=vocabulary) as archive:
            report = check(archive, "gaia_dr3")
        # The loopback archive has no crosswalk of DR3.
        assert report.differences == ["neighbours: there is no table gaiadr3.dr2_neighbourhood"] * (
            report.state == DIFFERENT
        )


def test_an_archive_in_trouble_is_not_an_absent_release(check, folder, monkeypatch, capsys):
    trouble = Faults(rate=1.0, kinds=("unavailable",), in_a_row=99, retry_after=0)
    with LoopbackArchive(folder, faults=trouble) as archive:
        with pytest.raises(DownloadError, match="503"):
            check(archive)
        quick = RetryPolicy(attempts=1)
        monkeypatch.setattr("metalyra.acquire.release_check.USUAL", quick)
        assert main(["dr4"]) == 3
    assert "does not answer" in capsys.readouterr().err


def test_the_command_has_an_exit_status_for_a_cron_job(folder, tmp_path):
    """It is what docs/release_day.md has."""
    (tmp_path / "sky/gaia_dr3").mkdir(parents=True)
    for sky, mode, status in ((tmp_path / "sky", "draft", 2), (folder, "draft", 0)):
        with LoopbackArchive(sky, dr4=mode) as archive:
            done = subprocess.run(
                [sys.executable, "-m", "metalyra.acquire.release_check", "dr4"],
                env={**os.environ, "METALYRA_ARCHIVES": archive.address, "no_proxy": "127.0.0.1"},
                capture_output=True,
                text=True,
                cwd=Path(tmp_path),
            )
        assert done.returncode == status, done.stderr + done.stdout
        assert done.stdout.startswith("gaia_dr4 is ")
