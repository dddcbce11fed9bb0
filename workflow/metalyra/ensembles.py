"""Ensembles of networks, one member a fold: training, saving, and the model's card."""

import hashlib
import json
import math
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import metalyra
from metalyra.checkpoints import Checkpoint
from metalyra.development import fold_columns, hold_out
from metalyra.metrics import evaluate_predictions
from metalyra.networks import build_network, complete_network, set_scaling
from metalyra.prediction import evaluate
from metalyra.randomness import derive_seed, generator
from metalyra.sequences import complete_recipe
from metalyra.tables import replace_when_complete
from metalyra.training import fit_network, make_deterministic
from metalyra.training_settings import complete_training
from metalyra.uncertainty import calibrate, fewest_residuals

if TYPE_CHECKING:
    import keras

    Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def train_member(
    development: pd.DataFrame,
    star_ids: np.ndarray,
    sequences: np.ndarray,
    member: int,
    network: Mapping[str, Any],
    training: Mapping[str, Any],
    seed: int,
    checkpoint: Checkpoint | None = None,
) -> tuple["keras.Model", pd.DataFrame, pd.DataFrame]:
    """Train the member of an ensemble that does not see one fold.

    Parameters
    ----------
    development
        Of `metalyra.development.make_development_set`; stars of fold -1 are left out.
    star_ids : array of str, shape (n,)
        Stars that have a sequence, in any order.
    sequences : array, shape (n, steps, channels)
    member
        Its number, which is that of the fold that is held out.
    network
        Configuration of `metalyra.networks.build_network`.
    training
        Of `metalyra.training_settings.TrainingSettings`.
    seed
        Seed of the study. The same seed gives the same weights on the same machine.
    checkpoint
        Of a training that goes on where it was killed.

    Returns
    -------
    network : keras.Model
        With the weights of the epoch that the validation has chosen, or of the last.
    history : DataFrame
        Of `metalyra.training.fit_network`.
    out_of_fold : DataFrame
        star_id, fold, feh, feh_err and feh_predicted of the stars of the fold.

    Raises
    ------
    ValueError
        If a star of the development set has no sequence, the fold or all others are
        empty, or a setting is unknown.
    metalyra.training.DivergedError
        If the training leaves the finite numbers.
    """
    settings = complete_training(training)
    make_deterministic(derive_seed(seed, "train", f"member {member}"))
    stars, sequences = _arrange(development, star_ids, sequences)
    parts = split_stars(stars, member, settings, seed)
    columns = sequences, stars["feh"].to_numpy(dtype=float), stars["weight"].to_numpy(dtype=float)

    def part(name: str) -> "Arrays":
        sequences, feh, weights = (column[parts[name]] for column in columns)
        return sequences, feh, weights

    trained = build_network(network, *sequences.shape[1:], settings["precision"])
    set_scaling(trained, *part("training"))
    history = fit_network(
        trained,
        part("training"),
        part("held_out" if settings["validation"] != "inner" else "validation"),
        generator(seed, "shuffle", f"member {member}"),
        checkpoint,
        **settings,
    )
    # The network as it will predict: neither compiled nor in other than float32.
    final = build_network(network, *sequences.shape[1:])
    final.set_weights(trained.get_weights())
    out_of_fold = stars.loc[parts["held_out"], ["star_id", "feh", "feh_err"]]
    out_of_fold.insert(1, "fold", member)
    out_of_fold["feh_predicted"] = evaluate(final, sequences[parts["held_out"]])
    return final, history, out_of_fold.reset_index(drop=True)


def split_stars(
    stars: pd.DataFrame, member: int, training: Mapping[str, Any], seed: int
) -> dict[str, np.ndarray]:
    """Tell which stars a member is trained on, which choose its epoch, which it never sees.

    Parameters
    ----------
    stars
        Of the development set that are in folds, in the order of their names.
    member
        Its number.
    training
        With `validation` and `validation_share` of `metalyra.training_settings.TrainingSettings`.
    seed
        Seed of the study.

    Returns
    -------
    dict of array of bool, shape (n,)
        Of training, held_out, and, where the validation is an inner one, validation:
        from each of so many equal ranges of metallicity, one star drawn at random.

    Raises
    ------
    ValueError
        If a part has no stars.
    """
    held_out = hold_out(stars, member)
    if held_out.all() or not held_out.any():
        raise ValueError(
            f"fold {member} leaves no stars to {'train' if held_out.all() else 'test'}"
        )
    if training["validation"] != "inner":
        return {"training": ~held_out, "held_out": held_out}
    known = np.flatnonzero(~held_out)
    number = max(1, round(training["validation_share"] * len(known)))
    if number >= len(known):
        raise ValueError(f"{len(known)} stars are too few to set some aside for a validation")
    random = generator(seed, "validation", f"member {member}")
    ranges = np.array_split(
        known[np.argsort(stars["feh"].to_numpy(dtype=float)[known], kind="stable")], number
    )
    validation = np.zeros(len(stars), dtype=bool)
    validation[[random.choice(range_) for range_ in ranges]] = True
    return {
        "training": ~held_out & ~validation,
        "validation": validation,
        "held_out": held_out,
    }


