"""Members of stacks as small files: what several regressors keep is stored once.

A member that is shipped has its numbers in single precision and its counts in the fewest
bytes, and the inputs of its training stars once for all machines that are sums around
them. The bytes are those of the arrays: nothing is compressed, so that no library but
NumPy has a say in them.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

_INPUTS = "inputs"
_ANCHORS = "/KernelMachine/anchors"
_THRESHOLD = "/Trees/threshold"
_LARGE = 256
"""Numbers from which an array is worth single precision; scalings and the like are not."""


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """Return the arrays of a member in few bytes.

    Predictions change by less than 1e-4 dex.

    Parameters
    ----------
    arrays
        By ``population/<key>``, ``regressors/<name>/<form>/<key>`` and ``slopes``.

    Returns
    -------
    dict
        Arrays for `unpack_arrays`; in place of its own anchors, a machine has rows of ``inputs``.
    """
    packed = {
        name: array if name.startswith("population/") else _shrink(name, array)
        for name, array in arrays.items()
    }
    machines = [name.removesuffix("anchors") for name in arrays if name.endswith(_ANCHORS)]
    if machines:
        stars = [_unscale(arrays, machine).astype(np.float32) for machine in machines]
        inputs, rows = np.unique(np.concatenate(stars), axis=0, return_inverse=True)
        packed[_INPUTS] = inputs
        ends = np.cumsum([len(own) for own in stars])
        for machine, own in zip(machines, np.split(rows.ravel(), ends[:-1]), strict=True):
            packed[f"{machine}anchors"] = _shrink(f"{machine}anchors", own)
    return packed


def unpack_arrays(packed: Mapping[str, NDArray[Any]]) -> Arrays:
    """Return arrays in double precision, each machine with its own scaled anchors.

    Arrays that are not packed stay as they are.
    """
    arrays = {name: _widen(array) for name, array in packed.items() if name != _INPUTS}
    if _INPUTS in packed:
        inputs = _widen(packed[_INPUTS])
        for name in arrays:
            if name.endswith(_ANCHORS):
                machine = name.removesuffix("anchors")
                anchors = inputs[arrays[name]]
                arrays[name] = (anchors - arrays[f"{machine}mean"]) / arrays[f"{machine}deviation"]
    return arrays


def _unscale(arrays: Mapping[str, NDArray[Any]], machine: str) -> NDArray[Any]:
    """Return the inputs that a machine has scaled."""
    anchors = arrays[f"{machine}anchors"]
    unscaled: NDArray[Any] = anchors * arrays[f"{machine}deviation"] + arrays[f"{machine}mean"]
    return unscaled


def _shrink(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.size < _LARGE:
        return array
    if array.dtype.kind in "iu":
        lowest, highest = np.min_scalar_type(array.min()), np.min_scalar_type(array.max())
        return array.astype(np.promote_types(lowest, highest))
    single = array.astype(np.float32)
    if name.endswith(_THRESHOLD):
        # Trees compare inputs of single precision: none may come between a threshold and its own.
        above = single > array
        single[above] = np.nextafter(single[above], np.float32(-np.inf))
    return single


def _widen(array: NDArray[Any]) -> NDArray[Any]:
    wide = {"f": np.float64, "i": np.int64, "u": np.int64}.get(array.dtype.kind)
    return array if wide is None else array.astype(wide, copy=False)
