"""The light curves of a sample in further bands, folded as those of its own band are."""

import numpy as np
import pandas as pd

from metalyra.fit.folding import is_magnitude, split_places

FOLDED_COLUMNS = {"star_id": str, "band": str, "phase": float, "mag": float, "mag_err": float}
"""Columns of the folded light curves in further bands."""


def fold_other_bands(fits: pd.DataFrame, light_curves: pd.DataFrame) -> pd.DataFrame:
    """Fold light curves in further bands with the period and phase 0 of the sample's own.

    Nothing is fitted to them, nor rejected but what cannot be a magnitude.

    Parameters
    ----------
    fits
        The fits table of a chunk: `star_id`, `period` and `epoch` (d) and `phase_shift`. Stars
        without them are left out.
    light_curves
        `star_id`, `band`, `time` (d, on the scale of the own band's), `mag`, `mag_err` of
        further bands.

    Returns
    -------
    DataFrame
        `star_id`, `band`, `phase` (on the axis of the folded curves of the own band), `mag`,
        `mag_err`, in the order of `light_curves`. A star may have no row in a band.
    """
    star = pd.Index(fits["star_id"]).get_indexer(light_curves["star_id"])
    period, epoch, shift = (
        fits[name].to_numpy(dtype=float)[star] for name in ("period", "epoch", "phase_shift")
    )
    phase = ((light_curves["time"].to_numpy(dtype=float) - epoch) / period + shift) % 1.0
    folded = light_curves[["star_id", "band", "mag", "mag_err"]].copy()
    folded.insert(2, "phase", phase)
    folded = folded[(star >= 0) & np.isfinite(phase)]
    mag = folded["mag"].to_numpy(dtype=float)
    usable = np.zeros(mag.size, dtype=bool)
    for places in split_places(
        folded.groupby(["star_id", "band"], sort=False, dropna=False).ngroup()
    ):
        usable[places] = is_magnitude(mag[places])
    kept: pd.DataFrame = folded[usable].astype(FOLDED_COLUMNS)
    return kept.reset_index(drop=True)
