"""Maps of metallicity on the sky, in Galactic coordinates.

Longitude increases to the left and latitude upwards, as the sky is seen. Few stars are
drawn as points, many as the mean of HEALPix cells.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import astropy.units as u
import numpy as np
import yaml
from astropy.coordinates import SkyCoord
from astropy_healpix import lonlat_to_healpix, nside_to_pixel_resolution
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from metalyra.core.arrays import Floats
from metalyra.core.statuses import OK
from metalyra.products.figures.drawing import Subject, figure
from metalyra.products.figures.style import (
    FEH_COLOURS,
    add_metallicity_bar,
    draw_metallicity_points,
    keep_finite,
    metallicity_scale,
    new_figure,
    say,
    styled,
)

MOST_POINTS = 10_000
"""A map of more stars than this shows the mean of cells."""

_STARS_PER_CELL = 3
_WIDEST_REGION = 60.0
_RADIANS = math.pi / 180


@figure(
    "sky_maps",
    of="sky map",
    reads=("stars", "metallicities", "regions"),
    settings=("title", "region"),
    category="Sky maps",
    product="map",
)
def draw_sky_map(subject: Subject) -> Figure:
    """Draw the metallicities of a sample on the sky."""
    regions = read_regions(str(subject.files["regions"]))
    region = subject.settings["region"]
    metallicities = subject.read("metallicities")
    metallicities = metallicities.loc[metallicities["status"] == OK, ["star_id", "feh"]]
    stars = subject.read("stars")[["star_id", "ra", "dec"]].merge(
        metallicities, on="star_id", validate="one_to_one"
    )
    return sky_map(
        stars["ra"],
        stars["dec"],
        stars["feh"],
        title=subject.settings["title"],
        region=None if region is None else regions[region],
    )


@dataclass(frozen=True)
class SkyRegion:
    """A box in Galactic coordinates (deg); longitudes may be below 0 or beyond 360."""

    longitude: tuple[float, float]
    latitude: tuple[float, float]

    def __post_init__(self) -> None:
        (west, east), (south, north) = self.longitude, self.latitude
        if not 0 < east - west <= 360:
            raise ValueError(
                f"longitude {self.longitude}: need smallest < largest, 360 deg at most"
            )
        if not -90 <= south < north <= 90:
            raise ValueError(f"latitude {self.latitude}: need -90 <= smallest < largest <= 90")

    def contains(self, longitude: Floats, latitude: Floats) -> NDArray[np.bool_]:
        """Return which positions, unwrapped around the region, are in it."""
        (west, east), (south, north) = self.longitude, self.latitude
        return (west <= longitude) & (longitude <= east) & (south <= latitude) & (latitude <= north)

    def unwrap(self, longitude: Floats) -> Floats:
        """Return longitudes within 180 deg of the middle of the region."""
        return unwrap_longitude(longitude, sum(self.longitude) / 2)


ALL_SKY = SkyRegion((-180.0, 180.0), (-90.0, 90.0))


def read_regions(path: Path | str) -> dict[str, SkyRegion]:
    """Read named regions from a YAML file such as resources/sky_regions.yaml."""
    with open(path, encoding="utf-8") as file:
        content: Mapping[str, Mapping[str, list[float]]] = yaml.safe_load(file)
    return {
        name: SkyRegion((west, east), (south, north))
        for name, box in content.items()
        for (west, east), (south, north) in [(box["longitude"], box["latitude"])]
    }


def to_galactic(ra: ArrayLike, dec: ArrayLike) -> tuple[Floats, Floats]:
    """Return Galactic longitude (0 to 360 deg) and latitude of ICRS positions (deg)."""
    galactic = SkyCoord(ra, dec, unit="deg", frame="icrs").galactic
    return galactic.l.deg, galactic.b.deg


def unwrap_longitude(longitude: Floats, centre: float) -> Floats:
    """Return longitudes (deg) within 180 deg of a centre: in (centre - 180, centre + 180]."""
    return centre - (centre - longitude + 180.0) % 360.0 + 180.0


def enclose(longitude: Floats, latitude: Floats) -> SkyRegion:
    """Return the smallest region around all stars, with a margin.

    The region leaves out the widest gap in longitude, so that stars on both sides of
    l = 0 are one group.
    """
    ordered = np.sort(longitude % 360.0)
    gaps = np.diff(ordered, append=ordered[0] + 360.0)
    east = float(ordered[np.argmax(gaps)])
    west = east - (360.0 - float(gaps.max()))
    south, north = float(latitude.min()), float(latitude.max())
    margin = max(0.25, 0.03 * max(east - west, north - south))
    west, east = west - margin, min(east + margin, west - margin + 360.0)
    return SkyRegion((west, east), (max(-90.0, south - margin), min(90.0, north + margin)))


def choose_nside(longitude: Floats, latitude: Floats) -> int:
    """Return the finest HEALPix resolution at which most occupied cells hold several stars.

    Returns
    -------
    int
        A power of 2 between 4 and 512.
    """
    nside = 512
    while nside > 4:
        _, counts = np.unique(_cell_of(longitude, latitude, nside), return_counts=True)
        if np.median(counts) >= _STARS_PER_CELL:
            break
        nside //= 2
    return nside


def average_cells(longitude: Floats, latitude: Floats, feh: Floats, nside: int) -> Floats:
    """Return the mean [Fe/H] of every HEALPix cell, NaN where there is no star.

    Parameters
    ----------
    longitude, latitude : array, shape (n,)
        Galactic coordinates (deg).
    feh : array, shape (n,)
        [Fe/H] (dex).
    nside
        HEALPix resolution; cells are in ring order.

    Returns
    -------
    array, shape (12 nside^2,)
    """
    cell = _cell_of(longitude, latitude, nside)
    size = 12 * nside**2
    counts = np.bincount(cell, minlength=size)
    sums = np.bincount(cell, weights=feh, minlength=size)
    means: Floats = np.divide(sums, counts, out=np.full(size, np.nan), where=counts > 0)
    return means


@styled
def sky_map(
    ra: ArrayLike,
    dec: ArrayLike,
    feh: ArrayLike,
    title: str = "",
    region: SkyRegion | None = None,
) -> Figure:
    """Draw the sky with stars coloured by metallicity.

    After Dékány & Grebel (2022), Figs. 10 and 12.

    Parameters
    ----------
    ra, dec : array, shape (n,)
        Positions (deg, ICRS).
    feh : array, shape (n,)
        [Fe/H] (dex). Stars without position or metallicity are left out.
    title
        Title of the figure.
    region
        The part of the sky to show. By default the part that has stars or, where they
        spread over more than 60 deg, the whole sky in Mollweide's projection.
    """
    ra, dec, feh = keep_finite(ra, dec, feh)
    longitude, latitude = to_galactic(ra, dec)
    if region is None:
        region = enclose(longitude, latitude) if len(feh) else ALL_SKY
        if max(np.ptp(region.longitude), np.ptp(region.latitude)) > _WIDEST_REGION:
            region = ALL_SKY
    longitude = region.unwrap(longitude)
    inside = region.contains(longitude, latitude)
    draw = _draw_all_sky if region == ALL_SKY else _draw_region
    return draw(longitude[inside], latitude[inside], feh[inside], region, title)


def _draw_all_sky(
    longitude: Floats, latitude: Floats, feh: Floats, region: SkyRegion, title: str
) -> Figure:
    """Draw the whole sky in Mollweide's projection, the Galactic centre in the middle."""
    figure = new_figure(7.2, 4.4)
    axes = figure.add_subplot(projection="mollweide")
    figure.suptitle(title, fontsize=10)
    # Matplotlib's longitudes are radians that increase to the right.
    meridians = np.arange(-150, 180, 30)
    axes.set_xticks(np.radians(meridians), labels=[""] * len(meridians))
    axes.set_yticks(np.radians(np.arange(-60, 90, 30)))
    axes.yaxis.set_major_formatter(lambda tick, _: rf"${math.degrees(tick):.0f}\degree$")
    axes.tick_params(axis="y", labelsize=8)
    axes.grid(color="0.8", linewidth=0.5)
    axes.set_axisbelow(True)
    for meridian in meridians:
        label = axes.text(
            math.radians(meridian),
            math.radians(-60),
            rf"${-meridian % 360}\degree$",
            ha="center",
            va="center",
            fontsize=7.5,
            zorder=5,
        )
        # The labels lie among the stars, but away from the plane, where most of them are.
        label.set_path_effects([withStroke(linewidth=2.2, foreground="white")])
    if not len(feh):
        say(axes)
        return figure
    scale = _draw_stars(axes, longitude, latitude, feh, region, (-_RADIANS, _RADIANS))
    axes.text(1.0, 0.0, _count(feh), transform=axes.transAxes, ha="right", fontsize=8)
    add_metallicity_bar(figure, axes, scale, location="bottom", shrink=0.55, aspect=35, pad=0.04)
    return figure


