from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io.votable import from_table, writeto
from astropy.io.votable import parse as parse_votable
from astropy.io.votable.ucd import check_ucd
from astropy.table import Table

from metalyra.core.tables import describe, read_table
from metalyra.products import catalogue
from metalyra.products.catalogue import (
    Estimate,
    append_given,
    compare_with_truth,
    describe_flags,
    list_sample_estimates,
    make_catalogue,
    make_estimates,
    make_sample_rows,
    pair_with_truth,
    summarise_output,
    write_catalogue,
)

STARS = pd.DataFrame(
    {
        "star_id": ["V1", "V2", "V2#2", "V3", "V4", "V5"],
        "ra": [265.1, 0.1 + 0.2, 10.0, np.nan, 1 / 3, 2.0],
        "dec": [-30.0, 1e-17, 10.0, np.nan, -1 / 3, 2.0],
        "period": [0.6, 0.5, 0.5, np.nan, 0.7, 0.3],
        "pulsation_type": ["RRab", "RRab", "RRab", "RRab", "RRab", "RRc"],
        "status": ["ok", "ok", "duplicate_id", "invalid_period", "ok", "ok"],
    }
)
FITS = pd.DataFrame(
    {
        "star_id": STARS["star_id"],
        "period": [0.6001, 0.5, np.nan, np.nan, np.nan, 0.3],
        "mean_mag": [15.1, 16.0, np.nan, np.nan, np.nan, 14.5],
        "amplitude": [0.9, 0.8, np.nan, np.nan, np.nan, 0.4],
        "n_epochs": [120.0, 80.0, np.nan, np.nan, 12.0, 60.0],
        "phase_coverage": [0.97, 0.95, np.nan, np.nan, np.nan, 0.96],
        "snr": [400.0, 210.0, np.nan, np.nan, np.nan, 150.0],
        "status": ["ok", "ok", "duplicate_id", "invalid_period", "too_few_epochs", "ok"],
    }
)


def prediction(feh: list[float], status: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {"star_id": STARS["star_id"], "feh": feh, "feh_std": 0.05, "status": status}
    )


def label(feh: list[float], status: list[str]) -> pd.DataFrame:
    return prediction(feh, status).rename(columns={"feh_std": "feh_err"})


NAN = float("nan")
NETWORK = prediction(
    [-1.5, NAN, NAN, NAN, NAN, NAN],
    ["ok", "cut:snr", "duplicate_id", "invalid_period", "too_few_epochs", "wrong_pulsation_type"],
)
RELATION = label(
    [-1.1, -1.2, NAN, NAN, NAN, NAN],
    ["ok", "ok", "duplicate_id", "invalid_period", "too_few_epochs", "no_relation"],
)


def rows_of(*estimates: Estimate, stars: pd.DataFrame = STARS) -> pd.DataFrame:
    return make_sample_rows("ogle_i", "I", stars, FITS, estimates)


def test_every_star_has_a_row_in_the_order_of_its_list_under_its_own_name():
    rows = rows_of(Estimate(NETWORK, "dekany2021", "network"))
    assert list(rows) == list(catalogue.COLUMNS)
    assert rows["star_id"].tolist() == ["V1", "V2", "V2", "V3", "V4", "V5"]
    assert set(rows["sample"]) == {"ogle_i"}
    assert set(rows["band"]) == {"I"}
    assert set(rows["reference_id"]) == {""}


def test_the_first_estimate_with_a_value_counts_and_is_named():
    rows = rows_of(Estimate(NETWORK, "dekany2021", "network"), Estimate(RELATION, "smolec2005"))
    first, second = rows.iloc[0], rows.iloc[1]
    assert (first["feh"], first["feh_std"], first["model"], first["relation"]) == (
        NETWORK["feh"][0],
        NETWORK["feh_std"][0],
        "network",
        "dekany2021",
    )
    assert (second["feh"], second["feh_err"], second["model"], second["relation"]) == (
        RELATION["feh"][1],
        RELATION["feh_err"][1],
        "",
        "smolec2005",
    )
    assert np.isnan(second["feh_std"])
    assert (rows["status"] == "ok").tolist() == [True, True, False, False, False, False]


def test_a_star_without_a_value_has_the_first_reason():
    rows = rows_of(Estimate(NETWORK, "", "network"), Estimate(RELATION))
    without = rows[rows["status"] != "ok"]
    assert without["status"].tolist() == [
        "duplicate_id",
        "invalid_period",
        "too_few_epochs",
        "wrong_pulsation_type",
    ]
    assert without["feh"].isna().all()
    assert set(without["model"]) | set(without["relation"]) == {""}


