"""Predict chunks with the library that PYTHONPATH names, and print the CPU seconds of each.

    python benchmarks/timed_predictions.py MODEL FOLDER CHUNKS

MODEL is the folder of a model; FOLDER has fits_<k>.parquet and folded_<k>.parquet of each chunk.
The predictions of the k-th chunk are written to predictions_<k>.parquet.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from metalyra.core import read_table, write_table
from metalyra.predict import predict_stars, predict_with_stack, read_card


def read_chunk(directory: Path, number: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the fits and the folded light curves of a chunk."""
    fits, folded = (
        read_table(directory / f"{name}_{number}.parquet") for name in ("fits", "folded")
    )
    return fits, folded


def predict_chunks(model: Path, directory: Path, chunks: int) -> np.ndarray:
    """Predict chunk by chunk, and return the CPU seconds of each."""
    # What a stack's job does besides needs columns of the fits that published curves do not have.
    predict = predict_with_stack if "stack" in read_card(model) else predict_stars
    seconds = np.empty(chunks)
    for number in range(chunks):
        start = time.process_time()
        predictions = predict(model, *read_chunk(directory, number))
        write_table(predictions, directory / f"predictions_{number}.parquet")
        seconds[number] = time.process_time() - start
    return seconds


if __name__ == "__main__":
    model, directory, chunks = sys.argv[1:]
    print(json.dumps(predict_chunks(Path(model), Path(directory), int(chunks)).tolist()))
