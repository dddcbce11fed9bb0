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
from metalyra.metrics import evaluate_predictions
from metalyra.networks import build_network, complete_network, set_scaling
from metalyra.prediction import evaluate
from metalyra.randomness import derive_seed, generator
from metalyra.sequences import complete_recipe
from metalyra.settings import complete_settings
from metalyra.tables import replace_when_complete
from metalyra.uncertainty import calibrate, fewest_residuals

if TYPE_CHECKING:
    import keras

    Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def train_member(
    development: pd.DataFrame,
    star_ids: np.ndarray,
    sequences: np.ndarray,
    fold: int,
    network: Mapping[str, Any],
    training: Mapping[str, Any],
    seed: int,
) -> tuple["keras.Model", pd.DataFrame, pd.DataFrame]:
    """Train the member of an ensemble that does not see one fold.

    Parameters
    ----------
    development
        Of `metalyra.development.make_development_set`; stars of fold -1 are left out.
    star_ids : array of str, shape (n,)
        Stars that have a sequence, in any order.
    sequences : array, shape (n, steps, channels)
    fold
        The fold that validates.
    network
        Configuration of `metalyra.networks.build_network`.
    training
        Settings of `fit_network`.
    seed
        Seed of the study. The same seed gives the same weights on the same machine.

    Returns
    -------
    network : keras.Model
        With the weights of the epoch of the lowest validation loss.
    history : DataFrame
        epoch (from 1), loss and val_loss.
    out_of_fold : DataFrame
        star_id, fold, feh, feh_err and feh_predicted of the stars of the fold.

    Raises
    ------
    ValueError
        If a star of the development set has no sequence, the fold or all others are
        empty, or a setting is unknown.
    """
    settings = complete_training(training)
    make_deterministic(derive_seed(seed, "train", f"member {fold}"))
    stars = development[development["fold"] >= 0].sort_values("star_id")
    row = pd.Index(star_ids).get_indexer(stars["star_id"])
    if (row < 0).any():
        missing = ", ".join(stars["star_id"][row < 0].head())
        raise ValueError(f"stars of the development set without a sequence: {missing}")
    sequences = sequences[row]
    feh, weights = stars["feh"].to_numpy(dtype=float), stars["weight"].to_numpy(dtype=float)
    held_out = (stars["fold"] == fold).to_numpy()
    if held_out.all() or not held_out.any():
        raise ValueError(f"fold {fold} leaves no stars to {'train' if held_out.all() else 'test'}")

    trained = build_network(network, *sequences.shape[1:])
    set_scaling(trained, sequences[~held_out], feh[~held_out], weights[~held_out])
    history = fit_network(
        trained,
        (sequences[~held_out], feh[~held_out], weights[~held_out]),
        (sequences[held_out], feh[held_out], weights[held_out]),
        generator(seed, "shuffle", f"member {fold}"),
        **settings,
    )
    out_of_fold = stars.loc[held_out, ["star_id", "fold", "feh", "feh_err"]]
    out_of_fold["feh_predicted"] = evaluate(trained, sequences[held_out])
    return trained, history, out_of_fold.reset_index(drop=True)


def fit_network(
    network: "keras.Model",
    training: "Arrays",
    validation: "Arrays | None",
    random: np.random.Generator,
    *,
    epochs: int = 80,
    batch_size: int = 64,
    optimizer: str = "adamw",
    learning_rate: float = 0.003,
    weight_decay: float = 0.001,
    schedule: str = "cosine",
    loss: str = "mse",
    patience: int | None = None,
) -> pd.DataFrame:
    """Fit a network, and leave it with the weights of its best epoch.

    Without stars to validate it, it keeps those of the last.

    Parameters
    ----------
    network
        Of `metalyra.networks.build_network`; changed.
    training, validation
        Sequences (n, steps, channels), [Fe/H] (n,) in dex and weights (n,) of each;
        None to train without validation.
    random
        Draws the order of the stars in each epoch.
    epochs
        Largest number of epochs.
    batch_size
        Largest number of stars per step of the optimisation.
    optimizer
        "adam" or "adamw".
    learning_rate
        At the start.
    weight_decay
        Of AdamW.
    schedule
        "constant", or "cosine": a learning rate that falls to 0 along a cosine.
    loss
        "mse" or "huber" (quadratic below 0.3 dex), weighted by the stars' weights.
    patience
        Epochs without a lower validation loss after which the training stops; None to
        go through all.

    Returns
    -------
    DataFrame
        epoch (from 1), loss and val_loss (NaN without validation).

    Raises
    ------
    ValueError
        If the training shall stop early but nothing validates it.
    """
    import keras

    if validation is None and patience is not None:
        raise ValueError("patience needs stars that validate the network")
    batches = math.ceil(len(training[0]) / batch_size)
    if schedule == "cosine":
        learning_rate = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * batches)
    optimizers = {
        "adam": lambda: keras.optimizers.Adam(learning_rate),
        "adamw": lambda: keras.optimizers.AdamW(learning_rate, weight_decay=weight_decay),
    }
    losses = {
        "mse": keras.losses.MeanSquaredError,
        "huber": lambda: keras.losses.Huber(delta=0.3),
    }
    network.compile(optimizer=optimizers[optimizer](), loss=losses[loss]())

    # Not network.fit, which takes three times as long for an epoch of some hundred stars,
    # and whose order of the stars depends on the backend.
    history: list[tuple[float, float]] = []
    best, best_epoch, best_weights = math.inf, 0, network.get_weights()
    while len(history) < epochs and len(history) - best_epoch < (patience or epochs):
        network.reset_metrics()
        for batch in np.array_split(random.permutation(len(training[0])), batches):
            training_loss = network.train_on_batch(*(array[batch] for array in training))
        network.reset_metrics()
        loss_now = math.nan if validation is None else network.test_on_batch(*validation)
        history.append((float(training_loss), float(loss_now)))
        if history[-1][1] < best:
            best, best_epoch, best_weights = history[-1][1], len(history), network.get_weights()
    if validation is not None:
        network.set_weights(best_weights)
    table = pd.DataFrame(history, columns=["loss", "val_loss"])
    table.insert(0, "epoch", np.arange(1, len(table) + 1))
    return table


