"""A catalogue ready for a data release: one row a star, what it is, and where it comes from.

Everything here is pure but `write_data_release`; the pages are written by
`metalyra.products.release_pages`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metalyra.core.digests import digest_file
from metalyra.core.tables import BY, replace_when_complete
from metalyra.predict.uncertainty import BOUNDS
from metalyra.products.catalogue import describe_flags, write_formats
from metalyra.products.release_pages import (
    Release,
    write_bibliography,
    write_citation,
    write_licence,
    write_readme,
)

NAME = "catalogue"
"""Of the files of the table, without their suffixes."""

SUMS = "SHA256SUMS"

FILES = (
    *(f"{NAME}.{suffix}" for suffix in ("vot", "fits", "parquet")),
    *("README.md", "CITATION.md", "CITATION.bib", "LICENCE", "provenance.json", SUMS),
)
"""The files of a data release."""

COMPARED = ("feh", "feh_err", *BOUNDS, "in_training", "status")
"""What a data release says of a star by every model and relation."""

READ_ESTIMATES = ("sample", "star_id", "model", *COMPARED)
"""Columns of the table of all estimates that a data release is made of."""

_OF_MODELS = ("in_training",)
_GAIA = "gaia_"


def name_estimates(settings: Mapping[str, Any], sample: str) -> dict[str, str]:
    """Return what the estimates of a sample are called in a data release.

    Parameters
    ----------
    settings
        The part of a study's configuration with `labels`, `models` and `predict`.
    sample
        Name of the sample.

    Returns
    -------
    dict
        By the name of the model, which is empty for the relation: the name of the model; that of
        the relation, with ``_relation`` after it if a model of the study has the same.
    """
    names = {
        entry["model"]: entry["model"] for entry in settings["predict"] if entry["sample"] == sample
    }
    if sample in settings["labels"]:
        relation = settings["labels"][sample]
        names[""] = f"{relation}_relation" if relation in settings["models"] else relation
    return names


def make_release_table(
    catalogue: pd.DataFrame, estimates: pd.DataFrame, settings: Mapping[str, Any]
) -> pd.DataFrame:
    """Return a catalogue with the values of every model and relation beside the preferred ones.

    Parameters
    ----------
    catalogue
        As `metalyra.products.catalogue.make_catalogue` returns it.
    estimates
        As `metalyra.products.catalogue.make_estimates` returns them, `READ_ESTIMATES` at least.
    settings
        The part of the study's configuration with `samples`, those that are released, `labels`,
        `models` and `predict`.

    Returns
    -------
    pandas.DataFrame
        The rows of the released samples, in their order; `source_id` after `star_id` where a
        sample is Gaia's; after the columns of the catalogue `<column>_by_<name>` for `COMPARED`
        and the names of `name_estimates`, `in_training` for models only. A star of a sample
        that a model is not applied to has its status ``no_model``.

    Raises
    ------
    ValueError
        If the estimates of a sample are not of the stars of its catalogue.
    """
    names = [
        name for sample in settings["samples"] for name in name_estimates(settings, sample).values()
    ]
    parts = []
    for sample, sample_settings in settings["samples"].items():
        rows = catalogue[catalogue["sample"] == sample].reset_index(drop=True)
        own = estimates[estimates["sample"] == sample]
        is_gaia = sample_settings["survey"].startswith(_GAIA)
        values: dict[str, Any] = {
            "source_id": rows["star_id"].astype(np.int64) if is_gaia else np.int64(0)
        }
        found = {name: model for model, name in name_estimates(settings, sample).items()}
        for name in dict.fromkeys(names):
            if name in found:
                values |= _take_estimate(rows, own, sample, found[name], name)
            else:
                values |= _without_estimate(name, settings)
        parts.append(pd.concat([rows, pd.DataFrame(values, index=rows.index)], axis="columns"))
    table: pd.DataFrame = pd.concat(parts, ignore_index=True)
    identifier = table.pop("source_id")
    if any(sample["survey"].startswith(_GAIA) for sample in settings["samples"].values()):
        table.insert(list(table).index("star_id") + 1, "source_id", identifier)
    return table


def _take_estimate(
    rows: pd.DataFrame, estimates: pd.DataFrame, sample: str, model: str, name: str
) -> dict[str, Any]:
    """Return the columns that have the estimates of a sample by one model or relation."""
    chosen = estimates[estimates["model"] == model]
    # By their place: a star that the list repeats has its own name in both tables.
    if not np.array_equal(chosen["star_id"].to_numpy(), rows["star_id"].to_numpy()):
        raise ValueError(f"sample {sample}: the estimates by {name} are not of its stars")
    columns = [column for column in COMPARED if model or column not in _OF_MODELS]
    return {f"{column}{BY}{name}": chosen[column].to_numpy() for column in columns}


def _without_estimate(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a model or relation that a sample has no estimates by."""
    plain = {"in_training": False, "status": "no_model"}
    columns = [
        column for column in COMPARED if name in settings["models"] or column not in _OF_MODELS
    ]
    return {f"{column}{BY}{name}": plain.get(column, np.nan) for column in columns}


def write_data_release(
    folder: Path, table: pd.DataFrame, release: Release, provenance: Mapping[str, Any]
) -> None:
    """Write a data release, each file complete or not at all, its check sums at the end.

    Its provenance.json is there already.

    The same table, description and provenance make the same bytes.

    Parameters
    ----------
    folder
        Where the `FILES` go.
    table
        As `make_release_table` returns it.
    release
        What the release is.
    provenance
        Where it comes from, as plain data; `sources` as
        `metalyra.acquire.provenance.trace_sources` returns them.
    """
    about = {
        "title": release.title,
        "version": release.version,
        "licence": release.licence,
        "study": release.study,
        "metalyra": provenance["software"]["metalyra"],
        **describe_flags(release.settings),
    }
    write_formats(table, folder / NAME, release.title, about)
    pages = {
        "README.md": write_readme(table, release, provenance),
        "CITATION.md": write_citation(release, provenance),
        "CITATION.bib": write_bibliography(release, provenance),
        "LICENCE": write_licence(release, provenance),
    }
    for name, text in pages.items():
        _write_text(folder / name, text)
    digests = {name: digest_file(folder / name) for name in sorted(FILES) if name != SUMS}
    _write_text(folder / SUMS, "".join(f"{digest}  {name}\n" for name, digest in digests.items()))


def _write_text(path: Path, text: str) -> None:
    with replace_when_complete(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
