"""Where the populations of shapes come from: published parameters and light curves.

RRab stars: the folded Gaia G light curves of Dékány & Grebel (2022) whose period is known.
RRc stars: the Fourier parameters of the OGLE collection (I) and of Gaia DR3 (G), whose
harmonics from the fourth on are taken to be small. The stars of the mirror that have Gaia DR3
epoch photometry are left out: on them periods and types are tested.

``python -m metalyra.fit.shape_learning`` writes the file anew, from the mirror.
"""

import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from metalyra.core.arrays import Floats
from metalyra.core.resources import MIRROR_VARIABLE, RESOURCES
from metalyra.core.tables import replace_when_complete
from metalyra.fit.fourier import amplitudes_and_phases, evaluate_harmonics
from metalyra.fit.shape_populations import HARMONICS, SHAPES, ShapePopulation
from metalyra.surveys import check_stars, survey

_COMPONENTS = {"RRab": 4, "RRc": 3}
_SEED = 42
_MOST = 4000  # stars of a table, drawn at random
_BAND_TOLERANCE = 0.1  # shapes differ between bands by about 0.1 / k in harmonic k
_WEAK_HARMONICS = 0.4  # deviation of the unknown harmonics of RRc stars is this / k2
_LEAST_POINTS = 30


def learn_populations(mirror: Path) -> dict[str, ShapePopulation]:
    """Return the populations that the tables of the mirror have, by pulsation type.

    Parameters
    ----------
    mirror
        Folder laid out as the archives' mirror.
    """
    tested, known_to_ogle = _list_tested_stars(mirror)
    rrab = measure_folded_shapes(mirror, known_to_ogle)
    rrc = np.concatenate(
        [
            tabulate_shapes("ogle", mirror / "ogle_ocvs/ogle3_rrlyr.txt.gz", known_to_ogle),
            tabulate_shapes("gaia_dr3", mirror / "gaia_dr3/vari_rrlyrae_subset.csv.gz", tested),
        ]
    )
    return {"RRab": fit_mixture(rrab, "RRab"), "RRc": fit_mixture(rrc, "RRc")}


def _list_tested_stars(mirror: Path) -> tuple[set[str], set[str]]:
    """Return the stars with DR3 epoch photometry, by their names in Gaia and in OGLE."""
    names: set[str] = set()
    for path in sorted((mirror / "gaia_dr3/epoch_photometry").glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            names.update(re.findall(r"(\d{5,19})\.csv", "\n".join(archive.namelist())))
    table = pd.read_csv(mirror / "gaia_dr3/ogle_periods_for_gaia_dr3.csv", dtype=str)
    return names, set(table["ogle_id"])


def measure_folded_shapes(mirror: Path, left_out: set[str]) -> Floats:
    """Return log period and relative harmonics of RRab stars, (n, 2 J - 1).

    From folded G-band light curves, with held-back high harmonics and Cauchy weights.
    """
    folder = mirror / "dekany_grebel_2022"
    source = survey("dg22")
    stars = check_stars(source.read_stars([folder / "g_dev_reconstructed.csv"]))
    stars = stars[(stars["status"] == "ok") & ~stars["star_id"].isin(left_out)]
    period = stars.set_index("star_id")["period"]
    order = np.repeat(np.arange(1, HARMONICS + 1), 2)
    penalty = np.diag(np.concatenate([[1e-9], (0.02 * order**2 / 0.3) ** 2]))
    rows = {}
    for curve in source.read_light_curves([folder / "lc_dev_g.tar.gz"], stars, "G"):
        if curve.table is None or len(curve.table) < _LEAST_POINTS:
            continue
        mag = curve.table["mag"].to_numpy(float)
        harmonics = evaluate_harmonics(curve.table["phase"].to_numpy(float) % 1.0, HARMONICS)
        weight = np.ones(mag.size)
        for _ in range(10):
            weighted = (harmonics * weight[:, None]).T
            coefficients = np.linalg.solve(weighted @ harmonics + penalty, weighted @ mag)
            weight = 1 / (1 + ((mag - harmonics @ coefficients) / 0.05) ** 2)
        amplitudes, phases = amplitudes_and_phases(coefficients)
        k = np.arange(1, HARMONICS + 1)
        relative = amplitudes * np.exp(1j * (phases - k * phases[0])) / amplitudes[0]
        parts = np.stack([relative.real, relative.imag], axis=1)[1:]
        rows[curve.star_id] = [np.log10(period[curve.star_id]), *parts.ravel()]
    return np.array([rows[star_id] for star_id in sorted(rows)])


def tabulate_shapes(name: str, table: Path, left_out: set[str]) -> Floats:
    """Return log period and relative harmonics of the RRc stars of a catalogue, (n, 2 J - 1).

    OGLE has no phase of a harmonic of amplitude 0. Gaia's amplitude ratios of the stars
    without a third harmonic, up to 4, are not what they say, and left out. The harmonics from
    the fourth on are drawn.
    """
    stars = check_stars(survey(name).read_stars([table]))
    stars = stars[(stars["status"] == "ok") & (stars["pulsation_type"] == "RRc")]
    stars = stars[~stars["star_id"].isin(left_out) & (stars["archive_r31"] >= 0)]
    rng = np.random.default_rng(_SEED)
    if len(stars) > _MOST:
        stars = stars.iloc[np.sort(rng.choice(len(stars), _MOST, replace=False))]
    k = np.repeat(np.arange(2, HARMONICS + 1), 2)
    shapes = rng.normal(scale=_WEAK_HARMONICS / k**2, size=(len(stars), k.size))
    for number in (2, 3):
        ratio = stars[f"archive_r{number}1"].to_numpy(float)
        phase = stars[f"archive_phi{number}1"].fillna(0.0).to_numpy(float)
        relative = ratio * np.exp(1j * phase)
        shapes[:, 2 * number - 4] = relative.real
        shapes[:, 2 * number - 3] = relative.imag
    return np.column_stack([np.log10(stars["period"].to_numpy(float)), shapes])


def fit_mixture(shapes: Floats, kind: str) -> ShapePopulation:
    """Return the mixture of Gaussians of shapes ``(n, d)``, widened to hold in any band."""
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(_COMPONENTS[kind], random_state=_SEED, reg_covar=1e-5).fit(shapes)
    k = np.repeat(np.arange(2, HARMONICS + 1), 2)
    widening = np.diag(np.concatenate([[0.005**2], (_BAND_TOLERANCE / k) ** 2]))
    return ShapePopulation(mixture.weights_, mixture.means_, mixture.covariances_ + widening)


def write_populations(mirror: Path, path: Path) -> None:
    """Learn the populations and write them as plain arrays; the same bytes every time."""
    arrays = {
        f"{kind}_{name}": values.astype(np.float32)
        for kind, population in learn_populations(mirror).items()
        for name, values in population._asdict().items()
    }
    with replace_when_complete(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


if __name__ == "__main__":
    write_populations(Path(os.environ[MIRROR_VARIABLE]), RESOURCES / SHAPES)
