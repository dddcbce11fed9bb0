"""How often labels by a relation hold the spectroscopic [Fe/H] within their errors.

    python -m benchmarks.total_errors

The calibrators of Dekany, Grebel & Pojmanski (2021) are labelled by their relation, from
our own fits of the ASAS I-band light curves and from the published light-curve parameters
of all stars. A star's spectroscopic [Fe/H] is the mean of its spectra, weighted by the
inverse squares of their errors, and counts with its own error, on the fitted scale. Right
errors hold 68 % of the stars within one and 95 % within 1.96.

The scatter of the relation was measured on these very stars: the last row of each block
has, for every star, the scatter and the scale of the errors that the others give. The
coefficients stay the published ones, which come from all stars.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.real_light_curves import CALIBRATOR_TABLES, find_mirror, read_asas
from metalyra.fit import fit_stars
from metalyra.label import (
    FEATURES,
    Relation,
    estimate_metallicity,
    list_photometry,
    measure_scatter,
    read_relations,
    select_calibrators,
)
from metalyra.surveys.ifeh import read_calibrators

SEED = 42
RELATIONS = Path(__file__).parents[1] / "resources" / "relations.yaml"


def average_spectra(spectra: pd.DataFrame) -> pd.DataFrame:
    """Return mean [Fe/H] ``spectroscopic`` and its quoted error, one row a star, with fits."""
    precision = spectra["feh_err"] ** -2
    sums = (
        pd.DataFrame({"precision": precision, "feh": precision * spectra["feh"]})
        .groupby(spectra["star_id"])
        .sum()
    )
    stars = spectra.drop_duplicates("star_id").drop(columns=["feh", "feh_err"])
    stars = stars.set_index("star_id").loc[sums.index].reset_index().assign(status="ok")
    for pair in ("cov_a1_a2", "cov_a1_phi31", "cov_a2_phi31"):
        if pair not in stars:  # the published tables have none
            stars[pair] = 0.0
    return stars.assign(
        spectroscopic=(sums["feh"] / sums["precision"]).to_numpy(),
        spectroscopic_err=(sums["precision"] ** -0.5).to_numpy(),
    )


def leave_one_out(
    stars: pd.DataFrame, calibrators: pd.DataFrame, relation: Relation
) -> tuple[np.ndarray, np.ndarray]:
    """Return scatter and error scale for each star, measured on the calibrators but it."""
    others = [
        measure_scatter(calibrators[calibrators["star_id"] != star_id], relation)
        for star_id in stars["star_id"]
    ]
    return np.array([[one.intrinsic, one.error_scale] for one in others]).T


def measure_coverage(
    calibrators: pd.DataFrame, fits: pd.DataFrame, kind: str, relation: Relation
) -> pd.DataFrame:
    """Return the shares of stars within their errors, one row a photometry and error."""
    rows = []
    whole_sample = measure_scatter(calibrators, relation)
    sources = list_photometry(calibrators, fits)
    for photometry in ("own", "published_same", "published"):
        stars = average_spectra(sources[photometry])
        labels = estimate_metallicity(stars, stars, "dekany2021", {kind: relation})
        scatter, scale = leave_one_out(stars, calibrators, relation)
        without = replace(relation, scatter=0.0)
        rest = estimate_metallicity(stars, stars, "dekany2021", {kind: without})["feh_err"]
        errors: Mapping[str, tuple[pd.Series, float | np.ndarray]] = {
            "light curve": (labels["feh_err_light_curve"], 1.0),
            "total": (labels["feh_err"], whole_sample.error_scale),
            "total, star left out": (np.hypot(rest, scatter), scale),
        }
        for name, (feh_err, error_scale) in errors.items():
            deviation = (labels["feh"] - stars["spectroscopic"]).abs()
            reduced = deviation / np.hypot(feh_err, error_scale * stars["spectroscopic_err"])
            rows.append(
                {
                    "type": kind,
                    "photometry": photometry,
                    "errors": name,
                    "stars": len(stars),
                    "median error": np.median(feh_err),
                    "within 1": np.mean(reduced < 1),
                    "within 1.96": np.mean(reduced < 1.96),
                    "sampling error": np.sqrt(0.68 * 0.32 / len(stars)),
                    "rms": np.sqrt(np.mean(reduced**2)),
                }
            )
    return pd.DataFrame(rows)


def main() -> None:
    """Print the shares of both types."""
    mirror = find_mirror()
    spectra = read_calibrators([mirror / name for name in CALIBRATOR_TABLES])
    stars, light_curves, _ = read_asas(mirror)
    fits, _ = fit_stars(stars, light_curves, {}, SEED)
    relations = read_relations(RELATIONS)["dekany2021"]
    tables = [
        measure_coverage(select_calibrators(spectra, kind), fits, kind, relations[kind])
        for kind in FEATURES
    ]
    print(pd.concat(tables).to_string(index=False, float_format="%.3f"))


if __name__ == "__main__":
    main()
