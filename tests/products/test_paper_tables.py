import math

import numpy as np
import pandas as pd
import pytest
from astropy.io.votable import parse_single_table
from astropy.table import Table

from metalyra.core.metrics import evaluate_predictions
from metalyra.core.registry import UnknownNameError
from metalyra.products.paper_tables import (
    LAYOUTS,
    WrittenTable,
    choose_layout,
    dekany_grebel_2022,
    describe_tables,
    monti,
    read_cpu_time,
    read_written_table,
    tabulate_experiment,
    write_copies,
    write_paper_table,
)
from metalyra.products.paper_tables.dekany_grebel_2022 import (
    dg22_table1,
    dg22_table2,
    dg22_table3,
    dg22_table4,
    dg22_table5,
    name_fields,
)
from metalyra.train.published import read_published_predictions

NAN = float("nan")

# The first rows of the inner-bulge star list, and of Table 5 as printed.
STARS = pd.DataFrame(
    {
        "star_id": ["7", "27", "27#2", "36"],
        "ra": [256.363625, 256.744500, 256.744500, 256.922375],
        "dec": [-34.564139, -34.985472, -34.985472, -34.309250],
        "period": [0.643188, 0.440602, 0.440602, NAN],
        "archive_mean_mag": [14.657, 15.538, 15.538, NAN],
        "archive_amplitude": [0.171, 0.245, 0.245, NAN],
        "archive_snr": [78.5, 56.8, 56.8, NAN],
        "status": ["ok", "ok", "duplicate_id", "ok"],
    }
)
FITS = pd.DataFrame(
    {
        "star_id": STARS["star_id"],
        "period": [0.643188, 0.440602, NAN, 0.7691140123],
        "mean_mag": [14.66, 15.53, NAN, 14.42149],
        "amplitude": [0.18, 0.25, NAN, 0.15749],
        "snr": [70.0, 50.0, NAN, 82.24],
        "n_epochs": [117.0, 64.0, NAN, 64.0],
        "phase_coverage": [0.93912, 0.93784, NAN, 0.93349],
        "a1": [0.31, 0.33, NAN, 0.3],
        "a2": [0.11, 0.13, NAN, 0.1],
        "a3": [0.07, 0.09, NAN, 0.05],
        "phi21": [9.57, 8.99, NAN, 9.38],
        "phi31": [6.68, 5.7, NAN, 6.315],
        "status": ["ok", "ok", "duplicate_id", "ok"],
    }
)
PREDICTIONS = pd.DataFrame(
    {
        "star_id": STARS["star_id"],
        "feh": [-1.27004, -0.4, NAN, -1.48],
        "feh_std": [0.07, 0.05, NAN, 0.05],
        "member_0": [-1.2, -0.4, NAN, -1.4],
        "status": ["ok", "ok", "duplicate_id", "ok"],
    }
)
LABELS = PREDICTIONS.rename(columns={"feh_std": "feh_err_light_curve"})


def shuffle(table: pd.DataFrame) -> pd.DataFrame:
    return table.sample(frac=1, random_state=3)


def test_table_5_has_the_papers_columns_and_the_rows_of_the_star_list():
    table = dg22_table5(STARS, shuffle(FITS), shuffle(PREDICTIONS))
    assert list(table) == [
        *("star_id", "ra", "dec", "feh", "feh_std", "mean_mag", "n_epochs"),
        *("period", "amplitude", "phase_coverage", "snr"),
    ]
    assert table["star_id"].tolist() == ["7", "27", "27", "36"]
    assert table["feh"].tolist()[:2] == PREDICTIONS["feh"].tolist()[:2]
    assert table.loc[2, ["feh", "feh_std", "n_epochs"]].isna().all()


def test_table_5_repeats_the_star_list_and_fills_its_gaps_from_the_fit():
    table = dg22_table5(STARS, FITS, PREDICTIONS)
    assert table["mean_mag"].tolist() == [14.657, 15.538, 15.538, FITS["mean_mag"][3]]
    assert table["snr"].tolist() == [78.5, 56.8, 56.8, FITS["snr"][3]]
    assert table["amplitude"][3] == FITS["amplitude"][3]
    assert table["period"][3] == FITS["period"][3]
    assert table["phase_coverage"][0] == FITS["phase_coverage"][0]


