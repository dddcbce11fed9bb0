"""VVV light curves as tables: the answers of the archives of ESO and VSA, and ones of many stars.

A table says of its rows which star they are of (`star_id`, or the archive's `sourceID`), or it
is of the star that the file is named after. Its columns are those of the light curves
(`time`, HJD - 2400000, `mag`, `mag_err`, `aperture` and perhaps `band` and `zp_err`) or the
archives': those of vvvDetection and vvvSourceXDetectionBestMatch in the VSA's schema browser
(vsa.roe.ac.uk, VVVDR4), and those of ESO's query for a light curve in astroquery's documentation.
What an archive says of the image (`fileName` of its Multiframe) and the chip (`camNum` of its
MultiframeDetector) is the key of a table of zero-point corrections.
"""

import logging
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from metalyra.core.arrays import Booleans, Floats
from metalyra.surveys.formats.serialisations import read_tables, to_numbers
from metalyra.surveys.formats.text_tables import check_columns
from metalyra.surveys.formats.time_scales import to_heliocentric
from metalyra.surveys.formats.vvv_zero_points import APERTURES, ZeroPoints, name_observation
from metalyra.surveys.interface import MAGNITUDES

logger = logging.getLogger(__name__)

MAX_SEPARATION = 0.9
"""Largest distance (arcsec) of a detection from the star."""

MIN_CLASS = -2
"""Lowest morphological class of a detection (-2: borderline stellar)."""

MAX_ELLIPTICITY = 0.5
"""Largest ellipticity of a detection."""

MAX_ERROR_BITS = 255
"""Largest `ppErrBits` of a detection; beyond it, the VSA's flags are more than information."""

# What tells the zero point of a detection: its image, and the chip of the camera.
_IMAGE = ("filename", "camnum")

# The VSA's numbers of the filters.
_FILTER_IDS = {"J": 3, "H": 4, "Ks": 5}

# What the VSA has for a missing value, and CASU for missing photometry.
_FAINTEST, _BRIGHTEST = 90.0, -90.0


