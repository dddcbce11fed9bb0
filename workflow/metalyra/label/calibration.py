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

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from metalyra.core.arrays import Floats
from metalyra.core.phase_differences import WINDOW_CENTRES
from metalyra.core.randomness import generator
from metalyra.label.calibrators import FEATURES
from metalyra.label.regression import (
    PUBLISHED_PRIOR,
    VARIANTS,
    design_matrix,
    make_regression,
    measure_scatter,
    measurement_covariances,
)
from metalyra.label.relations import Relation
from metalyra.label.sampler import sample_posterior


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
        design = design_matrix(stars, self.features)
        measured = measurement_covariances(
            stars, self.features, VARIANTS[self.variant].joint_phases
        )
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
    features: Sequence[str] | None = None,
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
    features
        Light-curve parameters of the relation; the published ones if None.
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
    features = FEATURES[pulsation_type] if features is None else tuple(features)
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
    fitted = design_matrix(calibrators, features) @ posterior.coefficients.mean(axis=0)
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


def summarise(calibration: Calibration, published: Relation | None) -> pd.DataFrame:
    """Return the posterior of a calibration beside a published relation, if there is one.

    Returns
    -------
    pandas.DataFrame
        ``pulsation_type, variant, parameter, mean, sd, published, deviation, stars,
        spectra, effective_size, pareto_k``, one row a parameter; `deviation` is (published
        - mean) / sd, the last two are those of `Posterior`.
    """
    means, deviations = calibration.draws.mean(), calibration.draws.std()
    known: dict[str, float] = {}
    if published is not None:
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
        What `metalyra.label.relations.read_relations` reads, once it is under a name.
    """
    return {"source": source} | {
        calibration.pulsation_type: asdict(calibration.relation()) for calibration in calibrations
    }
