"""Gaia: RR Lyrae stars in the G, BP and RP bands, of every data release with light curves.

Star files: answers of the archive's TAP service for `vari_rrlyrae`, joined with
`gaia_source` or not, answers for `gaia_source` alone, and lists of catalogued periods by
`source_id`. Light curves: the archive's DataLink products and answers of other services,
in zip files, folders or alone. CSV, ECSV, VOTable and FITS are the same.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from metalyra.core.containers import Member, is_collection, list_members, read_file, stream_members
from metalyra.surveys.formats.gaia_epochs import (
    EpochColumns,
    PointColumns,
    list_sources,
    read_epochs,
)
from metalyra.surveys.formats.serialisations import FILE_NAME, read_text_columns
from metalyra.surveys.formats.star_tables import merge_star_tables, to_sine_series
from metalyra.surveys.formats.text_tables import check_columns
from metalyra.surveys.interface import MAGNITUDES, LightCurve, Survey, SurveyError, register

logger = logging.getLogger(__name__)

PRODUCT_LIMIT = 2**28
"""Largest file of light curves (bytes); one of 5,000 sources has a tenth of it."""

_CELLS_A_SIDE = 2**12
_CELL_BITS = 35


@dataclass(frozen=True)
class Release:
    """What tells one data release from another: names of columns, and how it is used.

    Attributes
    ----------
    survey
        Name in the configuration.
    ref_epoch
        Epoch (Julian year) of its positions.
    use_flags
        Drop the transits that the archive's variability analysis rejected.
    source_columns
        Our names of the columns of `gaia_source`, by the archive's.
    fundamental_period, first_overtone_period, pulsation_type
        Columns of `vari_rrlyrae`.
    parameter_columns
        Our names of its other columns, by the archive's.
    epochs
        Columns of the epoch photometry.
    """

    survey: str
    ref_epoch: float
    use_flags: bool
    source_columns: Mapping[str, str]
    fundamental_period: str
    first_overtone_period: str
    pulsation_type: str
    parameter_columns: Mapping[str, str]
    epochs: EpochColumns


DR3 = Release(
    survey="gaia_dr3",
    ref_epoch=2016.0,
    use_flags=True,
    source_columns={
        "ra": "ra",
        "dec": "dec",
        "pmra": "pmra",
        "pmdec": "pmdec",
        "ref_epoch": "ref_epoch",
        "phot_g_mean_mag": "phot_g_mean_mag",
        "phot_bp_mean_mag": "phot_bp_mean_mag",
        "phot_rp_mean_mag": "phot_rp_mean_mag",
    },
    fundamental_period="pf",
    first_overtone_period="p1_o",
    pulsation_type="best_classification",
    parameter_columns={
        "pf_error": "archive_period_err",
        "p1_o_error": "archive_first_overtone_period_err",
        "epoch_g": "archive_time_of_maximum",
        "int_average_g": "archive_mean_mag",
        "peak_to_peak_g": "archive_amplitude",
        "r21_g": "archive_r21",
        "r31_g": "archive_r31",
        "phi21_g": "archive_phi21",
        "phi21_g_error": "archive_phi21_err",
        "phi31_g": "archive_phi31",
        "phi31_g_error": "archive_phi31_err",
        "num_clean_epochs_g": "archive_n_epochs",
        "metallicity": "archive_feh",
        "metallicity_error": "archive_feh_err",
    },
    epochs=EpochColumns(
        source_id="source_id",
        band="band",
        points=PointColumns("time", "mag", "flux_over_error", "rejected_by_variability"),
        by_band={
            "G": PointColumns(
                "g_transit_time",
                "g_transit_mag",
                "g_transit_flux_over_error",
                "variability_flag_g_reject",
            ),
            "BP": PointColumns(
                "bp_obs_time", "bp_mag", "bp_flux_over_error", "variability_flag_bp_reject"
            ),
            "RP": PointColumns(
                "rp_obs_time", "rp_mag", "rp_flux_over_error", "variability_flag_rp_reject"
            ),
        },
    ),
)

# Dekany & Grebel (2022) took the DR2 light curves without their flags.
DR2 = replace(DR3, survey="gaia_dr2", ref_epoch=2015.5, use_flags=False)

DR4 = replace(DR3, survey="gaia_dr4", ref_epoch=2017.5)
"""With the names of DR3, until the archive has published those of DR4."""

RELEASES = (DR2, DR3, DR4)

_PERIOD_COLUMNS = ("source_id", "ogle_id", "ogle_period", "ogle_type")
_SOURCE_ID = re.compile(r"(\d{5,19})")


def locate_source(source_id: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the centres of the HEALPix cells (level 12, about 50 arcsec) of sources.

    A `source_id` holds the nested cell of its position in its bits above the 35th.

    Returns
    -------
    ra, dec : ndarray
        ICRS (deg).
    """
    from astropy import units

    ra, dec = _cells().healpix_to_lonlat(cell_of_source(source_id))
    return ra.to_value(units.deg), dec.to_value(units.deg)


