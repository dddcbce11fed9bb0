"""Bayesian calibration of metallicity relations on spectroscopic metallicities.

[Fe/H] is linear in the period and the Fourier parameters of the light curve. With

    y_i ~ N(theta_0 + theta . x_s, f^2 e_i^2 + tau^2 + theta' C_s theta),    s = s(i),

the latent light-curve parameters are integrated out: x_s and C_s are the parameters of
star s with their covariance, e_i is the quoted error of spectrum i, f its scale and tau
the intrinsic scatter of the relation. Spectra of one star share its error tau^2 +
theta' C_s theta, so that they are not independent. The published regression (Dékány,
Grebel & Pojmański 2021) is the special case of f = 1, tau = 0, halved C_s (its latent
parameters met the measured ones twice, as prior and as likelihood) and every spectrum
taken for a star of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize

from metalyra.fourier import WINDOW_CENTRES
from metalyra.metrics import mean_absolute_error, root_mean_squared_error
from metalyra.randomness import generator
from metalyra.relations import Relation

Floats = NDArray[np.float64]

FEATURES: Mapping[str, tuple[str, ...]] = {
    "RRab": ("period", "a2", "phi31"),
    "RRc": ("period", "a1", "a2", "phi31"),
}
"""The published light-curve parameters, by pulsation type; the period counts as exact."""

SELECTION: Mapping[str, Mapping[str, tuple[float | None, float | None]]] = {
    "RRab": {"snr": (95.0, None), "phase_coverage": (0.8, None)},
    "RRc": {"snr": (70.0, None), "phase_coverage": (0.8, None)},
}
"""The published selection: lowest and highest allowed value by column."""

PUBLISHED_PRIOR = {"RRab": 10.0, "RRc": 5.0}
"""Standard deviation of the published priors, centred on the weighted least squares."""

PUBLISHED_VARIANT = "dekany2021"
"""The variant that the published relation was made by."""

_SCATTER_PRIOR = 1.0  # dex, half-normal
_TYPICAL_SCATTER = 0.1  # dex
_ERROR_SCALE_PRIOR = 0.5  # of its logarithm, normal

# The importance sampler: t distribution with tails wider than the posterior's, proposals
# per draw, rounds of adaptation, step of the numerical derivatives in standard deviations.
_DEGREES_OF_FREEDOM = 5
_OVERSAMPLING = 4
_ADAPTATIONS = 1
_STEP = 1e-2

# The last round goes on until as many proposals count as draws are asked for, and the tail
# of their weights is light enough that this number means something: k-hat at most 0.7
# (Vehtari et al. 2024, JMLR 25, 72).
_MOST_BATCHES = 25
_LARGEST_PARETO_K = 0.7

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


class CalibrationError(ValueError):
    """Calibrators that cannot be used; the message says why."""


def select_calibrators(
    calibrators: pd.DataFrame,
    pulsation_type: str,
    cuts: Mapping[str, Sequence[float | None]] | None = None,
) -> pd.DataFrame:
    """Return the spectra that a relation is calibrated on.

    Parameters
    ----------
    calibrators
        What `metalyra.surveys.ifeh.read_calibrators` returns.
    pulsation_type
        RRab or RRc.
    cuts
        Lowest and highest allowed value, None for no bound, by column; the published
        selection if None. A missing value fails.

    Raises
    ------
    CalibrationError
        If a cut names an unknown column.
    """
    used = calibrators["keep"] & (calibrators["pulsation_type"] == pulsation_type)
    for column, (low, high) in (SELECTION[pulsation_type] if cuts is None else cuts).items():
        if column not in calibrators:
            raise CalibrationError(
                f"the cut on {column!r} names no column of the calibrators; known are "
                f"{', '.join(sorted(calibrators.columns))}"
            )
        used &= calibrators[column].between(
            -np.inf if low is None else low, np.inf if high is None else high
        )
    return calibrators[used].reset_index(drop=True)


def replace_photometry(calibrators: pd.DataFrame, fits: pd.DataFrame) -> pd.DataFrame:
    """Return the calibrators with our own light-curve parameters instead of the published.

    Parameters
    ----------
    calibrators
        Spectra, as selected.
    fits
        The fits table of the stars whose light curves there are.

    Returns
    -------
    pandas.DataFrame
        Spectra of the stars that are fitted, with the columns of `fits`.
    """
    spectra = ["star_id", "name", "pulsation_type", "instrument", "source", "feh", "feh_err"]
    fitted = fits[fits["status"] == "ok"].drop(columns="status")
    return calibrators[spectra].merge(fitted, on="star_id", how="inner", validate="many_to_one")


def list_photometry(calibrators: pd.DataFrame, fits: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the calibrators with each photometry there is, to be compared.

    Parameters
    ----------
    calibrators, fits
        See `replace_photometry`.

    Returns
    -------
    dict
        ``published``; ``own``, our fits of the stars whose light curves there are; and
        ``published_same``, the published parameters of the stars of ``own``.
    """
    own = replace_photometry(calibrators, fits)
    same = calibrators[calibrators["star_id"].isin(own["star_id"])]
    return {
        "published": calibrators,
        "published_same": same.reset_index(drop=True),
        "own": own,
    }


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
    stars, design = calibrators.iloc[first], _design(calibrators, features)
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
        covariances=variant.measurement_share * _covariances(stars, features, variant.joint_phases),
        feh=mean,
        feh_variance=1 / total,
        spectra=len(feh),
        deviation=float(np.sum(precision * (feh - mean[group]) ** 2)),
    )


