"""The tables of the papers, in their order and with the study's column names."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from metalyra.core.statuses import CUT, restore_star_id
from metalyra.core.tables import replace_when_complete

TABLE_5_COLUMNS = (
    "star_id",
    "ra",
    "dec",
    "feh",
    "feh_std",
    "mean_mag",
    "n_epochs",
    "period",
    "amplitude",
    "phase_coverage",
    "snr",
)

TABLE_1_COLUMNS = (
    "star_id",
    "ra",
    "dec",
    "feh",
    "feh_err_light_curve",
    "mean_mag",
    "n_epochs",
    "period",
    "amplitude",
    "a1",
    "a2",
    "a3",
    "phi21",
    "phi31",
    "phase_coverage",
    "snr",
)

PUBLISHED_COLUMNS: Mapping[str, str] = {
    "mean_mag": "archive_mean_mag",
    "amplitude": "archive_amplitude",
    "snr": "archive_snr",
}
"""The columns of the inner-bulge star list that Table 5 repeats."""

Cuts = Mapping[str, tuple[float | None, float | None]]

TABLE_1_CUTS: Cuts = {
    "phase_coverage": (0.8, None),
    "amplitude": (None, 1.2),
    "snr": (50.0, None),
}
"""Smallest and largest value of the stars in Table 1, as its note gives them."""

EXPERIMENT_METRICS = ("r2", "wrmse", "wmae", "rmse", "mae")
"""Metrics in the order of Monti et al. (2024, Table A1; 2025, Table 1)."""

DECIMALS: Mapping[str, int] = {
    "ra": 6,
    "dec": 6,
    "feh": 4,
    "feh_std": 4,
    "feh_err_light_curve": 4,
    "mean_mag": 3,
    "period": 6,
    "amplitude": 3,
    "a1": 4,
    "a2": 4,
    "a3": 4,
    "phi21": 4,
    "phi31": 4,
    "phase_coverage": 3,
    "snr": 1,
    **{
        f"{metric}_{stars}": 4
        for metric in EXPERIMENT_METRICS
        for stars in ("training", "validation")
    },
    "cpu_time": 1,
}
"""Decimals in the written tables; one more for [Fe/H] than published, so that rounding
twice does not move a value by a published digit."""


def table5(stars: pd.DataFrame, fits: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return Ks-band metallicities and light-curve attributes: Table 5 of the paper.

    Mean magnitude, amplitude and S/N are those of the star list where it has them, for
    they were measured on the full light curves and not on the released binned ones.

    Parameters
    ----------
    stars
        Star list; its order is the order of the table.
    fits, predictions
        Fits and predictions of the same stars.

    Returns
    -------
    pandas.DataFrame
        Columns `TABLE_5_COLUMNS`, one row per star of the list, except those that fail the
        cuts that the paper has for the model's targets (status ``cut:...``); a star
        without a prediction has NaN.
    """
    rows = _join(stars, fits, predictions)
    for column, published in PUBLISHED_COLUMNS.items():
        if published in stars:
            rows[column] = stars[published].reset_index(drop=True).fillna(rows[column])
    status = predictions.set_index("star_id")["status"].reindex(stars["star_id"])
    cut = status.str.startswith(CUT).to_numpy(dtype=bool)
    return rows.loc[~cut, list(TABLE_5_COLUMNS)].reset_index(drop=True)


def table1(
    stars: pd.DataFrame, fits: pd.DataFrame, labels: pd.DataFrame, cuts: Cuts = TABLE_1_CUTS
) -> pd.DataFrame:
    """Return I-band parameters and metallicities: Table 1 of the paper.

    Parameters
    ----------
    stars
        Star list; its order is the order of the table.
    fits, labels
        Fits and metallicities of the same stars.
    cuts
        Smallest and largest allowed value by column, None where there is no limit.

    Returns
    -------
    pandas.DataFrame
        Columns `TABLE_1_COLUMNS`: the stars with a metallicity that pass the cuts.
    """
    rows = _join(stars, fits, labels)
    selected = rows["feh"].notna()
    for column, (smallest, largest) in cuts.items():
        if smallest is not None:
            selected &= rows[column] >= smallest
        if largest is not None:
            selected &= rows[column] <= largest
    return rows.loc[selected, list(TABLE_1_COLUMNS)].reset_index(drop=True)


def tabulate_experiment(
    combinations: Sequence[Mapping[str, str]],
    cards: Sequence[Mapping[str, Any]],
    cpu_times: Sequence[float],
) -> pd.DataFrame:
    """Return the table of an experiment, a model a row.

    Parameters
    ----------
    combinations
        Settings of the models by axis: see `metalyra.study.experiments.name_models`.
    cards
        Their cards, with metrics on the stars that the members were trained on and on
        those that they were not.
    cpu_times
        What their training took (s), all members together.

    Returns
    -------
    pandas.DataFrame
        A column for each axis; n_stars; each of `EXPERIMENT_METRICS` for training and
        validation, the mean over the folds (dex; the first three weighted by the inverse
        squared errors of the labels), NaN where a card has none; cpu_time (s).
    """
    rows = [
        {
            **combination,
            "n_stars": card["provenance"]["n_stars"],
            **{
                f"{metric}_{stars}": folds["mean"].get(metric, float("nan"))
                for metric in EXPERIMENT_METRICS
                for stars, folds in (
                    ("training", card["metrics"]["training"]),
                    ("validation", card["metrics"]),
                )
            },
        }
        for combination, card in zip(combinations, cards, strict=True)
    ]
    return pd.DataFrame(rows).assign(cpu_time=list(cpu_times))


def read_cpu_time(paths: Sequence[Path | str]) -> float:
    """Return the CPU time (s) of several jobs together, from Snakemake's benchmarks."""
    return float(sum(pd.read_csv(path, sep="\t")["cpu_time"].sum() for path in paths))


def write_paper_table(table: pd.DataFrame, path: Path | str) -> None:
    """Write a table as CSV with the decimals of `DECIMALS`, complete or not at all.

    A missing value is an empty cell.
    """
    text = {
        name: table[name].map(f"{{:.{decimals}f}}".format, na_action="ignore")
        for name, decimals in DECIMALS.items()
        if name in table
    }
    with replace_when_complete(Path(path)) as temporary:
        table.assign(**text).to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")


def _join(stars: pd.DataFrame, fits: pd.DataFrame, estimates: pd.DataFrame) -> pd.DataFrame:
    """Return listed, fitted and estimated columns in the order of the star list.

    A value that an estimate gives counts, also where the model does not vouch for it.
    """
    listed = stars.reset_index(drop=True)
    fitted = fits.set_index("star_id").reindex(listed["star_id"]).reset_index(drop=True)
    estimated = estimates.set_index("star_id").reindex(listed["star_id"]).reset_index(drop=True)
    values = [name for name in ("feh", "feh_std", "feh_err_light_curve") if name in estimated]
    rows = pd.concat(
        [
            listed[["ra", "dec"]],
            fitted.drop(columns="status"),
            estimated[values],
        ],
        axis="columns",
    )
    return rows.assign(
        star_id=restore_star_id(listed),
        period=fitted["period"].fillna(listed["period"]),
        n_epochs=fitted["n_epochs"].astype("Int64"),
    )
