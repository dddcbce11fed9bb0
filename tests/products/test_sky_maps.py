from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import assume, given
from hypothesis import strategies as st

from metalyra.core.tables import write_table
from metalyra.products.figures import sky_maps
from metalyra.products.figures.drawing import Subject
from metalyra.products.figures.sky_maps import (
    SkyCircle,
    SkyRegion,
    SkyRemainder,
    enclose,
    sky_map,
    unwrap_longitude,
)
from metalyra.products.figures.style import save_figure

REGIONS = Path(__file__).parents[2] / "resources/sky_regions.yaml"
RNG = np.random.default_rng(5)


def to_icrs(longitude, latitude) -> tuple[np.ndarray, np.ndarray]:
    position = SkyCoord(l=longitude, b=latitude, unit="deg", frame="galactic").icrs
    return position.ra.deg, position.dec.deg


def draw_at(longitude, latitude, feh=None, region=None):
    """Return the figure and the drawn positions in the coordinates of its axes."""
    ra, dec = to_icrs(np.asarray(longitude, float), np.asarray(latitude, float))
    feh = np.linspace(-2, -1, len(ra)) if feh is None else feh
    figure = sky_map(ra, dec, feh, "stars", region)
    return figure, figure.axes[0].collections[0].get_offsets()


def test_the_galactic_centre_and_pole_are_where_the_iau_put_them():
    longitude, latitude = sky_maps.to_galactic([266.40499, 192.85948], [-28.93617, 27.12825])
    assert unwrap_longitude(longitude, 0.0)[0] == pytest.approx(0.0, abs=1e-3)
    np.testing.assert_allclose(latitude, [0.0, 90.0], atol=1e-3)


@given(st.floats(-720, 720), st.floats(-360, 360))
def test_unwrapping_changes_a_longitude_by_full_turns_only(longitude, centre):
    unwrapped = float(unwrap_longitude(np.array([longitude]), centre)[0])
    assert centre - 180 - 1e-9 <= unwrapped <= centre + 180 + 1e-9
    turns = (unwrapped - longitude) / 360
    assert turns == pytest.approx(round(turns), abs=1e-9)


@pytest.mark.parametrize("centre", [0.0, 45.0, 180.0, 330.0, 359.9])
def test_a_group_of_stars_is_enclosed_wherever_it_lies(centre):
    offsets = np.array([-10.0, -3.0, 2.0, 8.0])
    latitude = np.array([-3.0, 0.0, 1.0, 3.0])
    region = enclose((centre + offsets) % 360, latitude)
    assert region.contains(region.unwrap((centre + offsets) % 360), latitude).all()
    assert np.ptp(region.longitude) < np.ptp(offsets) + 2.0
    assert np.ptp(region.latitude) < np.ptp(latitude) + 2.0


@given(st.lists(st.tuples(st.floats(0, 360), st.floats(-90, 90)), min_size=1, max_size=20))
def test_every_star_is_enclosed(positions):
    longitude, latitude = np.array(positions).T
    region = enclose(longitude, latitude)
    assert region.contains(region.unwrap(longitude), latitude).all()


def test_longitude_increases_to_the_left_and_latitude_upwards_in_a_region():
    figure, drawn = draw_at([5.0, 355.0, 0.0], [0.0, 0.0, 2.0])
    axes = figure.axes[0]
    assert axes.name == "rectilinear"
    west_to_east = axes.get_xlim()
    assert west_to_east[0] > west_to_east[1]
    assert axes.get_ylim()[0] < axes.get_ylim()[1]
    np.testing.assert_allclose(np.sort(drawn[:, 0]), [-5.0, 0.0, 5.0], atol=1e-9)


def test_longitude_increases_to_the_left_and_latitude_upwards_on_the_whole_sky():
    longitude, latitude = np.array([0.0, 30.0, 330.0, 179.0, 181.0]), np.array([80, 0, -10, 0, 0])
    figure, drawn = draw_at(longitude, latitude)
    assert figure.axes[0].name == "mollweide"
    drawn = drawn[np.argsort(drawn[:, 0])]
    np.testing.assert_allclose(np.degrees(drawn[:, 0]), [-179, -30, 0, 30, 179], atol=1e-6)
    assert np.degrees(drawn[2, 1]) == pytest.approx(80)


