"""The fits of this checkout of the repository beside those of another."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metalyra.core import wrap_around

HERE = Path(__file__).parents[1]

SAME_MAG, SAME_ANGLE = 1e-4, 1e-3
"""Differences (mag, rad) of the shape up to which two fits of a star are the same."""

MAGNITUDES = ("mean_mag", "amplitude", "a1", "a2", "a3")
ANGLES = ("phi21", "phi31")


def run_fit(checkout: Path, folder: Path, config: Mapping[str, Any]) -> tuple[pd.DataFrame, float]:
    """Return the fits of a checkout's library, and the CPU seconds on one thread.

    Parameters
    ----------
    checkout
        Folder of the repository.
    folder
        With stars.parquet and light_curves.parquet; the fits are left there.
    config
        The `fit` section of a sample.
    """
    paths = [folder / f"{name}.parquet" for name in ("stars", "light_curves", "fits")]
    program = HERE / "benchmarks" / "timed_fit.py"
    printed = subprocess.run(
        [sys.executable, program, *paths[:2], json.dumps(config), paths[2]],
        check=True,
        env={
            **os.environ,
            "PYTHONPATH": str(checkout.resolve() / "workflow"),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        },
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    return pd.read_parquet(paths[2]), float(printed)


def list_differences(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """Return the largest differences of each star's shape, and whether the rest is the same.

    Returns
    -------
    DataFrame
        By star: `status` and `n_epochs`, whether they are the same; `mag` and `angle` (rad),
        the largest differences among `MAGNITUDES` and among `ANGLES`, NaN without a shape.
    """
    differences = pd.DataFrame(index=ours["star_id"])
    for name in ("status", "n_epochs"):
        differences[name] = ours[name].to_numpy() == theirs[name].to_numpy()
    for name, columns in (("mag", MAGNITUDES), ("angle", ANGLES)):
        change = ours[[*columns]].to_numpy() - theirs[[*columns]].to_numpy()
        change = wrap_around(change, 0.0) if name == "angle" else change
        differences[name] = np.abs(change).max(axis=1)
    return differences


def compare_checkouts(
    samples: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]],
    configs: Mapping[str, Mapping[str, Any]],
    other: Path,
    repeats: int = 3,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit samples with both checkouts by turns.

    Parameters
    ----------
    samples
        Stars and light curves by name.
    configs
        `fit` sections by name.
    other
        Folder of the other checkout.
    repeats
        Of which the fastest counts.

    Returns
    -------
    rows
        By sample and config: stars, epochs, CPU ms a star of the other and of this checkout,
        their ratio, numbers of stars whose status, kept epochs or shape differ, and the median
        differences (mag, rad).
    stars
        The stars that differ, as `list_differences` has them.
    """
    if not (other / "workflow" / "metalyra").is_dir():
        raise SystemExit(f"{other} is no checkout of the repository: it has no workflow/metalyra")
    rows, differing = {}, {}
    for sample, (stars, light_curves) in samples.items():
        curves = light_curves[light_curves["star_id"].isin(stars["star_id"])]
        for name, config in configs.items():
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary)
                stars.to_parquet(folder / "stars.parquet")
                curves.to_parquet(folder / "light_curves.parquet")
                runs = [
                    (run_fit(other, folder, config), run_fit(HERE, folder, config))
                    for _ in range(repeats)
                ]
            (theirs, _), (ours, _) = runs[0]
            before, now = (1e3 * min(run[side][1] for run in runs) / len(stars) for side in (0, 1))
            change = list_differences(ours, theirs)
            moved = (change["mag"] > SAME_MAG) | (change["angle"] > SAME_ANGLE)
            rows[sample, name] = {
                "stars": len(stars),
                "epochs": float(curves.groupby("star_id").size().median()),
                "other ms": before,
                "this ms": now,
                "ratio": before / now,
                "status differs": int((~change["status"]).sum()),
                "epochs differ": int((~change["n_epochs"]).sum()),
                "shape differs": int(moved.sum()),
                "median mag": change["mag"].median(),
                "median angle": change["angle"].median(),
            }
            differing[sample, name] = change[moved | ~change["status"] | ~change["n_epochs"]]
    return pd.DataFrame(rows).T, pd.concat(differing)
