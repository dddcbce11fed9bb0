"""Catalogues of papers, as VizieR calls them."""

from functools import partial
from pathlib import Path

import pandas as pd
from astropy import units
from astropy.coordinates import Angle

from metalyra.core.containers import read_file
from testbench.loopback.tables import Builder

_INNER_BULGE = "dekany_grebel_2022/inner_bulge_new_rrab.dat"
_INNER_BULGE_COLUMNS = {
    "id": "ID",
    "Name": "Name",
    "RA": "RAJ2000",
    "DEC": "DEJ2000",
    "period": "Per",
    "meanmag_k": "Ksmag",
    "totamp_k": "AmpKs",
    "aper": "Ap",
    "snr": "SNR",
    "prob": "Prob",
}
_ABUNDANCES = {
    "III/176/catalog": "hds_metallicities/layden_1994_abundances.dat",
    "J/AJ/110/2319/table": "hds_metallicities/clementini_1995_abundances.dat",
}


def catalogues(folder: Path) -> dict[str, Builder]:
    """Return the catalogues that a folder has the content of, under the names of VizieR.

    The names of the catalogues are VizieR's; those of their tables and columns follow its
    customs.
    """
    tables: dict[str, Builder] = {}
    if (folder / _INNER_BULGE).is_file():
        tables["J/ApJS/261/33/table5"] = partial(_inner_bulge, folder / _INNER_BULGE)
    for name, path in _ABUNDANCES.items():
        if (folder / path).is_file():
            tables[name] = partial(pd.read_csv, folder / path)
    return tables


def _inner_bulge(path: Path) -> pd.DataFrame:
    """Return the RRab stars of the inner bulge, positions in degrees."""
    header, *lines = read_file(path).decode().splitlines()
    names = header.lstrip("# ").split()
    rows = [line.split()[: len(_INNER_BULGE_COLUMNS)] for line in lines if line.strip()]
    table = pd.DataFrame(rows, columns=names[: len(_INNER_BULGE_COLUMNS)])
    table["RA"] = Angle(table["RA"].tolist(), units.hourangle).deg
    table["DEC"] = Angle(table["DEC"].tolist(), units.deg).deg
    numbers = [name for name in table if name not in ("RA", "DEC")]
    table[numbers] = table[numbers].apply(pd.to_numeric, errors="coerce")
    return table.rename(columns=_INNER_BULGE_COLUMNS)
