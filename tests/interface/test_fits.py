"""One light curve, in whatever it comes."""

import inspect
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy import units
from astropy.table import MaskedColumn, QTable, Table
from astropy.time import Time
from astropy.timeseries import TimeSeries
from astropy.utils.masked import Masked

import metalyra
from metalyra.fit import fit_stars
from metalyra.interface.fits import SEED, StarFit
from metalyra.study.model import Configuration, Fit


def same(one: StarFit, other: StarFit) -> bool:
    """Say whether two fits have the same numbers, to the last bit."""
    pd.testing.assert_series_equal(one.row, other.row)
    pd.testing.assert_frame_equal(one.light_curve, other.light_curve)
    return True


@pytest.fixture(scope="module")
def fitted(curve, period):
    return metalyra.fit(curve["time"], curve["mag"], period, curve["mag_err"], band="G")


def test_the_numbers_are_the_workflows(fitted, curve, period):
    stars = pd.DataFrame(
        {"star_id": ["star"], "period": period, "pulsation_type": "RRab", "status": "ok"}
    )
    settings = Fit().model_dump(warnings=False) | {"phases": "measured"}
    seed = Configuration.model_fields["seed"].default
    fits, folded = fit_stars(stars, curve.assign(star_id="star", band="G"), settings, seed)
    pd.testing.assert_series_equal(fitted.row, fits.iloc[0])
    pd.testing.assert_frame_equal(fitted.light_curve, folded[["phase", "mag", "mag_err", "kept"]])
    assert seed == SEED
    assert fitted.status == "ok"
    assert fitted.reason == ""
    assert fitted["phi31"] == fits["phi31"][0]


def as_fits(curve, tmp_path):
    Table.from_pandas(curve).write(tmp_path / "star.fits")
    return tmp_path / "star.fits"


def as_csv(curve, tmp_path):
    renamed = curve.rename(columns={"time": "hjd", "mag": "Magnitude", "mag_err": "e_mag"})
    renamed.to_csv(tmp_path / "star.csv", index=False)
    return str(tmp_path / "star.csv")


TABLES = {
    "pandas": lambda curve, _: curve,
    "with another index": lambda curve, _: curve.set_index("time"),
    "dictionary of lists": lambda curve, _: {name: curve[name].tolist() for name in curve},
    "texts": lambda curve, _: curve.map(repr),
    "astropy": lambda curve, _: Table.from_pandas(curve),
    "quantities": lambda curve, _: QTable(
        {"time": curve["time"].to_numpy() * units.day}
        | {name: curve[name].to_numpy() * units.mag for name in ("mag", "mag_err")}
    ),
    "other units": lambda curve, _: QTable(
        {"time": curve["time"].to_numpy() * units.day}
        | {name: curve[name].to_numpy() * units.ABmag for name in ("mag", "mag_err")}
    ),
    "arrow": lambda curve, _: pa.table(curve),
    "records": lambda curve, _: curve.to_records(index=False),
    "object": lambda curve, _: SimpleNamespace(**{name: curve[name] for name in curve}),
    "csv": as_csv,
    "fits": as_fits,
}


@pytest.mark.parametrize("kind", TABLES)
def test_any_table_will_do(kind, curve, fitted, period, tmp_path):
    table = TABLES[kind](curve, tmp_path)
    assert same(metalyra.fit(table, period=period, band="G", star_id="star"), fitted)


