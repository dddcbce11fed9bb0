"""CPU time of the whole light-curve procedure, by survey, stage and number of epochs.

    python -m benchmarks.light_curves [--lcfit FOLDER]

With a copy of lcfit (github.com/idekany/lcfit), both fit the same ASAS curves in one run.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.real_light_curves import find_mirror, read_asas, read_gaia_dr2, read_ogle
from metalyra.core import generator
from metalyra.fit import (
    FitSettings,
    describe_star,
    fit_batch,
    fit_stars,
    fold_best_aperture,
    summarise_stars,
)

LCFIT_OPTIONS = """\
--rootdir {folder}
--input_list stars.lst
--input_dir .
--input_lc_suffix .dat
--output_param_file out.dat
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


def time_stages(stars: pd.DataFrame, light_curves: pd.DataFrame) -> dict[str, float]:
    """Return CPU milliseconds a star: regression, Gaussian process, errors, everything."""
    settings = FitSettings.from_config({})
    groups = dict(list(light_curves.groupby("star_id", sort=False)))
    rngs = {star_id: generator(1, "fit", star_id) for star_id in stars["star_id"]}
    begin = time.process_time()
    folded = [
        fold_best_aperture(
            groups[star.star_id], star.period, star.pulsation_type, settings, rngs[star.star_id]
        )
        for star in stars.itertuples()
    ]
    regressed = time.process_time()
    posterior = fit_batch(summarise_stars(folded, settings), settings.kernel)
    modelled = time.process_time()
    for index, (star, curve) in enumerate(zip(stars.itertuples(), folded, strict=True)):
        rng = rngs[star.star_id]
        describe_star(curve, posterior, index, star.pulsation_type, settings, rng)
    described = time.process_time()
    fit_stars(stars, light_curves, {}, seed=1)
    whole = time.process_time()
    stages = {
        "regression": regressed - begin,
        "GP": modelled - regressed,
        "errors": described - modelled,
        "whole": whole - described,
    }
    return {name: 1e3 * seconds / len(stars) for name, seconds in stages.items()}


def time_lcfit(stars: pd.DataFrame, light_curves: pd.DataFrame, lcfit: Path) -> float:
    """Return lcfit's CPU milliseconds a star, its start not counted."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = []
        for count in (1, len(stars)):
            some = stars.head(count)
            lines = [f"{star.star_id} {star.period}" for star in some.itertuples()]
            Path(folder, "stars.lst").write_text("# id period\n" + "\n".join(lines) + "\n")
            for star_id in some["star_id"]:
                rows = light_curves[light_curves["star_id"] == star_id]
                np.savetxt(Path(folder, f"{star_id}.dat"), rows[["time", "mag", "mag_err"]])
            Path(folder, "lcfit.par").write_text(LCFIT_OPTIONS.format(folder=folder))
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(
                [sys.executable, str(lcfit / "lcfit.py"), f"@{folder}/lcfit.par"],
                check=True,
                cwd=folder,
                env={**os.environ, "MPLBACKEND": "Agg"},
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return 1e3 * (seconds[1] - seconds[0]) / (len(stars) - 1)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lcfit", type=Path, help="folder with lcfit.py")
    arguments = parser.parse_args()
    mirror = find_mirror()
    asas, asas_curves, _ = read_asas(mirror)
    ogle, ogle_curves = read_ogle(mirror)
    gaia, gaia_curves = read_gaia_dr2(mirror)
    counts = gaia_curves["star_id"].value_counts()
    gaia = gaia[gaia["star_id"].map(counts) >= 25].head(500)

    samples = [(f"ASAS, {len(asas)} stars", asas, asas_curves)]
    samples += [(f"Gaia G, {len(gaia)} stars", gaia, gaia_curves)]
    samples += [
        (f"OGLE {star_id[-5:]}", rows, ogle_curves)
        for star_id, rows in sorted(
            ogle.groupby("star_id"), key=lambda item: (ogle_curves["star_id"] == item[0]).sum()
        )
    ]
    time_stages(asas.head(3), asas_curves)  # load what is loaded once
    print("CPU ms a star, one core")
    for name, stars, curves in samples:
        rows = curves[curves["star_id"].isin(stars["star_id"])]
        epochs = int(rows.groupby("star_id").size().median())
        stages = "  ".join(f"{key} {value:7.1f}" for key, value in time_stages(stars, rows).items())
        print(f"{name:18s} {epochs:6d} epochs  {stages}")
    if arguments.lcfit:
        some = asas.head(10)
        ours = time_stages(some, asas_curves)["whole"]
        theirs = time_lcfit(some, asas_curves, arguments.lcfit)
        print(f"lcfit on 10 ASAS stars: {theirs:.0f} ms a star, {theirs / ours:.0f} times ours")


if __name__ == "__main__":
    main()
