"""The published ensembles, with what is known of them, as models of ours."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from metalyra.core.tables import write_table
from metalyra.predict.cards import make_card, write_card
from metalyra.train.ensembles import save_network
from metalyra.train.published import load_published_network, read_architecture
from metalyra.train.sequences import sequence_shape
from metalyra.train.training_set import TRAINING_SET


def convert_published_network(
    architecture: Path | str,
    weights: Path | str,
    destination: Path | str,
    *,
    sequence: Mapping[str, Any],
) -> None:
    """Write one published network as Keras writes ours.

    Parameters
    ----------
    architecture, weights
        model.json and one weights_<k>.h5.
    destination
        member_<k>.keras.
    sequence
        Recipe of the sequences that the network reads.

    Raises
    ------
    ValueError
        If a file is not what was published, naming it.
    """
    steps, channels = sequence_shape(sequence)
    network = load_published_network(read_architecture(architecture), weights, steps, channels)
    save_network(network, destination)


def make_published_card(
    architecture: Path | str,
    weights: Sequence[Path | str],
    *,
    name: str,
    band: str,
    relation: str,
    sequence: Mapping[str, Any],
    pulsation_type: str = "RRab",
    known: Mapping[str, Any] | None = None,
    training_stars: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Return the card of a published ensemble; see `metalyra.predict.cards.make_card`.

    Parameters
    ----------
    architecture, weights
        model.json and all weights_<k>.h5, in their order.
    name, band, relation
        As they shall stand on the card.
    sequence
        Recipe of the sequences that the networks read.
    pulsation_type
        Of the stars that it is for.
    known
        What is known of its training set and errors, the entry of
        resources/published_models.yaml: ``cuts``, ``ranges``, ``shapes``, ``calibration``.
    training_stars
        The stars that it was trained on: see `metalyra.train.published.read_training_stars`;
        None if they are not known.

    Raises
    ------
    ValueError
        If the architecture is not one that was published.
    """
    card = make_card(
        name=name,
        band=band,
        relation=relation,
        network=read_architecture(architecture),
        sequence=sequence,
        members=range(len(weights)),
        provenance={
            "kind": "published",
            "sha256": {
                Path(path).name: hashlib.sha256(Path(path).read_bytes()).hexdigest()
                for path in (architecture, *weights)
            },
            "training_stars": None if training_stars is None else len(training_stars),
        },
    )
    card["pulsation_type"] = pulsation_type
    if known is not None:
        card["cuts"] = known["cuts"]
        card["domain"] = {
            "ranges": known["ranges"],
            "quality": known["cuts"],
            "shapes": known["shapes"],
        }
        card["calibration"] = known["calibration"]
    return card


def list_training_stars(training_stars: pd.DataFrame | None) -> pd.DataFrame:
    """Return star_id and fold of the stars of a published model; no rows if they are unknown."""
    if training_stars is None:
        training_stars = pd.DataFrame({"star_id": [], "fold": []})
    return training_stars.astype({"star_id": str, "fold": int})


def convert_published_model(
    source: Path | str,
    destination: Path | str,
    *,
    members: int,
    training_stars: pd.DataFrame | None = None,
    **settings: Any,
) -> None:
    """Write a whole published ensemble as member_<k>.keras, card.json and training_set.parquet.

    Parameters
    ----------
    source
        Folder with model.json and weights_<k>.h5.
    destination
        Folder of the model.
    members
        Number of networks.
    training_stars, settings
        See `make_published_card`.
    """
    source, destination = Path(source), Path(destination)
    architecture = source / "model.json"
    weights = [source / f"weights_{member}.h5" for member in range(members)]
    for member, path in enumerate(weights):
        convert_published_network(
            architecture,
            path,
            destination / f"member_{member}.keras",
            sequence=settings["sequence"],
        )
    card = make_published_card(architecture, weights, training_stars=training_stars, **settings)
    write_table(list_training_stars(training_stars), destination / TRAINING_SET)
    write_card(card, destination / "card.json")
