"""How close the products of a study are to the numbers that a paper prints."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metalyra.core.metrics import density_mode
from metalyra.core.tables import read_table
from metalyra.products.published_values import Paper, PublishedRow, PublishedTable

SAME = "reproduced"
EXPLAINED = "differs, explained"
DIFFERENT = "differs"
MISSING = "not computed"
VERDICTS = (SAME, EXPLAINED, DIFFERENT, MISSING)

COLUMNS = (
    "paper",
    "where",
    "row",
    "quantity",
    "published",
    "ours",
    "difference",
    "tolerance",
    "verdict",
    "explanation",
    "command",
)

_QUICK = "trained with quick effort: fewer epochs and points than published"


def read_product(path: Path | str) -> pd.DataFrame:
    """Read a product as a table; the entries of a JSON file as one row, with dots in the names."""
    if Path(path).suffix == ".json":
        return pd.json_normalize(json.loads(Path(path).read_text(encoding="utf-8")))
    if Path(path).suffix == ".csv":
        return pd.read_csv(path)
    return read_table(path)


def compare_with_paper(
    paper: Paper, products: Mapping[str, pd.DataFrame], *, effort: str
) -> pd.DataFrame:
    """Compare all numbers of a paper with ours.

    Parameters
    ----------
    paper
        What it prints.
    products
        Tables by the name of the file in the results of the study.
    effort
        Of the study: ``quick`` explains why networks do not get as far as published.

    Returns
    -------
    pandas.DataFrame
        `COLUMNS`, one row a printed number: published as printed; ours, difference (ours
        minus published) and tolerance in its unit, NaN where ours is not computed; one of
        `VERDICTS`; why, and the command that makes the product.

    Raises
    ------
    ValueError
        If a product lacks a column, or its rows are not told apart by what a row is
        found by.
    """
    rows = [
        {
            "paper": paper.paper,
            "where": table.where,
            "row": row.name,
            "quantity": quantity,
            "published": printed,
            **_compare(table, row, quantity, products, quick=effort == "quick"),
            "command": _command(paper.study, table.product),
        }
        for table in paper.tables
        for row in table.rows
        for quantity, printed in row.printed.items()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def count_verdicts(comparison: pd.DataFrame) -> dict[str, int]:
    """Return the number of values of each verdict of `VERDICTS`."""
    counts = Counter(comparison["verdict"])
    return {verdict: counts[verdict] for verdict in VERDICTS}


def _compare(
    table: PublishedTable,
    row: PublishedRow,
    quantity: str,
    products: Mapping[str, pd.DataFrame],
    *,
    quick: bool,
) -> dict[str, Any]:
    """Return ours beside one printed number."""
    published = Decimal(row.printed[quantity])
    last_digit = float(Decimal(1).scaleb(int(published.as_tuple().exponent)))
    tolerance = table.tolerances.get(quantity, last_digit / 2)
    nothing = {"ours": math.nan, "difference": math.nan, "tolerance": tolerance}
    reason = table.reason_without(quantity)
    if table.product is None or reason is not None:
        return {**nothing, "verdict": MISSING, "explanation": reason}
    found = _find_rows(table, row, products[table.product])
    if row.statistic != "number" and len(found) == 0:
        return {**nothing, "verdict": MISSING, "explanation": "the product has no such row"}
    ours = _take_value(found, row, table.columns.get(quantity, quantity), table.product)
    if math.isnan(ours):
        return {**nothing, "verdict": MISSING, "explanation": "the product has no value there"}
    difference = ours - float(published)
    # What was rounded to the printed digits may be off by half a digit, and by its own rounding.
    same = abs(difference) <= tolerance * (1 + 1e-9) + 1e-12
    reasons = [table.because, _QUICK if table.by_effort and quick else None]
    explanation = "; ".join(filter(None, reasons))
    verdict = SAME if same else EXPLAINED if explanation else DIFFERENT
    return {
        "ours": ours,
        "difference": difference,
        "tolerance": tolerance,
        "verdict": verdict,
        "explanation": "" if same else explanation,
    }


def _find_rows(table: PublishedTable, row: PublishedRow, product: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a product that a printed row is of; one, unless a statistic is asked."""
    found = product
    for column, value in row.find.items():
        _check_column(column, product, str(table.product))
        found = found[found[column].astype(str) == str(value)]
    if row.statistic is None and len(found) > 1:
        raise ValueError(f"{table.product}: {len(found)} rows are of {row.name or 'all'}, not one")
    return found


def _take_value(found: pd.DataFrame, row: PublishedRow, column: str, product: str) -> float:
    """Return a number of the rows that were found."""
    if row.statistic == "number":
        return float(len(found))
    _check_column(column, found, product)
    values = found[column].to_numpy(dtype=float)
    match row.statistic:
        case None:
            return float(values[0])
        case "mean":
            return float(np.nanmean(values))
        case "median":
            return float(np.nanmedian(values))
        case "standard deviation":
            return float(np.nanstd(values))
        case "mode":
            return density_mode(values[np.isfinite(values)])


def _check_column(column: str, product: pd.DataFrame, name: str) -> None:
    if column not in product:
        raise ValueError(f"{name}: no column {column}; it has {', '.join(map(str, product))}")


def _command(study: str, product: str | None) -> str:
    """Return the command that makes a product."""
    if product is None:
        return ""
    return f"snakemake --cores all results/{study}/{product} --configfile config/{study}.yaml"