def _design(stars: pd.DataFrame, features: Sequence[str]) -> Floats:
    """Return the features (n, p + 1) with ones first."""
    return np.column_stack([np.ones(len(stars)), stars[list(features)].to_numpy(float)])


def _covariances(stars: pd.DataFrame, features: Sequence[str], joint_phases: bool) -> Floats:
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
    return -0.5 * (
        np.sum(np.log(variance) + residuals**2 / variance, axis=1)
        + within * np.log(scale[:, 0])
        + regression.deviation / scale[:, 0]
    )


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
    density -= 0.5 * (scatter / _SCATTER_PRIOR) ** 2 + 0.5 * (log_scale / _ERROR_SCALE_PRIOR) ** 2
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


class Posterior(NamedTuple):
    """Draws from the posterior of a regression.

    Attributes
    ----------
    coefficients
        (draws, p + 1), intercept first.
    scatter, error_scale
        (draws,); 0 and 1 where they are not fitted.
    efficiency
        Effective sample size per proposal of the importance sampler.
    effective_size
        Effective sample size of its proposals; at least the number of draws.
    pareto_k
        k-hat of its weights: see `fit_pareto_tail`.
    """

    coefficients: Floats
    scatter: Floats
    error_scale: Floats
    efficiency: float
    effective_size: float
    pareto_k: float


