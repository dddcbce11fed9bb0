"""The tables of stars of Monti et al. (2024, 2025)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from metalyra.core.statuses import OK, restore_star_id
from metalyra.core.tables import align_to
from metalyra.products.paper_tables.layouts import layout
from metalyra.train.selection import apply_cuts

PREDICTED_COLUMNS = (
    *("star_id", "ra", "dec", "pulsation_type", "period", "amplitude", "n_epochs"),
    *("feh", "feh_err", "feh_std", "status"),
)
"""Columns of the table of all stars."""

COLUMNS = ("star_id", "period", "amplitude", "n_epochs", "feh", "feh_err")
"""Columns of the papers' tables: source_id, period, AmpG, #epochs, [Fe/H] and its error."""

Cuts = Mapping[str, tuple[float | None, float | None]]

COMMON_CUTS: Cuts = {
    "feh_err": (None, 0.4),
    "amplitude": (None, 1.4),
    "n_epochs": (50.0, None),
}
"""Smallest and largest value of the stars of both papers (2024, Sec. 3; 2025, Sec. 2.1)."""

RRAB_CUTS: Cuts = {**COMMON_CUTS, "label_phi31_err": (None, 0.10)}
"""Those of RRab stars, with the error of phi31 (rad)."""


_NOTES = (
    "Stars that pass the cuts of the paper; amplitude and n_epochs are the archive's where it has "
    "them.",
    "feh_err is the error by which a training cuts and weights the label.",
)


@layout(
    "monti24_table1",
    of="labels",
    title="Development set of RRab stars (Monti et al. 2024, Table 1)",
    notes=_NOTES,
)
def monti24_table1(stars: pd.DataFrame, fits: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Return the development set of RRab stars: Table 1 of Monti et al. (2024).

    Parameters and what is returned are those of `list_development_set`.
    """
    return list_development_set(stars, fits, labels, "RRab", RRAB_CUTS)


@layout(
    "monti25_table2_rrab",
    of="labels",
    title="Development set of RRab stars (Monti et al. 2025, Table 2a)",
    notes=_NOTES,
)
def monti25_table2_rrab(
    stars: pd.DataFrame, fits: pd.DataFrame, labels: pd.DataFrame
) -> pd.DataFrame:
    """Return the development set of RRab stars: Table 2a of Monti et al. (2025).

    Parameters and what is returned are those of `list_development_set`.
    """
    return list_development_set(stars, fits, labels, "RRab", RRAB_CUTS)


@layout(
    "monti25_table2_rrc",
    of="labels",
    title="Development set of RRc stars (Monti et al. 2025, Table 2b)",
    notes=_NOTES,
)
def monti25_table2_rrc(
    stars: pd.DataFrame, fits: pd.DataFrame, labels: pd.DataFrame
) -> pd.DataFrame:
    """Return the development set of RRc stars: Table 2b of Monti et al. (2025).

    Parameters and what is returned are those of `list_development_set`.
    """
    return list_development_set(stars, fits, labels, "RRc", COMMON_CUTS)


@layout(
    "monti25_predictions",
    of="joined predictions",
    title="Metallicities of all stars by the models of their types (after Monti et al. 2025)",
    notes=(
        "A star has the value of the first model that vouches for one (status ok), else the first "
        "value that there is, with the status that says why it is doubtful.",
    ),
)
def monti25_predictions(
    stars: pd.DataFrame, fits: pd.DataFrame, predictions: pd.DataFrame
) -> pd.DataFrame:
    """Return the metallicities of all stars: the catalogue of Monti et al. (2025, Sec. 4).

    Parameters
    ----------
    stars
        Star list; its order is the order of the table.
    fits
        Fits of the same stars.
    predictions
        Of several models, one after the other; of a star that no model is for the rows say so.

    Returns
    -------
    pandas.DataFrame
        Columns `PREDICTED_COLUMNS`, one row per star of the list. Amplitude (mag) and number of
        epochs are those of our fit.
    """
    status = predictions["status"]
    strange = status == "wrong_pulsation_type"
    rank = np.select([status == OK, predictions["feh"].notna(), ~strange], [0, 1, 2], 3)
    best = predictions.assign(rank=rank).sort_values("rank", kind="stable")
    chosen = best.drop_duplicates("star_id")
    listed = stars.reset_index(drop=True)
    rows, fitted = align_to(chosen, listed), align_to(fits, listed)
    return pd.DataFrame(
        {
            "star_id": restore_star_id(listed),
            **{name: listed[name] for name in ("ra", "dec", "pulsation_type")},
            "period": fitted["period"].fillna(listed["period"]),
            "amplitude": fitted["amplitude"],
            "n_epochs": fitted["n_epochs"].astype("Int64"),
            **{name: rows[name] for name in ("feh", "feh_err", "feh_std", "status")},
        }
    ).reindex(columns=list(PREDICTED_COLUMNS))


def list_development_set(
    stars: pd.DataFrame,
    fits: pd.DataFrame,
    labels: pd.DataFrame,
    pulsation_type: str,
    cuts: Cuts,
) -> pd.DataFrame:
    """Return the labelled stars of a type that pass the cuts of a paper.

    Parameters
    ----------
    stars
        Star list; its order is the order of the table.
    fits, labels
        Fits and metallicities of the same stars.
    pulsation_type
        RRab or RRc.
    cuts
        Smallest and largest allowed value by column of the table, or of the labels.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`. Amplitude (mag) and number of epochs are the archive's where it has
        them, as in the papers, and else of our fit; the error of [Fe/H] (dex) is that by which
        a training cuts and weights the label.
    """
    listed = stars.reset_index(drop=True)
    fitted, labelled = align_to(fits, listed), align_to(labels, listed)
    rows = pd.DataFrame(
        {
            "star_id": restore_star_id(listed),
            "period": fitted["period"].fillna(listed["period"]),
            **{name: labelled[name] for name in ("feh", "label_phi31_err")},
            "feh_err": labelled["training_err"],
        }
    )
    for name in ("amplitude", "n_epochs"):
        archive = listed.get(f"archive_{name}")
        rows[name] = fitted[name] if archive is None else archive.fillna(fitted[name])
    chosen = (labelled["status"] == OK) & (listed["pulsation_type"] == pulsation_type)
    chosen &= apply_cuts(rows, cuts) == ""
    rows["n_epochs"] = rows["n_epochs"].astype("Int64")
    table: pd.DataFrame = rows.loc[chosen, list(COLUMNS)].reset_index(drop=True)
    return table
