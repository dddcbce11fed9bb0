"""How often the 68 % intervals of A1, phi31 and [Fe/H] hold the truth, and the rms of phi31.

    python -m benchmarks.intervals [--stars 400] [--types RRab RRc] [--matern 0.95]

The truths are the mean curves of real stars (ASAS, S/N above 80) by the published
procedure, which smooths weak harmonics less than ours, observed anew at random phases with
white noise. With `--matern`, that share of the RRc stars has the Matern kernel a priori.
"""

import argparse

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks.published_columns import PUBLISHED
from benchmarks.real_light_curves import find_mirror, read_asas
from metalyra.core import generator, wrap_around
from metalyra.fit import CURVE_POINTS, batches, evaluate_harmonics, fit_stars, measure_shape
from metalyra.label import Relation, read_relations

ORDER = 20
"""Harmonics of the true curves."""

EPOCHS = (25, 50, 100, 300, 1000)
NOISE = (0.01, 0.05)


def read_truths() -> pd.DataFrame:
    """Return period, pulsation type and coefficients of real stars."""
    stars, light_curves, _ = read_asas(find_mirror())
    fits, _ = fit_stars(stars, light_curves, PUBLISHED, seed=1)
    fits["pulsation_type"] = stars["pulsation_type"].to_numpy()
    fits = fits[(fits["status"] == "ok") & (fits["snr"] > 80)]
    spectra = np.fft.rfft(np.array(fits["curve"].tolist())) / CURVE_POINTS
    coefficients = np.zeros((len(fits), 2 * ORDER + 1))
    coefficients[:, 1::2] = -2 * spectra.imag[:, 1 : ORDER + 1]
    coefficients[:, 2::2] = 2 * spectra.real[:, 1 : ORDER + 1]
    return fits[["period", "pulsation_type"]].assign(coefficients=list(coefficients))


def observe(
    truths: pd.DataFrame, count: int, epochs: int, noise: float
) -> tuple[pd.DataFrame, pd.DataFrame, list[np.ndarray]]:
    """Return stars, light curves and true coefficients of simulated observations."""
    stars, curves, coefficients = [], [], []
    for index in range(count):
        star_id = f"{epochs}/{noise}/{index}"
        rng = generator(1, "intervals", star_id)
        truth = truths.iloc[rng.integers(len(truths))]
        time = np.sort(rng.uniform(0, 1500, epochs))
        mag = 15 + evaluate_harmonics(time / truth["period"], ORDER) @ truth["coefficients"]
        mag += noise * rng.standard_normal(epochs)
        stars.append((star_id, truth["period"], truth["pulsation_type"], "ok"))
        curve = {"star_id": star_id, "band": "I", "time": time, "mag": mag, "mag_err": noise}
        curves.append(pd.DataFrame(curve))
        coefficients.append(truth["coefficients"])
    columns = ["star_id", "period", "pulsation_type", "status"]
    return pd.DataFrame(stars, columns=columns), pd.concat(curves), coefficients


def measure_coverage(
    stars: pd.DataFrame,
    light_curves: pd.DataFrame,
    coefficients: list[np.ndarray],
    relation: Relation,
) -> dict[str, float]:
    """Return the fractions of truths within one error, and the rms error of phi31 (rad).

    All stars are of one pulsation type. The rms is of the stars whose true A3 is three times the
    error that white noise gives it: phi31 of the others may be anything. A curve that is too
    noisy to show that it varies counts, too: leaving it out would select by the noise.
    """
    fits, _ = fit_stars(stars, light_curves, {}, seed=1)
    pulsation_type = stars["pulsation_type"].iloc[0]
    truth = pd.DataFrame([measure_shape(values, pulsation_type) for values in coefficients])
    difference = {name: (fits[name] - truth[name]).to_numpy() for name in ("a1", "a2", "phi31")}
    difference["phi31"] = wrap_around(difference["phi31"], 0.0)
    _, feh_err = relation.estimate(fits)
    # The relation of the differences, free of turns of phi31.
    error = sum(
        relation.coefficients.get(name, 0.0) * values for name, values in difference.items()
    )
    fitted = fits["amplitude"].notna().to_numpy()
    white_noise = light_curves.groupby("star_id", sort=False)["mag_err"].mean().to_numpy()
    epochs = light_curves.groupby("star_id", sort=False).size().to_numpy()
    measurable = (truth["a3"] > 3 * white_noise * np.sqrt(2 / epochs)).to_numpy()
    within = {
        "a1": np.abs(difference["a1"]) < fits["a1_err"],
        "phi31": np.abs(difference["phi31"]) < fits["phi31_err"],
        "feh": np.abs(error) < feh_err,
    }
    return {
        "fitted": fitted.mean(),
        **{name: inside[fitted].mean() for name, inside in within.items()},
        "phi31_rms": np.sqrt(pd.Series(difference["phi31"][fitted & measurable] ** 2).mean()),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stars", type=int, default=400, help="stars in each row")
    parser.add_argument("--types", nargs="+", default=["RRab", "RRc"], help="pulsation types")
    parser.add_argument("--matern", type=float, help="prior share of RRc stars with that kernel")
    arguments = parser.parse_args()
    count = arguments.stars
    if arguments.matern is not None:
        shares = {"expsine2": 1 - arguments.matern, "matern52": arguments.matern}
        batches._SHARES["RRc"] = shares
    truths = read_truths()
    relations = read_relations("resources/relations.yaml")["dekany2021"]
    rows = []
    cases = [(kind, n, noise) for kind in arguments.types for n in EPOCHS for noise in NOISE]
    for kind, epochs, noise in tqdm(cases, disable=None):
        some = truths[truths["pulsation_type"] == kind]
        coverage = measure_coverage(*observe(some, count, epochs, noise), relations[kind])
        rows.append({"type": kind, "epochs": epochs, "noise": noise, **coverage})
    table = pd.DataFrame(rows)
    print(table.to_string(index=False, float_format="%.3f"))
    print("\nFraction of truths in the 68 % intervals (0.683 expected), all noises:")
    print(
        table.groupby(["type", "epochs"])[["a1", "phi31", "feh"]]
        .mean()
        .to_string(float_format="%.3f")
    )
    rms = table.groupby("type")["phi31_rms"].apply(lambda values: np.sqrt(np.mean(values**2)))
    means = table.groupby("type")[["a1", "phi31", "feh"]].mean().round(4).to_dict("index")
    print(f"\nall epochs: {means}")
    print(f"\nrms of phi31, all cells: {rms.round(3).to_dict()} rad")
    print(f"standard error of a row of the first table: {np.sqrt(0.683 * 0.317 / count):.3f}")


if __name__ == "__main__":
    main()
