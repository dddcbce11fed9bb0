"""From a survey's files to the stars table and the light curves in chunks."""

import logging
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metalyra.core.arrays import Booleans
from metalyra.core.chunks import chunk_of
from metalyra.core.containers import is_collection
from metalyra.core.tables import write_table
from metalyra.surveys.formats.star_tables import (
    check_stars,
    explain_statuses,
    require_periods,
)
from metalyra.surveys.interface import OF_THE_STAR, LightCurve, Survey

logger = logging.getLogger(__name__)

BUFFERED_VALUES = 8_000_000
"""Numbers held in memory before they go to the disk (64 MB)."""


def ingest(
    survey: Survey,
    star_files: Sequence[Path],
    light_curve_files: Sequence[Path],
    band: str,
    destination: Path,
    chunks: int,
    *,
    listed_by: Survey | None = None,
    periods_required: bool = True,
    assume_types: bool = True,
    observed_only: bool = False,
) -> pd.DataFrame:
    """Read a sample: its star table, and its light curves into one Parquet file per chunk.

    Parameters
    ----------
    survey
        The archive the light curves come from.
    star_files, light_curve_files
        What `read_stars` of the star list's archive and `read_light_curves` of `survey` take.
    band
        Photometric band.
    destination
        Folder that gets ``<chunk>.parquet`` for every chunk from 0 to ``chunks - 1``, with
        the columns `star_id`, `band` and the survey's, for the stars that are ok. Stars are
        in the order of the stars table and their rows in order of time, whatever the order
        of the files. No more than `BUFFERED_VALUES` numbers and one chunk are in memory.
    chunks
        Number of chunks.
    listed_by
        The archive whose star list it is: identifiers, positions, periods and types are that
        one's; None where it is that of the light curves. What another archive has published of
        its own light curves, such as `archive_mean_mag` and `archive_time_of_maximum`, says
        nothing of these, and is left out.
    periods_required, assume_types
        See `metalyra.surveys.check_stars`.
    observed_only
        Leave out the stars that the light-curve files do not have, for a list that is much
        larger than the sample: the stars table is then the sample.

    Returns
    -------
    pandas.DataFrame
        The stars table. To the statuses of `check_stars` come ``no_light_curve`` (no file,
        or no measurement in the band) and ``unreadable_light_curve`` (every file the star
        has is damaged; the log says how). Of a user's own files, one damaged part of a light
        curve is enough for that, and every status other than ok has its `reason` in words.

    Raises
    ------
    SurveyError
        If the survey does not have the band, or a star file is wrong or has no periods.
    ContainerError
        If an archive of light curves is damaged or cut short.
    """
    survey.check_band(band)
    lister = listed_by or survey
    raw = lister.read_stars(star_files)
    if lister.name != survey.name:
        foreign = [name for name in lister.archive_columns if name not in OF_THE_STAR]
        raw = raw.drop(columns=foreign, errors="ignore")
    if lister.of_user and periods_required:
        require_periods(star_files, raw)
    stars = check_stars(raw, periods_required, assume_types)
    first = stars[stars["status"] != "duplicate_id"]
    row_of = dict(zip(first["star_id"], first.index, strict=True))
    ok = (stars["status"] == "ok").to_numpy()
    arrivals = Arrivals(len(stars))
    with collect(destination / ".incoming", survey.columns, chunks) as collection:
        for curve in survey.read_light_curves(light_curve_files, first, band):
            row = row_of[curve.star_id]
            if arrivals.note(row, curve) and ok[row] and curve.table is not None:
                collection.add(chunk_of(curve.star_id, chunks), row, curve.table)
        arrivals.log_left_out()
        # Of an archive's star, what can be read counts; a user can mend the file.
        lost = ~arrivals.seen | (arrivals.unreadable if survey.of_user else False)
        scale = arrivals.name_time_scale(ok & ~lost) or survey.time_scale
        for chunk in range(chunks):
            table = collection.take(chunk)
            table = table[~lost[table["row"]]]
            table.insert(0, "star_id", stars["star_id"].to_numpy()[table.pop("row")])
            table.insert(1, "band", band)
            write_table(
                table.astype({"star_id": "str", "band": "str"}),
                destination / f"{chunk}.parquet",
                {"survey": survey.name, "time_scale": scale},
            )
    stars.loc[ok & lost, "status"] = "no_light_curve"
    stars.loc[ok & lost & arrivals.unreadable, "status"] = "unreadable_light_curve"
    if survey.of_user:
        stars["reason"] = explain_statuses(raw, stars)
        reasons = stars["reason"].to_list()
        for row in np.flatnonzero(ok & lost).tolist():
            reasons[row] = arrivals.explain(row, stars["star_id"][row], light_curve_files)
        stars["reason"] = pd.Series(reasons, index=stars.index, dtype="str")
    if observed_only:
        observed = set(stars["star_id"][arrivals.seen | arrivals.unreadable])
        name = stars["star_id"].where(
            stars["status"] != "duplicate_id",
            stars["star_id"].str.replace(r"#\d+$", "", regex=True),
        )
        stars = stars[name.isin(observed)].reset_index(drop=True)
    return stars


