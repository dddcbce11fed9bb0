import gzip
from pathlib import Path

import pandas as pd
import pytest
import yaml
from queryparser.adql import ADQLQueryTranslator
from queryparser.exceptions import QuerySyntaxError
from queryparser.postgresql import PostgreSQLQueryProcessor

from metalyra.acquire.queries import (
    Request,
    between,
    expand_batches,
    find_query,
    quote,
    select_epochs,
    select_light_curves,
    select_rr_lyrae,
)
from metalyra.acquire.services import read_archives

ARCHIVES = read_archives()["archives"]
DATA_MODEL = yaml.safe_load((Path(__file__).parent / "gaia_data_model.yaml").read_text())
RELEASED = ["gaia_dr2", "gaia_dr2_aip", "gaia_dr3"]
EPOCHS = ["eso_vvv", "vsa_vvv"]
SELECTIONS = {
    "everything": {},
    "types": {"types": ["RRab", "RRc"]},
    "circle": {"region": {"ra": 268.956, "dec": -31.017, "radius": 0.5}},
    "galactic box": {"region": {"l": [350, 10], "b": [-5.5, None]}},
    "magnitudes": {"magnitudes": [None, 19.5]},
    "random stars": {"types": ["RRab"], "limit": 40},
    "more": {"where": "rr.pf BETWEEN 0.3 AND 1 OR gs.ruwe < 1.4", "magnitudes": [12, 19]},
}


def product_of(archive, name):
    return ARCHIVES[archive]["products"][name]


def parse(adql):
    """Return the query in the words of PostgreSQL; raise if it is no ADQL."""
    return ADQLQueryTranslator(adql).to_postgresql()


def shortened(product):
    """Return a product with few columns, for the parser takes its time."""
    return {**product, "columns": ["source_id", "pf"], "source_columns": ["ra"]}


def test_the_parser_knows_what_is_no_adql():
    with pytest.raises(QuerySyntaxError):
        parse("SELECT source_id FROM gaiadr3.gaia_source WHERE")
    with pytest.raises(QuerySyntaxError):
        parse("SELECT source_id FROM gaiadr3.gaia_source LIMIT 5 OFFSET 3 GROUP")


@pytest.mark.parametrize("selection", SELECTIONS)
def test_the_list_of_a_gaia_release_is_asked_for_in_adql(selection):
    product, query = shortened(product_of("gaia_dr3", "rrlyrae")), SELECTIONS[selection]
    parse(select_rr_lyrae(product, query))
    parse(select_rr_lyrae(product, query, 2, 3))


@pytest.mark.parametrize("archive", RELEASED)
def test_the_names_of_a_gaia_release_are_those_of_its_data_model(archive):
    product = product_of(archive, "rrlyrae")
    query = {**SELECTIONS["types"], **SELECTIONS["magnitudes"]}
    processor = PostgreSQLQueryProcessor(parse(select_rr_lyrae(product, query, 1, 2)))
    processor.process_query()
    tables = {".".join(table) for table in processor.tables}
    assert tables == {product["table"], product["source_table"]}
    assert len(processor.columns) > 30
    for schema, table, column, *_ in processor.columns:
        assert column in DATA_MODEL[f"{schema}.{table}"]


def test_the_list_has_what_the_reader_and_the_mirror_know(mirror):
    with gzip.open(mirror / "gaia_dr3/vari_rrlyrae_subset.csv.gz") as file:
        known = set(pd.read_csv(file, nrows=1).columns)
    assert known <= set(product_of("gaia_dr3", "rrlyrae")["columns"])


def test_a_release_that_renames_columns_is_a_change_of_names_alone():
    product = shortened(product_of("gaia_dr4", "rrlyrae"))
    adql = select_rr_lyrae({**product, "columns": ["source_id", "period_fundamental AS pf"]}, {})
    assert "FROM gaiadr4.vari_rrlyrae AS rr" in adql
    assert "rr.period_fundamental AS pf" in adql
    parse(adql)


def test_the_wishes_are_conditions():
    adql = select_rr_lyrae(
        product_of("gaia_dr3", "rrlyrae"),
        {**SELECTIONS["types"], **SELECTIONS["magnitudes"], **SELECTIONS["galactic box"]},
        part=2,
        parts=3,
    )
    for condition in (
        "rr.best_classification IN ('RRab', 'RRc')",
        "gs.phot_g_mean_mag <= 19.5",
        "(gs.l >= 350 OR gs.l <= 10)",
        "gs.b >= -5.5",
        "MOD(rr.source_id, 3) = 2",
    ):
        assert f" {condition}" in adql


