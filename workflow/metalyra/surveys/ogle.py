"""The OGLE Collection of Variable Stars: RR Lyrae stars in the I and V bands.

Star files: `ident.dat` (positions) and `RRab.dat`, `RRc.dat`, ... (parameters) of OGLE-IV
and OGLE-III in the byte columns of the archive's READMEs, the answer of the OGLE-III
on-line catalogue, and lists of stars and periods. Light curves: the archive's
`phot.tar.gz`, a folder, or single files.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from metalyra.core.containers import Member, is_collection, read_file, stream_members
from metalyra.surveys.formats.star_tables import merge_star_tables, to_sine_series
from metalyra.surveys.formats.text_tables import (
    STAR_COLUMNS,
    check_columns,
    check_identifiers,
    parse_numbers,
    read_star_list,
    read_text,
)
from metalyra.surveys.interface import MAGNITUDES, LightCurve, Survey, SurveyError, register

EPOCH_ZERO = 2_450_000.0
"""HJD of the archive's time zero."""

_STAR_ID = re.compile(r"OGLE-(?:BLG|GD|LMC|SMC)-RRLYR-\d+")

# Files of single stars are also known by their bare number; those that are, are of the bulge.
_LIGHT_CURVE_NAME = re.compile(
    rf"(?:(?P<id>{_STAR_ID.pattern})|b?(?P<number>\d{{5}}))\.(dat|o3|o4)"
)

Layout = Mapping[str, tuple[int, int]]

# Byte columns of files whose identifiers are 20 characters long; with others, they shift.
_ID_WIDTH = 20
_IDENT_COLUMNS: Layout = {
    "pulsation_type": (23, 26),
    "hours": (29, 30),
    "minutes": (32, 33),
    "seconds": (35, 39),
    "sign": (41, 41),
    "degrees": (42, 43),
    "arcminutes": (45, 46),
    "arcseconds": (48, 51),
}
_PARAMETER_COLUMNS: Layout = {
    "archive_mean_mag": (23, 28),
    "archive_mean_v_mag": (30, 35),
    "period": (38, 47),
    "archive_period_err": (49, 58),
    "archive_time_of_maximum": (61, 70),
    "archive_amplitude": (73, 77),
    "archive_r21": (80, 84),
    "archive_phi21": (86, 90),
    "archive_r31": (93, 97),
    "archive_phi31": (99, 103),
}

# OGLE-III has field and number before the type (README of ogle3/OIII-CVS/lmc/rrlyr), and periods
# with one digit less: its lines of 100 bytes (VizieR J/AcA/60/165, 19 of them the identifier)
# where OGLE-IV has 102.
_OLD_IDENT_COLUMNS: Layout = {
    name: (first + 16, last + 16) for name, (first, last) in _IDENT_COLUMNS.items()
}
_OLD_PARAMETER_COLUMNS: Layout = {
    **{name: (first - 2, last - 2) for name, (first, last) in _PARAMETER_COLUMNS.items()},
    "archive_mean_mag": (23, 28),
    "archive_mean_v_mag": (30, 35),
    "period": (38, 46),
    "archive_period_err": (48, 56),
}
_BLAZHKO_COLUMNS = ("star_id", "blazhko_probability")
_CLUSTER_COLUMNS: Layout = {"globular_cluster": (23, 32)}
_PARAMETER_NULL = "-"
_ON_LINE_COLUMNS = {
    "ID": "star_id",
    "Subtype": "pulsation_type",
    "I": "archive_mean_mag",
    "P_1": "period",
    "dP_1": "archive_period_err",
    "T0_1": "archive_time_of_maximum",
    "A_1": "archive_amplitude",
    "R21_1": "archive_r21",
    "phi21_1": "archive_phi21",
    "R31_1": "archive_r31",
    "phi31_1": "archive_phi31",
}
_ON_LINE_NULL = -99.99


