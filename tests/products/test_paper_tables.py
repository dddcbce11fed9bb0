import math

import numpy as np
import pandas as pd
import pytest

from metalyra.core.registry import UnknownNameError
from metalyra.products.paper_tables import (
    LAYOUTS,
    choose_layout,
    dekany_grebel_2022,
    monti,
    read_cpu_time,
    tabulate_experiment,
    write_paper_table,
)
from metalyra.products.paper_tables.dekany_grebel_2022 import dg22_table1, dg22_table5

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
    assert list(table) == list(dekany_grebel_2022.TABLE_1_COLUMNS)
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
        dekany_grebel_2022.TABLE_1_COLUMNS
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
        LAYOUTS["dg22_table4"]


def test_a_table_without_a_layout_is_laid_out_by_what_it_shows():
    assert choose_layout({"sample": "a"}) == "dg22_table1"
    assert choose_layout({"sample": "a", "model": "b"}) == "dg22_table5"
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