@pytest.mark.parametrize("spread", [10.0, 300.0])
def test_the_colour_bar_says_what_it_shows(spread):
    longitude = RNG.uniform(0, spread, 50)
    figure, _ = draw_at(longitude, RNG.uniform(-5, 5, 50))
    bar = figure.axes[-1]
    assert "[Fe/H] (dex)" in (bar.get_xlabel(), bar.get_ylabel())


def test_a_region_shows_its_own_stars_only():
    region = SkyRegion((-10.0, 10.0), (-3.0, 3.0))
    _, drawn = draw_at([1.0, 359.0, 20.0, 5.0], [1.0, -1.0, 0.0, 4.0], region=region)
    assert len(drawn) == 2


def test_a_longitude_beyond_zero_keeps_its_customary_name():
    figure, _ = draw_at([340.0, 350.0], [-2.0, 2.0])
    figure.draw_without_rendering()
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert "345" in labels or "350" in labels


def test_the_mean_of_cells_is_the_mean_of_their_stars():
    longitude, latitude = RNG.uniform(0, 360, 3000), np.degrees(np.arcsin(RNG.uniform(-1, 1, 3000)))
    feh = RNG.normal(-1.5, 0.3, 3000)
    means, counts = sky_maps.average_cells(longitude, latitude, feh, nside=4)
    assert len(means) == len(counts) == 12 * 4**2
    assert np.isfinite(means).all()
    assert counts.sum() == 3000
    assert np.mean(means) == pytest.approx(np.mean(feh), abs=0.02)
    shifted = sky_maps.average_cells(longitude + 360, latitude, feh + 1, nside=4).means
    np.testing.assert_allclose(shifted, means + 1, rtol=1e-12)


def test_a_cell_without_stars_is_empty():
    means, counts = sky_maps.average_cells(
        np.array([10.0, 10.0]), np.array([5.0, 5.0]), np.array([-1, -2]), 8
    )
    assert np.nansum(means) == -1.5
    assert np.isfinite(means).sum() == 1
    assert counts[np.isfinite(means)].tolist() == [2]
    assert counts.sum() == 2


def test_more_stars_are_shown_in_finer_cells():
    longitude, latitude = RNG.uniform(0, 20, 20_000), RNG.uniform(-10, 10, 20_000)
    sizes = [sky_maps.choose_nside(longitude[:n], latitude[:n]) for n in (20, 500, 20_000)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2]
    assert sky_maps.choose_nside(np.array([1.0]), np.array([1.0])) == 4


@pytest.mark.parametrize("spread", [20.0, 360.0])
def test_a_big_sample_is_shown_as_cells_of_the_right_colour(spread, monkeypatch):
    monkeypatch.setattr(sky_maps, "MOST_POINTS", 1000)
    longitude, latitude = RNG.uniform(0, spread, 4000), RNG.uniform(-9, 9, 4000)
    feh = np.where(latitude > 0, -1.0, -2.0)
    ra, dec = to_icrs(longitude, latitude)
    figure = sky_map(ra, dec, feh)
    mesh = figure.axes[0].collections[0]
    corners = mesh.get_coordinates()
    middles = (corners[1:, 1:] + corners[:-1, :-1]) / 2
    units = 1.0 if spread < 60 else np.pi / 180
    values = mesh.get_array()
    north = values[middles[..., 1] > 5 * units].compressed()
    south = values[middles[..., 1] < -5 * units].compressed()
    assert len(north) > 10
    assert set(north) == {-1.0}
    assert set(south) == {-2.0}


def test_stars_without_position_or_metallicity_are_left_out():
    ra, dec = to_icrs(np.array([1.0, 2.0, 3.0, 4.0]), np.zeros(4))
    ra[0], dec[1] = np.nan, np.nan
    figure = sky_map(ra, dec, [-1.0, -1.0, np.nan, -1.0])
    assert len(figure.axes[0].collections[0].get_offsets()) == 1


