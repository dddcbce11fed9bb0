"""Corrections of the photometric zero points of VVV (Hajdu et al. 2020, Exp. Astron. 49, 217).

The published table, ``zpcorrtable.npy`` of github.com/idekany/correct_vvv_zp, has them by
observation, named as CASU names its files (``v20100319_00519``), and chip of the camera, 1 to 16.
They are those of pawprints: an image of a tile, put together of six of them, has none.

The VSA has the chip (MultiframeDetector.camNum, ESO DET CHIP NO). That it has CASU's name of the
image as Multiframe.fileName, and detections of pawprints, was in no documentation at hand.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from metalyra.core.arrays import Booleans, Floats
from metalyra.surveys.interface import SurveyError

APERTURES = (1, 2, 3, 4, 5)
"""The apertures that have zero-point corrections, of the seven of CASU."""

# A pawprint's file, with or without its path and what it is: v20100319_00519_st.fit. That of a
# tile goes on with _tl.
_PAWPRINT = re.compile(r"(?:.*[/:])?(?P<observation>v\d{8}_\d{5})(?:_st)?(?:\.\w+)*")


@dataclass(frozen=True)
class ZeroPoints:
    """Corrections of the photometric zero points, by observation and detector chip.

    Attributes
    ----------
    rows
        Row of each (observation, chip) in the arrays.
    correction, error : (rows, apertures)
        To be subtracted from magnitudes, and their errors (mag).
    """

    rows: pd.MultiIndex
    correction: Floats
    error: Floats

    def find(self, observations: list[str], chips: list[int]) -> tuple[Floats, Floats, Booleans]:
        """Return the corrections of n detections.

        Parameters
        ----------
        observations, chips
            Of each; an observation may be empty.

        Returns
        -------
        correction, error : (n, apertures)
            Of the last row where there is none.
        known : (n,)
            Whether there is one.
        """
        found = self.rows.get_indexer(pd.MultiIndex.from_arrays([observations, chips]))
        return self.correction[found], self.error[found], found >= 0


def name_observation(file: str) -> str:
    """Return the observation that an image of a pawprint is of; nothing of other files.

    Parameters
    ----------
    file
        Name of the image, with or without its path.
    """
    match = _PAWPRINT.fullmatch(file.strip())
    return match["observation"] if match else ""


def read_zero_points(path: Path) -> ZeroPoints:
    """Read the published table of zero-point corrections.

    Parameters
    ----------
    path
        A NumPy file with the fields ``obsid``, ``chip``, ``ap1`` to ``ap5`` (mag) and
        ``zperr1`` to ``zperr5`` (mag).

    Raises
    ------
    SurveyError
        If it is no such file.
    """
    try:
        table = np.load(path, mmap_mode="r", allow_pickle=False, encoding="bytes")
    except (OSError, ValueError, EOFError) as error:
        raise SurveyError(f"{path}: no table of zero-point corrections ({error})") from error
    fields = [f"{name}{k}" for name in ("ap", "zperr") for k in APERTURES]
    missing = {"obsid", "chip", *fields} - set(table.dtype.names or ())
    if missing:
        raise SurveyError(f"{path}: the fields {', '.join(sorted(missing))} are missing")
    names = np.char.decode(table["obsid"]) if table["obsid"].dtype.kind == "S" else table["obsid"]
    values = np.column_stack([np.asarray(table[name], dtype=float) for name in fields])
    rows = pd.MultiIndex.from_arrays([names, np.asarray(table["chip"], dtype=int)])
    if rows.has_duplicates:
        raise SurveyError(f"{path}: an observation and chip appears twice")
    return ZeroPoints(rows, values[:, : len(APERTURES)], values[:, len(APERTURES) :])
