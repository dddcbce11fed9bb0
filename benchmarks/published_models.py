"""What the published networks were trained on: ranges, shapes and errors, for their cards.

    python -m benchmarks.published_models [--results results/dg22] [--write]

The networks of Dékány & Grebel (2022) came with neither domain nor errors. This measures both on
what was published with them and is in the mirror, from a complete run of the study dg22:

- G: the shapes are those of the 3,567 stars of the development set whose folds are known, the
  errors those of the published out-of-fold predictions of the same stars;
- Ks: the light curves of the development set are not published. The shapes are those of the 4,447
  light curves of the inner bulge, which the networks were made for; the errors those of the
  published out-of-fold predictions of all 7,534 stars of the development set.

The networks kept the epoch that was best for the very fold they are measured on, so that their
errors are a little too small. Cuts and ranges are those of Eqs. 3 and 4 and of the published
parameter files. With --write, resources/published_models.yaml is written.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from benchmarks.real_light_curves import find_mirror
from metalyra.core import OK, read_tables, replace_when_complete
from metalyra.predict import fit_error_model, fit_shapes

RESOURCE = Path("resources/published_models.yaml")
FOLDER = "dekany_grebel_2022"
HEADER = """\
# What the published networks were made for, by the folder of their weights: the quality of the
# light curves they were trained on (`cuts`), ranges of these (`ranges`), the mixture of Gaussians
# that the shapes of their light curves follow (`shapes`, see metalyra.predict.training_range)
# and the errors of their out-of-fold predictions (`calibration`, see
# metalyra.predict.uncertainty). Cuts and ranges are published (Dékány & Grebel 2022, Eqs. 3
# and 4, gfeh.par, kfeh.par); the rest is measured, and this file written, by
# `python -m benchmarks.published_models --write`, which says on what.
"""

CUTS = {
    "G": {"n_epochs": [20, None], "snr": [30, None], "phase_coverage": [0.85, None]},
    "Ks": {"n_epochs": [100, None], "snr": [100, None], "phase_coverage": [0.9, None]},
}
RANGES = {
    "G": {"period": [0.28, 0.98], "amplitude": [0.0, 1.4]},
    "Ks": {"period": [0.28, 0.98], "amplitude": [0.05, 0.45]},
}


def measure(mirror: Path, results: Path) -> dict[str, Any]:
    """Return the entries of the resource file."""
    g_folder, k_folder = f"{FOLDER}/results_g/best_model_g", f"{FOLDER}/results_k/best_model_k"
    listed = pd.read_csv(mirror / FOLDER / "g_dev_reconstructed.csv", dtype={"id": str})
    predicted = pd.read_csv(mirror / g_folder / "published_val_predictions.csv", dtype={"id": str})
    [file] = (mirror / k_folder).glob("predict_val_*.dat")
    k_predicted = pd.read_csv(file, sep=r"\s+", names=["id", "repeat", "feh", "feh_predicted"])
    g_fits = _read_fits(results, "gaia_dr2_g")
    return {
        g_folder: _describe(
            "G",
            g_fits[g_fits["star_id"].isin(listed["id"])],
            (predicted["published_val_pred"] - predicted["FeH"]).to_numpy(),
        ),
        k_folder: _describe(
            "Ks",
            _read_fits(results, "vvv_inner_bulge"),
            (k_predicted["feh_predicted"] - k_predicted["feh"]).to_numpy(),
        ),
    }


def _read_fits(results: Path, sample: str) -> pd.DataFrame:
    fits = read_tables(sorted((results / f"fits/{sample}").glob("*.parquet")))
    return fits[fits["status"] == OK].reset_index(drop=True)


def _describe(band: str, fits: pd.DataFrame, residuals: np.ndarray) -> dict[str, Any]:
    error_model = fit_error_model(residuals, np.zeros(len(residuals)))
    return {
        "cuts": CUTS[band],
        "ranges": RANGES[band],
        "calibration": {
            "floor": _round(error_model.floor),
            "factor": 0.0,
            "quantiles": _round(list(error_model.quantiles)),
        },
        "shapes": _round(fit_shapes(fits)),
    }


def _round(value: Any) -> Any:
    """Return plain numbers of five digits."""
    if isinstance(value, dict):
        return {key: _round(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_round(entry) for entry in value]
    return float(f"{value:.5g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=Path("results/dg22"))
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    entries = measure(find_mirror(), arguments.results)
    for folder, entry in entries.items():
        error = entry["calibration"]["floor"] * entry["calibration"]["quantiles"][0]
        print(f"{folder}: 68 % within {error:.3f} dex; limit {entry['shapes']['limit']:.2f}")
    if arguments.write:
        with replace_when_complete(RESOURCE) as temporary:
            body = yaml.safe_dump(entries, sort_keys=False, default_flow_style=None, width=96)
            temporary.write_text(HEADER + body)


if __name__ == "__main__":
    sys.exit(main())
