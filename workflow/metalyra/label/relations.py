"""Metallicity from light-curve parameters, by the published relations.

The relations are data, in ``resources/relations.yaml``: all are linear in the period and
the Fourier parameters, so that errors propagate through the covariances of the parameters
and of the coefficients. With the intrinsic scatter of the relation they add up to the one
error of a label.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
import yaml

from metalyra.core.arrays import Floats
from metalyra.core.phase_differences import wrap_around
from metalyra.core.tables import order_as

AS_PUBLISHED = "as_published"
"""Label of a sample whose [Fe/H] came with its star list; it has no formula."""

FEATURES = (
    *("period", "a1", "a2", "phi31"),
    *("amplitude", "a3", "a4", "a5", "a6", "phi21", "phi41", "phi51", "phi61"),
)
"""Light-curve parameters a relation may use."""

POSSIBLE = (-5.0, 1.5)
"""[Fe/H] (dex) that a star may have; others, such as -99, stand for an unknown one."""

ParameterSource = Literal["own", "archive"]

PARAMETER_SOURCES = get_args(ParameterSource)
"""Where the light-curve parameters of a label, or its A_2 alone, may come from."""

Phi31Source = Literal["own", "archive", "archive_only"]

PHI31_SOURCES = get_args(Phi31Source)
"""Where the phi31 of a label may come from."""

NO_ARCHIVE_PHI31 = "no_archive_phi31"
"""Status of a star whose label needs a phi31 that the archive does not have."""

_SOURCE = "source"  # the only key of a relation that is no pulsation type


@dataclass(frozen=True)
class Relation:
    """A linear relation for one pulsation type in one band.

    Attributes
    ----------
    band
        Band of the light curves it was calibrated on.
    series
        'sine' or 'cosine': the Fourier series of its phi31.
    phi31_centre
        Centre (rad) of the 2 pi window of its phi31.
    intercept
        [Fe/H] (dex) where all parameters vanish.
    coefficients
        dex per day, magnitude or radian.
    scatter
        Intrinsic scatter (dex) of [Fe/H] about the relation, without the errors of the
        spectra and of the light curves; None where unknown.
    residual_scatter
        Standard deviation (dex) of the calibrators' residuals, those errors included;
        None where unknown. It is no part of any error.
    errors
        Standard errors of the ``intercept`` and the coefficients, where only these are
        known: they count as independent.
    covariance
        (p + 1, p + 1) covariance of the intercept and the p coefficients where it is
        known, in the order of `FEATURES` whatever that of the coefficients.
    """

    band: str
    series: str
    phi31_centre: float
    intercept: float
    coefficients: Mapping[str, float]
    scatter: float | None
    residual_scatter: float | None = None
    errors: Mapping[str, float] | None = None
    covariance: Sequence[Sequence[float]] | None = None

    def __post_init__(self) -> None:
        if self.series not in ("sine", "cosine"):
            raise ValueError(f"series is {self.series!r}; it must be 'sine' or 'cosine'")
        unknown = set(self.coefficients) - set(FEATURES)
        if unknown:
            raise ValueError(f"unknown parameters {sorted(unknown)}; allowed: {FEATURES}")
        names = ["intercept", *self.features]
        foreign = [name for name in self.features if name.startswith("phi") and name != "phi31"]
        if self.series == "cosine" and foreign:
            raise ValueError(f"{', '.join(foreign)} of the cosine series is not converted to ours")
        if self.errors is not None and self.covariance is not None:
            raise ValueError("a relation has errors or a covariance of its coefficients, not both")
        if self.errors is not None and set(self.errors) != set(names):
            raise ValueError(f"errors are of {sorted(self.errors)}; there must be those of {names}")
        shape = (len(names), len(names))
        if self.covariance is not None and np.shape(self.covariance) != shape:
            raise ValueError(f"the covariance is not {shape}, that of {names}")

    @property
    def features(self) -> tuple[str, ...]:
        """Its light-curve parameters, in the order of `FEATURES`."""
        return tuple(name for name in FEATURES if name in self.coefficients)

    def estimate(self, fits: pd.DataFrame) -> tuple[Floats, Floats]:
        """Return [Fe/H] (dex) and its error of fits with the columns of the data model.

        The error is that of the light-curve parameters alone, with the covariances that the
        fits have, those of a1, a2 and phi31; others count as independent, and the period as
        exact.

        Parameters
        ----------
        fits
            The parameters (sine series), their errors and covariances; n rows.

        Returns
        -------
        feh, feh_err : (n,)

        See Also
        --------
        coefficient_error : the error of the relation itself.
        """
        feh = np.full(len(fits), self.intercept)
        for name, coefficient in self.coefficients.items():
            feh += coefficient * self._parameter(fits, name)
        measured = [name for name in self.coefficients if name != "period"]
        variance = np.zeros(len(fits))
        for first in measured:
            for second in measured:
                if first == second:
                    covariance = fits[f"{first}_err"].to_numpy(float) ** 2
                else:
                    low, high = sorted((first, second))
                    known = fits.get(f"cov_{low}_{high}")
                    covariance = np.zeros(len(fits)) if known is None else known.to_numpy(float)
                variance += self.coefficients[first] * self.coefficients[second] * covariance
        return feh, np.sqrt(np.maximum(variance, 0.0))

    def coefficient_error(self, fits: pd.DataFrame) -> Floats:
        """Return the error (n,) of [Fe/H] (dex) by those of the coefficients; 0 if unknown.

        Parameters
        ----------
        fits
            See `estimate`.
        """
        design = np.column_stack(
            [np.ones(len(fits)), *(self._parameter(fits, name) for name in self.features)]
        )
        if self.errors is not None:
            scaled = design * [self.errors[name] for name in ("intercept", *self.features)]
            independent: Floats = np.sqrt(np.sum(scaled**2, axis=1))
            return independent
        if self.covariance is not None:
            variance = np.sum(design @ np.array(self.covariance, float) * design, axis=1)
            joint: Floats = np.sqrt(np.maximum(variance, 0.0))
            return joint
        return np.zeros(len(fits))

    def _parameter(self, fits: pd.DataFrame, name: str) -> Floats:
        values = fits[name].to_numpy(float)
        if name != "phi31":
            return values
        # cos(x) = sin(x + pi/2): phi_31 of the two series differ by pi.
        return wrap_around(values - np.pi * (self.series == "cosine"), self.phi31_centre)


def read_relations(*paths: Path | str) -> dict[str, dict[str, Relation]]:
    """Read the relations of one or more files: by name, then by pulsation type."""
    relations = {}
    for path in paths:
        sections = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        for name, section in sections.items():
            relations[name] = {
                pulsation_type: Relation(**entry)
                for pulsation_type, entry in section.items()
                if pulsation_type != _SOURCE
            }
    return relations


def scatter_of(
    relations: Mapping[str, Mapping[str, Relation]], name: str, pulsation_type: str
) -> float:
    """Return the intrinsic scatter (dex) of a relation for a type; NaN where it is unknown."""
    relation = relations.get(name, {}).get(pulsation_type)
    scatter = None if relation is None else relation.scatter
    return np.nan if scatter is None else scatter


def estimate_metallicity(
    fits: pd.DataFrame,
    stars: pd.DataFrame,
    name: str,
    relations: Mapping[str, Relation],
    *,
    phi31: Phi31Source = "own",
    a2: ParameterSource = "own",
    parameters: ParameterSource = "own",
    scatter: bool = False,
    band: str | None = None,
    other_band: bool = False,
) -> pd.DataFrame:
    """Label the stars of a sample with the [Fe/H] of a relation.

    Parameters
    ----------
    fits
        Fits of the sample, one row for every star, in any order.
    stars
        ``star_id`` and ``pulsation_type``; gives the order of the rows.
    name
        Name of the relation, which travels with the labels.
    relations
        The relation for each pulsation type.
    phi31
        "own": of our fit; "archive": of the star list where it has one, else of our fit;
        "archive_only": of the star list, and stars without one have no label.
    a2
        "own": of our fit; "archive": of the star list where it has one, else of our fit; see
        `take_archive_a2`.
    parameters
        "own": of our fit; "archive": all those of the star list, for stars that it has them of;
        see `take_archive_parameters`.
    scatter
        Whether the errors by which labels are cut and weighted in a training include the
        scatter of the relation, as those of Muraveva et al. (2025) do.
    band
        Band of the light curves; None to believe that it is the relation's.
    other_band
        Whether a relation for another band is applied all the same; the reason of the
        stars says so.

    Returns
    -------
    pandas.DataFrame
        ``star_id, pulsation_type, relation, feh, feh_err, feh_err_light_curve,
        feh_err_relation, training_err, label_phi31_err, status, reason``, errors in dex: `feh_err`
        is the whole
        error, the light curve's and the relation's in quadrature, the latter of its
        coefficients and its scatter (both NaN where no scatter is known); `training_err`
        that of light curve and coefficients and, with `scatter`, the scatter; `label_phi31_err`
        (rad) is that of the phi31 that the label was made of. Stars of a type without a relation
        get ``no_relation``, those without the archive's phi31 where only that is taken
        ``no_archive_phi31``; `reason` is a caveat, or empty.

    Raises
    ------
    ValueError
        If `phi31`, `a2` or `parameters` is unknown or asks for what the star list does not have,
        a relation has no scatter where it is asked for, or is for another band.
    """
    ordered = _take_parameters(fits, stars, phi31, a2, parameters)
    types = stars["pulsation_type"].to_numpy()
    feh, light_curve, coefficients, intrinsic = np.full((4, len(stars)), np.nan)
    status = ordered["status"].to_numpy(dtype=object, copy=True)
    if phi31 == "archive_only":
        needy = [name for name, relation in relations.items() if "phi31" in relation.features]
        lacking = ~np.isfinite(stars["archive_phi31"].to_numpy(float)) & np.isin(types, needy)
        status[lacking & (status == "ok")] = NO_ARCHIVE_PHI31
    reason = np.full(len(stars), "", dtype=object)
    fitted = status == "ok"
    for pulsation_type, relation in relations.items():
        if band not in (None, relation.band):
            caveat = (
                f"the relation {name} for {pulsation_type} is for band {relation.band}, the "
                f"light curves are in {band}"
            )
            if not other_band:
                raise ValueError(f"{caveat}; allow it with labelling: {{other_band: true}}")
            reason[fitted & (types == pulsation_type)] = caveat
        if scatter and relation.scatter is None:
            raise ValueError(f"the relation {name} for {pulsation_type} has no known scatter")
        rows = fitted & (types == pulsation_type)
        feh[rows], light_curve[rows] = relation.estimate(ordered.loc[rows])
        coefficients[rows] = relation.coefficient_error(ordered.loc[rows])
        intrinsic[rows] = np.nan if relation.scatter is None else relation.scatter
    status[fitted & ~np.isin(types, list(relations))] = "no_relation"
    of_relation = np.hypot(coefficients, intrinsic)
    return pd.DataFrame(
        {
            "star_id": stars["star_id"].to_numpy(),
            "pulsation_type": types,
            "relation": name,
            "feh": feh,
            "feh_err": np.hypot(light_curve, of_relation),
            "feh_err_light_curve": light_curve,
            "feh_err_relation": of_relation,
            "training_err": np.hypot(light_curve, of_relation if scatter else coefficients),
            "label_phi31_err": ordered["phi31_err"].where(np.isfinite(feh)).to_numpy(dtype=float),
            "status": status,
            "reason": reason,
        }
    )


def _take_parameters(
    fits: pd.DataFrame, stars: pd.DataFrame, phi31: str, a2: str, parameters: str
) -> pd.DataFrame:
    """Return the fits in the order of the stars, with the parameters that come from the archive."""
    for key, value, allowed in (
        ("phi31", phi31, PHI31_SOURCES),
        ("a2", a2, PARAMETER_SOURCES),
        ("parameters", parameters, PARAMETER_SOURCES),
    ):
        if value not in allowed:
            raise ValueError(f"{key} is {value!r}; allowed are {', '.join(allowed)}")
    ordered = order_as(fits, stars)
    if phi31 != "own":
        ordered = take_archive_phi31(ordered, stars)
    if a2 == "archive":
        ordered = take_archive_a2(ordered, stars)
    if parameters == "archive":
        ordered = take_archive_parameters(ordered, stars)
    return ordered


def take_archive_phi31(fits: pd.DataFrame, stars: pd.DataFrame) -> pd.DataFrame:
    """Return fits with the archive's phi31 where it has one.

    Its error is the archive's too, or that of our fit where the archive gives none; the
    correlations with the other parameters stay those of our fit.

    Parameters
    ----------
    fits
        ``phi31`` (rad, sine series), its error and covariances; n rows.
    stars
        ``archive_phi31`` (rad, sine series) and, where known, ``archive_phi31_err`` of
        the same n stars, in the same order.

    Raises
    ------
    ValueError
        If the star list has no ``archive_phi31``.
    """
    if "archive_phi31" not in stars:
        raise ValueError("the star list has no phi31; label by the phi31 of our own fit")
    published = stars["archive_phi31"].to_numpy(float)
    known = np.isfinite(published)
    fitted_err = fits["phi31_err"].to_numpy(float)
    errors = stars.get("archive_phi31_err", pd.Series(np.nan, stars.index)).to_numpy(float)
    errors = np.where(known & np.isfinite(errors), errors, fitted_err)
    ratio = np.divide(errors, fitted_err, out=np.ones(len(fits)), where=fitted_err > 0)
    return fits.assign(
        phi31=np.where(known, published, fits["phi31"].to_numpy(float)),
        phi31_err=errors,
        cov_a1_phi31=fits["cov_a1_phi31"].to_numpy(float) * ratio,
        cov_a2_phi31=fits["cov_a2_phi31"].to_numpy(float) * ratio,
    )


def take_archive_a2(fits: pd.DataFrame, stars: pd.DataFrame) -> pd.DataFrame:
    """Return fits with the A_2 of the archive's Fourier series where it has one.

    Gaia's tables give R_21 and not A_1, which is that of the series of three harmonics whose
    peak to valley is the archive's amplitude. The [Fe/H] that Muraveva et al. (2025) print for
    RRc stars of the LMC come out at their median to 1e-5 dex. Errors and covariances stay
    those of our fit, for the archive has none.

    Parameters
    ----------
    fits
        ``a2`` (mag); n rows.
    stars
        See `take_archive_parameters`; of the same n stars, in the same order.

    Raises
    ------
    ValueError
        If the star list has not these columns.
    """
    a1, ratios = _measure_archive_series(stars, "a2")
    a2 = a1 * ratios["r21"]
    return fits.assign(a2=np.where(np.isfinite(a2) & (a2 > 0), a2, fits["a2"].to_numpy(float)))


def _measure_archive_series(stars: pd.DataFrame, key: str) -> tuple[Floats, dict[str, Floats]]:
    """Return A_1 (mag) of the archive's series, and its other parameters by name."""
    names = ("amplitude", "r21", "r31", "phi21", "phi31")
    if missing := [name for name in names if f"archive_{name}" not in stars]:
        what = "the parameters" if key == "parameters" else f"the {key}"
        raise ValueError(
            f"the star list has no {', '.join(missing)}; label by {what} of our own fit"
        )
    listed = {name: stars[f"archive_{name}"].to_numpy(dtype=float) for name in names}
    return find_first_amplitude(*listed.values()), listed


