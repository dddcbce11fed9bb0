"""Our columns against the published ones, and which fit the data better.

    python -m benchmarks.published_columns

The calibrators of Dekany, Grebel & Pojmanski (2021) that ASAS observed, with the periods
of their tables: first as lcfit does it (``published: true``), then our own way. The columns
of the tables are lcfit's own. Held-out epochs, in the same folds, say which of two mean curves
is nearer to the star; both are ours, one of them our emulation of lcfit's, for the tables have
no curves (`benchmarks.light_curves --lcfit` has lcfit's own).
"""

import numpy as np
import pandas as pd

from benchmarks.real_light_curves import find_mirror, read_asas
from metalyra.core import generator, wrap_around
from metalyra.fit import (
    FitSettings,
    assign_folds,
    bin_phases,
    evaluate_harmonics,
    fit_stars,
    fold_best_aperture,
    gp,
    read_points,
)

PUBLISHED = {"published": True, "rrc": {"order_max": 5, "sigma_clip": None}}
"""The settings of the published tables."""

FOLDS = 10


def robust_scatter(values: pd.Series) -> float:
    """Return 1.4826 times the median absolute deviation."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def compare(fits: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Return the differences, fits minus published, by pulsation type."""
    rows = []
    for pulsation_type, group in published.groupby("pulsation_type"):
        own = fits.loc[group.index]
        difference = {
            name: own[name] - group[name]
            for name in ("a1", "a2", "amplitude", "phi21", "phi31", "n_epochs", "phase_coverage")
        }
        for name in ("phi21", "phi31"):
            difference[name] = wrap_around(difference[name], 0.0)
        row = {"type": pulsation_type, "stars": len(group)}
        row["phi31 median"] = np.median(difference["phi31"])
        for name in ("phi31", "phi21", "a1", "a2", "amplitude"):
            row[f"{name} scatter"] = robust_scatter(difference[name])
        row["n_epochs within 2"] = np.mean(np.abs(difference["n_epochs"]) <= 2)
        row["n_epochs equal"] = np.mean(difference["n_epochs"] == 0)
        # The published coverage has three decimals.
        row["coverage equal"] = np.mean(np.abs(difference["phase_coverage"]) < 0.00051)
        rows.append(row)
    return pd.DataFrame(rows).set_index("type")


def hold_out(star: pd.Series, curve: pd.DataFrame) -> dict[str, float]:
    """Return the rms (mag) of held-out epochs about both mean curves of one star.

    `published` is of the curve that emulates lcfit's, `own` of ours.

    `error` is the standard error of the difference of the two mean squares, over the
    mean square itself.
    """
    settings = FitSettings.from_config(PUBLISHED)
    rng = generator(1, "benchmark", star["star_id"])
    folded = fold_best_aperture(
        read_points(curve), star["period"], star["pulsation_type"], settings, rng
    )
    kept = folded.fit.kept
    phase, mag = folded.phase[kept], folded.curve.mag[kept]
    fold = assign_folds(phase, FOLDS, rng)
    residuals = {}
    for name, published in (("published", True), ("own", False)):
        summaries = []
        for index in range(FOLDS):
            training = phase[fold != index], mag[fold != index]
            training = bin_phases(*training) if published else training
            summaries.append(gp.summarise(*training, settings.harmonics, published))
        coefficients = gp.fit_batch(summaries).best.coefficients
        model = evaluate_harmonics(phase, settings.harmonics) @ coefficients.T
        residuals[name] = mag - model[np.arange(mag.size), fold]
    squares = {name: values**2 for name, values in residuals.items()}
    difference = squares["own"] - squares["published"]
    return {
        "published": np.sqrt(squares["published"].mean()),
        "own": np.sqrt(squares["own"].mean()),
        "excess": difference.mean() / squares["published"].mean(),
        "error": difference.std() / np.sqrt(mag.size) / squares["published"].mean(),
    }


def main() -> None:
    """Print the comparison."""
    stars, light_curves, published = read_asas(find_mirror())
    published = published.set_index("star_id")
    for title, config in (("as published", PUBLISHED), ("our own way", {})):
        fits, _ = fit_stars(stars, light_curves, config, seed=42)
        lost = (fits["status"] != "ok").sum()
        print(f"\nFits {title}, minus lcfit's own columns ({lost} of {len(fits)} not fitted)")
        print(compare(fits.set_index("star_id"), published).T.to_string(float_format="%.4f"))
    groups = dict(list(light_curves.groupby("star_id")))
    held_out = pd.DataFrame(
        [hold_out(star, groups[star["star_id"]]) for _, star in stars.iterrows()]
    )
    ratio = held_out["own"] / held_out["published"]
    print(f"\nHeld-out epochs of {len(stars)} stars, rms about our curve over that about")
    print("our emulation of lcfit's:")
    print(f"  median {ratio.median():.4f}, largest {ratio.max():.4f}")
    near = np.mean(ratio < 1.005)
    print(f"  ours nearer: {np.mean(ratio < 1):.1%}; at most 0.5 % farther: {near:.1%}")
    worse = held_out["excess"] > 2 * held_out["error"]
    print(f"  ours farther by more than two standard errors: {np.mean(worse):.1%}")


if __name__ == "__main__":
    main()
