"""The data release of Dekany & Grebel (2022): light curves folded and aligned in phase.

Star files: `inner_bulge_new_rrab.dat`, tables of a development set as CSV (``id,
period[, FeH][, fold]``), and archives of light curves of Gaia stars, for their names.
Light curves: archives or folders of `<id>_bin.dat`, phase and magnitude, whose phases from
1 on repeat the first ones.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from metalyra.core.containers import Member, is_collection, list_members, read_file, stream_members
from metalyra.surveys.formats.star_tables import merge_star_tables
from metalyra.surveys.formats.text_tables import check_columns, parse_numbers, read_text, to_degrees
from metalyra.surveys.gaia import locate_source
from metalyra.surveys.interface import MAGNITUDES, LightCurve, Survey, register

_COLUMNS = {**MAGNITUDES, "phase": float}
_FILE_NAME = re.compile(r"(?P<id>.+)_bin\.dat")
_LAST_PHASE = 2.0

_INNER_BULGE_COLUMNS = ("id", "Name", "RA", "DEC", "period")
_DEVELOPMENT_COLUMNS = ("id", "period", "FeH", "fold")
_ARCHIVE_COLUMNS = {
    "meanmag_k": "archive_mean_mag",
    "totamp_k": "archive_amplitude",
    "aper": "archive_aperture",
    "snr": "archive_snr",
    "prob": "archive_probability",
    "FeH": "archive_feh",
    "fold": "archive_fold",
}


def read_stars(paths: Sequence[Path]) -> pd.DataFrame:
    """Read star files of the release; all of its stars are RRab.

    Parameters
    ----------
    paths
        ``inner_bulge_new_rrab.dat``, where the star's name is the column `Name`; CSV
        tables ``id, period[, FeH][, fold]`` of Gaia stars; archives of Gaia light curves.

    Returns
    -------
    pandas.DataFrame
        `star_id`, `ra`, `dec` (deg), `period` (d), `pulsation_type`, `id` (names the
        star's light-curve file) and the published values as `archive_*`.

    Raises
    ------
    SurveyError
        If a column is missing or, in a CSV, unknown.
    """
    return merge_star_tables([_read_star_file(path) for path in paths])


def read_light_curves(
    paths: Sequence[Path], stars: pd.DataFrame, band: str
) -> Iterator[LightCurve]:
    """Stream folded light curves; `time` is phase times period (d).

    Parameters
    ----------
    paths
        Archives or folders of ``<id>_bin.dat``.
    stars
        The stars wanted, with their `id`.
    band
        The band of the files, ``G`` or ``Ks``.
    """
    del band  # a file does not say its band
    known = stars.drop_duplicates("id").set_index("id")
    periods = pd.to_numeric(known["period"], errors="coerce")
    for path in paths:
        for member in stream_members(path):
            match = _FILE_NAME.fullmatch(member.name)
            if match is not None and match["id"] in known.index:
                name = match["id"]
                yield _light_curve(known["star_id"].loc[name], periods.loc[name], member)


DG22 = register(
    Survey(
        name="dg22",
        title="Dékány & Grebel 2022",
        bands=("G", "Ks"),
        time_scale="phase * period",
        columns=_COLUMNS,
        read_stars=read_stars,
        read_light_curves=read_light_curves,
        archive_columns=tuple(_ARCHIVE_COLUMNS.values()),
    ),
    __name__,
)


def _read_star_file(path: Path) -> pd.DataFrame:
    if is_collection(path):
        return _list_gaia_stars(path)
    return _read_development(path) if path.suffix == ".csv" else _read_inner_bulge(path)


def _list_gaia_stars(path: Path) -> pd.DataFrame:
    """Name the Gaia stars that an archive has light curves of; their periods are unknown."""
    matches = map(_FILE_NAME.fullmatch, list_members(path))
    names = pd.Series([match["id"] for match in matches if match is not None], dtype="str")
    ra, dec = locate_source(names)
    return pd.DataFrame(
        {
            "star_id": names,
            "ra": ra,
            "dec": dec,
            "period": np.nan,
            "position_from_cell": True,
            "pulsation_type": "RRab",
            "id": names,
        }
    )


def _read_inner_bulge(path: Path) -> pd.DataFrame:
    """Read the table of the new inner-bulge stars."""
    header, _, rows = read_file(path).decode("utf-8", errors="replace").partition("\n")
    names = header.lstrip("#").split()
    check_columns(path, names, _INNER_BULGE_COLUMNS)
    table = read_text(path, rows, names=names, sep=r"\s+", quotechar='"')
    stars = pd.DataFrame(
        {
            "star_id": table["Name"],
            "ra": to_degrees(table["RA"], hours=True),
            "dec": to_degrees(table["DEC"]),
            "period": table["period"],
            "pulsation_type": "RRab",
            "id": table["id"],
        }
    )
    return _with_archive_columns(stars, table)


def _read_development(path: Path) -> pd.DataFrame:
    """Read a table of Gaia stars, whose positions are in their identifiers."""
    table = read_text(path, read_file(path))
    check_columns(path, table.columns, _DEVELOPMENT_COLUMNS[:2], _DEVELOPMENT_COLUMNS)
    ra, dec = locate_source(table["id"])
    stars = pd.DataFrame(
        {
            "star_id": table["id"],
            "ra": ra,
            "dec": dec,
            "position_from_cell": True,
            "period": table["period"],
            "pulsation_type": "RRab",
            "id": table["id"],
        }
    )
    return _with_archive_columns(stars, table)


def _with_archive_columns(stars: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Add the published values that a table has."""
    published = table[[name for name in _ARCHIVE_COLUMNS if name in table]]
    numbers: pd.DataFrame = published.apply(pd.to_numeric, errors="coerce").rename(
        columns=_ARCHIVE_COLUMNS
    )
    return pd.concat([stars, numbers], axis="columns")


def _light_curve(star_id: str, period: float, member: Member) -> LightCurve:
    """Read one folded light curve and drop its repeated points."""
    if member.data is None:
        return LightCurve(star_id, None, f"{member.path}: {member.problem}")
    try:
        numbers = parse_numbers(member.data)
        if numbers.shape[1] != 2:
            raise ValueError(f"{numbers.shape[1]} columns; the release has phase and magnitude")
        phase, mag = numbers.T
        outside = (phase < 0) | (phase >= _LAST_PHASE)
        if outside.any():
            raise ValueError(f"the phase {phase[outside][0]:g} is not in [0, {_LAST_PHASE:g})")
    except ValueError as error:
        return LightCurve(star_id, None, f"{member.path}: {error}")
    once = ~(phase >= 1.0)
    table = pd.DataFrame(
        {
            "time": phase[once] * period,
            "mag": mag[once],
            "mag_err": np.nan,
            "phase": phase[once],
        }
    )
    return LightCurve(star_id, table)