def take_archive_parameters(fits: pd.DataFrame, stars: pd.DataFrame) -> pd.DataFrame:
    """Return fits with the light-curve parameters of a star list, where it has them.

    Catalogues such as OGLE-III's have the total amplitude, and ratios and phases of the first
    three harmonics; A_1 is that of the series whose total amplitude is the catalogued one.

    Parameters
    ----------
    fits
        Fits; n rows.
    stars
        ``period`` (d), ``archive_amplitude`` (mag), ``archive_r21``, ``archive_r31``,
        ``archive_phi21`` and ``archive_phi31`` (rad, sine series) of the same n stars, in the same
        order.

    Returns
    -------
    pandas.DataFrame
        The fits; of stars that the list describes, `period`, `amplitude`, `a1` to `a3`, `phi21`
        and `phi31` are the list's, all other parameters and all errors, which no list has, NaN,
        and a status of ``no_light_curve`` is ``ok``. Other stars stay as they are.

    Raises
    ------
    ValueError
        If the star list has not these columns.
    """
    a1, listed = _measure_archive_series(stars, "parameters")
    known = np.isfinite(a1) & (a1 > 0) & stars["period"].notna().to_numpy()
    known &= fits["status"].isin(["ok", "no_light_curve"]).to_numpy()
    described = {
        "period": stars["period"].to_numpy(dtype=float),
        **{"a1": a1, "a2": a1 * listed["r21"], "a3": a1 * listed["r31"]},
        **{name: listed[name] for name in ("amplitude", "phi21", "phi31")},
    }
    taken = fits.copy()
    measured = [name for name in map(str, fits) if name in FEATURES or _is_error(name)]
    taken.loc[known, measured] = np.nan
    for name, values in described.items():
        taken[name] = taken[name].mask(known, values)
    taken["status"] = fits["status"].mask(known, "ok")
    return taken


