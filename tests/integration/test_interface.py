"""What others script against: paper tables, own stars, messages."""

import os
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from metalyra.core.tables import read_table

TABLE5 = "results/dg22/tables/table5.csv"
RETRAINED = "results/dg22/models/dg22_g_retrained/card.json"
TABLE5_COLUMNS = [
    *("star_id", "ra", "dec", "feh", "feh_std", "mean_mag", "n_epochs", "period", "amplitude"),
    *("phase_coverage", "snr"),
]
# The first rows of Table 5 of Dékány & Grebel (2022): ID, [Fe/H] and its spread.
PUBLISHED = {
    7: (-1.27, 0.07),
    27: (-0.40, 0.05),
    36: (-1.48, 0.05),
    64: (-1.81, 0.12),
    108: (-1.30, 0.02),
}


@pytest.fixture(scope="module")
def project(new_project):
    return new_project()


def test_table_5_of_the_paper_is_made_from_the_published_networks(project, mirror):
    output = project.run(
        *(TABLE5, "--cores", "all", "--configfile", "config/dg22.yaml"), METALYRA_MIRROR=str(mirror)
    )
    assert "ogle" not in output  # nothing of the study's other sample is needed
    table = pd.read_csv(project.path(TABLE5))
    assert list(table) == TABLE5_COLUMNS
    stars = (mirror / "dekany_grebel_2022/inner_bulge_new_rrab.dat").read_text().splitlines()
    listed = [int(line.split()[1]) for line in stars if not line.startswith("#")]
    assert table["star_id"].to_list() == listed
    assert table.notna().all(axis=None)
    for star_id, (feh, spread) in PUBLISHED.items():
        row = table[table["star_id"] == star_id].iloc[0]
        assert abs(row["feh"] - feh) <= 0.0051  # printed with two decimals
        assert abs(row["feh_std"] - spread) <= 0.0051


def test_an_optional_model_is_trained_only_when_it_is_asked_for(project, mirror):
    study = ("--dry-run", "--configfile", "config/dg22.yaml")
    whole = project.run(*study, METALYRA_MIRROR=str(mirror))
    assert "metalyra_g" in whole
    # Its layers and its weights are in a table and a figure, which need no training.
    assert not re.search(r"Training member \d of dg22_g_retrained", whole)
    alone = project.run(RETRAINED, *study, METALYRA_MIRROR=str(mirror))
    for member in range(8):
        assert f"Training member {member} of dg22_g_retrained" in alone


@pytest.fixture(scope="module")
def own_stars(demo, tmp_path_factory):
    """Some stars of the demo as a user would bring them, and broken ones."""
    folder = tmp_path_factory.mktemp("own")
    curves = folder / "curves"
    curves.mkdir()
    results = demo.path("results/demo")
    matched = read_table(results / "matched/gaia_dr2_g.parquet")
    points = read_table(results / "light_curves/gaia_dr2_g/0.parquet")
    points = points[["star_id", "time", "mag", "mag_err"]]
    sound = matched[(matched["status"] == "ok") & matched["star_id"].isin(points["star_id"])]
    stars = sound[["star_id", "ra", "dec", "period"]].head(3).astype({"period": object})
    sample = points[points["star_id"] == stars["star_id"].iloc[0]].drop(columns="star_id")
    broken = {
        "absent": (0.5, None, "no_light_curve"),
        "short": (0.5, sample.head(19), "too_few_epochs"),
        "repeated": (0.5, pd.concat([sample.head(19)] * 2), "too_few_epochs"),
        "constant": (0.5, sample.assign(mag=15.0), "constant_magnitude"),
        "unknown": (0.5, sample.assign(mag=np.nan), "too_few_epochs"),
        "infinite": (0.5, sample.assign(mag=np.inf), "too_few_epochs"),
        "zero": (0, sample, "invalid_period"),
        "negative": (-0.5, sample, "invalid_period"),
        "text": ("about 0.5", sample, "invalid_period"),
        "missing": (None, sample, "invalid_period"),
        "two_times": (0.5, sample.assign(mjd=1.0), "unreadable_light_curve"),
        "garbage": (0.5, b"\x00\xff<html>", "unreadable_light_curve"),
    }
    for star_id in stars["star_id"]:
        own = points[points["star_id"] == star_id].drop(columns="star_id")
        own.to_csv(curves / f"{star_id}.csv", index=False)
    expected = ["ok"] * len(stars)
    for star_id, (period, curve, status) in broken.items():
        if isinstance(curve, bytes):
            (curves / f"{star_id}.csv").write_bytes(curve)
        elif curve is not None:
            curve.to_csv(curves / f"{star_id}.csv", index=False)
        stars.loc[len(stars) + 1000] = [star_id, 10.0, -10.0, period]
        expected.append(status)
    stars.loc[5000] = stars.iloc[0]
    expected.append("duplicate_id")
    stars.to_csv(folder / "stars.csv", index=False)
    return folder, stars["star_id"].to_list(), expected


