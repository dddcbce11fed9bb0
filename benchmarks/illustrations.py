"""The figures of docs/how_it_works.md, of real light curves, each with the numbers of its caption.

    python -m benchmarks.illustrations [--folder docs/illustrations]

Which stars are drawn follows from the lists of the mirror, not from how they look: the star of the
first two figures is the first of the Gaia DR3 stars with a catalogued period that has 80 epochs or
more, that of the third the first of the Gaia DR2 stars of Dékány & Grebel (2022) with 60 or more.
Each file has the numbers in it, so that a caption can be compared with its very figure.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import ndtri

import metalyra
from benchmarks.real_light_curves import find_mirror, read_gaia_dr2, read_gaia_dr3
from metalyra.core import generator
from metalyra.fit import evaluate_harmonics, fit_batch
from metalyra.fit.gp import expsine2_weights, summarise
from metalyra.interface import StarFit
from metalyra.predict import locate_model
from metalyra.products.figures.style import (
    DATA_COLOUR,
    FEH_LABEL,
    MODEL_COLOUR,
    new_figure,
    save_figure,
    styled,
)
from metalyra.stack.population import Curves, infer_shapes
from metalyra.stack.stacking import read_stack_member

FOLDER = Path("docs/illustrations")
MODEL = "metalyra_g"
HARMONICS = 24
"""Of the Gaussian process, as the fit has it."""

FEW = 12
"""Points that are left to the star of the population."""

GRID = np.linspace(0, 2, 401)
BINS = 8
"""Groups of stars, by their error."""

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

POINTS = {"fmt": "o", "ms": 2.5, "lw": 0.6, "color": DATA_COLOUR}


def choose_star(stars: pd.DataFrame, light_curves: pd.DataFrame, epochs: int) -> pd.Series:
    """Return the first RRab star of a list that has a period and so many points."""
    counts = light_curves["star_id"].value_counts()
    usable = (stars["status"] == "ok") & (stars["pulsation_type"] == "RRab")
    return stars[usable & (stars["star_id"].map(counts) >= epochs)].iloc[0]


@styled
def draw_path(curve: pd.DataFrame, star: StarFit) -> Figure:
    """Draw a star's measurements, its folded light curve with the fit, and its metallicity."""
    figure = new_figure(9.0, 2.7)
    measured, folded, value = figure.subplots(1, 3, width_ratios=(1.0, 1.2, 0.8))
    measured.errorbar(curve["time"], curve["mag"], curve["mag_err"], **POINTS)
    measured.set(xlabel="Time (d)", ylabel="$G$ (mag)", title="measured")
    measured.invert_yaxis()
    star.plot(folded)
    folded.set_title("folded, fitted")
    row = star.metallicity
    assert row is not None
    for level, height in ((95, 0.35), (68, 0.65)):
        low, high = row[f"feh_low_{level}"], row[f"feh_high_{level}"]
        value.fill_between([low, high], 0, height, color=MODEL_COLOUR, alpha=0.25, lw=0)
        value.text(high, height, f" {level} %", va="top", fontsize=8, color="0.35")
    value.axvline(row["feh"], ymax=0.8, color=MODEL_COLOUR)
    value.set(xlabel=FEH_LABEL, ylim=(0, 1), yticks=[], title="predicted")
    value.set_xlim(row["feh"] - 1.0, row["feh"] + 1.0)
    return figure


def fit_by_matrix(phase: np.ndarray, mag: np.ndarray, best, at: np.ndarray) -> np.ndarray:
    """Return the mean of the Gaussian process by its N x N matrix, with a free mean magnitude."""

    def kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        sines = np.sin(np.pi * (first[:, None] - second)) ** 2
        return best.amplitude[0] ** 2 * np.exp(-2 * sines / best.length_scale[0] ** 2)

    covariance = kernel(phase, phase) + best.noise[0] ** 2 * np.eye(len(phase))
    of_one, of_mag = np.linalg.solve(covariance, np.column_stack([np.ones_like(mag), mag])).T
    mean = of_mag.sum() / of_one.sum()
    return mean + kernel(at, phase) @ (of_mag - mean * of_one)


