"""Tables that answer ADQL: in memory, with the columns' types, units and descriptions."""

import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from testbench.loopback.adql import FUNCTIONS, AdqlError, translate


@dataclass(frozen=True)
class Column:
    """A column, as VOTable describes it.

    Attributes
    ----------
    name
        As the archive writes it.
    datatype
        ``long``, ``double``, ``boolean`` or ``char``.
    unit, ucd, description
        As the archive gives them.
    is_array
        Whether a value is a sequence.
    """

    name: str
    datatype: str
    unit: str = ""
    ucd: str = ""
    description: str = ""
    is_array: bool = False


@dataclass(frozen=True)
class Table:
    """Rows with None where there is no value.

    Attributes
    ----------
    columns, rows
        What it holds.
    name
        Of the table, if it has one.
    overflow
        Whether rows were left out.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[object]]
    name: str = ""
    overflow: bool = False


Builder = Callable[[], pd.DataFrame]
"""Makes the content of a table when it is first asked for."""

_KEYS = ("source_id", "sourceid", "multiframeid")
_DATATYPES = {"i": "long", "u": "long", "f": "double", "b": "boolean"}


@dataclass
class Database:
    """The tables of one archive.

    Attributes
    ----------
    builders
        Makers of the tables, by name: ``schema.table``, or one name.
    metadata
        Descriptions of columns, by their names in lower case; other columns have none.
    """

    builders: Mapping[str, Builder]
    metadata: Mapping[str, Column] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._columns: dict[str, list[Column]] = {}
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)
        for name, function in FUNCTIONS.items():
            self._connection.create_function(name, -1, function, deterministic=True)
        schemas = {name.partition(".")[0] for name in self.builders if "." in name}
        self._all = {
            **self.builders,
            "tap_schema.tables": self._list_tables,
            "tap_schema.columns": self._list_columns,
        }
        for schema in sorted(schemas | {"tap_upload", "tap_schema"}):
            self._connection.execute(f"ATTACH ':memory:' AS [{schema}]")

    def close(self) -> None:
        """Let go of the memory, once no query runs."""
        with self._lock:
            self._connection.close()

    @property
    def names(self) -> list[str]:
        """Names of the tables."""
        return list(self.builders)

    def columns(self, name: str) -> list[Column]:
        """Return the columns of a table."""
        with self._lock:
            if name not in self._columns:
                self._store(name, self._all[name]())
            return self._columns[name]

    def query(
        self, adql: str, limit: int, uploads: Mapping[str, pd.DataFrame] | None = None
    ) -> Table:
        """Answer a query.

        Parameters
        ----------
        adql
            The query.
        limit
            Most rows given.
        uploads
            Tables that the query knows as ``tap_upload.<name>``.

        Raises
        ------
        AdqlError
            If it is no query for these tables.
        """
        sql, mentioned = translate(adql)
        uploads = uploads or {}
        with self._lock:
            for name in self._all:
                if name.lower() in mentioned:
                    self.columns(name)
            for name, content in uploads.items():
                self._store(f"tap_upload.{name}", content)
            try:
                cursor = self._connection.execute(sql)
                rows = cursor.fetchmany(limit + 1)
            except sqlite3.Error as error:
                raise AdqlError(_plain(str(error))) from None
            finally:
                for name in uploads:
                    self._connection.execute(f"DROP TABLE tap_upload.[{name}]")
            known = {
                column.name.lower(): column
                for name, columns in self._columns.items()
                if name.lower() in mentioned
                for column in columns
            }
        names = _distinct([description[0] for description in cursor.description])
        kept = rows[:limit]
        columns = [
            replace(known[name.lower()], name=name)
            if name.lower() in known
            else Column(name, _datatype(row[number] for row in kept))
            for number, name in enumerate(names)
        ]
        return Table(columns, kept, overflow=len(rows) > limit)

    def _list_tables(self) -> pd.DataFrame:
        """Return the table of the tables."""
        schemas = [name.rpartition(".")[0] or "public" for name in self.builders]
        return pd.DataFrame(
            {"schema_name": schemas, "table_name": [*self.builders], "table_type": "table"}
        )

    def _list_columns(self) -> pd.DataFrame:
        """Return the table of the columns."""
        rows = [
            (name, column.name, column.datatype, column.unit, column.ucd, column.description)
            for name in self.builders
            for column in self.columns(name)
        ]
        names = ["table_name", "column_name", "datatype", "unit", "ucd", "description"]
        return pd.DataFrame(rows, columns=names)

    def _store(self, name: str, content: pd.DataFrame) -> None:
        """Put a table into the database."""
        columns = [self._describe(content[column]) for column in content]
        definition = ", ".join(f"[{column.name}]" for column in columns)
        schema, _, table = name.rpartition(".") if "." in name else ("", "", name)
        place = f"[{schema}].[{table}]" if schema else f"[{table}]"
        marks = ", ".join("?" for _ in columns)
        with self._connection:
            self._connection.execute(f"CREATE TABLE {place} ({definition})")
            self._connection.executemany(
                f"INSERT INTO {place} VALUES ({marks})",  # noqa: S608 (names of our own)
                zip(*(_values(content[column]) for column in content), strict=True),
            )
            for column in columns:
                if column.name.lower() in _KEYS:
                    index = f"[{table}_{column.name}]"
                    index = f"[{schema}].{index}" if schema else index
                    self._connection.execute(f"CREATE INDEX {index} ON [{table}] ([{column.name}])")
        self._columns[name] = columns

    def _describe(self, values: pd.Series) -> Column:
        """Return what is known of a column, with the type that its values have."""
        name = str(values.name)
        datatype = _DATATYPES.get(values.dtype.kind, "char")
        known = self.metadata.get(name.lower())
        if known is None:
            return Column(name, datatype)
        return Column(name, datatype, known.unit, known.ucd, known.description)


def _values(values: pd.Series) -> list[object]:
    """Return the values of a column as SQLite's own types, None where there is none."""
    plain = values.astype(object).where(values.notna(), None)
    if values.dtype.kind == "b":
        return [None if value is None else int(value) for value in plain]
    return plain.tolist()


def _datatype(values: object) -> str:
    """Return the type of a column of results that no table has."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int}:
        return "long"
    return "double" if kinds <= {int, float} else "char"


def _distinct(names: list[str]) -> list[str]:
    """Return names of which none comes again: a number is added to the second and later."""
    distinct: list[str] = []
    for name in names:
        number = sum(other.lower() == name.lower() for other in names[: len(distinct)])
        distinct.append(f"{name}_{number + 1}" if number else name)
    return distinct


def _plain(message: str) -> str:
    """Say SQLite's errors in the words of an archive."""
    message = message.replace("no such table: ", "Unknown table ")
    message = message.replace("no such column: ", "Unknown column ")
    return f"Cannot parse query: {message}"


def whole_numbers(values: pd.Series) -> pd.Series:
    """Return numbers that are whole, but were read with decimals for the sake of gaps."""
    values = pd.to_numeric(values, errors="coerce")
    return values.astype("Int64") if bool(np.all(values.dropna() % 1 == 0)) else values
