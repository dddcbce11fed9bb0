"""How a table of a paper is written: as CSV, as columns of fixed width, and as VOTable."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_integer_dtype, is_numeric_dtype

from metalyra.core.tables import BY, replace_when_complete, write_csv
from metalyra.products.paper_tables.experiments import EXPERIMENT_METRICS, MEASURED

FORMATS: Mapping[str, str] = {
    "ra": ".6f",
    "dec": ".6f",
    "feh": ".4f",
    "feh_std": ".4f",
    "feh_err": ".4f",
    "feh_err_light_curve": ".4f",
    "mean_mag": ".3f",
    "period": ".6f",
    "amplitude": ".3f",
    "a1": ".4f",
    "a2": ".4f",
    "a3": ".4f",
    "phi21": ".4f",
    "phi31": ".4f",
    "phase_coverage": ".3f",
    "snr": ".1f",
    **{f"{metric}_{stars}": ".4f" for metric in EXPERIMENT_METRICS for stars in MEASURED},
    "cpu_time": ".1f",
    "training": ".6g",
    "validation": ".6g",
}
"""Formats of the values in the written tables; one decimal more for [Fe/H] than published, so
that rounding twice does not move a value by a published digit."""


@dataclass(frozen=True)
class Field:
    """Where a column stands in the lines of a file, and how.

    Attributes
    ----------
    name
        Of the column.
    first, last
        Its first and last byte, from 1 on.
    format
        In Fortran's notation: A, I or F, width and decimals.
    has_gaps
        Whether it is empty in some lines.
    """

    name: str
    first: int
    last: int
    format: str
    has_gaps: bool


def write_paper_table(table: pd.DataFrame, path: Path | str) -> None:
    """Write a table as CSV with the formats of `FORMATS`, complete or not at all.

    A missing value is an empty cell.
    """
    write_csv(format_values(table), path, float_format=None)


def read_written_table(path: Path | str) -> pd.DataFrame:
    """Return a table as its CSV file has it: all text, empty where a value is missing."""
    return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")


def write_copies(table: pd.DataFrame, path: Path | str, description: str) -> None:
    """Write a table as VOTable and in columns of fixed width, with the values of its CSV file.

    Parameters
    ----------
    table
        As a layout makes it.
    path
        Of the CSV file; the copies have the suffixes .vot and .dat.
    description
        What the table is.
    """
    # Astropy, which a plan of jobs does without although it asks for the layouts of tables.
    from metalyra.products.catalogue import write_votable

    path = Path(path)
    with replace_when_complete(path.with_suffix(".vot")) as temporary:
        write_votable(_round_values(table), temporary, path.stem, description, {})
    with replace_when_complete(path.with_suffix(".dat")) as temporary:
        temporary.write_text(align_columns(format_values(table)), encoding="utf-8")


def format_values(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the numbers of `FORMATS` as text; a missing one stays missing."""
    text = {
        name: table[name].map(f"{{:{FORMATS[base]}}}".format, na_action="ignore")
        for name in map(str, table)
        if (base := name.partition(BY)[0]) in FORMATS
    }
    return table.assign(**text)


def lay_out_fields(text: pd.DataFrame) -> list[Field]:
    """Return where the columns of a table stand in lines with a blank between two.

    Parameters
    ----------
    text
        Values as they are written, empty where one is missing.
    """
    fields = []
    first = 1
    for name in map(str, text):
        values = text[name]
        width = max([1, *values.map(len)])
        last = first + width - 1
        fields.append(
            Field(name, first, last, _format_of(values, width), bool((values == "").any()))
        )
        first = last + 2
    return fields


def align_columns(table: pd.DataFrame) -> str:
    """Return the lines of a table in columns of fixed width: numbers end alike, text starts so."""
    text = table.astype(object).where(table.notna(), "").map(str)
    columns = [
        [_align(value, field) for value in text[field.name]] for field in lay_out_fields(text)
    ]
    return "".join(" ".join(cells) + "\n" for cells in zip(*columns, strict=True))


def _align(value: str, field: Field) -> str:
    width = field.last - field.first + 1
    return value.ljust(width) if field.format.startswith("A") else value.rjust(width)


def _format_of(values: pd.Series, width: int) -> str:
    """Return the Fortran format of a column of text: A unless all are plain numbers."""
    known = values[values != ""]
    if known.empty or not known.str.fullmatch(r"[+-]?\d+(\.\d+)?").all():
        return f"A{width}"
    decimals = int(known.str.partition(".")[2].map(len).max())
    return f"F{width}.{decimals}" if decimals else f"I{width}"


def _round_values(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the values that are written, in the types that a VOTable has.

    As in the catalogue, a star without a light curve has 0 epochs.
    """
    written = format_values(table)
    columns: dict[str, pd.Series | np.ndarray] = {}
    for name in map(str, table):
        values = table[name]
        if not is_numeric_dtype(values):
            columns[name] = values.astype(object).where(values.notna(), "").astype(str)
        elif name == "n_epochs":
            columns[name] = values.astype(float).fillna(0).astype(np.int32)
        elif is_integer_dtype(values) and values.notna().all():
            columns[name] = values.astype(np.int64)
        else:
            columns[name] = written[name].astype(float)
    return pd.DataFrame(columns)