def test_a_limit_draws_by_the_random_index_unless_the_query_is_split():
    product = product_of("gaia_dr3", "rrlyrae")
    whole = select_rr_lyrae(product, {"limit": 40})
    assert whole.startswith("SELECT TOP 40\n")
    assert whole.endswith("ORDER BY gs.random_index")
    assert "TOP" not in select_rr_lyrae(product, {"limit": 40}, 0, 3)
    without = select_rr_lyrae({**product, "random_index": None}, {"limit": 40})
    assert "MOD(rr.source_id, 1000003) AS draw" in without
    assert without.endswith("ORDER BY draw")
    parse(without)


def test_stars_without_a_source_are_kept_and_looked_up_elsewhere():
    product = shortened(product_of("gaia_dr4", "rrlyrae"))
    other = {"table": "gaiadr4.all_source_astrometry", "identifier": "source_id"}
    adql = select_rr_lyrae({**product, "fallbacks": [{**other, "columns": {"ra": "ra_1"}}]}, {})
    assert "LEFT JOIN gaiadr4.gaia_source AS gs ON gs.source_id = rr.source_id" in adql
    assert "fb0.ra_1 AS fb0_ra" in adql
    assert "LEFT JOIN gaiadr4.all_source_astrometry AS fb0" in adql
    parse(adql)


def test_light_curves_are_asked_for_by_identifier_in_adql():
    product = product_of("gaia_dr2_aip", "epoch_photometry")
    adql = select_light_curves(product, ["4111834567779557376", "4111834567779557377"])
    assert "IN (4111834567779557376, 4111834567779557377)" in adql
    parse(adql)


@pytest.mark.parametrize("archive", EPOCHS)
def test_epochs_are_asked_for_by_position_in_adql(archive):
    product = product_of(archive, "epochs")
    adql = select_epochs(product, [(268.5, -29.1), (0.001, 5.0)], 1 / 3600)
    parse(adql)
    for column in (product["identifier"], *product["columns"]):
        assert f"    {column}" in adql
    assert adql.count("CIRCLE('ICRS', ") == 2
    assert "268.5000000, -29.1000000, 0.0002778" in adql


@pytest.mark.parametrize(
    ("bounds", "period", "condition"),
    [
        ([1, 2], None, "x BETWEEN 1 AND 2"),
        ([None, 2], None, "x <= 2"),
        ([1, None], None, "x >= 1"),
        ([350, 10], 360.0, "(x >= 350 OR x <= 10)"),
        ([10, 350], 360.0, "x BETWEEN 10 AND 350"),
    ],
)
def test_bounds_are_conditions(bounds, period, condition):
    assert between("x", bounds, period=period) == condition


def test_a_quote_in_a_text_ends_nothing():
    assert quote("RR'ab") == "'RR''ab'"


def test_the_same_question_has_the_same_name_and_another_another():
    request = Request("gaia", "tap", "tap", ".csv", {"QUERY": "SELECT 1", "A": "b"})
    same = Request("gaia", "tap", "tap", ".csv", {"A": "b", "QUERY": "SELECT 1"})
    assert request.name == same.name
    assert request.name.endswith(".csv")
    other = Request("gaia", "tap", "tap", ".csv", {"QUERY": "SELECT 2", "A": "b"})
    assert request.name != other.name


def test_a_request_is_described_without_its_thousand_identifiers():
    ids = ",".join(str(10**17 + n) for n in range(5000))
    text = Request("gaia", "data", "data", ".zip", {"ID": ids, "FORMAT": "csv"}).describe()
    assert "(5000)" in text
    assert "FORMAT=csv" in text
    assert len(text) < 400


QUERIES = {
    "gaia/list.csv": {"product": "rrlyrae"},
    "gaia/{batch}.zip": {"product": "epochs", "batches": 3},
}


def test_a_name_with_batches_stands_for_a_file_each():
    assert expand_batches("gaia/{batch}.zip", QUERIES) == [f"gaia/{n}.zip" for n in range(3)]
    assert expand_batches("gaia/list.csv", QUERIES) == ["gaia/list.csv"]
    assert expand_batches("other.csv", QUERIES) == ["other.csv"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("gaia/list.csv", ("rrlyrae", 0)),
        ("gaia/2.zip", ("epochs", 2)),
        ("gaia/3.zip", None),
        ("gaia/x.zip", None),
        ("other.csv", None),
    ],
)
def test_a_file_knows_its_query(name, found):
    query = find_query(name, QUERIES)
    assert (query and (query[0]["product"], query[1])) == found