def test_table_5_of_another_star_list_takes_everything_from_the_fit():
    stars = STARS.drop(columns=["archive_mean_mag", "archive_amplitude", "archive_snr"])
    table = dg22_table5(stars, FITS, PREDICTIONS)
    for column in ("mean_mag", "amplitude", "snr"):
        np.testing.assert_array_equal(table[column], FITS[column])


def test_a_star_outside_the_papers_cuts_is_not_in_the_table():
    doubtful = PREDICTIONS.assign(status=["cut:snr", "ok", "duplicate_id", "ok"])
    table = dg22_table5(STARS, FITS, doubtful)
    assert table["star_id"].tolist() == ["27", "27", "36"]
    assert table["feh"].notna().tolist() == [True, False, True]


def test_a_value_that_the_paper_has_is_printed_whatever_we_think_of_the_star():
    doubtful = PREDICTIONS.assign(status=["unlike_training", "ok", "duplicate_id", "ok"])
    assert dg22_table5(STARS, FITS, doubtful)["feh"][0] == PREDICTIONS["feh"][0]


def test_table_1_holds_the_stars_within_its_cuts_in_order():
    table = dg22_table1(STARS, shuffle(FITS), shuffle(LABELS))
    assert list(table) == list(dekany_grebel_2022.TABLE_1_COLUMNS)[1:]
    assert table["star_id"].tolist() == ["7", "27", "36"]
    assert (
        table["feh_err_light_curve"].tolist() == LABELS["feh_err_light_curve"][[0, 1, 3]].tolist()
    )


@pytest.mark.parametrize(
    ("column", "inside", "outside"),
    [("phase_coverage", 0.8, 0.7999), ("amplitude", 1.2, 1.2001), ("snr", 50.0, 49.9)],
)
def test_the_cuts_of_table_1_include_their_limits(column, inside, outside):
    for value, stars in ((inside, ["7", "27", "36"]), (outside, ["27", "36"])):
        fits = FITS.assign(**{column: FITS[column].where(FITS["star_id"] != "7", value)})
        assert dg22_table1(STARS, fits, LABELS)["star_id"].tolist() == stars


