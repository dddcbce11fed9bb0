"""Stars and their light curves, read and fitted as a sample of the workflow is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metalyra.core.statuses import OK
from metalyra.fit.fitting import fit_stars
from metalyra.fit.periods import find_periods
from metalyra.interface.fits import StarFit, choose_band
from metalyra.interface.light_curves import find_bands, gather_curves, read_curves
from metalyra.interface.tables import take_table
from metalyra.surveys.formats.given_curves import Conventions
from metalyra.surveys.formats.given_stars import read_star_table
from metalyra.surveys.formats.star_tables import (
    check_stars,
    explain_statuses,
    merge_star_tables,
    require_periods,
)
from metalyra.surveys.ingestion import Arrivals
from metalyra.surveys.interface import MAGNITUDES, LightCurve
from metalyra.surveys.own import read_light_curves

_ASSUMED = "the band of the light curve is not given; taken for {}"

PERIODS = ("given", "check", "find")
"""Where the periods of stars may come from."""


@dataclass(frozen=True)
class Sample:
    """Stars with their fits.

    Attributes
    ----------
    band
        Of the light curves.
    stars, fits, folded
        Tables of the workflow.
    settings
        Of the fits.
    caveats
        What was assumed of a star's light curve, by star_id.
    """

    band: str
    stars: pd.DataFrame
    fits: pd.DataFrame
    folded: pd.DataFrame
    settings: Mapping[str, Any]
    caveats: Mapping[str, str]


@dataclass(frozen=True)
class ReadSample:
    """Stars with their light curves: see `Sample`."""

    band: str
    stars: pd.DataFrame
    light_curves: pd.DataFrame
    caveats: Mapping[str, str]


def read_stars(stars: Any, conventions: Conventions, periods: str = "given") -> pd.DataFrame:
    """Return a star list as the workflow's table of stars.

    Parameters
    ----------
    stars
        What `metalyra.interface.tables.take_table` takes, with star_id, period and perhaps
        pulsation_type, ra and dec; and columns that pass through.
    conventions
        With the user's names of columns.
    periods
        One of `PERIODS`; only given periods have to be there, and only with those is a star
        of no type taken for an RRab.

    Raises
    ------
    ValueError
        If it is no such table, or has no rows, or no star has a period that has to.
    """
    if periods not in PERIODS:
        raise ValueError(f"periods {periods!r} is none of {', '.join(PERIODS)}")
    table = take_table(stars, "stars")
    if not len(table):
        raise ValueError("stars has no rows")
    given = periods == "given"
    raw = merge_star_tables([read_star_table("stars", table, conventions.columns)])
    if given:
        require_periods([Path("stars")], raw)
    raw = raw.assign(pulsation_type=raw["pulsation_type"].fillna("RRab" if given else ""))
    checked = check_stars(raw, periods_required=given)
    return checked.assign(reason=explain_statuses(raw, checked))


def read_sample(
    light_curves: Any, stars: pd.DataFrame, band: str, of_model: str, conventions: Conventions
) -> ReadSample:
    """Read the light curves of stars, in the band that is asked for or found.

    Parameters
    ----------
    light_curves
        What `metalyra.interface.light_curves.gather_curves` takes, or a path.
    stars
        As `read_stars` returns them.
    band
        That the user says; nothing if they do not.
    of_model
        Band of the model that the stars are for.
    conventions
        How tables are understood.

    Raises
    ------
    ValueError
        If the light curves cannot be read, or are in another band.
    """
    first = stars[stars["status"] != "duplicate_id"]
    if isinstance(light_curves, str | Path):
        place = Path(light_curves)
        if not place.exists():
            raise FileNotFoundError(f"light_curves: there is no {str(light_curves)!r}")
        known, files, taken = band, [place], band or of_model
        found: Iterable[tuple[LightCurve, str]] = (
            (curve, "") for curve in read_light_curves(files, first, taken, conventions)
        )
    else:
        given = gather_curves(light_curves, first["star_id"].tolist())
        known, files = choose_band(band, find_bands(given.tables, conventions), of_model), []
        taken = known or of_model
        found = read_curves(given, first, taken, conventions)
    return _collect(stars, found, known, taken, files)


def _collect(
    stars: pd.DataFrame,
    found: Iterable[tuple[LightCurve, str]],
    known: str,
    taken: str,
    files: list[Path],
) -> ReadSample:
    """Join light curves, and give the stars that have none their status and reason."""
    row_of = {name: row for row, name in enumerate(stars["star_id"])}
    arrivals = Arrivals(len(stars))
    tables, caveats = [pd.DataFrame(columns=["star_id", "band", *MAGNITUDES])], {}
    arrived = set()
    for curve, caveat in found:
        arrived.add(curve.star_id)
        if arrivals.note(row_of[curve.star_id], curve) and curve.table is not None:
            tables.append(curve.table.assign(star_id=curve.star_id, band=taken))
            assumed = "" if known else _ASSUMED.format(taken)
            caveats[curve.star_id] = "; ".join(filter(None, (assumed, caveat)))
    lost = (stars["status"] == OK).to_numpy() & (~arrivals.seen | arrivals.unreadable)
    stars = stars.copy()
    for row in np.flatnonzero(lost).tolist():
        name = stars["star_id"].iloc[row]
        unreadable = bool(arrivals.unreadable[row])
        status = "unreadable_light_curve" if unreadable else "no_light_curve"
        reason = "there is no measurement of it in light_curves"
        if files or name in arrived:
            reason = arrivals.explain(row, name, files)
        stars.loc[stars.index[row], ["status", "reason"]] = [status, reason]
    table = pd.concat(tables, ignore_index=True)
    return ReadSample(taken, stars, table[~table["star_id"].isin(stars["star_id"][lost])], caveats)


def fit_sample(sample: ReadSample, periods: str, settings: Mapping[str, Any], seed: int) -> Sample:
    """Fit the light curves of stars, after their periods are found or checked if need be.

    Parameters
    ----------
    sample
        The stars with their light curves.
    periods
        One of `PERIODS`.
    settings, seed
        Of the fits.
    """
    stars = sample.stars
    if periods != "given":
        stars = find_periods(stars, sample.light_curves, periods)
    fits, folded = fit_stars(stars, sample.light_curves, settings, seed)
    return Sample(sample.band, stars, fits, folded, settings, sample.caveats)


def sample_of(star: StarFit, band: str, of_model: str) -> Sample:
    """Return a star that is fitted as a sample.

    Parameters
    ----------
    star
        What ``metalyra.fit`` has returned.
    band
        That the user says; nothing if they do not.
    of_model
        Band of the model that the star is for.

    Raises
    ------
    ValueError
        If the star was fitted in another band.
    """
    if band and star.band and band != star.band:
        raise ValueError(f"the star was fitted in {star.band}, and band is {band}")
    known = star.band or band
    taken = known or of_model
    names = {"star_id": star.star_id, "band": taken}
    assumed = "" if known else _ASSUMED.format(taken)
    return Sample(
        band=taken,
        stars=pd.DataFrame([star.star]).assign(ra=np.nan, dec=np.nan),
        fits=pd.DataFrame([star.row]).assign(**names),
        folded=star.light_curve.assign(**names),
        settings=star.settings,
        caveats={star.star_id: "; ".join(filter(None, (assumed, star.caveat)))},
    )
