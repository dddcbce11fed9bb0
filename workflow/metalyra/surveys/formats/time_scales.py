"""From the clock of one archive to that of another, and from Earth to the Sun or the barycentre."""

import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metalyra.surveys.interface import SurveyError

_MJD = 2_400_000.5
_OFFSETS = {"": 0.0, "M": _MJD, "R": 2_400_000.0, "T": 2_457_000.0, "K": 2_454_833.0}
_SCALE = re.compile(
    r"(?P<first>[HBM])?(?P<second>[HBMRTK])?JD(\s*-\s*(?P<offset>\d+(\.\d*)?))?"
    r"\s*(?P<clock>UTC|TAI|TT|TDB|TCB)?"
)
_NAMED_OTHERWISE = {"midpointmjdtai": "MJD TAI", "expmidptmjd": "MJD TAI"}

# Julian dates of the years 1900 and 2100. What is earlier lacks a constant: 7000 is no MJD.
_EARLIEST, _LATEST = 2_415_020.5, 2_488_069.5

_EXAMPLES = "MJD UTC, MJD TAI, JD UTC, HJD UTC, BJD TDB, HJD - 2450000, BJD - 2455197.5 TCB"


@dataclass(frozen=True)
class TimeScale:
    """What the times of light curves are.

    Attributes
    ----------
    centre
        ``H`` for the Sun, ``B`` for the barycentre of the solar system, else empty.
    offset
        What is to be added for a Julian date (d).
    clock
        ``utc``, ``tai``, ``tt``, ``tdb``, ``tcb``; empty if it is not said.
    name
        As it is written.
    """

    centre: str
    offset: float
    clock: str
    name: str

    @property
    def likely_clock(self) -> str:
        """The clock or, if it is not said, the one that is usual: TDB for BJD, else UTC."""
        return self.clock or ("tdb" if self.centre == "B" else "utc")

    def holds(self, time: NDArray[np.float64]) -> bool:
        """Say whether times (d) can be ones of this scale: of the years 1900 to 2100."""
        known = time[np.isfinite(time)]
        if not known.size:
            return True
        return bool(_EARLIEST < np.median(known) + self.offset < _LATEST)


def parse_scale(text: str) -> TimeScale:
    """Return the time scale that a text names, such as ``HJD - 2450000`` or ``MJD TAI``.

    Raises
    ------
    SurveyError
        If it names none.
    """
    plain = re.sub(r"[\s_]+", " ", text.strip().upper().replace("−", "-"))
    plain = re.sub(r"(?<=JD)-(?=[A-Z])", " ", plain)
    match = _SCALE.fullmatch(plain)
    kinds = [match["first"], match["second"]] if match else []
    centres = [kind for kind in kinds if kind in ("H", "B")]
    offsets = [kind for kind in kinds if kind in ("M", "R", "T", "K")]
    if match is None or len(centres) > 1 or len(offsets) > 1:
        raise SurveyError(f"time_scale: {text!r} is unknown; it is like {_EXAMPLES}")
    centre, kind = "".join(centres), "".join(offsets)
    if kind in ("T", "K") and centre != "B":
        raise SurveyError(f"time_scale: {text!r} is unknown; it is like {_EXAMPLES}")
    less = float(match["offset"] or 0.0)
    clock = match["clock"] or ("TDB" if kind in ("T", "K") else "")
    name = f"{centre}{kind}JD{f' - {less:.10g}' if less else ''} {clock}".strip()
    return TimeScale(centre, _OFFSETS[kind] + less, clock.lower(), name)


def parse_conversion(text: str) -> tuple[TimeScale, TimeScale | None]:
    """Return what times are, and what they shall become: ``MJD UTC to BJD TDB``.

    Raises
    ------
    SurveyError
        If one of the two is no time scale.
    """
    source, to, target = re.sub(r"\s*(->|→)\s*", " to ", text).partition(" to ")
    return parse_scale(source), parse_scale(target) if to else None


