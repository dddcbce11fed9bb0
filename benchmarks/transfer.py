"""Models trained on Gaia DR2 curves, on DR3 curves of other fits and with independent labels.

    python -m benchmarks.transfer [--results results/dg22] [--models dg22_g metalyra_g]

The RRab stars of the mirror's DR3 light curves that OGLE-III has parameters of are labelled by
the relation of Dékány et al. (2021): from the period, phi31, and A2 = R21 A1, with A1 from the
total I-band amplitude and the first three harmonics. Their G-band curves are fitted with either
phase 0, and predicted with models that the study dg22 has left.

Printed are bias (median), scatter (1.4826 MAD), RMSE and MAE of the differences in dex, and how
many stars the intervals of 68 and 95 % hold. Labels and models are on one scale, so that the
scatter of the relation is left out of these intervals; the errors of the labels are unknown.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.real_light_curves import find_mirror, read_sample
from metalyra.core import OK
from metalyra.fit import ALIGNMENTS, fit_stars
from metalyra.label import find_first_amplitude, read_relations
from metalyra.predict import predict_stars
from metalyra.surveys import survey

RELATIONS = Path("resources/relations.yaml")
SEED = 1


def read_labels(mirror: Path, pulsation_type: str = "RRab") -> pd.DataFrame:
    """Return star_id (Gaia's), period and feh of the stars of a type that OGLE-III describes."""
    matches = pd.read_csv(
        mirror / "gaia_dr3/ogle_periods_for_gaia_dr3.csv", dtype={"source_id": str}
    )
    ogle = survey("ogle").read_stars([mirror / "ogle_ocvs/ogle3_rrlyr.txt.gz"])
    table = matches[matches["ogle_type"] == pulsation_type].merge(
        ogle, left_on="ogle_id", right_on="star_id", validate="many_to_one"
    )
    names = ("amplitude", "r21", "r31", "phi21", "phi31")
    a1 = find_first_amplitude(*(table[f"archive_{name}"].to_numpy() for name in names))
    described = pd.DataFrame(
        {
            "star_id": table["source_id"],
            "period": table["ogle_period"],
            "a1": a1,
            "a2": a1 * table["archive_r21"],
            "phi31": table["archive_phi31"],
            **dict.fromkeys(("a1_err", "a2_err", "phi31_err"), 0.0),
            **dict.fromkeys(("cov_a1_a2", "cov_a1_phi31", "cov_a2_phi31"), 0.0),
        }
    ).dropna()
    feh, _ = read_relations(RELATIONS)["dekany2021"][pulsation_type].estimate(described)
    return described[["star_id", "period"]].assign(feh=feh)


def compare(predictions: pd.DataFrame, labels: pd.DataFrame) -> dict[str, float]:
    """Return numbers, bias, scatter, coverage, RMSE and MAE of predictions that have a label."""
    pairs = predictions.merge(labels[["star_id", "feh"]], on="star_id", suffixes=("", "_label"))
    difference = (pairs["feh"] - pairs["feh_label"]).to_numpy()
    error = np.hypot(pairs["feh_err_light_curve"].fillna(0.0), pairs["feh_err_model"])
    wide = error * (pairs["feh_high_95"] - pairs["feh"]) / pairs["feh_err"]
    centre = np.median(difference)
    return {
        "stars": len(pairs),
        "bias": centre,
        "scatter": 1.4826 * np.median(np.abs(difference - centre)),
        "in 68 %": np.mean(np.abs(difference) <= error),
        "in 95 %": np.mean(np.abs(difference) <= wide),
        "in training": pairs["in_training"].sum(),
        "rmse": np.sqrt(np.mean(difference**2)),
        "mae": np.mean(np.abs(difference)),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=Path("results/dg22"))
    parser.add_argument("--models", nargs="+", default=["dg22_g", "metalyra_g"])
    arguments = parser.parse_args()
    mirror = find_mirror()
    labels = read_labels(mirror)
    curves = sorted((mirror / "gaia_dr3/epoch_photometry").glob("*.zip"))
    stars, light_curves = read_sample(survey("gaia_dr3"), "G", curves, curves)
    stars = stars.drop(columns="period").merge(labels[["star_id", "period"]], on="star_id")
    stars = stars.assign(pulsation_type="RRab", status=OK)
    light_curves = light_curves[light_curves["star_id"].isin(stars["star_id"])]
    rows = []
    for alignment in ALIGNMENTS:
        fits, folded = fit_stars(
            stars, light_curves, {"use_errors": True, "alignment": alignment}, SEED
        )
        for model in arguments.models:
            predictions = predict_stars(arguments.results / "models" / model, fits, folded)
            valued = predictions[predictions["feh"].notna()]
            for chosen, kind in ((valued, "all"), (valued[valued["status"] == OK], "ok")):
                rows.append(
                    {"model": model, "fit": alignment, "status": kind, **compare(chosen, labels)}
                )
    print(pd.DataFrame(rows).to_string(index=False, float_format="%.3f"))


if __name__ == "__main__":
    main()