def read_stars(paths: Sequence[Path]) -> pd.DataFrame:
    """Read OGLE star files.

    Parameters
    ----------
    paths
        ``ident*.dat``, ``RRab.dat``, ``RRc.dat``, ``RRd.dat``, ``aRRd.dat`` and ``RRe.dat``
        of OGLE-IV or OGLE-III, the answer ``ogle3*.txt[.gz]`` of the OGLE-III on-line
        catalogue, and star lists ``*.lst``. Files of parameters and lists say which stars
        there are; ident files say where they are and, if they are the only ones, which.
        ``gc.dat`` adds their `globular_cluster`, and ``blazhko*.csv``, a table ``star_id,
        blazhko_probability`` of anyone's, the probability that their light curves are modulated
        (Prudil & Skarka 2017).

    Returns
    -------
    pandas.DataFrame
        `star_id`, `ra`, `dec` (deg), `period` (d, as in the file), `pulsation_type` (RRab
        for a star of a list that no other file knows) and, with parameters,
        `archive_mean_mag`, `archive_amplitude` (mag), `archive_phi31` (rad, sine series)...;
        `archive_blazhko_probability` where a file has it.

    Raises
    ------
    SurveyError
        If a file is of no known kind or is not what its name says.
    """
    files: dict[str, list[pd.DataFrame]] = {"stars": [], "ident": [], "clusters": [], "more": []}
    for path in paths:
        kind, read = _reader_of(path)
        files[kind].append(read(path))
    listed = files["stars"] or files["ident"] or files["clusters"]
    if not listed:
        raise SurveyError(f"{', '.join(map(str, paths))}: no file says which stars there are")
    stars = merge_star_tables(listed, files["ident"] + files["clusters"] + files["more"])
    if any(path.name.endswith(".lst") for path in paths):
        stars["pulsation_type"] = stars["pulsation_type"].fillna("RRab")
    stars = stars.reindex(columns=[*dict.fromkeys([*STAR_COLUMNS, *stars])])
    return to_sine_series(stars)


def read_light_curves(
    paths: Sequence[Path], stars: pd.DataFrame, band: str
) -> Iterator[LightCurve]:
    """Stream OGLE light curves: HJD (or HJD - 2450000), magnitude, error.

    Parameters
    ----------
    paths
        ``phot.tar.gz``, folders, or single files named ``OGLE-BLG-RRLYR-02950.dat``,
        ``02950.o4`` or ``b02950.dat``. Where a path has folders ``I`` and ``V``, only that
        of the band counts.
    stars
        The stars wanted.
    band
        ``I`` or ``V``.
    """
    wanted = set(stars["star_id"])
    for path in paths:
        for member in stream_members(path):
            star_id = _star_of(member.name)
            if star_id is None and not is_collection(path):
                raise SurveyError(
                    f"{path}: no OGLE light curve by its name; a name is like "
                    "OGLE-BLG-RRLYR-02950.dat, 02950.o4 or b02950.dat"
                )
            other_band = {"I", "V"} & set(member.folders) - {band}
            if star_id is not None and star_id in wanted and not other_band:
                yield _light_curve(star_id, member)


OGLE = register(
    Survey(
        name="ogle",
        title="OGLE",
        bands=("I", "V"),
        time_scale="HJD-2450000",
        columns=MAGNITUDES,
        read_stars=read_stars,
        read_light_curves=read_light_curves,
        archive_columns=(
            *(name for name in _PARAMETER_COLUMNS if name != "period"),
            "archive_blazhko_probability",
        ),
    ),
    __name__,
)


