"""The calibrators of Dékány, Grebel & Pojmański (2021): spectra and I-band light curves.

Star files: the tables ``CHR_X_phot_single.dat`` and ``LIT_hires_feh_[12]_X_phot.dat`` of
high-resolution spectroscopic [Fe/H], one row a spectrum, with the light-curve parameters
of the star, and archives of light curves, for the names of the stars in them. Light
curves: an archive or folder of the ASAS curves, ``<id>.lc``.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from metalyra.core.containers import Member, is_collection, list_members, read_file, stream_members
from metalyra.surveys.formats.star_tables import UNKNOWN_TYPE, merge_star_tables
from metalyra.surveys.formats.text_tables import (
    STAR_COLUMNS,
    check_columns,
    check_identifiers,
    parse_numbers,
    read_text,
)
from metalyra.surveys.interface import MAGNITUDES, LightCurve, Survey, register

_TEXT_COLUMNS = {
    "name": "name",
    "type": "pulsation_type",
    "use": "photometry",
    "use_id": "star_id",
    "instrument": "instrument",
    "source": "source",
}
_NUMBER_COLUMNS = {
    "RA": "ra",
    "ra_gaia": "ra",
    "DEC": "dec",
    "dec_gaia": "dec",
    "period": "period",
    "feh": "feh",
    "e_feh": "feh_err",
    "shift": "shift",
    "keep": "keep",
    "Nep": "n_epochs",
    "meanmag": "mean_mag",
    "totamp": "amplitude",
    **{f"A{k}": f"a{k}" for k in (1, 2, 3)},
    **{name: name for name in ("phi1", "phi2", "phi3", "phi21", "phi31")},
    "phcov": "phase_coverage",
    "snr": "snr",
    "cost": "cost",
    "minmax": "minmax",
    "order": "fourier_order",
    "meanmag_e": "mean_mag_err",
    **{f"A{k}_e": f"a{k}_err" for k in (1, 2, 3)},
    **{f"{name}_e": f"{name}_err" for name in ("phi1", "phi2", "phi3", "phi21", "phi31")},
}
_PARAMETERS = (
    *("Nep", "period", "totamp", "A1", "A2", "A3", "phi1", "phi2", "phi3", "phi21", "phi31"),
    *("meanmag", "cost", "phcov", "snr", "order", "minmax"),
)
_POSITIONS = {"RA", "ra_gaia", "DEC", "dec_gaia"}  # the tables name them differently
_OF_ASAS = {"ID_ASAS": "asas_id"}
_BLAZHKO = "-BL"
_SUFFIX = ".lc"

SMALLEST_ERROR = 0.001
"""What stands for an error that was rounded to 0, as in the published regression."""


def read_calibrators(paths: Sequence[Path]) -> pd.DataFrame:
    """Read the tables of spectroscopic metallicities.

    Parameters
    ----------
    paths
        The tables, in any order.

    Returns
    -------
    pandas.DataFrame
        One row a spectrum: `star_id` (that of the light curve; the star's name if it has
        none), `name`, `pulsation_type`, `blazhko`, `ra`, `dec` (deg), `instrument`,
        `source`, `feh` (dex; on the common scale, with the published `shift` of its source
        added), `feh_err`, `photometry` (asas, monson, ogle or kbs; missing if none), `asas_id`
        (the star's identifier in ASAS, whatever the photometry; missing if unknown), `keep`
        (the light curve passed the authors' eyes), `period` (d) and the published
        light-curve parameters (sine series) with their errors, in the names of the fits
        table. A star has the same `star_id` in all tables.

    Raises
    ------
    SurveyError
        If a file is no such table.
    """
    table = pd.concat([_read_table(path) for path in paths], ignore_index=True)
    table["feh"] += table["shift"]
    table["keep"] = table["keep"] == 1
    table["blazhko"] = table["pulsation_type"].str.endswith(_BLAZHKO)
    table["pulsation_type"] = table["pulsation_type"].str.removesuffix(_BLAZHKO)
    errors = [name for name in table.columns if name.endswith("_err")]
    table[errors] = table[errors].replace(0.0, SMALLEST_ERROR)
    # A spectrum without photometry may be of a star that another table has photometry of.
    photometry = table.dropna(subset="star_id").drop_duplicates("name").set_index("name")
    table["star_id"] = (
        table["star_id"].fillna(table["name"].map(photometry["star_id"])).fillna(table["name"])
    )
    return table


def read_light_curve_parameters(path: Path) -> pd.DataFrame:
    """Read the authors' light-curve parameters of OGLE-IV stars, ``o4rr*_param.dat``.

    Returns
    -------
    pandas.DataFrame
        One row a star: `star_id` as OGLE has it (``OGLE-SMC-RRLYR-0001`` for the file's
        ``smc0001``), `period` (d) and the parameters (sine series) in the names of the fits
        table.

    Raises
    ------
    SurveyError
        If it is no such file.
    """
    text = read_file(path).decode("ascii", errors="replace")
    header, _, rows = text.partition("\n")
    names = header.lstrip("# ").split()
    check_columns(path, names, ["id", *_PARAMETERS])
    table = read_text(path, rows, names=names, sep=r"\s+")[["id", *_PARAMETERS]]
    parts = table.pop("id").str.extract(r"(b|blg|gd|lmc|smc)(\d+)")
    fields = parts[0].str.upper().replace("B", "BLG")
    numbers: pd.DataFrame = table.apply(pd.to_numeric, errors="coerce").astype(float)
    numbers.insert(0, "star_id", "OGLE-" + fields + "-RRLYR-" + parts[1])
    check_identifiers(path, numbers["star_id"])
    return numbers.rename(columns=_NUMBER_COLUMNS)


def read_stars(paths: Sequence[Path]) -> pd.DataFrame:
    """Return the stars of the tables, once each.

    Parameters
    ----------
    paths
        What `read_calibrators` takes, and archives or folders of light curves.

    Returns
    -------
    pandas.DataFrame
        `star_id`, `ra`, `dec` (deg), `period` (d), `pulsation_type`, `name`, `photometry`;
        only stars whose photometry is asas have light curves here. Of the star's spectra in
        all tables, `archive_feh` and its error (dex): see `average_spectra`; and their
        number, `n_spectra`. A star that only an archive names has neither period nor [Fe/H],
        unless the tables have it with the photometry of another survey, under another `star_id`.
    """
    columns = [*STAR_COLUMNS, "name"]
    archives = [path for path in paths if is_collection(path)]
    paths = [path for path in paths if path not in archives]
    # Rows with photometry come first, for they have the period.
    spectra = read_calibrators(paths)
    calibrators = spectra.sort_values("photometry", key=pd.Series.isna, kind="stable")
    stars, in_asas = (
        rows[[*columns, *more]]
        .drop_duplicates("star_id")
        .merge(average_spectra(rows), "left", "star_id", validate="one_to_one")
        for rows, more in (
            (calibrators, ["photometry"]),
            (calibrators.assign(star_id=calibrators["asas_id"]).dropna(subset="star_id"), []),
        )
    )
    types = in_asas.set_index("star_id")["pulsation_type"]
    listed = [_list_stars(archive, types) for archive in archives]
    return merge_star_tables([stars, *listed], [in_asas])


def average_spectra(spectra: pd.DataFrame) -> pd.DataFrame:
    """Return the mean [Fe/H] of the spectra of each star.

    Parameters
    ----------
    spectra
        One row a spectrum: `star_id`, `feh` and `feh_err` (dex).

    Returns
    -------
    pandas.DataFrame
        One row a star, in the order of their names: `star_id`; `archive_feh`, the mean weighted
        by the inverse variances, and `archive_feh_err`, its error (dex); `n_spectra`.
    """
    weight = spectra["feh_err"] ** -2
    weighted = spectra.assign(weight=weight, weighted=weight * spectra["feh"])
    stars = weighted.groupby("star_id")
    total = stars["weight"].sum()
    mean = pd.DataFrame(
        {
            "archive_feh": stars["weighted"].sum() / total,
            "archive_feh_err": total**-0.5,
            "n_spectra": stars.size(),
        }
    )
    return mean.reset_index()


def read_light_curves(
    paths: Sequence[Path], stars: pd.DataFrame, band: str
) -> Iterator[LightCurve]:
    """Stream ASAS light curves; `time` is HJD - 2450000.

    Parameters
    ----------
    paths
        Archives or folders of ``<star_id>.lc`` with the columns time, magnitude and its
        error; what follows them is not read.
    stars
        The stars wanted.
    band
        I.
    """
    wanted = set(stars["star_id"])
    for path in paths:
        for member in stream_members(path):
            star_id = member.name.removesuffix(_SUFFIX)
            if star_id != member.name and star_id in wanted:
                yield _read_light_curve(star_id, member)


IFEH = register(
    Survey(
        name="ifeh",
        title="Spectroscopic calibrators",
        bands=("I",),
        time_scale="HJD - 2450000",
        columns=MAGNITUDES,
        read_stars=read_stars,
        read_light_curves=read_light_curves,
        archive_columns=("archive_feh", "archive_feh_err"),
    ),
    __name__,
)


def _list_stars(archive: Path, types: pd.Series) -> pd.DataFrame:
    """Name the stars that an archive has light curves of, with their types where they are known."""
    names = [name for name in list_members(archive) if name.endswith(_SUFFIX)]
    star_ids = pd.Series([name.removesuffix(_SUFFIX) for name in names], dtype=str)
    return pd.DataFrame(
        {
            "star_id": star_ids,
            "ra": np.nan,
            "dec": np.nan,
            "period": np.nan,
            "pulsation_type": star_ids.map(types).fillna(UNKNOWN_TYPE),
        }
    )


def _read_table(path: Path) -> pd.DataFrame:
    """Read one table: white space between its columns, the first line names them after a #."""
    text = read_file(path).decode("utf-8", errors="replace")
    header, _, rows = text.partition("\n")
    names = header.lstrip("# ").split()
    optional = [name for name in names if name in _POSITIONS or name in _OF_ASAS]
    columns = {**_TEXT_COLUMNS, **_NUMBER_COLUMNS}
    required = [name for name in columns if name not in _POSITIONS]
    check_columns(path, names, required)
    table = read_text(path, rows, names=names, sep=r"\s+")[[*required, *optional]]
    numbers = [name for name in table if name in _NUMBER_COLUMNS]
    table[numbers] = table[numbers].apply(pd.to_numeric, errors="coerce").astype(float)
    table = table.rename(columns={**columns, **_OF_ASAS})
    return table.reindex(columns=[*dict.fromkeys((*table, "asas_id"))])


def _read_light_curve(star_id: str, member: Member) -> LightCurve:
    if member.data is None:
        return LightCurve(star_id, None, f"{member.path}: {member.problem}")
    try:
        numbers = parse_numbers(member.data)
    except ValueError as error:
        return LightCurve(star_id, None, f"{member.path}: {error}")
    if numbers.shape[1] < len(MAGNITUDES):
        return LightCurve(star_id, None, f"{member.path}: {numbers.shape[1]} columns, not 3")
    table = pd.DataFrame(numbers[:, : len(MAGNITUDES)], columns=[*MAGNITUDES])
    return LightCurve(star_id, table)