def test_a_value_does_not_outlive_the_status_of_an_earlier_stage():
    fits = FITS.assign(status=FITS["status"].replace({"ok": "fit_failed"}))
    rows = make_sample_rows("s", "I", STARS, fits, [Estimate(RELATION)])
    assert not (rows["status"] == "ok").any()
    assert rows["feh"].isna().all()


def test_a_relation_given_star_by_star_is_kept():
    labels = RELATION.assign(relation=["muraveva2025_rrab"] * 5 + ["muraveva2025_rrc"])
    assert rows_of(Estimate(labels, "muraveva2025"))["relation"][0] == "muraveva2025_rrab"


CUT = prediction([-1.5, -1.6, *[NAN] * 4], ["cut:snr", "cut:snr", *NETWORK["status"][2:]]).assign(
    reason=["snr 20 is not in [30, inf]"] * 2 + [""] * 4
)


def test_a_rejected_star_keeps_its_value_with_the_status_and_the_reason():
    row = rows_of(Estimate(CUT, "dekany2021", "network")).iloc[0]
    assert (row["feh"], row["status"], row["model"]) == (-1.5, "cut:snr", "network")
    assert row["reason"] == "snr 20 is not in [30, inf]"


def test_an_estimate_that_is_ok_goes_before_a_rejected_one():
    rows = rows_of(Estimate(CUT, "dekany2021", "network"), Estimate(RELATION, "smolec2005"))
    assert rows["relation"][:2].tolist() == ["smolec2005"] * 2
    assert rows["status"][:2].tolist() == ["ok"] * 2
    assert set(rows["reason"][:2]) == {""}


def test_all_estimates_of_a_star_are_kept_and_one_is_preferred():
    estimates = [Estimate(CUT, "dekany2021", "network"), Estimate(RELATION, "smolec2005")]
    every = list_sample_estimates("ogle_i", "I", STARS, FITS, estimates)
    assert len(every) == 2 * len(STARS)
    assert every["row"].tolist() == np.repeat(np.arange(len(STARS)), 2).tolist()
    assert every["model"].tolist() == ["network", ""] * len(STARS)
    assert every.groupby("row")["preferred"].sum().eq(1).all()
    first = every[every["row"] == 0]
    assert first["feh"].tolist() == [-1.5, -1.1]
    assert first["preferred"].tolist() == [False, True]
    chosen = every[every["preferred"]].reset_index(drop=True)
    rows = rows_of(*estimates)
    for column in ("star_id", "status", "reason"):
        assert rows[column].tolist() == chosen[column].tolist()
    np.testing.assert_array_equal(rows["feh"], chosen["feh"].astype(float))


def test_the_table_of_estimates_has_every_model_and_relation_of_the_study():
    every = make_study(make_estimates)
    assert list(every) == list(catalogue.ESTIMATE_COLUMNS)
    counts = every.groupby(["sample", "model", "relation"]).size()
    assert set(counts) == {len(STARS)}
    assert set(counts.index) == {
        ("gaia_g", "first", "dekany2021"),
        ("gaia_g", "second", "dekany2021"),
        ("ogle_i", "published", "dekany2021"),
        ("ogle_i", "", "dekany2021"),
    }
    assert every.groupby("sample")["preferred"].sum().tolist() == [len(STARS)] * 2


def test_the_epoch_of_the_positions_is_in_the_catalogue():
    rows = rows_of(Estimate(RELATION), stars=STARS.assign(ref_epoch=2016.0))
    assert set(rows["ref_epoch"]) == {2016.0}
    assert rows_of(Estimate(RELATION))["ref_epoch"].isna().all()


def test_without_model_and_relation_the_status_says_so():
    statuses = rows_of()["status"].tolist()
    assert statuses[:3] == ["no_model", "no_model", "duplicate_id"]
    assert statuses[3:5] == ["invalid_period", "too_few_epochs"]


def test_the_fit_gives_the_period_it_refined_and_the_epochs_it_kept():
    rows = rows_of(Estimate(RELATION))
    assert rows["period"][:2].tolist() == FITS["period"][:2].tolist()
    assert rows["period"][4] == STARS["period"][4]
    assert rows["n_epochs"].tolist() == [120, 80, 0, 0, 12, 60]