@pytest.mark.parametrize(
    "region",
    [
        None,
        SkyRegion((-10.0, 10.0), (-3.0, 3.0)),
        SkyCircle((280.5, -32.9), 10.0),
        SkyRemainder((SkyCircle((280.5, -32.9), 10.0),)),
    ],
)
def test_an_empty_sky_says_so(region, tmp_path):
    figure = sky_map([], [], [], "LMC", region)
    assert "no stars" in [text.get_text() for text in figure.axes[0].texts]
    assert figure.get_suptitle() == "LMC: 0 stars"
    save_figure(figure, tmp_path / "empty.png")


@pytest.mark.parametrize("most", [10, 1000])
def test_the_bulge_is_shown_beside_the_whole_sky(most, monkeypatch):
    monkeypatch.setattr(sky_maps, "MOST_POINTS", most)
    longitude = np.r_[RNG.uniform(-180, 180, 60), RNG.normal(0, 3, 60)]
    latitude = np.r_[RNG.uniform(-60, 60, 60), RNG.normal(0, 3, 60)]
    figure, _ = draw_at(longitude, latitude)
    [bulge] = [axes for axes in figure.axes if axes.get_title() == "bulge"]
    assert bulge.get_xlim() == (12, -12)
    if most > len(longitude):
        inside = sky_maps.BULGE.contains(longitude, latitude).sum()
        assert len(bulge.collections[0].get_offsets()) == inside
    figure, _ = draw_at([100.0, 180.0, 260.0], [10.0, 20.0, -30.0])
    assert "bulge" not in [axes.get_title() for axes in figure.axes]


@pytest.mark.parametrize("number", [60, 2000])
def test_the_title_has_the_number_of_stars_that_are_shown(number, monkeypatch):
    monkeypatch.setattr(sky_maps, "MOST_POINTS", 1000)
    region = SkyRegion((0.0, 10.0), (-5.0, 5.0))
    longitude = np.r_[RNG.uniform(0, 10, number), 20.0]
    figure = sky_map(*to_icrs(longitude, RNG.uniform(-5, 5, number + 1)), longitude, "sky", region)
    assert figure.get_suptitle().startswith(f"sky: {number:,} stars")


def test_the_number_of_stars_is_beside_the_mean_of_cells(monkeypatch):
    monkeypatch.setattr(sky_maps, "MOST_POINTS", 1000)
    longitude, latitude = RNG.normal(280.5, 2, 3000), RNG.normal(-32.9, 2, 3000)
    region = SkyCircle((280.5, -32.9), 10.0)
    figure = sky_map(*to_icrs(longitude, latitude), longitude, region=region)
    labels = {axes.get_xlabel() for axes in figure.axes[2:]}
    assert labels == {"Mean [Fe/H] (dex)", "stars per cell"}
    numbers = figure.axes[1].collections[0].get_array().compressed()
    nside = sky_maps.choose_nside(longitude, latitude)
    counts = sky_maps.average_cells(longitude, latitude, longitude, nside).counts
    assert set(numbers) <= set(counts)
    assert max(numbers) == max(counts)


def test_a_circle_is_shown_around_its_centre_with_longitude_to_the_left():
    region = SkyCircle((302.8, -44.3), 7.0)
    longitude, latitude = np.array([302.8, 305.8, 302.8, 330.0]), np.array([-44.3, -44.3, -41.3, 0])
    figure, drawn = draw_at(longitude, latitude, region=region)
    drawn = drawn[np.lexsort((drawn[:, 1], drawn[:, 0]))]
    assert len(drawn) == 3
    np.testing.assert_allclose(drawn[1:], [[0, 0], [0, 3]], atol=2e-3)
    assert drawn[0, 0] == pytest.approx(-3 * np.cos(np.radians(44.3)), abs=0.01)
    assert figure.axes[0].get_aspect() == 1.0


@given(st.floats(0, 360), st.floats(-90, 90))
def test_a_position_is_in_a_circle_or_in_the_rest_of_the_sky(longitude, latitude):
    circle = SkyCircle((280.465, -32.888), 10.0)
    position = np.array([longitude]), np.array([latitude])
    centre = SkyCoord(280.465, -32.888, unit="deg", frame="galactic")
    distance = centre.separation(SkyCoord(longitude, latitude, unit="deg", frame="galactic")).deg
    assume(abs(distance - 10.0) > 1e-9)
    assert circle.contains(*position)[0] == (distance < 10.0)
    assert SkyRemainder((circle,)).contains(*position)[0] == (distance > 10.0)


