"""Sources that no archive has in this form, made from sources that archives have.

The registry says which: an entry with `made` names a recipe and what it takes. Where the
mirror has the file, nothing is made.
"""

import io
import logging
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from metalyra.acquire.sources import Source, SourceError
from metalyra.core.arrays import Floats
from metalyra.core.containers import stream_members
from metalyra.core.tables import replace_when_complete
from metalyra.surveys import LightCurve, survey
from metalyra.surveys.gaia import cell_of_position, cell_of_source

logger = logging.getLogger(__name__)

Files = Mapping[str, Sequence[Path]]

BORDER = 2.0
"""How far (arcsec) OGLE's position of a star may be outside the cell of its source_id."""

LARGEST_DIFFERENCE = 0.5
"""Difference (dex) beyond which a star is not the one that has a published [Fe/H].

Seven times the scatter of the right ones, 0.07 dex.
"""

SMALLEST_R2 = 0.9
"""Share of the variance that a light curve folded with its own period leaves to four harmonics."""

FOLDS = 8
"""Folds of the development set, of the published ten: those that the mirror's file has."""

_ZERO_POINTS = "zpcorrtable.npy.tar.gz."
_PART_LIMIT = 2**30
_HARMONICS = 4
_FEWEST_EPOCHS = 15
_FEWEST_STARS = 20


def make_source(source: Source, files: Files, destination: Path) -> None:
    """Make a source by its recipe, complete or not at all.

    Parameters
    ----------
    source
        With a recipe.
    files
        The sources it is made from, by their part in the recipe.
    destination
        The file's final name.

    Raises
    ------
    SourceError
        If the recipe is unknown.
    """
    recipe = RECIPES.get(source.recipe or "")
    if recipe is None:
        raise SourceError(
            f"source {source.name!r}: unknown recipe {source.recipe!r}; there are "
            f"{', '.join(RECIPES)}"
        )
    destination.parent.mkdir(parents=True, exist_ok=True)
    with replace_when_complete(destination) as temporary:
        recipe(files, temporary)


def find_candidates(source_id: pd.Series, stars: pd.DataFrame) -> pd.DataFrame:
    """Return the stars that Gaia sources may be, by the cell in which a source_id is.

    Parameters
    ----------
    source_id
        Of n Gaia sources.
    stars
        With `ra` and `dec` (deg).

    Returns
    -------
    pandas.DataFrame
        The columns of `stars`, and `source_id`; a row for each source and each star whose
        position is in the source's HEALPix cell (level 12, some 50 arcsec), or within `BORDER`
        of it.
    """
    placed = stars[stars["ra"].notna() & stars["dec"].notna()]
    ra, dec = placed["ra"].to_numpy(float), placed["dec"].to_numpy(float)
    step = BORDER / 3600
    around = [(0.0, 0.0), (step, 0.0), (-step, 0.0), (0.0, step), (0.0, -step)]
    cells = pd.concat(
        placed.assign(
            cell=cell_of_position(
                (ra + east / np.cos(np.radians(dec))) % 360, np.clip(dec + north, -90, 90)
            )
        )
        for east, north in around
    )
    cells = cells.drop_duplicates(["star_id", "cell"])
    sources = pd.DataFrame({"source_id": source_id, "cell": cell_of_source(source_id)})
    return sources.merge(cells, on="cell").drop(columns="cell")