def test_the_rows_do_not_depend_on_the_order_of_the_tables():
    shuffled = Estimate(RELATION.sample(frac=1, random_state=1))
    fits = FITS.sample(frac=1, random_state=2)
    rows = make_sample_rows("ogle_i", "I", STARS.set_index(STARS.index + 7), fits, [shuffled])
    pd.testing.assert_frame_equal(rows, rows_of(Estimate(RELATION)))


def test_an_ok_without_a_value_is_an_error_that_names_the_star():
    broken = NETWORK.assign(feh=NAN)
    with pytest.raises(ValueError, match=r"sample ogle_i: no finite \[Fe/H\] from network for: V1"):
        rows_of(Estimate(broken, "", "network"))


CONFIG = {
    "samples": {"gaia_g": {"band": "G"}, "ogle_i": {"band": "I"}},
    "labels": {"ogle_i": "dekany2021"},
    "models": {
        "second": {"labels": "ogle_i"},
        "first": {"labels": "ogle_i"},
        "published": {"published": "dekany_grebel_2022", "relation": "dekany2021"},
    },
    "predict": [
        {"model": "first", "sample": "gaia_g"},
        {"model": "second", "sample": "gaia_g"},
        {"model": "published", "sample": "ogle_i"},
    ],
}


def make_study(make=make_catalogue) -> pd.DataFrame:
    ok = NETWORK["status"].tolist()
    predictions = {
        ("second", "gaia_g"): prediction([-2.0] * 6, ["ok"] * 6),
        ("first", "gaia_g"): NETWORK,
        ("published", "ogle_i"): prediction([-0.5, *[NAN] * 5], ok),
    }
    tables = {"ogle_i": STARS, "gaia_g": STARS.assign(reference_id="I-" + STARS["star_id"])}
    return make(CONFIG, tables, {"ogle_i": FITS, "gaia_g": FITS}, {"ogle_i": RELATION}, predictions)


def test_models_have_precedence_in_the_order_of_the_configuration():
    table = make_study().query("status != 'duplicate_id'").set_index(["sample", "star_id"])
    assert table.index.get_level_values("sample").unique().tolist() == ["gaia_g", "ogle_i"]
    assert table.loc[("gaia_g", "V1"), "model"] == "first"
    assert table.loc[("ogle_i", "V1"), "model"] == "published"
    assert table.loc[("gaia_g", "V5"), "model"] == "second"
    assert table.loc[("ogle_i", "V2"), "model"] == ""
    assert set(table.loc[table["status"] == "ok", "relation"]) == {"dekany2021"}


READERS = {
    "parquet": read_table,
    "csv": lambda path: pd.read_csv(path, dtype=str),
    "vot": lambda path: Table.read(path, format="votable").to_pandas(),
    "fits": lambda path: Table.read(path, format="fits").to_pandas(),
}


def read_back(path) -> pd.DataFrame:
    """Read a catalogue file with the types of the study's tables."""
    table = READERS[path.suffix.removeprefix(".")](path)
    for column in table:
        if column in catalogue.TEXT_COLUMNS:
            table[column] = table[column].fillna("").astype(str)
        elif column == "n_epochs":
            table[column] = table[column].astype("int32")
        elif column == "in_training":
            table[column] = table[column].map(lambda value: str(value) == "True").astype(bool)
        else:
            table[column] = pd.to_numeric(table[column], errors="coerce").astype(float)
    return table


@pytest.mark.parametrize("extension", READERS)
@pytest.mark.parametrize("rows", [None, 0])
def test_every_format_holds_the_same_rows_to_the_last_bit(tmp_path, extension, rows):
    table = make_study().head(rows) if rows is not None else make_study()
    write_catalogue(table, tmp_path, {"study": "demo"})
    again = read_back(tmp_path / f"metallicities.{extension}")
    pd.testing.assert_frame_equal(again, table, check_exact=True, check_dtype=len(table) > 0)