def sample_posterior(
    regression: Regression,
    variant: Variant,
    prior_width: float,
    draws: int,
    rng: np.random.Generator,
) -> Posterior:
    """Draw from the posterior by adaptive importance sampling.

    The proposals are Student's t around the mode, with the curvature there (a Laplace
    approximation with heavy tails), then around the mean of the first sample with its
    covariance. The last round goes on until its effective sample size is at least the
    number of draws and the tail of the weights is light. The draws are resampled from its
    proposals: they are independent, but a few repeat.

    Parameters
    ----------
    regression
        The calibrators.
    variant
        What is fitted. The prior of the scatter is half-normal of width 1 dex, that of
        the logarithm of the error scale is normal of width 0.5.
    prior_width
        Standard deviation of the published prior of the coefficients.
    draws
        Number of draws.
    rng
        Source of the draws.

    Raises
    ------
    CalibrationError
        If the proposals do not cover the posterior: too few of them count, or the tail of
        their weights is too heavy; or if the posterior has no maximum.
    """
    precision = regression.features.T / regression.feh_variance
    covariance = np.linalg.inv(precision @ regression.features)
    least_squares = covariance @ (precision @ regression.feh)
    root = np.linalg.cholesky(covariance)
    size = len(least_squares)

    def unpack(points: Floats) -> tuple[Floats, Floats, Floats]:
        """Return coefficients, scatter and error scale of points (m, d), all of order 1."""
        others = iter(points[:, size:].T)
        constant = np.zeros(len(points))
        return (
            least_squares + points[:, :size] @ root.T,
            _TYPICAL_SCATTER * next(others) if variant.intrinsic_scatter else constant,
            np.exp(next(others)) if variant.by_star else constant + 1,
        )

    def log_density(points: Floats) -> Floats:
        """Return the log posterior (m,), which is even in the scatter."""
        coefficients, scatter, error_scale = unpack(points)
        density = log_likelihood(regression, coefficients, scatter, error_scale)
        if variant.published_prior:
            offsets = (coefficients - least_squares) / prior_width
            density -= 0.5 * np.sum(offsets**2, axis=1)
        if variant.intrinsic_scatter:
            density -= 0.5 * (scatter / _SCATTER_PRIOR) ** 2
        if variant.by_star:
            density -= 0.5 * (np.log(error_scale) / _ERROR_SCALE_PRIOR) ** 2
        return density

    def log_posterior(points: Floats) -> Floats:
        return np.where(unpack(points)[1] < 0, -np.inf, log_density(points))

    start = np.zeros(size + variant.intrinsic_scatter + variant.by_star)
    start[size : size + variant.intrinsic_scatter] = 1.0
    centre, spread = _locate_mode(log_density, start)
    sign = np.where((start > 0) & (centre < 0), -1.0, 1.0)
    centre, spread = sign * centre, np.outer(sign, sign) * spread
    count = _OVERSAMPLING * draws
    for _ in range(_ADAPTATIONS):
        points, log_weights = _sample_importance(log_posterior, centre, spread, count, rng)
        weights = _normalise(log_weights)
        centre = weights @ points
        spread = np.cov(points.T, aweights=weights, ddof=0)
    points, log_weights = np.empty((0, len(start))), np.empty(0)
    for _ in range(_MOST_BATCHES):
        batch = _sample_importance(log_posterior, centre, spread, count, rng)
        points = np.concatenate([points, batch[0]])
        log_weights = np.concatenate([log_weights, batch[1]])
        weights = _normalise(log_weights)
        effective_size, pareto_k = float(1 / np.sum(weights**2)), fit_pareto_tail(weights)
        if effective_size >= draws and pareto_k <= _LARGEST_PARETO_K:
            break
    else:
        raise CalibrationError(
            f"the posterior is too irregular: {effective_size:.0f} of {len(weights)} proposals "
            f"count where {draws} draws are asked for, k-hat of their weights is {pareto_k:.2f} "
            f"where at most {_LARGEST_PARETO_K} is safe; use more calibrators or another variant"
        )
    efficiency = effective_size / len(weights)
    steps = (np.arange(draws) + rng.random()) / draws
    chosen = np.minimum(np.searchsorted(np.cumsum(weights), steps), len(weights) - 1)
    return Posterior(*unpack(points[rng.permutation(chosen)]), efficiency, effective_size, pareto_k)


def _locate_mode(log_density: Callable[[Floats], Floats], start: Floats) -> tuple[Floats, Floats]:
    """Return the mode (d,) of a density, and the inverse of minus its curvature there."""
    steps = _STEP * np.eye(len(start))

    def descend(point: Floats) -> Floats:
        """Return the gradient of minus the log density."""
        both = log_density(np.concatenate([point - steps, point + steps])).reshape(2, -1)
        return (both[0] - both[1]) / (2 * _STEP)

    mode = optimize.minimize(
        lambda point: -log_density(point[None])[0], start, jac=descend, method="BFGS"
    ).x
    curvature = np.array([descend(mode + step) - descend(mode - step) for step in steps])
    curvature = (curvature + curvature.T) / (4 * _STEP)
    try:
        np.linalg.cholesky(curvature)
    except np.linalg.LinAlgError:
        raise CalibrationError("the posterior has no maximum: the stars are too few") from None
    return mode, np.linalg.inv(curvature)


