"""The results page: what it is made of. tests/integration/test_results_page.py opens it."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from metalyra.core.tables import read_rows
from metalyra.products.results_page import page
from metalyra.products.results_page.light_curves import choose_stars, number_parts
from metalyra.products.results_page.page import write_results_page
from metalyra.products.results_page.parts import (
    arrange_stars,
    pack_column,
    pack_light_curve,
    write_json,
)
from metalyra.products.results_page.sky import place_on_map
from metalyra.products.results_page.summaries import (
    count_metallicities,
    group_ledger,
    read_costs,
    summarise_models,
)
from tests.results import make_catalogue, make_results

ROOT = Path(__file__).parents[2]
NAME = "</script><script>alert(1)</script>"


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("feh", [-1.5, np.nan, 0.1234], "Int16"),
        ("ra", [359.999999, np.nan, 0.0], "Int32"),
        ("given_number", [1e12, np.nan, 3.25], "Float64"),
        ("n_epochs", [], "Int16"),
    ],
)
def test_numbers_are_packed_to_their_last_decimal(name, values, kind):
    part = pack_column(name, pd.Series(values, dtype=float))
    assert part["type"] == kind
    dtype = {"Int16": "<i2", "Int32": "<i4", "Float64": "<f8"}[kind]
    packed = np.frombuffer(base64.b64decode(part["values"]), dtype)
    missing = np.isnan(packed) if kind == "Float64" else packed == np.iinfo(dtype).min
    np.testing.assert_array_equal(missing, np.isnan(values))
    known = ~missing
    np.testing.assert_allclose(packed[known] / part["scale"], np.array(values)[known], atol=5e-4)


def test_texts_that_stars_share_are_categories():
    stars = pd.Series(["ok", "no_match"] * 5)
    part = pack_column("status", stars)
    codes = np.frombuffer(base64.b64decode(part["values"]), "<i1")
    assert [part["names"][code] for code in codes] == stars.tolist()
    assert pack_column("star_id", pd.Series([str(k) for k in range(10)]))["kind"] == "text"


def test_json_in_a_page_ends_no_script():
    text = write_json([NAME, "&amp;", "\u2028"])
    assert not set(text) & set("<>&\u2028")
    assert json.loads(text) == [NAME, "&amp;", "\u2028"]
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json([np.nan])


def test_a_light_curve_begins_at_maximum_light(tmp_path):
    results = make_results(tmp_path, make_catalogue(4))
    fit = read_rows(results.fits["mine"], ["star 2"]).iloc[0]
    points = read_rows(results.folded["mine"], ["star 2"])
    packed = pack_light_curve(fit, points, most=30)
    assert len(packed["phases"]) == len(packed["mags"]) == len(packed["errors"]) == 30
    assert packed["n_points"] == 60
    brightest = int(np.argmin(packed["mags"]))
    assert min(packed["phases"][brightest], 1e4 - packed["phases"][brightest]) < 300
    assert np.argmin(packed["curve"]) / 100 == packed["maximum"]
    assert packed["fourier"][0] == [1, 0.3, 0.01, 0.0, 0.01]


def test_of_many_stars_the_same_light_curves_are_drawn_every_time():
    stars = arrange_stars(make_catalogue(300))
    chosen = choose_stars(stars, most=100, drawn=100)
    assert len(chosen) == 100
    assert chosen["mean_mag"].notna().all()
    pd.testing.assert_frame_equal(chosen, choose_stars(stars, most=100, drawn=100))
    parts = number_parts(chosen, stars)
    assert parts.notna().sum() == 100
    assert len(choose_stars(stars)) == stars["mean_mag"].notna().sum()


def test_every_star_is_counted_once():
    catalogue = make_catalogue(20)
    catalogue.loc[0, "status"] = "unlike_training"
    assert count_metallicities(catalogue) == {"ok": 17, "doubtful": 1, "none": 2}


def test_bars_of_the_ledger_have_all_stars(tmp_path):
    ledger = make_results(tmp_path, make_catalogue(20)).ledger
    [stage] = group_ledger(ledger)
    [bar] = stage["bars"]
    assert [(part["status"], part["stars"], part["kind"]) for part in bar["parts"]] == [
        ("ok", 18, "ok"),
        ("no_light_curve", 2, "none"),
    ]
    assert sum(part["share"] for part in bar["parts"]) == pytest.approx(100)


def test_a_model_whose_card_knows_no_accuracy_has_none():
    cards = {
        "published": {"band": "G", "relation": "dekany2021", "metrics": None},
        "trained": {
            "band": "I",
            "metrics": {
                "union": {"n": 7, "rmse": 0.2, "r2": 0.8},
                "coverage": {"0.68": 0.7, "0.95": np.nan},
            },
        },
    }
    published, trained = summarise_models(cards)
    assert published["rmse"] is None
    assert published["stars"] is None
    assert published["weighted"] is None
    assert trained["weighted"] is False
    [with_errors] = summarise_models({"net": {"metrics": {"union": {"r2": 0.9, "wrmse": 0.1}}}})
    assert with_errors["weighted"] is True
    assert (trained["rmse"], trained["coverage_68"], trained["coverage_95"]) == (0.2, 0.7, None)


def test_costs_are_summed_by_stage(tmp_path):
    for name, line in (("fit/a/0", "2.0 - 1.5"), ("fit/a/1", "3.0 90.0 2.5"), ("match", "1 5 1")):
        path = tmp_path / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s max_rss cpu_time\n{line}\n".replace(" ", "\t"))
    costs = read_costs(tmp_path)
    assert costs.to_dict("records") == [
        {"stage": "fit", "jobs": 2, "wall": 5.0, "cpu": 4.0, "memory": 90.0},
        {"stage": "match", "jobs": 1, "wall": 1.0, "cpu": 1.0, "memory": 5.0},
    ]


def test_the_larger_parts_of_a_page_are_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "MOST_IN_PAGE", 10)
    results = make_results(tmp_path, make_catalogue(20))
    write_results_page(results, tmp_path / "index.html", tmp_path / "pages")
    text = (tmp_path / "index.html").read_text()
    inside = set(re.findall(r'id="part-(\w+)"', text))
    [folder] = (tmp_path / "pages").iterdir()
    assert f'"beside":"pages/{folder.name}"' in text
    beside = {path.stem for path in folder.iterdir()}
    assert {"sky_x", "feh", "status"} <= inside
    assert {"star_id", "ra", "light_curves_0"} <= beside
    assert not inside & beside
    # Another page leaves nothing of the first; the same one is in the same folder.
    write_results_page(results, tmp_path / "index.html", tmp_path / "pages")
    assert list((tmp_path / "pages").iterdir()) == [folder]
    other = make_results(tmp_path, make_catalogue(21))
    # Snakemake leaves a file in the folders that jobs write.
    (tmp_path / "pages/.snakemake_timestamp").touch()
    write_results_page(other, tmp_path / "index.html", tmp_path / "pages")
    [last] = (path for path in (tmp_path / "pages").iterdir() if path.is_dir())
    assert last != folder
    assert f'"beside":"pages/{last.name}"' in (tmp_path / "index.html").read_text()


def test_a_page_has_its_parts_whenever_the_work_stops(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "MOST_IN_PAGE", 10)
    index, pages = tmp_path / "index.html", tmp_path / "pages"
    write_results_page(make_results(tmp_path, make_catalogue(20)), index, pages)
    before = {path: path.read_bytes() for path in [index, *pages.glob("*/*")]}
    monkeypatch.setattr(page, "replace_when_complete", lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_results_page(make_results(tmp_path, make_catalogue(21)), index, pages)
    assert all(path.read_bytes() == content for path, content in before.items())


def test_the_map_is_of_the_stars_or_of_the_whole_sky():
    longitude, latitude = np.array([359.0, 1.0, np.nan]), np.array([-2.0, 3.0, np.nan])
    x, y = place_on_map(longitude, latitude)
    assert np.ptp(x[:2]) == pytest.approx(2.0)
    np.testing.assert_array_equal(y, latitude)
    # The poles, the centre, and the anticentre at the left edge of Mollweide's ellipse.
    x, y = place_on_map([0.0, 0.0, 0.0, 180.0, 90.0], [90.0, -90.0, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(y, [2**0.5, -(2**0.5), 0.0, 0.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(x, [0.0, 0.0, 0.0, -2 * 2**0.5, -(2**0.5)], atol=1e-9)


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    results = make_results(tmp_path, make_catalogue(5))
    write_results_page(results, tmp_path / "index.html", tmp_path / "pages")
    before = (tmp_path / "index.html").read_text()
    monkeypatch.setattr(page, "draw_plots", lambda stars: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_results_page(results, tmp_path / "index.html", tmp_path / "pages")
    assert (tmp_path / "index.html").read_text() == before
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"index.html", "pages", "fits.parquet", "folded.parquet"}


def test_the_works_of_citation_cff_are_cited(tmp_path):
    """The file itself, for a page that it breaks is the last job of every study."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    written = tmp_path / "index.html"
    results = make_results(tmp_path, make_catalogue(1), citation=citation)
    write_results_page(results, written, tmp_path / "pages")
    text = written.read_text(encoding="utf-8")
    assert citation["references"]
    for work in citation["references"]:
        for author in work["authors"]:
            assert author.get("family-names", author.get("name")) in text
        if "doi" in work:
            assert f'href="https://doi.org/{work["doi"]}"' in text


def test_a_work_may_lack_all_but_title_and_authors(tmp_path):
    """As the format CFF allows."""
    work = {"type": "software", "title": "A program", "authors": [{"name": "Its makers"}]}
    for number, references in enumerate(({"references": [work]}, {})):
        citation = {"message": "Cite.", "title": "MetaLyra", "version": "0", **references}
        written = tmp_path / f"{number}.html"
        results = make_results(tmp_path, make_catalogue(1), citation=citation)
        write_results_page(results, written, tmp_path / f"pages_{number}")
        assert ("<li>Its makers: A program</li>" in written.read_text()) == bool(references)
