"""[Fe/H] of a sample against another of the same stars: star by star, and in numbers.

A side of a comparison is a table of stars and one of their metallicities: those of a model, a
relation, a star list or the literature.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from astropy.coordinates import SkyCoord, angular_separation

from metalyra.core.arrays import Booleans
from metalyra.core.metrics import density_mode, root_mean_squared_error
from metalyra.core.statuses import OK
from metalyra.label.relations import POSSIBLE, Relation, estimate_metallicity
from metalyra.match.crossmatch import match_stars
from metalyra.surveys.formats.literature import normalise_name

_OF_REFERENCE = {"star_id": "reference_id", "feh": "reference_feh", "feh_err": "reference_feh_err"}
_OF_LITERATURE = ("n_spectra", "n_papers", "papers")
_POSITION = ("ra", "dec")


class ComparisonError(ValueError):
    """A comparison that cannot be made; the message says why, step by step."""


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes
    ----------
    title
        What figures and tables call its metallicities.
    stars
        One row a star: `star_id`, `ra`, `dec` (deg), `period` (d), `pulsation_type`, `feh`
        and `feh_err` (dex; NaN where there is none), `in_training`, and what else is known.
    origin
        What the stars are of: a sample, or the literature.
    """

    title: str
    stars: pd.DataFrame
    origin: str


@dataclass(frozen=True)
class Comparison:
    """What `compare_metallicities` returns.

    Attributes
    ----------
    table
        One row a star, those that differ most first: `star_id`, `ra`, `dec` (deg), `period` (d),
        `pulsation_type`, the column that colours it, `feh`, `feh_err`, `reference_id`,
        `separation` (arcsec, NaN if a position is unknown), `reference_feh`,
        `reference_feh_err`, `difference` (dex, the first minus the other), `deviation`
        (in units of both errors, added in quadrature; NaN where one is unknown), `in_training`
        (a model of either side was trained on the star; its value is that of the members that
        have not seen it), `in_calibration` (a relation was calibrated on it, and its value
        knows that) and, of the literature, `n_spectra`, `n_papers` and `papers`.
    steps
        How many stars each step leaves: `side`, `step`, `stars` and `left_out`, the names of
        those of the literature that it leaves out.
    """

    table: pd.DataFrame
    steps: pd.DataFrame


@dataclass
class _Steps:
    """The steps of a comparison, as they are taken."""

    rows: list[tuple[str, str, int, str]] = field(default_factory=list)

    def take(self, side: str, step: str, stars: int, left_out: Sequence[str] = ()) -> None:
        """Note how many stars are left, and say so if none is."""
        self.rows.append((side, step, stars, " ".join(left_out)))
        if not stars:
            told = "; ".join(
                f"{side}: " + ", ".join(f"{number:,} {step}" for step, number in self.of(side))
                for side in dict.fromkeys(row[0] for row in self.rows)
            )
            raise ComparisonError(f"no star is left to compare; {told}")

    def of(self, side: str) -> Iterator[tuple[str, int]]:
        """Give the steps of a side, with the stars that each leaves."""
        yield from ((step, stars) for name, step, stars, _ in self.rows if name == side)

    def table(self) -> pd.DataFrame:
        """Return them as a table."""
        return pd.DataFrame(self.rows, columns=["side", "step", "stars", "left_out"])


def make_side(
    settings: Mapping[str, Any],
    title: str,
    stars: pd.DataFrame,
    fits: pd.DataFrame,
    values: pd.DataFrame | None = None,
    relations: Mapping[str, Relation] | None = None,
    labelling: Mapping[str, Any] | None = None,
) -> Side:
    """Return the side of a comparison that is of a sample.

    Parameters
    ----------
    settings
        `sample` and, of `relation` and `column`, where its metallicities come from; without
        both, from `values`.
    title
        What figures and tables call them.
    stars, fits
        Star table and fits of the sample.
    values
        Its predictions or labels.
    relations, labelling
        Of a relation: its formula by pulsation type, and how it is applied, see
        `metalyra.label.relations.estimate_metallicity`.

    Raises
    ------
    ComparisonError
        If the star list lacks the column.
    """
    if "column" in settings:
        values = _take_column(stars, settings["column"], settings["sample"])
    elif "relation" in settings:
        name = settings["relation"]
        values = estimate_metallicity(fits, stars, name, relations or {}, **(labelling or {}))
    assert values is not None
    values = values.assign(feh=values["feh"].where(values["status"] == OK))
    table = stars.drop(columns=["status", "feh", "feh_err"], errors="ignore")
    for other in (fits, values):
        new = ["star_id", *(name for name in other if name not in table)]
        table = table.merge(other[new], "left", "star_id", validate="one_to_one")
    trained = table.get("in_training", pd.Series(False, table.index)).isin([True])
    return Side(title, table.assign(in_training=trained), f"stars of {settings['sample']}")