def apply(project, mirror, folder, output, *options, **changes):
    keys = {"stars": folder / "stars.csv", "lightcurves": folder / "curves", "model": "dg22_g"}
    keys |= {"band": "G", "output": output, "chunks": 1, **changes}
    config = [f"{key}={value}" for key, value in keys.items()]
    return project.attempt(
        *(*options, "--cores", "all", "--configfile", "config/apply.yaml", "--config", *config),
        METALYRA_MIRROR=str(mirror),
    )


def test_own_stars_get_a_value_or_a_reason(project, mirror, own_stars):
    folder, star_ids, expected = own_stars
    output = folder / "feh.csv"
    status, text = apply(project, mirror, folder, output)
    assert status == 0, text
    table = pd.read_csv(output)
    assert table["star_id"].to_list() == star_ids
    assert table["status"].to_list() == expected
    assert (table["feh"].notna() == (table["status"] == "ok")).all()
    assert table["feh"].dropna().between(-3, 0.5).all()
    assert (table["band"] == "G").all()
    reasons = table.set_index("star_id")["reason"]
    curves = folder / "curves"
    assert reasons["absent"] == f"there is no file absent.csv (.dat, .fits, ...) in {curves}"
    assert reasons["short"] == "19 usable epochs; at least 20 are needed"
    assert reasons["text"] == "its period is 'about 0.5', which is not a number"
    assert reasons["two_times"].startswith(f"{curves}/two_times.csv: the columns 'time' and 'mjd'")
    # The run ends with a summary.
    summary = text[text.index(f"MetaLyra: {len(table)} stars in {output}") :]
    for status, count in table["status"].value_counts().items():
        assert f"\n{count:7d} {status}" in summary
    assert "Logs: results/apply/logs" in summary


@pytest.mark.parametrize("options", [(), ("--dry-run",)], ids=["run", "dry run"])
@pytest.mark.parametrize("key", ["stars", "lightcurves"])
def test_a_mistyped_path_fails_although_there_are_results(project, mirror, own_stars, key, options):
    folder, _, _ = own_stars
    before = (folder / "feh.csv").read_text()
    mistyped = folder / {"stars": "star.csv", "lightcurves": "curve"}[key]
    status, text = apply(project, mirror, folder, folder / "feh.csv", *options, **{key: mistyped})
    assert status != 0
    meant = folder / {"stars": "stars.csv", "lightcurves": "curves"}[key]
    assert f"configuration: {key}: there is no '{mistyped}'; did you mean {meant}?" in text
    assert "Traceback" not in text
    assert (folder / "feh.csv").read_text() == before


def test_a_link_that_leads_nowhere_fails_although_there_are_results(project, mirror, own_stars):
    folder, star_ids, _ = own_stars
    linked = folder / "linked"
    shutil.copytree(folder / "curves", linked)
    curve = linked / f"{star_ids[0]}.csv"
    curve.unlink()
    curve.symlink_to(folder / "nowhere.csv")
    output = folder / "feh.csv"
    status, text = apply(project, mirror, folder, output, "--dry-run", lightcurves=linked)
    assert status != 0
    assert f"configuration: lightcurves: the link '{curve}' leads nowhere; mend it" in text


def test_a_run_that_fails_ends_with_the_rule_and_its_log(new_project, mirror, own_stars):
    folder, _, _ = own_stars
    wrong = folder / "wrong.csv"
    wrong.write_text("id,period,feh\na,0.5,low\n")
    project = new_project()
    status, text = apply(project, mirror, folder, folder / "other.csv", stars=wrong)
    assert status != 0
    [(rule, log)] = re.findall(r"MetaLyra: (\w+): 1 job\(s\) failed; .* \(log: (\S+)\)", text)
    assert rule.startswith("ingest")
    assert "wrong.csv" in project.path(log).read_text()


