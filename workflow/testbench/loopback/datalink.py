"""The Gaia archive's DataLink service: the epoch photometry of named sources."""

import io
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pandas as pd

from metalyra.core.containers import Member, stream_members
from testbench.loopback.formats import (
    error_votable,
    find_format,
    send_table,
    write_table,
    write_votable,
)
from testbench.loopback.messages import Reply, Request, html_page, not_found
from testbench.loopback.tables import Column, Table

FLUX_UNIT = "'electron'.s**-1"
"""As the archive writes it; no standard has this unit."""

LAYOUTS = ("bands", "transits")
"""One row a transit and band, as DR2 and DR3 were published; or one row a transit, as now."""

VOCABULARIES: Mapping[str, Mapping[str, str]] = {
    "old": {"INDIVIDUAL": "INDIVIDUAL", "COMBINED": "COMBINED", "RAW": "RAW"},
    "new": {"DATAMODEL_STANDARD": "INDIVIDUAL", "DATAMODEL_GAIA": "RAW"},
}
"""Words for the structure of the data, until 2026 and since, in the old ones."""

FOURTH = "Gaia DR4"
DR4_MODES = ("as_dr3", "draft", "draft_with_flags_of_dr3")
"""Columns of DR4: those of DR3; those of the draft, with the flags as a product; or with DR3's."""

_USED = "EPOCH_FLAGS_VARI"

_RELEASES = {"Gaia DR2": "gaia_dr2", "Gaia DR3": "gaia_dr3", "Gaia DR4": "gaia_dr4"}
_MEMBER = re.compile(r"(\d{10,20})\.csv$")
_UNITS = {"time": "d", "mag": "mag", "flux": FLUX_UNIT, "flux_error": FLUX_UNIT}
_TYPES = {
    "solution_id": "long",
    "source_id": "long",
    "transit_id": "long",
    "other_flags": "long",
    "band": "char",
    "rejected_by_photometry": "boolean",
    "rejected_by_variability": "boolean",
}
_READERS: dict[str, Callable[[str], object]] = {
    "long": int,
    "double": float,
    "boolean": lambda word: {"true": True, "false": False}[word.lower()],
    "char": str,
}
_SUFFIXES = {"csv": "csv", "ecsv": "ecsv", "fits": "fits", "json": "json"}
_BAND_NAMES = {"G": "g_transit", "BP": "bp", "RP": "rp"}
_QUANTITIES = ("time", "flux", "flux_error", "flux_over_error", "mag")


