"""What BP and RP add to G: metallicities from the joint shapes of three bands, out of fold.

    python -m benchmarks.joint_shapes [--types RRab RRc] [--repeats 5]

The stars are those of the mirror's DR3 light curves whose period is known; labels are those of
`benchmarks.transfer`, of OGLE-III's I-band parameters by the relations of Dékány et al. (2021). In
each fold, the population learns from all curves but those of the held-out stars, labelled or
not, and regressors from the labels of the others: those of the shipped models of each type, their
stack, and a ridge. Compared are, in the same folds, shapes in G alone; shapes in G of which BP and
RP had a say; and the shapes in all three bands.

Printed are root mean square, mean absolute difference and scatter (1.4826 MAD) in dex, each a
mean over the repeats of the folds, and how much more they are than with G alone, with the standard
error of this difference (stars drawn again, the same for both).
"""

import argparse
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import yaml
from sklearn.exceptions import ConvergenceWarning

from benchmarks.real_light_curves import find_mirror, read_gaia_dr3
from benchmarks.transfer import read_labels
from metalyra.fit import fit_stars, fold_other_bands
from metalyra.stack import combine_folds
from metalyra.stack.curves import Curves, collect_curves, join_curves
from metalyra.stack.population import describe_shapes, fit_population, infer_shapes
from metalyra.stack.regressors import fit_regressor

FURTHER = ("BP", "RP")
FOLDS = 5
SEED = 1
DRAWS = 2000
MODELS = {"RRab": "metalyra_g", "RRc": "metalyra_g_rrc"}
"""Shipped models whose stacks are trained anew."""

RIDGE = {"ridge": {"kind": "ridge"}}
MEASURES = {
    "RMSE": lambda error: np.sqrt(np.mean(error**2, axis=-1)),
    "MAE": lambda error: np.mean(np.abs(error), axis=-1),
    "scatter": lambda error: (
        1.4826 * np.median(np.abs(error - np.median(error, axis=-1, keepdims=True)), axis=-1)
    ),
}


class Sample(NamedTuple):
    """Light curves of stars of one type in three bands, and [Fe/H] where there is a label."""

    curves: Curves
    feh: np.ndarray


def read_samples(mirror: Path, types: list[str]) -> dict[str, Sample]:
    """Return the stars of each type, with the periods and types of their labels."""
    labels = pd.concat(
        [read_labels(mirror, kind).assign(pulsation_type=kind) for kind in types]
    ).set_index("star_id")
    stars, light_curves = read_gaia_dr3(mirror)
    stars = stars.set_index("star_id")
    known = labels.index.intersection(stars.index)
    given = ["period", "pulsation_type"]
    stars.loc[known, given] = labels.loc[known, given]
    stars.loc[known, "status"] = "ok"
    stars = stars[stars["pulsation_type"].isin(types) & (stars["status"] == "ok")].reset_index()
    light_curves = light_curves[light_curves["star_id"].isin(stars["star_id"])]
    settings = {"use_errors": True, "alignment": "phi1", "draws": 2}
    fits, folded = fit_stars(stars, light_curves, settings, SEED)
    others = fold_other_bands(
        fits, pd.concat([read_gaia_dr3(mirror, band)[1] for band in FURTHER], ignore_index=True)
    )
    samples = {}
    for kind in types:
        chosen = (stars["pulsation_type"] == kind).to_numpy() & (fits["status"] == "ok").to_numpy()
        own = fits[chosen]
        curves = join_curves(collect_curves(own, folded, others, FURTHER))
        samples[kind] = Sample(curves, labels["feh"].reindex(own["star_id"]).to_numpy())
    return samples