class Arrivals:
    """What has come of the light curves of every star.

    Parameters
    ----------
    n_stars
        Number of rows of the stars table.

    Attributes
    ----------
    seen, unreadable : array, shape (n_stars,)
        Which stars have a measurement, and which a part that cannot be read.
    """

    def __init__(self, n_stars: int) -> None:
        self.seen = np.zeros(n_stars, dtype=bool)
        self.unreadable = np.zeros(n_stars, dtype=bool)
        self._problems: dict[int, str] = {}
        self._scales = np.full(n_stars, None, dtype=object)
        self._left_out: dict[int, Counter[str]] = {}

    def note(self, row: int, curve: LightCurve) -> bool:
        """Take account of a light curve, or a part of one; say whether it has measurements."""
        if curve.left_out:
            self._left_out.setdefault(row, Counter()).update(curve.left_out)
        problem = curve.problem
        if curve.table is not None and len(curve.table):
            before = self._scales[row] if self.seen[row] else curve.time_scale
            if before == curve.time_scale:
                self.seen[row] = True
                self._scales[row] = curve.time_scale
                return True
            problem = (
                f"its parts have times on two scales, {before or 'unknown'} and "
                f"{curve.time_scale or 'unknown'}; give them on one"
            )
        if problem is not None:
            logger.warning("%s: %s", curve.star_id, problem)
            self.unreadable[row] = True
            self._problems.setdefault(row, problem)
        return False

    def name_time_scale(self, rows: Booleans) -> str:
        """Return the time scales of some stars; nothing if it is that of their survey."""
        return ", ".join(sorted({scale for scale in self._scales[rows] if scale}))

    def log_left_out(self) -> None:
        """Log how many measurements do not count, and why."""
        total: Counter[str] = sum(self._left_out.values(), Counter())
        for why, count in sorted(total.items()):
            stars = sum(why in counts for counts in self._left_out.values())
            logger.info("left out: %d measurements of %d stars %s", count, stars, why)

    def explain(self, row: int, star_id: str, files: Sequence[Path]) -> str:
        """Say why a star has no light curve."""
        if row in self._problems:
            return self._problems[row]
        if counts := self._left_out.get(row):
            parts = ", ".join(f"{count} {why}" for why, count in counts.most_common())
            return f"none of its {sum(counts.values())} measurements counts: {parts}"
        if "/" in star_id or "\0" in star_id:
            return "no file can have its name; give one long table with the column star_id"
        places = [
            f"no file {star_id}.csv (.dat, .fits, ...) in {path}"
            if is_collection(path)
            else f"no row of it in {path}"
            for path in files
        ]
        return f"there is {' and '.join(places) or 'no file of light curves'}"


class Collection:
    """Light curves on their way from the order of the archive to that of the chunks."""

    def __init__(self, folder: Path, columns: Mapping[str, type], chunks: int) -> None:
        self._folder = folder
        self._columns = columns
        self._waiting: list[list[NDArray[np.float64]]] = [[] for _ in range(chunks)]
        self._values = 0

    def add(self, chunk: int, row: int, curve: pd.DataFrame) -> None:
        """Take the light curve of the star in a row of the stars table."""
        values = np.empty((len(curve), 1 + len(self._columns)))
        values[:, 0] = row
        # Column by column, which of short tables is much faster than all at once.
        for place, column in enumerate(self._columns, start=1):
            values[:, place] = curve[column].to_numpy(dtype=float)
        self._waiting[chunk].append(values)
        self._values += values.size
        if self._values > BUFFERED_VALUES:
            self._flush()

    def take(self, chunk: int) -> pd.DataFrame:
        """Return a chunk's rows, in order of star and time, with the star's `row`."""
        self._flush()
        path = self._path(chunk)
        values = np.fromfile(path) if path.exists() else np.empty(0)
        values = values.reshape(-1, 1 + len(self._columns))
        time = 1 + [*self._columns].index("time")
        order = np.lexsort((values[:, time], values[:, 0]))
        table = pd.DataFrame(values[order], columns=["row", *self._columns])
        return table.astype({"row": int, **self._columns})

    def _flush(self) -> None:
        """Append what waits to the chunks' files."""
        for chunk, waiting in enumerate(self._waiting):
            if waiting:
                with self._path(chunk).open("ab") as file:
                    np.concatenate(waiting).tofile(file)
                waiting.clear()
        self._values = 0

    def _path(self, chunk: int) -> Path:
        return self._folder / f"{chunk}.float64"


@contextmanager
def collect(folder: Path, columns: Mapping[str, type], chunks: int) -> Iterator[Collection]:
    """Give a collection whose folder is gone afterwards, and was empty before."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield Collection(folder, columns, chunks)
    finally:
        shutil.rmtree(folder)
