"""The glossary says what the tables say."""

from pathlib import Path

from metalyra.core.statuses import STATUSES
from metalyra.core.tables import describe
from metalyra.fit.columns import PERIOD_BANDS, PERIOD_COLUMNS
from metalyra.fit.modulation import Variation
from metalyra.products.catalogue import COLUMNS, ESTIMATE_COLUMNS

GLOSSARY = (Path(__file__).parents[2] / "docs/glossary.md").read_text()


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
