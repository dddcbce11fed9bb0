import json
import math

import numpy as np
import pandas as pd
import pytest
import yaml

from metalyra.core.metrics import density_mode
from metalyra.products.published_values import (
    PUBLISHED,
    Paper,
    list_papers,
    read_paper,
)
from metalyra.products.reproduction import (
    COLUMNS,
    DIFFERENT,
    EXPLAINED,
    MISSING,
    SAME,
    compare_with_paper,
    count_verdicts,
    read_product,
)
from metalyra.products.reproduction_page import reproduce_paper, write_reproduction
from metalyra.study import read_yaml

TABLE = pd.DataFrame(
    {
        "star_id": ["7", "27", "36"],
        "feh": [-1.2748, -0.43, float("nan")],
        "n_epochs": [117, 64, 64],
    }
)


def paper(*tables, figures=()) -> Paper:
    return Paper.model_validate(
        {"paper": "Somebody (2020)", "study": "dg22", "tables": [*tables], "figures": list(figures)}
    )


def table(*rows, **keys) -> dict:
    return {"where": "Table 5", "of": "stars", "product": "tables/t.csv", "rows": [*rows], **keys}


def compare(*tables, effort="full") -> pd.DataFrame:
    return compare_with_paper(paper(*tables), {"tables/t.csv": TABLE}, effort=effort)


def row(star_id, **printed) -> dict:
    return {"find": {"star_id": star_id}, "printed": printed}


def test_a_value_that_rounds_to_the_printed_one_is_reproduced():
    [first, second] = compare(table(row(7, feh="-1.27", n_epochs="117"))).to_dict("records")
    assert (first["verdict"], second["verdict"]) == (SAME, SAME)
    assert first["ours"] == -1.2748
    assert first["difference"] == pytest.approx(-0.0048)
    assert (first["tolerance"], second["tolerance"]) == (0.005, 0.5)
    assert first["published"] == "-1.27"
    assert first["row"] == "7"
    assert first["command"] == (
        "snakemake --cores all results/dg22/tables/t.csv --configfile config/dg22.yaml"
    )


def test_the_last_printed_digit_says_how_close_is_close():
    values = [("-1.27", SAME), ("-1.275", SAME), ("-1.270", DIFFERENT), ("-1.28", DIFFERENT)]
    for printed, verdict in values:
        assert compare(table(row(7, feh=printed)))["verdict"].tolist() == [verdict], printed


def test_a_difference_without_a_reason_is_a_fault_and_one_with_a_reason_says_it():
    different = row(27, feh="-0.40")
    assert compare(table(different))["verdict"].tolist() == [DIFFERENT]
    explained = compare(table(different, because="fewer stars"))
    assert explained["verdict"].tolist() == [EXPLAINED]
    assert explained["explanation"].tolist() == ["fewer stars"]
    assert compare(table(different, by_effort=True))["verdict"].tolist() == [DIFFERENT]
    quick = compare(table(different, by_effort=True), effort="quick")
    assert quick["verdict"].tolist() == [EXPLAINED]
    assert "quick effort" in quick["explanation"][0]
    wide = compare(table(different, tolerances={"feh": 0.05}, because="fewer stars"))
    assert wide["verdict"].tolist() == [SAME]
    assert wide["explanation"].tolist() == [""]


def test_what_is_not_computed_has_its_reason():
    rows = compare(
        table(row(36, feh="-1.48")),
        table(row(99, feh="-1.48")),
        table(row(7, feh="-1.27", n_epochs="117"), why_not={"feh": "no errors here"}),
        {**table(row(1, feh="-1.0"), why_not="not in the mirror"), "product": None},
    )
    assert rows["verdict"].tolist() == [MISSING, MISSING, MISSING, SAME, MISSING]
    assert rows["ours"].isna().tolist() == [True, True, True, False, True]
    reasons = rows.loc[rows["verdict"] == MISSING, "explanation"].tolist()
    assert reasons == [
        "the product has no value there",
        "the product has no such row",
        "no errors here",
        "not in the mirror",
    ]
    assert count_verdicts(rows) == {SAME: 1, EXPLAINED: 0, DIFFERENT: 0, MISSING: 4}


