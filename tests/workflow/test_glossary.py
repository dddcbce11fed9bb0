"""The glossary says what the tables say; tests/study/test_reference.py: its tables are current."""

import re
from pathlib import Path

import pytest

import metalyra
from metalyra.core.statuses import STATUSES
from metalyra.core.tables import describe
from metalyra.fit.columns import PERIOD_BANDS, PERIOD_COLUMNS, TABLE_COLUMNS
from metalyra.fit.modulation import Variation
from metalyra.predict import read_shipped_cards
from metalyra.products.catalogue import COLUMNS, ESTIMATE_COLUMNS
from metalyra.products.cross_validation import COLUMNS as CROSS_VALIDATED
from metalyra.study.glossary import write_glossary, write_limits

DOCS = Path(__file__).parents[2] / "docs"
GLOSSARY = (DOCS / "glossary.md").read_text()


def test_every_column_is_explained_as_in_the_files():
    columns = (
        *COLUMNS,
        *ESTIMATE_COLUMNS,
        "source_id",
        *PERIOD_COLUMNS,
        PERIOD_BANDS,
        *Variation._fields,
    )
    for name in columns:
        column = describe(name)
        assert f"| `{name}` | {column.unit} | {column.description} |" in GLOSSARY


def test_every_status_is_explained_as_in_the_ledger():
    for status, meaning in STATUSES.items():
        assert f"| `{status}` | {meaning} |" in GLOSSARY


def test_the_glossary_says_which_statuses_have_a_value():
    rows = dict(re.findall(r"^\| `(\S+)` \| .* \| (yes|with a caveat|none) \|$", GLOSSARY, re.M))
    assert rows.keys() == {*STATUSES, "cut:<column>"}
    assert rows["ok"] == "yes"
    caveats = {name for name, value in rows.items() if value == "with a caveat"}
    assert caveats == {"unlike_training", "outside_training_range", "cut:<column>"}


def test_every_column_of_the_fits_has_a_meaning():
    for name in TABLE_COLUMNS:
        assert describe(name).description != name.replace("_", " "), name
        assert f"| `{name}` |" in GLOSSARY


def test_the_columns_of_cross_validations_are_those_of_the_table():
    table = GLOSSARY.partition("## The table of cross-validations")[2].partition("\n\n###")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.M)) == CROSS_VALIDATED


def test_a_table_that_is_not_current_is_written_anew():
    old = GLOSSARY.replace("| `ok` |", "| `fine` |").replace("| `snr` |  |", "| `snr` | m |")
    assert old != GLOSSARY
    assert write_glossary(old) == GLOSSARY


def test_a_page_without_a_table_is_an_error():
    with pytest.raises(ValueError, match="the tables columns, bands, fits, changes, statuses"):
        write_glossary(GLOSSARY.replace("<!-- table of bands", "<!-- "))


def test_the_limits_name_every_shipped_model_with_its_ranges():
    limits = (DOCS / "limits.md").read_text()
    for name in metalyra.models()["name"]:
        [row] = re.findall(rf"^\| `{name}` \| (.*) \|$", limits, re.M)
        card = read_shipped_cards()[name]
        low, high = re.findall(r"([0-9.]+) to ([0-9.]+)", row)[0]
        assert [float(low), float(high)] == pytest.approx(
            card["domain"]["ranges"]["period"], abs=0.005
        )
    assert write_limits(limits.replace("RRab in G", "RRd in G")) == limits