def split_stars(feh: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return folds (n,) with labels alike; -1 for stars without a label."""
    fold = np.full(len(feh), -1)
    labelled = np.flatnonzero(np.isfinite(feh))
    for group in np.array_split(labelled[np.argsort(feh[labelled])], len(labelled) // FOLDS):
        fold[group] = random.permutation(np.arange(len(group)) % FOLDS)
    return fold


def describe(curves: Curves, learning: np.ndarray, settings: Mapping) -> dict[str, np.ndarray]:
    """Return what regressors read of all stars, of populations of the stars `learning`."""
    alone = curves._replace(further=())
    described = {}
    for name, seen in (("G", alone), ("G+BP+RP", curves)):
        population = fit_population([seen.take(np.flatnonzero(learning))], **settings)
        shapes, parts = infer_shapes(population, seen), population.split()
        described[name] = describe_shapes(shapes, curves.period, parts)
        if seen.further:
            described["G by all"] = describe_shapes(shapes, curves.period, parts[:1])
    return described


def predict(
    sample: Sample, fold: np.ndarray, stack: Mapping, seed: int
) -> dict[tuple[str, str], np.ndarray]:
    """Return errors (labelled,) of out-of-fold predictions, by regressor and bands."""
    labelled = fold >= 0
    regressors = {**stack["regressors"], **RIDGE}
    predicted: dict[str, pd.DataFrame] = {}
    for number in range(FOLDS):
        known, held_out = labelled & (fold != number), fold == number
        described = describe(sample.curves, ~held_out, stack.get("population") or {})
        for bands, inputs in described.items():
            table = predicted.setdefault(
                bands, pd.DataFrame({"fold": fold, "feh": sample.feh}, dtype=float)
            )
            for name, config in regressors.items():
                regressor = fit_regressor(
                    config, inputs[known], sample.feh[known], np.ones(known.sum()), seed
                )
                table.loc[held_out, name] = regressor.predict(inputs[held_out])
    errors = {}
    for bands, table in predicted.items():
        table = table[labelled].astype({"fold": int})
        names = list(stack["regressors"])
        for number, combination in combine_folds(table, names).items():
            rows = table["fold"] == number
            table.loc[rows, "stack"] = combination(table.loc[rows, names].to_numpy())
        for name in ("stack", *regressors):
            errors[name, bands] = (table[name] - table["feh"]).to_numpy()
    return errors


def compare(errors: Mapping[tuple[str, str], np.ndarray]) -> pd.DataFrame:
    """Return the measures of errors (repeats, stars), and their differences from G alone."""
    stars = next(iter(errors.values())).shape[1]
    drawn = np.random.default_rng(SEED).integers(stars, size=(DRAWS, stars))
    rows = []
    for (name, bands), error in errors.items():
        row: dict[str, object] = {"regressor": name, "bands": bands}
        for measure, function in MEASURES.items():
            row[measure] = f"{function(error).mean():.4f}"
            if bands != "G":
                pairs = [np.stack([error[:, draw], errors[name, "G"][:, draw]]) for draw in drawn]
                differences = [np.subtract(*function(pair).mean(axis=1)) for pair in pairs]
                change = function(error).mean() - function(errors[name, "G"]).mean()
                row[f"{measure} - G"] = f"{change:+.4f} +- {np.std(differences):.4f}"
        rows.append(row)
    return pd.DataFrame(rows).fillna("").sort_values("regressor", kind="stable")


def main() -> None:
    """Print a table for each type."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--types", nargs="+", default=["RRab", "RRc"], choices=MODELS)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    models = yaml.safe_load(Path("config/models.yaml").read_text())["models"]
    for kind, sample in read_samples(find_mirror(), arguments.types).items():
        points = [int(np.median(band.used.sum(axis=1))) for band in sample.curves.bands]
        parts: dict[tuple[str, str], list[np.ndarray]] = {}
        for repeat in range(arguments.repeats):
            fold = split_stars(sample.feh, np.random.default_rng([SEED, repeat]))
            for key, error in predict(sample, fold, models[MODELS[kind]]["stack"], repeat).items():
                parts.setdefault(key, []).append(error)
        errors = {key: np.stack(error) for key, error in parts.items()}
        print(
            f"\n{kind}: {len(sample.feh)} stars, {np.isfinite(sample.feh).sum()} with a label; "
            f"median points in G, BP, RP: {points}; {arguments.repeats} x {FOLDS} folds"
        )
        print(compare(errors).to_string(index=False))


if __name__ == "__main__":
    main()
