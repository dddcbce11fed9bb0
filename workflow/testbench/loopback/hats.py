"""A HATS copy of Gaia's light curves: Parquet files of parts of the sky, a row a source."""

import io
from functools import cache
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from testbench.loopback.datalink import read_epochs
from testbench.loopback.messages import Reply, Request, not_found, text

_ROOT = ("hats", "gaia_dr3_epoch_phot")
_ORDER = 0
_BANDS = {
    "G": ("g_transit_time", "g_transit"),
    "BP": ("bp_obs_time", "bp"),
    "RP": ("rp_obs_time", "rp"),
}


class LightCurveCopy:
    """Serves the light curves of DR3.

    Parameters
    ----------
    folder
        Laid out as the mirror.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = cache(self._make_files)

    def reply(self, request: Request) -> Reply:
        """Answer a request for a file."""
        if request.parts[1:3] != _ROOT:
            return not_found(request.path)
        name = "/".join(request.parts[3:])
        if name == "partition_info.csv":
            rows = "".join(f"{_ORDER},{pixel}\n" for pixel in self._files())
            return text(f"Norder,Npix\n{rows}", kind="text/csv")
        for pixel, content in self._files().items():
            if name == f"dataset/Norder={_ORDER}/Dir=0/Npix={pixel}.parquet":
                return Reply(200, content, {"Content-Type": "application/octet-stream"})
        return not_found(request.path)

    def _make_files(self) -> dict[int, bytes]:
        points = read_epochs(self._folder, "Gaia DR3")
        pixels = points["source_id"].astype("int64") // 2 ** (35 + 2 * (12 - _ORDER))
        return {int(pixel): _write(rows) for pixel, rows in points.groupby(pixels)}


def _write(points: pd.DataFrame) -> bytes:
    """Return a file whose light curves are lists within a structure."""
    identifiers, curves = [], []
    for source, rows in points.groupby("source_id"):
        transits = rows["transit_id"].unique()
        curve: dict[str, list[object]] = {"transit_id": transits.tolist()}
        for band, (time, prefix) in _BANDS.items():
            own = rows[rows["band"] == band].drop_duplicates("transit_id").set_index("transit_id")
            own = own.reindex(transits)
            curve[time] = own["time"].tolist()
            for name in ("mag", "flux", "flux_error", "flux_over_error"):
                curve[f"{prefix}_{name}"] = own[name].tolist()
            rejected = own["rejected_by_variability"]
            curve[f"variability_flag_{band.lower()}_reject"] = [value is True for value in rejected]
        identifiers.append(source)
        curves.append(curve)
    buffer = io.BytesIO()
    pq.write_table(pa.table({"source_id": identifiers, "epoch_photometry": curves}), buffer)
    return buffer.getvalue()