ARRAYS = {
    "lists": list,
    "arrays": np.asarray,
    "big-endian": lambda values: np.asarray(values, dtype=">f8"),
    "nullable": lambda values: values.astype("Float64"),
    "columns": lambda values: MaskedColumn(values),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_any_array_will_do(kind, curve, fitted, period):
    time, mag, mag_err = (ARRAYS[kind](curve[name]) for name in ("time", "mag", "mag_err"))
    assert same(metalyra.fit(time, mag, period, mag_err, band="G"), fitted)


MASKS = {
    "numpy": lambda values, bad: np.ma.masked_array(np.where(bad, 5.0, values), bad),
    "astropy column": lambda values, bad: MaskedColumn(np.where(bad, 5.0, values), mask=bad),
    "astropy masked": lambda values, bad: Masked(np.where(bad, 5.0, values), bad),
    "masked quantity": lambda values, bad: Masked(np.where(bad, 5.0, values) * units.mag, bad),
    "nan": lambda values, bad: np.where(bad, np.nan, values),
    "nothing": lambda values, bad: [
        None if gone else value for gone, value in zip(bad, values, strict=True)
    ],
    "pandas": lambda values, bad: pd.Series(values, dtype="Float64").mask(bad),
}


@pytest.mark.parametrize("kind", MASKS)
def test_what_is_masked_does_not_count(kind, curve, period):
    bad = np.arange(len(curve)) % 7 == 3
    good = curve[~bad]
    expected = metalyra.fit(good["time"], good["mag"], period)
    mag = MASKS[kind](curve["mag"].to_numpy(), bad)
    assert same(metalyra.fit(curve["time"].to_numpy(), mag, period), expected)


def test_units_are_heeded(curve, fitted, period):
    star = metalyra.fit(
        curve["time"].to_numpy() * units.day,
        curve["mag"].to_numpy() * 1000 * units.mmag,
        period * 24 * units.hour,
        curve["mag_err"].to_numpy() * 1000 * units.mmag,
        band="G",
    )
    assert star.feh is not None
    for name in ("mean_mag", "amplitude", "phi31", "period"):
        assert star[name] == pytest.approx(fitted[name], rel=1e-9)


def test_errors_may_have_another_unit(curve, fitted, period):
    time, mag = curve["time"].to_numpy(), curve["mag"].to_numpy() * units.mag
    error = curve["mag_err"].to_numpy() * 1000 * units.mmag
    star = metalyra.fit(time, mag, period, error, band="G")
    np.testing.assert_allclose(star.light_curve["mag_err"], fitted.light_curve["mag_err"])
    one = metalyra.fit(time, mag, period, 20 * units.mmag)
    np.testing.assert_allclose(one.light_curve["mag_err"], 0.02)
    flux = 10 ** (-0.4 * (mag.value - 31.4)) * units.nJy
    error = 0.01 * flux.to("uJy")
    relative = metalyra.fit(time, flux, period, error).light_curve["mag_err"]
    np.testing.assert_allclose(relative, 0.0108574, rtol=1e-4)


def test_lists_of_quantities_and_times_will_do(curve, fitted, period):
    mag = [value * units.mag for value in curve["mag"]]
    star = metalyra.fit(curve["time"], mag, period, curve["mag_err"], band="G")
    assert same(star, fitted)
    times = [Time(value, format="mjd", scale="tdb") for value in curve["time"]]
    assert metalyra.fit(times, curve["mag"], period).time_scale.startswith("MJD TDB")


def test_times_of_astropy_have_a_scale(curve, period):
    time = Time(curve["time"].to_numpy() + 2455197.0, 0.5, format="jd", scale="tcb")
    star = metalyra.fit(time, curve["mag"].to_numpy(), period)
    assert star.time_scale == "MJD TCB"
    assert "MJD TCB" in repr(star)
    assert star["epoch"] == pytest.approx(time.mjd.min())
    series = TimeSeries(time=time, data={"mag": curve["mag"].to_numpy()})
    assert same(metalyra.fit(series, period=period), star)
    dates = pd.Series(time.utc.datetime64)
    dated = metalyra.fit(dates, curve["mag"].to_numpy(), period)
    assert dated["epoch"] == pytest.approx(time.utc.mjd.min(), abs=1e-6)


class LightCurve(TimeSeries):
    """What lightkurve's class of this name is to others."""

    label = "KIC 3733346"

    @property
    def flux(self):
        return self["flux"]


@pytest.fixture
def lightkurve(curve):
    flux = 1e4 * 10 ** (-0.4 * (curve["mag"].to_numpy() - 15))
    error = flux * curve["mag_err"].to_numpy() * np.log(10) / 2.5
    time = Time(curve["time"].to_numpy() + 2455197.0, 0.5, format="jd", scale="tdb")
    unit = units.electron / units.s
    series = LightCurve(time=time)
    series["flux"] = Masked(flux * unit, np.arange(len(flux)) == 5)
    series["flux_err"] = error * unit
    series["centroid_col"] = np.ones(len(flux)) * units.pix
    return series


def test_light_curves_of_lightkurve(lightkurve, fitted, period):
    """Of fluxes that nobody calibrates, the magnitudes are relative, and so it says."""
    star = metalyra.fit(lightkurve, period=period)
    assert star.star_id == "KIC 3733346"
    assert "relative" in star.caveat
    assert "relative" in repr(star)
    assert "relative" in star._repr_html_()
    assert star["amplitude"] == pytest.approx(fitted["amplitude"], abs=0.02)
    assert star["mean_mag"] == pytest.approx(
        fitted["mean_mag"] - np.median(fitted.curve["mag"]), abs=0.1
    )
    bare = SimpleNamespace(time=lightkurve.time, flux=lightkurve.flux, label=3)
    assert metalyra.fit(bare, period=period).star_id == "star"
    assert metalyra.fit(lightkurve.time, lightkurve.flux, period)["phi31"] == pytest.approx(
        star["phi31"], abs=0.05
    )


def test_fluxes_with_a_zero_point_make_magnitudes(curve, fitted, period):
    flux = 10 ** (-0.4 * (curve["mag"].to_numpy() - 31.4))
    error = flux * curve["mag_err"].to_numpy() * np.log(10) / 2.5
    time = curve["time"].to_numpy()
    calibrated = [
        metalyra.fit(time, flux * units.nJy, period, error * units.nJy, band="G"),
        metalyra.fit(
            {"time": time, "flux": flux, "flux_err": error},
            period=period,
            band="G",
            magnitude_zero_point=31.4,
        ),
    ]
    for star in calibrated:
        assert star.caveat == ""
        assert star["mean_mag"] == pytest.approx(fitted["mean_mag"], abs=1e-6)
        assert star["phi31"] == pytest.approx(fitted["phi31"], abs=1e-6)


def test_one_band_of_several_is_fitted(light_curves, period):
    table = light_curves[light_curves["star_id"] == "RRab 001"]
    with pytest.raises(ValueError, match="in BP, G, RP; say with band which one"):
        metalyra.fit(table, period=period)
    with pytest.raises(ValueError, match="no measurement is in V; the light curves are in BP"):
        metalyra.fit(table, period=period, band="V")
    star = metalyra.fit(table, period=period, band="Gaia BP")
    assert star.band == "BP"
    assert star.star_id == "RRab 001"
    assert star["n_epochs"] <= (table["band"] == "BP").sum()
    assert star.left_out == {
        "in band G": (table["band"] == "G").sum(),
        "in band RP": (table["band"] == "RP").sum(),
    }
    only = table[table["band"] == "RP"]
    assert metalyra.fit(only, period=period).band == "RP"


def test_one_star_of_several_is_fitted(in_g, fitted, curve, period):
    with pytest.raises(
        ValueError, match=r"4 stars .RRab 001, RRab 002, RRab 003, ....; say with star_id"
    ):
        metalyra.fit(in_g, period=period)
    with pytest.raises(ValueError, match="no row of the star star 9"):
        metalyra.fit(in_g, period=period, star_id="star 9")
    star = metalyra.fit(in_g, period=period, star_id="RRab 001", band="G")
    alone = metalyra.fit(curve, period=period, star_id="RRab 001", band="G")
    assert same(star, alone)


def test_a_period_can_be_found(curve, period):
    star = metalyra.fit(curve["time"], curve["mag"])
    assert star.period == pytest.approx(period, rel=1e-4)
    assert star.pulsation_type == "RRab"
    assert star.star["period_false_alarm"] < 0.01
    assert "found; false-alarm probability" in repr(star)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"period": np.nan}, "invalid_period"),
        ({"period": -0.5}, "invalid_period"),
        ({"period": 3.0}, "implausible_period"),
        ({"mag": 15.0}, "constant_magnitude"),
        ({"later": 1e9}, "no_light_curve"),
        ({"keep": 12}, "too_few_epochs"),
        ({"period": 0.4321}, "not_variable"),
    ],
)
def test_a_star_without_a_fit_has_a_status_and_a_reason(curve, period, change, status):
    mag = np.full(len(curve), change["mag"]) if "mag" in change else curve["mag"].to_numpy()
    keep = slice(change.get("keep"))
    time = curve["time"].to_numpy() + change.get("later", 0.0)
    star = metalyra.fit(time[keep], mag[keep], change.get("period", period), band="G")
    assert star.status == status
    assert star.reason
    assert star.reason in repr(star)
    assert np.isnan(star.feh)
    assert len(star.curve) in (0, 100)
    assert star.plot().figure is not None


