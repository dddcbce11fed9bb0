"""Fit light curves with the library that PYTHONPATH names, and print the CPU seconds.

    python benchmarks/timed_fit.py STARS LIGHT_CURVES CONFIG FITS

Tables are Parquet, CONFIG is JSON; the fits are written to FITS.
"""

import json
import sys
import time

import pandas as pd

from metalyra.fit import fit_stars

if __name__ == "__main__":
    stars, light_curves = (pd.read_parquet(path) for path in sys.argv[1:3])
    config = json.loads(sys.argv[3])
    fit_stars(stars.head(3), light_curves, config, 42)  # load what is loaded once
    begin = time.process_time()
    fits, _ = fit_stars(stars, light_curves, config, 42)
    print(time.process_time() - begin)
    fits.to_parquet(sys.argv[4])