def test_statistics_are_of_all_rows_that_are_found():
    rows = compare(
        table(
            {"statistic": "number", "printed": {"stars": "3"}},
            {"statistic": "mean", "printed": {"feh": "-0.85"}},
            {"statistic": "median", "printed": {"n_epochs": "64"}},
            {"statistic": "number", "find": {"n_epochs": 64}, "printed": {"stars": "2"}},
            {"statistic": "standard deviation", "printed": {"feh": "0.42"}},
        )
    )
    assert rows["verdict"].tolist() == [SAME] * 5
    assert rows["row"].tolist() == ["number", "mean", "median", "64, number", "standard deviation"]


def test_the_mode_of_a_distribution_is_where_its_kernel_density_is_largest():
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.normal(-1.4, 0.2, 4000), rng.normal(-0.4, 0.1, 500)])
    assert density_mode(values) == pytest.approx(-1.4, abs=0.04)
    assert math.isnan(density_mode(np.array([])))
    assert math.isnan(density_mode(np.array([-1.0, -1.0])))


def test_a_product_that_is_not_as_expected_is_told():
    with pytest.raises(ValueError, match=r"tables/t.csv: no column fe_h; it has star_id, feh"):
        compare(table(row(7, fe_h="-1.27")))
    with pytest.raises(ValueError, match="no column name"):
        compare(table({"find": {"name": 7}, "printed": {"feh": "-1"}}))
    with pytest.raises(ValueError, match="2 rows are of 64, not one"):
        compare(table({"find": {"n_epochs": 64}, "printed": {"feh": "-1"}}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": []}, r"tables\.0\.rows"),
        ({"rows": [{"printed": {"feh": "about 2"}}]}, "no number"),
        ({"rows": [{"printed": {"feh": -1.5}}]}, "valid string"),
        ({"product": None}, "either a product or a reason"),
        ({"becuase": "a typing error"}, "becuase"),
    ],
)
def test_a_mistake_in_what_is_published_names_its_place(tmp_path, change, message):
    path = tmp_path / "paper.yaml"
    tables = [{**table(row(7, feh="-1.27")), **change}]
    path.write_text(yaml.safe_dump({"paper": "A", "study": "dg22", "tables": tables}))
    with pytest.raises(ValueError, match=message) as error:
        read_paper(path)
    assert str(path) in str(error.value)
    path.write_text("")
    with pytest.raises(ValueError, match="not a table of keys"):
        read_paper(path)


@pytest.mark.parametrize("name", list_papers())
def test_a_paper_is_reproduced_by_the_study_that_it_names(name):
    paper = read_paper(PUBLISHED / f"{name}.yaml")
    assert read_yaml(PUBLISHED.parents[1] / f"config/{paper.study}.yaml")["reproduces"] == name
    with_digits = [
        printed for part in paper.tables for row in part.rows for printed in row.printed.values()
    ]
    assert len(with_digits) > 20


def test_cards_are_read_as_one_row(tmp_path):
    (tmp_path / "card.json").write_text(json.dumps({"metrics": {"union": {"rmse": 0.15}}}))
    assert read_product(tmp_path / "card.json")["metrics.union.rmse"].tolist() == [0.15]


def test_the_page_shows_numbers_and_figures_in_one_file(tmp_path):
    results = tmp_path / "results"
    (results / "tables").mkdir(parents=True)
    TABLE.to_csv(results / "tables/t.csv", index=False)
    (results / "map.png").write_bytes(b"an image")
    figures = [
        {"where": "Figure 1", "shows": "<script>alert(1)</script>", "products": ["map.png"]},
        {"where": "Figure 2", "shows": "Stars", "why_not": "they are elsewhere"},
    ]
    published = tmp_path / "paper.yaml"
    content = paper(table(row(7, feh="-1.27"), row(27, feh="-0.40")), figures=figures)
    published.write_text(yaml.safe_dump(content.model_dump(exclude_none=True)))
    part = reproduce_paper(published, results, effort="quick")
    write_reproduction([part], tmp_path / "a.html", tmp_path / "a.csv", effort="quick")
    page = (tmp_path / "a.html").read_text()
    assert "data:image/png;base64,YW4gaW1hZ2U=" in page
    assert "<script>" not in page
    assert "they are elsewhere" in page
    assert "-1.275" in page
    written = pd.read_csv(tmp_path / "a.csv", dtype={"published": str})
    assert tuple(written) == COLUMNS
    assert written["published"].tolist() == ["-1.27", "-0.40"]
    assert written["verdict"].tolist() == [SAME, DIFFERENT]
    assert not list(tmp_path.glob(".*"))
