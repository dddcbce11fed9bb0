"""The light curves of a sample in other bands than its own, for its periods or its shapes."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from metalyra.core.chunks import chunk_of
from metalyra.core.statuses import OK
from metalyra.core.tables import write_table
from metalyra.surveys.ingestion import Arrivals, collect
from metalyra.surveys.interface import MAGNITUDES, BandError, LightCurve, Survey, SurveyError

logger = logging.getLogger(__name__)


def ingest_other_bands(
    survey: Survey,
    stars: pd.DataFrame,
    light_curve_files: Sequence[Path],
    band: str,
    others: Sequence[str],
    destination: Path,
    chunks: int,
) -> None:
    """Read the light curves of a sample in further bands, into one Parquet file per chunk.

    Parameters
    ----------
    survey
        The archive the files come from.
    stars
        The stars table that `metalyra.surveys.ingest` returned; those that are ok count.
    light_curve_files
        Those of the sample.
    band
        Band of the sample.
    others
        The further bands. One that no star has is logged.
    destination
        Folder that gets ``<chunk>.parquet`` for every chunk from 0 to ``chunks - 1``, with
        the columns `star_id`, `band`, `time`, `mag`, `mag_err`, in order of star and time.
        What cannot be read of a star, or is on another time scale than its light curve in
        `band`, is left out and logged.
    chunks
        Number of chunks.

    Raises
    ------
    SurveyError
        If the survey has no such band, or its files do not say what is in which band.
    """
    ok = stars[stars["status"] == OK]
    row_of = dict(zip(ok["star_id"], ok.index, strict=True))
    arrivals = Arrivals(len(stars))
    if survey.of_user:  # whose tables may each have a time scale of their own
        for curve in survey.read_light_curves(light_curve_files, ok, band):
            arrivals.note(row_of[curve.star_id], curve)
    with collect(destination / ".incoming", {**MAGNITUDES, "place": int}, chunks) as collection:
        for place, other in enumerate(others):
            for curve in _read_band(survey, ok, light_curve_files, other):
                row = row_of[curve.star_id]
                if arrivals.note(row, curve) and curve.table is not None:
                    points = curve.table.assign(place=place)
                    collection.add(chunk_of(curve.star_id, chunks), row, points)
        for chunk in range(chunks):
            table = collection.take(chunk)
            table.insert(0, "star_id", stars["star_id"].to_numpy()[table.pop("row")])
            table.insert(1, "band", np.asarray(others, dtype=object)[table.pop("place")])
            write_table(
                table.astype({"star_id": "str", "band": "str"}),
                destination / f"{chunk}.parquet",
                {"survey": survey.name},
            )


def _read_band(
    survey: Survey, stars: pd.DataFrame, light_curve_files: Sequence[Path], band: str
) -> Iterator[LightCurve]:
    """Give the light curves of stars in a further band, and log how many there are."""
    survey.check_band(band)
    if survey.read_other_band is None:
        raise SurveyError(f"the light curves of survey {survey.name} do not say their band")
    measurements: Counter[str] = Counter()
    there = ""
    try:
        for curve in survey.read_other_band(light_curve_files, stars, band):
            if curve.table is not None:
                measurements[curve.star_id] += len(curve.table)
            yield curve
    except BandError as error:
        there = f"; there are {error.found}"
    if observed := sum(count > 0 for count in measurements.values()):
        total = measurements.total()
        logger.info("band %s: %d measurements of %d stars", band, total, observed)
    else:
        logger.warning("no star has a measurement in band %s%s", band, there)
