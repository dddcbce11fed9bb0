"""lcfit, the program of the published light-curve parameters, run beside our fits.

It is Dekany's (github.com/idekany/lcfit), in a folder and with a Python that the user gives.
"""

import os
import resource
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd

from metalyra.core import generator, wrap_around
from metalyra.fit import assign_folds, fit_stars

OPTIONS = """\
--rootdir {folder}
--input_list stars.lst
--input_dir .
--input_lc_suffix .dat
--output_param_file parameters.out
--output_data_dir folded
--output_syn_dir curves
--syn_suffix _syn
--n_data_cols 1
--use_data_cols 1
--is_err_col
--n_jobs 1
--seed 42
--loss huber
--sigma_clip_threshold 3.0
--compute_errors
--nsyn 120
--align_phi1
--gpr_fit
--gpr_hparam_optimization mle
--kernel expsine2
--fourier_from_gpr
--k_fold 10
--fourier_order_min 3
--fourier_order_max 8
--mean_phase21 9.1
--mean_phase31 5.88
"""
"""Of the published RRab stars."""

SAME = {"published": True, "order_min": 3, "order_max": 8, "sigma_clip": 3.0}
"""Our settings that stand for them."""

COLUMNS = {"a1": "A1", "phi21": "phi21", "phi31": "phi31", "amplitude": "totamp"}
"""Our columns, and lcfit's."""

FOLDS = 10
"""One in so many epochs is held out."""


