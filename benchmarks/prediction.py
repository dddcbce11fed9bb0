"""How fast an ensemble of ten networks, or a shipped stack, predicts the curves of a survey.

    python -m benchmarks.prediction [MODEL ...] [--stars 60000] [--chunk 500] [--against FOLDER]

takes the published G-band networks of Dékány & Grebel (2022) and their 3,567 light curves,
repeated under other names, through what a job of the rule `predict` does: one chunk at a
time is read, predicted and written. Beside it, plain Keras predicts the first chunks: the
same sequences through `model.predict`, called per network and star list. Shipped stacks that
are named predict the same light curves instead, each in a process of its own if named alone.
With the folder of another checkout of this repository, the same chunks are predicted by both
libraries by turns, and their rates and predictions are compared. What ten networks cost at
least, by the speed of BLAS and NumPy on this core, is printed with their rate.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.checkouts import HERE, check_checkout, run_in_checkout
from benchmarks.ensembles import convert_published
from benchmarks.real_light_curves import find_mirror, read_gaia_dr2
from benchmarks.timed_predictions import predict_chunks, read_chunk
from metalyra.core import read_table, write_table
from metalyra.predict import locate_model, read_card
from metalyra.train import make_sequences

REPEATS = 3
"""Runs of each checkout, of which the fastest counts."""

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


def read_predictions(directory: Path, chunks: int) -> pd.DataFrame:
    """Return the [Fe/H] of the members, and the spread of a stack, of all chunks."""
    tables = [read_table(directory / f"predictions_{number}.parquet") for number in range(chunks)]
    return pd.concat(tables, ignore_index=True).filter(regex="member_|spread")


def compare_checkouts(
    other: Path, name: str, model: Path, directory: Path, sizes: np.ndarray
) -> None:
    """Print the rates of another checkout and of this one, and how their predictions differ."""
    check_checkout(other)
    rates, predicted = {other: 0.0, HERE: 0.0}, {}
    for checkout in (other, HERE) * REPEATS:
        arguments = model, directory, str(len(sizes))
        seconds = run_in_checkout(checkout, "timed_predictions.py", *arguments)
        rates[checkout] = max(rates[checkout], sizes[1:].sum() / seconds[1:].sum())
        predicted[checkout] = read_predictions(directory, len(sizes))
    print(
        f"{name}, without the first chunk, the best of {REPEATS}: {rates[other]:.0f} stars/s there,"
    )
    print(f"{rates[HERE]:.0f} here, a ratio of {rates[HERE] / rates[other]:.2f}")
    change = (predicted[HERE] - predicted[other]).abs()
    members = change.filter(like="member_").to_numpy()
    print(
        f"[Fe/H] of members: differences of {np.median(members):.1e} (median), {members.max():.1e}"
    )
    if "spread" in change:
        print(f"errors by the light curves: differences of up to {change['spread'].max():.1e}")


def time_best(function: Callable[..., object], *arrays: np.ndarray, out: np.ndarray) -> float:
    """Return the CPU seconds of a call, the best of 20."""
    seconds = []
    for _ in range(20):
        start = time.process_time()
        function(*arrays, out=out)
        seconds.append(time.process_time() - start)
    return min(seconds)


def measure_limit(steps: float) -> None:
    """Print what light curves of so many steps cost ten networks (2 layers of 16 + 16) at least.

    Of 192 stars that take a step together: the products, and the hyperbolic tangents of 64
    gates and 16 memories in each network and direction, at the speed that they have alone.
    """
    random = np.random.default_rng(0)
    total = 0.0
    for inputs in (2, 32):
        rows = 16 + inputs + 1
        arrays = [random.normal(size=shape) for shape in ((20, 64, rows), (20, rows, 192))]
        products, operations = np.empty((20, 64, 192)), 2 * 20 * 64 * rows
        double = time_best(np.matmul, *arrays, out=products) / 192
        singles = [array.astype(np.float32) for array in (*arrays, products)]
        single = time_best(np.matmul, *singles[:2], out=singles[2]) / 192
        tangents = time_best(np.tanh, singles[2], out=singles[2].copy()) / 192 * 80 / 64
        total += single + tangents
        print(
            f"{inputs} inputs: {operations} operations a step, {operations / double / 1e9:.0f} a "
            f"ns in double, {operations / single / 1e9:.0f} in single precision; "
            f"{1e9 * double:.0f} ns, and {1e9 * tangents:.0f} for 1600 tangents"
        )
    print(f"at most {1 / steps / total:.0f} light curves of {steps:.1f} points a second")


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
    parser.add_argument("--against", type=Path, help="folder of another checkout")
    arguments = parser.parse_args()
    mirror = find_mirror()
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        chunks = write_chunks(directory, mirror, arguments.stars, arguments.chunk)
        sizes = np.full(chunks, arguments.chunk)
        sizes[-1] = arguments.stars - arguments.chunk * (chunks - 1)
        models = {name: locate_model(name) for name in arguments.models}
        if not models:
            models["ten networks"] = model = directory / "dg22_g"
            convert_published(mirror, model)
        if arguments.against:
            for name, model in models.items():
                compare_checkouts(arguments.against, name, model, directory, sizes)
            return
        if arguments.models:
            for name, model in models.items():
                report(name, sizes, predict_chunks(model, directory, chunks))
            return
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
        measure_limit(len(read_table(directory / "folded_0.parquet")) / sizes[0])


if __name__ == "__main__":
    main()
