"""What lies at phase 0 of a folded light curve, and how it is turned to another one.

A model has learnt from curves that were aligned in one way; the sample it is applied to
may have been fitted with another. Nothing is lost between the two: the fits table says
where both phases 0 are.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from metalyra.core.arrays import Floats

ALIGNMENTS: Mapping[str, str] = {
    "phi1": "the first harmonic's zero on the way to faint (Dékány & Grebel 2022, Eq. 2)",
    "maximum": "maximum light (Monti et al. 2024)",
}
"""What may be at phase 0."""


def turn_curves(
    fits: pd.DataFrame, folded: pd.DataFrame, alignment: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return fits and folded light curves with another phase 0.

    Stars that have it already, and stars without a fit, stay as they are to the last bit.

    Parameters
    ----------
    fits
        The fits table, with `alignment`, `phi1` (rad) and `phase_of_maximum`. A table
        without the column `alignment` is taken to be aligned as asked for.
    folded
        The folded light curves of the same stars.
    alignment
        One of `ALIGNMENTS`.

    Raises
    ------
    ValueError
        If the alignment is unknown.
    """
    if alignment not in ALIGNMENTS:
        raise ValueError(f"alignment {alignment!r} is unknown; allowed: {', '.join(ALIGNMENTS)}")
    if "alignment" not in fits:
        return fits, folded
    shift = _find_shifts(fits, alignment)
    if not shift.any():
        return fits, folded
    turned = shift != 0
    fits = fits.copy()
    for column, move in (("curve", _move_curve), ("curve_err", _move_samples)):
        if column in fits:
            fits[column] = pd.Series(
                [
                    move(np.asarray(values, dtype=float), by).tolist() if by else values
                    for values, by in zip(fits[column], shift, strict=True)
                ],
                index=fits.index,
                dtype=object,
            )
    for column in ("phase_shift", "phase_of_maximum"):
        if column in fits:
            values = fits[column].to_numpy(dtype=float)
            fits[column] = np.where(turned, (values + shift) % 1.0, values)
    phi1 = fits["phi1"].to_numpy(dtype=float)
    fits["phi1"] = np.where(turned, (phi1 - 2 * np.pi * shift) % (2 * np.pi), phi1)
    fits["alignment"] = fits["alignment"].mask(turned, alignment)

    star = pd.Index(fits["star_id"]).get_indexer(folded["star_id"])
    by = np.where(star >= 0, shift[star], 0.0)
    phase = folded["phase"].to_numpy(dtype=float)
    return fits, folded.assign(phase=np.where(by != 0, (phase + by) % 1.0, phase))


def _find_shifts(fits: pd.DataFrame, alignment: str) -> Floats:
    """Return what is to be added to the phases of each star (n,)."""
    if alignment == "phi1":
        shift = fits["phi1"].to_numpy(dtype=float) / (2 * np.pi)
    else:
        shift = -fits["phase_of_maximum"].to_numpy(dtype=float)
    aligned = (fits["alignment"] == alignment).to_numpy()
    return np.where(aligned | ~np.isfinite(shift), 0.0, shift)


def _move_curve(curve: Floats, shift: float) -> Floats:
    """Return a periodic curve at equal phases, moved: exact below half as many harmonics."""
    harmonics = np.arange(curve.size // 2 + 1)
    turned = np.fft.rfft(curve) * np.exp(-2j * np.pi * harmonics * shift)
    return np.fft.irfft(turned, curve.size)


def _move_samples(values: Floats, shift: float) -> Floats:
    """Return what is known at equal phases, moved, by linear interpolation."""
    phase = np.arange(values.size) / values.size
    return np.interp((phase - shift) % 1.0, phase, values, period=1.0)
