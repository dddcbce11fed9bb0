"""How far the light curves of real stars stand out of their noise: the prior of rho.

    python -m benchmarks.kernel_ratios [--epochs 60] [--stars 200]

rho is the kernel's variance over that of the white noise. Of well-sampled stars its plain evidence
has a narrow maximum. Where these are, all surveys alike, says where those of another survey may be:
that is the prior `metalyra.fit.gp.LOG_RATIO_PRIOR` of the stars whose points alone do not tell.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.real_light_curves import (
    find_mirror,
    fold_stars,
    read_asas,
    read_gaia_dr3,
    read_ogle,
    read_vvv,
)
from metalyra.fit import FitSettings, fit_batch, summarise_stars


def read_surveys(mirror: Path) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame, FitSettings]]:
    """Give surveys, their stars, light curves, and the settings of their fits."""
    measured = FitSettings.from_config({})
    yield ("Gaia DR3 G", *read_gaia_dr3(mirror), measured)
    yield ("ASAS I", *read_asas(mirror)[:2], measured)
    yield ("OGLE I", *read_ogle(mirror), measured)
    yield ("VVV Ks", *read_vvv(mirror), FitSettings.from_config({"phases": "published"}))


def measure_log_ratios(
    stars: pd.DataFrame, light_curves: pd.DataFrame, settings: FitSettings
) -> np.ndarray:
    """Return log rho where the plain evidence is greatest, star by star."""
    summaries = summarise_stars(fold_stars(stars, light_curves, settings), settings)
    posterior = fit_batch(summaries, settings.kernel, ratio_prior=None)
    return 2 * np.log(posterior.best.amplitude / posterior.best.noise)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=60, help="fewest epochs of a star")
    parser.add_argument("--stars", type=int, default=200, help="most stars of a survey")
    arguments = parser.parse_args()
    ratios = {}
    for name, stars, light_curves, settings in read_surveys(find_mirror()):
        epochs = stars["star_id"].map(light_curves["star_id"].value_counts())
        well = (stars["status"] == "ok") & (epochs >= arguments.epochs)
        some = stars[well & stars["pulsation_type"].isin(["RRab", "RRc"])].head(arguments.stars)
        ratios[name] = measure_log_ratios(some, light_curves, settings)
    table = pd.DataFrame(
        {
            name: {
                "stars": values.size,
                "mean": values.mean(),
                "scatter": values.std(),
                **{f"{level} %": np.percentile(values, level) for level in (1, 16, 50, 84, 99)},
            }
            for name, values in ratios.items()
        }
    ).T
    # A survey is one of many: its own mean, and that of the means, are uncertain.
    among = table["mean"].var(ddof=1) * (1 + 1 / len(table))
    deviation = np.sqrt((table["scatter"] ** 2).mean() + among)
    print(f"log rho of stars with {arguments.epochs} epochs or more")
    print(table.to_string(float_format="%.2f"))
    mean = table["mean"].mean()
    print(f"a star of another survey: mean {mean:.2f}, standard deviation {deviation:.2f}")


if __name__ == "__main__":
    main()