def _reader_of(path: Path) -> tuple[str, Callable[[Path], pd.DataFrame]]:
    """Return the kind of a star file and what reads it, by its name."""
    for pattern, kind, read in (
        (r"ident\w*\.dat", "ident", _read_ident),
        (r"gc\.dat", "clusters", _read_clusters),
        (r"(RRab|RRc|RRe|a?RRd)\.dat", "stars", _read_parameters),
        (r"ogle3\w*\.txt(\.gz)?", "stars", _read_on_line_catalogue),
        (r".+\.lst", "stars", _read_list),
        (r"blazhko\w*\.csv(\.gz)?", "more", _read_blazhko),
    ):
        if re.fullmatch(pattern, path.name):
            return kind, read
    raise SurveyError(
        f"{path}: no OGLE star file by its name; known are ident*.dat, RRab.dat, RRc.dat, "
        "RRd.dat, aRRd.dat, RRe.dat, gc.dat, ogle3*.txt[.gz], *.lst and blazhko*.csv"
    )


def _read_ident(path: Path) -> pd.DataFrame:
    """Read identifiers, types and positions."""
    table = _read_byte_columns(path, _IDENT_COLUMNS, _OLD_IDENT_COLUMNS)
    number = {
        name: pd.to_numeric(table[name], errors="coerce")
        for name in _IDENT_COLUMNS
        if name not in ("pulsation_type", "sign")
    }
    declination = number["degrees"] + number["arcminutes"] / 60 + number["arcseconds"] / 3600
    return pd.DataFrame(
        {
            "star_id": table["star_id"],
            "ra": 15 * (number["hours"] + number["minutes"] / 60 + number["seconds"] / 3600),
            "dec": declination.where(table["sign"] != "-", -declination),
            "pulsation_type": table["pulsation_type"],
        }
    )


def _read_parameters(path: Path) -> pd.DataFrame:
    """Read periods and light-curve parameters; the name of the file is the type."""
    table = _read_byte_columns(path, _PARAMETER_COLUMNS, _OLD_PARAMETER_COLUMNS)
    table = table.mask(table == _PARAMETER_NULL)
    for column in table.columns.difference(["star_id", "period"]):
        table[column] = pd.to_numeric(table[column], errors="coerce")
    return table.assign(pulsation_type=path.stem)


def _read_clusters(path: Path) -> pd.DataFrame:
    """Read which stars are in globular clusters."""
    return _read_byte_columns(path, _CLUSTER_COLUMNS)


def _read_byte_columns(path: Path, *layouts: Layout) -> pd.DataFrame:
    """Read a file of the archive by byte columns, counted from 1, of the layout that fits it."""
    lines = pd.Series(read_file(path).decode("ascii", errors="replace").splitlines(), dtype="str")
    lines = lines[lines.str.strip() != ""]
    ids = lines.str.split(n=1).str[0]
    strange = ids[~ids.str.fullmatch(_STAR_ID)]
    if strange.size:
        raise SurveyError(
            f"{path}: line {strange.index[0] + 1} begins with {strange.iloc[0][:40]!r}; it must "
            "begin with an identifier like OGLE-BLG-RRLYR-00001"
        )
    if lines.empty:
        raise SurveyError(f"{path}: the file is empty")
    width = ids.str.len()
    if width.min() < width.max():
        raise SurveyError(f"{path}: its identifiers differ in length, so that its columns shift")
    lines = lines.str.slice_replace(0, int(width.min()), " " * _ID_WIDTH)
    layout = next((layout for layout in layouts if _fits(layout, lines)), None)
    if layout is None:
        raise SurveyError(f"{path}: its columns are not where the archive's README has them")
    table = {"star_id": ids}
    for column, (first, last) in layout.items():
        cells = lines.str.slice(first - 1, last).str.strip()
        table[column] = cells.mask(cells == "")
    return pd.DataFrame(table).reset_index(drop=True)


def _fits(layout: Layout, lines: pd.Series) -> bool:
    """Say whether no column of a layout cuts a number or word in two."""
    edges = [byte for first, last in layout.values() for byte in (first - 1, last)]
    return not any(
        lines.str.slice(byte - 1, byte + 1).str.fullmatch(r"[\w.]{2}").any() for byte in edges
    )


