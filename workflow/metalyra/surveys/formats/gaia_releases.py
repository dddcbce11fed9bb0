"""The data releases of Gaia: what each calls its columns, tables and products.

``resources/gaia_releases.yaml`` has a block for each; here it is read, and its names are found
among those that a table has.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from metalyra.core.resources import RESOURCES
from metalyra.surveys.interface import SurveyError

RELEASES_FILE = RESOURCES / "gaia_releases.yaml"
"""The blocks of the releases."""

BANDS = ("G", "BP", "RP")
"""Gaia's bands."""

UNFLAGGED = "_without_flags"
"""Ends the names of releases whose flags a study chooses to go without."""

_BAND = "{band}"
_SHOWN = 40


@dataclass(frozen=True)
class Columns:
    """The columns that a table may have: for each role, its names in order of preference.

    Attributes
    ----------
    names
        By role.
    required
        The roles that must be there.
    """

    names: Mapping[str, tuple[str, ...]]
    required: frozenset[str]

    def find(self, found: Collection[str]) -> dict[str, str]:
        """Return the columns of the roles that a table has, by role.

        Parameters
        ----------
        found
            The columns that the table has, in lower case.
        """
        chosen = {
            role: next((name for name in names if name in found), None)
            for role, names in self.names.items()
        }
        return {role: name for role, name in chosen.items() if name is not None}

    def missing(self, found: Collection[str]) -> list[str]:
        """Return the required roles that a table does not have."""
        here = self.find(found)
        return [role for role in self.names if role in self.required and role not in here]

    def resolve(self, place: object, found: Collection[str]) -> dict[str, str]:
        """Return the columns of the roles that a table has, by role.

        Parameters
        ----------
        place
            The table, for the message.
        found
            The columns that it has, in lower case.

        Raises
        ------
        SurveyError
            If a required role has none, naming the role, its names, and the columns found.
        """
        if missing := self.missing(found):
            raise SurveyError(describe_missing(place, self.names, missing, found))
        return self.find(found)

    def of_band(self, band: str) -> "Columns":
        """Return the same columns with the name of a band put in."""
        names = {
            role: tuple(name.replace(_BAND, band.lower()) for name in names)
            for role, names in self.names.items()
        }
        return Columns(names, self.required)

    def all_names(self) -> set[str]:
        """Return every name, of every band."""
        return {
            name for band in BANDS for names in self.of_band(band).names.values() for name in names
        }


@dataclass(frozen=True)
class Table:
    """A table of a release.

    Attributes
    ----------
    name
        Without its schema.
    columns
        Of the table.
    """

    name: str
    columns: Columns


@dataclass(frozen=True)
class Flags:
    """Where it is said which transits the archive's variability analysis used.

    Attributes
    ----------
    where
        ``column`` of the epoch photometry, or ``product`` of its own.
    marks
        What a raised flag says of a transit: ``used`` or ``rejected``.
    names
        Of the column, in order of preference, with ``{band}``.
    retrieval_type
        The product at the DataLink service, which is in the names of its files.
    """

    where: str
    marks: str
    names: tuple[str, ...]
    retrieval_type: str = ""

    @property
    def columns(self) -> Columns:
        """The columns of the product."""
        names = {"source_id": ("source_id",), "transit_id": ("transit_id",), "flag": self.names}
        return Columns(names, frozenset(names))

    def find(self, found: Collection[str], band: str) -> str | None:
        """Return the column of a band's flags, if a table has it."""
        names = (name.replace(_BAND, band.lower()) for name in self.names)
        return next((name for name in names if name in found), None)


