"""Read the two sides of a comparison, whose inputs are named <side>_<stage>."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from metalyra.core import list_columns, read_table, read_tables
from metalyra.label import read_relations, select_calibrators
from metalyra.products import make_literature_side, make_side
from metalyra.surveys.formats.literature import read_literature
from metalyra.surveys.ifeh import read_calibrators

if TYPE_CHECKING:
    from snakemake.iocontainers import InputFiles

    from metalyra.products import Side


def read_side(files: "InputFiles", name: str, settings: dict[str, Any]) -> "Side":
    """Return a side of the comparison: `of` or `against`."""
    title = settings["title"]
    if "tables" in settings:
        paths = [Path(path) for path in files[f"{name}_tables"]]
        return make_literature_side(title, read_literature(paths, Path(files[f"{name}_positions"])))
    fits, values = files[f"{name}_fits"], files.get(f"{name}_values")
    relations = read_relations(*files.get(f"{name}_relations", []))
    return make_side(
        settings,
        title,
        read_table(files[f"{name}_stars"]),
        # The curves are three quarters of the fits, and of the memory that they take.
        read_tables(fits, list_columns(fits[0])),
        read_tables(values) if values else None,
        relations.get(settings.get("relation")),
        settings.get("labelling"),
    )


def list_calibrators(files: "InputFiles") -> pd.DataFrame | None:
    """Return the stars that relations of the comparison were calibrated on; None if of none."""
    if not (paths := files.get("calibrators")):
        return None
    spectra = read_calibrators([Path(path) for path in paths])
    return pd.concat([select_calibrators(spectra, kind) for kind in ("RRab", "RRc")])