def find_development_periods(predictions: pd.DataFrame, stars: pd.DataFrame) -> pd.DataFrame:
    """Find the periods of Gaia stars whose [Fe/H] follows from OGLE's light curves.

    The published [Fe/H] are linear in the period, A2 and phi31 of the star's I-band light
    curve (Dékány & Grebel 2022, their Eq. 1), and so nearly linear in what OGLE's lists
    have. Of several stars in a cell, it is the one whose [Fe/H] is nearest.

    Parameters
    ----------
    predictions
        `id` (source_id), `fold` and `FeH` (dex).
    stars
        OGLE's stars: `star_id`, `ra`, `dec`, `pulsation_type`, `period`, `archive_amplitude`,
        `archive_r21`, `archive_phi31`.

    Returns
    -------
    pandas.DataFrame
        `id`, `period` (d, as OGLE has it), `FeH`, `fold` of the stars that are found, in their
        order.

    Raises
    ------
    SourceError
        If too few stars are found to know how [Fe/H] follows from OGLE's parameters.
    """
    parameters = ["period", "archive_amplitude", "archive_r21", "archive_phi31"]
    numbers = stars[parameters].apply(pd.to_numeric, errors="coerce")
    usable = (stars["pulsation_type"] == "RRab") & numbers.notna().all(axis=1)
    pairs = find_candidates(predictions["id"], stars[usable])
    pairs = pairs.merge(predictions, left_on="source_id", right_on="id")
    period, amplitude, r21, phi31 = pairs[parameters].astype(float).to_numpy().T
    design = np.column_stack([np.ones(len(pairs)), period, amplitude * r21, phi31])
    feh = pairs["FeH"].to_numpy(float)
    alone = ~pairs["source_id"].duplicated(keep=False).to_numpy()
    if alone.sum() < _FEWEST_STARS:
        raise SourceError(
            f"OGLE's lists have {alone.sum()} of the {len(predictions)} stars with a published "
            f"[Fe/H], too few to tell them apart; give the lists of all fields"
        )
    solved = np.linalg.lstsq(design[alone], feh[alone], rcond=None)[0]
    nearest = pairs.assign(difference=np.abs(design @ solved - feh)).sort_values(
        ["source_id", "difference", "star_id"]
    )
    nearest = nearest.drop_duplicates("source_id")
    nearest = nearest[nearest["difference"] < LARGEST_DIFFERENCE]
    found = predictions.merge(nearest[["id", "period"]], on="id")
    logger.info("periods of %d of %d stars", len(found), len(predictions))
    return found[["id", "period", "FeH", "fold"]]


def find_catalogued_periods(curves: Iterable[LightCurve], stars: pd.DataFrame) -> pd.DataFrame:
    """Find the periods of Gaia stars in OGLE's lists, by position and by how well they fold.

    Parameters
    ----------
    curves
        Light curves of Gaia sources.
    stars
        OGLE's stars: `star_id`, `ra`, `dec`, `pulsation_type`, `period`.

    Returns
    -------
    pandas.DataFrame
        `source_id, ogle_id, ogle_period, ogle_type, r2_4harm` of the stars whose light curves,
        folded with the period of a star in the same cell, leave `SMALLEST_R2` of their variance
        to four harmonics; that of the best, if there are several.
    """
    observed: dict[str, list[Floats]] = {}
    for curve in curves:
        if curve.table is not None:
            points = curve.table[["time", "mag"]].to_numpy(float)
            observed.setdefault(curve.star_id, []).append(points)
    pairs = find_candidates(pd.Series(list(observed), dtype=str), stars)
    periods = pd.to_numeric(pairs["period"], errors="coerce").to_numpy(float)
    pairs["r2_4harm"] = [
        measure_fold(np.concatenate(observed[source]), period)
        for source, period in zip(pairs["source_id"], periods, strict=True)
    ]
    best = pairs.sort_values(["source_id", "r2_4harm", "star_id"], ascending=[True, False, True])
    best = best.drop_duplicates("source_id")
    best = best[best["r2_4harm"] >= SMALLEST_R2]
    logger.info("periods of %d of %d light curves", len(best), len(observed))
    return best.rename(
        columns={"star_id": "ogle_id", "period": "ogle_period", "pulsation_type": "ogle_type"}
    )[["source_id", "ogle_id", "ogle_period", "ogle_type", "r2_4harm"]]