def scale_of_column(name: str) -> TimeScale | None:
    """Return the time scale that the name of a column says, such as ``hjd`` or ``mjd_tai``."""
    try:
        return parse_scale(_NAMED_OTHERWISE.get(name, name))
    except SurveyError:
        return None


def convert_times(
    time: ArrayLike, source: TimeScale, target: TimeScale, ra: float, dec: float
) -> tuple[NDArray[np.float64], TimeScale]:
    """Return times on another scale.

    Clocks are converted by astropy. The light travel time is that to the centre of the Earth,
    whose radius is 0.02 s of light. It is only corrected for where the position is known:
    otherwise the times stay those at the place where they were, on the new clock.

    Parameters
    ----------
    time : array, shape (n,)
        Times (d) of the scale `source`.
    source, target
        The scales.
    ra, dec
        Where the star is (deg); NaN if unknown.

    Returns
    -------
    time : array, shape (n,)
        Times (d); NaN stays.
    TimeScale
        `target`, or what it is without the position.
    """
    from astropy.time import Time

    values = np.asarray(time, dtype=float)
    known = np.isfinite(values) & (np.abs(values + source.offset - _EARLIEST) < 1e6)
    if source.centre != target.centre and not (np.isfinite(ra) and np.isfinite(dec)):
        name = f"{source.centre}JD {target.likely_clock.upper()}"
        target = TimeScale(source.centre, 0.0, target.likely_clock, name)
    converted = np.full(values.shape, np.nan)
    if not known.any():
        return converted, target
    with warnings.catch_warnings():
        # Leap seconds of years to come, and of those before there were any, are not known.
        warnings.filterwarnings("ignore", ".*dubious year.*")
        times = Time(source.offset, values[known], format="jd", scale=source.likely_clock)
        if source.centre != target.centre:
            at_earth = times
            for _ in range(2 if source.centre else 0):
                at_earth = times - _light_travel_time(at_earth, source.centre, ra, dec)
            delay = _light_travel_time(at_earth, target.centre, ra, dec)
            times = at_earth + delay if target.centre else at_earth
        times = getattr(times, target.likely_clock)
        converted[known] = (times.jd1 - target.offset) + times.jd2
    return converted, target


def _light_travel_time(times: Any, centre: str, ra: float, dec: float) -> Any:
    """Return how much later than at Earth light is at the Sun (H) or the barycentre (B)."""
    from astropy import constants, units
    from astropy.coordinates import SkyCoord, get_body_barycentric
    from astropy.time import TimeDelta

    if not centre:
        return TimeDelta(np.zeros(times.shape), format="jd")
    earth = get_body_barycentric("earth", times, "builtin")
    if centre == "H":
        earth = earth - get_body_barycentric("sun", times, "builtin")
    direction = SkyCoord(ra, dec, unit="deg").cartesian
    delay = (earth.dot(direction) / constants.c).to_value(units.day)
    return TimeDelta(delay, format="jd", scale="tai")


def to_heliocentric(mjd: ArrayLike, ra: ArrayLike, dec: ArrayLike) -> NDArray[np.float64]:
    """Return HJD - 2400000 of observations at MJD (UTC).

    The light travel time is that to the centre of the Earth; its radius is 0.02 s of light.

    Parameters
    ----------
    mjd
        Modified Julian dates (d).
    ra, dec
        Where the telescope looked (deg).
    """
    from astropy import constants, units
    from astropy.coordinates import SkyCoord, get_body_barycentric
    from astropy.time import Time

    mjd = np.asarray(mjd, dtype=float)
    times = Time(mjd, format="mjd", scale="utc")
    earth, sun = (get_body_barycentric(body, times, "builtin") for body in ("earth", "sun"))
    direction = SkyCoord(ra, dec, unit="deg").cartesian
    delay: NDArray[np.float64] = ((earth - sun).dot(direction) / constants.c).to_value(units.day)
    return mjd + 0.5 + delay