@styled
def draw_series(star: StarFit) -> tuple[Figure, float]:
    """Draw the harmonic weights of the kernel, and the same curve by series and by matrix.

    Returns the figure and the largest difference of the two curves (mag).
    """
    points = star.light_curve[star.light_curve["kept"]]
    phase, mag = points["phase"].to_numpy(dtype=float), points["mag"].to_numpy(dtype=float)
    best = fit_batch([summarise(phase, mag, HARMONICS)]).best
    series = evaluate_harmonics(GRID, HARMONICS) @ best.coefficients[0]
    matrix = fit_by_matrix(phase, mag, best, GRID)
    figure = new_figure(9.0, 3.0)
    spectrum, curve = figure.subplots(1, 2, width_ratios=(0.8, 1.2))
    own = float(best.length_scale[0])
    for scale, style in ((own, "o-"), (2 * own, "s--"), (own / 2, "^:")):
        weights = expsine2_weights(np.array([scale]), HARMONICS)[0][0]
        label = rf"$\ell$ = {scale:.2f}" + (" (this star)" if scale == own else "")
        spectrum.semilogy(weights, style, ms=3, lw=0.8, label=label)
    spectrum.set(xlabel="Harmonic $j$", ylabel="$w_j$", ylim=(1e-9, 3))
    spectrum.legend()
    for cycle in (0, 1):
        curve.plot(phase % 1 + cycle, mag, ".", ms=4, color=DATA_COLOUR)
    curve.plot(GRID, series, color=MODEL_COLOUR, lw=3, alpha=0.5, label="Fourier series")
    curve.plot(GRID, matrix, "k:", lw=1.2, label=f"{len(mag)} x {len(mag)} matrix")
    curve.set(xlabel="Pulsation phase", ylabel="$G$ (mag)", xlim=(0, 2))
    curve.invert_yaxis()
    curve.legend()
    return figure, float(np.abs(series - matrix).max())