def _draw_region(
    longitude: Floats, latitude: Floats, feh: Floats, region: SkyRegion, title: str
) -> Figure:
    """Draw a part of the sky with equal scales along both axes at its middle."""
    (west, east), (south, north) = region.longitude, region.latitude
    shrink = math.cos(math.radians((south + north) / 2))
    height = 6.4 * (north - south) / ((east - west) * shrink)
    figure = new_figure(7.2, float(np.clip(height, 1.4, 6.5)) + 1.5, layout="compressed")
    axes = figure.add_subplot()
    axes.set(
        title=title,
        xlabel="Galactic longitude $l$ (deg)",
        ylabel="Galactic latitude $b$ (deg)",
        xlim=(east, west),
        ylim=(south, north),
        aspect=1 / shrink,
    )
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    if west >= 0:
        axes.xaxis.set_major_formatter(lambda tick, _: f"{tick % 360:g}")
    if not len(feh):
        say(axes)
        return figure
    scale = _draw_stars(axes, longitude, latitude, feh, region, (1.0, 1.0))
    axes.set_title(_count(feh), loc="right", fontsize=8)
    add_metallicity_bar(figure, axes, scale, location="bottom", shrink=0.55, aspect=35)
    return figure


def _draw_stars(
    axes: Axes,
    longitude: Floats,
    latitude: Floats,
    feh: Floats,
    region: SkyRegion,
    units: tuple[float, float],
) -> Normalize:
    """Draw points or the mean of cells, and return the colour scale.

    `units` are what one degree of longitude and latitude is on the axes.
    """
    if len(feh) <= MOST_POINTS:
        scale = metallicity_scale(feh)
        draw_metallicity_points(axes, longitude * units[0], latitude * units[1], feh, scale)
        return scale
    nside = choose_nside(longitude, latitude)
    means = average_cells(longitude, latitude, feh, nside)
    scale = metallicity_scale(means[np.isfinite(means)])
    # A small part of a cell, so that the outlines of the cells are seen as they are.
    step = max(nside_to_pixel_resolution(nside).to_value(u.deg) / 6, np.ptp(region.longitude) / 900)
    edges = [
        np.linspace(low, high, math.ceil((high - low) / step) + 1)
        for low, high in (region.longitude, region.latitude)
    ]
    longitudes, latitudes = np.meshgrid(*[(edge[1:] + edge[:-1]) / 2 for edge in edges])
    axes.pcolormesh(
        edges[0] * units[0],
        edges[1] * units[1],
        means[_cell_of(longitudes, latitudes, nside)],
        cmap=FEH_COLOURS,
        norm=scale,
    )
    return scale


def _cell_of(longitude: Floats, latitude: Floats, nside: int) -> NDArray[np.int64]:
    """Return the HEALPix cell, in ring order, of each position (deg)."""
    cell: NDArray[np.int64] = lonlat_to_healpix(
        longitude * u.deg, latitude * u.deg, nside, order="ring"
    )
    return cell


def _count(feh: Floats) -> str:
    return f"{len(feh):,} stars"
