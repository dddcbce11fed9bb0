"""How well [Fe/H] is predicted from the real G-band light curves, and what it costs.

    python -m benchmarks.ensembles [--folds 0 1 ...] [--output <folder>]
        [--retrained <table> | --skip-retrained]

trains the models of `config/dg22.yaml` on the development set of Dékány & Grebel (2022),
3,567 stars in their published folds: the networks of the paper anew (`dg22_g_retrained`)
and the stack `metalyra_g`. It compares their predictions with those of the published
networks, of each regressor of the stack, and of stacks that the published networks or the
retrained ones join. Every prediction is for a star whose fold neither the networks nor the
regressors nor the weights of the stack have seen; the epoch of the published networks alone
was chosen with its help. By how much that flatters a stack is the difference of the last
two rows, whose networks differ in little else. CPU seconds are those of one member: of a
regressor, if the first is trained with nothing else.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from benchmarks.real_light_curves import find_mirror, read_gaia_dr2
from metalyra.core import evaluate_predictions, read_table, write_table
from metalyra.fit import fit_stars
from metalyra.predict import (
    LEVELS,
    convert_published_model,
    evaluate_stack,
    half_width_name,
    make_stack_card,
    measure_coverage,
    predict_published,
    predict_stars,
    write_card,
)
from metalyra.stack import PUBLISHED, add_published, combine, train_stack_member, write_stack_member
from metalyra.train import make_sequences, make_training_set, train_member

SEED = 42

MODELS = yaml.safe_load((Path(__file__).parents[1] / "config" / "dg22.yaml").read_text())["models"]
STACK = MODELS["metalyra_g"]["stack"]
RETRAINED = "dg22_g_retrained"


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
    return make_training_set(fits, labels, folds=folds, seed=SEED), fits, folded


def convert_published(mirror: Path, directory: Path) -> None:
    """Write the ten published networks as a model."""
    convert_published_model(
        mirror / "dekany_grebel_2022" / "results_g" / "best_model_g",
        directory,
        name="dg22_g",
        band="G",
        relation="dekany2021",
        sequence=MODELS["dg22_g"]["sequence"],
        members=10,
    )


def train(
    directory: Path,
    mirror: Path,
    development: pd.DataFrame,
    fits: pd.DataFrame,
    folded: pd.DataFrame,
    folds: Sequence[int],
) -> tuple[pd.DataFrame, float]:
    """Write the stack into a folder; return its out-of-fold predictions and CPU s a member."""
    out_of_fold = []
    begin = time.process_time()
    for fold in folds:
        start = time.process_time()
        member, predicted = train_stack_member(development, fits, folded, fold, STACK, SEED)
        write_stack_member(member, directory / f"member_{fold}.npz")
        out_of_fold.append(predicted)
        print(f"stack, member {fold}: {time.process_time() - start:.0f} CPU s", flush=True)
    seconds = (time.process_time() - begin) / len(folds)
    table = pd.concat(out_of_fold, ignore_index=True)
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
    convert_published(mirror, directory / "dg22_g")
    published = predict_published(directory / "dg22_g", fits, folded)
    table = add_published(table, published)
    write_table(table, directory / "out_of_fold.parquet")
    return table, seconds


def time_regressors(
    development: pd.DataFrame, fits: pd.DataFrame, folded: pd.DataFrame, fold: int
) -> dict[str, float]:
    """Return the CPU seconds that one member takes with each regressor alone."""
    seconds = {}
    for name, config in STACK["regressors"].items():
        start = time.process_time()
        alone = {"regressors": {name: config}}
        train_stack_member(development, fits, folded, fold, alone, SEED)
        seconds[name] = time.process_time() - start
    return seconds


def retrain(
    development: pd.DataFrame, fits: pd.DataFrame, folded: pd.DataFrame, folds: Sequence[int]
) -> tuple[pd.DataFrame, float]:
    """Train the networks of the paper anew; return out-of-fold [Fe/H], and CPU s a member."""
    settings = MODELS[RETRAINED]
    sequences = make_sequences(fits, folded, settings["sequence"])
    predicted = []
    begin = time.process_time()
    for fold in folds:
        start = time.process_time()
        _, _, out_of_fold = train_member(
            *(development, *sequences, fold, settings["network"], settings["training"], SEED),
            weights=settings["weights"],
        )
        predicted.append(out_of_fold[["star_id", "feh_predicted"]])
        print(f"{RETRAINED}, member {fold}: {time.process_time() - start:.0f} CPU s", flush=True)
    return pd.concat(predicted, ignore_index=True), (time.process_time() - begin) / len(folds)


def print_table(table: pd.DataFrame, seconds: dict[str, float]) -> None:
    """Print the metrics of the regressors and stacks, and the coverage of the intervals."""
    own = list(STACK["regressors"])
    networks = [name for name in (PUBLISHED, RETRAINED) if name in table]
    stack = evaluate_stack(table, own)
    rows = {name: table[name] for name in (*networks, *own)}
    rows["stack"] = stack["feh_predicted"]
    joined = {f"stack with {name}": [*own, name] for name in networks}
    rows |= {name: evaluate_stack(table, of)["feh_predicted"] for name, of in joined.items()}
    feh = table["feh"].to_numpy(dtype=float)
    heads = ("RMSE", "MAE", "medAE", "R2", "D_JS", "CPU s")
    print(f"\n{'out of fold':<30}" + "".join(f"{head:>8}" for head in heads))
    for name, predicted in rows.items():
        metrics = evaluate_predictions(feh, predicted.to_numpy(dtype=float))
        values = (metrics[key] for key in ("rmse", "mae", "medae", "r2", "d_js"))
        cost = f"{seconds[name]:>8.0f}" if name in seconds else f"{'-':>8}"
        print(f"{name:<30}" + "".join(f"{value:>8.4f}" for value in values) + cost)
    half_widths = stack[[half_width_name(level) for level in LEVELS]].to_numpy()
    coverage = measure_coverage((stack["feh_predicted"] - feh).to_numpy(), half_widths)
    for level, share in coverage.items():
        print(f"the {float(level):.0%} intervals of the stack hold {share:.1%} of the stars")
    for name, of in {"stack": own, **joined}.items():
        weights = combine(feh, table[of].to_numpy(dtype=float)).weights
        told = ", ".join(f"{part} {weight:.2f}" for part, weight in zip(of, weights, strict=True))
        print(f"weights of the {name}: {told}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folds", type=int, nargs="+", help="hold out only these (all)")
    parser.add_argument(
        "--output",
        type=Path,
        help="folder that keeps the trained stack, and what each part of it predicts",
    )
    retrained = parser.add_mutually_exclusive_group()
    retrained.add_argument(
        "--retrained",
        type=Path,
        help="table of what the paper's networks, trained anew, predict: read if it is there "
        "(all folds are needed), else written",
    )
    retrained.add_argument(
        "--skip-retrained", action="store_true", help="do not train the paper's networks anew"
    )
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
        table, seconds_a_member = train(directory, mirror, development, fits, folded, folds)
        print(f"training and evaluation in all: {time.process_time() - start:.0f} CPU s")
        start = time.process_time()
        predict_stars(directory, fits, folded)
        seconds = time.process_time() - start
    print(f"prediction: {1000 * seconds / len(fits):.1f} CPU ms a star")
    costs = time_regressors(development, fits, folded, folds[0])
    costs["stack"] = seconds_a_member
    if not arguments.skip_retrained:
        if arguments.retrained is not None and arguments.retrained.exists():
            predicted = read_table(arguments.retrained)
        else:
            predicted, costs[RETRAINED] = retrain(development, fits, folded, folds)
            if arguments.retrained is not None:
                write_table(predicted, arguments.retrained)
        by_star = predicted.set_index("star_id")["feh_predicted"]
        table[RETRAINED] = by_star.loc[table["star_id"]].to_numpy()
    print_table(table, costs)


if __name__ == "__main__":
    main()
