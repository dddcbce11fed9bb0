"""Tables of Python made those that are read of files, so that both are understood alike.

Nothing of astropy or lightkurve is imported: their objects are known by what they have.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from metalyra.core.containers import read_file
from metalyra.surveys.formats.given_tables import GivenTable, read_given

Cells: TypeAlias = "pa.ChunkedArray | pa.Array | list[str]"
"""Of a column."""

_CURVE = ("time", "mag", "mag_err", "flux", "flux_err")


def take_table(source: Any, place: str, headerless: Sequence[str] = ()) -> GivenTable:
    """Return a table.

    Parameters
    ----------
    source
        A table of pandas, astropy (TimeSeries included), PyArrow or NumPy, or a mapping of
        columns; an object with the attributes `time` and `flux` or `mag`, as lightkurve's
        LightCurve has them; or the path of a file.
    place
        What it is, for messages.
    headerless
        Names of the columns of a file without a header.

    Raises
    ------
    ValueError
        If it is no table, or its columns are of different lengths.
    FileNotFoundError
        If there is no such file.
    """
    if isinstance(source, str | Path):
        if not Path(source).is_file():
            raise FileNotFoundError(f"there is no file {str(source)!r}")
        return read_given(source, read_file(Path(source)), headerless)
    columns = find_columns(source)
    if columns is None:
        raise ValueError(f"{place} is a {type(source).__name__}, which is no table")
    return join_columns(columns, place)


def join_columns(columns: Mapping[str, Any], place: str) -> GivenTable:
    """Return columns as a table, without those whose cells are no single values.

    Raises
    ------
    ValueError
        If they are of different lengths.
    """
    taken = {name: take_column(values) for name, values in columns.items()}
    kept = {name: column for name, column in taken.items() if column is not None}
    lengths = {name: len(values) for name, (values, _) in kept.items()}
    if len({*lengths.values()}) > 1:
        said = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"{place}: the columns are of different lengths: {said} values")
    return GivenTable(
        {name: values for name, (values, _) in kept.items()},
        {name: unit for name, (_, unit) in kept.items() if unit},
    )


def find_columns(source: Any) -> dict[str, Any] | None:
    """Return the columns of a table by name; None of what is no table.

    Raises
    ------
    ValueError
        If two columns have one name.
    """
    if isinstance(source, pd.DataFrame):
        named = [name for name in source.index.names if name is not None]
        table = source.reset_index(named) if named else source
        if table.columns.has_duplicates:
            doubled = table.columns[table.columns.duplicated()][0]
            raise ValueError(f"the table has two columns {str(doubled)!r}")
        return {str(name): table[name] for name in table}
    if isinstance(source, Mapping):
        return {str(name): values for name, values in source.items()}
    if hasattr(source, "colnames"):
        return {name: source[name] for name in source.colnames}
    if hasattr(source, "column_names"):
        return {name: source[name] for name in source.column_names}
    if isinstance(source, np.ndarray) and source.dtype.names is not None:
        return {name: source[name] for name in source.dtype.names}
    if hasattr(source, "time") and (hasattr(source, "flux") or hasattr(source, "mag")):
        return {name: getattr(source, name) for name in _CURVE if hasattr(source, name)}
    return None


def gather(values: Any) -> Any:
    """Return a list of quantities or times of astropy as one of its arrays."""
    first = values[0] if isinstance(values, list | tuple) and values else None
    if hasattr(first, "unit") and hasattr(first, "to_value"):
        from astropy.units import Quantity

        return Quantity(values)
    if hasattr(first, "mjd"):
        from astropy.time import Time

        return Time(values)
    return values


def unit_of(values: Any) -> str | None:
    """Return the unit of a quantity or column of astropy; None of what has none."""
    if isinstance(values, pd.Series | pd.Index):  # whose unit is that of time stamps
        return None
    unit = getattr(values, "unit", None)
    return None if unit is None else str(unit)


def take_column(values: Any) -> tuple[Cells, str] | None:
    """Return the cells of a column and its unit; None of one whose cells are no single values.

    Parameters
    ----------
    values
        An array, list, Series, Column, Quantity, or a Time of astropy, which becomes its MJD.
        What is masked is missing. A single value is a column of one row.
    """
    values = gather(values)
    if isinstance(values, pa.ChunkedArray | pa.Array):
        return values, ""
    if hasattr(values, "mjd") and hasattr(values, "scale"):
        days = take_column(values.mjd)
        return None if days is None else (days[0], f"d MJD {str(values.scale).upper()}")
    if isinstance(values, pd.Series | pd.Index):
        return _series_to_arrow(values.to_series() if isinstance(values, pd.Index) else values), ""
    masked = getattr(values, "mask", None)
    # Of astropy's masked arrays, of its quantities, and of NumPy's masked arrays.
    plain = getattr(values, "unmasked", values)
    plain = np.atleast_1d(np.ma.getdata(getattr(plain, "value", plain)))
    if plain.ndim != 1:
        return None
    missing = np.asarray(pd.isna(plain), dtype=bool)
    if masked is not None:
        missing = missing | np.broadcast_to(masked, plain.shape)
    return _to_arrow(plain, missing), unit_of(values) or ""


def _series_to_arrow(values: pd.Series) -> pa.Array | list[str]:
    """Return a column of pandas as an Arrow array, or as text if it is of several kinds."""
    if pd.api.types.is_bool_dtype(values):
        return _to_text(values, values.isna())
    try:
        return pa.Array.from_pandas(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return _to_text(values, values.isna())


def _to_arrow(values: NDArray[Any], missing: NDArray[Any]) -> pa.Array | list[str]:
    """Return an array as an Arrow array, or as text if it is of several kinds."""
    if values.dtype.kind == "S":
        values = np.char.decode(values, errors="replace")
    if values.dtype.kind == "b":  # truth values are no numbers
        return _to_text(values, missing)
    native = values.astype(values.dtype.newbyteorder("="))
    try:
        return pa.array(native, mask=missing, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return _to_text(values, missing)


def _to_text(values: Iterable[Any], missing: Iterable[bool]) -> list[str]:
    return ["" if gone else str(value) for value, gone in zip(values, missing, strict=True)]
