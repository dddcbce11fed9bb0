"""How a table of a paper is written."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from metalyra.core.tables import replace_when_complete
from metalyra.products.paper_tables.experiments import EXPERIMENT_METRICS, MEASURED

DECIMALS: Mapping[str, int] = {
    "ra": 6,
    "dec": 6,
    "feh": 4,
    "feh_std": 4,
    "feh_err": 4,
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
    **{f"{metric}_{stars}": 4 for metric in EXPERIMENT_METRICS for stars in MEASURED},
    "cpu_time": 1,
}
"""Decimals in the written tables; one more for [Fe/H] than published, so that rounding
twice does not move a value by a published digit."""


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