def rename(table: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    return table.assign(star_id=table["star_id"].replace(names))


def test_table_1_names_the_field_of_stars_of_ogle():
    names = {"7": "OGLE-BLG-RRLYR-00007", "36": "OGLE-GD-RRLYR-00036"}
    table = dg22_table1(*(rename(part, names) for part in (STARS, FITS, LABELS)))
    assert list(table) == list(dekany_grebel_2022.TABLE_1_COLUMNS)
    assert table["field"].tolist()[0::2] == ["b", "d"]
    assert table["field"].isna().tolist() == [False, True, False]
    assert table["star_id"][0] == "OGLE-BLG-RRLYR-00007"


def test_a_field_is_that_of_the_designation():
    stars = ["OGLE-BLG-RRLYR-56841", "OGLE-GD-RRLYR-00001", "OGLE-LMC-RRLYR-00001", "b56841"]
    assert name_fields(pd.Series(stars)).fillna("").tolist() == ["b", "d", "", ""]


G_FITS = FITS.assign(
    amplitude=[0.9, 0.8, NAN, 0.6],
    snr=[125.0, 152.0, NAN, 108.0],
    n_epochs=[38.0, 36.0, NAN, 29.0],
    phase_coverage=[0.881, 0.923, NAN, 0.88],
)


def test_table_4_has_the_papers_columns_and_the_target_stars_in_order():
    table = dg22_table4(STARS, shuffle(G_FITS), shuffle(PREDICTIONS))
    assert list(table) == [
        *("star_id", "feh", "feh_std", "mean_mag", "n_epochs"),
        *("period", "amplitude", "phase_coverage", "snr"),
    ]
    assert table["star_id"].tolist() == ["7", "27", "36"]
    assert table["amplitude"].tolist() == [0.9, 0.8, 0.6]


@pytest.mark.parametrize(
    ("column", "limit", "inside"),
    [
        ("phase_coverage", 0.85, 0.8501),
        ("snr", 30.0, 30.1),
        ("n_epochs", 20.0, 21.0),
        ("amplitude", 1.4, 1.3999),
        ("period", 0.28, 0.2801),
        ("period", 0.98, 0.9799),
    ],
)
def test_a_target_is_within_the_cuts_of_table_4_and_not_on_them(column, limit, inside):
    for value, stars in ((limit, ["27", "36"]), (inside, ["7", "27", "36"])):
        fits = G_FITS.assign(**{column: G_FITS[column].where(G_FITS["star_id"] != "7", value)})
        assert dg22_table4(STARS, fits, PREDICTIONS)["star_id"].tolist() == stars


def test_a_target_without_a_metallicity_is_not_in_table_4():
    nothing = PREDICTIONS.assign(feh=[NAN, -0.4, NAN, -1.48])
    assert dg22_table4(STARS, G_FITS, nothing)["star_id"].tolist() == ["27", "36"]


def layers(*rows) -> dict[str, pd.DataFrame]:
    columns = ["layer", "kind", "settings", "output_shape", "n_parameters"]
    return {"layers": pd.DataFrame(rows, columns=columns)}


def test_table_2_has_networks_side_by_side_with_their_totals():
    first = layers(
        ("sequences", "InputLayer", "", "60 x 2", 0),
        ("bilstm1", "Bidirectional LSTM", "32 neurons", "60 x 64", 8960),
        ("dropout1", "Dropout", "dropout 0.1", "60 x 64", 0),
        ("head", "Dense", "1 neuron", "1", 65),
    )
    second = layers(
        ("sequences", "InputLayer", "", "n x 2", 0),
        ("gru1", "GRU", "20 neurons", "20", 1440),
        ("head", "Dense", "1 neuron", "1", 21),
    )
    table = dg22_table2({"a": first, "b": second})
    assert list(table) == [
        "layer",
        *("settings_by_a", "n_parameters_by_a", "settings_by_b", "n_parameters_by_b"),
    ]
    assert table["layer"].tolist() == ["bilstm1", "dropout1", "gru1", "head", "total"]
    assert table["n_parameters_by_a"].fillna(-1).tolist() == [8960, 0, -1, 65, 9025]
    assert table["n_parameters_by_b"].fillna(-1).tolist() == [-1, -1, 1440, 21, 1461]
    assert table["settings_by_b"].fillna("").tolist() == ["", "", "20 neurons", "1 neuron", ""]


def predictions(errors: bool = True, stars: int = 90) -> pd.DataFrame:
    random = np.random.default_rng(4)
    feh = random.normal(-1.4, 0.4, stars)
    return pd.DataFrame(
        {
            "star_id": [f"s{number}" for number in range(stars)],
            "fold": np.arange(stars) % 3,
            "feh": feh,
            "feh_err": random.uniform(0.05, 0.3, stars) if errors else NAN,
            "feh_predicted": feh + random.normal(0, 0.1, stars),
        }
    )


def test_table_3_measures_the_union_of_the_folds_but_takes_the_mean_of_r2():
    stars = predictions()
    table = dg22_table3({"m": {"validation": stars, "training": predictions(stars=30)}})
    assert list(table) == ["metric", "training_by_m", "validation_by_m"]
    found = table.set_index("metric")["validation_by_m"]
    assert list(found.index)[:8] == [
        "r2",
        "wrmse",
        "wmae",
        "rmse",
        "mae",
        "medae",
        "d_js",
        "r2_d_js",
    ]
    arrays = [stars[name].to_numpy() for name in ("feh", "feh_predicted", "feh_err")]
    union = evaluate_predictions(*arrays)
    for metric in ("wrmse", "wmae", "rmse", "mae", "medae", "d_js", "n"):
        assert found[metric] == pytest.approx(union[metric])
    folds = [
        evaluate_predictions(*(array[stars["fold"] == fold] for array in arrays))["r2"]
        for fold in range(3)
    ]
    assert found["r2"] == pytest.approx(np.mean(folds))
    assert found["r2"] != pytest.approx(union["r2"], abs=1e-6)
    assert found["r2_d_js"] == pytest.approx(np.mean(folds) / union["d_js"])
    assert table.set_index("metric").loc["n", "training_by_m"] == 30


def test_table_3_has_no_weighted_metric_of_labels_without_errors_and_nothing_unknown():
    table = dg22_table3({"m": {"validation": predictions(errors=False)}}).set_index("metric")
    weighted = ["r2", "wrmse", "wmae", "r2_d_js"]
    assert table.loc[weighted, "validation_by_m"].isna().all()
    assert table["validation_by_m"].drop(weighted).notna().all()
    assert table["training_by_m"].isna().all()


def test_the_published_predictions_have_the_metrics_of_the_papers_table_3(mirror):
    parts = {}
    for part, name in (("training", "train"), ("validation", "val")):
        [path] = (mirror / "dekany_grebel_2022/results_k/best_model_k").glob(
            f"predict_{name}_*.dat"
        )
        parts[part] = read_published_predictions(path)
    table = dg22_table3({"ks": parts}).set_index("metric")
    printed = {"rmse": (0.14, 0.15), "mae": (0.10, 0.11), "medae": (0.07, 0.08)}
    for metric, values in printed.items():
        for part, value in zip(("training", "validation"), values, strict=True):
            assert round(table.loc[metric, f"{part}_by_ks"], 2) == value
    assert table.loc["d_js"].round(3).tolist() == [0.004, 0.004]
    assert table.loc["n"].tolist() == [9 * 7534, 7534]


@pytest.fixture
def written(tmp_path):
    """Tables 2, 3 and 5, with their copies, and the ReadMe."""
    network = layers(
        ("bilstm1", "LSTM", "8 neurons", "8", 352), ("head", "Dense", "1 neuron", "1", 9)
    )
    other = layers(("gru1", "GRU", "4 neurons", "4", 96))
    tables = {
        "table2": dg22_table2({"a": network, "b": other}),
        "table3": dg22_table3({"a": {"validation": predictions(errors=False)}}),
        "table5": dg22_table5(STARS, FITS, PREDICTIONS),
    }
    described = {}
    for name, table in tables.items():
        path, layout = tmp_path / f"{name}.csv", LAYOUTS[f"dg22_{name}"]
        write_paper_table(table, path)
        write_copies(table, path, layout.title)
        described[name] = WrittenTable(layout.title, read_written_table(path), layout.notes)
    (tmp_path / "ReadMe").write_text(describe_tables("dg22", "1.0", described))
    return tmp_path


def plain(table: Table) -> pd.DataFrame:
    """Return what a reader of astropy has read, as text with empty cells."""
    return pd.DataFrame(
        {
            name: [
                "" if value is np.ma.masked or value != value else str(value).strip()
                for value in table[name]
            ]
            for name in table.colnames
        }
    )


@pytest.mark.parametrize("name", ["table2", "table3", "table5"])
def test_the_readme_describes_every_byte_of_a_table(written, name):
    read = plain(Table.read(written / f"{name}.dat", readme=written / "ReadMe", format="ascii.cds"))
    expected = read_written_table(written / f"{name}.csv")
    assert list(read) == list(expected)
    for column in expected:
        for ours, theirs in zip(expected[column], read[column], strict=True):
            assert ours == theirs or float(ours) == float(theirs)
    lengths = {len(line) for line in (written / f"{name}.dat").read_text().splitlines()}
    assert len(lengths) == 1
    assert f"{name}.dat" in (written / "ReadMe").read_text().partition("Byte-by-byte")[0]


def test_the_readme_names_units_gaps_and_notes(written):
    lines = (written / "ReadMe").read_text().splitlines()
    [period] = [line for line in lines if " period " in line]
    assert period.split()[2:5] == ["F8.6", "d", "period"]
    [feh] = [line for line in lines if line.split()[4:5] == ["feh"]]
    assert "? Metallicity [Fe/H] (dex)" in feh
    assert any(line.startswith("Note (1): feh and feh_std are mean") for line in lines)


def test_the_votable_has_the_values_of_the_csv_file_with_units_and_ucds(written):
    table = parse_single_table(written / "table5.vot").to_table(use_names_over_ids=True)
    assert str(table["period"].unit) == "d"
    assert table["feh"].meta["ucd"] == "phys.abund.Fe"
    assert table["ra"].meta["ucd"] == "pos.eq.ra;meta.main"
    assert table["feh"].tolist()[:2] == [-1.27, -0.4]
    assert table["feh"].mask.tolist() == [False, False, True, False]
    assert table["n_epochs"].tolist() == [117, 64, 0, 64]
    assert table["star_id"].tolist() == ["7", "27", "27", "36"]
    counted = parse_single_table(written / "table2.vot").to_table()
    assert counted["n_parameters_by_a"].tolist() == [352, None, 9, 361]


def test_other_cuts_are_data():
    assert dg22_table1(STARS, FITS, LABELS, {"snr": (None, 60.0)})["star_id"].tolist() == ["27"]
    assert len(dg22_table1(STARS, FITS, LABELS, {})) == 3


def test_tables_are_written_with_fixed_decimals(tmp_path):
    write_paper_table(dg22_table5(STARS, FITS, PREDICTIONS), tmp_path / "table5.csv")
    lines = (tmp_path / "table5.csv").read_text().splitlines()
    assert lines[0] == ",".join(dekany_grebel_2022.TABLE_5_COLUMNS)
    assert lines[1] == "7,256.363625,-34.564139,-1.2700,0.0700,14.657,117,0.643188,0.171,0.939,78.5"
    assert lines[3] == "27,256.744500,-34.985472,,,15.538,,0.440602,0.245,,56.8"
    assert lines[4].endswith("14.421,64,0.769114,0.157,0.933,82.2")


def test_an_empty_table_keeps_its_header(tmp_path):
    write_paper_table(
        dg22_table1(STARS, FITS, LABELS, {"snr": (1e9, None)}), tmp_path / "table1.csv"
    )
    assert (tmp_path / "table1.csv").read_text() == ",".join(
        dekany_grebel_2022.TABLE_1_COLUMNS[1:]
    ) + "\n"


def experiment_card(training: float, validation: float, stars: int = 300) -> dict:
    metrics = {"r2": 0.9, "wrmse": 0.1, "wmae": 0.2, "rmse": 0.3, "mae": 0.4, "d_js": 0.5}
    return {
        "provenance": {"n_stars": stars},
        "metrics": {
            "union": {name: value - 0.5 for name, value in metrics.items()},
            "std": dict.fromkeys(metrics, 0.01),
            "mean": {name: value * validation for name, value in metrics.items()},
            "training": {"mean": {name: value * training for name, value in metrics.items()}},
        },
    }


def test_the_table_has_a_row_a_model_and_the_papers_metrics_in_their_order():
    combinations = [
        {"catalogue": catalogue, "network": network}
        for catalogue in ("raw", "smooth")
        for network in ("gru", "fcn")
    ]
    cards = [experiment_card(training, 0.5, stars=100) for training in (0.6, 0.7, 0.8, 0.9)]
    table = tabulate_experiment(combinations, cards, [1.0, 2.0, 3.0, 4.0])
    metrics = ["r2", "wrmse", "wmae", "rmse", "mae"]
    sets = ["training", "validation", "validation_std", "validation_union"]
    assert table.columns.tolist() == [
        "catalogue",
        "network",
        "n_stars",
        *(f"{metric}_{stars}" for metric in metrics for stars in sets),
        "cpu_time",
    ]
    assert table["network"].tolist() == ["gru", "fcn", "gru", "fcn"]
    assert table["catalogue"].tolist() == ["raw", "raw", "smooth", "smooth"]
    assert table["n_stars"].tolist() == [100] * 4
    assert table["rmse_training"].tolist() == pytest.approx([0.18, 0.21, 0.24, 0.27])
    assert table["r2_validation"].tolist() == pytest.approx([0.45] * 4)
    assert table["r2_validation_std"].tolist() == [0.01] * 4
    assert table["r2_validation_union"].tolist() == [0.4] * 4
    assert table["cpu_time"].tolist() == [1.0, 2.0, 3.0, 4.0]


def test_the_cpu_time_of_jobs_adds_up(tmp_path):
    for job, seconds in (("0", "12.5"), ("1", "7.25")):
        (tmp_path / f"{job}.tsv").write_text(f"s\tmean_load\tcpu_time\n13.1\t95.0\t{seconds}\n")
    assert read_cpu_time([tmp_path / "0.tsv", tmp_path / "1.tsv"]) == 19.75


def test_a_metric_that_a_card_lacks_is_missing():
    card = experiment_card(1.0, 1.0)
    for folds in (card["metrics"], card["metrics"]["training"]):
        del folds["mean"]["wrmse"]
    for summary in ("union", "std"):
        del card["metrics"][summary]["wrmse"]
    table = tabulate_experiment([{"network": "gru"}], [card], [1.0])
    assert math.isnan(table["wrmse_validation"][0])
    assert math.isnan(table["wrmse_training"][0])
    assert table[["wrmse_validation_std", "wrmse_validation_union"]].isna().all(axis=None)
    assert table["wmae_validation"][0] == pytest.approx(0.2)


def test_a_layout_is_found_by_paper_and_table():
    assert LAYOUTS["dg22_table1"].make is dg22_table1
    assert LAYOUTS["dg22_table5"].make is dg22_table5
    with pytest.raises(UnknownNameError, match="did you mean dg22_table5"):
        LAYOUTS["dg22_table55"]


def test_a_table_without_a_layout_is_laid_out_by_what_it_shows():
    assert choose_layout({"sample": "a"}) == "dg22_table1"
    assert choose_layout({"sample": "a", "model": "b"}) == "dg22_table5"
    assert choose_layout({"models": ["b"]}) == "dg22_table3"
    assert choose_layout({"sample": "a", "model": "b", "layout": "dg22_table1"}) == "dg22_table1"


def make_development(**columns) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return star list, fits and labels of five stars within the cuts of Monti et al."""
    names = ["a", "b", "c", "d", "e"]
    stars = pd.DataFrame({"star_id": names, "pulsation_type": "RRab", "status": "ok"})
    stars = stars.assign(period=0.5, archive_amplitude=0.9, archive_n_epochs=60.0)
    fits = pd.DataFrame({"star_id": names, "period": 0.5, "amplitude": 1.9, "n_epochs": 20.0})
    labels = pd.DataFrame({"star_id": names, "feh": -1.5, "feh_err": 0.9, "training_err": 0.39})
    labels = labels.assign(label_phi31_err=0.05, status="ok")
    tables = [stars, fits, labels]
    for name, values in columns.items():
        for table in tables:
            if name in table:
                table[name] = values
    return stars, shuffle(fits), shuffle(labels)


def test_the_development_set_has_the_papers_cuts_and_the_archives_values():
    tables = make_development(
        archive_n_epochs=[50.0, 49.0, 90.0, 90.0, 90.0],
        archive_amplitude=[1.4, 0.9, 1.41, 0.9, 0.9],
        training_err=[0.4, 0.39, 0.39, 0.41, 0.39],
        label_phi31_err=[0.1, 0.05, 0.05, 0.05, 0.11],
    )
    table = monti.monti24_table1(*tables)
    assert table.columns.tolist() == list(monti.COLUMNS)
    assert table.loc[0].tolist() == ["a", 0.5, 1.4, 50, -1.5, 0.4]
    assert len(table) == 1
    pd.testing.assert_frame_equal(monti.monti25_table2_rrab(*tables), table)
    assert monti.monti25_table2_rrc(*tables).empty
    # The error of phi31 is no cut of RRc stars.
    rrc = monti.monti25_table2_rrc(tables[0].assign(pulsation_type="RRc"), *tables[1:])
    assert rrc["star_id"].tolist() == ["a", "e"]


def test_a_star_without_a_label_or_the_archives_values_is_not_in_the_development_set():
    stars, fits, labels = make_development(archive_n_epochs=[float("nan")] * 2 + [60.0] * 3)
    fits.loc[fits["star_id"] == "a", "n_epochs"] = 55.0
    labels["status"] = labels["star_id"].map(dict.fromkeys("abcd", "ok") | {"e": "no_relation"})
    # Our own number of epochs stands in for the archive's: 55 and 20.
    assert monti.monti24_table1(stars, fits, labels)["star_id"].tolist() == ["a", "c", "d"]


def test_the_table_of_several_models_has_every_star_once_and_its_best_value():
    names = ["a", "b", "c", "d", "e"]
    stars, fits, _ = make_development()
    stars = stars.assign(ra=10.0, dec=-5.0, pulsation_type=["RRab", "RRc", "RRab", "RRd", "RRab"])
    other = "wrong_pulsation_type"
    tables = []
    for feh, status in (
        ([-1.0, NAN, -1.2, NAN, NAN], ["ok", other, "unlike_training", other, "too_few_epochs"]),
        ([NAN, -2.0, NAN, NAN, NAN], [other, "ok", other, other, other]),
    ):
        tables.append(
            pd.DataFrame({"star_id": names, "feh": feh, "feh_err": 0.3, "status": status})
        )
    joined = pd.concat(tables).sort_values("star_id", kind="stable").assign(feh_std=0.1)
    table = monti.monti25_predictions(stars, fits, joined)
    assert table.columns.tolist() == list(monti.PREDICTED_COLUMNS)
    assert table["star_id"].tolist() == names
    assert table["feh"].fillna(0).tolist() == [-1.0, -2.0, -1.2, 0, 0]
    assert table["status"].tolist() == ["ok", "ok", "unlike_training", other, "too_few_epochs"]
    assert (table["amplitude"] == 1.9).all()
