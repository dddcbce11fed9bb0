"""The catalogue of config/gaia.yaml beside the labels of the stars that OGLE-III describes.

    python -m benchmarks.flagship [--results results/gaia_dr3]

The labels are those of `benchmarks.transfer`, made here of OGLE-III's parameters and periods, for
both types. A star that a model was trained on has the value of the member that has not seen it.

Printed are, by model, bias (median), scatter (1.4826 MAD), RMSE and MAE of the differences in dex,
and how many stars the intervals of 68 and 95 % hold. Labels and models are on one scale, so that
the scatter of the relation is left out of these intervals; the errors of the labels are unknown.
Then by how much the joint models differ from those in G on the same stars: the mean difference of
the absolute errors, with its error from a paired bootstrap over stars.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.real_light_curves import find_mirror
from benchmarks.transfer import compare, read_labels
from metalyra.core import OK

DRAWS = 4000
SEED = 1


def compare_errors(first: pd.DataFrame, second: pd.DataFrame) -> tuple[float, float, int]:
    """Return the second's mean absolute error minus the first's, its error, and the stars."""
    pairs = first.merge(second, on="star_id", suffixes=("", "_second"))
    gain = (pairs["feh_second"] - pairs["feh_label"]).abs()
    gain -= (pairs["feh"] - pairs["feh_label"]).abs()
    draws = np.random.default_rng(SEED).integers(0, len(gain), (DRAWS, len(gain)))
    return gain.mean(), gain.to_numpy()[draws].mean(axis=1).std(), len(gain)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=Path("results/gaia_dr3"))
    results = parser.parse_args().results
    mirror = find_mirror()
    rows, tables = [], {}
    for kind in ("RRab", "RRc"):
        labels = read_labels(mirror, kind)
        for folder in sorted(results.glob(f"predictions/*_{kind.lower()}*/gaia_g")):
            model = folder.parent.name
            predictions = pd.concat(map(pd.read_parquet, sorted(folder.glob("*.parquet"))))
            valued = predictions[predictions["feh"].notna()]
            for chosen, status in ((valued, "all"), (valued[valued["status"] == OK], "ok")):
                pairs = chosen.merge(
                    labels[["star_id", "feh"]], on="star_id", suffixes=("", "_label")
                )
                rows.append({"model": model, "status": status, **compare(chosen, labels)})
                tables[model, status] = pairs
    print(pd.DataFrame(rows).to_string(index=False, float_format="%.3f"))
    for model, status in tables:
        joint = f"{model}_joint", status
        if joint in tables:
            gain, error, stars = compare_errors(tables[model, status], tables[joint])
            print(f"{joint[0]} minus {model}, {status}: {gain:+.4f} +- {error:.4f} ({stars} stars)")


if __name__ == "__main__":
    main()
