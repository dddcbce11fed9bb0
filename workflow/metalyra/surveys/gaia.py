"""Gaia DR2 and DR3: RR Lyrae stars in the G, BP and RP bands.

Star files: `vari_rrlyrae` as CSV, with or without positions of `gaia_source`, and lists of
catalogued periods by `source_id`. Light curves: the archive's DataLink products, one CSV a
star, in zip files, folders or alone.
"""

import io
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv
from astropy import units
from astropy_healpix import HEALPix

from metalyra.archives import Member, is_collection, read_file, stream_members
from metalyra.surveys.interface import MAGNITUDES, LightCurve, Survey, SurveyError
from metalyra.surveys.star_tables import merge_star_tables, to_sine_series
from metalyra.surveys.text_tables import check_columns, read_text

POGSON = 2.5 / np.log(10)
"""Magnitude error of a relative flux error."""

_CELLS = HEALPix(nside=2**12, order="nested")
_CELL_BITS = 35

_ARCHIVE_COLUMNS = {
    "pf_error": "archive_period_err",
    "p1_o_error": "archive_first_overtone_period_err",
    "epoch_g": "archive_time_of_maximum",
    "int_average_g": "archive_mean_mag",
    "peak_to_peak_g": "archive_amplitude",
    "r21_g": "archive_r21",
    "r31_g": "archive_r31",
    "phi21_g": "archive_phi21",
    "phi21_g_error": "archive_phi21_err",
    "phi31_g": "archive_phi31",
    "phi31_g_error": "archive_phi31_err",
    "num_clean_epochs_g": "archive_n_epochs",
    "metallicity": "archive_feh",
    "metallicity_error": "archive_feh_err",
}
_RR_LYRAE_COLUMNS = ("source_id", "pf", "p1_o", "best_classification")
_PERIOD_COLUMNS = ("source_id", "ogle_id", "ogle_period", "ogle_type")

_EPOCH_COLUMNS = {
    "source_id": pa.int64(),
    "band": pa.string(),
    "time": pa.float64(),
    "mag": pa.float64(),
    "flux_over_error": pa.float64(),
}
_REJECTED = "rejected_by_variability"