def test_a_map_is_the_same_file_twice(tmp_path):
    for name in ("one", "two"):
        figure, _ = draw_at(np.linspace(0, 300, 60), np.linspace(-60, 60, 60))
        save_figure(figure, tmp_path / f"{name}.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_the_projects_regions_are_valid_and_of_the_sky_they_name():
    regions = sky_maps.read_regions(REGIONS)
    for name, ra, dec in (("lmc", 80.89375, -69.75611), ("smc", 13.18667, -72.82861)):
        longitude, latitude = sky_maps.to_galactic([ra], [dec])
        np.testing.assert_allclose(
            (longitude[0], latitude[0]), regions[name].centre, atol=1e-3, err_msg=name
        )
        assert regions["magellanic_clouds"].contains(longitude, latitude).all()
        assert not regions["halo"].contains(longitude, latitude).any()
    assert regions["inner_bulge"].contains(np.zeros(1), np.zeros(1)).all()
    assert regions["halo"].contains(np.array([180.0]), np.array([5.0])).all()
    assert not regions["halo"].contains(np.array([359.0]), np.array([5.0])).any()


def test_every_star_is_in_one_map_of_halo_bulge_and_clouds():
    regions = sky_maps.read_regions(REGIONS)
    longitude, latitude = RNG.uniform(0, 360, 5000), np.degrees(np.arcsin(RNG.uniform(-1, 1, 5000)))
    maps = [regions[name].contains(longitude, latitude) for name in ("halo", "bulge", "lmc", "smc")]
    assert (np.sum(maps, axis=0) == 1).all()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a: {longitude: [10, -10], latitude: [0, 1]}", "longitude"),
        ("a: {centre: [0, 100], radius: 3}", "latitude"),
        ("a: {centre: [0, 10], radius: 0}", "radius"),
        ("a: {without: [b]}", "b"),
    ],
)
def test_a_wrong_region_is_named(tmp_path, text, key):
    (tmp_path / "regions.yaml").write_text(text)
    with pytest.raises(ValueError, match=f"region a: .*{key}"):
        sky_maps.read_regions(tmp_path / "regions.yaml")


@pytest.mark.parametrize(
    ("longitude", "latitude", "key"),
    [
        ((10.0, -10.0), (-3.0, 3.0), "longitude"),
        ((-200.0, 200.0), (-3.0, 3.0), "longitude"),
        ((0.0, 10.0), (3.0, -3.0), "latitude"),
        ((0.0, 10.0), (-91.0, 3.0), "latitude"),
    ],
)
def test_an_impossible_region_is_refused(longitude, latitude, key):
    with pytest.raises(ValueError, match=key):
        SkyRegion(longitude, latitude)


def test_of_several_models_a_star_has_the_first_that_vouches_for_it(tmp_path, monkeypatch):
    stars = pd.DataFrame({"star_id": list("abcd"), "ra": [10.0, 20, 30, 40], "dec": 5.0})
    stars["pulsation_type"] = "RRab"
    first = pd.DataFrame({"star_id": list("dcba"), "feh": -1.0, "status": "ok"})
    first["status"] = ["wrong_pulsation_type", "unlike_training", "ok", "ok"]
    second = pd.DataFrame({"star_id": list("abcd"), "feh": -2.0, "status": "ok"})
    second.loc[0, "status"] = "wrong_pulsation_type"
    files = {}
    for name, table in (("stars", stars), ("first", first), ("second", second)):
        files[name] = str(tmp_path / f"{name}.parquet")
        write_table(table, files[name])
    drawn = {}
    monkeypatch.setattr(sky_maps, "sky_map", lambda *columns, **_: drawn.update(feh=columns[2]))
    of_models = {
        "stars": files["stars"],
        "metallicities": [files["first"], files["second"]],
        "regions": str(REGIONS),
    }
    sky_maps.draw_sky_map(Subject({}, of_models, {"title": "", "region": None}))
    assert drawn["feh"].tolist() == [-1.0, -1.0, -2.0, -2.0]