def read_epochs(
    data: bytes,
    stars: pd.DataFrame,
    band: str,
    *,
    star_id: str | None = None,
    zero_points: ZeroPoints | None = None,
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Read the light curves of a file in one band.

    Parameters
    ----------
    data
        The content of the file, in any serialisation.
    stars
        The stars wanted, by `star_id`; their positions (deg) take MJD to HJD.
    band
        ``J``, ``H`` or ``Ks``.
    star_id
        The star of a file that is of one star.
    zero_points
        Corrects the magnitudes of an archive's detections; those that have no correction are
        left out. Light curves with our own columns are taken as they are.

    Yields
    ------
    star_id, light curve
        One row an epoch and aperture: `time` (HJD - 2400000), `mag`, `mag_err`, `aperture`
        and `zp_err`.

    Raises
    ------
    ValueError
        If the file is no table, misses a column, or holds text for a number, or if zero points
        shall be corrected and it is of no image that has corrections.
    """
    for table in read_tables(data):
        rows = _read_rows(table, star_id, stars, band, zero_points)
        for name, curve in rows.groupby("star_id", sort=False):
            yield str(name), curve.drop(columns="star_id")


def _read_rows(
    table: pa.Table,
    named: str | None,
    wanted: pd.DataFrame,
    band: str,
    zero_points: ZeroPoints | None,
) -> pd.DataFrame:
    """Return the rows of the wanted stars: `star_id` and the columns of a light curve."""
    columns = set(table.column_names)
    if named is not None:
        ids = np.full(len(table), named, dtype=object)
    else:
        name = next((name for name in ("star_id", "sourceid") if name in columns), None)
        if name is None:
            check_columns("its header", columns, ["star_id"])
        ids = np.asarray(table[name].cast(pa.string()))
    chosen = pd.Index(ids).isin(wanted.index)
    if "band" in columns:
        chosen &= np.asarray(table["band"]) == band
    table, ids = table.filter(pa.array(chosen)), ids[chosen]
    if "time" in columns:
        check_columns("its header", columns, ("mag", "mag_err", "aperture"))
        return pd.DataFrame(
            {
                "star_id": ids,
                **{name: to_numbers(table[name]) for name in (*MAGNITUDES, "aperture")},
                "zp_err": to_numbers(table["zp_err"]) if "zp_err" in columns else np.nan,
            }
        )
    return _read_detections(table, ids, wanted, band, zero_points)


def _read_detections(
    table: pa.Table,
    ids: NDArray[np.object_],
    wanted: pd.DataFrame,
    band: str,
    zero_points: ZeroPoints | None,
) -> pd.DataFrame:
    """Return the detections of ESO's and the VSA's tables that pass the cuts.

    Columns of one band begin with its name (``ksAperMag3``, ``ksppErrBits``), those of
    detections in any band do not. ESO's ``KSMAG`` is taken for the first aperture.
    """
    found: dict[str, Floats] = {}

    def column(*names: str) -> Floats | None:
        name = next((name for name in names if name in table.column_names), None)
        if name is None:
            return None
        if name not in found:
            found[name] = to_numbers(table[name])
        return found[name]

    prefix = band.lower()
    photometry = _find_photometry(column, prefix)
    if not photometry:
        check_columns("its header", table.column_names, [f"{prefix}apermag3"])
    time = column("hjd")
    if time is None:
        check_columns("its header", table.column_names, ["mjd"])
        places = wanted.reindex(ids)[["ra", "dec"]].to_numpy(dtype=float)
        # Without a position, the time is that of the Earth.
        time = to_numbers(table["mjd"]) + 0.5
        known = np.isfinite(places).all(axis=1) & np.isfinite(time)
        time[known] = to_heliocentric(time[known] - 0.5, *places[known].T)
    good = np.isfinite(time)
    cuts: tuple[tuple[Floats | None, Callable[[Floats], NDArray[np.bool_]]], ...] = (
        (column("filterid"), lambda value: value == _FILTER_IDS[band]),
        (column(f"{prefix}pperrbits", "pperrbits"), lambda value: value <= MAX_ERROR_BITS),
        (column("flag"), lambda value: value == 0),
        (column("modeldistsecs"), lambda value: value <= MAX_SEPARATION),
        (column(f"{prefix}class", "class"), lambda value: value >= MIN_CLASS),
        (column(f"{prefix}ell", "ell"), lambda value: value <= MAX_ELLIPTICITY),
    )
    for values, passes in cuts:
        if values is not None:
            good &= passes(values)
    correction = np.zeros((len(table), len(APERTURES)))
    zp_err = np.full(correction.shape, np.nan)
    if zero_points is not None:
        correction, zp_err, known = _find_corrections(table, good, zero_points)
        good &= known
    curves = [
        pd.DataFrame(
            {
                "star_id": ids,
                "time": time,
                "mag": mag - correction[:, APERTURES.index(aperture)],
                "mag_err": np.nan if error is None else error,
                "aperture": aperture,
                "zp_err": zp_err[:, APERTURES.index(aperture)],
            }
        )[good & (mag < _FAINTEST) & (mag > _BRIGHTEST)]
        for aperture, (mag, error) in photometry.items()
    ]
    return pd.concat(curves, ignore_index=True)


def _find_photometry(
    column: Callable[..., Floats | None], prefix: str
) -> dict[int, tuple[Floats, Floats | None]]:
    """Return magnitudes and their errors, if known, by aperture.

    Parameters
    ----------
    column
        Returns the first of some columns that the table has.
    prefix
        What the columns of the band begin with.
    """
    photometry: dict[int, tuple[Floats, Floats | None]] = {}
    for aperture in APERTURES:
        mag = column(f"{prefix}apermag{aperture}", f"apermag{aperture}")
        mag_err = column(f"{prefix}apermag{aperture}err", f"apermag{aperture}err")
        if mag is not None:
            photometry[aperture] = (mag, mag_err)
    if not photometry and (mag := column(f"{prefix}mag")) is not None:
        photometry = {1: (mag, column(f"{prefix}err", f"{prefix}mag_err"))}
    return photometry


def _find_corrections(
    table: pa.Table, good: Booleans, zero_points: ZeroPoints
) -> tuple[Floats, Floats, Booleans]:
    """Return the zero-point corrections of detections, see `ZeroPoints.find`.

    Raises
    ------
    ValueError
        If the table does not say of which images and chips its detections are, or if none of
        the good ones is of a pawprint: uncorrected magnitudes are not passed off as corrected.
    """
    check_columns("zero points are corrected by image and chip", table.column_names, _IMAGE)
    files = pd.Series(table["filename"].cast(pa.string()).to_pylist(), dtype=object).fillna("")
    chips = to_numbers(table["camnum"])
    observations = files.map({file: name_observation(file) for file in files.unique()})
    if good.any() and (observations[good] == "").all():
        raise ValueError(
            f"no detection is of a pawprint, whose zero points have corrections; its images are "
            f"{', '.join(files[good].unique()[:3])}"
        )
    found = zero_points.find(list(observations), np.nan_to_num(chips, nan=-1).astype(int).tolist())
    lost = int((good & ~found[2]).sum())
    if lost:
        logger.info("%d of %d detections have no zero-point correction", lost, good.sum())
    return found
