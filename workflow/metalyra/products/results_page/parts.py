"""The data of a results page: columns of stars, packed for the script that shows them.

A part is one column of all stars, or the light curves of some stars; each is JSON.
"""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from metalyra.core.tables import describe
from metalyra.products.figures.sky_maps import to_galactic
from metalyra.products.results_page.sky import place_on_map

DECIMALS: Mapping[str, int] = {
    **dict.fromkeys(("ra", "dec"), 6),
    **dict.fromkeys(("longitude", "latitude"), 3),
    **dict.fromkeys(("sky_x", "sky_y"), 5),
    **dict.fromkeys(("period", "given_period"), 7),
    **dict.fromkeys(("ref_epoch", "snr"), 1),
    "n_epochs": 0,
}
"""Decimals of the numbers on a page; those of others are `OTHER_DECIMALS`."""

OTHER_DECIMALS = 3

PLOTTED = ("sky_x", "sky_y", "period", "amplitude", "feh")
"""Columns of numbers that plots are drawn of."""

CHOSEN_BY = ("sample", "pulsation_type", "status")
"""Columns of text that stars are chosen by."""

CURVES_OF = "light_curves"
"""Column with the number of the part that has the light curve of a star, missing if none has."""

# A text that few stars share is no category.
_CATEGORIES = 1000


def arrange_stars(catalogue: pd.DataFrame) -> pd.DataFrame:
    """Return the stars of a page: a catalogue with Galactic coordinates, without empty columns.

    Parameters
    ----------
    catalogue
        As `metalyra.products.catalogue.make_catalogue` returns it.

    Returns
    -------
    pandas.DataFrame
        With longitude and latitude (deg), and the places sky_x and sky_y on the map, NaN where
        there is no position; the columns of `PLOTTED` and `CHOSEN_BY` in any case.
    """
    longitude, latitude = to_galactic(catalogue["ra"], catalogue["dec"])
    x, y = place_on_map(longitude, latitude)
    stars = catalogue.assign(longitude=longitude, latitude=latitude, sky_x=x, sky_y=y)
    needed = {"star_id", "longitude", "latitude", *PLOTTED, *CHOSEN_BY, "feh_err", "reason"}
    said = [name for name in stars if name in needed or _says_something(stars[name])]
    return stars[said].reset_index(drop=True)


def _says_something(values: "pd.Series[Any]") -> bool:
    """Say whether a column has a value of any star."""
    text = not is_numeric_dtype(values)
    return bool((values != "").any() if text else values.notna().any())


