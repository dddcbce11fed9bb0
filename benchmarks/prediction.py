"""How fast an ensemble of ten networks, or a shipped stack, predicts the curves of a survey.

    python -m benchmarks.prediction [MODEL ...] [--stars 60000] [--chunk 500]

takes the published G-band networks of Dékány & Grebel (2022) and their 3,567 light curves,
repeated under other names, through what a job of the rule `predict` does: one chunk at a
time is read, predicted and written. Beside it, plain Keras predicts the first chunks: the
same sequences through `model.predict`, called per network and star list. Shipped stacks that
are named predict the same light curves instead, each in a process of its own if named alone.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.ensembles import convert_published
from benchmarks.real_light_curves import find_mirror, read_gaia_dr2
from metalyra.core import read_table, write_table
from metalyra.predict import locate_model, predict_stars, predict_with_stack, read_card
from metalyra.train import make_sequences

PLAIN_STARS = 3000
"""Stars that plain Keras predicts: its rate does not change with more."""


def write_chunks(directory: Path, mirror: Path, stars: int, chunk: int) -> int:
    """Write fits and folded light curves of so many stars, and return the chunks they fill."""
    table, light_curves = read_gaia_dr2(mirror)
    table = table[table["period"].notna()].sort_values("star_id", ignore_index=True)
    curves = dict(tuple(light_curves.groupby("star_id")))
    for number, start in enumerate(range(0, stars, chunk)):
        copies = np.arange(start, min(start + chunk, stars))
        rows = table.iloc[copies % len(table)]
        names = [f"{star}_{copy}" for star, copy in zip(rows["star_id"], copies, strict=True)]
        points = [
            curves[star][["phase", "mag"]].assign(star_id=name)
            for star, name in zip(rows["star_id"], names, strict=True)
        ]
        fits = rows[["period"]].assign(star_id=names, status="ok")
        write_table(fits.reset_index(drop=True), directory / f"fits_{number}.parquet")
        folded = pd.concat(points, ignore_index=True).assign(kept=True)
        write_table(folded, directory / f"folded_{number}.parquet")
    return number + 1


def read_chunk(directory: Path, number: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the fits and folded light curves of a chunk."""
    return (
        read_table(directory / f"fits_{number}.parquet"),
        read_table(directory / f"folded_{number}.parquet"),
    )


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


def predict_plainly(
    model: Path, directory: Path, chunks: int
) -> tuple[np.ndarray, Sequence[np.ndarray]]:
    """Predict with Keras alone; return the CPU seconds of each chunk and [Fe/H] by member."""
    import keras

    card = read_card(model)
    networks = [
        keras.saving.load_model(model / f"member_{member}.keras") for member in card["members"]
    ]
    seconds, predicted = np.empty(chunks), []
    for number in range(chunks):
        start = time.process_time()
        _, sequences = make_sequences(*read_chunk(directory, number), card["sequence"])
        columns = [network.predict(sequences, verbose=0)[:, 0] for network in networks]
        seconds[number] = time.process_time() - start
        predicted.append(np.stack(columns, axis=1))
    return seconds, predicted


def report(name: str, sizes: np.ndarray, seconds: np.ndarray) -> None:
    """Print the rate, its steadiness and the memory of a prediction of chunks."""
    chunks, tenth = len(sizes), max(1, len(sizes) // 10)
    print(f"{sizes.sum()} light curves, {name}, {chunks} chunks, one core:")
    print(f"{seconds.sum():.0f} CPU s, {sizes.sum() / seconds.sum():.0f} stars/s")
    print(f"first chunk, with reading and compiling: {seconds[0]:.1f} CPU s")
    for part, rows in (
        ("first", slice(1, tenth + 1)),
        ("last", slice(chunks - tenth, chunks)),
    ):
        print(f"{part} tenth: {sizes[rows].sum() / seconds[rows].sum():.0f} stars/s")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory: {memory:.2f} GB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", metavar="MODEL", help="shipped stacks")
    parser.add_argument("--stars", type=int, default=60_000, help="light curves (60000)")
    parser.add_argument("--chunk", type=int, default=500, help="light curves of a job (500)")
    arguments = parser.parse_args()
    mirror = find_mirror()
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        chunks = write_chunks(directory, mirror, arguments.stars, arguments.chunk)
        sizes = np.full(chunks, arguments.chunk)
        sizes[-1] = arguments.stars - arguments.chunk * (chunks - 1)
        for name in arguments.models:
            report(name, sizes, predict_chunks(locate_model(name), directory, chunks))
        if arguments.models:
            return
        model = directory / "dg22_g"
        convert_published(mirror, model)
        seconds = predict_chunks(model, directory, chunks)
        report("ten networks", sizes, seconds)
        compared = min(chunks, max(2, PLAIN_STARS // arguments.chunk))
        plain, predicted = predict_plainly(model, directory, compared)
        rate = sizes[1:compared].sum() / plain[1:].sum()
        ours = sizes[1:compared].sum() / seconds[1:compared].sum()
        print(f"model.predict per network and star list: {rate:.0f} stars/s")
        print(f"ratio, same chunks: {ours / rate:.1f}")
        difference = max(
            np.abs(members.filter(like="member_").to_numpy() - columns).max()
            for members, columns in (
                (read_table(directory / f"predictions_{number}.parquet"), columns)
                for number, columns in enumerate(predicted)
            )
        )
        print(f"largest difference between both: {difference:.1e} dex")


if __name__ == "__main__":
    main()
