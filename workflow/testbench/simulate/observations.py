"""How OGLE, VVV and Gaia see a star: when, how often, with what noise.

Each constant was measured on the mirror's real data, at the place its comment names.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from testbench.simulate.pulsation import FourierCurve, Star

OGLE_ZERO = 2_450_000.0
VVV_ZERO = 2_400_000.0
GAIA_ZERO = 2_455_197.5
"""Julian dates of the surveys' time zero; the difference of HJD and BJD does not matter here."""

APERTURES = 5

# Quiet epochs of ogle_ocvs/lightcurves/*.o4 and lcfit_examples (0.005 mag at I = 15.5,
# 0.0075 at 16.4, 0.015 at 17.4, 0.05 at 18.4); residuals of the fits there are 0.9 to 1.7
# times the errors given.
_OGLE_ERROR_FLOOR = 0.004
_OGLE_ERROR_AT_17 = 0.0107
_OGLE_NOISE_OVER_ERROR = 1.4
_OGLE_OUTLIERS = 0.02
# Nights of the same files: the season peaks in mid June and has no night from mid
# November to mid January; observations fall evenly between HJD fractions 0.50 and 0.93.
_OGLE_NIGHTS = np.arange(5260, 7980)
_OGLE_SEASON = (165.0, 58.0, 28.0, 312.0)
_OGLE_NIGHT = (0.50, 0.93)
_OGLE_EPOCHS = (120, 500)

# Residuals of 1,885 curves of dekany_grebel_2022/lc_target_k.tar.gz by mean magnitude;
# numbers of epochs (0, 5, 25, 50, 75, 95, 99 %) of all 4,447 of them.
_VVV_MAGNITUDES = (12.5, 13.0, 13.5, 14.0, 14.5, 15.0, 15.5, 16.0)
_VVV_NOISE = (0.0108, 0.0122, 0.0141, 0.0182, 0.0239, 0.0314, 0.0404, 0.0615)
_VVV_EPOCHS = ((0, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99), (33, 50, 62, 67, 70, 129, 244))
_VVV_OUTLIERS = 0.02
# vvv_zero_points/test_data/*.dat~: season and share of the epochs by year since 2010;
# errors of apertures 1 to 5 over the noise in aperture 1; zero-point errors; noise of an
# aperture that the others do not share, over the noise in aperture 1, from the scatter
# of their differences (0.02, 0.03, 0.045, 0.06 mag at Ks = 14.5).
_VVV_NIGHTS = np.arange(55260, 57285)
_VVV_SEASON = (205.0, 60.0, 47.0, 307.0)
_VVV_YEARS = (0.05, 0.10, 0.35, 0.23, 0.22, 0.05)
_VVV_NIGHT = (0.49, 0.92)
_VVV_ERROR_OVER_NOISE = np.array([1.3, 1.35, 1.55, 1.9, 2.6])
_VVV_SHARED_NOISE = 0.71
_VVV_OWN_NOISE = np.array([0.60, 0.58, 1.1, 1.9, 2.4])
_VVV_ZERO_POINT_ERRORS = (0.009, 0.030)