def draw_shapes(axes: Axes, coefficients: np.ndarray, covariance: np.ndarray, label: str) -> None:
    """Draw a curve of Fourier coefficients (2 J,), and the band of its standard error."""
    columns = evaluate_harmonics(GRID, len(coefficients) // 2)[:, 1:]
    mean = columns @ coefficients
    error = np.sqrt(np.einsum("ij,jk,ik->i", columns, covariance, columns))
    axes.fill_between(GRID, mean - error, mean + error, color=MODEL_COLOUR, alpha=0.25, lw=0)
    axes.plot(GRID, mean, color=MODEL_COLOUR, label=label)
    axes.invert_yaxis()
    axes.set(xlabel="Pulsation phase", ylabel=r"$G$ minus mean (mag)", xlim=(0, 2))


@styled
def draw_population(curve: pd.DataFrame, period: float) -> tuple[Figure, dict[str, float]]:
    """Draw a population, and a star of few points: by a kernel and by the population.

    Returns the figure and the rms (mag) by which the points left out are off either curve.
    """
    phase, mag = (curve[name].to_numpy(dtype=float) for name in ("phase", "mag"))
    mag = mag - mag.mean()
    taken = np.zeros(len(mag), dtype=bool)
    taken[generator(1, "illustrations", "points").permutation(len(mag))[:FEW]] = True
    population = read_stack_member(locate_model(MODEL) / "member_0.npz").population
    figure = new_figure(9.0, 2.8)
    shapes, alone, together = figure.subplots(1, 3, sharex=True)
    for share, mean, covariance in zip(
        population.shares, population.means, population.covariances, strict=True
    ):
        days = population.period_scale[0] + population.period_scale[1] * mean[-1]
        draw_shapes(shapes, mean[:-1], covariance[:-1, :-1], "")
        shapes.lines[-1].set_label(f"{share:.0%}, $P$ about {days:.2f} d")
    for line, colour in zip(shapes.lines, ("#1b9e77", "#d95f02", "#7570b3"), strict=False):
        line.set_color(colour)
    shapes.set_title(f"{len(population.shares)} Gaussians")
    shapes.set_ylim(top=-1.05)
    shapes.legend(fontsize=7.5, loc="upper right")
    offset = float(mag[taken].mean())
    best = fit_batch([summarise(phase[taken], mag[taken] - offset, HARMONICS)]).best
    factor = best.factors[0]
    draw_shapes(alone, best.coefficients[0, 1 : len(factor) + 1], factor @ factor.T, "kernel")
    one = np.ones((1, FEW))
    of_few = Curves(phase[taken][None], mag[taken][None] - offset, one, np.array([period]))
    inferred = infer_shapes(population, of_few)
    draw_shapes(together, inferred.coefficients[0], inferred.covariances[0], "population")
    off = {}
    for axes, name in ((alone, "kernel"), (together, "population")):
        curve_at = np.interp(phase[~taken] % 1, GRID, axes.lines[0].get_ydata())
        # Either curve has a mean of its own: magnitudes here are differences from it.
        difference = mag[~taken] - curve_at
        difference -= difference.mean()
        off[name] = float(np.sqrt(np.mean(difference**2)))
        level = float(np.mean(mag[~taken] - curve_at))
        for cycle in (0, 1):
            axes.plot(phase[~taken] % 1 + cycle, mag[~taken] - level, ".", ms=3, color="0.7")
            axes.plot(phase[taken] % 1 + cycle, mag[taken] - level, "o", ms=4, color=DATA_COLOUR)
        axes.set_title(f"{FEW} points, by the {name}: {off[name]:.3f} mag", fontsize=9)
        axes.set_ylim(*sorted((mag.max() + 0.25, mag.min() - 0.25), reverse=True))
    return figure, off


def measure_intervals(stars: pd.DataFrame, light_curves: pd.DataFrame) -> pd.DataFrame:
    """Return residual, error and half width of the 95 % interval (dex), each star unseen."""
    labelled = stars[stars["archive_feh"].notna()]
    chosen = light_curves[light_curves["star_id"].isin(labelled["star_id"])]
    given = labelled[["star_id", "period", "pulsation_type"]]
    table = metalyra.predict(given, chosen, model=MODEL, band="G")
    table["label"] = labelled["archive_feh"].to_numpy()
    table = table[table["in_training"] & table["feh"].notna()]
    # The labels are of the relation itself, whose scatter is no part of the difference.
    error = np.hypot(table["feh_err_light_curve"], table["feh_err_model"]).astype(float)
    wider = ndtri(0.975) / ndtri(0.84)
    wide = np.sqrt(
        ((table["feh_high_95"] - table["feh_low_95"]) / 2) ** 2
        - (wider * table["feh_err_relation"]) ** 2
    )
    return pd.DataFrame(
        {"residual": table["feh"] - table["label"], "error": error, "wide": wide.astype(float)}
    )


@styled
def draw_intervals(measured: pd.DataFrame) -> tuple[Figure, dict[str, str]]:
    """Draw the sizes of residuals by the errors that stars have, and the shares they hold.

    Returns the figure, and the shares of all stars within the intervals, and of groups of them.
    """
    held = {
        "68": measured["residual"].abs() <= measured["error"],
        "95": measured["residual"].abs() <= measured["wide"],
    }
    group = pd.qcut(measured["error"], BINS, labels=False)
    centre = measured["error"].groupby(group).median()
    figure = new_figure(9.0, 3.2)
    sizes, shares = figure.subplots(1, 2)
    sizes.plot(measured["error"], measured["residual"], ".", ms=1.5, color=DATA_COLOUR, alpha=0.4)
    order = np.argsort(measured["error"].to_numpy())
    for column, label in (("error", "68 %"), ("wide", "95 %")):
        widths = measured[column].to_numpy()[order]
        style = {"lw": 1.5 if column == "error" else 0.9, "color": MODEL_COLOUR}
        sizes.plot(measured["error"].to_numpy()[order], widths, **style, label=label)
        sizes.plot(measured["error"].to_numpy()[order], -widths, **style)
    limit = float(np.quantile(measured["error"], 0.995))
    sizes.set(xlabel="Error of the star (dex)", ylabel="Predicted minus label (dex)")
    sizes.set(xlim=(float(measured["error"].min()), limit), ylim=(-1.2, 1.2))
    sizes.legend(loc="upper left")
    said = {}
    for level, inside in held.items():
        share = inside.groupby(group).mean()
        count = inside.groupby(group).size()
        noise = np.sqrt(share * (1 - share) / count)
        shares.errorbar(centre, 100 * share, 100 * noise, fmt="o", ms=4, color=DATA_COLOUR)
        shares.axhline(float(level), color=MODEL_COLOUR, lw=0.9)
        said[f"within_{level}"] = f"{100 * inside.mean():.1f} %"
        said[f"in_groups_{level}"] = f"{100 * share.min():.0f} to {100 * share.max():.0f} %"
    shares.set(xlabel="Error of the star (dex)", ylabel="Labels within the interval (%)")
    shares.set_ylim(50, 102)
    return figure, said


def save(figure: Figure, path: Path, **said: str) -> None:
    """Write a figure with the numbers that its caption says, and print them."""
    save_figure(figure, path, json.dumps(said, ensure_ascii=False))
    print(path, *(f"  {name}: {value}" for name, value in said.items()), sep="\n")


def illustrate_star(mirror: Path, folder: Path) -> None:
    """Draw the figures of the Gaia DR3 star."""
    stars, light_curves = read_gaia_dr3(mirror)
    chosen = choose_star(stars, light_curves, 80)
    curve = light_curves[light_curves["star_id"] == chosen["star_id"]]
    star = metalyra.fit(
        *(curve[name].to_numpy() for name in ("time", "mag")),
        period=chosen["period"],
        mag_err=curve["mag_err"].to_numpy(),
        pulsation_type="RRab",
        band="G",
        star_id=chosen["star_id"],
    )
    star = metalyra.predict(star, model=MODEL)
    value = f"{star.feh:.2f} ± {star.feh_err:.2f} dex".replace("-", "−")
    save(draw_path(curve, star), folder / "path.png", star=star.star_id, feh=value)
    figure, difference = draw_series(star)
    # Rounded up, for its digits are those of the machine's rounding.
    limit = f"{np.ceil(np.log10(difference)):.0f}".translate(SUPERSCRIPTS)
    save(figure, folder / "series.png", difference=f"10{limit} mag")


def illustrate_sample(mirror: Path, folder: Path) -> None:
    """Draw the figures of the Gaia DR2 stars."""
    stars, light_curves = read_gaia_dr2(mirror)
    chosen = choose_star(stars, light_curves, 60)
    curve = light_curves[light_curves["star_id"] == chosen["star_id"]]
    curve = curve.assign(phase=curve["time"] / chosen["period"])
    figure, off = draw_population(curve, float(chosen["period"]))
    save(
        figure,
        folder / "population.png",
        star=str(chosen["star_id"]),
        points=f"{FEW} points",
        left_out=f"{len(curve) - FEW} points",
        off=" and ".join(f"{rms:.3f}" for rms in off.values()) + " mag",
    )
    measured = measure_intervals(stars, light_curves)
    figure, shares = draw_intervals(measured)
    stars_said = f"{len(measured):,} labelled stars"
    save(figure, folder / "intervals.png", stars=stars_said, levels="68 and 95 %", **shares)


def main() -> None:
    """Draw the figures, and print the numbers of their captions."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    folder = parser.parse_args().folder
    mirror = find_mirror()
    illustrate_star(mirror, folder)
    illustrate_sample(mirror, folder)


if __name__ == "__main__":
    main()
