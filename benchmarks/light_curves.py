"""CPU time of the whole light-curve procedure, by survey, stage and number of epochs.

    python -m benchmarks.light_curves [--lcfit FOLDER [--python INTERPRETER]]
    python -m benchmarks.light_curves --against FOLDER [--stars NUMBER] [--repeats 3]

With the folder of another checkout of this repository, its fits and ours of the same stars are
timed by turns and compared, without and with the errors of the points. With a copy of lcfit
(github.com/idekany/lcfit), both fit the same curves of RRab stars with the same settings in one
run; the interpreter is one that has lcfit's libraries.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from benchmarks.checkouts import compare_checkouts
from benchmarks.lcfit import check_lcfit, compare
from benchmarks.real_light_curves import (
    find_mirror,
    read_asas,
    read_gaia_dr2,
    read_gaia_dr3,
    read_ogle,
)
from metalyra.core import generator
from metalyra.fit import (
    FitSettings,
    describe_stars,
    fit_batch,
    fit_stars,
    fold_best_aperture,
    measure_star,
    read_points,
    summarise_stars,
)
from metalyra.fit.description import MeasuredStar

EPOCHS = ((30, 46), (47, 150), (151, 400), (401, 1000), (1001, 3000))
"""Ranges of epochs that lcfit is compared in."""

LCFIT_STARS = 10
"""Most stars of a survey and range: lcfit takes seconds to minutes for each."""


def time_stages(stars: pd.DataFrame, light_curves: pd.DataFrame) -> dict[str, float]:
    """Return CPU milliseconds a star: regression, Gaussian process, errors, everything."""
    settings = FitSettings.from_config({})
    groups = {
        star_id: read_points(rows) for star_id, rows in light_curves.groupby("star_id", sort=False)
    }
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
    by_type: dict[str, list[MeasuredStar]] = {}
    for index, (star, curve) in enumerate(zip(stars.itertuples(), folded, strict=True)):
        measured = measure_star(curve, posterior, index, settings, rngs[star.star_id])
        by_type.setdefault(star.pulsation_type, []).append(measured)
    for pulsation_type, some in by_type.items():
        describe_stars(some, pulsation_type)
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


def compare_with_lcfit(mirror: Path, lcfit: Path, python: str) -> pd.DataFrame:
    """Return lcfit's fits of RRab stars beside ours with the same settings, by epochs."""
    start = check_lcfit(lcfit, python)
    rows = {}
    for name, (stars, light_curves) in {
        "Gaia DR3 G": read_gaia_dr3(mirror),
        "ASAS I": read_asas(mirror)[:2],
        "OGLE I": read_ogle(mirror),
    }.items():
        counts = stars["star_id"].map(light_curves["star_id"].value_counts())
        timed = (stars["pulsation_type"] == "RRab") & stars["period"].notna()
        for low, high in EPOCHS:
            some = stars[timed & counts.between(low, high)].head(LCFIT_STARS)
            if some.empty:
                continue
            with tempfile.TemporaryDirectory() as folder:
                row = compare(some, light_curves, lcfit, python, Path(folder), start)
            rows[f"{name}, {low} to {high}"] = row
            print(f"  lcfit: {name}, {low} to {high} epochs, done", flush=True)
    return pd.DataFrame(rows)


def print_comparison(mirror: Path, other: Path, most: int | None, repeats: int) -> None:
    """Print times and differences of the fits of two checkouts, and the stars that differ."""
    gaia, gaia_curves = read_gaia_dr3(mirror)
    counts = gaia["star_id"].map(gaia_curves["star_id"].value_counts())
    samples = {
        "Gaia DR3, 30 to 46 epochs": (gaia[counts.between(30, 46)], gaia_curves),
        "Gaia DR3, others": (gaia[~counts.between(30, 46)], gaia_curves),
        "ASAS": read_asas(mirror)[:2],
    }
    ogle, ogle_curves = read_ogle(mirror)
    counts = ogle["star_id"].map(ogle_curves["star_id"].value_counts())
    for place in counts.sort_values().index:
        star = ogle.loc[[place]]
        samples[star["star_id"].item()] = (star, ogle_curves)
    samples = {name: (stars.head(most), curves) for name, (stars, curves) in samples.items()}
    configs = {"": {}, "errors": {"use_errors": True}}
    rows, stars = compare_checkouts(samples, configs, other, repeats)
    print(rows.to_string(float_format="%.5g"))
    print("\nstars that differ")
    print(stars.to_string(float_format="%.5f"))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lcfit", type=Path, help="folder with lcfit.py")
    parser.add_argument(
        "--python", default=sys.executable, help="interpreter that runs lcfit (this one)"
    )
    parser.add_argument("--against", type=Path, help="folder of another checkout")
    parser.add_argument("--stars", type=int, help="most stars of a sample that are compared")
    parser.add_argument("--repeats", type=int, default=3, help="of which the fastest counts")
    arguments = parser.parse_args()
    mirror = find_mirror()
    if arguments.against:
        print_comparison(mirror, arguments.against, arguments.stars, arguments.repeats)
        return
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
        compared = compare_with_lcfit(mirror, arguments.lcfit, arguments.python)
        print("\nlcfit beside ours, RRab stars, differences ours minus lcfit's")
        print(compared.to_string(float_format="%.4f"))


if __name__ == "__main__":
    main()
