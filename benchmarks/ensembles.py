"""How well [Fe/H] is predicted from the real G-band light curves, and what it costs.

    python -m benchmarks.ensembles [--folds 0 1 ...] [--output <folder>]

trains the stack `metalyra_g` on the development set of Dékány & Grebel (2022), 3,567 stars
in their published folds, and compares its predictions with those of the published
networks, of each of its regressors, and of stacks without published networks. Every
prediction is for a star whose fold neither the regressors nor the weights of the stack
have seen.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.real_light_curves import find_mirror, read_gaia_dr2
from metalyra.cards import write_card
from metalyra.development import make_development_set
from metalyra.fitting import fit_stars
from metalyra.metrics import evaluate_predictions
from metalyra.prediction import predict_stars
from metalyra.published import convert_published_model
from metalyra.stacking import (
    PUBLISHED,
    add_published,
    copy_published,
    evaluate_stack,
    make_stack_card,
    predict_published,
    train_stack_member,
    write_stack_member,
)
from metalyra.uncertainty import LEVELS, half_width_name, measure_coverage

SEED = 42

STACK = {
    "regressors": {
        "support_vectors": {"kind": "support_vectors"},
        "gaussian_process": {"kind": "gaussian_process"},
        "boosted_trees": {"kind": "boosted_trees"},
        "perceptrons": {"kind": "perceptrons"},
    },
    "published": "dg22_g",
}


def read_development(mirror: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the development set, and the fits and folded light curves of its stars."""
    stars, light_curves = read_gaia_dr2(mirror)
    fits, folded = fit_stars(stars, light_curves, {"phases": "published"}, SEED)
    labels = pd.DataFrame(
        {
            "star_id": stars["star_id"],
            "feh": stars["archive_feh"],
            "feh_err": np.nan,
            "relation": "dekany2021",
            "status": "ok",
        }
    )
    folds = dict(zip(stars["star_id"], stars["archive_fold"].astype(int), strict=True))
    return make_development_set(fits, labels, folds=folds, seed=SEED), fits, folded


def convert_published(mirror: Path, directory: Path) -> None:
    """Write the ten published networks as a model."""
    convert_published_model(
        mirror / "dekany_grebel_2022" / "results_g" / "best_model_g",
        directory,
        name="dg22_g",
        band="G",
        relation="dekany2021",
        sequence={"recipe": "dg22"},
        members=10,
    )


def train(
    directory: Path,
    mirror: Path,
    development: pd.DataFrame,
    fits: pd.DataFrame,
    folded: pd.DataFrame,
    folds: Sequence[int],
) -> pd.DataFrame:
    """Write the stack into a folder, and return its out-of-fold predictions."""
    out_of_fold = []
    for fold in folds:
        start = time.process_time()
        member, predicted = train_stack_member(development, fits, folded, fold, STACK, SEED)
        write_stack_member(member, directory / f"member_{fold}.npz")
        out_of_fold.append(predicted)
        print(f"member {fold}: {time.process_time() - start:.0f} CPU s", flush=True)
    convert_published(mirror, directory / "dg22_g")
    copy_published(directory / "dg22_g", directory)
    table = add_published(
        pd.concat(out_of_fold, ignore_index=True),
        predict_published(directory / PUBLISHED, fits, folded),
    )
    card = make_stack_card(
        table,
        development,
        fits,
        name="metalyra_g",
        band="G",
        relation="dekany2021",
        stack=STACK,
        seed=SEED,
    )
    write_card(card, directory / "card.json")
    return table


def print_table(table: pd.DataFrame) -> None:
    """Print the metrics of the regressors and stacks, and the coverage of the intervals."""
    names = [*STACK["regressors"], PUBLISHED]
    own = evaluate_stack(table, list(STACK["regressors"]))
    stack = evaluate_stack(table, names)
    rows = {name: table[name] for name in names}
    rows["stack without published"] = own["feh_predicted"]
    rows["stack"] = stack["feh_predicted"]
    feh = table["feh"].to_numpy(dtype=float)
    print(f"\n{'out of fold':<26}{'RMSE':>8}{'MAE':>8}{'medAE':>8}{'R2':>8}{'D_JS':>8}")
    for name, predicted in rows.items():
        metrics = evaluate_predictions(feh, predicted.to_numpy(dtype=float))
        values = (metrics[key] for key in ("rmse", "mae", "medae", "r2", "d_js"))
        print(f"{name:<26}" + "".join(f"{value:>8.4f}" for value in values))
    half_widths = stack[[half_width_name(level) for level in LEVELS]].to_numpy()
    coverage = measure_coverage((stack["feh_predicted"] - feh).to_numpy(), half_widths)
    for level, share in coverage.items():
        print(f"the {float(level):.0%} intervals hold {share:.1%} of the stars")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folds", type=int, nargs="+", help="hold out only these (all)")
    parser.add_argument("--output", type=Path, help="folder that keeps the trained stack")
    arguments = parser.parse_args()
    mirror = find_mirror()

    start = time.process_time()
    development, fits, folded = read_development(mirror)
    print(f"{len(fits)} light curves read and fitted: {time.process_time() - start:.0f} CPU s")
    folds = arguments.folds or sorted(set(development["fold"]) - {-1})
    with tempfile.TemporaryDirectory() as temporary:
        directory = arguments.output or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        start = time.process_time()
        table = train(directory, mirror, development, fits, folded, folds)
        print(f"training and evaluation in all: {time.process_time() - start:.0f} CPU s")
        start = time.process_time()
        predict_stars(directory, fits, folded)
        seconds = time.process_time() - start
    print(f"prediction: {1000 * seconds / len(fits):.1f} CPU ms a star")
    print_table(table)


if __name__ == "__main__":
    main()
