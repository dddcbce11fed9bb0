"""How long a fresh clone takes to apply each shipped model to a user's own stars.

500 simulated stars in one table, two cores, neither network nor mirror.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tests.integration.conftest import Project

from metalyra.predict import list_models
from testbench.simulate.observations import observe_gaia, observe_ogle
from testbench.simulate.pulsation import draw_rrab, draw_rrc

MEAN_MAGNITUDES = {"I": 15.8, "G": 16.5}
DRAW = {"RRab": draw_rrab, "RRc": draw_rrc}


def main() -> None:
    """Print the wall time, and what became of the stars, for each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help="default: all that are shipped")
    parser.add_argument("--stars", type=int, default=500)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for _, model in list_models().iterrows():
            if not options.models or model["name"] in options.models:
                seconds, table = apply(
                    Path(folder) / model["name"], model, options.stars, options.cores
                )
                counts = ", ".join(f"{n} {s}" for s, n in table["status"].value_counts().items())
                print(f"{model['name']}: {seconds:.1f} s; {len(table)} stars: {counts}", flush=True)


def apply(folder: Path, model: pd.Series, stars: int, cores: int) -> tuple[float, pd.DataFrame]:
    """Apply a model in a copy of the project; return the seconds and the user's table."""
    project = Project(folder / "clone")
    write_stars(folder, model, stars)
    keys = {
        "stars": folder / "stars.csv",
        "lightcurves": folder / "curves.parquet",
        "model": model["name"],
        "band": model["band"],
        "output": folder / "feh.csv",
    }
    environment = {
        **dict.fromkeys(("METALYRA_MIRROR", "METALYRA_ARCHIVES"), ""),
        "METALYRA_OFFLINE": "1",
    }
    start = time.perf_counter()
    project.run(
        *("--cores", str(cores), "--configfile", "config/apply.yaml"),
        *("--config", *(f"{key}={value}" for key, value in keys.items())),
        **environment,
    )
    return time.perf_counter() - start, pd.read_csv(folder / "feh.csv")


def write_stars(folder: Path, model: pd.Series, stars: int) -> None:
    """Write simulated stars of a model's band and type as a user would bring them."""
    drawn = list(draw_stars(model["band"], model["pulsation_type"], stars))
    pd.DataFrame([star for star, _ in drawn]).to_csv(folder / "stars.csv", index=False)
    pd.concat([curve for _, curve in drawn]).to_parquet(folder / "curves.parquet", index=False)


def draw_stars(
    band: str, pulsation_type: str, number: int
) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Draw stars and their light curves: Gaia DR3's, or 300 epochs of OGLE."""
    for index in range(number):
        rng = np.random.default_rng([index, 500])
        star = DRAW[pulsation_type](rng, {band: MEAN_MAGNITUDES[band]})
        if band == "I":
            curve = observe_ogle(star, rng, 300)
        else:
            epochs = observe_gaia(star, rng, "gaia_dr3")
            sound = (epochs["band"] == band) & (epochs["rejected_by_variability"] == "false")
            curve = epochs.loc[sound, ["time", "mag"]].assign(mag_err=0.01)
        star_id = f"star_{index:03}"
        row = {"star_id": star_id, "period": star.period, "pulsation_type": pulsation_type}
        yield row, curve.assign(star_id=star_id)


if __name__ == "__main__":
    os.environ.pop("METALYRA_MIRROR", None)
    main()