def make_literature_side(title: str, stars: pd.DataFrame) -> Side:
    """Return the side of a comparison that is of the literature.

    Parameters
    ----------
    title
        What figures and tables call it.
    stars
        What `metalyra.surveys.formats.literature.read_literature` returns.
    """
    unknown = {"period": np.nan, "pulsation_type": None, "in_training": False}
    missing = {name: value for name, value in unknown.items() if name not in stars}
    return Side(title, stars.assign(**missing), "stars of the tables")


def compare_metallicities(
    of: Side,
    against: Side,
    *,
    by: str,
    radius: float,
    cell_radius: float | None = None,
    pulsation_type: str | None = None,
    cuts: Mapping[str, Sequence[float | None]] | None = None,
    colour: str = "period",
    calibrators: pd.DataFrame | None = None,
) -> Comparison:
    """Join the metallicities of two sides star by star.

    Parameters
    ----------
    of, against
        The sides; differences are the first minus the second.
    by
        How their stars find each other: ``star_id``, ``position`` or ``name``. A match is one
        to one.
    radius, cell_radius
        See `metalyra.match.crossmatch.match_stars`.
    pulsation_type
        Stars of this type alone.
    cuts
        Lowest and highest allowed value, None for no bound, by column of the first side; a
        missing value fails.
    colour
        Column of the first side that is kept for the figure.
    calibrators
        Stars that a relation was calibrated on: `star_id`, `ra`, `dec` (deg). They are told by
        identifier, or by position within the radius.

    Raises
    ------
    ComparisonError
        If a column is unknown, or no star is left; the message has the number of stars that
        each step leaves.
    """
    steps = _Steps()
    first = _select(of, "of", steps)
    if pulsation_type is not None:
        first = first[first["pulsation_type"] == pulsation_type]
        steps.take("of", f"of them {pulsation_type}", len(first))
    for column, (low, high) in (cuts or {}).items():
        values = _numbers(first, column, "cut on", of.origin)
        first = first[values.between(_or(low, -np.inf), _or(high, np.inf))]
        steps.take("of", f"with {column} in [{_or(low, '')}, {_or(high, '')}]", len(first))
    second = _select(against, "against", steps)
    if by == "position":
        placed = second[list(_POSITION)].notna().all(axis=1)
        steps.take("against", "with a position", int(placed.sum()), _names(second[~placed]))
        second = second[placed]
    pairs = _match(first, second, by, radius, cell_radius)
    found = second["star_id"].isin(pairs["reference_id"])
    steps.take("both", f"matched by {by}", len(pairs), _names(second[~found]))
    shown = _numbers(pairs, colour, "colour", of.origin)
    table = pairs.assign(
        **{colour: shown},
        difference=pairs["feh"] - pairs["reference_feh"],
        in_training=pairs["in_training"] | pairs["reference_in_training"],
    )
    table["in_calibration"] = False
    if calibrators is not None:
        table["in_calibration"] = _is_among(table, calibrators, radius)
    errors = np.hypot(*(table[name].to_numpy(float) for name in ("feh_err", "reference_feh_err")))
    table["deviation"] = table["difference"] / np.where(errors > 0, errors, np.nan)
    columns = [
        *("star_id", *_POSITION, "period", "pulsation_type", colour, "feh", "feh_err"),
        *("reference_id", "separation", "reference_feh", "reference_feh_err"),
        *("difference", "deviation", "in_training", "in_calibration"),
        *(name for name in _OF_LITERATURE if name in second),
    ]
    order = table.assign(size=-table["difference"].abs()).sort_values(["size", "star_id"]).index
    return Comparison(
        table.loc[order, [*dict.fromkeys(columns)]].reset_index(drop=True), steps.table()
    )


