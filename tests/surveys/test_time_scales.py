import numpy as np
import pytest
from astropy.coordinates import EarthLocation, SkyCoord
from astropy.time import Time

from metalyra.surveys import SurveyError
from metalyra.surveys.formats.time_scales import (
    convert_times,
    parse_conversion,
    parse_scale,
    scale_of_column,
    to_heliocentric,
)

MJD = np.linspace(57000.0, 57365.0, 12)
RA, DEC = 266.4, -29.0
SECOND = 1 / 86400


def convert(time, conversion, ra=RA, dec=DEC):
    return convert_times(time, *parse_conversion(conversion), ra, dec)


@pytest.mark.parametrize(
    ("text", "offset", "name"),
    [
        ("MJD UTC", 2400000.5, "MJD UTC"),
        ("mjd_tai", 2400000.5, "MJD TAI"),
        ("BJD TDB", 0.0, "BJD TDB"),
        ("BJD_TDB", 0.0, "BJD TDB"),
        ("HJD-2450000", 2450000.0, "HJD - 2450000"),
        ("BJD - 2455197.5 TCB", 2455197.5, "BJD - 2455197.5 TCB"),
        ("HMJD", 2400000.5, "HMJD"),
        ("BTJD", 2457000.0, "BTJD TDB"),
    ],
)
def test_a_time_scale_is_named_as_astronomers_do(text, offset, name):
    scale = parse_scale(text)
    assert scale.offset == offset
    assert scale.name == name
    assert parse_scale(scale.name) == scale


@pytest.mark.parametrize("text", ["", "UTC", "MJD GPS", "HBJD", "TJD", "days", "MJD UTC to"])
def test_what_is_no_time_scale_is_named_with_what_is(text):
    with pytest.raises(SurveyError, match=r"time_scale: .* is unknown; it is like MJD UTC, MJD"):
        parse_conversion(text + (" " if text.endswith("to") else ""))


def test_a_column_may_say_its_time_scale():
    said = {name: scale_of_column(name) for name in ("hjd", "mjd_tai", "expmidptmjd", "t", "time")}
    names = {name: scale.name for name, scale in said.items() if scale}
    assert names == {"hjd": "HJD", "mjd_tai": "MJD TAI", "expmidptmjd": "MJD TAI"}


def test_times_at_earth_become_barycentric_as_astropy_has_it():
    centre = EarthLocation.from_geocentric(0, 0, 0, unit="m")
    times = Time(MJD, format="mjd", scale="utc", location=centre)
    star = SkyCoord(RA, DEC, unit="deg")
    found, scale = convert(MJD, "MJD UTC to BJD TDB")
    assert scale.name == "BJD TDB"
    expected = (times.tdb + times.light_travel_time(star)).jd
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3 * SECOND)
    assert np.ptp(found - MJD) > 900 * SECOND  # the Earth goes around the Sun
    heliocentric, _ = convert(MJD, "MJD UTC to HJD - 2400000")
    # Julian dates of seven digits before the point have 40 microseconds after it.
    np.testing.assert_allclose(heliocentric, to_heliocentric(MJD, RA, DEC), rtol=0, atol=1e-9)


@pytest.mark.parametrize("scale", ["BJD TDB", "HJD UTC", "MJD TAI", "BJD - 2455197.5 TCB", "JD TT"])
def test_there_and_back_is_where_it_was(scale):
    there, target = convert(MJD, f"MJD UTC to {scale}")
    back, _ = convert(there, f"{target.name} -> MJD UTC")
    np.testing.assert_allclose(back, MJD, rtol=0, atol=1e-4 * SECOND)


def test_without_a_position_only_the_clock_changes():
    found, scale = convert(MJD, "MJD TAI to BJD TDB", np.nan, np.nan)
    assert scale.name == "JD TDB"
    np.testing.assert_allclose(found - 2400000.5 - MJD, 32.184 * SECOND, rtol=0, atol=3e-3 * SECOND)


def test_what_is_no_time_is_none_afterwards():
    found, _ = convert([np.nan, np.inf, 1e300, 57000.0], "MJD UTC to BJD TDB")
    assert np.isnan(found).tolist() == [True, True, True, False]


def test_times_of_another_scale_are_found_out():
    assert parse_scale("MJD").holds(MJD)
    assert not parse_scale("MJD").holds(MJD + 2400000.5)
    assert not parse_scale("HJD").holds(MJD)
    assert parse_scale("HJD - 2450000").holds(MJD - 50000)
    assert parse_scale("HJD").holds(np.array([np.nan]))
