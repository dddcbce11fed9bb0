"""The calibration of the I-band relations on the real calibrators, as tables.

    python -m benchmarks.calibration [--figures FOLDER]

Coefficients of every variant from the published light-curve parameters and from our own
fits, their accuracy in cross-validation, the selection of features, and the corner figures;
and what `resources/relations.yaml` has of the published relations from here: the intrinsic
scatter, and the covariance of the coefficients by the published regression.
"""

import argparse
from collections.abc import Mapping
from itertools import product
from pathlib import Path

import pandas as pd

from benchmarks.published_columns import PUBLISHED
from benchmarks.real_light_curves import CALIBRATOR_TABLES, find_mirror, read_asas
from metalyra.fit import fit_stars
from metalyra.label import (
    FEATURES,
    SEARCHES,
    VARIANTS,
    Relation,
    calibrate,
    cross_validate,
    evaluate_cross_validation,
    list_photometry,
    measure_scatter,
    read_relations,
    select_calibrators,
    select_features,
    summarise,
)
from metalyra.products import corner_figure, save_figure
from metalyra.surveys.ifeh import read_calibrators

SEED = 42
RELATIONS = Path(__file__).parents[1] / "resources" / "relations.yaml"


def tabulate_coefficients(
    calibrators: pd.DataFrame, fits: pd.DataFrame, kind: str, published: Relation
) -> pd.DataFrame:
    """Return mean(sd) of every parameter, one row a variant and photometry."""
    rows = []
    for photometry, table in list_photometry(calibrators, fits).items():
        for variant in VARIANTS:
            calibration = calibrate(table, kind, variant, seed=SEED)
            summary = summarise(calibration, published)
            row = {"photometry": photometry, "variant": variant}
            row |= {"stars": calibration.stars, "spectra": calibration.spectra}
            row |= {"effective": calibration.effective_size, "k-hat": calibration.pareto_k}
            row["tau"] = calibration.scatter
            for parameter, mean, sd in summary[["parameter", "mean", "sd"]].itertuples(index=False):
                row[parameter] = f"{mean:.3f}({sd:.3f})"
            rows.append(row)
    return pd.DataFrame(rows).fillna("")


def tabulate_scatter(
    calibrators: pd.DataFrame, relations: Mapping[str, Mapping[str, Relation]], kind: str
) -> pd.DataFrame:
    """Return the intrinsic scatter about each I-band relation, one row a relation."""
    rows = []
    for name, by_type in relations.items():
        if kind in by_type and by_type[kind].band == "I":
            found = measure_scatter(calibrators, by_type[kind])
            stars = calibrators.drop_duplicates("star_id").assign(cov_a1_a2=0.0)
            stars = stars.assign(cov_a1_phi31=0.0, cov_a2_phi31=0.0)
            offset = by_type[kind].estimate(stars)[0] - stars["feh"]
            rows.append({"relation": name, **found._asdict(), "mean offset": offset.mean()})
    return pd.DataFrame(rows)


def print_table(title: str, table: pd.DataFrame) -> None:
    print(f"\n{title}\n{table.to_string(index=False, float_format='%.3f')}")


def main() -> None:
    """Print the tables and draw the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figures", type=Path, help="folder that gets the corner figures")
    figures = parser.parse_args().figures
    mirror = find_mirror()
    spectra = read_calibrators([mirror / name for name in CALIBRATOR_TABLES])
    stars, light_curves, _ = read_asas(mirror)
    fits, _ = fit_stars(stars, light_curves, PUBLISHED, SEED)
    relations = read_relations(RELATIONS)
    published = relations["dekany2021"]

    for kind in FEATURES:
        calibrators = select_calibrators(spectra, kind)
        coefficients = tabulate_coefficients(calibrators, fits, kind, published[kind])
        print_table(f"{kind}: coefficients", coefficients)

        print_table(
            f"{kind}: scatter about relations", tabulate_scatter(calibrators, relations, kind)
        )
        regression = calibrate(calibrators, kind, "dekany2021", seed=SEED).relation()
        covariance = pd.DataFrame(
            regression.covariance, columns=["intercept", *regression.features]
        )
        print(f"\n{kind}: covariance of the published regression")
        print(covariance.to_string(index=False, float_format="%.5e"))

        accuracy = pd.concat(
            evaluate_cross_validation(cross_validate(calibrators, kind, variant, seed=SEED)).assign(
                variant=variant
            )
            for variant in VARIANTS
        )
        print_table(f"{kind}: accuracy, cross-validated by star", accuracy)

        for search, by_star in product(SEARCHES, (True, False)):
            path = select_features(calibrators, kind, search=search, by_star=by_star, seed=SEED)
            folds = "stars" if by_star else "spectra"
            print_table(f"{kind}: {search} selection of features, folds of {folds}", path)

        if figures:
            draws = {
                variant: calibrate(calibrators, kind, variant, seed=SEED).draws
                for variant in ("dekany2021", "hierarchical")
            }
            marks = {"intercept": published[kind].intercept, **published[kind].coefficients}
            title = f"{kind}, {calibrators['star_id'].nunique()} stars"
            save_figure(corner_figure(draws, marks, title), figures / f"corner_{kind}.png")


if __name__ == "__main__":
    main()