def describe_columns(stars: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return what the columns are, by name: unit, description, decimals of a number."""
    described: dict[str, dict[str, Any]] = {}
    for name in map(str, stars):
        column = describe(name)
        described[name] = {"unit": column.unit, "description": column.description}
        if is_numeric_dtype(stars[name]) and not is_bool_dtype(stars[name]):
            described[name]["decimals"] = DECIMALS.get(name, OTHER_DECIMALS)
    return described


def pack_column(name: str, values: "pd.Series[Any]") -> dict[str, Any]:
    """Return a column as plain data.

    Returns
    -------
    dict
        kind ``number``: integers of a `type` (Int16, Int32, or Float64 where neither is enough)
        as base64, to be divided by `scale`; the smallest is a missing value, of Float64 NaN.
        kind ``category``: `names`, and integers (Int8, Int16) that say which. kind ``text``: a
        list.
    """
    if is_numeric_dtype(values) and not is_bool_dtype(values):
        return {"kind": "number", **_pack_numbers(values.to_numpy(float), name)}
    texts = values.astype(str)
    codes, names = pd.factorize(texts)
    if len(names) > min(_CATEGORIES, max(len(texts) // 2, 1)) and name not in CHOSEN_BY:
        return {"kind": "text", "values": texts.tolist()}
    bits = 8 if len(names) <= np.iinfo(np.int8).max else 16
    return {
        "kind": "category",
        "names": names.tolist(),
        "type": f"Int{bits}",
        "values": _encode(codes.astype(f"<i{bits // 8}")),
    }


def _pack_numbers(values: np.ndarray, name: str) -> dict[str, Any]:
    """Return numbers as integers of the smallest type that holds them."""
    scale = 10.0 ** DECIMALS.get(name, OTHER_DECIMALS)
    scaled = np.round(values * scale)
    known = np.isfinite(scaled)
    largest = float(np.abs(scaled[known]).max(initial=0.0))
    for integer in (np.int16, np.int32):
        if largest <= np.iinfo(integer).max:
            whole = np.where(known, scaled, np.iinfo(integer).min).astype(integer)
            packed = _encode(whole.astype(whole.dtype.newbyteorder("<")))
            return {"type": f"Int{8 * whole.itemsize}", "scale": scale, "values": packed}
    plain = np.where(known, values, np.nan).astype("<f8")
    return {"type": "Float64", "scale": 1.0, "values": _encode(plain)}


def _encode(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")


def write_json(data: Any) -> str:
    """Return plain data as JSON that may stand within a page: without ``<``, ``>`` and ``&``.

    Raises
    ------
    ValueError
        If a number is not finite, which JSON has no word for.
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def pack_light_curve(fit: Mapping[str, Any], points: pd.DataFrame, most: int) -> dict[str, Any]:
    """Return the folded light curve of a star with its fit, as plain data.

    Parameters
    ----------
    fit
        Its row in the table of fits: see `metalyra.fit.columns.TABLE_COLUMNS`.
    points
        Its folded light curve: phase, mag, kept and, where known, mag_err.
    most
        Number of points beyond which some are left out, evenly.

    Returns
    -------
    dict
        Phases in 1e-4 from maximum light; magnitudes in mmag, those of curve and points minus
        `mean`; `errors` of points without an error 0; `rejected`, the places of points that the
        fit does not keep; `maximum`, the phase of the first point of
        the curve; `n_points`, of all; `fourier`, the rows k, A_k, error, phi_k1, error (mag, rad;
        phi_1 of the first), None where unknown.
    """
    mean, maximum = float(fit["mean_mag"]), _known(fit["phase_of_maximum"]) or 0.0
    shown = points.iloc[np.linspace(0, len(points) - 1, min(len(points), most)).round().astype(int)]
    errors = shown["mag_err"] if "mag_err" in shown else pd.Series(0.0, shown.index)
    return {
        "mean": round(mean, 4),
        "maximum": round(maximum, 4),
        "curve": _in_thousandths(fit["curve"]),
        "curve_err": _in_thousandths(fit["curve_err"]),
        "phases": _whole((shown["phase"].to_numpy(float) - maximum) % 1.0 * 1e4),
        "mags": _in_thousandths(shown["mag"].to_numpy(float) - mean),
        "errors": _in_thousandths(errors.fillna(0.0).to_numpy(float)),
        "rejected": np.flatnonzero(~shown["kept"].to_numpy(bool)).tolist(),
        "n_points": len(points),
        "fourier": [_harmonic(fit, k) for k in range(1, 7) if f"a{k}" in fit],
    }


def _harmonic(fit: Mapping[str, Any], k: int) -> list[float | None]:
    """Return order, amplitude and phase difference of a harmonic, with their errors."""
    phase = "phi1" if k == 1 else f"phi{k}1"
    return [k, *(_known(fit.get(name)) for name in (f"a{k}", f"a{k}_err", phase, f"{phase}_err"))]


def _known(value: Any) -> float | None:
    return round(float(value), 5) if value is not None and math.isfinite(value) else None


def _in_thousandths(values: "Sequence[float] | np.ndarray | None") -> list[int]:
    return [] if values is None else _whole(np.asarray(values, dtype=float) * 1000)


def _whole(values: np.ndarray) -> list[int]:
    whole: list[int] = np.round(np.nan_to_num(values)).astype(int).tolist()
    return whole
