"""Which kernel the real light curves have, by their evidences.

    python -m benchmarks.kernels [--stars 250]

The share of the stars of a type that have one of two kernels is the one number of a mixture:
its posterior, from a flat prior, is summed on a grid. `metalyra.fit.batches` takes it from here.
"""

import argparse

import numpy as np
import pandas as pd

from benchmarks.real_light_curves import find_mirror, fold_stars, read_asas, read_gaia_dr3
from metalyra.fit import FitSettings, fit_batch, summarise_stars

KERNELS = ("expsine2", "matern52")


def compare_kernels(
    stars: pd.DataFrame, light_curves: pd.DataFrame, settings: FitSettings
) -> np.ndarray:
    """Return the log of the second kernel's evidence over the first one's, star by star."""
    summaries = summarise_stars(fold_stars(stars, light_curves, settings), settings)
    first, second = (fit_batch(summaries, kernel).log_bayes_factor for kernel in KERNELS)
    return second - first


def estimate_share(log_ratio: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation of the second kernel's share of the stars."""
    share = np.linspace(0.0, 1.0, 1001)[:, None]
    ratio = np.exp(np.clip(log_ratio, -50, 50))
    log_likelihood = np.log(share * ratio + 1 - share).sum(axis=1)
    weight = np.exp(log_likelihood - log_likelihood.max())
    mean = np.average(share[:, 0], weights=weight)
    return mean, np.sqrt(np.average((share[:, 0] - mean) ** 2, weights=weight))


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stars", type=int, default=250, help="Gaia DR3 stars of each type")
    count = parser.parse_args().stars
    asas, asas_curves, _ = read_asas(find_mirror())
    gaia, gaia_curves = read_gaia_dr3(find_mirror())
    samples = {
        "ASAS, I": (asas, asas_curves, FitSettings.from_config({})),
        "Gaia DR3, G": (gaia, gaia_curves, FitSettings.from_config({"use_errors": True})),
    }
    rows = []
    for sample, (stars, light_curves, settings) in samples.items():
        for kind in ("RRab", "RRc"):
            some = stars[(stars["pulsation_type"] == kind) & (stars["status"] == "ok")].head(count)
            log_ratio = compare_kernels(some, light_curves, settings)
            mean, error = estimate_share(log_ratio)
            rows.append((sample, kind, log_ratio.size, log_ratio.mean(), mean, error))
    columns = ["sample", "type", "stars", "mean log ratio", f"share of {KERNELS[1]}", "+-"]
    print(pd.DataFrame(rows, columns=columns).to_string(index=False, float_format="%.2f"))


if __name__ == "__main__":
    main()
