"""Tables as text: numbers in columns, and short lists of stars."""

import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metalyra.core.arrays import Floats
from metalyra.core.containers import read_file
from metalyra.surveys.interface import SurveyError

STAR_COLUMNS = ("star_id", "ra", "dec", "period", "pulsation_type")
"""The columns every star table has."""

NULLS = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "<NA>")
"""What stands for a missing number in a text."""

# What a list without a header holds, by its number of columns.
_LIST_LAYOUTS = {
    1: ("star_id",),
    2: ("star_id", "period"),
    3: ("star_id", "ra", "dec"),
    4: ("star_id", "ra", "dec", "period"),
    5: STAR_COLUMNS,
}


def parse_numbers(data: bytes, delimiter: bytes | None = None) -> Floats:
    """Return a text table of numbers as an array.

    Parameters
    ----------
    data
        One row a line; empty lines and lines that begin with ``#`` are skipped.
    delimiter
        What separates the columns; white space if None. An empty cell is NaN.

    Returns
    -------
    ndarray of shape (rows, columns)

    Raises
    ------
    ValueError
        If there is no row, a row has more or fewer columns than the first, or a cell is
        not a number.
    """
    rows = [
        line.split(delimiter)
        for line in map(bytes.strip, data.splitlines())
        if line and not line.startswith(b"#")
    ]
    if not rows:
        raise ValueError("it has no rows")
    width = len(rows[0])
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            raise ValueError(f"row {number} has {len(row)} columns, the first has {width}")
    if delimiter is not None:
        rows = [[cell.strip() or b"nan" for cell in row] for row in rows]
    try:
        return np.array(rows, dtype=float)
    except ValueError:
        number, cell = next(
            (number, cell)
            for number, row in enumerate(rows, start=1)
            for cell in row
            if not is_number(cell)
        )
        raise ValueError(
            f"row {number} holds {cell[:40].decode(errors='replace')!r}, which is not a number"
        ) from None


def is_number(text: bytes | str) -> bool:
    """Say whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def check_columns(
    place: Path | str,
    found: Iterable[str],
    required: Sequence[str],
    allowed: Sequence[str] | None = None,
) -> None:
    """Raise unless a table has the columns it needs and no others than it may have.

    Parameters
    ----------
    place
        The file, for the message.
    found, required, allowed
        Names of columns; any other column is welcome if `allowed` is None.

    Raises
    ------
    SurveyError
        Naming the file, the column and what is allowed.
    """
    found = list(found)
    optional = [name for name in allowed or () if name not in required]
    takes = f"it needs {', '.join(required)}"
    if optional:
        takes += f" and may have {', '.join(optional)}"
    for name in required:
        if name not in found:
            raise SurveyError(f"{place}: no column {name!r}; {takes}")
    for name in found:
        if allowed is not None and name not in allowed:
            raise SurveyError(f"{place}: unknown column {name!r}; {takes}")


def check_identifiers(place: Path | str, ids: pd.Series) -> None:
    """Raise `SurveyError` unless every row has an identifier."""
    nameless = np.flatnonzero(ids.isna() | (ids == ""))
    if nameless.size:
        raise SurveyError(f"{place}: row {nameless[0] + 1} has no star_id")


def read_star_list(path: Path) -> pd.DataFrame:
    """Read a list of stars, separated by white space or commas, with or without a header.

    A header (which may begin with ``#``) names columns of ``id`` (or ``star_id``), ``ra``,
    ``dec`` (deg), ``period`` (d) and ``pulsation_type``. Without one, the columns are, by
    their number, ``id``; ``id period``; ``id ra dec``; ``id ra dec period``; and all five.

    Raises
    ------
    SurveyError
        If a column is unknown, or the number of columns is.
    """
    text = read_file(path).decode("utf-8-sig", errors="replace")
    lines = [line for line in text.splitlines() if line.strip(" \t#")]
    if not lines:
        raise SurveyError(f"{path}: the star list is empty")
    separator = "," if "," in lines[0] else r"\s+"
    names = [
        re.sub(r"^id$", "star_id", name.strip())
        for name in re.split(separator, lines[0].lstrip("# ").strip())
    ]
    rows = [line for line in lines if not line.lstrip().startswith("#")]
    if "star_id" in names:
        check_columns(path, names, ("star_id",), STAR_COLUMNS)
        rows = rows if lines[0].lstrip().startswith("#") else rows[1:]
    else:
        cells = re.split(separator, rows[0].strip()) if rows else []
        if len(cells) not in _LIST_LAYOUTS:
            raise SurveyError(
                f"{path}: {len(cells)} columns without a header; with one, it may have "
                f"{', '.join(STAR_COLUMNS)}"
            )
        names = list(_LIST_LAYOUTS[len(cells)])
    stars = read_text(path, "\n".join(rows), names=names, sep=separator)
    stars = stars.apply(lambda cells: cells.str.strip())
    check_identifiers(path, stars["star_id"])
    return fill_columns(stars)


def fill_columns(stars: pd.DataFrame) -> pd.DataFrame:
    """Return a table of text with every column that a star table has, positions as numbers."""
    filled = stars.reindex(columns=[*STAR_COLUMNS]).astype("str")
    for angle in ("ra", "dec"):
        filled[angle] = pd.to_numeric(filled[angle], errors="coerce").astype(float)
    return filled


def read_text(path: object, text: str | bytes, **options: Any) -> pd.DataFrame:
    """Read a text table with every cell as text, NaN where it is empty.

    Parameters
    ----------
    path
        The file, for the message.
    text
        Its content.
    options
        What `pandas.read_csv` takes.

    Raises
    ------
    SurveyError
        If it is no table.
    """
    content = text.decode("utf-8-sig", errors="replace") if isinstance(text, bytes) else text
    try:
        table: pd.DataFrame = pd.read_csv(
            io.StringIO(content), dtype=str, skipinitialspace=True, index_col=False, **options
        )
    except pd.errors.EmptyDataError:
        if "names" in options:
            return pd.DataFrame(columns=pd.Index(options["names"]), dtype=str)
        raise SurveyError(f"{path}: the file is empty") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
        raise SurveyError(f"{path}: not a table ({error})") from error
    return table.rename(columns=str.strip)


def to_degrees(text: pd.Series, hours: bool = False) -> pd.Series:
    """Return sexagesimal angles, ``hh:mm:ss`` or ``+dd mm ss``, in degrees; NaN if not one.

    Between the parts there may be colons, blanks or letters (``17h45m40.0s``, ``-29d00m28s``).
    """
    plain = text.str.strip().str.lower().str.replace("−", "-")
    parts = plain.str.extract(
        r"^([+-]?)\s*(\d{1,3})\s*[:hd°\s]\s*(\d{1,2})\s*[:m'′\s]\s*(\d{1,2}(?:\.\d*)?)\s*"
        r"(?:s|\"|″|'')?$"
    )
    sign = np.where(parts[0] == "-", -1.0, 1.0)
    whole, minutes, seconds = (pd.to_numeric(parts[i], errors="coerce") for i in (1, 2, 3))
    degrees = (whole + minutes / 60 + seconds / 3600) * sign
    degrees = degrees.where((minutes < 60) & (seconds < 60))
    return degrees * 15 if hours else degrees
