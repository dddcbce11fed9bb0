"""Fit samples with the library that PYTHONPATH names, and print the CPU seconds of each.

    python benchmarks/timed_fits.py FOLDER

FOLDER has jobs.json, a list of pairs of a sample's name and a configuration, and for each sample
<name>_stars.parquet and <name>_curves.parquet. The fits of the k-th job are written to
fits_<k>.parquet.
"""

import json
import sys
import time
from pathlib import Path

import pandas as pd

from metalyra.fit import fit_stars

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    seconds = []
    for number, (sample, config) in enumerate(json.loads((folder / "jobs.json").read_text())):
        stars, curves = (
            pd.read_parquet(folder / f"{sample}_{name}.parquet") for name in ("stars", "curves")
        )
        fit_stars(stars.head(3), curves, config, 42)  # load what is loaded once
        begin = time.process_time()
        fits, _ = fit_stars(stars, curves, config, 42)
        seconds.append(time.process_time() - begin)
        fits.to_parquet(folder / f"fits_{number}.parquet")
    print(json.dumps(seconds))