NOTHING_TO_FIT = {
    "no magnitudes": (lambda c: metalyra.fit(c["time"], period=0.5), "there are no magnitudes"),
    "a text": (
        lambda c: metalyra.fit(
            c["time"], c["mag"].astype(object).replace(c["mag"].iloc[5], "bright"), 0.5
        ),
        "row 6 holds 'bright', which is not a number",
    ),
    "other lengths": (
        lambda c: metalyra.fit(c["time"], c["mag"][:-1], 0.5),
        "different lengths: time has 60, mag has 59 values",
    ),
    "two dimensions": (
        lambda c: metalyra.fit(c["time"], c[["mag", "mag"]].to_numpy(), 0.5),
        "mag has 2 dimensions",
    ),
    "a table and a period": (
        lambda c: metalyra.fit(c, 0.5),
        "name what follows, such as period=0.55",
    ),
    "a table without times": (
        lambda c: metalyra.fit(c[["mag"]].assign(when=1.0), period=0.5),
        "no column 'time'; .*it has mag, when",
    ),
    "a period in words": (
        lambda c: metalyra.fit(c["time"], c["mag"], "half a day"),
        "period 'half a day' is not a number of days",
    ),
    "another type": (
        lambda c: metalyra.fit(c["time"], c["mag"], 0.5, pulsation_type="EW"),
        "pulsation_type 'EW' is none of RRab, RRc",
    ),
    "an unknown setting": (
        lambda c: metalyra.fit(c["time"], c["mag"], 0.5, min_epoch=5),
        "the key 'min_epoch' is unknown; did you mean min_epochs",
    ),
    "a setting out of bounds": (
        lambda c: metalyra.fit(c["time"], c["mag"], 0.5, draws=0),
        "draws: 0 is less than the minimum of 2",
    ),
    "an unknown column": (
        lambda c: metalyra.fit(c, period=0.5, columns={"magnitude": "mag"}),
        "columns: .magnitude. is unknown; allowed: star_id",
    ),
    "fluxes about zero": (
        lambda c: metalyra.fit({"time": c["time"], "flux": c["mag"] - 17.0}, period=0.5),
        "fluxes are not positive, .*not centred on zero",
    ),
    "truths": (
        lambda c: metalyra.fit(c["time"], c["mag"] > 15, 0.5),
        "holds '(True|False)', which is not a number",
    ),
    "temperatures": (
        lambda c: metalyra.fit(c["time"], c["mag"].to_numpy() * units.K, 0.5),
        "the column 'flux' is in 'K', which is no unit of flux",
    ),
    "a ratio": (
        lambda c: metalyra.fit(c["time"], c["mag"].to_numpy() * units.one, 0.5),
        "mag is a quantity without dimension: give mag.value",
    ),
    "errors of something else": (
        lambda c: metalyra.fit(c["time"], c["mag"].to_numpy() * units.mag, 0.5, 1 * units.Jy),
        "'mag_err' is in 'Jy', and 'mag' in 'mag'",
    ),
    "dates of magnitudes": (
        lambda c: metalyra.fit(c["time"], pd.date_range("2020", periods=len(c)), 0.5),
        "holds timestamp",
    ),
    "no measurements": (lambda c: metalyra.fit([], [], 0.5), "it has no rows"),
    "numbers": (lambda c: metalyra.fit(1.0, 15.0, 0.5), "time has 0 dimensions"),
    "two columns of a name": (
        lambda c: metalyra.fit(pd.concat([c, c], axis="columns"), period=0.5),
        "two columns 'time'",
    ),
    "a period of another unit": (
        lambda c: metalyra.fit(c["time"], c["mag"], 0.5 * units.m),
        "period '0.5 m' is not a number of days",
    ),
    "a truth as a period": (
        lambda c: metalyra.fit(c["time"], c["mag"], True),
        "period 'True' is not a number of days",
    ),
    "a band without a name": (
        lambda c: metalyra.fit(c["time"], c["mag"], 0.5, band=3),
        "band 3 is not the name of a band",
    ),
    "a zero point in words": (
        lambda c: metalyra.fit(c, period=0.5, magnitude_zero_point="AB"),
        "magnitude_zero_point 'AB' is not a number",
    ),
    "columns in a list": (
        lambda c: metalyra.fit(c, period=0.5, columns=["mag"]),
        "columns are names by ours",
    ),
    "a length": (
        lambda c: metalyra.fit(c["time"].to_numpy() * units.m, c["mag"], 0.5),
        "its column 'time' is in 'm', which is no time",
    ),
}


