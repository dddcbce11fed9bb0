"""Maps of metallicity on the sky, in Galactic coordinates.

Longitude increases to the left and latitude upwards, as the sky is seen. Few stars are
drawn as points, many as the mean of HEALPix cells with the number of stars in each beside it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import astropy.units as u
import numpy as np
import yaml
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from astropy_healpix import lonlat_to_healpix, nside_to_pixel_resolution
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure, FigureBase
from matplotlib.patches import Polygon
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogFormatter, MaxNLocator
from numpy.typing import ArrayLike, NDArray

from metalyra.core.arrays import Floats
from metalyra.core.statuses import OK
from metalyra.products.figures.drawing import Subject, figure
from metalyra.products.figures.style import (
    FEH_COLOURS,
    FEH_LABEL,
    add_metallicity_bar,
    count_stars,
    draw_metallicity_points,
    explain_marks,
    find_finite,
    keep_finite,
    new_figure,
    scale_of_means,
    styled,
)

MOST_POINTS = 5_000
"""A map of more stars than this shows the mean of cells."""

NUMBER_COLOURS = ListedColormap(colormaps["viridis_r"](np.linspace(0.08, 1.0, 256)), "number")
"""Colours of numbers of stars: perceptually uniform, the darker the more."""

_STARS_PER_CELL = 5
_WIDEST_REGION = 60.0
_MOST_STEPS = 900


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
    if region not in (None, *regions):
        raise ValueError(f"unknown region {region!r} of the sky; allowed: {', '.join(regions)}")
    metallicities = subject.read("metallicities")
    metallicities = metallicities.loc[metallicities["status"] == OK, ["star_id", "feh"]]
    # Of several models, whose files come one after the other, the first.
    metallicities = metallicities.drop_duplicates("star_id")
    stars = subject.read("stars")[["star_id", "ra", "dec", "pulsation_type"]].merge(
        metallicities, on="star_id", validate="one_to_one"
    )
    return sky_map(
        stars["ra"],
        stars["dec"],
        stars["feh"],
        title=subject.settings["title"] or subject.title,
        region=None if region is None else regions[region],
        types=stars["pulsation_type"].fillna("").to_numpy(object),
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
        """Return which positions are in it."""
        (west, east), (south, north) = self.longitude, self.latitude
        longitude = self.unwrap(longitude)
        return (west <= longitude) & (longitude <= east) & (south <= latitude) & (latitude <= north)

    def unwrap(self, longitude: Floats) -> Floats:
        """Return longitudes within 180 deg of the middle of the region."""
        return unwrap_longitude(longitude, sum(self.longitude) / 2)


@dataclass(frozen=True)
class SkyCircle:
    """A circle around a position in Galactic coordinates (deg)."""

    centre: tuple[float, float]
    radius: float

    def __post_init__(self) -> None:
        if not -90 <= self.centre[1] <= 90:
            raise ValueError(f"centre {self.centre}: need a latitude from -90 to 90")
        if not 0 < self.radius <= 90:
            raise ValueError(f"radius {self.radius}: need more than 0 and 90 deg at most")

    def contains(self, longitude: Floats, latitude: Floats) -> NDArray[np.bool_]:
        """Return which positions are in it."""
        across, height = np.radians(longitude - self.centre[0]), np.radians(latitude)
        middle = math.radians(self.centre[1])
        haversine = (
            np.sin((height - middle) / 2) ** 2
            + math.cos(middle) * np.cos(height) * np.sin(across / 2) ** 2
        )
        within: NDArray[np.bool_] = haversine <= math.sin(math.radians(self.radius) / 2) ** 2
        return within


@dataclass(frozen=True)
class SkyRemainder:
    """All of the sky but some regions."""

    without: tuple[SkyRegion | SkyCircle, ...]

    def contains(self, longitude: Floats, latitude: Floats) -> NDArray[np.bool_]:
        """Return which positions are in it."""
        outside = [~region.contains(longitude, latitude) for region in self.without]
        every: NDArray[np.bool_] = np.all(outside, axis=0)
        return every


AnyRegion = SkyRegion | SkyCircle | SkyRemainder

ALL_SKY = SkyRegion((-180.0, 180.0), (-90.0, 90.0))

BULGE = SkyRegion((-12.0, 12.0), (-12.0, 12.0))
"""The part of the whole sky that is also shown larger."""


def read_regions(path: Path | str) -> dict[str, AnyRegion]:
    """Read named regions from a YAML file such as resources/sky_regions.yaml.

    Raises
    ------
    ValueError
        If one is none; the message names it.
    """
    with open(path, encoding="utf-8") as file:
        content: Mapping[str, Mapping[str, Any]] = yaml.safe_load(file)
    regions: dict[str, AnyRegion] = {}
    for name, entry in content.items():
        try:
            regions[name] = _make_region(entry, regions)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: region {name}: {error}") from error
    return regions


def _make_region(entry: Mapping[str, Any], before: Mapping[str, AnyRegion]) -> AnyRegion:
    """Return a region; `before` are those that it may leave out."""
    if "without" in entry:
        parts = [before[name] for name in entry["without"]]
        return SkyRemainder(tuple(part for part in parts if not isinstance(part, SkyRemainder)))
    if "centre" in entry:
        longitude, latitude = entry["centre"]
        return SkyCircle((longitude, latitude), entry["radius"])
    (west, east), (south, north) = entry["longitude"], entry["latitude"]
    return SkyRegion((west, east), (south, north))


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


def choose_region(longitude: Floats, latitude: Floats) -> SkyRegion:
    """Return the part of the sky to be shown: that of the stars or, if they spread, the whole."""
    region = enclose(longitude, latitude) if len(longitude) else ALL_SKY
    widest = max(np.ptp(region.longitude), np.ptp(region.latitude))
    return ALL_SKY if widest > _WIDEST_REGION else region


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


class Cells(NamedTuple):
    """What HEALPix cells, in ring order, hold."""

    means: Floats
    """Mean [Fe/H] (dex), NaN where there is no star; shape (12 nside^2,)."""

    counts: NDArray[np.int64]
    """Number of stars; of the same shape."""


def average_cells(longitude: Floats, latitude: Floats, feh: Floats, nside: int) -> Cells:
    """Return the mean [Fe/H] and the number of stars of every HEALPix cell.

    Parameters
    ----------
    longitude, latitude : array, shape (n,)
        Galactic coordinates (deg).
    feh : array, shape (n,)
        [Fe/H] (dex).
    nside
        HEALPix resolution.
    """
    cell = _cell_of(longitude, latitude, nside)
    size = 12 * nside**2
    counts = np.bincount(cell, minlength=size)
    sums = np.bincount(cell, weights=feh, minlength=size)
    return Cells(np.divide(sums, counts, out=np.full(size, np.nan), where=counts > 0), counts)


@styled
def sky_map(
    ra: ArrayLike,
    dec: ArrayLike,
    feh: ArrayLike,
    title: str = "",
    region: AnyRegion | None = None,
    types: ArrayLike | None = None,
) -> Figure:
    """Draw the sky with stars coloured by metallicity.

    After Dékány & Grebel (2022), Figs. 10 and 12. More than `MOST_POINTS` stars are shown as
    the mean of HEALPix cells, with the number of stars in each beside it.

    Parameters
    ----------
    ra, dec : array, shape (n,)
        Positions (deg, ICRS).
    feh : array, shape (n,)
        [Fe/H] (dex). Stars without position or metallicity are left out.
    title
        Title of the figure, which has the number of stars as well.
    region
        The part of the sky to show. By default the part that has stars or, where they
        spread over more than 60 deg, the whole sky in Mollweide's projection, with the bulge
        beside it if it has stars.
    types : array of str, shape (n,), optional
        Pulsation types, which have their own marks.
    """
    known = find_finite(ra, dec, feh)
    kinds = None if types is None else np.asarray(types, dtype=object)[known]
    ra, dec, feh = keep_finite(ra, dec, feh)
    longitude, latitude = to_galactic(ra, dec)
    if region is None:
        region = choose_region(longitude, latitude)
    inside = region.contains(longitude, latitude)
    longitude, latitude, feh = longitude[inside], latitude[inside], feh[inside]
    kinds = None if kinds is None else kinds[inside]
    view = _choose_view(region)
    panels = 2 if len(feh) > MOST_POINTS else 1
    in_bulge = BULGE.contains(longitude, latitude)
    has_bulge = region == ALL_SKY and bool(in_bulge.any())
    figure = view.make_figure(panels)
    halves: Sequence[FigureBase] = [figure]
    if has_bulge:
        figure.set_figwidth(1.4 * figure.get_figwidth())
        halves = list(figure.subfigures(1, 2, squeeze=False, width_ratios=[5, 2])[0])
    places = [view.add_axes(halves[0], panels, number) for number in range(panels)]
    shown = [(halves[0], places, view, np.full(len(feh), True))]
    if has_bulge:
        close = _BoxView(BULGE)
        inner = [close.add_axes(halves[1], panels, number) for number in range(panels)]
        inner[0].set_title("bulge")
        for axes in places:
            _frame_bulge(axes)
        shown.append((halves[1], inner, close, in_bulge))
    number = count_stars(len(feh), kinds)
    heading = f"{title}: {number}" if title else number
    if not len(feh):
        middle: dict[str, Any] = {"transform": places[0].transAxes, "ha": "center", "va": "center"}
        places[0].text(0.5, 0.5, "no stars", fontsize=14, color="0.45", **middle)
    elif panels == 1:
        for half, [axes], part, rows in shown:
            some = None if kinds is None else kinds[rows]
            places_of = part.project(longitude[rows], latitude[rows])
            draw_metallicity_points(axes, *places_of, feh[rows], some)
            if part is view:
                add_metallicity_bar(half, axes, **part.bar)
        if kinds is not None:
            explain_marks(figure, kinds, loc="outside lower left", ncols=3)
    else:
        averaged = [_average(longitude[rows], latitude[rows], feh[rows]) for *_, rows in shown]
        whole, nside = averaged[0]
        heading += f", cells of {nside_to_pixel_resolution(nside).to_value(u.deg):.2g} deg"
        scale = scale_of_means(whole.means[np.isfinite(whole.means)])
        for (half, parts, part, _), of_part in zip(shown, averaged, strict=True):
            _draw_cells(half, parts, part, *of_part, scale, has_bar=part is view)
    figure.suptitle(heading, fontsize=10)
    return figure


def _average(longitude: Floats, latitude: Floats, feh: Floats) -> tuple["Cells", int]:
    """Return the means of cells of the size that suits the stars, and their nside."""
    nside = choose_nside(longitude, latitude)
    return average_cells(longitude, latitude, feh, nside), nside


def _draw_cells(
    figure: FigureBase,
    places: Sequence[Axes],
    view: "_View",
    cells: "Cells",
    nside: int,
    scale: Normalize,
    *,
    has_bar: bool,
) -> None:
    """Draw the mean [Fe/H] of cells, and the number of stars in them."""
    # A small part of a cell, so that the outlines of the cells are seen as they are.
    step = nside_to_pixel_resolution(nside).to_value(u.deg) / 6
    x, y, longitude, latitude = view.sample(step)
    cell = _cell_of(longitude, latitude, nside)
    shown = view.region.contains(longitude, latitude)
    occupied = cells.counts > 0
    means = np.where(shown, cells.means[cell], np.nan)
    places[0].pcolormesh(x, y, means, cmap=FEH_COLOURS, norm=scale, rasterized=True)
    if has_bar:
        add_metallicity_bar(figure, places[0], scale, label=f"Mean {FEH_LABEL}", **view.bar)
    most = max(2, int(cells.counts.max()))
    counts = np.where(shown & occupied[cell], cells.counts[cell], np.nan)
    mesh = places[1].pcolormesh(x, y, counts, cmap=NUMBER_COLOURS, norm=LogNorm(1, most))
    bar = figure.colorbar(mesh, ax=places[1], label="stars per cell", **view.bar)
    bar.formatter = LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.5))
    bar.update_ticks()


def _frame_bulge(axes: Axes) -> None:
    """Draw where the bulge, which is shown beside it, is on the whole sky."""
    (west, east), (south, north) = BULGE.longitude, BULGE.latitude
    corners = np.radians([[west, south], [east, south], [east, north], [west, north]])
    axes.add_patch(Polygon(corners, closed=True, fill=False, edgecolor="0.25", linewidth=0.8))


class _View(Protocol):
    """How a part of the sky is laid on axes."""

    @property
    def region(self) -> AnyRegion:
        """Return the part of the sky."""

    @property
    def bar(self) -> Mapping[str, Any]:
        """Return where the colour bar of its axes is."""

    def make_figure(self, panels: int) -> Figure:
        """Return an empty figure for so many panels."""

    def add_axes(self, figure: FigureBase, panels: int, number: int) -> Axes:
        """Add the axes of a panel."""

    def project(self, longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
        """Return the places of positions (deg) on the axes."""

    def sample(self, step: float) -> tuple[Floats, Floats, Floats, Floats]:
        """Return edges along both axes, and the positions (deg) between them."""


def _choose_view(region: AnyRegion) -> _View:
    if isinstance(region, SkyCircle):
        return _CircleView(region)
    if isinstance(region, SkyRemainder) or region == ALL_SKY:
        return _WholeView(region)
    return _BoxView(region)


def _edges(low: float, high: float, step: float) -> Floats:
    """Return edges a step apart, or more where they would be too many."""
    step = max(step, (high - low) / _MOST_STEPS)
    return np.linspace(low, high, math.ceil((high - low) / step) + 1)


def _middles(edges: Floats) -> Floats:
    middles: Floats = (edges[1:] + edges[:-1]) / 2
    return middles


@dataclass(frozen=True)
class _WholeView:
    """The whole sky in Mollweide's projection, the Galactic centre in the middle."""

    region: SkyRegion | SkyRemainder
    bar: Mapping[str, Any] = field(
        default_factory=lambda: {"location": "bottom", "shrink": 0.55, "aspect": 35, "pad": 0.04}
    )

    def make_figure(self, panels: int) -> Figure:
        return new_figure(7.2, 0.3 + 4.3 * panels)

    def add_axes(self, figure: FigureBase, panels: int, number: int) -> Axes:
        axes = figure.add_subplot(panels, 1, number + 1, projection="mollweide")
        # Matplotlib's longitudes are radians that increase to the right.
        meridians = np.arange(-150, 180, 30)
        axes.set_xticks(np.radians(meridians), labels=[""] * len(meridians))
        axes.set_yticks(np.radians(np.arange(-60, 90, 30)))
        axes.yaxis.set_major_formatter(lambda tick, _: rf"${math.degrees(tick):.0f}\degree$")
        axes.tick_params(axis="y", labelsize=8)
        axes.set_xlabel("Galactic longitude $l$, latitude $b$", labelpad=2)
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
        return axes

    def project(self, longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
        return -np.radians(unwrap_longitude(longitude, 0.0)), np.radians(latitude)

    def sample(self, step: float) -> tuple[Floats, Floats, Floats, Floats]:
        x, y = _edges(-180.0, 180.0, step), _edges(-90.0, 90.0, step)
        longitude, latitude = np.meshgrid(-_middles(x), _middles(y))
        return np.radians(x), np.radians(y), longitude, latitude


@dataclass(frozen=True)
class _BoxView:
    """A box with equal scales along both axes at its middle."""

    region: SkyRegion
    bar: Mapping[str, Any] = field(
        default_factory=lambda: {"location": "bottom", "shrink": 0.55, "aspect": 35}
    )

    @property
    def _shrink(self) -> float:
        return math.cos(math.radians(sum(self.region.latitude) / 2))

    def make_figure(self, panels: int) -> Figure:
        (west, east), (south, north) = self.region.longitude, self.region.latitude
        height = float(np.clip(6.4 * (north - south) / ((east - west) * self._shrink), 1.4, 6.5))
        return new_figure(7.2, 0.2 + (height + 1.3) * panels, layout="compressed")

    def add_axes(self, figure: FigureBase, panels: int, number: int) -> Axes:
        (west, east), (south, north) = self.region.longitude, self.region.latitude
        axes = figure.add_subplot(panels, 1, number + 1)
        axes.set(
            xlabel="Galactic longitude $l$ (deg)",
            ylabel="Galactic latitude $b$ (deg)",
            xlim=(east, west),
            ylim=(south, north),
            aspect=1 / self._shrink,
        )
        axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        if west >= 0:
            axes.xaxis.set_major_formatter(lambda tick, _: f"{tick % 360:g}")
        return axes

    def project(self, longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
        return self.region.unwrap(longitude), latitude

    def sample(self, step: float) -> tuple[Floats, Floats, Floats, Floats]:
        x, y = _edges(*self.region.longitude, step), _edges(*self.region.latitude, step)
        longitude, latitude = np.meshgrid(_middles(x), _middles(y))
        return x, y, longitude, latitude


@dataclass(frozen=True)
class _CircleView:
    """A circle in the zenithal equal-area projection around its centre; axes in degrees."""

    region: SkyCircle
    bar: Mapping[str, Any] = field(
        default_factory=lambda: {"location": "bottom", "shrink": 0.8, "aspect": 30}
    )

    @property
    def _projection(self) -> WCS:
        """Return the projection, of which a pixel is a degree and the first one the centre."""
        projection = WCS(naxis=2)
        projection.wcs.ctype = ["GLON-ZEA", "GLAT-ZEA"]
        projection.wcs.crval = self.region.centre
        projection.wcs.crpix = [1.0, 1.0]
        projection.wcs.cdelt = [-1.0, 1.0]
        return projection

    @property
    def _reach(self) -> float:
        """Return the distance of the circle from its centre in the projection (deg)."""
        return math.degrees(2 * math.sin(math.radians(self.region.radius) / 2))

    def make_figure(self, panels: int) -> Figure:
        return new_figure(4.4 * panels + 0.4, 5.4, layout="compressed")

    def add_axes(self, figure: FigureBase, panels: int, number: int) -> Axes:
        axes: Axes = figure.add_subplot(1, panels, number + 1, projection=self._projection)
        reach = 1.02 * self._reach
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        coordinates = axes.coords  # type: ignore[attr-defined]
        for coordinate, label in zip(coordinates, ("longitude $l$", "latitude $b$"), strict=True):
            coordinate.set_axislabel(f"Galactic {label} (deg)")
            coordinate.set_major_formatter("d", show_decimal_unit=False)
            coordinate.grid(color="0.75", linewidth=0.5, zorder=0)
        return axes

    def project(self, longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
        x, y = self._projection.world_to_pixel_values(longitude, latitude)
        return x, y

    def sample(self, step: float) -> tuple[Floats, Floats, Floats, Floats]:
        edges = _edges(-self._reach, self._reach, step)
        across, up = np.meshgrid(_middles(edges), _middles(edges))
        longitude, latitude = self._projection.pixel_to_world_values(across, up)
        return edges, edges, longitude, latitude


def _cell_of(longitude: Floats, latitude: Floats, nside: int) -> NDArray[np.int64]:
    """Return the HEALPix cell, in ring order, of each position (deg)."""
    cell: NDArray[np.int64] = lonlat_to_healpix(
        longitude * u.deg, latitude * u.deg, nside, order="ring"
    )
    return cell