def measure_fold(points: Floats, period: float) -> float:
    """Return the share of a light curve's variance that four harmonics of a period explain.

    Parameters
    ----------
    points : array, shape (n, 2)
        Times (d) and magnitudes.
    period
        Days.

    Returns
    -------
    float
        At most 1; minus infinity where there are too few points, or no period.
    """
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) < _FEWEST_EPOCHS or not np.isfinite(period) or period <= 0:
        return -np.inf
    time, mag = points.T
    angle = 2 * np.pi * np.outer((time - time.min()) / period, np.arange(1, _HARMONICS + 1))
    design = np.column_stack([np.ones(len(time)), np.sin(angle), np.cos(angle)])
    residual = mag - design @ np.linalg.lstsq(design, mag, rcond=None)[0]
    variance = float(np.var(mag))
    return 1 - float(np.mean(residual**2)) / variance if variance > 0 else -np.inf


def _make_development_set(files: Files, destination: Path) -> None:
    """Write the stars of a development set: ``id, period, FeH, fold``."""
    predictions = _read_predictions(files["predictions"])
    predictions = predictions[predictions["fold"].astype(int) < FOLDS]
    stars = survey("ogle").read_stars(files["ogle"])
    find_development_periods(predictions, stars).to_csv(destination, index=False)


def _make_published_predictions(files: Files, destination: Path) -> None:
    """Write the published predictions of all folds: ``id, fold, FeH, published_val_pred``."""
    _read_predictions(files["predictions"]).to_csv(destination, index=False)


def _read_predictions(paths: Sequence[Path]) -> pd.DataFrame:
    """Read published predictions, whose columns have no names there."""
    names = ["id", "fold", "FeH", "published_val_pred"]
    tables = [pd.read_csv(path, sep=r"\s+", names=names, dtype=str) for path in paths]
    return pd.concat(tables, ignore_index=True)


def _make_catalogued_periods(files: Files, destination: Path) -> None:
    """Write catalogued periods: ``source_id, ogle_id, ogle_period, ogle_type, r2_4harm``."""
    gaia, stars = survey("gaia_dr3"), survey("ogle").read_stars(files["ogle"])
    observed = gaia.read_stars(files["light_curves"])
    curves = gaia.read_light_curves(files["light_curves"], observed, "G")
    find_catalogued_periods(curves, stars).to_csv(destination, index=False)


def _copy(files: Files, destination: Path) -> None:
    """Take a file that holds what is needed, and more."""
    [[path]] = files.values()
    shutil.copyfile(path, destination)


def _unpack_zero_points(files: Files, destination: Path) -> None:
    """Join the parts of the packed table of VVV's zero points, and take the table out.

    They are ``zpcorrtable.npy.tar.gz.aa``, ``.ab``, ... of the packed repository.
    """
    [[path]] = files.values()
    parts = {
        member.name: member.data
        for member in stream_members(path, _PART_LIMIT)
        if member.name.startswith(_ZERO_POINTS) and member.data is not None
    }
    joined = io.BytesIO(b"".join(parts[name] for name in sorted(parts)))
    try:
        with tarfile.open(fileobj=joined) as packed:
            table = packed.extractfile("zpcorrtable.npy")
            if table is None:
                raise KeyError("zpcorrtable.npy is no file")
            with destination.open("wb") as file:
                shutil.copyfileobj(table, file)
    except (tarfile.TarError, KeyError, EOFError, zlib.error, OSError) as error:
        raise SourceError(
            f"{path}: its {len(parts)} parts {_ZERO_POINTS}* hold no zpcorrtable.npy ({error})"
        ) from error


RECIPES: Mapping[str, Callable[[Files, Path], None]] = {
    "development_set": _make_development_set,
    "published_predictions": _make_published_predictions,
    "catalogued_periods": _make_catalogued_periods,
    "copy": _copy,
    "zero_points": _unpack_zero_points,
}
"""How a source is made, by the name that the registry has."""
