"""Ensembles of networks, one member a fold: training, metrics, saving."""

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from metalyra.core.randomness import derive_seed, generator
from metalyra.core.tables import replace_when_complete
from metalyra.train.checkpoints import Checkpoint
from metalyra.train.evaluation import evaluate, measure_predictions
from metalyra.train.networks import build_network, set_scaling
from metalyra.train.together import fit_networks, trains_together
from metalyra.train.training import fit_network, make_deterministic
from metalyra.train.training_set import fold_columns, hold_out
from metalyra.train.training_settings import complete_training
from metalyra.train.weights import make_weights

if TYPE_CHECKING:
    import keras

    Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]

SEARCH_NOTE = (
    "Network and training were chosen by a search whose trials were measured on other folds, "
    "drawn for it alone, of the same stars. So all stars of the training set took part in the "
    "choice, but no fold that the metrics are of."
)
"""What the card of a model says of the search that its settings come from."""


def train_member(
    development: pd.DataFrame,
    star_ids: np.ndarray,
    sequences: np.ndarray,
    member: int,
    network: Mapping[str, Any],
    training: Mapping[str, Any],
    seed: int,
    checkpoint: Checkpoint | None = None,
    *,
    weights: Mapping[str, Any] | None = None,
    stop_after: int | None = None,
) -> tuple["keras.Model", pd.DataFrame, pd.DataFrame]:
    """Train the member of an ensemble that does not see one fold.

    Parameters
    ----------
    development
        Of `metalyra.train.training_set.make_training_set`; stars of fold -1 are left out.
    star_ids : array of str, shape (n,)
        Stars that have a sequence, in any order.
    sequences : array, shape (n, steps, channels)
    member
        Its number, which is that of the fold that is held out.
    network
        Configuration of `metalyra.train.networks.build_network`.
    training
        Of `metalyra.train.training_settings.TrainingSettings`.
    seed
        Seed of the study. The same seed gives the same weights on the same machine.
    checkpoint
        Of a training that goes on where it was killed.
    weights
        Settings of `metalyra.train.weights.make_weights`. They are learnt from the stars that
        the network is trained on, without those of an inner validation, which count as
        they would among them.
    stop_after
        Epoch at which the training stops on its way; None to go to its end.

    Returns
    -------
    network : keras.Model
        With the weights of the epoch that the validation has chosen, or of the last.
    history : DataFrame
        Of `metalyra.train.training.fit_network`.
    out_of_fold : DataFrame
        star_id, fold, feh, feh_err and feh_predicted of the stars of the fold.

    Raises
    ------
    ValueError
        If a star of the development set has no sequence, the fold or all others are
        empty, or a setting is unknown.
    metalyra.train.training.DivergedError
        If the training leaves the finite numbers.
    """
    given = development, star_ids, sequences, member, network, training, seed, weights
    prepared = _prepare_member(*given)
    history = fit_network(
        prepared.network,
        prepared.trained_on,
        prepared.validated_on,
        prepared.random,
        checkpoint,
        stop_after=stop_after,
        **complete_training(training),
    )
    return _finish_member(prepared, network, history)


def train_members(
    development: pd.DataFrame,
    star_ids: np.ndarray,
    sequences: np.ndarray,
    members: Sequence[int],
    network: Mapping[str, Any],
    training: Mapping[str, Any],
    seed: int,
    checkpoints: Sequence[Checkpoint],
    *,
    weights: Mapping[str, Any] | None = None,
) -> "Iterator[tuple[keras.Model, pd.DataFrame, pd.DataFrame]]":
    """Train members of an ensemble, together where Keras computes with JAX, else in turn.

    What a member learns does not depend on the others that are trained with it, if any.

    Parameters
    ----------
    members
        Their numbers.
    checkpoints
        Of each.

    Others, and what is raised, are those of `train_member`.

    Yields
    ------
    network, history, out_of_fold
        Of each, see `train_member`.
    """
    stars = development, star_ids, sequences
    if not trains_together():
        for member, checkpoint in zip(members, checkpoints, strict=True):
            yield train_member(*stars, member, network, training, seed, checkpoint, weights=weights)
        return
    prepared = [
        _prepare_member(*stars, member, network, training, seed, weights) for member in members
    ]
    folded, settings = _arrange(development, star_ids, sequences)[0], complete_training(training)
    everyone = np.unique(folded[fold_columns(folded)])
    parts = [split_stars(folded, int(each), settings, seed) for each in everyone if each >= 0]
    histories = fit_networks(
        [each.network for each in prepared],
        [each.trained_on for each in prepared],
        [each.validated_on for each in prepared],
        [each.random for each in prepared],
        checkpoints,
        counts=[int(part["training"].sum()) for part in parts],
        **settings,
    )
    for each, history in zip(prepared, histories, strict=True):
        yield _finish_member(each, network, history)


class _Prepared(NamedTuple):
    """A member that is to be trained, and its stars."""

    member: int
    network: "keras.Model"
    trained_on: "Arrays"
    validated_on: "Arrays"
    random: np.random.Generator
    held_out: pd.DataFrame
    unseen: np.ndarray


