"""The metallicities of one star or many, and where they come from."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy import units
from astropy.table import QTable, Table

import metalyra
from metalyra.core.resources import RESOURCES
from metalyra.fit import fit_stars
from metalyra.label import read_relations, scatter_of
from metalyra.predict import locate_model, predict_stars
from metalyra.predict.cards import UNTRAINED
from metalyra.products.catalogue import Estimate, make_sample_rows
from metalyra.surveys.formats.star_tables import check_stars
from metalyra.train import select_stars

LISTED = ["star_id", "period", "pulsation_type"]
MODEL = "metalyra_g"


@pytest.fixture(scope="module")
def listed(stars):
    return stars[LISTED]


@pytest.fixture(scope="module")
def predicted(listed, in_g):
    return metalyra.predict(listed, in_g, MODEL, band="G")


def test_the_numbers_are_the_workflows(predicted, listed, in_g):
    """Of the same steps that its scripts take."""
    model = locate_model(MODEL)
    stars = check_stars(listed.assign(ra=np.nan, dec=np.nan))
    fits, folded = fit_stars(stars, in_g.assign(band="G"), {}, 42)
    scatter = scatter_of(read_relations(RESOURCES / "relations.yaml"), "dekany2021", "RRab")
    table = predict_stars(
        model, select_stars(fits, stars, "RRab"), folded, relation_scatter=scatter, band="G"
    )
    estimate = Estimate(table, "dekany2021", MODEL)
    rows = make_sample_rows("own", "G", stars, fits, [estimate]).drop(columns="sample")
    pd.testing.assert_frame_equal(predicted, rows, check_exact=True)
    assert (predicted["status"] == "ok").all()
    assert (predicted["reason"] == "").all()


def test_the_metallicities_are_right(predicted, stars):
    """Within the scatter between the simulated stars and the real ones of the model."""
    assert np.abs(predicted["feh"] - stars["feh_true"]).max() < 0.4


CURVES = {
    "a long table": lambda curves: curves,
    "with another order": lambda curves: curves.sample(frac=1, random_state=1),
    "of astropy": Table.from_pandas,
    "by star": lambda curves: dict(iter(curves.groupby("star_id"))),
    "of arrays": lambda curves: {
        name: (rows["time"].to_numpy(), rows["mag"].tolist(), rows["mag_err"].to_numpy())
        for name, rows in curves.groupby("star_id")
    },
    "with other names": lambda curves: curves.rename(
        columns={"star_id": "source_id", "time": "bjd", "mag_err": "e_mag"}
    ),
}


@pytest.mark.parametrize("kind", CURVES)
def test_light_curves_may_come_in_any_way(kind, listed, in_g, predicted):
    table = metalyra.predict(listed, CURVES[kind](in_g), MODEL, band="G")
    pd.testing.assert_frame_equal(table, predicted)


def test_files_are_read_as_the_workflow_does(listed, in_g, predicted, tmp_path):
    listed.to_csv(tmp_path / "stars.csv", index=False)
    (tmp_path / "curves").mkdir()
    for name, rows in in_g.groupby("star_id"):
        rows[["time", "mag", "mag_err"]].to_csv(tmp_path / f"curves/{name}.csv", index=False)
    table = metalyra.predict(tmp_path / "stars.csv", tmp_path / "curves", MODEL, band="G")
    pd.testing.assert_frame_equal(table, predicted)
    in_g.to_parquet(tmp_path / "curves.parquet")
    table = metalyra.predict(
        str(tmp_path / "stars.csv"), str(tmp_path / "curves.parquet"), MODEL, band="G"
    )
    pd.testing.assert_frame_equal(table, predicted)


STARS = {
    "of astropy": Table.from_pandas,
    "with units": lambda stars: QTable(
        {"star_id": stars["star_id"].tolist(), "period": stars["period"].to_numpy() * 24 * units.h}
    ),
    "a dictionary": lambda stars: stars.to_dict("list"),
    "with other names": lambda stars: stars.replace("RRab", "ab").rename(
        columns={"star_id": "ID", "period": "P", "pulsation_type": "Type"}
    ),
}


@pytest.mark.parametrize("kind", STARS)
def test_stars_may_come_in_any_way(kind, listed, in_g, predicted):
    table = metalyra.predict(STARS[kind](listed), in_g, MODEL, band="G")
    close = ["period", "feh", "feh_err"]
    assert table["star_id"].tolist() == predicted["star_id"].tolist()
    pd.testing.assert_frame_equal(table[close], predicted[close], rtol=1e-7)
    assert (table["status"] == "ok").all()


def test_one_star_needs_no_name(listed, curve, predicted):
    one = {"star_id": "RRab 001", "period": listed["period"][0]}
    table = metalyra.predict(one, curve, MODEL, band="G")
    # To the last bit, whatever other stars are in the call.
    pd.testing.assert_frame_equal(table, predicted.head(1), check_exact=True)


def test_whole_numbers_are_names(listed, in_g, predicted):
    numbers = dict(
        zip(listed["star_id"], range(4130380472726484608, 4130380472726484612), strict=True)
    )
    stars = listed.assign(star_id=listed["star_id"].map(numbers))
    curves = in_g.assign(star_id=in_g["star_id"].map(numbers))
    table = metalyra.predict(stars, curves, MODEL, band="G")
    assert table["star_id"].tolist() == [str(number) for number in numbers.values()]
    with pytest.raises(ValueError, match="decimal point"):
        metalyra.predict(stars.astype({"star_id": float}), curves, MODEL, band="G")


def test_a_fit_gets_a_metallicity(listed, curve, predicted):
    fitted = metalyra.fit(curve, period=listed["period"][0], band="G", star_id="RRab 001")
    star = metalyra.predict(fitted, model=MODEL)
    assert star.metallicity is not None
    pd.testing.assert_series_equal(star.metallicity, predicted.iloc[0], check_names=False)
    assert fitted.metallicity is None
    assert star.feh == predicted["feh"][0]
    assert star["feh_low_95"] == predicted["feh_low_95"][0]
    assert f"{star.feh:.2f} ± {star.feh_err:.2f} dex (metalyra_g, scale of dekany2021)" in repr(
        star
    )
    assert "[Fe/H]" in star.plot().get_title()
    with pytest.raises(ValueError, match="the star is fitted"):
        metalyra.predict(fitted, curve, MODEL)
    with pytest.raises(ValueError, match="fitted in G, and band is I"):
        metalyra.predict(fitted, model=MODEL, band="I")


def test_a_star_without_a_fit_keeps_its_status(curve):
    star = metalyra.predict(metalyra.fit(curve.head(5), period=0.5, band="G"), model=MODEL)
    assert star.status == "too_few_epochs"
    assert star.reason
    assert np.isnan(star.feh)


def test_bands_are_heeded(listed, light_curves, in_g, predicted):
    of_table = metalyra.predict(listed, light_curves, MODEL)
    pd.testing.assert_frame_equal(of_table, predicted)
    with pytest.raises(
        ValueError, match=r"metalyra_g is for G, the light curves are in V; .*other_band=True"
    ):
        metalyra.predict(listed, in_g, MODEL, band="Johnson V")
    with pytest.raises(
        ValueError, match="no measurement is in I; the light curves are in BP, G, RP"
    ):
        metalyra.predict(listed, light_curves, MODEL, band="I")
    with pytest.raises(ValueError, match="in BP, RP; say with band"):
        metalyra.predict(listed, light_curves[light_curves["band"] != "G"], MODEL)
    forced = metalyra.predict(listed, light_curves, MODEL, band="BP", other_band=True)
    assert forced["reason"].str.contains("is for band G, the light curves are in BP").all()


def test_an_assumed_band_is_said(listed, in_g, curve, predicted):
    table = metalyra.predict(listed, in_g, MODEL)
    pd.testing.assert_frame_equal(table.drop(columns="reason"), predicted.drop(columns="reason"))
    assert set(table["reason"]) == {"the band of the light curve is not given; taken for G"}
    star = metalyra.predict(metalyra.fit(curve, period=listed["period"][0]), model=MODEL)
    assert star.reason == table["reason"][0]


def test_relative_magnitudes_are_said(listed, in_g, predicted):
    flux = in_g.assign(flux=10 ** (-0.4 * in_g["mag"])).drop(columns=["mag", "mag_err"])
    table = metalyra.predict(listed, flux, MODEL, band="G")
    assert table["reason"].str.startswith("magnitudes are relative").all()
    np.testing.assert_allclose(table["feh"], predicted["feh"], atol=0.03)
    assert table["mean_mag"].abs().max() < 1


def test_every_star_comes_out(listed, in_g, predicted):
    stars = pd.concat(
        [
            listed,
            pd.DataFrame(
                {
                    "star_id": ["RRab 001", "unseen", "no period", "of another type", "bright"],
                    "period": [0.5, 0.5, np.nan, 0.5, 0.5],
                    "pulsation_type": ["RRab", "RRab", "RRab", "RRd", "RRab"],
                }
            ),
        ],
        ignore_index=True,
    )
    first = in_g[in_g["star_id"] == "RRab 002"]
    more = [first.assign(star_id=name) for name in ("no period", "of another type", "bright")]
    curves = pd.concat([in_g, *more], ignore_index=True).astype({"mag": object})
    wrong = curves.index[curves["star_id"] == "bright"][3]
    curves.loc[wrong, "mag"] = "bright"
    table = metalyra.predict(stars, curves, MODEL, band="G")
    pd.testing.assert_frame_equal(table.head(4), predicted)
    assert table["star_id"].tolist() == stars["star_id"].tolist()
    expected = ["duplicate_id", "no_light_curve", "invalid_period", "wrong_pulsation_type"]
    assert table["status"].tolist()[4:] == [*expected, "unreadable_light_curve"]
    assert (table["reason"][4:] != "").all()
    assert f"row {wrong + 1} holds 'bright'" in table["reason"].iloc[-1]
    assert table["reason"][4] == "row 1 of the star list is the same star"
    assert table["reason"][5] == "there is no measurement of it in light_curves"
    by_star = {name: rows.drop(columns="star_id") for name, rows in curves.groupby("star_id")}
    by_star["no period"] = 3
    again = metalyra.predict(stars, by_star, MODEL, band="G")
    pd.testing.assert_series_equal(again["status"], table["status"])
    assert "row 4 holds 'bright'" in again["reason"].iloc[-1]


@pytest.mark.parametrize("nothing", [{}, {"star_id": [], "time": [], "mag": []}])
def test_without_light_curves_no_star_is_lost(nothing, listed):
    table = metalyra.predict(listed, nothing, MODEL, band="G")
    assert table["star_id"].tolist() == listed["star_id"].tolist()
    assert (table["status"] == "no_light_curve").all()


def test_a_star_has_the_first_model_that_vouches_for_it(listed, in_g, predicted, tmp_path):
    folder = tmp_path / "other"
    shutil.copytree(locate_model(MODEL), folder)
    (folder / "SHA256SUMS").unlink(missing_ok=True)
    card = json.loads((folder / "card.json").read_text())
    card["name"] = "other"
    card["domain"]["ranges"]["period"] = [0.0, float(listed["period"].median())]
    (folder / "card.json").write_text(json.dumps(card))
    table = metalyra.predict(listed, in_g, [folder, MODEL], band="G")
    short = listed["period"] <= listed["period"].median()
    assert table["model"].tolist() == np.where(short, "other", MODEL).tolist()
    alone = metalyra.predict(listed, in_g, folder, band="G")
    expected = np.where(short, "ok", "outside_training_range")
    assert alone["status"].tolist() == expected.tolist()


def test_a_model_that_was_not_trained_says_so(listed, in_g, tmp_path):
    card = json.loads((locate_model(MODEL) / "card.json").read_text())
    card |= {"kind": UNTRAINED, "members": [], "provenance": {"note": "too few labelled stars"}}
    (tmp_path / "card.json").write_text(json.dumps(card))
    table = metalyra.predict(listed, in_g, tmp_path, band="G")
    assert (table["status"] == "no_model").all()
    assert (table["reason"] == "too few labelled stars").all()
    assert table["feh"].isna().all()


def test_cuts_replace_those_of_the_model(listed, in_g):
    table = metalyra.predict(listed, in_g, MODEL, band="G", cuts={"n_epochs": [1000, None]})
    assert (table["status"] == "cut:n_epochs").all()
    assert table["feh"].notna().all()


def test_periods_can_be_found_or_checked(listed, in_g, predicted):
    nameless = listed[["star_id"]]
    found = metalyra.predict(nameless, in_g, MODEL, band="G", periods="find")
    np.testing.assert_allclose(found["period"], listed["period"], rtol=1e-4)
    np.testing.assert_allclose(found["feh"], predicted["feh"], atol=0.05)
    assert (found["pulsation_type"] == "RRab").all()
    doubled = listed.assign(period=np.where(listed.index == 1, 2, 1) * listed["period"])
    checked = metalyra.predict(doubled, in_g, MODEL, band="G", periods="check")
    np.testing.assert_allclose(checked["period"], listed["period"], rtol=1e-4)
    with pytest.raises(ValueError, match="periods 'guess' is none of given, check, find"):
        metalyra.predict(listed, in_g, MODEL, periods="guess")


def test_other_columns_pass_through(listed, in_g):
    stars = listed.assign(cluster="M 3", feh=-1.5, status="good")
    table = metalyra.predict(stars, in_g, MODEL, band="G")
    assert (table["cluster"] == "M 3").all()
    assert (table["given_status"] == "good").all()
    assert (table["status"] == "ok").all()
    assert (table["feh"] != -1.5).all()


WRONG = {
    "no table": (lambda s, c: metalyra.predict(3, c), "stars is a int, which is no table"),
    "no curves": (lambda s, c: metalyra.predict(s), "the light curves are missing"),
    "no period": (
        lambda s, c: metalyra.predict(s[["star_id"]], c),
        "stars: no column 'period'",
    ),
    "no stars": (lambda s, c: metalyra.predict(s.head(0), c), "stars has no rows"),
    "no magnitudes": (
        lambda s, c: metalyra.predict(s, c[["star_id", "time"]]),
        "no column 'mag'",
    ),
    "no names": (
        lambda s, c: metalyra.predict(s, c[["time", "mag"]]),
        "light_curves: no column 'star_id'",
    ),
    "an unknown model": (
        lambda s, c: metalyra.predict(s, c, "metalyra_x"),
        "model 'metalyra_x': neither a shipped model",
    ),
    "no model": (lambda s, c: metalyra.predict(s, c, []), "no model is named"),
    "a model of nothing": (lambda s, c: metalyra.predict(s, c, None), "no model is named"),
    "cuts without bounds": (
        lambda s, c: metalyra.predict(s, c, cuts={"snr": 3}),
        "cuts are the lowest and highest value by column",
    ),
    "an unknown cut": (
        lambda s, c: metalyra.predict(s, c, cuts={"colour": [0, 1]}),
        "the cut on 'colour' names no column",
    ),
    "an unknown setting": (
        lambda s, c: metalyra.predict(s, c, min_epoch=5),
        "the key 'min_epoch' is unknown",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_used_is_refused(what, listed, in_g):
    call, message = WRONG[what]
    with pytest.raises(ValueError, match=message) as problem:
        call(listed, in_g)
    assert "\n" not in str(problem.value)


@pytest.fixture
def of_networks(tmp_path) -> Path:
    """The card of an ensemble of networks that reads the curves of Gaussian processes."""
    card = {
        "name": "curves",
        "band": "G",
        "relation": "dekany2021",
        "pulsation_type": "RRab",
        "fit": {"kernel": "matern52", "harmonics": 24},
        "sequence": {"recipe": "gp_curve"},
        "members": [0],
    }
    (tmp_path / "card.json").write_text(json.dumps(card))
    return tmp_path


def test_networks_want_curves_as_they_have_learnt(of_networks, listed, in_g):
    with pytest.raises(ValueError, match=r"fitted with kernel='matern52', these .* give kernel="):
        metalyra.predict(listed, in_g, of_networks, band="G")


def test_networks_need_what_runs_them(of_networks, listed, in_g, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "keras" else found(name)
    )
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'metalyra\[networks\]'"):
        metalyra.predict(listed, in_g, of_networks, band="G")


def test_a_stack_needs_no_networks(listed, in_g, environment, tmp_path):
    """With TensorFlow, Keras and Snakemake out of reach."""
    listed.to_csv(tmp_path / "stars.csv", index=False)
    in_g.to_csv(tmp_path / "curves.csv", index=False)
    code = """
import sys
for name in ("tensorflow", "keras", "snakemake", "h5py"):
    sys.modules[name] = None
import metalyra
table = metalyra.predict("stars.csv", "curves.csv", band="G")
assert (table["status"] == "ok").all(), table
assert not metalyra.models().empty
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_models_are_listed():
    table = metalyra.models().set_index("name")
    assert MODEL in table.index
    assert table.loc[MODEL, "band"] == "G"
    assert (table["rmse"] < 0.5).all()