def join_sides(sides: Iterable[Side]) -> pd.DataFrame:
    """Return the metallicities of several sides, whose stars may be others.

    Returns
    -------
    pandas.DataFrame
        One row a side and star that has a metallicity: `title`, `star_id`, `feh` (dex).

    Raises
    ------
    ComparisonError
        If a side has no metallicity.
    """
    tables = []
    for side in sides:
        stars = _select(side, "of", _Steps())
        tables.append(stars[["star_id", "feh"]].assign(title=side.title))
    return pd.concat(tables, ignore_index=True)[["title", "star_id", "feh"]]


def summarise_distributions(stars: pd.DataFrame) -> pd.DataFrame:
    """Return where the metallicities of several sides lie.

    Parameters
    ----------
    stars
        Of `join_sides`.

    Returns
    -------
    pandas.DataFrame
        One row a side: `title`, the number `n`, and `mean`, `median`, `std` and `mode` (dex);
        the mode as of `metalyra.core.metrics.density_mode`.
    """
    groups = stars.groupby("title", sort=False)["feh"]
    return groups.agg(
        n="size",
        mean="mean",
        median="median",
        std=np.std,
        mode=lambda feh: density_mode(feh.to_numpy(float)),
    ).reset_index()


def summarise_comparison(table: pd.DataFrame) -> pd.DataFrame:
    """Return how two sides agree, one row for all stars and one for each group of them.

    Parameters
    ----------
    table
        Of a `Comparison`.

    Returns
    -------
    pandas.DataFrame
        `stars` (all, a pulsation type if there are both, and in_calibration and
        not_in_calibration if there are both), their number `n`, `n_in_training` and
        `n_in_calibration`; of the differences (dex) `bias_mean`, `bias_median`, `scatter_std`
        (about the mean), `scatter_mad` (1.4826 times the median absolute deviation from the
        median) and `rmse`; Pearson's `pearson_r`; `mode` and `reference_mode`, the maxima
        (dex) of the kernel densities of both sides.
    """
    groups = {"all": pd.Series(True, table.index)}
    for name, column in (
        ("", table["pulsation_type"]),
        ("in_calibration", table["in_calibration"]),
    ):
        parts = {value: column == value for value in sorted(column.dropna().unique())}
        if len(parts) > 1:
            words = {True: name, False: f"not_{name}"}
            groups |= {words.get(value, value): rows for value, rows in parts.items()}
    return pd.DataFrame([{"stars": name, **_measure(table[rows])} for name, rows in groups.items()])


def _measure(table: pd.DataFrame) -> dict[str, float]:
    """Return the numbers of one row of `summarise_comparison`."""
    ours, theirs = table["feh"].to_numpy(float), table["reference_feh"].to_numpy(float)
    difference = ours - theirs
    median = np.median(difference)
    varied = len(table) > 2 and np.ptp(ours) > 0 and np.ptp(theirs) > 0
    return {
        "n": len(table),
        "n_in_training": int(table["in_training"].sum()),
        "n_in_calibration": int(table["in_calibration"].sum()),
        "bias_mean": float(np.mean(difference)),
        "bias_median": float(median),
        "scatter_std": float(np.std(difference)),
        "scatter_mad": float(1.4826 * np.median(np.abs(difference - median))),
        "rmse": root_mean_squared_error(theirs, ours),
        "pearson_r": float(np.corrcoef(ours, theirs)[0, 1]) if varied else np.nan,
        "mode": density_mode(ours),
        "reference_mode": density_mode(theirs),
    }