def run_python(python: str, arguments: list[str], folder: Path) -> float:
    """Run lcfit's Python, keep what it prints, and return the CPU seconds.

    Raises
    ------
    SystemExit
        If it fails, with the last line that it has printed.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        subprocess.run(
            [python, *arguments],
            check=True,
            cwd=folder,
            env={**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": ""},
            capture_output=True,
            text=True,
        )
    except OSError as error:
        raise SystemExit(f"lcfit: {python} cannot be run: {error.strerror}") from None
    except subprocess.CalledProcessError as error:
        said = [line for line in (error.stderr + error.stdout).splitlines() if line.strip()]
        last = error.stderr.strip().splitlines() or said or ["it said nothing"]
        raise SystemExit(
            f"lcfit does not run with {python}: {last[-1]}; benchmarks/README.md says with which "
            "versions of its libraries it does"
        ) from None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def check_lcfit(lcfit: Path, python: str) -> float:
    """Import lcfit's modules, and return the CPU seconds that it takes to start.

    Raises
    ------
    SystemExit
        If the folder has no lcfit, or a library is missing.
    """
    if not (lcfit / "lcfit.py").is_file():
        raise SystemExit(f"lcfit: there is no lcfit.py in {lcfit}")
    return run_python(python, ["-c", "import lcfit_io, lcfit_utils, fourier"], lcfit)


def run_lcfit(
    stars: pd.DataFrame, light_curves: pd.DataFrame, lcfit: Path, python: str, folder: Path
) -> tuple[pd.DataFrame, float]:
    """Return lcfit's table of parameters, by star, and its CPU seconds with the start.

    The mean curves are left in the folder.
    """
    for name in ("folded", "curves"):
        (folder / name).mkdir()
    # lcfit reads 25 characters of a name.
    names = [f"star{place}" for place in range(len(stars))]
    lines = [f"{name} {period}" for name, period in zip(names, stars["period"], strict=True)]
    (folder / "stars.lst").write_text("\n".join(["# id period", *lines, ""]))
    for name, star_id in zip(names, stars["star_id"], strict=True):
        rows = light_curves[light_curves["star_id"] == star_id]
        np.savetxt(folder / f"{name}.dat", rows[["time", "mag", "mag_err"]])
    (folder / "lcfit.par").write_text(OPTIONS.format(folder=folder))
    seconds = run_python(python, [str((lcfit / "lcfit.py").resolve()), "@lcfit.par"], folder)
    header, *rows = (folder / "parameters.out").read_text().splitlines()
    table = pd.DataFrame([row.split() for row in rows], columns=header.lstrip("# ").split())
    table["star_id"] = table["id"].map(dict(zip(names, stars["star_id"], strict=True)))
    table = table.set_index("star_id")
    return table.astype(dict.fromkeys(table.columns.drop("id"), float)), seconds


def read_residuals(row: pd.Series, folder: Path, first: float, epochs: pd.DataFrame) -> np.ndarray:
    """Return epochs (mag) minus the mean curve of lcfit."""
    phase, curve = np.loadtxt(folder / "curves" / f"{row['id']}_gpr_syn.dat", unpack=True)
    at = ((epochs["time"].to_numpy() - first) / row["period"] + row["phaseshift"]) % 1
    return epochs["mag"].to_numpy() - row["meanmag"] - np.interp(at, phase, curve)


def own_residuals(row: pd.Series, epochs: pd.DataFrame) -> np.ndarray:
    """Return epochs (mag) minus the mean curve of ours."""
    curve = np.asarray(row["curve"])
    at = ((epochs["time"].to_numpy() - row["epoch"]) / row["period"] + row["phase_shift"]) % 1
    modelled = np.interp(at, np.arange(curve.size) / curve.size, curve, period=1.0)
    return epochs["mag"].to_numpy() - row["mean_mag"] - modelled


def hold_out(stars: pd.DataFrame, light_curves: pd.DataFrame) -> pd.Series:
    """Tell which epochs are held out: one in `FOLDS` of each star, spread over its phases."""
    held_out = pd.Series(False, index=light_curves.index)
    for star in stars.itertuples():
        rows = light_curves[light_curves["star_id"] == star.star_id]
        folds = assign_folds(
            rows["time"].to_numpy() / star.period % 1, FOLDS, generator(1, "lcfit", star.star_id)
        )
        held_out.loc[rows.index[folds == 0]] = True
    return held_out


def compare(
    stars: pd.DataFrame,
    light_curves: pd.DataFrame,
    lcfit: Path,
    python: str,
    folder: Path,
    start: float,
) -> dict[str, float]:
    """Return times, differences (ours minus lcfit's) and held-out rms of a sample.

    Parameters
    ----------
    stars, light_curves
        RRab stars, each fitted by both without the epochs of `hold_out`.
    lcfit, python
        Folder of lcfit.py, and the interpreter that runs it.
    folder
        Empty, for lcfit's files.
    start
        CPU seconds of lcfit's start, which are not counted.

    Returns
    -------
    dict
        Numbers of stars and epochs; CPU ms a star and their ratio; median difference and
        largest of each of `COLUMNS`; rms (mag) of all held-out epochs about both curves.
    """
    curves = light_curves[light_curves["star_id"].isin(stars["star_id"])].reset_index(drop=True)
    held_out = hold_out(stars, curves)
    fitted, unseen = curves[~held_out], curves[held_out]
    theirs, seconds = run_lcfit(stars, fitted, lcfit, python, folder)
    begin = time.process_time()
    fits, _ = fit_stars(stars, fitted, SAME, seed=42)
    own_seconds = time.process_time() - begin
    ours = fits[fits["status"] == "ok"].set_index("star_id")
    both = ours.index.intersection(theirs.index)
    row: dict[str, float] = {
        "stars": len(both),
        "epochs": float(fitted.groupby("star_id").size().median()),
        "lcfit ms": 1e3 * (seconds - start) / len(stars),
        "ours ms": 1e3 * own_seconds / len(stars),
    }
    row["ratio"] = row["lcfit ms"] / row["ours ms"]
    for own, their in COLUMNS.items():
        difference = ours.loc[both, own].astype(float) - theirs.loc[both, their]
        if own.startswith("phi"):
            difference = wrap_around(difference, 0.0)
        row[f"{their} median"] = float(np.median(difference))
        row[f"{their} largest"] = float(np.abs(difference).max())
    residuals = {"lcfit": [], "ours": []}
    for star_id in both:
        epochs = unseen[unseen["star_id"] == star_id]
        first = fitted.loc[fitted["star_id"] == star_id, "time"].iloc[0]
        residuals["lcfit"].append(read_residuals(theirs.loc[star_id], folder, first, epochs))
        residuals["ours"].append(own_residuals(ours.loc[star_id], epochs))
    for name, parts in residuals.items():
        row[f"held-out rms, {name}"] = float(np.sqrt(np.mean(np.concatenate(parts) ** 2)))
    return row