def _prepare_member(
    development: pd.DataFrame,
    star_ids: np.ndarray,
    sequences: np.ndarray,
    member: int,
    network: Mapping[str, Any],
    training: Mapping[str, Any],
    seed: int,
    weights: Mapping[str, Any] | None,
) -> _Prepared:
    """Build the network of a member, and choose and weigh its stars: see `train_member`."""
    settings = complete_training(training)
    make_deterministic(derive_seed(seed, "train", f"member {member}"))
    stars, sequences = _arrange(development, star_ids, sequences)
    parts = split_stars(stars, member, settings, seed)
    labels = stars["feh"].to_numpy(dtype=float), stars["feh_err"].to_numpy(dtype=float)
    trained_on = tuple(column[parts["training"]] for column in labels)

    def part(name: str) -> "Arrays":
        feh, feh_err = (column[parts[name]] for column in labels)
        weighed = make_weights(feh, feh_err, trained_on=trained_on, **(weights or {}))
        return sequences[parts[name]], feh, weighed

    _, steps, channels = sequences.shape
    prepared = build_network(network, steps, channels, settings["precision"])
    set_scaling(
        prepared,
        *part("training"),
        of_inputs=settings["standardise_inputs"],
        of_labels=settings["standardise_labels"],
    )
    return _Prepared(
        member,
        prepared,
        part("training"),
        part("held_out" if settings["validation"] != "inner" else "validation"),
        generator(seed, "shuffle", f"member {member}"),
        stars.loc[parts["held_out"], ["star_id", "feh", "feh_err"]],
        sequences[parts["held_out"]],
    )


def _finish_member(
    trained: _Prepared, network: Mapping[str, Any], history: pd.DataFrame
) -> tuple["keras.Model", pd.DataFrame, pd.DataFrame]:
    """Return a member as it will predict, its history, and what it predicts of its fold."""
    # Neither compiled nor in other than float32.
    final = build_network(network, *trained.unseen.shape[1:])
    final.set_weights(trained.network.get_weights())
    out_of_fold = trained.held_out
    out_of_fold.insert(1, "fold", trained.member)
    out_of_fold["feh_predicted"] = evaluate(final, trained.unseen)
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
        With `validation` and `validation_share` of
        `metalyra.train.training_settings.TrainingSettings`.
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


def predict_parts(
    network: "keras.Model",
    development: pd.DataFrame,
    star_ids: np.ndarray,
    sequences: np.ndarray,
    member: int,
    training: Mapping[str, Any],
    seed: int,
) -> dict[str, pd.DataFrame]:
    """Return what a member predicts for each part of its stars.

    Parameters
    ----------
    network
        Of `train_member`, which takes the other parameters.

    Returns
    -------
    dict of DataFrame
        By part (see `split_stars`): star_id, fold (the number of the member), feh, feh_err and
        feh_predicted.
    """
    stars, sequences = _arrange(development, star_ids, sequences)
    parts = split_stars(stars, member, complete_training(training), seed)
    predicted = stars[["star_id", "feh", "feh_err"]].assign(
        feh_predicted=evaluate(network, sequences)
    )
    predicted.insert(1, "fold", member)
    return {name: predicted[inside].reset_index(drop=True) for name, inside in parts.items()}


def measure_parts(predicted: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the metrics of a member on each part of its stars.

    Parameters
    ----------
    predicted
        Of `predict_parts`.

    Returns
    -------
    DataFrame
        fold, part (see `split_stars`), and the metrics of
        `metalyra.core.metrics.evaluate_predictions`.
    """
    return pd.DataFrame(
        [
            {"fold": stars["fold"].iloc[0], "part": name, **measure_predictions(stars)}
            for name, stars in predicted.items()
        ]
    )


def describe_training(
    development: pd.DataFrame,
    star_ids: np.ndarray,
    sequences: np.ndarray,
    training: Mapping[str, Any],
    seed: int,
    *,
    weights: Mapping[str, Any] | None = None,
    search: str | None = None,
    devices: Iterable[str] = (),
) -> dict[str, Any]:
    """Return the provenance of an ensemble trained here.

    Parameters
    ----------
    development, star_ids, sequences, training, seed, weights
        Of `train_member`.
    search
        The search that network and training come from, if they do.
    devices
        What each member was computed on: see `metalyra.train.devices.name_device`.

    Returns
    -------
    dict
        Settings of the training and of the weights, the search, the devices, seed, number of
        stars, and the SHA-256 of what the networks were shown: names, sequences, metallicities,
        their errors and folds.
    """
    stars, sequences = _arrange(development, star_ids, sequences)
    digest = hashlib.sha256("\n".join(stars["star_id"]).encode())
    digest.update(np.ascontiguousarray(sequences, dtype="<f4").tobytes())
    for column in ("feh", "feh_err", *fold_columns(stars)):
        digest.update(stars[column].to_numpy(dtype="<f8").tobytes())
    return {
        "kind": "trained",
        "training": complete_training(training),
        "weights": dict(weights or {}),
        "search": None if search is None else {"name": search, "note": SEARCH_NOTE},
        "devices": sorted(set(devices)),
        "seed": seed,
        "n_stars": len(stars),
        "training_set_sha256": digest.hexdigest(),
    }


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