def _sample_importance(
    log_density: Callable[[Floats], Floats],
    centre: Floats,
    spread: Floats,
    count: int,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Return proposals (count, d) and the logarithms of their importance weights (count,)."""
    # By Cholesky, which unlike eigenvectors changes little when `spread` changes little.
    size = len(centre)
    normal = rng.standard_normal((count, size))
    standard = normal / np.sqrt(
        rng.chisquare(_DEGREES_OF_FREEDOM, (count, 1)) / _DEGREES_OF_FREEDOM
    )
    points = centre + standard @ np.linalg.cholesky(spread).T
    distance = np.sum(standard**2, axis=1) / _DEGREES_OF_FREEDOM
    return points, log_density(points) + 0.5 * (_DEGREES_OF_FREEDOM + size) * np.log1p(distance)


def _normalise(log_weights: Floats) -> Floats:
    """Return importance weights that add up to 1."""
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum()


def fit_pareto_tail(weights: Floats) -> float:
    """Return k-hat, the shape of the generalised Pareto distribution of the largest weights.

    Below 0.5 the weights have a finite variance, and up to 0.7 importance sampling works
    in practice. The tail is that of Vehtari et al. (2024, JMLR 25, 72), the fit that of
    Zhang & Stephens (2009, Technometrics 51, 316) with the former's weak prior.

    Parameters
    ----------
    weights : (n,)
        Importance weights, not negative.

    Returns
    -------
    float
        -inf where the largest weights are all alike: there is no tail.
    """
    ordered = np.sort(weights)
    tail = int(min(0.2 * len(ordered), 3 * np.sqrt(len(ordered))))
    excess = ordered[-tail:] - ordered[-tail - 1]
    excess = excess[excess > 0]
    if len(excess) < 5:
        return -np.inf
    # Profile likelihood of b = -k / sigma, on a grid that the quartile of the excess scales.
    size = 30 + int(np.sqrt(len(excess)))
    steps = 1 - np.sqrt(size / (np.arange(1, size + 1) - 0.5))
    trials = steps / (3 * excess[int(len(excess) / 4 + 0.5) - 1]) + 1 / excess[-1]
    shapes = np.mean(np.log1p(-trials[:, None] * excess), axis=1)
    profile = len(excess) * (np.log(-trials / shapes) - shapes - 1)
    best = float(_normalise(profile) @ trials)
    shape = float(np.mean(np.log1p(-best * excess)))
    return (len(excess) * shape + 10 * 0.5) / (len(excess) + 10)


@dataclass(frozen=True)
class Calibration:
    """A calibrated relation of one pulsation type.

    Attributes
    ----------
    pulsation_type
        RRab or RRc.
    band
        Band of the light curves.
    variant
        A name of `VARIANTS`.
    features
        Its light-curve parameters.
    draws
        Posterior draws: ``intercept``, one column a feature, ``scatter`` (dex) and
        ``error_scale``.
    residual_scatter
        Standard deviation (dex) of the calibrators' residuals.
    scatter
        Intrinsic scatter (dex) of the relation: of the posterior or, where the variant has
        none, measured about the posterior means by `measure_scatter`.
    stars, spectra
        How many it is calibrated on.
    efficiency, effective_size, pareto_k
        See `Posterior`.
    """

    pulsation_type: str
    band: str
    variant: str
    features: tuple[str, ...]
    draws: pd.DataFrame
    residual_scatter: float
    scatter: float
    stars: int
    spectra: int
    efficiency: float
    effective_size: float
    pareto_k: float

    def relation(self) -> Relation:
        """Return the relation of the posterior, to be used like a published one."""
        return replace(
            _describe_posterior(self.pulsation_type, self.band, self.features, self.draws),
            scatter=self.scatter,
            residual_scatter=self.residual_scatter,
        )

    def predict(self, stars: pd.DataFrame) -> tuple[Floats, Floats]:
        """Return the predicted [Fe/H] (dex) of stars and its error, as the variant has it.

        The error is that of the light-curve parameters, of the coefficients, and the
        intrinsic scatter where the variant fits one: then it is the whole error of labels
        by `relation`.

        Parameters
        ----------
        stars
            The features, their errors, and their covariances where known; n rows.

        Returns
        -------
        feh, feh_err : (n,)
        """
        coefficients = self.draws[["intercept", *self.features]].to_numpy()
        mean = coefficients.mean(axis=0)
        design = _design(stars, self.features)
        measured = _covariances(stars, self.features, VARIANTS[self.variant].joint_phases)
        variance = np.einsum("i,nij,j->n", mean, measured, mean)
        variance += np.einsum("ni,ij,nj->n", design, np.cov(coefficients.T), design)
        variance += np.mean(self.draws["scatter"] ** 2)
        return design @ mean, np.sqrt(variance)


def _describe_posterior(
    pulsation_type: str, band: str, features: Sequence[str], draws: pd.DataFrame
) -> Relation:
    """Return the relation of posterior means, with their covariance and no scatter."""
    means = draws.mean()
    return Relation(
        band=band,
        series="sine",
        phi31_centre=WINDOW_CENTRES[pulsation_type][3],
        intercept=float(means["intercept"]),
        coefficients={name: float(means[name]) for name in features},
        scatter=None,
        covariance=np.cov(draws[["intercept", *features]].to_numpy().T).tolist(),
    )


def calibrate(
    calibrators: pd.DataFrame,
    pulsation_type: str,
    variant: str = "hierarchical",
    *,
    band: str = "I",
    draws: int = 10_000,
    seed: int = 0,
) -> Calibration:
    """Calibrate the relation of a pulsation type.

    Parameters
    ----------
    calibrators
        Selected spectra: see `select_calibrators`.
    pulsation_type
        RRab or RRc.
    variant
        A name of `VARIANTS`.
    band
        Band of the light curves.
    draws
        Number of posterior draws.
    seed
        Seed of the study.

    Raises
    ------
    CalibrationError
        If the calibrators are too few or incomplete.
    """
    features = FEATURES[pulsation_type]
    regression = make_regression(calibrators, features, VARIANTS[variant])
    posterior = sample_posterior(
        regression,
        VARIANTS[variant],
        PUBLISHED_PRIOR[pulsation_type],
        draws,
        generator(seed, "calibrate", f"{pulsation_type}/{variant}"),
    )
    table = pd.DataFrame(posterior.coefficients, columns=["intercept", *features])
    table["scatter"], table["error_scale"] = posterior.scatter, posterior.error_scale
    fitted = _design(calibrators, features) @ posterior.coefficients.mean(axis=0)
    if VARIANTS[variant].intrinsic_scatter:
        scatter = float(np.sqrt(np.mean(posterior.scatter**2)))
    else:
        relation = _describe_posterior(pulsation_type, band, features, table)
        scatter = measure_scatter(calibrators, relation).intrinsic
    return Calibration(
        pulsation_type,
        band,
        variant,
        features,
        table,
        residual_scatter=float(np.std(calibrators["feh"] - fitted)),
        scatter=scatter,
        stars=calibrators["star_id"].nunique(),
        spectra=len(calibrators),
        efficiency=posterior.efficiency,
        effective_size=posterior.effective_size,
        pareto_k=posterior.pareto_k,
    )


def summarise(calibration: Calibration, published: Relation) -> pd.DataFrame:
    """Return the posterior of a calibration beside a published relation.

    Returns
    -------
    pandas.DataFrame
        ``pulsation_type, variant, parameter, mean, sd, published, deviation, stars,
        spectra, effective_size, pareto_k``, one row a parameter; `deviation` is (published
        - mean) / sd, the last two are those of `Posterior`.
    """
    means, deviations = calibration.draws.mean(), calibration.draws.std()
    known = {"intercept": published.intercept, **published.coefficients}
    table = pd.DataFrame({"parameter": means.index, "mean": means.array, "sd": deviations.array})
    table["published"] = table["parameter"].map(known).astype(float)
    fitted = table["sd"] > 0
    table["deviation"] = ((table["published"] - table["mean"]) / table["sd"]).where(fitted)
    table.insert(0, "pulsation_type", calibration.pulsation_type)
    table.insert(1, "variant", calibration.variant)
    return table[fitted].assign(
        stars=calibration.stars,
        spectra=calibration.spectra,
        effective_size=calibration.effective_size,
        pareto_k=calibration.pareto_k,
    )


def draw_star_folds(star_ids: NDArray[np.str_], folds: int, rng: np.random.Generator) -> NDArray:
    """Return a random fold (0 to folds - 1) for each row; the rows of a star share it.

    Raises
    ------
    CalibrationError
        If there are fewer stars than folds.
    """
    names, star = np.unique(star_ids, return_inverse=True)
    if not 2 <= folds <= len(names):
        raise CalibrationError(f"{len(names)} stars cannot be split into {folds} folds")
    return (rng.permutation(len(names)) % folds)[star]


def cross_validate(
    calibrators: pd.DataFrame,
    pulsation_type: str,
    variant: str,
    *,
    folds: int = 10,
    repeats: int = 5,
    draws: int = 1_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Predict every calibrator from the other stars.

    Parameters
    ----------
    calibrators, pulsation_type, variant, draws, seed
        See `calibrate`.
    folds
        Parts that the stars are split into; the same for every variant.
    repeats
        Number of such splits.

    Returns
    -------
    pandas.DataFrame
        ``repeat, star_id, feh, feh_err, error_scale, predicted, predicted_err``: the
        spectra, `repeats` times; `error_scale` is that of the quoted `feh_err` by the
        calibration which predicts the star, 1 where the variant fits none.
    """
    star_ids = calibrators["star_id"].to_numpy(str)
    tables = []
    for repeat in range(repeats):
        rng = generator(seed, "calibrate/folds", f"{pulsation_type}/{repeat}")
        fold = draw_star_folds(star_ids, folds, rng)
        table = calibrators[["star_id", "feh", "feh_err"]].assign(
            repeat=repeat, error_scale=np.nan, predicted=np.nan, predicted_err=np.nan
        )
        for left_out in range(folds):
            test = fold == left_out
            calibration = calibrate(
                calibrators[~test], pulsation_type, variant, draws=draws, seed=seed
            )
            table.loc[test, ["predicted", "predicted_err"]] = np.column_stack(
                calibration.predict(calibrators[test])
            )
            table.loc[test, "error_scale"] = calibration.draws["error_scale"].mean()
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def evaluate_cross_validation(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracy of cross-validated predictions, by spectrum and by star.

    A star's [Fe/H] is the mean of its spectra, weighted by 1 / e^2.

    Parameters
    ----------
    predictions
        What `cross_validate` returns.

    Returns
    -------
    pandas.DataFrame
        Rows spectrum and star: ``unit, count, mae, rmse, bias`` (predicted - true, dex)
        and ``reduced_error``, the rms of the residuals in units of their predicted errors
        (1 if these are right), those of the spectra with the fitted scale.
    """
    precision = predictions["feh_err"] ** -2
    weighted = predictions.assign(precision=precision, feh=predictions["feh"] * precision)
    stars = weighted.groupby(["repeat", "star_id"], as_index=False).agg(
        {
            **{"feh": "sum", "precision": "sum", "error_scale": "first"},
            **{"predicted": "first", "predicted_err": "first"},
        }
    )
    stars["feh"] /= stars["precision"]
    stars["feh_err"] = stars["precision"] ** -0.5
    rows = []
    for unit, table in (("spectrum", predictions), ("star", stars)):
        true, predicted = table["feh"].to_numpy(), table["predicted"].to_numpy()
        spectroscopic = table["error_scale"] * table["feh_err"]
        error = np.hypot(spectroscopic, table["predicted_err"]).to_numpy()
        rows.append(
            {
                "unit": unit,
                "count": len(table) // table["repeat"].nunique(),
                "mae": mean_absolute_error(true, predicted),
                "rmse": root_mean_squared_error(true, predicted),
                "bias": float(np.mean(predicted - true)),
                "reduced_error": float(np.sqrt(np.mean(((predicted - true) / error) ** 2))),
            }
        )
    return pd.DataFrame(rows)


def compare_coefficients(
    calibrators: Mapping[str, pd.DataFrame], published: Relation, *, draws: int, seed: int
) -> pd.DataFrame:
    """Return the coefficients of every variant with each photometry, one row a parameter.

    Parameters
    ----------
    calibrators
        Selected spectra of one pulsation type, by photometry: see `list_photometry`.
    published
        The relation to be compared with.
    draws, seed
        See `calibrate`.

    Returns
    -------
    pandas.DataFrame
        ``photometry`` and the columns of `summarise`.
    """
    tables = []
    for photometry, spectra in calibrators.items():
        pulsation_type = str(spectra["pulsation_type"].iloc[0])
        for variant in VARIANTS:
            calibration = calibrate(spectra, pulsation_type, variant, draws=draws, seed=seed)
            summary = summarise(calibration, published)
            summary.insert(0, "photometry", photometry)
            tables.append(summary)
    return pd.concat(tables, ignore_index=True)


def compare_accuracy(calibrators: pd.DataFrame, pulsation_type: str, *, seed: int) -> pd.DataFrame:
    """Return the cross-validated accuracy of every variant.

    Returns
    -------
    pandas.DataFrame
        ``pulsation_type, variant`` and the columns of `evaluate_cross_validation`.
    """
    tables = []
    for variant in VARIANTS:
        accuracy = evaluate_cross_validation(
            cross_validate(calibrators, pulsation_type, variant, seed=seed)
        )
        accuracy.insert(0, "pulsation_type", pulsation_type)
        accuracy.insert(1, "variant", variant)
        tables.append(accuracy)
    return pd.concat(tables, ignore_index=True)


def describe_relations(calibrations: Sequence[Calibration], source: str) -> dict[str, Any]:
    """Return the entry of calibrated relations in a file of relations.

    Parameters
    ----------
    calibrations
        One for each pulsation type.
    source
        What they were calibrated on.

    Returns
    -------
    dict
        What `metalyra.relations.read_relations` reads, once it is under a name.
    """
    return {"source": source} | {
        calibration.pulsation_type: asdict(calibration.relation()) for calibration in calibrations
    }


class Products(NamedTuple):
    """What a calibration leaves.

    Attributes
    ----------
    relations
        Entry of a file of relations: see `describe_relations`.
    draws
        Posterior draws of the relation and, for comparison, of the published regression:
        ``pulsation_type, variant`` and one column a parameter.
    coefficients, accuracy
        See `compare_coefficients` and `compare_accuracy`.
    """

    relations: dict[str, Any]
    draws: pd.DataFrame
    coefficients: pd.DataFrame
    accuracy: pd.DataFrame


def calibrate_relation(
    spectra: pd.DataFrame,
    fits: pd.DataFrame,
    published: Mapping[str, Relation],
    *,
    variant: str,
    photometry: str,
    draws: int,
    seed: int,
) -> Products:
    """Calibrate a relation for both pulsation types, and show it beside all other ways.

    Parameters
    ----------
    spectra
        What `metalyra.surveys.ifeh.read_calibrators` returns.
    fits
        Our fits of the same stars.
    published
        The published relation, by pulsation type.
    variant
        A name of `VARIANTS`, that of the relation.
    photometry
        'published' or 'own': the light-curve parameters of the relation.
    draws, seed
        See `calibrate`.
    """
    calibrations, posteriors, coefficients, accuracy = [], [], [], []
    for kind in FEATURES:
        selected = select_calibrators(spectra, kind)
        sources = list_photometry(selected, fits)
        made = {
            name: calibrate(sources[photometry], kind, name, draws=draws, seed=seed)
            for name in dict.fromkeys((PUBLISHED_VARIANT, variant))
        }
        calibrations.append(made[variant])
        for name, calibration in made.items():
            posterior = calibration.draws.copy()
            posterior.insert(0, "pulsation_type", kind)
            posterior.insert(1, "variant", name)
            posteriors.append(posterior)
        coefficients.append(compare_coefficients(sources, published[kind], draws=draws, seed=seed))
        accuracy.append(compare_accuracy(selected, kind, seed=seed))
    stars = ", ".join(f"{entry.stars} {entry.pulsation_type}" for entry in calibrations)
    source = f"calibrated here on {stars} ({photometry} photometry, {variant})"
    return Products(
        describe_relations(calibrations, source),
        pd.concat(posteriors, ignore_index=True),
        pd.concat(coefficients, ignore_index=True),
        pd.concat(accuracy, ignore_index=True),
    )
