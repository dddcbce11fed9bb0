"""The regression of [Fe/H] on light-curve parameters, and its likelihood.

See `metalyra.label.calibration` for the model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from metalyra.core.arrays import Floats
from metalyra.label.calibrators import CalibrationError
from metalyra.label.relations import Relation

PUBLISHED_PRIOR = {"RRab": 10.0, "RRc": 5.0}
"""Standard deviation of the published priors, centred on the weighted least squares."""

PUBLISHED_VARIANT = "dekany2021"
"""The variant that the published relation was made by."""

SCATTER_PRIOR = 1.0  # dex, half-normal
TYPICAL_SCATTER = 0.1  # dex
ERROR_SCALE_PRIOR = 0.5  # of its logarithm, normal

# Grid on which the scatter about given coefficients is measured.
_SCATTER_GRID = np.linspace(0.0, 0.6, 121)  # dex
_LOG_SCALE_GRID = np.linspace(-1.0, 1.2, 89)


@dataclass(frozen=True)
class Variant:
    """How the errors of the calibrators enter the regression.

    Attributes
    ----------
    description
        For the tables.
    measurement_share
        Factor of the variances of the light-curve parameters: 1, or 1/2 where they are
        counted twice, or 0 where they are ignored.
    joint_phases
        Take the error of phi31 itself; else those of phi1 and phi3 as independent,
        where the table has them.
    intrinsic_scatter
        Fit the scatter of the relation.
    by_star
        Spectra of one star share its scatter and its light-curve errors, and the scale
        of the spectroscopic errors is fitted; else every spectrum counts as a star.
    published_prior
        Use the published prior of the coefficients; else a flat one.
    """

    description: str
    measurement_share: float = 1.0
    joint_phases: bool = True
    intrinsic_scatter: bool = True
    by_star: bool = True
    published_prior: bool = False


_PUBLISHED = Variant(
    "as published: light-curve errors counted twice, no intrinsic scatter",
    measurement_share=0.5,
    joint_phases=False,
    intrinsic_scatter=False,
    by_star=False,
    published_prior=True,
)

VARIANTS: Mapping[str, Variant] = {
    "least_squares": Variant(
        "weighted least squares: spectroscopic errors only",
        measurement_share=0.0,
        intrinsic_scatter=False,
        by_star=False,
    ),
    "dekany2021": _PUBLISHED,
    "errors_once": replace(
        _PUBLISHED,
        description="light-curve errors counted once, no intrinsic scatter",
        measurement_share=1.0,
    ),
    "scatter": replace(
        _PUBLISHED,
        description="errors counted once, intrinsic scatter, spectra independent",
        measurement_share=1.0,
        intrinsic_scatter=True,
    ),
    "hierarchical": Variant("errors counted once, intrinsic scatter, spectra grouped by star"),
}
"""The regressions that are compared, by name."""


class Regression(NamedTuple):
    """The calibrators as the likelihood sees them, G groups of spectra with p features.

    A group is a star, or a spectrum where they count as independent. The groups' means
    and the spectra's deviations from them are all that the likelihood depends on.

    Attributes
    ----------
    features
        (G, p + 1), with ones first.
    covariances
        (G, p + 1, p + 1), of the measured features.
    feh
        (G,) means of the groups' [Fe/H], weighted by 1 / e^2.
    feh_variance
        (G,) variances of these means, for error scale 1.
    spectra
        Number of spectra.
    deviation
        Sum of (y_i - mean)^2 / e_i^2.
    """

    features: Floats
    covariances: Floats
    feh: Floats
    feh_variance: Floats
    spectra: int
    deviation: float


def make_regression(
    calibrators: pd.DataFrame, features: Sequence[str], variant: Variant
) -> Regression:
    """Return the regression problem of selected calibrators.

    Raises
    ------
    CalibrationError
        If a needed value is missing, an error is not positive, the light-curve parameters
        of a star differ between its spectra, or the stars are too few or too alike.
    """
    needed = ["feh", "feh_err", *features, *(f"{f}_err" for f in features if f != "period")]
    bad = ~np.isfinite(calibrators[needed].to_numpy(float)).all(axis=1)
    bad |= (calibrators["feh_err"] <= 0).to_numpy()
    if bad.any():
        raise CalibrationError(
            f"star {calibrators['star_id'].to_numpy()[bad][0]} lacks one of {', '.join(needed)}"
        )
    ids = calibrators["star_id"].to_numpy(str)
    if len(np.unique(ids)) <= len(features) + 1:
        raise CalibrationError(f"{len(np.unique(ids))} stars are too few for a calibration")
    keys = ids if variant.by_star else np.arange(len(ids))
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    stars, design = calibrators.iloc[first], design_matrix(calibrators, features)
    if not np.array_equal(design, design[first][group]):
        different = (design != design[first][group]).any(axis=1)
        raise CalibrationError(
            f"star {ids[different][0]} has several values of one of {', '.join(features)}"
        )
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise CalibrationError(f"{', '.join(features)} of the stars are not independent")

    feh = calibrators["feh"].to_numpy(float)
    precision = calibrators["feh_err"].to_numpy(float) ** -2
    total = np.bincount(group, precision)
    mean = np.bincount(group, precision * feh) / total
    return Regression(
        features=design[first],
        covariances=variant.measurement_share
        * measurement_covariances(stars, features, variant.joint_phases),
        feh=mean,
        feh_variance=1 / total,
        spectra=len(feh),
        deviation=float(np.sum(precision * (feh - mean[group]) ** 2)),
    )


def design_matrix(stars: pd.DataFrame, features: Sequence[str]) -> Floats:
    """Return the features (n, p + 1) with ones first."""
    return np.column_stack([np.ones(len(stars)), stars[list(features)].to_numpy(float)])


def measurement_covariances(
    stars: pd.DataFrame, features: Sequence[str], joint_phases: bool
) -> Floats:
    """Return the features' covariances (n, p + 1, p + 1); unknown ones count as 0."""
    size = len(features) + 1
    covariances = np.zeros((len(stars), size, size))
    measured = [(row, name) for row, name in enumerate(features, start=1) if name != "period"]
    for row, first in measured:
        for column, second in measured:
            name = f"cov_{min(first, second)}_{max(first, second)}"
            if row == column:
                covariances[:, row, row] = stars[f"{first}_err"].to_numpy(float) ** 2
            elif name in stars:
                covariances[:, row, column] = stars[name].to_numpy(float)
        if first == "phi31" and not joint_phases and "phi3_err" in stars:
            covariances[:, row, row] = (
                stars["phi3_err"] ** 2 + 9 * stars["phi1_err"] ** 2
            ).to_numpy()
    return covariances