def _is_error(name: str) -> bool:
    return name.endswith("_err") or name.startswith("cov_")


def find_first_amplitude(
    amplitude: Floats, r21: Floats, r31: Floats, phi21: Floats, phi31: Floats
) -> Floats:
    """Return A_1 (n,) of series of three harmonics whose total amplitudes are known.

    Parameters
    ----------
    amplitude : array, shape (n,)
        Peak to valley.
    r21, r31, phi21, phi31 : array, shape (n,)
        Ratios, and phases (rad) of the sine series.
    """
    angle = 2 * np.pi * np.arange(200) / 200
    curves = np.sin(angle) + sum(
        ratio[:, None] * np.sin(order * angle + phase[:, None])
        for order, ratio, phase in ((2, r21, phi21), (3, r31, phi31))
    )
    first: Floats = amplitude / np.ptp(curves, axis=1)
    return first


def take_published(fits: pd.DataFrame, stars: pd.DataFrame) -> pd.DataFrame:
    """Label the stars of a sample with the [Fe/H] that came with their list.

    Parameters
    ----------
    fits
        Fits of the sample, one row for every star, in any order.
    stars
        ``star_id``, ``pulsation_type``, ``archive_feh`` (dex) and, where known,
        ``archive_feh_err``; gives the order of the rows.

    Returns
    -------
    pandas.DataFrame
        As `estimate_metallicity`, with the list's error, whose parts are unknown, NaN where
        the list has none. `training_err`, by which a training cuts and weights the label, is
        then the median of the list's errors; NaN where no star has any. Stars without a value
        get ``no_relation``, and a reason if it is not one of `POSSIBLE`.

    Raises
    ------
    ValueError
        If the star list has no [Fe/H].
    """
    if "archive_feh" not in stars:
        raise ValueError(
            "the star list has no [Fe/H], so that its stars cannot be labelled as_published; give "
            "it a column feh (dex) and, if known, feh_err, or name a relation under labels"
        )
    status = fits.set_index("star_id").loc[stars["star_id"], "status"].to_numpy(dtype=object)
    feh = stars["archive_feh"].to_numpy(float)
    lowest, highest = POSSIBLE
    impossible = np.isfinite(feh) & ~((feh >= lowest) & (feh <= highest))
    status[(status == "ok") & (~np.isfinite(feh) | impossible)] = "no_relation"
    labelled = status == "ok"
    unknown = pd.Series(np.nan, index=stars.index)
    published_err = stars.get("archive_feh_err", unknown).to_numpy(float)
    known = labelled & (published_err > 0) & np.isfinite(published_err)
    feh_err = np.where(known, published_err, np.nan)
    typical = float(np.median(feh_err[known])) if known.any() else np.nan
    reason = np.full(len(stars), "", dtype=object)
    reason[impossible] = [
        f"its [Fe/H] of {value:g} is not within {lowest:g} to {highest:g}"
        for value in feh[impossible]
    ]
    if known.any():
        reason[labelled & ~known] = (
            f"its [Fe/H] has no error; in a training it counts as {typical:.2g}, the median of the "
            "others"
        )
    return pd.DataFrame(
        {
            "star_id": stars["star_id"].to_numpy(),
            "pulsation_type": stars["pulsation_type"].to_numpy(),
            "relation": AS_PUBLISHED,
            "feh": np.where(labelled, feh, np.nan),
            "feh_err": feh_err,
            "feh_err_light_curve": np.nan,
            "feh_err_relation": np.nan,
            "training_err": np.where(labelled & ~known, typical, feh_err),
            "label_phi31_err": np.nan,
            "status": status,
            "reason": reason,
        }
    )