def _take_column(stars: pd.DataFrame, column: str, sample: str) -> pd.DataFrame:
    """Return the metallicities that a column of a star list has."""
    if column not in stars:
        have = [
            name for name in map(str, stars.select_dtypes("number")) if name.startswith("archive_")
        ]
        raise ComparisonError(
            f"the star list of {sample} has no column {column!r}; of the published ones it has: "
            f"{', '.join(have) or 'none'}"
        )
    feh = pd.to_numeric(stars[column], errors="coerce").astype(float)
    errors = stars.get(f"{column}_err", pd.Series(np.nan, stars.index)).astype(float)
    return pd.DataFrame(
        {
            "star_id": stars["star_id"],
            "feh": feh.where(feh.between(*POSSIBLE)),
            "feh_err": errors.where(errors > 0),
            "status": OK,
        }
    )


def _select(side: Side, name: str, steps: _Steps) -> pd.DataFrame:
    """Return the stars of a side that have a metallicity."""
    steps.take(name, side.origin, len(side.stars))
    stars: pd.DataFrame = side.stars[np.isfinite(side.stars["feh"].to_numpy(float))]
    steps.take(name, f"with [Fe/H] of {side.title}", len(stars))
    return stars.reset_index(drop=True)


def _match(
    first: pd.DataFrame, second: pd.DataFrame, by: str, radius: float, cell_radius: float | None
) -> pd.DataFrame:
    """Return the stars of the first side with those of the second that they are."""
    if by == "position":
        matched = match_stars(
            first.assign(status=OK),
            second.assign(status=OK),
            radius,
            cell_radius=cell_radius,
            periods="own",
        )
        reference = matched["reference_id"]
    elif by == "name":
        known = second.set_index(second["name"].map(normalise_name))["star_id"]
        given = first.get("name", first["star_id"]).fillna(first["star_id"])
        keys = given.map(normalise_name)
        # A name of several stars of a sample tells none of them.
        reference = keys.map(known).mask(keys.duplicated(keep=False))
    else:
        reference = first["star_id"]
    of_both = ("in_training", *_POSITION)
    renamed = {**_OF_REFERENCE, **{name: f"reference_{name}" for name in of_both}}
    kept = [*renamed, *(name for name in _OF_LITERATURE if name in second)]
    own = first.drop(columns=["reference_id", "separation", *_OF_LITERATURE], errors="ignore")
    pairs = own.assign(reference_id=reference.to_numpy()).merge(
        second[kept].rename(columns=renamed), "inner", "reference_id", validate="many_to_one"
    )
    ra, dec, their_ra, their_dec = (
        np.radians(pairs[name].to_numpy(dtype=float))
        for name in (*_POSITION, *(f"reference_{name}" for name in _POSITION))
    )
    return pairs.assign(
        separation=3600 * np.degrees(angular_separation(ra, dec, their_ra, their_dec))
    )


def _is_among(stars: pd.DataFrame, others: pd.DataFrame, radius: float) -> Booleans:
    """Say which stars are among others, by identifier or by position."""
    among: Booleans = stars["star_id"].isin(others["star_id"]).to_numpy(copy=True)
    placed = stars[[*_POSITION]].notna().all(axis=1).to_numpy()
    others = others.dropna(subset=[*_POSITION])
    if placed.any() and len(others):
        ours, theirs = (
            SkyCoord(table["ra"].to_numpy(), table["dec"].to_numpy(), unit="deg")
            for table in (stars[placed], others)
        )
        among[placed] |= ours.match_to_catalog_sky(theirs)[1].arcsec <= radius
    return among


def _numbers(table: pd.DataFrame, column: str, what: str, origin: str) -> pd.Series:
    """Return a column of numbers."""
    numbers = list(map(str, table.select_dtypes(["number", "bool"])))
    if column not in numbers:
        raise ComparisonError(
            f"the {what} {column!r} names no column of numbers of the {origin}; there are "
            f"{', '.join(sorted(numbers))}"
        )
    return table[column].astype(float)


def _names(stars: pd.DataFrame) -> list[str]:
    """Return the names of stars of the literature; of samples, whose lists are long, none."""
    return stars["name"].tolist() if "papers" in stars and "name" in stars else []


def _or(bound: float | None, default: Any) -> Any:
    return default if bound is None else bound
