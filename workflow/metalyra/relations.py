"""Metallicity from light-curve parameters, by the published relations.

The relations are data, in ``resources/relations.yaml``: all are linear in the period and
the Fourier parameters, so that errors propagate through the parameters' covariance.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from metalyra.fourier import wrap_around

Floats = NDArray[np.float64]

AS_PUBLISHED = "as_published"
"""Label of a sample whose [Fe/H] came with its star list; it has no formula."""

FEATURES = ("period", "a1", "a2", "phi31")
"""Light-curve parameters a relation may use."""


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
        Scatter (dex) of the calibrators; None where unpublished.
    """

    band: str
    series: str
    phi31_centre: float
    intercept: float
    coefficients: Mapping[str, float]
    scatter: float | None

    def __post_init__(self) -> None:
        if self.series not in ("sine", "cosine"):
            raise ValueError(f"series is {self.series!r}; it must be 'sine' or 'cosine'")
        unknown = set(self.coefficients) - set(FEATURES)
        if unknown:
            raise ValueError(f"unknown parameters {sorted(unknown)}; allowed: {FEATURES}")

    def estimate(self, fits: pd.DataFrame) -> tuple[Floats, Floats]:
        """Return [Fe/H] (dex) and its error of fits with the columns of the data model.

        The error is that of the light-curve parameters alone, with their covariance; the
        period counts as exact.

        Parameters
        ----------
        fits
            ``period``, ``a1``, ``a2``, ``phi31`` (sine series), their errors and
            covariances; n rows.

        Returns
        -------
        feh, feh_err : (n,)
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
                    covariance = fits[f"cov_{low}_{high}"].to_numpy(float)
                variance += self.coefficients[first] * self.coefficients[second] * covariance
        return feh, np.sqrt(np.maximum(variance, 0.0))

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
                if pulsation_type != "source"
            }
    return relations


def estimate_metallicity(
    fits: pd.DataFrame, stars: pd.DataFrame, name: str, relations: Mapping[str, Relation]
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

    Returns
    -------
    pandas.DataFrame
        ``star_id, pulsation_type, relation, feh, feh_err, status``; stars of a type
        without a relation get ``no_relation``.
    """
    ordered = fits.set_index("star_id").loc[stars["star_id"]].reset_index()
    types = stars["pulsation_type"].to_numpy()
    feh = np.full(len(stars), np.nan)
    feh_err = np.full(len(stars), np.nan)
    status = ordered["status"].to_numpy(dtype=object)
    fitted = status == "ok"
    for pulsation_type, relation in relations.items():
        rows = fitted & (types == pulsation_type)
        feh[rows], feh_err[rows] = relation.estimate(ordered.loc[rows])
    status[fitted & ~np.isin(types, list(relations))] = "no_relation"
    return pd.DataFrame(
        {
            "star_id": stars["star_id"].to_numpy(),
            "pulsation_type": types,
            "relation": name,
            "feh": feh,
            "feh_err": feh_err,
            "status": status,
        }
    )


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
        As `estimate_metallicity`; stars without a value get ``no_relation``.
    """
    status = fits.set_index("star_id").loc[stars["star_id"], "status"].to_numpy(dtype=object)
    feh = stars["archive_feh"].to_numpy(float)
    status[(status == "ok") & ~np.isfinite(feh)] = "no_relation"
    labelled = status == "ok"
    unknown = pd.Series(np.nan, index=stars.index)
    feh_err = stars.get("archive_feh_err", unknown).to_numpy(float)
    return pd.DataFrame(
        {
            "star_id": stars["star_id"].to_numpy(),
            "pulsation_type": stars["pulsation_type"].to_numpy(),
            "relation": AS_PUBLISHED,
            "feh": np.where(labelled, feh, np.nan),
            "feh_err": np.where(labelled, feh_err, np.nan),
            "status": status,
        }
    )
