"""The models that come with the library: which there are, and whether they are whole.

A model is a folder of `resources/models`: card.json, member_<k>.npz, training_set.parquet, and
SHA256SUMS with the digests of these. The study of config/models.yaml makes them.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from metalyra.core.digests import digest_file
from metalyra.core.resources import RESOURCES
from metalyra.core.tables import replace_when_complete
from metalyra.predict.cards import read_card, write_card
from metalyra.stack.stacking import read_stack_member, write_stack_member
from metalyra.train.training_set import TRAINING_SET

SHIPPED_MODELS = RESOURCES / "models"
"""Folder of the models that are shipped."""

SUMS = "SHA256SUMS"
"""Name of the file with the digests of a model's files."""

OTHER_MODELS = (
    "others are trained by a study, such as config/dg22.yaml or config/own_survey.yaml, and "
    "named by their folder, results/<study>/models/<name>"
)
"""How to get a model that is not shipped."""


class ModelError(ValueError):
    """A model that is not there, or not as it was shipped."""


def read_shipped_cards(models: Path = SHIPPED_MODELS) -> dict[str, dict[str, Any]]:
    """Return the cards of the models that are shipped, by name."""
    return {path.parent.name: read_card(path.parent) for path in sorted(models.glob("*/card.json"))}


def list_models(models: Path = SHIPPED_MODELS) -> pd.DataFrame:
    """List the models that are shipped.

    Parameters
    ----------
    models
        Folder of the models.

    Returns
    -------
    pandas.DataFrame
        One row a model: `name`; `band` and `pulsation_type` of the stars it is for; `relation`
        that its labels come from; `n_stars` that it was trained on; `rmse` (dex) of stars that
        its members have not seen; its `folder`; and a `description` in words.
    """
    rows = [
        {
            "name": name,
            "band": card["band"],
            "pulsation_type": card["pulsation_type"],
            "relation": card["relation"],
            "n_stars": card["provenance"]["n_stars"],
            "rmse": card["metrics"]["union"]["rmse"],
            "folder": str(models / name),
            "description": card.get("description", ""),
        }
        for name, card in read_shipped_cards(models).items()
    ]
    columns = ["name", "band", "pulsation_type", "relation", "n_stars", "rmse", "folder"]
    return pd.DataFrame(rows, columns=[*columns, "description"])


def locate_model(name_or_folder: str | Path, models: Path = SHIPPED_MODELS) -> Path:
    """Return the folder of a model: a shipped one by its name, any other by its folder.

    Parameters
    ----------
    name_or_folder
        A name of `list_models`, or a folder with card.json.
    models
        Folder of the models that are shipped.

    Raises
    ------
    ModelError
        If there is no such model, or one of its files is not what SHA256SUMS says.
    """
    shipped = list(read_shipped_cards(models))
    folder = models / name_or_folder if str(name_or_folder) in shipped else Path(name_or_folder)
    if not (folder / "card.json").is_file():
        raise ModelError(
            f"model {str(name_or_folder)!r}: neither a shipped model ({', '.join(shipped)}) nor a "
            f"folder with card.json; {OTHER_MODELS}"
        )
    if problems := list(find_damage(folder)):
        raise ModelError("; ".join(problems))
    return folder


def find_damage(folder: Path) -> Iterator[str]:
    """Yield what is wrong with the files of a model, each in a line; nothing without SHA256SUMS."""
    sums = folder / SUMS
    if not sums.is_file():
        return
    advice = f"restore the model: git checkout -- {folder}, or install MetaLyra again"
    for number, line in enumerate(sums.read_text().splitlines(), 1):
        digest, separator, name = line.partition("  ")
        if not separator:
            yield f"model {folder}: line {number} of {SUMS} is not '<digest>  <file>'; {advice}"
        elif not (folder / name).is_file():
            yield f"model {folder}: the file {name} is missing; {advice}"
        elif digest_file(folder / name) != digest:
            yield f"model {folder}: the file {name} is damaged; {advice}"


def ship_model(trained: Path | str, folder: Path | str, description: str) -> None:
    """Write a trained stack as a model to be shipped: packed, described, with digests.

    Parameters
    ----------
    trained
        Folder of the model, as its study has written it.
    folder
        Where it shall be; what else is there goes.
    description
        What users need to know that the rest of the card does not say.
    """
    trained, folder = Path(trained), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    card = read_card(trained)
    names = [f"member_{member}.npz" for member in card["members"]]
    for path in folder.iterdir():
        path.unlink()
    for name in names:
        write_stack_member(read_stack_member(trained / name), folder / name, packed=True)
    shutil.copyfile(trained / TRAINING_SET, folder / TRAINING_SET)
    write_card({**card, "description": description}, folder / "card.json")
    write_sums(folder)


def write_sums(folder: Path) -> None:
    """Write the digests of all files of a model, in the format of sha256sum."""
    names = sorted(path.name for path in folder.iterdir() if path.name != SUMS)
    lines = [f"{digest_file(folder / name)}  {name}\n" for name in names]
    with replace_when_complete(folder / SUMS) as temporary:
        temporary.write_text("".join(lines))