def test_a_curve_that_changes_unnoticed_changes_its_value(project, mirror, own_stars):
    folder, star_ids, _ = own_stars
    output = folder / "feh.csv"
    before = pd.read_csv(output)
    status, text = apply(project, mirror, folder, output, "--dry-run")
    assert "Nothing to be done" in text
    curve = folder / f"curves/{star_ids[0]}.csv"
    kept, state = curve.read_text(), curve.stat()
    header, *rows = kept.splitlines()
    magnitudes = [row.split(",")[1] for row in rows]
    # The same magnitudes in another order, in a file of the same size and time.
    shuffled = [
        ",".join([row.split(",")[0], magnitude, *row.split(",")[2:]])
        for row, magnitude in zip(rows, sorted(magnitudes), strict=True)
    ]
    curve.write_text("\n".join([header, *shuffled]) + "\n")
    os.utime(curve, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert curve.stat().st_size == state.st_size
    try:
        status, text = apply(project, mirror, folder, output)
        after = pd.read_csv(output)
    finally:
        curve.write_text(kept)
    assert status == 0, text
    assert after["star_id"].to_list() == before["star_id"].to_list()
    assert not after.loc[[0], "mean_mag":"snr"].equals(before.loc[[0], "mean_mag":"snr"])
    others = before["star_id"] != star_ids[0]
    assert after[others].equals(before[others])


def test_other_stars_are_written_to_the_same_file(project, mirror, own_stars):
    """What an earlier list has left behind is not taken for this one's."""
    folder, star_ids, expected = own_stars
    output = folder / "feh.csv"
    stars = pd.read_csv(folder / "stars.csv", dtype=str).head(2).iloc[::-1]
    stars.to_csv(folder / "two.csv", index=False)
    status, text = apply(project, mirror, folder, output, stars=folder / "two.csv")
    assert status == 0, text
    two = pd.read_csv(output)
    assert two["star_id"].astype(str).to_list() == star_ids[1::-1]
    assert two["status"].to_list() == expected[1::-1]
    status, text = apply(project, mirror, folder, output)
    assert status == 0, text
    assert pd.read_csv(output)["star_id"].to_list() == star_ids


def test_own_stars_of_another_band_are_refused_before_anything_runs(project, mirror, own_stars):
    folder, _, _ = own_stars
    status, text = apply(project, mirror, folder, folder / "none.csv", band="V")
    assert status != 0
    assert "the model dg22_g is for band G, the sample own_stars is in band V" in text
    assert "--config other_band=true" in text
    status, text = apply(
        project, mirror, folder, folder / "none.csv", "--dry-run", band="V", other_band="true"
    )
    assert status == 0, text
    assert "Predicting own_stars with dg22_g" in text


def test_own_light_curves_may_be_one_long_table(project, mirror, own_stars):
    folder, star_ids, expected = own_stars
    parts = []
    for star_id, status in zip(star_ids, expected, strict=True):
        if status == "ok":
            parts.append(pd.read_csv(folder / f"curves/{star_id}.csv").assign(star_id=star_id))
    pd.concat(parts, ignore_index=True).to_parquet(folder / "curves.parquet")
    output = folder / "from_table.csv"
    status, text = apply(project, mirror, folder, output, lightcurves=folder / "curves.parquet")
    assert status == 0, text
    table = pd.read_csv(output)
    from_folder = pd.read_csv(folder / "feh.csv")
    valued = from_folder["status"] == "ok"
    assert table.loc[valued, "feh"].to_list() == from_folder.loc[valued, "feh"].to_list()


def test_own_tables_may_be_those_of_other_surveys(project, mirror, own_stars):
    """A star list as FITS, columns of other names, light curves as ZTF's archive has them."""
    folder, star_ids, expected = own_stars
    sound = [star for star, status in zip(star_ids, expected, strict=True) if status == "ok"]
    stars = pd.read_csv(folder / "stars.csv", dtype=str).drop_duplicates("star_id")
    stars = stars[stars["star_id"].isin(sound)]
    table = Table(
        {
            "NAME": stars["star_id"].to_numpy(str),
            "P_puls": stars["period"].to_numpy(float) * 24,
            "oid": [f"{10 + row} {20 + row}" for row in range(len(stars))],
            "V-I": np.arange(len(stars)) / 4,
        },
        units={"P_puls": "h"},
    )
    table.write(folder / "stars.fits")
    parts = []
    for row, star_id in enumerate(stars["star_id"]):
        curve = pd.read_csv(folder / f"curves/{star_id}.csv")
        curve = curve.rename(columns={"time": "hjd", "mag_err": "magerr"})
        curve["oid"] = np.where(np.arange(len(curve)) % 2, 10 + row, 20 + row)
        parts.append(curve.assign(mjd=1.0, catflags=0, filtercode="zg"))
        parts.append(curve.assign(mjd=1.0, catflags=32768, filtercode="zg", mag=10.0))
        parts.append(curve.assign(mjd=1.0, catflags=0, filtercode="zr", mag=12.0))
    pd.concat(parts).to_csv(folder / "ztf.csv", index=False)
    output = folder / "of_ztf.csv"
    keys = {"stars": folder / "stars.fits", "lightcurves": folder / "ztf.csv", "survey": "ztf"}
    keys |= {"columns": "{period: P_puls}", "band": "ztf_g", "other_band": "true"}
    status, text = apply(project, mirror, folder, output, **keys)
    assert status == 0, text
    assert f"MetaLyra: {len(sound)} stars in {output}" in text
    names = {"star_id": str}
    found = pd.read_csv(output, dtype=names)
    before = pd.read_csv(folder / "feh.csv", dtype=names).head(len(sound))
    assert found["star_id"].to_list() == before["star_id"].to_list()
    np.testing.assert_allclose(found["feh"], before["feh"], atol=1e-6)
    assert (found["band"] == "g").all()
    assert found["reason"].str.contains("is for band G, the light curves are in g").all()
    assert found["V-I"].to_list() == table["V-I"].tolist()
    assert "oid" in found


def test_an_unknown_column_of_the_star_list_is_named(project, mirror, own_stars):
    folder, _, _ = own_stars
    stars = pd.read_csv(folder / "stars.csv").rename(columns={"period": "perid"})
    stars.to_csv(folder / "renamed.csv", index=False)
    status, text = apply(project, mirror, folder, folder / "none.csv", stars=folder / "renamed.csv")
    assert status != 0
    assert "renamed.csv" in text
    assert "period" in text
    assert "results/apply/logs/ingest/own_stars.log" in text
    assert not (folder / "none.csv").exists()


def test_an_unknown_model_is_named_before_anything_runs(project, mirror, own_stars):
    folder, _, _ = own_stars
    status, text = apply(project, mirror, folder, folder / "none.csv", model="dg22_k")
    assert status != 0
    assert "'dg22_k' is unknown; did you mean dg22_ks? allowed: dg22_g, dg22_ks, metalyra" in text
    assert "others are trained by a study" in text
    assert "Traceback" not in text


def test_an_unknown_key_is_named_before_anything_runs(project):
    status, text = project.attempt("--cores", "1", "--config", "sede=3")
    assert status != 0
    assert "the key 'sede' is unknown; did you mean seed?" in text
    assert "Traceback" not in text


def test_a_source_that_is_nowhere_is_named_with_where_to_put_it(new_project, tmp_path):
    source = "dekany_grebel_2022/inner_bulge_new_rrab.dat"
    status, text = new_project().attempt(
        *(f"results/dg22/sources/{source}", "--cores", "1", "--configfile", "config/dg22.yaml"),
        METALYRA_MIRROR=str(tmp_path),
        METALYRA_OFFLINE="1",
    )
    assert status != 0
    assert f"source '{source}' is missing" in text
    assert str(tmp_path) in text


def test_a_damaged_source_is_refused(new_project, tmp_path):
    source = "dekany_grebel_2022/inner_bulge_new_rrab.dat"
    damaged = tmp_path / source
    damaged.parent.mkdir()
    damaged.write_text("not the star list\n")
    project = new_project()
    status, text = project.attempt(
        *(f"results/dg22/sources/{source}", "--cores", "1", "--configfile", "config/dg22.yaml"),
        METALYRA_MIRROR=str(tmp_path),
        METALYRA_OFFLINE="1",
    )
    assert status != 0
    assert source in text
    assert not project.path(f"results/dg22/sources/{source}").exists()


def test_a_relation_for_another_band_is_said_with_every_label(new_project):
    project = new_project()
    project.path("other.yaml").write_text(
        "labels: {gaia_dr2_g: dekany2021}\nsamples: {gaia_dr2_g: {labelling: {other_band: true}}}\n"
    )
    labels = "results/small/labels/gaia_dr2_g.parquet"
    study = ("--configfile", "tests/integration/small.yaml", "other.yaml")
    project.run(labels, "--cores", "all", *study)
    table = read_table(project.path(labels))
    labelled = table["status"] == "ok"
    assert labelled.sum() > 30
    said = table["reason"].str.contains("is for band I, the light curves are in G")
    assert said.tolist() == labelled.tolist()
