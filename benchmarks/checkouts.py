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
from metalyra.core.arrays import Floats
from metalyra.label import estimate_metallicity, read_relations

HERE = Path(__file__).parents[1]

SAME_MAG, SAME_ANGLE = 1e-4, 1e-3
"""Differences (mag, rad) of the shape up to which two fits of a star are the same."""

MAGNITUDES = ("mean_mag", "amplitude", "a1", "a2", "a3")
ANGLES = ("phi21", "phi31")

RELATION = "muraveva2025"
"""The relation that differences of [Fe/H] are of, whatever the band."""


def check_checkout(folder: Path) -> None:
    """End the program unless a folder has the repository."""
    if not (folder / "workflow" / "metalyra").is_dir():
        raise SystemExit(f"{folder} is no checkout of the repository: it has no workflow/metalyra")


def run_in_checkout(checkout: Path, script: str, *arguments: str | Path) -> Floats:
    """Return the CPU seconds that a script of this folder prints with a checkout's library.

    It runs in a process of its own, on one thread.
    """
    printed = subprocess.run(
        [sys.executable, HERE / "benchmarks" / script, *arguments],
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
    return np.array(json.loads(printed))


def run_fits(checkout: Path, folder: Path, jobs: int) -> tuple[list[pd.DataFrame], Floats]:
    """Return the fits of a checkout's library, and the CPU seconds of each job on one thread.

    Parameters
    ----------
    checkout
        Folder of the repository.
    folder
        What `benchmarks/timed_fits.py` reads; it leaves the fits there.
    jobs
        Number of jobs in it.
    """
    seconds = run_in_checkout(checkout, "timed_fits.py", folder)
    fits = [pd.read_parquet(folder / f"fits_{number}.parquet") for number in range(jobs)]
    return fits, seconds


def list_differences(ours: pd.DataFrame, theirs: pd.DataFrame, stars: pd.DataFrame) -> pd.DataFrame:
    """Return the largest differences of each star's shape, and whether the rest is the same.

    Returns
    -------
    DataFrame
        By star: `status` and `n_epochs`, whether they are the same; `mag` and `angle` (rad),
        the largest differences among `MAGNITUDES` and among `ANGLES`, NaN without a shape; `feh`
        (dex), that of [Fe/H] by `RELATION`.
    """
    relations = read_relations(HERE / "resources" / "relations.yaml")[RELATION]
    feh = [
        estimate_metallicity(fits, stars, RELATION, relations)["feh"].to_numpy()
        for fits in (ours, theirs)
    ]
    differences = pd.DataFrame(index=ours["star_id"])
    for name in ("status", "n_epochs"):
        differences[name] = ours[name].to_numpy() == theirs[name].to_numpy()
    for name, columns in (("mag", MAGNITUDES), ("angle", ANGLES)):
        change = ours[[*columns]].to_numpy() - theirs[[*columns]].to_numpy()
        change = wrap_around(change, 0.0) if name == "angle" else change
        differences[name] = np.abs(change).max(axis=1)
    return differences.assign(feh=np.abs(feh[0] - feh[1]))


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
        their ratio, numbers of stars whose status, kept epochs or shape differ, the median
        differences (mag, rad), and the largest of [Fe/H] (dex) where the shape is the same.
    stars
        The stars that differ, as `list_differences` has them.
    """
    check_checkout(other)
    jobs = [(sample, name) for sample in samples for name in configs]
    places = {sample: str(place) for place, sample in enumerate(samples)}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for sample, (stars, curves) in samples.items():
            own = curves[curves["star_id"].isin(stars["star_id"])]
            stars.to_parquet(folder / f"{places[sample]}_stars.parquet")
            own.to_parquet(folder / f"{places[sample]}_curves.parquet")
        (folder / "jobs.json").write_text(
            json.dumps([(places[sample], configs[name]) for sample, name in jobs])
        )
        runs = [
            (run_fits(other, folder, len(jobs)), run_fits(HERE, folder, len(jobs)))
            for _ in range(repeats)
        ]
    before, now = (np.min([run[side][1] for run in runs], axis=0) for side in (0, 1))
    rows, differing = {}, {}
    for number, (sample, name) in enumerate(jobs):
        stars, curves = samples[sample]
        counts = curves["star_id"].value_counts().reindex(stars["star_id"])
        change = list_differences(runs[0][1][0][number], runs[0][0][0][number], stars)
        moved = (change["mag"] > SAME_MAG) | (change["angle"] > SAME_ANGLE)
        rows[sample, name] = {
            "stars": len(stars),
            "epochs": float(counts.median()),
            "other ms": 1e3 * before[number] / len(stars),
            "this ms": 1e3 * now[number] / len(stars),
            "ratio": before[number] / now[number],
            "status differs": int((~change["status"]).sum()),
            "epochs differ": int((~change["n_epochs"]).sum()),
            "shape differs": int(moved.sum()),
            "median mag": change["mag"].median(),
            "median angle": change["angle"].median(),
            "largest feh": change.loc[~moved, "feh"].max(),
        }
        differing[sample, name] = change[moved | ~change["status"] | ~change["n_epochs"]]
    return pd.DataFrame(rows).T, pd.concat(differing)