@pytest.mark.parametrize("extension", ["vot", "fits"])
def test_units_descriptions_and_ucds_travel(tmp_path, extension):
    write_catalogue(make_study(), tmp_path)
    path = tmp_path / f"metallicities.{extension}"
    if extension == "vot":
        document = parse_votable(path, verify="exception")
        fields = {field.name: field for field in document.get_first_table().fields}
        found = {
            name: (str(field.unit or ""), field.description, field.ucd or "")
            for name, field in fields.items()
        }
        assert fields["ra"].ref == fields["dec"].ref == "icrs"
    else:
        header = Table.read(path, format="fits").meta
        units = Table.read(path, format="fits")
        found = {
            name: (
                str(units[name].unit or ""),
                header[f"TCOMM{number}"],
                header.get(f"TUCD{number}", ""),
            )
            for number, name in enumerate(units.colnames, start=1)
        }
    for name in catalogue.COLUMNS:
        column = describe(name)
        assert found[name] == (column.unit, column.description, column.ucd)


def test_the_same_catalogue_makes_the_same_bytes(tmp_path):
    for folder in ("one", "two"):
        write_catalogue(make_study(), tmp_path / folder, {"study": "demo", "version": "1"})
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == [
        f"metallicities.{extension}" for extension in ("csv", "fits", "parquet", "vot")
    ]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_name_beyond_ascii_costs_no_row(tmp_path):
    table = make_study()
    table["star_id"] = "ω Cen " + table["star_id"] + " <&>"
    write_catalogue(table, tmp_path)
    for extension in ("parquet", "vot", "csv"):
        again = read_back(tmp_path / f"metallicities.{extension}")
        assert again["star_id"].tolist() == table["star_id"].tolist()
    escaped = read_back(tmp_path / "metallicities.fits")["star_id"]
    assert escaped[0] == "\\u03c9 Cen V1 <&>"


@pytest.mark.parametrize("name", ["V1", "ω", "𝛚 Cen", ""])
def test_a_votable_has_the_rows_that_astropy_writes(tmp_path, name):
    table = make_study()
    table.loc[1, "reason"] = name
    table.loc[2, ["feh", "ra"]] = [np.inf, -0.0]
    write_catalogue(table, tmp_path)
    astropys = from_table(catalogue._to_astropy(table), table_id=catalogue.NAME)
    writeto(astropys, str(tmp_path / "astropy.vot"), tabledata_format="binary2")
    ours, theirs = (
        Table.read(tmp_path / file, format="votable").to_pandas()
        for file in ("metallicities.vot", "astropy.vot")
    )
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


def test_a_failed_write_leaves_the_earlier_file(tmp_path, monkeypatch):
    write_catalogue(make_study(), tmp_path)
    before = (tmp_path / "metallicities.vot").read_bytes()

    def fail(document, path, **_):
        Path(path).write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(catalogue, "writeto", fail)
    with pytest.raises(OSError, match="disk full"):
        write_catalogue(make_study().head(2), tmp_path)
    assert (tmp_path / "metallicities.vot").read_bytes() == before
    assert not [path for path in tmp_path.iterdir() if "part" in path.name]


@pytest.mark.parametrize("column", catalogue.COLUMNS)
def test_every_ucd_is_of_the_controlled_vocabulary(column):
    assert check_ucd(describe(column).ucd, check_controlled_vocabulary=True)


TRUTH = pd.DataFrame(
    {
        "survey": ["gaia_dr2"] * 6 + ["ogle"] * 6,
        "star_id": STARS["star_id"].tolist() * 2,
        "feh_true": np.linspace(-2.0, -1.0, 12),
    }
)
SURVEYS = {"gaia_g": "gaia_dr2", "ogle_i": "ogle"}


def make_study_with_training() -> pd.DataFrame:
    """The study whose star V2 the model `second` was trained on."""
    table = make_study()
    seen = (table["model"] == "second") & (table["star_id"] == "V2") & (table["status"] == "ok")
    return table.assign(in_training=seen)


def test_stars_of_the_training_are_told_from_others():
    pairs = pair_with_truth(make_study_with_training(), TRUTH, SURVEYS)
    assert len(pairs) == (make_study()["status"] == "ok").sum()
    rows = pairs.set_index(["sample", "star_id"])
    seen, unseen = rows.loc[("gaia_g", "V2")], rows.loc[("gaia_g", "V5")]
    assert (seen["stars"], seen["source"]) == ("out of fold", "second")
    assert (unseen["stars"], unseen["source"]) == ("held out", "second")
    labelled = rows.loc[("ogle_i", "V2")]
    assert (labelled["feh"], labelled["stars"], labelled["source"]) == (-1.2, "all", "dekany2021")
    for sample, star_id in rows.index:
        expected = TRUTH.query("survey == @SURVEYS[@sample] and star_id == @star_id")["feh_true"]
        assert rows.loc[(sample, star_id), "feh_true"] == expected.item()