def locate_source(source_id: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the centres of the HEALPix cells (level 12, about 50 arcsec) of sources.

    A `source_id` holds the nested cell of its position in its bits above the 35th.

    Returns
    -------
    ra, dec : ndarray
        ICRS (deg).
    """
    cell = source_id.astype("int64").to_numpy() >> _CELL_BITS
    ra, dec = _CELLS.healpix_to_lonlat(cell)
    return ra.to_value(units.deg), dec.to_value(units.deg)


def read_stars(paths: Sequence[Path]) -> pd.DataFrame:
    """Read Gaia star files.

    Parameters
    ----------
    paths
        CSV files, compressed with gzip or not: `vari_rrlyrae` (columns ``source_id, pf,
        p1_o, best_classification`` and any others of the archive, ``ra`` and ``dec`` among
        them if it was joined with `gaia_source`), or catalogued periods (``source_id,
        ogle_id, ogle_period, ogle_type``). What an earlier file says of a star goes.
        Archives or folders of light curves name stars without a period.

    Returns
    -------
    pandas.DataFrame
        `star_id` (the source_id), `ra`, `dec` (deg; the centre of the star's HEALPix cell
        where the file has none), `period` (d, as in the file: the fundamental one for
        RRab, the first overtone's for others), `pulsation_type` and the archive's own
        parameters, `archive_phi31` (rad) converted to the sine series.

    Raises
    ------
    SurveyError
        If a column is missing or a source_id is none.
    """
    stars = merge_star_tables([_read_star_file(path) for path in paths])
    cells = stars["ra"].isna() | stars["dec"].isna()
    ra, dec = locate_source(stars["star_id"])
    stars["ra"] = stars["ra"].mask(cells, ra)
    stars["dec"] = stars["dec"].mask(cells, dec)
    return to_sine_series(stars)


def read_light_curves(
    paths: Sequence[Path], stars: pd.DataFrame, band: str, *, use_flags: bool
) -> Iterator[LightCurve]:
    """Stream Gaia epoch photometry, one row a transit and band.

    Parameters
    ----------
    paths
        Zip or tar archives, folders, or single CSV files of the archive's DataLink service.
        Stars are known by the column `source_id`, not by the name of the file.
    stars
        The stars wanted.
    band
        ``G``, ``BP`` or ``RP``.
    use_flags
        Drop the transits that the archive's variability analysis rejected, as it did for
        the parameters of `vari_rrlyrae`.
    """
    wanted = set(stars["star_id"])
    for path in paths:
        for member in stream_members(path):
            if member.name.lower().endswith(".csv"):
                yield from _light_curves(member, wanted, band, use_flags)


_FILE_NAME = re.compile(r"(\d{10,20})\.csv$")

_GAIA = {"bands": ("G", "BP", "RP"), "columns": MAGNITUDES, "read_stars": read_stars}

GAIA_DR3 = Survey(
    name="gaia_dr3",
    time_scale="BJD-2455197.5 (TCB)",
    read_light_curves=partial(read_light_curves, use_flags=True),
    **_GAIA,
)

# Dekany & Grebel (2022) took the DR2 light curves without their flags.
GAIA_DR2 = Survey(
    name="gaia_dr2",
    time_scale="BJD-2455197.5 (TCB)",
    read_light_curves=partial(read_light_curves, use_flags=False),
    **_GAIA,
)


def _read_star_file(path: Path) -> pd.DataFrame:
    """Read one star file, of either kind."""
    if is_collection(path):
        return _list_stars(path)
    table = read_text(path, read_file(path))
    if "ogle_period" in table:
        check_columns(path, table.columns, _PERIOD_COLUMNS)
        stars = pd.DataFrame(
            {
                "star_id": table["source_id"].str.strip(),
                "ra": np.nan,
                "dec": np.nan,
                "period": table["ogle_period"],
                "pulsation_type": table["ogle_type"],
                "ogle_id": table["ogle_id"],
            }
        )
    else:
        check_columns(path, table.columns, _RR_LYRAE_COLUMNS)
        stars = _read_rr_lyrae(table)
    strange = stars["star_id"][~stars["star_id"].str.fullmatch(r"\d{1,19}", na=False)]
    if strange.size:
        raise SurveyError(
            f"{path}: row {strange.index[0] + 1} has the source_id {strange.iloc[0]!r}; a "
            "source_id is a whole number"
        )
    return stars


def _list_stars(path: Path) -> pd.DataFrame:
    """Name the stars that an archive has files of; their periods and types are unknown."""
    matches = (_FILE_NAME.search(member.name) for member in stream_members(path))
    names = pd.Series([match[1] for match in matches if match is not None], dtype="str")
    return pd.DataFrame(
        {
            "star_id": names,
            "ra": np.nan,
            "dec": np.nan,
            "period": np.nan,
            "pulsation_type": "unknown",
        }
    )


def _read_rr_lyrae(table: pd.DataFrame) -> pd.DataFrame:
    """Take the columns of `vari_rrlyrae` that the library knows."""
    kind = table["best_classification"]
    stars = pd.DataFrame(
        {
            "star_id": table["source_id"].str.strip(),
            "ra": pd.to_numeric(table["ra"], errors="coerce") if "ra" in table else np.nan,
            "dec": pd.to_numeric(table["dec"], errors="coerce") if "dec" in table else np.nan,
            "period": table["pf"].where(kind == "RRab", table["p1_o"]),
            "pulsation_type": kind,
        }
    )
    for column, name in _ARCHIVE_COLUMNS.items():
        if column in table:
            stars[name] = pd.to_numeric(table[column], errors="coerce")
    return stars


def _light_curves(
    member: Member, wanted: set[str], band: str, use_flags: bool
) -> Iterator[LightCurve]:
    """Read the light curves of one CSV; usually there is one."""
    try:
        epochs = _read_epochs(member, band, use_flags)
    except (ValueError, pa.ArrowException) as error:
        # The name tells only whom to blame.
        numbers = re.findall(r"\d{5,19}", member.name)
        if numbers and numbers[-1] in wanted:
            yield LightCurve(numbers[-1], None, f"{member.path}: {error}")
        return
    source_ids = epochs["source_id"].to_numpy()
    ratio = epochs["flux_over_error"].to_numpy()
    table = pd.DataFrame(
        {
            "time": epochs["time"].to_numpy(),
            "mag": epochs["mag"].to_numpy(),
            "mag_err": POGSON / np.where(ratio > 0, ratio, np.nan),
        }
    )
    for source_id in np.unique(source_ids):
        if str(source_id) in wanted:
            yield LightCurve(str(source_id), table[source_ids == source_id])


def _read_epochs(member: Member, band: str, use_flags: bool) -> pa.Table:
    """Read the epochs of a CSV in one band that have a time and pass the flags."""
    if member.data is None:
        raise ValueError(member.problem)
    columns = {**_EPOCH_COLUMNS, **({_REJECTED: pa.bool_()} if use_flags else {})}
    header = member.data.partition(b"\n")[0].decode(errors="replace")
    check_columns("its header", header.strip().split(","), [*columns])
    epochs = pyarrow.csv.read_csv(
        io.BytesIO(member.data),
        read_options=pyarrow.csv.ReadOptions(use_threads=False),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=columns, include_columns=[*columns]
        ),
    )
    epochs = epochs.filter((compute.field("band") == band) & compute.field("time").is_valid())
    if use_flags:
        # A null flag is of a band that was not observed; only a raised one rejects.
        rejected = compute.coalesce(compute.field(_REJECTED), compute.scalar(False))
        epochs = epochs.filter(~rejected)
    return epochs
