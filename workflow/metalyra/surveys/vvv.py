"""VISTA Variables in the Via Lactea: light curves in several apertures.

Star files: lists of stars, or those of another archive (the key `listed_by` of a sample).
Light curves: `<id>_xmatch.dat`, the cross-matched photometry of the Cambridge Astronomical
Survey Unit (CASU); `<id>.dat`, the same after the zero-point correction of Hajdu et al. (2020);
answers of the archives of ESO and VSA, and tables of many stars, in any serialisation. A `.npy`
file among the light curves is the published table of these corrections (``zpcorrtable.npy`` of
github.com/idekany/correct_vvv_zp): photometry that says of which observation and detector chip
it is, CASU's and some of the VSA's, is then corrected as it is read.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from metalyra.core.arrays import Floats
from metalyra.core.containers import Member, stream_members
from metalyra.surveys.formats.serialisations import FILE_NAME
from metalyra.surveys.formats.star_tables import merge_star_tables
from metalyra.surveys.formats.text_tables import parse_numbers, read_star_list
from metalyra.surveys.formats.vvv_tables import (
    MAX_ELLIPTICITY,
    MAX_SEPARATION,
    MIN_CLASS,
    read_epochs,
)
from metalyra.surveys.formats.vvv_zero_points import APERTURES, ZeroPoints, read_zero_points
from metalyra.surveys.interface import MAGNITUDES, LightCurve, Survey, SurveyError, register

MIN_CONFIDENCE = 60
"""Lowest value of the confidence map at a detection."""

TABLE_LIMIT = 2**28
"""Largest table of light curves that is read (bytes)."""

_COLUMNS = {**MAGNITUDES, "aperture": int, "zp_err": float}
_FILE_NAME = re.compile(r"(?P<id>.+?)(?:_xmatch)?\.dat~?")

# Columns of a CASU row, counted from 0, as correct_vvv_zp.par names them.
_CASU_WIDTH = 39
_CASU_OBSERVATION, _CASU_FILTER, _CASU_CHIP = 0, 2, 3
_CASU_HJD, _CASU_SEPARATION, _CASU_ZERO_POINT_ERROR = 6, 7, 11
_CASU_MAGNITUDES = slice(20, 20 + 2 * len(APERTURES))
_CASU_CLASS, _CASU_ELLIPTICITY, _CASU_CONFIDENCE = 35, 36, 38

_CORRECTED_WIDTH = 1 + 3 * len(APERTURES)


def read_stars(paths: Sequence[Path]) -> pd.DataFrame:
    """Read lists of VVV stars.

    Parameters
    ----------
    paths
        Files for `metalyra.surveys.formats.text_tables.read_star_list`. VVV has no catalogue of
        periods and types of its own: a star without a type is taken for an RRab, and both
        come from the match where the sample has one.

    Returns
    -------
    pandas.DataFrame
        `star_id`, `ra`, `dec` (deg), `period` (d, as in the file), `pulsation_type`.
    """
    stars = merge_star_tables([read_star_list(path) for path in paths])
    return stars.assign(pulsation_type=stars["pulsation_type"].fillna("RRab"))


def read_light_curves(
    paths: Sequence[Path], stars: pd.DataFrame, band: str
) -> Iterator[LightCurve]:
    """Stream VVV light curves, one row an epoch and aperture.

    CASU rows are kept if they are of the band and pass the published quality cuts. Files
    with corrected zero points are of the Ks band.

    Parameters
    ----------
    paths
        Archives, folders or single files named ``<id>_xmatch.dat``, ``<id>.dat`` or
        ``<id>.dat~``; tables (CSV, ECSV, VOTable, FITS) of one star, by its name, or of
        many, with a column `star_id` or the archive's `sourceID`; and the table of zero-point
        corrections, if there is one. Epochs that it does not have are then dropped, as
        they were by its authors, and tables of an archive have to say of which image and chip
        their detections are (`fileName`, `camNum`).
    stars
        The stars wanted.
    band
        ``J``, ``H`` or ``Ks``.
    """
    wanted = set(stars["star_id"])
    tables = [path for path in paths if path.suffix == ".npy"]
    if len(tables) > 1:
        raise SurveyError(f"{tables[1]}: a second table of zero-point corrections")
    zero_points = read_zero_points(tables[0]) if tables else None
    for path in paths:
        if path in tables:
            continue
        for member in stream_members(path, TABLE_LIMIT):
            if FILE_NAME.fullmatch(member.name):
                yield from _table_curves(path, member, stars, band, zero_points)
                continue
            match = _FILE_NAME.fullmatch(member.name)
            if match is not None and match["id"] in wanted:
                yield _light_curve(match["id"], member, band, zero_points)


VVV = register(
    Survey(
        name="vvv",
        title="VVV",
        bands=("J", "H", "Ks"),
        time_scale="HJD-2400000",
        columns=_COLUMNS,
        read_stars=read_stars,
        read_light_curves=read_light_curves,
        by_position=True,
    ),
    __name__,
)


def _light_curve(
    star_id: str, member: Member, band: str, zero_points: ZeroPoints | None
) -> LightCurve:
    """Read one light curve of either layout."""
    try:
        return LightCurve(star_id, _read_table(member, band, zero_points))
    except ValueError as error:
        return LightCurve(star_id, None, f"{member.path}: {error}")


def _read_table(member: Member, band: str, zero_points: ZeroPoints | None) -> pd.DataFrame:
    """Read the rows of either layout, or raise ValueError."""
    if member.data is None:
        raise ValueError(member.problem)
    rows = [line.split() for line in member.data.splitlines() if line.strip()]
    widths = {len(row) for row in rows}
    if _CASU_WIDTH in widths:
        return _read_casu(rows, band, zero_points)
    if widths != {_CORRECTED_WIDTH}:
        found = ", ".join(map(str, sorted(widths))) or "no"
        raise ValueError(
            f"{found} columns; a CASU file has {_CASU_WIDTH}, one with corrected zero points "
            f"{_CORRECTED_WIDTH}"
        )
    if band != "Ks":
        raise ValueError(f"corrected zero points are for Ks, not for {band}")
    numbers = parse_numbers(member.data)
    return _by_aperture(numbers[:, 0], numbers[:, 1::3], numbers[:, 2::3], numbers[:, 3::3])


def _read_casu(rows: list[list[bytes]], band: str, zero_points: ZeroPoints | None) -> pd.DataFrame:
    """Keep the rows of a CASU file that are of the band and pass the cuts.

    A detection without photometry in some column has a shorter row; it cannot be judged
    and is dropped.
    """
    chosen = [row for row in rows if len(row) == _CASU_WIDTH and row[_CASU_FILTER] == band.encode()]
    picked = [
        _CASU_HJD,
        _CASU_ZERO_POINT_ERROR,
        _CASU_SEPARATION,
        _CASU_CLASS,
        _CASU_ELLIPTICITY,
        _CASU_CONFIDENCE,
        *range(_CASU_MAGNITUDES.start, _CASU_MAGNITUDES.stop),
    ]
    numbers = np.array([[row[i] for i in picked] for row in chosen], dtype=float)
    numbers = numbers.reshape(-1, len(picked))
    _, _, separation, morphology, ellipticity, confidence = numbers[:, :6].T
    good = (
        (separation <= MAX_SEPARATION)
        & (morphology >= MIN_CLASS)
        & (ellipticity <= MAX_ELLIPTICITY)
        & (confidence >= MIN_CONFIDENCE)
    )
    time, mag, mag_err = numbers[:, 0], numbers[:, 6::2], numbers[:, 7::2]
    zp_err = np.repeat(numbers[:, 1:2], len(APERTURES), axis=1)
    if zero_points is not None:
        observations = [row[_CASU_OBSERVATION].decode(errors="replace") for row in chosen]
        chips = [int(row[_CASU_CHIP]) for row in chosen]
        correction, zp_err, known = zero_points.find(observations, chips)
        mag, good = mag - correction, good & known
    return _by_aperture(time[good], mag[good], mag_err[good], zp_err[good])


def _table_curves(
    path: Path,
    member: Member,
    stars: pd.DataFrame,
    band: str,
    zero_points: ZeroPoints | None,
) -> Iterator[LightCurve]:
    """Read a table of the light curves of one star or of many."""
    wanted = stars.drop_duplicates("star_id").set_index("star_id")
    named = member.name.partition(".")[0]
    try:
        if member.data is None:
            raise ValueError(member.problem)
        for star_id, curve in read_epochs(
            *(member.data, wanted, band),
            star_id=named if named in wanted.index else None,
            zero_points=zero_points,
        ):
            yield LightCurve(star_id, curve)
    except (ValueError, pa.ArrowException) as error:
        if named not in wanted.index:
            raise SurveyError(f"{path}: {member.path}: {error}") from error
        yield LightCurve(named, None, f"{member.path}: {error}")


def _by_aperture(time: Floats, mag: Floats, mag_err: Floats, zp_err: Floats) -> pd.DataFrame:
    """Return one row an epoch and aperture from (epochs, apertures) arrays."""
    return pd.DataFrame(
        {
            "time": np.repeat(time, len(APERTURES)),
            "mag": mag.ravel(),
            "mag_err": mag_err.ravel(),
            "aperture": np.tile(APERTURES, len(time)),
            "zp_err": zp_err.ravel(),
        }
    )
