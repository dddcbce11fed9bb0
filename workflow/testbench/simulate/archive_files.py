"""The native files of the archives, byte for byte."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from metalyra.core.tables import replace_when_complete
from testbench.simulate.sky import Archive, Sky

_OGLE_FOLDER = "ogle_ocvs/ogle4/blg"
GAIA_SOLUTION = 375316653866487564
_GAIA_RELEASES = {"gaia_dr2": "Gaia DR2", "gaia_dr3": "Gaia DR3"}


def write_archives(sky: Sky, directory: Path) -> None:
    """Write the archives' native files and ``simulated/truth.csv`` below a directory.

    The layout is that of the mirror. The same sky gives the same bytes, and a file has
    its final name only once it is complete.
    """
    for path, content in archive_files(sky):
        with replace_when_complete(Path(directory) / path) as temporary:
            temporary.write_bytes(content)


def archive_files(sky: Sky) -> Iterator[tuple[str, bytes]]:
    """Give the path (relative to the directory of the sources) and content of each file."""
    yield from _ogle_files(sky.archives["ogle"])
    for survey in _GAIA_RELEASES:
        yield from _gaia_files(sky.archives[survey], survey)
    yield from _vvv_files(sky.archives["vvv"])
    yield "simulated/truth.csv", _csv(sky.truth)


def _ogle_files(archive: Archive) -> Iterator[tuple[str, bytes]]:
    """Give the files of the OGLE Collection of Variable Stars, in the README's byte columns."""
    stars = archive.stars
    ident = "".join(_ident_line(star) for star in stars.itertuples(index=False))
    yield f"{_OGLE_FOLDER}/ident.dat", ident.encode()
    for pulsation_type in ("RRab", "RRc"):
        of_type = stars[stars["pulsation_type"] == pulsation_type]
        lines = "".join(_parameter_line(star) for star in of_type.itertuples(index=False))
        yield f"{_OGLE_FOLDER}/{pulsation_type}.dat", lines.encode()
    members = {
        f"phot/I/{star_id}.dat": _text_table(curve, ("10.5f", "6.3f", "5.3f"))
        for star_id, curve in archive.light_curves.items()
    }
    yield f"{_OGLE_FOLDER}/phot.tar.gz", _tar_gz(members)


def _ident_line(star: tuple) -> str:
    hours = _sexagesimal(star.ra / 15, digits=2)
    degrees = _sexagesimal(abs(star.dec), digits=1)
    sign = "-" if star.dec < 0 else "+"
    return f"{star.star_id:<20}  {star.pulsation_type:<4}  {hours} {sign}{degrees}\n"


def _parameter_line(star: tuple) -> str:
    return (
        f"{star.star_id:<20}  {star.mean_mag:6.3f}    -    {_ogle_period(star.period)} "
        f"{star.period_err:10.8f}  {star.time_of_maximum:10.5f}  {star.amplitude:5.3f}  "
        f"{star.r21:5.3f} {star.phi21:5.3f}  {star.r31:5.3f} {star.phi31:5.3f}\n"
    )


def _ogle_period(period: float | str | None) -> str:
    """Fill the ten bytes of a period, whatever it is."""
    if isinstance(period, str):
        return f"{period:<10}"
    if period is None or np.isnan(period):
        return f"{'-':^10}"
    return f"{period:10.8f}"[:10]


def _sexagesimal(value: float, digits: int) -> str:
    """Return units, minutes and seconds, rounded without a 60 in any of them."""
    scale = 10**digits
    whole, part = divmod(round(value * 3600 * scale), scale)
    minutes, seconds = divmod(whole, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}.{part:0{digits}d}"


def _gaia_files(archive: Archive, survey: str) -> Iterator[tuple[str, bytes]]:
    """Give the answer of TAP for vari_rrlyrae and that of DataLink for its sources."""
    yield f"{survey}/vari_rrlyrae.csv.gz", pack_csv(archive.stars)
    members = {
        name_epoch_photometry(survey, source_id): _epoch_photometry(source_id, curve)
        for source_id, curve in archive.light_curves.items()
    }
    yield f"{survey}/epoch_photometry.zip", pack_zip(members)


def name_epoch_photometry(survey: str, source_id: str) -> str:
    """Return the name that a source has in the answers of DataLink."""
    return f"EPOCH_PHOTOMETRY-{_GAIA_RELEASES[survey]} {source_id}.csv"


def _epoch_photometry(source_id: str, curve: pd.DataFrame | bytes) -> bytes:
    if isinstance(curve, bytes):
        return curve
    table = curve.assign(solution_id=GAIA_SOLUTION)
    table.insert(0, "source_id", source_id)
    return _csv(table)


def _vvv_files(archive: Archive) -> Iterator[tuple[str, bytes]]:
    """Give a list of positions and light curves after the zero-point correction."""
    yield "vvv/stars.csv", _csv(archive.stars)
    formats = (".6f", *(".3f",) * 15)
    members = {
        f"{star_id}.dat": _text_table(curve, formats)
        for star_id, curve in archive.light_curves.items()
    }
    yield "vvv/light_curves.tar.gz", _tar_gz(members)


def _text_table(curve: pd.DataFrame | bytes, formats: tuple[str, ...]) -> bytes:
    """Return the columns of a light curve in their formats, separated by blanks."""
    if isinstance(curve, bytes):
        return curve
    line = " ".join(f"{{:{code}}}" for code in formats) + "\n"
    return "".join(line.format(*row) for row in curve.to_numpy().tolist()).encode()


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, lineterminator="\n").encode()


def pack_csv(table: pd.DataFrame) -> bytes:
    """Return a table as CSV, compressed without a time."""
    return gzip.compress(_csv(table), mtime=0)


def _tar_gz(members: dict[str, bytes]) -> bytes:
    """Return a compressed tar file without times or owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def pack_zip(members: Mapping[str, bytes]) -> bytes:
    """Return a zip file whose members all have the format's earliest time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