def test_the_comparison_with_the_truth_counts_every_pair_once():
    pairs = pair_with_truth(make_study_with_training(), TRUTH, SURVEYS)
    table = compare_with_truth(pairs)
    assert table["n"].sum() == len(pairs)
    row = table[(table["source"] == "second") & (table["stars"] == "out of fold")].iloc[0]
    error = -2.0 - TRUTH["feh_true"][1]
    assert (row["sample"], row["band"], row["n"]) == ("gaia_g", "G", 1)
    assert row["bias"] == pytest.approx(error)
    assert row["medae"] == row["mae"] == row["rmse"] == pytest.approx(abs(error))
    assert np.isnan(row["r2"])


def test_the_comparison_of_many_stars_gives_the_usual_metrics():
    rng = np.random.default_rng(3)
    true = rng.normal(-1.5, 0.4, 500)
    pairs = pd.DataFrame(
        {
            "sample": "s",
            "band": "G",
            "source": "network",
            "stars": "held out",
            "feh": true + rng.normal(0.05, 0.1, 500),
            "feh_true": true,
        }
    )
    row = compare_with_truth(pairs).iloc[0]
    assert row["bias"] == pytest.approx(0.05, abs=0.02)
    assert row["rmse"] ** 2 == pytest.approx(row["bias"] ** 2 + 0.01, rel=0.1)
    assert row["medae"] < row["mae"] < row["rmse"]
    assert row["r2"] == pytest.approx(1 - row["rmse"] ** 2 / np.var(true))


def test_nothing_to_compare_gives_an_empty_table():
    pairs = pair_with_truth(make_study().head(0), TRUTH, SURVEYS)
    assert compare_with_truth(pairs).empty
    assert "rmse" in compare_with_truth(pairs)


def test_what_is_known_of_a_star_that_is_not_ok_is_its_reason():
    stars = STARS.assign(reason=["", "", "row 2 is the same star", "its period is 'x'", "", ""])
    fits = FITS.assign(reason=["", "", "row 2 is the same star", "", "12 usable epochs", "unused"])
    rows = make_sample_rows("ogle_i", "I", stars, fits, [Estimate(NETWORK, "d21", "network")])
    plain = rows_of(Estimate(NETWORK, "d21", "network"))
    assert rows["reason"].tolist() == [
        *plain["reason"][:2],
        "row 2 is the same star",
        "its period is 'x'",
        "12 usable epochs",
        plain["reason"][5],
    ]
    assert rows.drop(columns="reason").equals(plain.drop(columns="reason"))


def test_what_the_star_list_has_besides_follows_under_its_own_name():
    stars = STARS.assign(given_Vmag=range(6), given_snr="x", given_feh=2.0, archive_feh=1.0)
    rows = rows_of(Estimate(NETWORK, "d21", "network"))
    output = append_given(rows, stars)
    assert list(output) == [*rows, "given_feh", "Vmag", "given_snr", "given_given_feh"]
    assert output["Vmag"].tolist() == [*range(6)]
    assert output["given_feh"].tolist() == [1.0] * 6
    assert output[[*rows]].equals(rows)


def test_a_run_is_summed_up(tmp_path):
    rows = rows_of(Estimate(NETWORK, "d21", "network"))
    rows.loc[1, "feh"] = -1.0
    rows.to_csv(tmp_path / "feh.csv", index=False)
    lines = summarise_output(tmp_path / "feh.csv").splitlines()
    assert lines[0] == f"6 stars in {tmp_path}/feh.csv"
    assert lines[1] == "      1 ok (1 more have a value, and a caveat)"
    assert lines[2].startswith("      1 duplicate_id: such as V2, An earlier row of the star list")
    assert [line.split()[1].strip(":") for line in lines[1:]] == [
        *("ok", "duplicate_id", "invalid_period", "too_few_epochs", "wrong_pulsation_type"),
        "cut:snr",
    ]


def test_a_catalogue_says_of_which_samples_the_flags_are_not_used():
    samples = {"with": {"survey": "gaia_dr4"}, "without": {"survey": "gaia_dr4_without_flags"}}
    assert describe_flags({"samples": {"with": samples["with"]}}) == {}
    said = describe_flags({"samples": samples})["epoch_flags"]
    assert said.startswith("not used for without: every transit counts")
