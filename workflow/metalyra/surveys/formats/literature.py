"""Metallicities of the literature, as tables of stars without light curves.

High-dispersion spectra of many papers, in the columns that each has, and the photometric
metallicities of Muraveva et al. (2025). Papers name stars in many ways; `normalise_name` makes
them one.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
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
    numbers = table.columns.difference([*_TEXT])
    table[numbers] = table[numbers].apply(pd.to_numeric, errors="coerce").astype(float)
    if "feh" not in table and "log_eps" in table:
        table["feh"] = table["log_eps"] - SOLAR_IRON
    check_columns(path, table.columns, ["star_id" if "star_id" in table else "name", "feh"])
    if "name" in table:
        table = table[table["name"] != _SUN]
    return table.drop(columns="log_eps", errors="ignore").reset_index(drop=True)


def normalise_name(name: str) -> str:
    """Return the one spelling of a star's name by which papers are joined.

    Case, spaces, underscores and the kind of a dash do not count, nor zeros before the number
    of a variable (``V0445 Oph``), nor what stands between the acronym of a catalogue and its
    number (``ASAS J132225-2042.3``, ``KIC-7030715``).
    """
    text = re.sub(r"[\s_]", "", name).lower().translate(_DASHES)
    text = re.sub(r"^([a-z]+)-(?=j?\d)", r"\1", text)
    text = re.sub(r"^([a-z]{2,})j(?=\d{6})", r"\1", text)
    return re.sub(r"^v0+(?=\d)", "v", text)


_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))


def average_metallicities(papers: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the mean [Fe/H] of each star, of all its spectra in all papers.

    The spectra of a star in one paper are weighted by their inverse variances, or alike if one
    of them has no error. The means of papers count alike: what they differ by is their scales,
    lines and model atmospheres, of which the errors that they quote know little.

    Parameters
    ----------
    papers
        What `read_metallicities` returns, by the name of the paper. All know their stars by
        `star_id`, or all by `name`.

    Returns
    -------
    pandas.DataFrame
        One row a star, in the order of their names: `star_id` or `name` (as the first paper
        spells it); `feh`; `feh_err`, the error of the mean (dex): of one paper that of its
        quoted errors, of several papers that or their standard deviation over the square root
        of their number, whichever is larger, NaN where neither is known; `n_spectra`,
        `n_papers` and `papers`, their names with semicolons between; and `ra`, `dec` (deg) if
        a paper has them.

    Raises
    ------
    SurveyError
        If some papers know stars by their name alone, and others by their identifier alone.
    """
    key = "star_id" if all("star_id" in table for table in papers.values()) else "name"
    for paper, table in papers.items():
        check_columns(paper, table.columns, [key])
    spectra = pd.concat([table.assign(paper=name) for name, table in papers.items()])
    spectra = spectra.dropna(subset=[key, "feh"]).reset_index(drop=True)
    spectra = spectra.assign(key=spectra[key].map(normalise_name)).reindex(
        columns=[*dict.fromkeys((*spectra, "key", "feh_err"))]
    )
    means = _average_within_papers(spectra).groupby("key")
    count = means.size()
    # The quoted errors of papers that are alike, and how much the papers differ.
    quoted = means["variance"].sum(min_count=1).where(means["variance"].count() == count)
    table = pd.DataFrame(
        {
            "feh": means["feh"].mean(),
            "feh_err": np.fmax(np.sqrt(quoted) / count, means["feh"].std() / np.sqrt(count)),
            "n_spectra": means["n_spectra"].sum(),
            "n_papers": count,
            "papers": means["paper"].agg("; ".join),
        }
    )
    places = spectra.groupby("key")[[name for name in (key, "ra", "dec") if name in spectra]]
    return places.first().join(table).reset_index(drop=True)


def _average_within_papers(spectra: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of the spectra of each star in each paper, and its quoted variance."""
    precise = spectra["feh_err"] > 0
    known = precise.groupby([spectra["paper"], spectra["key"]]).transform("all")
    weight = (spectra["feh_err"].where(known) ** -2).fillna(1.0)
    stars = spectra.assign(
        weight=weight, weighted=weight * spectra["feh"], known=known, n_spectra=1
    ).groupby(["paper", "key"], sort=False)
    sums = stars[["weight", "weighted", "n_spectra"]].sum()
    mean = sums["weighted"] / sums["weight"]
    variance = (1 / sums["weight"]).where(stars["known"].all())
    return pd.DataFrame(
        {"feh": mean, "variance": variance, "n_spectra": sums["n_spectra"]}
    ).reset_index()


def read_literature(paths: Sequence[Path], positions: Path | None = None) -> pd.DataFrame:
    """Read tables of metallicities, and average them star by star.

    Parameters
    ----------
    paths
        What `read_metallicities` reads, a paper each.
    positions
        A table of `name`, `ra` and `dec` (deg), for stars that the papers give no position of.

    Returns
    -------
    pandas.DataFrame
        What `average_metallicities` returns, with `star_id`, which is the star's name where the
        papers have no identifiers, and `ra`, `dec` (deg), NaN where unknown.

    Raises
    ------
    SurveyError
        If a table is none of metallicities.
    """
    stars = average_metallicities({path.stem: read_metallicities(path) for path in paths})
    stars = stars.reindex(columns=[*dict.fromkeys((*stars, "ra", "dec"))])
    if positions is not None and "name" in stars:
        known = pd.read_csv(positions, comment="#")
        known = known.assign(key=known["name"].map(normalise_name)).set_index("key")
        keys = stars["name"].map(normalise_name)
        for axis in ("ra", "dec"):
            stars[axis] = stars[axis].fillna(keys.map(known[axis])).astype(float)
    if "star_id" not in stars:
        stars.insert(0, "star_id", stars["name"])
    return stars
