"""Gaia: RR Lyrae stars in the G, BP and RP bands, of every data release with light curves.

Star files: answers of the archive's TAP service for `vari_rrlyrae`, joined with
`gaia_source` or not, answers for `gaia_source` alone, and lists of catalogued periods by
`source_id`. Light curves: the archive's DataLink products and answers of other services,
in zip files, folders or alone. CSV, ECSV, VOTable and FITS are the same.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from metalyra.core.containers import Member, is_collection, list_members, read_file, stream_members
from metalyra.surveys.formats.gaia_epochs import (
    MissingFlagsError,
    Verdict,
    Verdicts,
    list_sources,
    read_epochs,
    read_flags,
)
from metalyra.surveys.formats.gaia_releases import (
    BANDS,
    UNFLAGGED,
    Columns,
    Flags,
    Release,
    read_releases,
)
from metalyra.surveys.formats.serialisations import (
    FILE_NAME,
    find_header,
    join_csv,
    read_text_columns,
)
from metalyra.surveys.formats.star_tables import (
    UNKNOWN_TYPE,
    merge_star_tables,
    to_sine_series,
)
from metalyra.surveys.formats.text_tables import check_columns
from metalyra.surveys.interface import MAGNITUDES, LightCurve, Survey, SurveyError, register

logger = logging.getLogger(__name__)

PRODUCT_LIMIT = 2**28
"""Largest file of light curves (bytes); one of 5,000 sources has a tenth of it."""

_READ_AT_ONCE = 2**22
"""Bytes of small files that are read at once, for each takes as long as thousands of rows."""

_CELLS_A_SIDE = 2**12
_CELL_BITS = 35


_SOURCE_NUMBERS = (
    *("ra", "dec", "pmra", "pmdec", "ref_epoch"),
    *("phot_g_mean_mag", "phot_bp_mean_mag", "phot_rp_mean_mag"),
)
"""Roles of the columns of `gaia_source` that are read, in the order of the star table."""

_PARAMETERS = (
    *("archive_period_err", "archive_first_overtone_period_err"),
    *("archive_time_of_maximum", "archive_mean_mag", "archive_amplitude"),
    *("archive_r21", "archive_r31"),
    *("archive_phi21", "archive_phi21_err", "archive_phi31", "archive_phi31_err"),
    *("archive_n_epochs", "archive_feh", "archive_feh_err"),
)
"""Roles of the other columns of `vari_rrlyrae` that are read."""

RELEASES: Mapping[str, Release] = read_releases()
"""The releases, by the name of their survey."""

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
        if _is_of_sources(table, release):
            described.append(_read_sources(path, table, release))
        else:
            chosen.append(_read_star_file(path, table, release))
    stars = merge_star_tables(chosen, described) if chosen else merge_star_tables(described)
    for column, missing in (("period", np.nan), ("pulsation_type", UNKNOWN_TYPE)):
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
    if release.survey.endswith(UNFLAGGED):
        stars["epoch_flags"] = "not_used"
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
        rejected are dropped, as it did for the parameters of `vari_rrlyrae`. The files of a
        product of flags, known by its name in theirs, may be anywhere among `paths`.

    Raises
    ------
    MissingFlagsError
        If the flags of the release are in a product, and there is no file of it.
    """
    wanted = set(stars["star_id"])
    verdicts = _read_verdicts(paths, wanted, band, release)
    for path in paths:
        tables = (
            member
            for member in stream_members(path, PRODUCT_LIMIT)
            if FILE_NAME.fullmatch(member.name) and not _holds_flags(member.name, release)
        )
        for members in _gather_alike(tables):
            yield from _read_together(members, wanted, band, release, verdicts)


def _survey(release: Release) -> Survey:
    read = partial(read_light_curves, release=release)
    return Survey(
        name=release.survey,
        title=release.survey.replace("gaia_dr", "Gaia DR"),
        bands=BANDS,
        time_scale="BJD-2455197.5 (TCB)",
        columns=MAGNITUDES,
        read_stars=partial(read_stars, release=release),
        read_light_curves=read,
        archive_columns=_PARAMETERS,
        read_other_band=read,
        names=release.digest,
    )


GAIA: tuple[Survey, ...] = tuple(
    register(_survey(release), __name__) for release in RELEASES.values()
)
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
        columns = release.stars.columns.resolve(path, table.columns)
        kind = table[columns["pulsation_type"]]
        fundamental = table[columns["fundamental_period"]]
        stars = pd.DataFrame(
            {
                "period": fundamental.where(
                    kind == "RRab", table[columns["first_overtone_period"]]
                ),
                "pulsation_type": kind,
            }
        )
    sources = _read_sources(path, table, release)
    parameters = _numbers(table, release.stars.columns, _PARAMETERS)
    return pd.concat([sources, stars, parameters], axis="columns")


def _is_of_sources(table: pd.DataFrame, release: Release) -> bool:
    """Say whether a table is of `gaia_source`: with positions, and without pulsation types."""
    return "pulsation_type" not in release.stars.columns.find(table.columns) and bool(
        {"ra", "dec"} & {*release.sources.columns.find(table.columns)}
    )


