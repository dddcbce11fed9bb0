"""Two metallicities of the same stars are joined one to one, and every star left out is counted."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from metalyra.core.tables import write_table
from metalyra.label.relations import Relation
from metalyra.products import FIGURES, Subject
from metalyra.products.comparisons import (
    Comparison,
    ComparisonError,
    Side,
    compare_metallicities,
    join_sides,
    make_literature_side,
    make_side,
    summarise_comparison,
    summarise_distributions,
)
from metalyra.products.figures.comparisons import comparison_figure, distribution_figure

STARS = ["a", "b", "c", "d"]
PLACES = {"ra": [10.0, 20.0, 30.0, 40.0], "dec": [-5.0, 0.0, 5.0, 60.0]}
ARCSEC = 1 / 3600


def make_stars(**columns) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "star_id": STARS,
            **PLACES,
            "period": [0.5, 0.6, 0.3, 0.55],
            "pulsation_type": ["RRab", "RRab", "RRc", "RRab"],
            "status": "ok",
            **columns,
        }
    )


def make_fits() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "star_id": STARS,
            "snr": [100.0, 50.0, np.nan, 10.0],
            "a2": 0.1,
            "period": 0.5,
            "status": "ok",
        }
    )


def make_values(feh=(-1.0, -1.5, -2.0, -0.5), **columns) -> pd.DataFrame:
    return pd.DataFrame({"star_id": STARS, "feh": feh, "feh_err": 0.3, "status": "ok", **columns})


def sample_side(title="g_network", values=None, **columns) -> Side:
    values = make_values() if values is None else values
    return make_side({"sample": "gaia"}, title, make_stars(**columns), make_fits(), values)


def literature_side(**columns) -> Side:
    stars = {
        "star_id": ["RR_Cet", "X_Ari"],
        "name": ["RR_Cet", "X_Ari"],
        "ra": [10.0 + ARCSEC, 20.0],
        "dec": [-5.0, 1.5 * ARCSEC],
        "feh": [-1.2, -1.4],
        "feh_err": [0.4, np.nan],
        "n_spectra": [3, 1],
        "n_papers": [2, 1],
        "papers": ["one; two", "one"],
    }
    return make_literature_side("spectra", pd.DataFrame({**stars, **columns}))


def compare(of=None, against=None, **settings) -> Comparison:
    settings = {"by": "star_id", "radius": 2.0, **settings}
    other = sample_side("relation", make_values((-1.1, -1.3, -2.0, np.nan)))
    return compare_metallicities(of or sample_side(), against or other, **settings)


def texts_of(figure: Figure) -> str:
    figure.draw_without_rendering()
    return "\n".join(
        text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))
    )


def test_values_of_one_sample_are_joined_by_star_and_sorted_by_their_difference():
    table = compare().table
    assert table["star_id"].tolist() == ["b", "a", "c"]
    assert table["difference"].tolist() == pytest.approx([-0.2, 0.1, 0.0])
    assert table["deviation"].tolist() == pytest.approx(np.array([-0.2, 0.1, 0.0]) / 0.3 / 2**0.5)
    assert table["reference_id"].tolist() == table["star_id"].tolist()
    assert table["separation"].tolist() == pytest.approx([0, 0, 0])
    assert not table[["in_training", "in_calibration"]].any(axis=None)


def test_a_value_that_is_not_trusted_is_not_compared():
    values = make_values(status=["ok", "unlike_training", "ok", "ok"])
    assert set(compare(sample_side(values=values)).table["star_id"]) == {"a", "c"}


def test_spectra_are_found_by_position_one_to_one_within_the_radius():
    table = compare(against=literature_side(), by="position").table.set_index("star_id")
    assert table["reference_id"].to_dict() == {"a": "RR_Cet", "b": "X_Ari"}
    assert table.loc["a", "separation"] == pytest.approx(np.cos(np.radians(5)), rel=1e-4)
    assert table.loc["b", "separation"] == pytest.approx(1.5)
    assert table.loc["a", "papers"] == "one; two"
    # An error that is not known is none.
    assert table.loc["a", "deviation"] == pytest.approx(0.2 / 0.5)
    assert np.isnan(table.loc["b", "deviation"])
    near = compare(against=literature_side(), by="position", radius=1.2).table
    assert near["star_id"].tolist() == ["a"]
    # Two stars at the place of one tell nothing.
    twins = sample_side(ra=[10.0, 10.0, 20.0, 40.0], dec=[-5.0, -5.0, 0.0, 60.0])
    assert compare(twins, literature_side(), by="position").table["star_id"].tolist() == ["c"]


def test_spectra_are_found_by_name_however_it_is_spelt():
    named = sample_side(name=["V0445 Oph", "rr cet", "XARI", None])
    found = compare(named, literature_side(), by="name").table
    assert found.set_index("star_id")["reference_id"].to_dict() == {"b": "RR_Cet", "c": "X_Ari"}
    twice = sample_side(name=["RR Cet", "rr cet", "XARI", None])
    assert compare(twice, literature_side(), by="name").table["star_id"].tolist() == ["c"]


def test_every_step_says_how_many_stars_it_leaves():
    comparison = compare(
        against=literature_side(ra=[10.0, np.nan]),
        by="position",
        pulsation_type="RRab",
        cuts={"snr": [20, None], "period": [None, 0.58]},
    )
    assert comparison.table["star_id"].tolist() == ["a"]
    assert comparison.steps[["side", "stars"]].to_numpy().tolist() == [
        *(["of", 4], ["of", 4], ["of", 3], ["of", 2], ["of", 1]),
        *(["against", 2], ["against", 2], ["against", 1], ["both", 1]),
    ]
    assert comparison.steps["left_out"].iloc[-2] == "X_Ari"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"cuts": {"snr": [200, None]}}, "4 with [Fe/H] of g_network, 0 with snr in [200, ]"),
        ({"pulsation_type": "RRd"}, "4 with [Fe/H] of g_network, 0 of them RRd"),
        ({"by": "position", "radius": 0.1}, "2 with a position; both: 0 matched by position"),
    ],
)
def test_an_empty_comparison_is_one_line_with_the_count_of_every_step(settings, told):
    with pytest.raises(ComparisonError) as caught:
        compare(against=literature_side(), **settings)
    message = str(caught.value)
    assert message.startswith("no star is left to compare; of: 4 stars of gaia, 4 with")
    assert told in message
    assert "\n" not in message


def test_names_that_do_not_resolve_are_an_error_that_counts_them():
    unplaced = literature_side(ra=[np.nan, np.nan])
    with pytest.raises(ComparisonError, match=r"2 with .* of spectra, 0 with a position$"):
        compare(against=unplaced, by="position")
    with pytest.raises(ComparisonError, match=r"both: 0 matched by name$"):
        compare(against=literature_side(), by="name")


@pytest.mark.parametrize("key", ["colour", "cuts"])
def test_a_column_that_is_not_there_is_an_error_that_says_which_are(key):
    value = "pulsation_type" if key == "colour" else {"brightness": [1, 2]}
    with pytest.raises(ComparisonError, match=r"names no column of numbers .* a2, dec, feh"):
        compare(**{key: value})


def test_stars_that_either_side_has_learnt_from_are_told():
    trained = sample_side(values=make_values(in_training=[False, True, None, False]))
    assert compare(trained).table.set_index("star_id")["in_training"].to_dict() == {
        **{"a": False, "b": True, "c": False}
    }
    calibrators = pd.DataFrame(
        {"star_id": ["c", "other", "unplaced"], "ra": [0, 10 + ARCSEC, None], "dec": [0, -5, None]}
    ).astype({"ra": float, "dec": float})
    table = compare(calibrators=calibrators).table.set_index("star_id")
    assert table["in_calibration"].to_dict() == {"a": True, "b": False, "c": True}
    rows = summarise_comparison(table.reset_index()).set_index("stars")["n"].to_dict()
    assert rows == {"all": 3, "RRab": 2, "RRc": 1, "not_in_calibration": 1, "in_calibration": 2}


def test_the_numbers_are_those_of_the_differences():
    random = np.random.default_rng(3)
    theirs = random.normal(-1.5, 0.4, 2000)
    ours = theirs + random.normal(0.1, 0.2, 2000)
    table = pd.DataFrame(
        {"feh": ours, "reference_feh": theirs, "pulsation_type": "RRab", "in_training": True}
    ).assign(in_calibration=False)
    [row] = summarise_comparison(table).to_dict("records")
    assert (row["n"], row["n_in_training"], row["n_in_calibration"]) == (2000, 2000, 0)
    assert row["bias_mean"] == pytest.approx(0.1, abs=0.02)
    assert row["bias_median"] == pytest.approx(np.median(ours - theirs))
    assert row["scatter_std"] == pytest.approx(0.2, rel=0.05)
    assert row["scatter_mad"] == pytest.approx(0.2, rel=0.1)
    assert row["rmse"] ** 2 == pytest.approx(row["bias_mean"] ** 2 + row["scatter_std"] ** 2)
    assert row["pearson_r"] == pytest.approx(np.corrcoef(ours, theirs)[0, 1])
    assert row["mode"] - row["reference_mode"] == pytest.approx(0.1, abs=0.1)
    [alone] = summarise_comparison(table.head(1)).to_dict("records")
    assert np.isnan([alone["pearson_r"], alone["mode"]]).all()


def test_distributions_are_of_all_stars_that_have_a_value():
    stars = join_sides([sample_side(), literature_side()])
    assert stars["title"].value_counts().to_dict() == {"g_network": 4, "spectra": 2}
    table = summarise_distributions(stars).set_index("title")
    assert table.index.tolist() == ["g_network", "spectra"]
    assert table.loc["g_network", ["n", "mean", "median"]].tolist() == [4, -1.25, -1.25]
    assert table.loc["spectra", "std"] == pytest.approx(0.1)
    assert np.isnan(table.loc["spectra", "mode"])
    with pytest.raises(ComparisonError, match=r"4 stars of gaia, 0 with \[Fe/H\] of g_network$"):
        join_sides([sample_side(values=make_values(status="fit_failed"))])


def test_a_side_is_of_a_column_or_a_relation_as_well():
    settings = {"sample": "gaia", "column": "archive_feh"}
    stars = make_stars(archive_feh=[-1.0, -99.0, None, -2.0], archive_feh_err=[0.1, 0.1, 0.1, 0.0])
    column = make_side(settings, "archive_feh", stars, make_fits()).stars
    assert column["feh"].fillna(0).tolist() == [-1.0, 0.0, 0.0, -2.0]
    assert column["feh_err"].fillna(0).tolist() == [0.1, 0.1, 0.1, 0.0]
    with pytest.raises(ComparisonError, match=r"of gaia has no column 'archive_feh'; .* none"):
        make_side(settings, "archive_feh", make_stars(), make_fits())
    relation = Relation("G", "sine", 5.9, -2.0, {"period": 1.0}, 0.1)
    line = make_side(
        {"sample": "gaia", "relation": "line"},
        "line",
        make_stars(),
        make_fits().assign(phi31_err=0.05),
        relations={"RRab": relation},
        labelling={"band": "G"},
    ).stars
    np.testing.assert_allclose(line["feh"], [-1.5, -1.5, np.nan, -1.5])


def test_the_figures_have_the_numbers_and_the_names():
    table = compare(against=literature_side(), by="position").table
    text = texts_of(comparison_figure(table, "g_network", "spectra", "period", "Our title"))
    for part in ("$N$ = 2", "bias = $+0.050$", "RMSE = 0.158", "Our title", "period (d)"):
        assert part in text
    assert "calibrated on" not in text
    learnt = table.assign(in_calibration=[True, False], in_training=True)
    text = texts_of(comparison_figure(learnt, "g_network", "spectra", "period"))
    assert "1 calibrated on (squares)\n2 trained on, out of fold" in text
    text = texts_of(distribution_figure({"ours": pd.Series([-1.0, -1.1, -1.1, -2.0])}))
    assert "ours (4), mode $-1.08$" in text


def test_a_distribution_is_drawn_of_each_sample(tmp_path):
    path = tmp_path / "distributed.parquet"
    write_table(join_sides([sample_side(), literature_side()]), path)
    subject = Subject({"distribution": "all"}, {"distributed": str(path)}, {"title": "Both"})
    text = texts_of(FIGURES["distributions"](subject))
    assert all(part in text for part in ("Both", "g_network (4), mode", "spectra (2)"))


def test_the_most_discrepant_stars_are_drawn_with_both_values(tmp_path):
    table = compare(against=literature_side(), by="position").table
    write_table(table, tmp_path / "compared.parquet")
    phase = np.arange(100) / 100
    fits = make_fits().assign(band="G", n_epochs=40.0, mean_mag=16.0)
    fits["curve"] = [np.sin(2 * np.pi * phase)] * len(fits)
    folded = pd.DataFrame({"star_id": "a", "phase": phase, "mag": 16.0, "kept": True})
    write_table(fits, tmp_path / "fits.parquet")
    write_table(folded, tmp_path / "folded.parquet")
    files = {name: [str(tmp_path / f"{name}.parquet")] for name in ("fits", "folded")}
    files["compared"] = str(tmp_path / "compared.parquet")
    subject = Subject({"comparison": "one"}, files, {"discrepant": 1, "title": "Ours and theirs"})
    text = texts_of(FIGURES["discrepant_stars"](subject))
    assert "Ours and theirs: most discrepant stars" in text
    assert "[Fe/H] = $-1.00$ against $-1.20$ (RR_Cet)" in text
    assert "X_Ari" not in text


def test_a_table_of_identifiers_is_joined_by_them():
    stars = pd.DataFrame(
        {"star_id": ["b", "x"], "ra": [20.0, 1.0], "dec": [0.0, 1.0], "feh": [-1.6, -1.0]}
    ).assign(feh_err=0.2, n_spectra=1, n_papers=1, papers="lmc")
    comparison = compare(against=make_literature_side("LMC", stars))
    assert comparison.table["reference_id"].tolist() == ["b"]
    assert comparison.table["difference"].tolist() == pytest.approx([0.1])
    assert comparison.steps["left_out"].tolist()[-1] == ""