def measure_member(
    network: "keras.Model",
    development: pd.DataFrame,
    star_ids: np.ndarray,
    sequences: np.ndarray,
    member: int,
    training: Mapping[str, Any],
    seed: int,
) -> pd.DataFrame:
    """Return the metrics of a member on each part of its stars.

    Parameters
    ----------
    network
        Of `train_member`, which takes the other parameters.

    Returns
    -------
    DataFrame
        fold, part (see `split_stars`), and the metrics of
        `metalyra.metrics.evaluate_predictions`.
    """
    stars, sequences = _arrange(development, star_ids, sequences)
    parts = split_stars(stars, member, complete_training(training), seed)
    predicted = stars.assign(feh_predicted=evaluate(network, sequences))
    return pd.DataFrame(
        [
            {"fold": member, "part": name, **measure_predictions(predicted[inside])}
            for name, inside in parts.items()
        ]
    )


def average_repeats(out_of_fold: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of the out-of-fold predictions of each star.

    Parameters
    ----------
    out_of_fold
        Rows of all members: see `train_member`. Where the cross-validation is repeated,
        a star has as many rows as there are repeats.

    Returns
    -------
    DataFrame
        A row for each star, in the order of their names, with the fold of its first
        repeat.
    """
    rows = out_of_fold.sort_values(["star_id", "fold"], kind="stable")
    stars = rows.drop_duplicates("star_id", ignore_index=True)
    predicted = rows.groupby("star_id", sort=True)["feh_predicted"].mean()
    return stars.assign(feh_predicted=predicted.to_numpy())


def _arrange(
    development: pd.DataFrame, star_ids: np.ndarray, sequences: np.ndarray
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the stars that are in folds, in the order of their names, and their sequences."""
    stars = development[development["fold"] >= 0].sort_values("star_id", ignore_index=True)
    row = pd.Index(star_ids).get_indexer(stars["star_id"])
    if (row < 0).any():
        missing = ", ".join(stars["star_id"][row < 0].head())
        raise ValueError(f"stars of the development set without a sequence: {missing}")
    return stars, sequences[row]


def save_network(network: "keras.Model", path: Path | str) -> None:
    """Save a network in Keras' own format, complete or not at all.

    The file holds the architecture and the weights, but neither the state of the
    optimiser nor the time of day: the same network gives the same bytes.
    """
    import keras

    with tempfile.TemporaryDirectory() as directory:
        dated = Path(directory) / "network.keras"
        bare = keras.Model.from_config(network.get_config())
        bare.set_weights(network.get_weights())
        bare.save(dated)
        with zipfile.ZipFile(dated) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    for name in ("metadata.json", "config.json"):
        members[name] = json.dumps(json.loads(members[name], object_hook=_drop_passing)).encode()
    with replace_when_complete(Path(path)) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name in sorted(members):
            archive.writestr(zipfile.ZipInfo(name), members[name])


def _drop_passing(entries: dict[str, Any]) -> dict[str, Any]:
    """Drop what a saved network says of the moment: its date, addresses in memory."""
    passing = ("date_saved", "shared_object_id")
    return {key: value for key, value in entries.items() if key not in passing}


def make_card(
    *,
    name: str,
    band: str,
    relation: str,
    network: Mapping[str, Any],
    sequence: Mapping[str, Any],
    members: Sequence[int],
    provenance: Mapping[str, Any],
    out_of_fold: pd.DataFrame | None = None,
    domain: Mapping[str, Sequence[float]] | None = None,
    member_metrics: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Return what a user of a model needs to know, as plain data.

    Parameters
    ----------
    name, band, relation
        Of the model, its light curves, and the labels it has learnt.
    network, sequence
        Configuration of the networks and recipe of the sequences they read.
    members
        Numbers of the members, those of their folds.
    provenance
        Where the weights come from: see `describe_training`, or the published files.
    out_of_fold
        Predictions of all members for the folds they have not seen: see `train_member`.
    domain
        Where the training set lies: see `metalyra.domain.measure_domain`.
    member_metrics
        Of all members: see `measure_member`.

    Returns
    -------
    dict
        The above, completed; the calibration of the errors (see `metalyra.uncertainty`)
        by the out-of-fold residuals, all stars alike; the metrics on the union of the
        folds, by fold, and on the stars that the members were trained on; the versions
        of the libraries. Without times and paths: the same ensemble has the same card.
    """
    metrics = None if out_of_fold is None else measure_folds(out_of_fold)
    if metrics is not None and member_metrics is not None:
        metrics |= _measure_parts(member_metrics)
    return {
        "name": name,
        "band": band,
        "relation": relation,
        "network": complete_network(network),
        "sequence": complete_recipe(sequence),
        "members": [int(member) for member in members],
        "provenance": dict(provenance),
        "domain": None if domain is None else dict(domain),
        "calibration": None if out_of_fold is None else _calibrate_alike(out_of_fold),
        "metrics": metrics,
        "versions": _network_versions(),
    }


def describe_training(
    development: pd.DataFrame,
    star_ids: np.ndarray,
    sequences: np.ndarray,
    training: Mapping[str, Any],
    seed: int,
) -> dict[str, Any]:
    """Return the provenance of an ensemble trained here.

    Returns
    -------
    dict
        Settings of the training, seed, number of stars, and the SHA-256 of what the
        networks were shown: names, sequences, metallicities, weights and folds.
    """
    stars, sequences = _arrange(development, star_ids, sequences)
    digest = hashlib.sha256("\n".join(stars["star_id"]).encode())
    digest.update(np.ascontiguousarray(sequences, dtype="<f4").tobytes())
    for column in ("feh", "weight", *fold_columns(stars)):
        digest.update(stars[column].to_numpy(dtype="<f8").tobytes())
    return {
        "kind": "trained",
        "training": complete_training(training),
        "seed": seed,
        "n_stars": len(stars),
        "training_set_sha256": digest.hexdigest(),
    }


def measure_folds(out_of_fold: pd.DataFrame) -> dict[str, Any]:
    """Return the metrics of out-of-fold predictions, on their union and by fold.

    Parameters
    ----------
    out_of_fold
        star_id, fold, feh, feh_err and feh_predicted; see `train_member`.

    Returns
    -------
    dict
        union, with the mean of each star's predictions where the cross-validation is
        repeated; by_fold; mean and std (ddof 0) over the folds.
    """
    by_fold = {
        str(fold): measure_predictions(stars, _has_errors(out_of_fold))
        for fold, stars in out_of_fold.groupby("fold")
    }
    return {
        "union": measure_predictions(average_repeats(out_of_fold)),
        "by_fold": by_fold,
        **_summarise(pd.DataFrame(list(by_fold.values()))),
    }


def measure_predictions(stars: pd.DataFrame, weighted: bool | None = None) -> dict[str, float]:
    """Return the metrics of feh_predicted against feh.

    Weighted by the inverse squares of feh_err, by default where all are known.
    """
    weighted = _has_errors(stars) if weighted is None else weighted
    return evaluate_predictions(
        stars["feh"].to_numpy(dtype=float),
        stars["feh_predicted"].to_numpy(dtype=float),
        stars["feh_err"].to_numpy(dtype=float) if weighted else None,
    )


def _has_errors(stars: pd.DataFrame) -> bool:
    return bool((stars["feh_err"] > 0).all())


def _measure_parts(metrics: pd.DataFrame) -> dict[str, Any]:
    """Return the metrics on the stars that members have seen; see `measure_member`."""
    return {
        part: {
            "by_fold": {
                str(row.pop("fold")): row for row in rows.drop(columns="part").to_dict("records")
            },
            **_summarise(rows.drop(columns=["fold", "part"])),
        }
        for part, rows in metrics.groupby("part")
        if part != "held_out"
    }


def _summarise(metrics: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return mean and standard deviation over the folds of all metrics but the number."""
    measured = metrics.drop(columns="n")
    return {"mean": measured.mean().to_dict(), "std": measured.std(ddof=0).to_dict()}


def write_card(card: Mapping[str, Any], path: Path | str) -> None:
    """Write a card as JSON, complete or not at all; a metric without a value is null."""
    with replace_when_complete(Path(path)) as temporary:
        temporary.write_text(json.dumps(_only_finite(card), indent=2, allow_nan=False) + "\n")


def _only_finite(value: Any) -> Any:
    """Replace the numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _only_finite(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _calibrate_alike(out_of_fold: pd.DataFrame) -> dict[str, Any] | None:
    """Return one error for all stars; None where there are too few to learn it from."""
    stars = average_repeats(out_of_fold)
    if len(stars) < fewest_residuals():
        return None
    residuals = (stars["feh_predicted"] - stars["feh"]).to_numpy(dtype=float)
    calibration = calibrate(residuals, np.zeros(len(residuals)))
    return calibration._asdict() | {"quantiles": list(calibration.quantiles)}


def library_versions(*libraries: str) -> dict[str, str]:
    """Return the versions of MetaLyra and of the libraries that a model depends on."""
    return {"metalyra": metalyra.__version__} | {name: version(name) for name in libraries}


def _network_versions() -> dict[str, str]:
    import keras

    return library_versions("keras", keras.backend.backend(), "numpy")