# gaia_dr3/epoch_photometry/datalink_00.zip, 500 stars: errors of G by magnitude, of BP
# and RP over those of G; observations without a value (1 % of the transits, in BP and RP
# 5 %) and those rejected by variability (0.8 %, mostly too faint); gaps between transits of
# a visit alternate between the two fields of view; transits of a visit; days between
# visits (0, 5, 25, 50, 75, 95, 100 %). BP and RP amplitudes over G and colours: 242 stars
# brighter than G = 17 of datalink_01.zip.
_GAIA_MAGNITUDES = (13.5, 14.5, 15.5, 16.5, 17.5, 18.5, 19.5)
_GAIA_ERRORS = (0.0012, 0.0016, 0.0023, 0.0039, 0.0059, 0.0087, 0.0158)
_GAIA_MISSING = {"G": 0.01, "BP": 0.05, "RP": 0.05}
_GAIA_REJECTED = 0.008
_GAIA_FIELD_GAPS = (0.074, 0.176)
_GAIA_TRANSITS = ((1, 2, 3, 4, 5, 6), (0.39, 0.43, 0.04, 0.08, 0.03, 0.03))
_GAIA_VISIT_GAPS = ((0, 0.05, 0.25, 0.5, 0.75, 0.95, 1), (2, 7, 22, 34, 94, 141, 323))
GAIA_BANDS = {  # amplitude over G, magnitude minus G, error over G, zero point
    "G": (1.0, 0.0, 1.0, 25.68737),
    "BP": (1.18, 0.42, 5.0, 25.33854),
    "RP": (0.72, -0.73, 2.6, 24.74790),
}
# Residuals of 2,526 curves of lc_dev_g.tar.gz (0.0086 mag at G = 17) over the errors above.
_GAIA_NOISE_OVER_ERROR = 1.75
# First and last epoch of the releases: DR2 by its 22 months, DR3 as in datalink_00.zip.
_GAIA_SPANS = {"gaia_dr2": (1666.4, 2334.0), "gaia_dr3": (1666.4, 2704.3)}
# DR2: 3,567 stars of g_dev_reconstructed.csv in lc_dev_g.tar.gz (0, 5, 25, 50, 75, 95,
# 100 %); DR3: num_clean_epochs_g of vari_rrlyrae_subset.csv.gz. Both begin at 28 instead of
# 23 and 20, so that a sound star keeps the 20 epochs that a fit needs.
_GAIA_EPOCHS = {
    "gaia_dr2": ((0, 0.05, 0.25, 0.5, 0.75, 0.95, 1), (28, 29, 35, 41, 47, 61, 119)),
    "gaia_dr3": ((0, 0.05, 0.25, 0.5, 0.75, 0.95, 1), (28, 29, 31, 37, 47, 71, 120)),
}
# transit_id counts time: 5.5297e13 a day, from the same file.
_GAIA_TRANSIT_RATE = 5.5297e13
_GAIA_TRANSIT_ZERO = 1396.86


def observe_ogle(star: Star, rng: np.random.Generator, n_epochs: int | None = None) -> pd.DataFrame:
    """Observe a star in I as OGLE-IV does: columns time (HJD - 2450000), mag, mag_err."""
    if n_epochs is None:
        low, high = np.log(_OGLE_EPOCHS)
        n_epochs = round(np.exp(rng.uniform(low, high)))
    day_of_year = (_OGLE_NIGHTS - 5197.5) % 365.25
    time = _draw_nights(rng, _OGLE_NIGHTS, _season(day_of_year, _OGLE_SEASON), n_epochs)
    time += rng.uniform(*_OGLE_NIGHT, n_epochs)
    magnitude = star.curves["I"].magnitude(star.phase(time + OGLE_ZERO))
    error = np.hypot(_OGLE_ERROR_FLOOR, _OGLE_ERROR_AT_17 * 10 ** (0.4 * (magnitude - 17)))
    error *= rng.lognormal(0, 0.2, n_epochs)
    magnitude += _OGLE_NOISE_OVER_ERROR * error * rng.standard_normal(n_epochs)
    magnitude += _draw_outliers(rng, n_epochs, _OGLE_OUTLIERS, 0.15)
    return pd.DataFrame({"time": time, "mag": magnitude, "mag_err": error})