class EpochPhotometry:
    """Serves light curves as the archive's data server does.

    Parameters
    ----------
    folder
        Laid out as the mirror.
    id_limit
        Most sources of a request; the archive has 5000.
    layout
        One of `LAYOUTS`.
    vocabulary
        One of `VOCABULARIES`; to the words of another, the archive answers 500.
    dr4
        One of `DR4_MODES`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        id_limit: int,
        layout: str,
        vocabulary: str = "old",
        dr4: str = "as_dr3",
    ) -> None:
        self._structures = VOCABULARIES[vocabulary]
        self._dr4 = dr4
        self._folder = folder
        self._id_limit = id_limit
        self._layout = layout
        self._products = cache(self._find_products)

    def reply(self, request: Request) -> Reply:
        """Answer a request for data or for links to them."""
        parameters = request.parameters
        release = parameters.get("RELEASE", "Gaia DR3")
        identifiers = re.findall(r"(?:(Gaia DR\d) )?(\d+)(?:,|$)", parameters.get("ID", ""))
        if not identifiers:
            return error_votable("Missing or wrong parameter ID")
        if len(identifiers) > self._id_limit:
            return error_votable(
                f"The number of identifiers, {len(identifiers)}, is above the limit of "
                f"{self._id_limit}"
            )
        sources = [(named or release, source) for named, source in identifiers]
        if request.path.endswith("/links"):
            return self._links(sources, request.origin)
        if request.path.endswith("/data"):
            return self._data(sources, release, parameters)
        return not_found(request.path)

    def sources(self, release: str) -> list[int]:
        """Return the sources of a release that have light curves."""
        return [int(source) for source in self._products(release)]

    def _find_products(self, release: str) -> dict[str, Path]:
        """Return the zip file that has the light curve of each source."""
        folder = self._folder / _RELEASES.get(release, "-")
        paths = sorted([*folder.glob("epoch_photometry*.zip"), *folder.glob("epoch_*/*.zip")])
        products = {}
        for path in paths:
            with zipfile.ZipFile(path) as container:
                for name in container.namelist():
                    if match := _MEMBER.search(name):
                        products[match[1]] = path
        return products

    def _data(
        self, sources: Sequence[tuple[str, str]], release: str, parameters: dict[str, str]
    ) -> Reply:
        """Return the products of sources; a source that has none has no part in the reply."""
        name = find_format(parameters.get("FORMAT", "votable"))
        asked = parameters.get("DATA_STRUCTURE", next(iter(self._structures))).upper()
        structure = self._structures.get(asked)
        kind = parameters.get("RETRIEVAL_TYPE", "ALL").upper()
        if name is None:
            return error_votable(f"Unknown format: {parameters}")
        known = structure is not None and (kind != _USED or self._has_flag_product(release))
        if not known or not self._has(release):
            # So does the real archive, and it does not say why.
            return html_page("HTTP Status 500", "Internal Server Error", 500)
        if kind not in ("ALL", "EPOCH_PHOTOMETRY", _USED):
            return Reply(200, _zip({}), {"Content-Type": "application/zip"})
        members = self._read(sources)
        if kind == _USED:
            tables = {key: _as_flags(curve) for key, curve in self._curves(members).items()}
            files = _write_files(_USED, tables, name, structure)
        elif release == FOURTH and self._dr4 != "as_dr3":
            curves = self._curves(members)
            tables = {key: self._as_draft(curve) for key, curve in curves.items()}
            files = _write_files("EPOCH_PHOTOMETRY", tables, name, structure)
        else:
            files = self._write_members(members, parameters, name, structure)
        if len(files) == 1 and parameters.get("USE_ZIP_ALWAYS", "false").lower() != "true":
            return Reply(200, *files.values(), {"Content-Type": "application/octet-stream"})
        return Reply(200, _zip(files), {"Content-Type": "application/zip"})

    def _has(self, release: str) -> bool:
        return (self._folder / _RELEASES.get(release, "-")).is_dir()

    def _has_flag_product(self, release: str) -> bool:
        return release == FOURTH and self._dr4 == "draft"

    def _curves(self, members: Mapping[tuple[str, str], Member]) -> dict[tuple[str, str], Table]:
        """Return the light curves that can be read."""
        curves = ((key, _parse(member, False)) for key, member in members.items())
        return {key: curve for key, curve in curves if curve is not None and curve.rows}

    def _as_draft(self, curve: Table) -> Table:
        """Return a light curve in the columns of the draft of DR4, one row a transit."""
        table, _ = _by_transit(curve)
        names = [column.name for column in table.columns]
        kept = [
            number
            for number, name in enumerate(names)
            if ("flag" not in name and not name.startswith("rejected"))
            or (self._dr4 == "draft_with_flags_of_dr3" and name.startswith("variability_flag"))
        ]
        source = curve.rows[0][[column.name for column in curve.columns].index("source_id")]
        new = {"g_transit_time": "g_obs_time"}
        renamed = [
            replace(column, name=new.get(name, name.replace("g_transit", "g")))
            for name, column in zip(names, table.columns, strict=True)
        ]
        columns = [Column("source_id", "long"), *(renamed[number] for number in kept)]
        rows = [(source, *(row[number] for number in kept)) for row in table.rows]
        return Table(columns, rows)

    def _write_members(
        self,
        members: Mapping[tuple[str, str], Member],
        parameters: Mapping[str, str],
        name: str,
        structure: str,
    ) -> dict[str, bytes]:
        """Return the files of a reply, in the columns of DR2 and DR3."""
        valid = parameters.get("VALID_DATA", "false").lower() == "true"
        suffix = _SUFFIXES.get(name, "xml")
        files: dict[str, bytes] = {}
        if structure == "INDIVIDUAL":
            for (of, source), member in members.items():
                content = self._individual(member, name, valid)
                files[f"EPOCH_PHOTOMETRY-{of} {source}.{suffix}"] = content
        elif members:
            curves = [curve for member in members.values() if (curve := _parse(member, valid))]
            table = _combine(curves) if structure == "COMBINED" else _as_raw(curves)
            files[f"EPOCH_PHOTOMETRY_{structure}.{suffix}"] = write_table(table, name)
        return files

    def _read(self, sources: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Member]:
        """Read the light curves of sources, in the order asked for."""
        wanted: dict[Path, dict[str, str]] = {}
        for release, source in sources:
            path = self._products(release).get(source)
            if path is not None:
                wanted.setdefault(path, {})[source] = release
        found = {}
        for path, releases in wanted.items():
            for member in stream_members(path):
                match = _MEMBER.search(member.name)
                if match and match[1] in releases:
                    found[releases[match[1]], match[1]] = member
        return {source: found[source] for source in sources if source in found}

    def _individual(self, member: Member, name: str, valid: bool) -> bytes:
        """Return one light curve; what cannot be read goes out as it is."""
        if name == "csv" and self._layout == "bands" and not valid:
            return member.data
        curve = _parse(member, valid)
        if curve is None:
            return member.data
        if self._layout == "bands":
            return write_table(curve, name)
        by_transit, parameters = _by_transit(curve)
        if name.startswith("votable"):
            return write_votable(by_transit, binary=name == "votable", parameters=parameters)
        return write_table(by_transit, name)

    def _links(self, sources: Sequence[tuple[str, str]], origin: str) -> Reply:
        columns = [
            Column(name, "char")
            for name in ("ID", "access_url", "service_def", "error_message", "semantics")
        ]
        address = f"{origin}/gaia/data-server/data?RETRIEVAL_TYPE=EPOCH_PHOTOMETRY&ID="
        rows = [
            (f"{release} {source}", f"{address}{release} {source}", None, None, "#this")
            for release, source in sources
            if source in self._products(release)
        ]
        return send_table(Table(columns, rows), "votable_plain", "links")


def read_epochs(folder: Path, release: str) -> pd.DataFrame:
    """Return all light curves of a release as one table, for services that have such a table."""
    photometry = EpochPhotometry(folder, id_limit=0, layout="bands")
    paths = dict.fromkeys(photometry._find_products(release).values())
    curves = [
        curve
        for path in paths
        for member in stream_members(path)
        if (curve := _parse(member, False)) is not None
    ]
    if not curves:
        return pd.DataFrame(columns=["source_id", "transit_id", "band", "time", "mag"])
    table = _combine(curves)
    names = [column.name for column in table.columns]
    return pd.DataFrame(table.rows, columns=names)


def _parse(member: Member, valid: bool) -> Table | None:
    """Return a light curve, one row a transit and band; None if it cannot be read."""
    try:
        frame = pd.read_csv(io.BytesIO(member.data), dtype=str, keep_default_na=False)
        columns = [Column(name, _TYPES.get(name, "double"), _UNITS.get(name, "")) for name in frame]
        values = [_convert(frame[column.name], column.datatype) for column in columns]
    except (ValueError, KeyError, UnicodeDecodeError):
        return None
    rows = list(zip(*values, strict=True))
    if valid:
        flux, rejected = (
            frame.columns.get_loc(name) for name in ("flux", "rejected_by_photometry")
        )
        rows = [row for row in rows if row[flux] is not None and not row[rejected]]
    return Table(columns, rows)


def _convert(values: pd.Series, datatype: str) -> list[object]:
    read = _READERS[datatype]
    return [None if word in ("", "null", "NaN") else read(word) for word in values]


def _combine(curves: Sequence[Table]) -> Table:
    return replace(curves[0], rows=[row for curve in curves for row in curve.rows])


def _bands(curve: Table) -> dict[object, dict[str, dict[str, object]]]:
    """Return the rows of a light curve by transit and band."""
    names = [column.name for column in curve.columns]
    transits: dict[object, dict[str, dict[str, object]]] = {}
    for row in curve.rows:
        entry = dict(zip(names, row, strict=True))
        transits.setdefault(entry["transit_id"], {})[entry["band"]] = entry
    return transits


def _by_transit(curve: Table) -> tuple[Table, str]:
    """Return a light curve with one row a transit, and the parameters that name its source."""
    columns = [Column("transit_id", "long"), *_band_columns()]
    rejections = [
        Column(f"variability_flag_{band.lower()}_reject", "boolean") for band in _BAND_NAMES
    ]
    flags = [Column(f"{band.lower()}_other_flags", "long") for band in _BAND_NAMES]
    rows = []
    for transit, bands in _bands(curve).items():
        entries = [bands.get(band, {}) for band in _BAND_NAMES]
        rows.append(
            (
                transit,
                *(entry.get(quantity) for entry in entries for quantity in _QUANTITIES),
                *(entry.get("rejected_by_variability") for entry in entries),
                *(entry.get("other_flags") for entry in entries),
                any(entry.get("rejected_by_photometry") for entry in entries),
            )
        )
    columns += [*rejections, *flags, Column("rejected_by_photometry", "boolean")]
    first = dict(zip((column.name for column in curve.columns), curve.rows[0], strict=True))
    parameters = "".join(
        f'<PARAM name="{name}" datatype="long" value="{first[name]}"/>\n'
        for name in ("solution_id", "source_id")
    )
    return Table(columns, rows), parameters


def _as_flags(curve: Table) -> Table:
    """Return the flags of a light curve, one row a transit: which of its points were used."""
    columns = [Column("source_id", "long"), Column("transit_id", "long")]
    columns += [Column(f"{band.lower()}_used", "boolean") for band in _BAND_NAMES]
    rows = []
    for transit, bands in _bands(curve).items():
        source = next(iter(bands.values()))["source_id"]
        rejected = [bands.get(band, {}).get("rejected_by_variability") for band in _BAND_NAMES]
        observed = [bands.get(band, {}).get("time") is not None for band in _BAND_NAMES]
        used = [seen and not reject for seen, reject in zip(observed, rejected, strict=True)]
        rows.append((source, transit, *used))
    return Table(columns, rows)


def _write_files(
    kind: str, tables: Mapping[tuple[str, str], Table], name: str, structure: str
) -> dict[str, bytes]:
    """Return the files of a product of DR4: one a source, or one of all."""
    suffix = _SUFFIXES.get(name, "xml")
    if structure == "INDIVIDUAL":
        return {
            f"{kind}-{release} {source}.{suffix}": write_table(table, name)
            for (release, source), table in tables.items()
        }
    if not tables:
        return {}
    return {f"{kind}_{structure}.{suffix}": write_table(_as_arrays([*tables.values()]), name)}


def _as_arrays(tables: Sequence[Table]) -> Table:
    """Return one row a source, whose values but the first are arrays."""
    first, *others = tables[0].columns
    columns = [first, *(replace(column, is_array=True) for column in others)]
    rows = []
    for table in tables:
        (source, *_), *arrays = map(list, zip(*table.rows, strict=True))
        rows.append((source, *arrays))
    return Table(columns, rows)


def _as_raw(curves: Sequence[Table]) -> Table:
    """Return light curves with one row a source, whose values are arrays."""
    quantities = [replace(column, is_array=True) for column in _band_columns()]
    columns = [
        Column("solution_id", "long"),
        Column("source_id", "long"),
        Column("n_transits", "long"),
        Column("transit_id", "long", is_array=True),
        *quantities,
        *(
            Column(f"variability_flag_{band.lower()}_reject", "boolean", is_array=True)
            for band in _BAND_NAMES
        ),
    ]
    rows = []
    for curve in curves:
        first = dict(zip((column.name for column in curve.columns), curve.rows[0], strict=True))
        transits = _bands(curve)
        series = [
            [bands.get(band, {}).get(quantity) for bands in transits.values()]
            for band in _BAND_NAMES
            for quantity in (*_QUANTITIES, "rejected_by_variability")
        ]
        width = len(_QUANTITIES) + 1
        values = [item for number, item in enumerate(series) if number % width != width - 1]
        flags = series[width - 1 :: width]
        rows.append(
            (first["solution_id"], first["source_id"], len(transits), [*transits], *values, *flags)
        )
    return Table(columns, rows)


def _band_columns() -> list[Column]:
    """Return the columns of the bands: ``g_transit_time``, ``bp_obs_time``, ``bp_flux``, ..."""
    return [
        Column(
            f"{prefix}_obs_time" if quantity == "time" and band != "G" else f"{prefix}_{quantity}",
            "double",
            _UNITS.get(quantity, ""),
        )
        for band, prefix in _BAND_NAMES.items()
        for quantity in _QUANTITIES
    ]


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as container:
        for name, content in files.items():
            container.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