def log_likelihood(
    regression: Regression, coefficients: Floats, scatter: Floats, error_scale: Floats
) -> Floats:
    """Return the marginal log likelihood of m sets of parameters.

    Parameters
    ----------
    regression
        G groups of spectra.
    coefficients : (m, p + 1)
        Intercept first.
    scatter, error_scale : (m,)
        Intrinsic scatter tau (dex), and scale f of the spectroscopic errors.

    Returns
    -------
    (m,)
        Without the constant that does not depend on the parameters.
    """
    residuals = regression.feh - coefficients @ regression.features.T
    squares = (coefficients[:, :, None] * coefficients[:, None, :]).reshape(len(scatter), -1)
    measured = squares @ regression.covariances.reshape(len(regression.feh), -1).T
    return _log_likelihood(regression, residuals, measured, scatter, error_scale)


def _log_likelihood(
    regression: Regression,
    residuals: Floats,
    variance: Floats,
    scatter: Floats,
    error_scale: Floats,
) -> Floats:
    """Return the log likelihood (m,) of the groups' residuals (m, G).

    `variance` (m, G) is what spectra of a group share besides the intrinsic scatter.
    """
    scale = error_scale[:, None] ** 2
    variance = scale * regression.feh_variance + scatter[:, None] ** 2 + variance
    within = regression.spectra - len(regression.feh)
    likelihood: Floats = -0.5 * (
        np.sum(np.log(variance) + residuals**2 / variance, axis=1)
        + within * np.log(scale[:, 0])
        + regression.deviation / scale[:, 0]
    )
    return likelihood


class Scatter(NamedTuple):
    """Scatter about a relation whose coefficients are given.

    Attributes
    ----------
    intrinsic, intrinsic_err
        Root of the posterior mean of tau^2, and standard deviation of tau (dex).
    error_scale
        Posterior mean of the scale f of the spectroscopic errors.
    """

    intrinsic: float
    intrinsic_err: float
    error_scale: float


def measure_scatter(calibrators: pd.DataFrame, relation: Relation) -> Scatter:
    """Measure the intrinsic scatter of stars about a relation.

    The likelihood is that of the module with the coefficients of the relation, spectra
    grouped by star. Errors of the light curves and of the coefficients, where these are
    known, are taken out, so that they and the scatter add up to the whole error. The
    posterior, with the priors of the calibration, is summed on a grid.

    Parameters
    ----------
    calibrators
        Spectra of one pulsation type: see `select_calibrators`. `phi31` is of the sine
        series.
    relation
        The relation of that type.

    Raises
    ------
    CalibrationError
        See `make_regression`.
    """
    regression = make_regression(calibrators, relation.features, VARIANTS["hierarchical"])
    # The groups are in the order of the names, as in the regression.
    stars = calibrators.drop_duplicates("star_id").sort_values("star_id")
    coefficients = [relation.coefficients[name] for name in relation.features]
    theta = np.array([relation.intercept, *coefficients])
    predicted, _ = relation.estimate(_complete_errors(stars))
    shared = np.einsum("i,nij,j->n", theta, regression.covariances, theta)
    shared += relation.coefficient_error(stars) ** 2
    scatter, log_scale = (
        axis.ravel() for axis in np.meshgrid(_SCATTER_GRID, _LOG_SCALE_GRID, indexing="ij")
    )
    density = _log_likelihood(
        regression, (regression.feh - predicted)[None], shared[None], scatter, np.exp(log_scale)
    )
    density -= 0.5 * (scatter / SCATTER_PRIOR) ** 2 + 0.5 * (log_scale / ERROR_SCALE_PRIOR) ** 2
    weight = np.exp(density - density.max())
    weight /= weight.sum()
    mean_square = float(weight @ scatter**2)
    return Scatter(
        intrinsic=float(np.sqrt(mean_square)),
        intrinsic_err=float(np.sqrt(mean_square - float(weight @ scatter) ** 2)),
        error_scale=float(weight @ np.exp(log_scale)),
    )


def _complete_errors(stars: pd.DataFrame) -> pd.DataFrame:
    """Return the stars with zeros for covariances that their table does not have."""
    pairs = ("cov_a1_a2", "cov_a1_phi31", "cov_a2_phi31")
    return stars.assign(**{name: 0.0 for name in pairs if name not in stars})
