"""The published ensembles, with what is known of them, as models of ours."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from metalyra.core.tables import write_table
from metalyra.predict.cards import make_card, write_card
from metalyra.train.development import TRAINING_SET
from metalyra.train.ensembles import save_network
from metalyra.train.published import load_published_network, read_architecture
from metalyra.train.sequences import sequence_shape


def convert_published_model(
    source: Path | str,
    destination: Path | str,
    *,
    name: str,
    band: str,
    relation: str,
    sequence: Mapping[str, Any],
    members: int,
    pulsation_type: str = "RRab",
    known: Mapping[str, Any] | None = None,
    training_stars: pd.DataFrame | None = None,
) -> None:
    """Write a published ensemble as member_<k>.keras, card.json and training_set.parquet.

    Parameters
    ----------
    source
        Folder with model.json and weights_<k>.h5.
    destination
        Folder of the model.
    name, band, relation
        As they shall stand on the card.
    sequence
        Recipe of the sequences that the networks read.
    members
        Number of networks.
    pulsation_type
        Of the stars that it is for.
    known
        What is known of its training set and errors, the entry of
        resources/published_models.yaml: ``cuts``, ``ranges``, ``shapes``, ``calibration``.
    training_stars
        The stars that it was trained on: see `read_training_stars`; None if they are not
        known.

    Raises
    ------
    ValueError
        If a file is not what was published, naming it.
    """
    source, destination = Path(source), Path(destination)
    config = read_architecture(source / "model.json")
    steps, channels = sequence_shape(sequence)
    files = [source / f"weights_{member}.h5" for member in range(members)]
    for member, path in enumerate(files):
        network = load_published_network(config, path, steps, channels)
        save_network(network, destination / f"member_{member}.keras")
    hashes = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (source / "model.json", *files)
    }
    card = make_card(
        name=name,
        band=band,
        relation=relation,
        network=config,
        sequence=sequence,
        members=range(members),
        provenance={
            "kind": "published",
            "sha256": hashes,
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
    if training_stars is None:
        training_stars = pd.DataFrame({"star_id": [], "fold": []})
    columns = {"star_id": str, "fold": int}
    write_table(training_stars.astype(columns), destination / TRAINING_SET)
    write_card(card, destination / "card.json")
