"""How well models and relations of a study do on stars that they have not seen, in one table."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from metalyra.core.metrics import mean_absolute_error, root_mean_squared_error
from metalyra.predict.uncertainty import LEVELS, half_width_name

COLUMNS = (
    *("name", "kind", "pulsation_type", "band", "n_stars"),
    *("rmse", "mae", "bias", "coverage_68", "coverage_95", "note"),
)
"""Columns of the table of cross-validations."""


class CrossValidation(NamedTuple):
    """What a trained model leaves: its card, and its predictions of stars it has not seen."""

    card: Mapping[str, Any]
    out_of_fold: pd.DataFrame


def tabulate_cross_validations(
    models: Sequence[CrossValidation], relations: Mapping[str, pd.DataFrame], band: str
) -> pd.DataFrame:
    """Return the accuracy of models and relations on stars that were held out.

    Parameters
    ----------
    models
        The trained models, in the order of the table.
    relations
        By name, the accuracy of calibrated relations: see
        `metalyra.label.own_labels.calibrate_on_labels`.
    band
        Band of the relations.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`: rmse, mae and bias (predicted - label) in dex, every star alike; the
        shares of the stars whose label is within the intervals of 68 and 95 %, NaN where there
        are none; a note where a model was not trained.

    Raises
    ------
    ValueError
        If nothing could be trained; the message says why.
    """
    rows = [_measure_model(model) for model in models]
    for name, accuracy in relations.items():
        for row in accuracy[accuracy["unit"] == "star"].to_dict("records"):
            measured: dict[str, Any] = {str(key): row[key] for key in COLUMNS if key in row}
            if isinstance(note := row.get("note"), str) and note:
                measured["note"] = f"{name}: {note}"
            rows.append(
                {"name": name, "kind": "relation", "band": band, "n_stars": row["count"]} | measured
            )
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    table["note"] = table["note"].astype(object).fillna("")
    if not (table["n_stars"] > 0).any():
        raise ValueError("nothing could be trained: " + "; ".join(table["note"]))
    return table


def describe_cross_validations(table: pd.DataFrame) -> str:
    """Return a table of cross-validations as lines for the terminal."""
    trained = table[table["n_stars"] > 0].drop(columns="note")
    shown = trained.copy()
    for name in ("coverage_68", "coverage_95"):
        shown[name] = (100 * trained[name]).map("{:.1f} %".format)
    for name in ("rmse", "mae", "bias"):
        shown[name] = trained[name].map("{:.3f}".format)
    lines = shown.to_string(index=False)
    notes = [note for note in table["note"] if isinstance(note, str) and note]
    return "\n".join([lines, *notes])


def _measure_model(model: CrossValidation) -> dict[str, Any]:
    """Return the row of a model."""
    card, stars = model
    row = {key: card[key] for key in ("name", "pulsation_type", "band")}
    row |= {"kind": "model", "n_stars": len(stars)}
    if stars.empty:
        return row | {"note": card["provenance"]["note"]}
    true = stars["feh"].to_numpy(dtype=float)
    predicted = stars["feh_predicted"].to_numpy(dtype=float)
    row |= {
        "rmse": root_mean_squared_error(true, predicted),
        "mae": mean_absolute_error(true, predicted),
        "bias": float(np.mean(predicted - true)),
    }
    for level in LEVELS:
        if (width := half_width_name(level)) in stars:
            inside = np.abs(predicted - true) <= stars[width].to_numpy(dtype=float)
            row[f"coverage_{100 * level:.0f}"] = float(inside.mean())
    return row