def _read_sources(path: Path, table: pd.DataFrame, release: Release) -> pd.DataFrame:
    """Read which sources a table has and where they are."""
    names = {"source_id": release.sources.columns.names["source_id"]}
    columns = Columns(names, frozenset(names)).resolve(path, table.columns)
    ids = table[columns["source_id"]].str.strip()
    strange = ids[~ids.str.fullmatch(r"\d{1,19}", na=False)]
    if strange.size:
        raise SurveyError(
            f"{path}: row {strange.index[0] + 1} has the source_id {strange.iloc[0]!r}; a "
            "source_id is a whole number"
        )
    numbers = _numbers(table, release.sources.columns, _SOURCE_NUMBERS)
    stars = pd.concat([ids.rename("star_id"), numbers], axis="columns")
    for angle in ("ra", "dec"):
        if angle not in stars:
            stars[angle] = np.nan
    return stars


def _numbers(table: pd.DataFrame, columns: Columns, roles: Sequence[str]) -> pd.DataFrame:
    """Return those of the columns that a table has, in our names."""
    here = columns.find(table.columns)
    names = {here[role]: role for role in roles if role in here}
    found = table[[*names]].rename(columns=names)
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
            "pulsation_type": UNKNOWN_TYPE,
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
            yield from list_sources(member.data, release)


def _named_source(name: str) -> str | None:
    """Return the source that a file is named after."""
    found = _SOURCE_ID.findall(name)
    return found[-1] if found else None


def _holds_flags(name: str, release: Release) -> bool:
    """Say whether a file is of the release's product of flags, by its name."""
    return release.flag_product is not None and release.flag_product.retrieval_type in name


def _read_verdicts(
    paths: Sequence[Path], wanted: set[str], band: str, release: Release
) -> Verdicts | None:
    """Return the flags that the files of their product have; None if there is no such file."""
    flags = release.flag_product
    if flags is None:
        return None
    verdicts: dict[str, Verdict] = {}
    there_are = False
    of_product = partial(_holds_flags, release=release)
    for path in paths:
        for members in _gather_alike(stream_members(path, PRODUCT_LIMIT, of_product)):
            there_are = True
            for source, verdict in _read_flags_together(path, members, flags, band):
                if source in wanted:
                    verdicts[source] = verdict
    return verdicts if there_are else None


def _read_flags_together(
    path: Path, members: list[Member], flags: Flags, band: str
) -> Iterator[tuple[str, Verdict]]:
    """Read the flags of files that are alike: at once if each is of a source of its own."""
    if len(members) > 1:
        try:
            found = [*read_flags(_join(members), flags, band)]
        except (ValueError, pa.ArrowException):
            found = []
        if len(found) == len(members):
            yield from found
            return
    for member in members:
        try:
            if member.data is None:
                raise ValueError(member.problem)
            yield from read_flags(member.data, flags, band, _named_source(member.name))
        except (ValueError, pa.ArrowException) as error:
            # The stars that are left without flags say so themselves.
            logger.warning("%s: %s: %s", path, member.path, error)


def _join(members: list[Member]) -> bytes:
    """Return the rows of files that `_gather_alike` has put together, as of one file."""
    return join_csv([member.data for member in members if member.data is not None])


def _gather_alike(members: Iterable[Member]) -> Iterator[list[Member]]:
    """Give the files in their order, those that follow each other and can be joined together."""
    waiting: list[Member] = []
    header, size = None, 0
    for member in members:
        own = None if member.data is None else find_header(member.data)
        if waiting and (own is None or own != header or size > _READ_AT_ONCE):
            yield waiting
            waiting, size = [], 0
        waiting.append(member)
        header, size = own, size + len(member.data or b"")
    if waiting:
        yield waiting


def _read_together(
    members: list[Member], wanted: set[str], band: str, release: Release, verdicts: Verdicts | None
) -> Iterator[LightCurve]:
    """Read the light curves of files that are alike: at once, or one by one if one is damaged."""
    if len(members) > 1:
        try:
            curves = [*read_epochs(_join(members), release, band, verdicts=verdicts)]
        except (ValueError, pa.ArrowException):
            curves = []  # which file it is, and why, is said below
        if curves and not any(curve.problem for curve in curves):
            yield from (curve for curve in curves if curve.star_id in wanted)
            return
    for member in members:
        yield from _light_curves(member, wanted, band, release, verdicts)


def _light_curves(
    member: Member, wanted: set[str], band: str, release: Release, verdicts: Verdicts | None
) -> Iterator[LightCurve]:
    """Read the light curves of one file; usually there is one."""
    named = _named_source(member.name)
    try:
        if member.data is None:
            raise ValueError(member.problem)
        for curve in read_epochs(member.data, release, band, verdicts=verdicts, source_id=named):
            if curve.star_id in wanted:
                problem = curve.problem and f"{member.path}: {curve.problem}"
                yield replace(curve, problem=problem)
    except MissingFlagsError:
        raise
    except (ValueError, pa.ArrowException) as error:
        problem = f"{member.path}: {error}"
        # The name tells only whom to blame; a file of many stars has nobody.
        if named in wanted:
            yield LightCurve(named, None, problem)
        elif named is None:
            logger.warning("%s", problem)