def cell_of_source(source_id: pd.Series) -> np.ndarray:
    """Return the nested HEALPix cells (level 12) that sources are in."""
    cell: np.ndarray = source_id.astype("int64").to_numpy() >> _CELL_BITS
    return cell


def cell_of_position(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return the nested HEALPix cells (level 12) of positions (deg, ICRS)."""
    from astropy import units

    cell: np.ndarray = _cells().lonlat_to_healpix(ra * units.deg, dec * units.deg)
    return cell


def _cells() -> Any:
    from astropy_healpix import HEALPix

    return HEALPix(nside=_CELLS_A_SIDE, order="nested")


def read_stars(paths: Sequence[Path], release: Release) -> pd.DataFrame:
    """Read Gaia star files.

    Parameters
    ----------
    paths
        Tables in CSV, ECSV, VOTable or FITS, compressed with gzip or not: `vari_rrlyrae`
        (source_id, periods and type, and any others of its columns and of those of
        `gaia_source` that it was joined with), catalogued periods (``source_id, ogle_id,
        ogle_period, ogle_type``), and `gaia_source`, which says where the stars of the
        others are and, if it is the only one, which there are. What an earlier file says
        of a star goes. Archives or folders of light curves name stars without a period.
    release
        Names of the columns.

    Returns
    -------
    pandas.DataFrame
        `star_id` (the source_id), `ra`, `dec` (deg; the centre of the star's HEALPix cell
        where no file has them, and then `position_from_cell` is true), `period` (d, as in
        the file: the fundamental one for RRab, the first overtone's for others),
        `pulsation_type`, `ref_epoch` (Julian year; that of the release where no file has
        it), the position's `pmra`, `pmdec` (mas/yr) and mean magnitudes if known, and the
        archive's own parameters,
        `archive_phi31` (rad) converted to the sine series.

    Raises
    ------
    SurveyError
        If a file is no table, a column is missing or a source_id is none.
    """
    chosen, described = [], []
    for path in paths:
        if is_collection(path):
            chosen.append(_list_stars(path, release))
            continue
        table = _read_table(path)
        if release.pulsation_type not in table and set(table) & {"ra", "dec"}:
            described.append(_read_sources(path, table, release))
        else:
            chosen.append(_read_star_file(path, table, release))
    stars = merge_star_tables(chosen, described) if chosen else merge_star_tables(described)
    for column, missing in (("period", np.nan), ("pulsation_type", "unknown")):
        if column not in stars:
            stars[column] = missing
    cells = stars["ra"].isna() | stars["dec"].isna()
    ra, dec = locate_source(stars["star_id"])
    stars["ra"] = stars["ra"].mask(cells, ra)
    stars["dec"] = stars["dec"].mask(cells, dec)
    stars["position_from_cell"] = cells
    if "ref_epoch" not in stars:
        stars["ref_epoch"] = np.nan
    stars["ref_epoch"] = stars["ref_epoch"].fillna(release.ref_epoch)
    return to_sine_series(stars)


def read_light_curves(
    paths: Sequence[Path], stars: pd.DataFrame, band: str, release: Release
) -> Iterator[LightCurve]:
    """Stream Gaia epoch photometry.

    Parameters
    ----------
    paths
        Zip or tar archives, folders, or single files, in any layout and serialisation of
        `metalyra.surveys.formats.gaia_epochs`. Stars are known by what is in a file, and
        by its name only if nothing in it says which it is.
    stars
        The stars wanted.
    band
        ``G``, ``BP`` or ``RP``.
    release
        Names of the columns, and whether transits that the archive's variability analysis
        rejected are dropped, as it did for the parameters of `vari_rrlyrae`.
    """
    wanted = set(stars["star_id"])
    for path in paths:
        for member in stream_members(path, PRODUCT_LIMIT):
            if FILE_NAME.fullmatch(member.name):
                yield from _light_curves(member, wanted, band, release)


def _survey(release: Release) -> Survey:
    return Survey(
        name=release.survey,
        bands=tuple(release.epochs.by_band),
        time_scale="BJD-2455197.5 (TCB)",
        columns=MAGNITUDES,
        read_stars=partial(read_stars, release=release),
        read_light_curves=partial(read_light_curves, release=release),
        archive_columns=tuple(release.parameter_columns.values()),
    )


GAIA: tuple[Survey, ...] = tuple(register(_survey(release), __name__) for release in RELEASES)
"""One survey for each data release."""


def _read_table(path: Path) -> pd.DataFrame:
    try:
        return read_text_columns(path, read_file(path))
    except SurveyError:
        raise
    except ValueError as error:
        raise SurveyError(f"{path}: {error}") from error


def _read_star_file(path: Path, table: pd.DataFrame, release: Release) -> pd.DataFrame:
    """Read catalogued periods, or the archive's table of RR Lyrae stars."""
    if "ogle_period" in table:
        check_columns(path, table.columns, _PERIOD_COLUMNS)
        stars = pd.DataFrame(
            {
                "period": table["ogle_period"],
                "pulsation_type": table["ogle_type"],
                "ogle_id": table["ogle_id"],
            }
        )
    else:
        fundamental, overtone = release.fundamental_period, release.first_overtone_period
        needed = (release.epochs.source_id, fundamental, overtone, release.pulsation_type)
        check_columns(path, table.columns, needed)
        kind = table[release.pulsation_type]
        stars = pd.DataFrame(
            {
                "period": table[fundamental].where(kind == "RRab", table[overtone]),
                "pulsation_type": kind,
            }
        )
    sources = _read_sources(path, table, release)
    return pd.concat([sources, stars, _numbers(table, release.parameter_columns)], axis="columns")


def _read_sources(path: Path, table: pd.DataFrame, release: Release) -> pd.DataFrame:
    """Read which sources a table has and where they are."""
    check_columns(path, table.columns, [release.epochs.source_id])
    ids = table[release.epochs.source_id].str.strip()
    strange = ids[~ids.str.fullmatch(r"\d{1,19}", na=False)]
    if strange.size:
        raise SurveyError(
            f"{path}: row {strange.index[0] + 1} has the source_id {strange.iloc[0]!r}; a "
            "source_id is a whole number"
        )
    numbers = _numbers(table, release.source_columns)
    stars = pd.concat([ids.rename("star_id"), numbers], axis="columns")
    for angle in ("ra", "dec"):
        if angle not in stars:
            stars[angle] = np.nan
    return stars


def _numbers(table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """Return those of the columns that a table has, in our names."""
    found = table[[name for name in columns if name in table]].rename(columns=columns)
    numbers: pd.DataFrame = found.apply(pd.to_numeric, errors="coerce").astype(float)
    return numbers


def _list_stars(path: Path, release: Release) -> pd.DataFrame:
    """Name the stars that an archive has light curves of; their periods and types are unknown."""
    files = [_named_source(name) for name in list_members(path) if FILE_NAME.fullmatch(name)]
    names = dict.fromkeys(_find_sources(path, release) if None in files else files)
    return pd.DataFrame(
        {
            "star_id": pd.Series([*names], dtype="str"),
            "ra": np.nan,
            "dec": np.nan,
            "period": np.nan,
            "pulsation_type": "unknown",
        }
    )


def _find_sources(path: Path, release: Release) -> Iterator[str]:
    """Name the stars that are in the files of an archive, where a file's name does not."""
    for member in stream_members(path, PRODUCT_LIMIT):
        if not FILE_NAME.fullmatch(member.name):
            continue
        if (source_id := _named_source(member.name)) is not None:
            yield source_id
        elif member.data is not None:
            yield from list_sources(member.data, release.epochs)


def _named_source(name: str) -> str | None:
    """Return the source that a file is named after."""
    found = _SOURCE_ID.findall(name)
    return found[-1] if found else None


def _light_curves(
    member: Member, wanted: set[str], band: str, release: Release
) -> Iterator[LightCurve]:
    """Read the light curves of one file; usually there is one."""
    named = _named_source(member.name)
    try:
        if member.data is None:
            raise ValueError(member.problem)
        curves = read_epochs(
            member.data, release.epochs, band, use_flags=release.use_flags, source_id=named
        )
        for curve in curves:
            if curve.star_id in wanted:
                problem = curve.problem and f"{member.path}: {curve.problem}"
                yield replace(curve, problem=problem)
    except (ValueError, pa.ArrowException) as error:
        problem = f"{member.path}: {error}"
        # The name tells only whom to blame; a file of many stars has nobody.
        if named in wanted:
            yield LightCurve(named, None, problem)
        elif named is None:
            logger.warning("%s", problem)