def observe_vvv(star: Star, rng: np.random.Generator, n_epochs: int | None = None) -> pd.DataFrame:
    """Observe a star in Ks as VVV does.

    Returns
    -------
    DataFrame
        Columns time (HJD - 2400000) and mag_k, mag_err_k, zero_point_err_k for the
        apertures k = 1..5.
    """
    if n_epochs is None:
        n_epochs = round(np.interp(rng.uniform(), *_VVV_EPOCHS))
    day_of_year = (_VVV_NIGHTS - 55197) % 365.25
    year = ((_VVV_NIGHTS - 55197) // 365.25).astype(int)
    weights = _season(day_of_year, _VVV_SEASON) * np.array(_VVV_YEARS)[year]
    time = _draw_nights(rng, _VVV_NIGHTS, weights, n_epochs)
    time += rng.uniform(*_VVV_NIGHT, n_epochs)
    curve = star.curves["Ks"]
    noise = np.interp(curve.mean, _VVV_MAGNITUDES, _VVV_NOISE)
    signal = curve.magnitude(star.phase(time + VVV_ZERO))
    signal += _VVV_SHARED_NOISE * noise * rng.standard_normal(n_epochs)
    signal += _draw_outliers(rng, n_epochs, _VVV_OUTLIERS, 0.15)
    own_noise = noise * _VVV_OWN_NOISE * rng.lognormal(0, 0.2, APERTURES)
    magnitude = signal[:, np.newaxis] + rng.normal(0, 0.03, APERTURES)
    magnitude += own_noise * rng.standard_normal((n_epochs, APERTURES))
    error = noise * _VVV_ERROR_OVER_NOISE * rng.lognormal(0, 0.1, (n_epochs, 1))
    zero_point_error = rng.uniform(*_VVV_ZERO_POINT_ERRORS, (n_epochs, APERTURES))
    columns = {"time": time}
    for k in range(APERTURES):
        columns[f"mag_{k + 1}"] = magnitude[:, k]
        columns[f"mag_err_{k + 1}"] = error[:, k]
        columns[f"zero_point_err_{k + 1}"] = zero_point_error[:, k]
    return pd.DataFrame(columns)


def observe_gaia(
    star: Star, rng: np.random.Generator, release: str, n_epochs: int | None = None
) -> pd.DataFrame:
    """Observe a star in G, BP and RP as Gaia does.

    Returns
    -------
    DataFrame
        One row a transit and band, with the columns of the archive's epoch photometry
        (time is BJD - 2455197.5; flux in electrons a second) without the identifiers of
        the source and the solution.
    """
    transit = draw_gaia_transits(rng, release, n_epochs)
    return pd.concat(
        [_observe_gaia_band(star, rng, band, transit) for band in GAIA_BANDS],
        ignore_index=True,
    )


def draw_gaia_transits(
    rng: np.random.Generator, release: str, n_epochs: int | None = None
) -> NDArray[np.float64]:
    """Draw when the transits of a star begin (BJD - 2455197.5, d), as many as in a release."""
    if n_epochs is None:
        n_epochs = round(np.interp(rng.uniform(), *_GAIA_EPOCHS[release]))
    return _draw_transits(rng, *_GAIA_SPANS[release], n_epochs)


def gaia_noise(curve: FourierCurve) -> float:
    """Return the scatter (mag) of Gaia's G magnitudes about a curve."""
    return _GAIA_NOISE_OVER_ERROR * float(np.interp(curve.mean, _GAIA_MAGNITUDES, _GAIA_ERRORS))


def _observe_gaia_band(
    star: Star, rng: np.random.Generator, band: str, transit: NDArray[np.float64]
) -> pd.DataFrame:
    """Return the rows of one band."""
    time = transit + rng.uniform(0, 0.0004, len(transit))
    return measure_gaia(rng, band, transit, time, gaia_magnitude(star, band, time))


def gaia_magnitude(star: Star, band: str, time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the magnitudes of a star in a band of Gaia at BJD - 2455197.5, without noise."""
    amplitude, colour, _, _ = GAIA_BANDS[band]
    curve = star.curves["G"]
    signal = curve.magnitude(star.phase(time + GAIA_ZERO)) - curve.mean
    magnitude: NDArray[np.float64] = curve.mean + colour + amplitude * signal
    return magnitude


def measure_gaia(
    rng: np.random.Generator,
    band: str,
    transit: NDArray[np.float64],
    time: NDArray[np.float64],
    magnitude: NDArray[np.float64],
) -> pd.DataFrame:
    """Return the rows of `observe_gaia` for transits of one star or of many in one band.

    Parameters
    ----------
    rng
        Draws the noise, and what is rejected or missing.
    band
        ``G``, ``BP`` or ``RP``.
    transit, time : array, shape (n,)
        When the transits begin, and when the band is observed (BJD - 2455197.5, d).
    magnitude : array, shape (n,)
        Of `gaia_magnitude`.
    """
    n_epochs = len(transit)
    _, colour, relative_error, zero_point = GAIA_BANDS[band]
    error = relative_error * np.interp(magnitude - colour, _GAIA_MAGNITUDES, _GAIA_ERRORS)
    error *= rng.lognormal(0, 0.1, n_epochs)
    magnitude = magnitude + _GAIA_NOISE_OVER_ERROR * error * rng.standard_normal(n_epochs)
    rejected = rng.uniform(size=n_epochs) < _GAIA_REJECTED
    magnitude[rejected] += np.abs(rng.normal(0, 0.7, rejected.sum()))
    flux = 10 ** (0.4 * (zero_point - magnitude))
    flux_error = flux * error * np.log(10) / 2.5
    missing = rng.uniform(size=n_epochs) < _GAIA_MISSING[band]
    measured = np.where(missing, np.nan, 1.0)
    return pd.DataFrame(
        {
            "transit_id": (_GAIA_TRANSIT_RATE * (transit - _GAIA_TRANSIT_ZERO)).astype(np.int64),
            "band": band,
            "time": measured * time,
            "mag": measured * magnitude,
            "flux": measured * flux,
            "flux_error": measured * flux_error,
            "flux_over_error": measured * flux / flux_error,
            "rejected_by_photometry": np.where(missing, "true", "false"),
            "rejected_by_variability": np.where(missing | rejected, "true", "false"),
            "other_flags": np.select([missing, rejected], [8373247, 4097], 1),
        }
    )


def _season(
    day_of_year: NDArray[np.float64], season: tuple[float, float, float, float]
) -> NDArray[np.float64]:
    """Return the relative number of observations on days of the year.

    `season` is the day of the peak, its width, and the first and last day.
    """
    peak, width, first, last = season
    inside = (day_of_year >= first) & (day_of_year <= last)
    return np.where(inside, np.exp(-0.5 * ((day_of_year - peak) / width) ** 2), 0.0)


def _draw_nights(
    rng: np.random.Generator,
    nights: NDArray[np.int64],
    weights: NDArray[np.float64],
    n_epochs: int,
) -> NDArray[np.float64]:
    """Draw different nights, in order of time."""
    chosen = rng.choice(nights, n_epochs, replace=False, p=weights / weights.sum())
    return np.sort(chosen).astype(np.float64)


def _draw_transits(
    rng: np.random.Generator, first: float, last: float, n_epochs: int
) -> NDArray[np.float64]:
    """Draw the times of transits: visits of a few transits, weeks apart."""
    sizes, weights = _GAIA_TRANSITS
    transits = rng.choice(sizes, n_epochs, p=weights)
    visits = int(np.searchsorted(np.cumsum(transits), n_epochs)) + 1
    starts = np.cumsum(np.interp(rng.uniform(size=visits), *_GAIA_VISIT_GAPS))
    # The gaps are those of another part of the sky and of 34 months: keep their pattern.
    starts = first + (last - first - 1) * (starts - starts[0]) / max(np.ptp(starts), 1.0)
    within = np.concatenate([[0], np.cumsum(np.resize(_GAIA_FIELD_GAPS, max(sizes) - 1))])
    times = [start + within[:size] for start, size in zip(starts, transits, strict=False)]
    return np.sort(np.concatenate(times)[:n_epochs])


def _draw_outliers(
    rng: np.random.Generator, n_epochs: int, rate: float, deviation: float
) -> NDArray[np.float64]:
    """Draw what wrong measurements add to the magnitudes; 0 for the others."""
    wrong = rng.uniform(size=n_epochs) < rate
    return np.where(wrong, rng.normal(0, deviation, n_epochs), 0.0)
