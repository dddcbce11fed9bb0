"""The epochs of VVV stars as the catalogues of ESO and of the VSA have them."""

from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metalyra.core.containers import Member, stream_members
from testbench.loopback.tables import Builder

Floats = NDArray[np.float64]

APERTURES = (1, 2, 3, 4, 5)

_KS = 5
"""The VSA's number of the filter."""

# Columns of a CASU row, counted from 0, as correct_vvv_zp.par names them; the position is in
# between.
_CASU_OBSERVATION, _CASU_CHIP = 0, 3
_CASU_FILTER, _CASU_MJD, _CASU_POSITION, _CASU_MAGNITUDES = 2, 5, 12, 20


def eso_tables(folder: Path) -> dict[str, Builder]:
    """Return ESO's tables: the sources, and their Ks epochs.

    The names are those of the query for a VVV light curve in astroquery's documentation
    (docs/eso/catalogues).
    """
    epochs = cache(partial(_read_epochs, folder))
    sources = {"source_id": "SOURCEID", "ra": "RA2000", "dec": "DEC2000"}
    points = {"source_id": "SOURCEID", "mjd": "MJD", "mag_1": "KSMAG", "mag_err_1": "KSERR"}
    return {
        "VVV_CAT_V2": lambda: _choose(epochs(), sources).drop_duplicates(),
        "VVV_MPHOT_Ks_V2": lambda: _choose(epochs(), points),
    }


def vsa_tables(folder: Path) -> dict[str, Builder]:
    """Return the VSA's tables: sources, detections, which belong together, images and their chips.

    The names are those of the schema browser of http://vsa.roe.ac.uk (VVVDR4).
    """
    epochs = cache(partial(_read_epochs, folder))
    sources = {"source_id": "sourceID", "ra": "ra", "dec": "dec"}
    keys = {"multiframe_id": "multiframeID", "ext_num": "extNum", "seq_num": "seqNum"}
    measured = {"filter_id": "filterID", "mjd": "mjd", "error_bits": "ppErrBits"}
    for aperture in APERTURES:
        measured[f"mag_{aperture}"] = f"aperMag{aperture}"
        measured[f"mag_err_{aperture}"] = f"aperMag{aperture}Err"
    return {
        "VVVDR4.vvvSource": lambda: _choose(epochs(), sources).drop_duplicates(),
        "VVVDR4.vvvSourceXDetectionBestMatch": lambda: _choose(
            epochs(), {"source_id": "sourceID", **keys, "flag": "flag"}
        ),
        "VVVDR4.vvvDetection": lambda: _choose(epochs(), {**keys, **measured}),
        "VVVDR4.MultiframeDetector": lambda: _choose(
            epochs(), {"multiframe_id": "multiframeID", "ext_num": "extNum", "chip": "camNum"}
        ),
        "VVVDR4.Multiframe": lambda: _choose(
            epochs(), {"multiframe_id": "multiframeID", "file": "fileName"}
        ),
    }