@pytest.mark.parametrize("what", NOTHING_TO_FIT)
def test_what_is_no_light_curve_is_refused(what, curve):
    call, message = NOTHING_TO_FIT[what]
    with pytest.raises(ValueError, match=message) as problem:
        call(curve.reset_index(drop=True))
    assert "\n" not in str(problem.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nowhere.csv"):
        metalyra.fit(tmp_path / "nowhere.csv", period=0.5)


def test_settings_are_those_of_the_configuration(curve, period):
    usual = metalyra.fit(curve, period=period)
    other = metalyra.fit(curve, period=period, kernel="matern52", rrc={"order_max": 3})
    assert usual["gp_length_scale"] != other["gp_length_scale"]
    assert metalyra.fit(curve, period=period, seed=7)["phi31_err"] != usual["phi31_err"]


def test_a_star_says_what_it_is(fitted):
    text, html = repr(fitted), fitted._repr_html_()
    for what in ("RRab", "band G", "phi31", "rad", "status", "ok"):
        assert what in text
        assert what in html
    parameters = fitted.parameters
    assert list(parameters.columns) == ["value", "error", "unit"]
    assert parameters.loc["a1", "value"] == fitted["a1"]
    assert parameters.loc["phi31", "unit"] == "rad"
    assert len(fitted.curve) == 100
    assert np.ptp(fitted.curve["mag"]) == pytest.approx(fitted["amplitude"])


def test_a_star_says_how_it_varies(fitted):
    changes = {"variation": "period_change modulation", "modulation_period": 41.2}
    row = pd.Series({**fitted.row, **changes, "period_change": -0.31})
    text = repr(replace(fitted, row=row))
    assert "its period changes by -0.31 d/Myr" in text
    assert "it is modulated (Blazhko), every 41.2 d" in text
    assert "variation" not in repr(fitted)


def test_html_is_escaped(curve, period):
    star = metalyra.fit(curve, period=period, star_id="<b>&", band="<i>")
    assert "<b>&" not in star._repr_html_()
    assert "<i>" not in star._repr_html_()


def test_a_star_is_drawn_in_one_call(fitted, period, tmp_path):
    axes = fitted.plot()
    low, high = axes.get_ylim()
    assert low > high  # magnitudes increase downwards
    assert axes.get_xlim() == (0, 2)
    assert axes.get_ylabel() == "$G$ (mag)"
    assert f"$P$ = {period:.6g} d" in axes.get_title()
    points = axes.lines[0].get_xydata()
    brightest = points[points[:, 1].argmin(), 0] % 1.0
    assert min(brightest, 1 - brightest) < 0.1
    curve = max(axes.lines, key=lambda line: len(line.get_xdata())).get_xydata()
    inside = curve[(curve[:, 0] >= 0) & (curve[:, 0] <= 2)]
    assert inside[0, 0] < 0.01
    assert inside[-1, 0] > 1.99
    assert np.ptp(inside[:, 1]) == pytest.approx(fitted["amplitude"], abs=1e-6)
    assert fitted.plot(axes) is axes
    fitted.save_figure(tmp_path / "star.png")
    assert (tmp_path / "star.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    from matplotlib import pyplot

    pyplot.close("all")


def test_a_package_is_its_function_too():
    assert metalyra.fit.fit_stars is fit_stars
    assert "period" in inspect.signature(metalyra.fit).parameters
    assert "model" in inspect.signature(metalyra.predict).parameters
    assert "metalyra.fit(time, mag, period)" in metalyra.fit.__doc__
    assert "Pulsation period (d)" in metalyra.fit.__doc__


def test_importing_is_light(environment):
    code = """
import sys, time
before = set(sys.modules)
start = time.perf_counter()
import metalyra
taken = time.perf_counter() - start
libraries = {"tensorflow", "keras", "astropy", "pandas", "numpy", "matplotlib", "scipy"}
heavy = libraries & set(sys.modules)
assert not heavy, heavy
print(taken)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.3