@dataclass(frozen=True)
class Release:
    """A data release.

    Attributes
    ----------
    survey
        Its name in the configuration.
    schema, data_release
        Its names at the TAP and at the DataLink service.
    ref_epoch
        Epoch (Julian year) of its positions.
    rows
        Stars in its table of RR Lyrae stars, about.
    stars, sources, fallbacks, neighbours
        Its tables: RR Lyrae stars, sources, what the table of sources has not, and the
        crosswalk from the release before.
    points, transits
        Columns of the epoch photometry, where a row is a point and where it is a transit or a
        source.
    flags
        Where the flags of its transits are, in order of preference; of a release whose
        transits are all taken, nothing.
    structures
        Words for one file a source at the DataLink service, in the order they are tried.
    digest
        Of all this.
    """

    survey: str
    schema: str
    data_release: str
    ref_epoch: float
    rows: int
    stars: Table
    sources: Table
    fallbacks: tuple[Table, ...]
    neighbours: Table | None
    points: Columns
    transits: Columns
    flags: tuple[Flags, ...]
    structures: tuple[str, ...]
    digest: str

    @cached_property
    def transits_by_band(self) -> Mapping[str, Columns]:
        """Columns of each band where a row is a transit or a source."""
        return {band: self.transits.of_band(band) for band in BANDS}

    @cached_property
    def epoch_names(self) -> frozenset[str]:
        """Every column of the epoch photometry that may be read, the flags included."""
        flags = {str(number): flags.names for number, flags in enumerate(self.flags)}
        parts = (self.points, self.transits, Columns(flags, frozenset()))
        return frozenset().union(*(part.all_names() for part in parts))

    @property
    def flag_product(self) -> Flags | None:
        """The flags that are a product of their own, if there may be such."""
        return next((flags for flags in self.flags if flags.where == "product"), None)


def describe_missing(
    place: object,
    names: Mapping[str, tuple[str, ...]],
    missing: Collection[str],
    found: Collection[str],
) -> str:
    """Return the message that a table lacks roles: their names, and the columns it has."""
    roles = "; ".join(f"{role} ({' or '.join(names[role])})" for role in missing)
    columns = [*found]
    shown = ", ".join(columns[:_SHOWN]) + (", ..." if len(columns) > _SHOWN else "")
    return f"{place}: no column for {roles}; its columns: {shown or 'none'}"


def read_blocks(path: Path = RELEASES_FILE) -> dict[str, dict[str, Any]]:
    """Read the blocks of the releases, as they stand there."""
    blocks: dict[str, dict[str, Any]] = yaml.load(path.read_text(), yaml.CSafeLoader)
    return blocks


def read_releases(path: Path = RELEASES_FILE) -> dict[str, Release]:
    """Read the releases, by their name in the configuration.

    A release whose flags may be a product of their own is there a second time without them,
    for studies that choose to go on if that product is not to be had.

    Raises
    ------
    SurveyError
        If a block lacks a key or a role is misspelt, naming the release.
    """
    releases = {}
    for survey, block in read_blocks(path).items():
        try:
            releases[survey] = release = _read_release(survey, block)
        except (KeyError, TypeError, ValueError) as error:
            raise SurveyError(f"{path}: the release {survey}: {error!r}") from error
        if release.flag_product is not None:
            name = survey + UNFLAGGED
            releases[name] = replace(release, survey=name, flags=())
    return releases


def _read_release(survey: str, block: Mapping[str, Any]) -> Release:
    text = json.dumps(block, sort_keys=True, default=str)
    epochs, neighbours = block["epochs"], block["neighbours"]
    return Release(
        survey=survey,
        schema=block["schema"],
        data_release=block["data_release"],
        ref_epoch=float(block["ref_epoch"]),
        rows=int(block["rows"]),
        stars=_read_table(block["stars"]),
        sources=_read_table(block["sources"]),
        fallbacks=tuple(map(_read_table, block["fallbacks"])),
        neighbours=None if neighbours is None else _read_table(neighbours),
        points=_read_columns(epochs["points"]),
        transits=_read_columns(epochs["transits"]),
        flags=tuple(_read_flags(flags) for flags in block["flags"]),
        structures=tuple(block["structures"]),
        digest=hashlib.sha256(text.encode()).hexdigest()[:12],
    )


def _read_table(block: Mapping[str, Any]) -> Table:
    return Table(block["table"], _read_columns(block))


def _read_columns(block: Mapping[str, Any]) -> Columns:
    names = {
        role: tuple(str(name).lower() for name in names) for role, names in block["columns"].items()
    }
    required = frozenset(block["required"])
    if strange := required - {*names}:
        raise ValueError(f"the required role {min(strange)!r} has no names")
    return Columns(names, required)


def _read_flags(block: Mapping[str, Any]) -> Flags:
    for key, allowed in (("where", ("column", "product")), ("marks", ("used", "rejected"))):
        if block[key] not in allowed:
            raise ValueError(f"flags: {key} is {block[key]!r}; it is {' or '.join(allowed)}")
    return Flags(
        where=block["where"],
        marks=block["marks"],
        names=tuple(str(name).lower() for name in block["names"]),
        retrieval_type=block.get("retrieval_type", ""),
    )