def complete_training(training: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of `fit_network`, those given and the defaults.

    Raises
    ------
    ValueError
        If a setting or the value of a choice is unknown.
    """
    settings = complete_settings(fit_network, training, "the training")
    for name, allowed in _CHOICES.items():
        if settings[name] not in allowed:
            raise ValueError(
                f"{name} of the training is {settings[name]!r}; allowed are {', '.join(allowed)}"
            )
    return settings


_CHOICES = {
    "optimizer": ("adam", "adamw"),
    "schedule": ("constant", "cosine"),
    "loss": ("mse", "huber"),
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

    Returns
    -------
    dict
        The above, completed; the calibration of the errors (see `metalyra.uncertainty`)
        by the out-of-fold residuals, all stars alike; the metrics on the union of the
        folds and by fold; the versions of the libraries. Without times and paths: the
        same ensemble has the same card.
    """
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
        "metrics": None if out_of_fold is None else measure_folds(out_of_fold),
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
    stars = development[development["fold"] >= 0].sort_values("star_id")
    row = pd.Index(star_ids).get_indexer(stars["star_id"])
    digest = hashlib.sha256("\n".join(stars["star_id"]).encode())
    digest.update(np.ascontiguousarray(sequences[row], dtype="<f4").tobytes())
    for column in ("feh", "weight", "fold"):
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
        fold, feh, feh_err and feh_predicted; see `train_member`.
    """

    def measure(stars: pd.DataFrame) -> dict[str, float]:
        errors = stars["feh_err"].to_numpy(dtype=float) if weighted else None
        return evaluate_predictions(
            stars["feh"].to_numpy(dtype=float),
            stars["feh_predicted"].to_numpy(dtype=float),
            errors,
        )

    weighted = bool((out_of_fold["feh_err"] > 0).all())
    return {
        "union": measure(out_of_fold),
        "by_fold": {str(fold): measure(stars) for fold, stars in out_of_fold.groupby("fold")},
    }


def write_card(card: Mapping[str, Any], path: Path | str) -> None:
    """Write a card as JSON, complete or not at all; a metric without a value is null."""
    with replace_when_complete(Path(path)) as temporary:
        temporary.write_text(json.dumps(_only_finite(card), indent=2, allow_nan=False) + "\n")


def _only_finite(value: Any) -> Any:
    """Replace the numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _only_finite(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def make_deterministic(seed: int) -> None:
    """Seed all generators, and let the backend compute in a fixed order."""
    import keras

    keras.utils.set_random_seed(seed % 2**32)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()


def _calibrate_alike(out_of_fold: pd.DataFrame) -> dict[str, Any] | None:
    """Return one error for all stars; None where there are too few to learn it from."""
    if len(out_of_fold) < fewest_residuals():
        return None
    residuals = (out_of_fold["feh_predicted"] - out_of_fold["feh"]).to_numpy(dtype=float)
    calibration = calibrate(residuals, np.zeros(len(residuals)))
    return calibration._asdict() | {"quantiles": list(calibration.quantiles)}


def library_versions(*libraries: str) -> dict[str, str]:
    """Return the versions of MetaLyra and of the libraries that a model depends on."""
    return {"metalyra": metalyra.__version__} | {name: version(name) for name in libraries}


def _network_versions() -> dict[str, str]:
    import keras

    return library_versions("keras", keras.backend.backend(), "numpy")