def _choose(epochs: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    return epochs[list(names)].rename(columns=names)


def _read_epochs(folder: Path) -> pd.DataFrame:
    """Return all Ks epochs of a folder: of simulated stars, and CASU's of real ones."""
    tables = [*_read_simulated(folder / "vvv"), *_read_casu(folder / "vvv_zero_points/test_data")]
    for number, table in enumerate(tables, start=1):
        table.insert(0, "source_id", number)
    magnitudes = [f"{name}_{k}" for k in APERTURES for name in ("mag", "mag_err")]
    columns = ["source_id", "ra", "dec", "mjd", *magnitudes, "observation", "chip"]
    epochs = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    # One detection to an image; without flags. The first extension of a file has no chip.
    image = np.arange(1, len(epochs) + 1)
    return epochs.assign(
        multiframe_id=image,
        ext_num=epochs["chip"] + 1,
        file="/disk01/vsa/" + epochs["observation"] + "_st.fit",
        **{"seq_num": 1, "filter_id": _KS, "flag": 0, "error_bits": 0},
    )


def _read_simulated(folder: Path) -> list[pd.DataFrame]:
    """Read the light curves after the zero-point correction of the stars of a list."""
    if not (folder / "stars.csv").is_file():
        return []
    stars = pd.read_csv(folder / "stars.csv", dtype={"id": str}).drop_duplicates("id")
    stars = stars.set_index("id")
    tables = []
    for member in stream_members(folder / "light_curves.tar.gz"):
        numbers = _parse(member, 1 + 3 * len(APERTURES))
        name = member.name.removesuffix(".dat")
        if numbers is not None and name in stars.index:
            ra, dec = stars.loc[name, ["ra", "dec"]].astype(float)
            magnitudes = np.delete(numbers[:, 1:], slice(2, None, 3), axis=1)
            mjd = _to_geocentric(numbers[:, 0], ra, dec)
            # Any names and chips will do, as long as they are the same every time.
            first = 1 + sum(map(len, tables))
            names = [
                f"v{20100101 + n // 10**5}_{n % 10**5:05}" for n in range(first, first + len(mjd))
            ]
            chips = 1 + np.arange(first, first + len(mjd)) % 16
            tables.append(_table(ra, dec, mjd, magnitudes).assign(observation=names, chip=chips))
    return tables


def _parse(member: Member, width: int) -> Floats | None:
    """Return the numbers of a text table; None if it is none."""
    try:
        numbers = np.array(member.data.decode().split(), dtype=float).reshape(-1, width)
    except ValueError:
        return None
    return numbers if len(numbers) else None


def _read_casu(folder: Path) -> list[pd.DataFrame]:
    """Read the cross-matched photometry of CASU; its first epoch gives the position."""
    tables = []
    for path in sorted(folder.glob("*_xmatch.dat")):
        rows = [line.split() for line in path.read_text().splitlines()]
        rows = [row for row in rows if row[_CASU_FILTER] == "Ks"]
        hours, minutes, seconds, degrees, arcmin, arcsec = rows[0][_CASU_POSITION:][:6]
        ra = 15 * (float(hours) + float(minutes) / 60 + float(seconds) / 3600)
        sign = -1 if degrees.startswith("-") else 1
        dec = sign * (abs(float(degrees)) + float(arcmin) / 60 + float(arcsec) / 3600)
        mjd = np.array([float(row[_CASU_MJD]) for row in rows])
        magnitudes = [row[_CASU_MAGNITUDES:][: 2 * len(APERTURES)] for row in rows]
        table = _table(ra, dec, mjd, np.array(magnitudes, dtype=float))
        names = [row[_CASU_OBSERVATION] for row in rows]
        chips = [int(row[_CASU_CHIP]) for row in rows]
        tables.append(table.assign(observation=names, chip=chips))
    return tables


def _table(ra: float, dec: float, mjd: Floats, magnitudes: Floats) -> pd.DataFrame:
    """Return the epochs of a star, `magnitudes` with an error after each."""
    columns = {"ra": ra, "dec": dec, "mjd": mjd}
    for number, aperture in enumerate(APERTURES):
        columns[f"mag_{aperture}"] = magnitudes[:, 2 * number]
        columns[f"mag_err_{aperture}"] = magnitudes[:, 2 * number + 1]
    return pd.DataFrame(columns)


def _to_geocentric(hjd: Floats, ra: float, dec: float) -> Floats:
    """Return the MJD at which light was seen from the Earth that is seen from the Sun at HJD.

    Parameters
    ----------
    hjd
        HJD - 2400000 (d).
    ra, dec
        Where it came from (deg).
    """
    from astropy import constants, units
    from astropy.coordinates import SkyCoord, get_body_barycentric
    from astropy.time import Time

    mjd = hjd - 0.5
    times = Time(mjd, format="mjd", scale="utc")
    places = [get_body_barycentric(body, times, "builtin") for body in ("earth", "sun")]
    direction = SkyCoord(ra * units.deg, dec * units.deg).cartesian
    return mjd - ((places[0] - places[1]).dot(direction) / constants.c).to_value(units.day)