def _read_on_line_catalogue(path: Path) -> pd.DataFrame:
    """Read the table of the OGLE-III on-line catalogue: hours, degrees, null -99.99."""
    text = read_file(path).decode("ascii", errors="replace")
    comments = [line for line in text.splitlines()[:50] if line.startswith("#")]
    names = comments[-1].lstrip("# ").split() if comments else []
    check_columns(path, names, (*_ON_LINE_COLUMNS, "RA", "DECL"))
    table = read_text(path, text, names=names, sep="\t", comment="#")
    # The answer holds the Cepheids, too, that changed places with RR Lyrae stars.
    table = table[table["ID"].str.fullmatch(_STAR_ID, na=False)].reset_index(drop=True)
    stars = table[[*_ON_LINE_COLUMNS]].rename(columns=_ON_LINE_COLUMNS)
    stars.insert(1, "ra", 15 * _number_or_null(table["RA"]))
    stars.insert(2, "dec", _number_or_null(table["DECL"]))
    for column in stars.columns.difference(["star_id", "pulsation_type", "period"]):
        stars[column] = _number_or_null(stars[column])
    return stars.assign(period=stars["period"].where(_number_or_null(stars["period"]).notna()))


def _number_or_null(values: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    return numbers.where(numbers != _ON_LINE_NULL)


def _read_list(path: Path) -> pd.DataFrame:
    """Read a star list; ``b02950`` is the bulge star of this number."""
    stars = read_star_list(path)
    ids = stars["star_id"].map(lambda name: _star_of(f"{name}.dat"))
    if ids.isna().any():
        name = stars["star_id"][ids.isna()].iloc[0]
        raise SurveyError(
            f"{path}: {name!r} is no OGLE star; write OGLE-BLG-RRLYR-02950, b02950 or 02950"
        )
    return stars.assign(star_id=ids)


def _read_blazhko(path: Path) -> pd.DataFrame:
    """Read the probabilities that light curves are modulated, in [0, 1] or missing."""
    table = read_text(path, read_file(path))
    check_columns(path, table.columns, _BLAZHKO_COLUMNS, _BLAZHKO_COLUMNS)
    check_identifiers(path, table["star_id"])
    ids = table["star_id"].str.strip()
    probability = pd.to_numeric(table["blazhko_probability"], errors="coerce")
    given = table["blazhko_probability"]
    strange = np.flatnonzero(given.notna() & ~probability.between(0, 1))
    if strange.size:
        raise SurveyError(
            f"{path}: row {strange[0] + 1} has the probability {given.iloc[strange[0]]!r}; allowed "
            "is a number from 0 to 1, or nothing"
        )
    named = ids.map(lambda name: _star_of(f"{name}.dat"))
    if named.isna().any():
        raise SurveyError(f"{path}: {ids[named.isna()].iloc[0]!r} is no OGLE star")
    return pd.DataFrame({"star_id": named, "archive_blazhko_probability": probability})


def _star_of(file_name: str) -> str | None:
    """Return the star a file name belongs to, None if it is of no light curve."""
    match = _LIGHT_CURVE_NAME.fullmatch(file_name)
    if match is None:
        return None
    return match["id"] or f"OGLE-BLG-RRLYR-{match['number']}"


def _light_curve(star_id: str, member: Member) -> LightCurve:
    """Read one light curve, on the archive's time scale."""
    if member.data is None:
        return LightCurve(star_id, None, f"{member.path}: {member.problem}")
    try:
        numbers = parse_numbers(member.data)
    except ValueError as error:
        return LightCurve(star_id, None, f"{member.path}: {error}")
    if numbers.shape[1] != len(MAGNITUDES):
        return LightCurve(
            star_id,
            None,
            f"{member.path}: {numbers.shape[1]} columns; OGLE has time, magnitude and error",
        )
    numbers[:, 0] -= np.where(numbers[:, 0] > EPOCH_ZERO / 2, EPOCH_ZERO, 0.0)
    return LightCurve(star_id, pd.DataFrame(numbers, columns=[*MAGNITUDES]))
