"""From the clock of one archive to that of another."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


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
    delay = ((earth - sun).dot(direction) / constants.c).to_value(units.day)
    return mjd + 0.5 + delay
