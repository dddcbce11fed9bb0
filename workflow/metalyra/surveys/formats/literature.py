"""Metallicities of the literature, as tables of stars without light curves.

High-dispersion spectra of many papers, in the columns that each has, and the photometric
metallicities of Muraveva et al. (2025).
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from metalyra.core.containers import read_file
from metalyra.surveys.formats.text_tables import check_columns, read_text

SOLAR_IRON = 7.50
"""log eps(Fe) of the Sun, Asplund et al. (2009), for papers that give abundances only."""

# Neutral iron stands for [Fe/H] where a paper has both ions, spectroscopic for photometric gravity.
_COLUMNS: Mapping[str, str] = {
    "name_match": "name",
    "name": "name",
    "source_id": "star_id",
    "feh": "feh",
    "fehI": "feh",
    "feIh": "feh",
    "FeH_our": "feh",
    "[Fe/H]": "feh",
    "log_eps_feI_phot": "log_eps",
    "err_feh": "feh_err",
    "err_fehI": "feh_err",
    "err_feIh": "feh_err",
    "err_log_eps_feI_phot": "feh_err",
    "[Fe/H]_error": "feh_err",
    "phase": "phase",
    "phi": "phase",
    "RA": "ra",
    "DEC": "dec",
    "Type": "pulsation_type",
    "Period": "period",
    **{f"A{k}": f"a{k}" for k in (1, 2, 3)},
    **{f"A{k}_error": f"a{k}_err" for k in (1, 2, 3)},
    **{f"Phi{k}1": f"phi{k}1" for k in (2, 3)},
    **{f"Phi{k}1_error": f"phi{k}1_err" for k in (2, 3)},
}
_TEXT = ("name", "star_id", "pulsation_type")
_SUN = "sol"


def read_metallicities(path: Path) -> pd.DataFrame:
    """Read a table of metallicities.

    Parameters
    ----------
    path
        Columns separated by commas or bars, the first line names them, as in the tables of
        github.com/mwanakijiji/rrlfe or of Muraveva et al. (2025).

    Returns
    -------
    pandas.DataFrame
        One row a measurement: `name` (``SW_And``) or `star_id` (Gaia's source_id), `feh`
        (dex, of neutral iron, on the paper's own scale), and of `feh_err`, `phase`, `ra`,
        `dec` (deg), `period` (d), `pulsation_type` and the light-curve parameters (as the
        paper has them) those that the paper gives.

    Raises
    ------
    SurveyError
        If it has no star or no metallicity.
    """
    text = read_file(path).decode("utf-8", errors="replace")
    delimiter = "|" if "|" in text.partition("\n")[0] else ","
    table = read_text(path, text, sep=delimiter)
    table = table[[name for name in _COLUMNS if name in table]].rename(columns=_COLUMNS)
    numbers = table.columns.difference(_TEXT)
    table[numbers] = table[numbers].apply(pd.to_numeric, errors="coerce").astype(float)
    if "feh" not in table and "log_eps" in table:
        table["feh"] = table["log_eps"] - SOLAR_IRON
    check_columns(path, table.columns, ["star_id" if "star_id" in table else "name", "feh"])
    if "name" in table:
        table = table[table["name"] != _SUN]
    return table.drop(columns="log_eps", errors="ignore").reset_index(drop=True)
