"""The ReadMe of a study's tables, as the Centre de Données de Strasbourg writes them.

See its "Standard Description for Astronomical Catalogues": a summary of the files, and a
description of each, byte by byte.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from metalyra.core.tables import describe
from metalyra.products.paper_tables.writing import Field, lay_out_fields

_WIDTH = 80
_RULE = "-" * _WIDTH
_DOUBLE_RULE = "=" * _WIDTH


@dataclass(frozen=True)
class WrittenTable:
    """A table that a ReadMe describes.

    Attributes
    ----------
    title
        What it is.
    values
        As they are written, all of them text, and empty where one is missing.
    notes
        What its readers have to know.
    """

    title: str
    values: pd.DataFrame
    notes: Sequence[str] = ()


def describe_tables(study: str, version: str, tables: Mapping[str, WrittenTable]) -> str:
    """Return the ReadMe of tables.

    Parameters
    ----------
    study
        Name of the study that made them.
    version
        Of MetaLyra.
    tables
        By the names of their files, without suffix.

    Returns
    -------
    str
        Lines of at most 80 letters, but where the name of a column is long.
    """
    about = (
        f"Tables of the study {study}, made by MetaLyra {version}. Each is there in columns of "
        "fixed width (.dat), which are described here, with the same values as CSV (.csv) with a "
        "header, and as VOTable (.vot) with units and UCDs. Metallicities are [Fe/H] in dex, "
        "magnitudes increase towards the faint, phases are in radians."
    )
    parts = [
        f"{study}: Metallicities of RR Lyrae stars (MetaLyra {version})",
        _DOUBLE_RULE,
        "Keywords: Stars, variable ; Abundances, [Fe/H] ; Photometry",
        "",
        "Description:",
        *_wrap(about, "    "),
        "",
        "File Summary:",
        _RULE,
        f" {'FileName':<28} {'Lrecl':>5}  {'Records':>7}   Explanations",
        _RULE,
        f"{'ReadMe':<29} {_WIDTH:>5}  {'.':>7}   This file",
        *(line for name, table in tables.items() for line in _summarise(name, table)),
        _RULE,
        "",
        *(line for name, table in tables.items() for line in _describe_bytes(name, table)),
        _DOUBLE_RULE,
        f"(End){'MetaLyra ' + version:>{_WIDTH - 5}}",
    ]
    return "".join(f"{line.rstrip()}\n" for line in parts)


def _summarise(name: str, table: WrittenTable) -> list[str]:
    fields = lay_out_fields(table.values)
    length = fields[-1].last if fields else 0
    start = f"{name + '.dat':<29} {length:>5}  {len(table.values):>7}   "
    return _wrap(table.title or name, " " * len(start), start)


def _describe_bytes(name: str, table: WrittenTable) -> list[str]:
    lines = [
        f"Byte-by-byte Description of file: {name}.dat",
        _RULE,
        "   Bytes Format Units   Label                 Explanations",
        _RULE,
    ]
    for field in lay_out_fields(table.values):
        lines += _describe_field(field)
    lines.append(_RULE)
    for number, note in enumerate(table.notes, start=1):
        start = f"Note ({number}): "
        lines += _wrap(note, "    ", start)
    return [*lines, *([_RULE] if table.notes else []), ""]


def _describe_field(field: Field) -> list[str]:
    column = describe(field.name)
    place = f"{field.first:4d}-{field.last:4d}" if field.last > field.first else f"{field.last:9d}"
    start = f"{place} {field.format:<6} {column.unit or '---':<7} {field.name:<21} "
    text = ("? " if field.has_gaps else "") + column.description
    return _wrap(text, " " * len(start), start)


def _wrap(text: str, indent: str, start: str | None = None) -> list[str]:
    """Return the lines of a text; a first part too long for the line stands alone before it."""
    start = indent if start is None else start
    if len(start) > _WIDTH - 20:
        indent = " " * 48
    return textwrap.wrap(
        text,
        max(_WIDTH, len(start) + 24),
        initial_indent=start,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
