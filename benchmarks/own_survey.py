"""What config/own_survey.yaml makes of real surveys, given as a user's own tables.

    python -m benchmarks.own_survey [--surveys asas_i gaia_bp gaia_rp gaia_g_265 ...]
        [--folder <folder>] [--cores 2] [--table <csv>]

writes each survey as own tables (a CSV of stars with feh and feh_err, one long table of light
curves) into a folder, runs the configuration on it with paths alone, and prints RMSE, MAE and bias
(dex) and the coverage of the intervals, all out of fold. Labels and light curves of the mirror:

asas_i      ASAS in I, with the high-resolution [Fe/H] of CHR and LIT, the spectra of a star merged
            to their inverse-variance mean
gaia_bp, gaia_rp    Gaia DR3; [Fe/H] by the relation of Muraveva et al. (2025) from the G band, for
            stars whose label is known to 0.40 dex
gaia_g_265  265 random stars of the G-band development set of Dékány & Grebel (2022), with 0.2 dex
            of noise added to their [Fe/H], as spectra of low resolution have; given as phases

The mirror has no OGLE light curves in V, only parameters of Fourier series.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.real_light_curves import (
    CALIBRATOR_TABLES,
    find_mirror,
    read_asas,
    read_gaia_dr2,
    read_sample,
)
from metalyra.fit import fit_stars
from metalyra.label import estimate_metallicity, read_relations
from metalyra.surveys import survey
from metalyra.surveys.ifeh import read_calibrators

ROOT = Path(__file__).parents[1]
CONFIGURATION = ROOT / "config" / "own_survey.yaml"
SEED = 1
LARGEST_ERROR = 0.4
"""Error (dex) of the labels of Gaia DR3 stars, as in Monti et al. (2024)."""

Tables = tuple[pd.DataFrame, pd.DataFrame]
"""Stars, and light curves, as a user has them."""


def prepare_asas(mirror: Path) -> Tables:
    """Return the ASAS stars with the mean [Fe/H] of their spectra."""
    stars, light_curves, _ = read_asas(mirror)
    spectra = read_calibrators([mirror / name for name in CALIBRATOR_TABLES])
    spectra = spectra.assign(weight=spectra["feh_err"] ** -2)
    spectra["feh"] *= spectra["weight"]
    sums = spectra.groupby("star_id")[["feh", "weight"]].sum()
    feh = sums["feh"] / sums["weight"]
    table = stars[["star_id", "ra", "dec", "period", "pulsation_type"]].assign(
        feh=stars["star_id"].map(feh), feh_err=stars["star_id"].map(sums["weight"] ** -0.5)
    )
    return table, light_curves


def prepare_gaia_dr3(mirror: Path, band: str) -> Tables:
    """Return the DR3 stars in a band, labelled by their G-band curves."""
    folder = mirror / "gaia_dr3"
    lists = [folder / "vari_rrlyrae_subset.csv.gz", folder / "ogle_periods_for_gaia_dr3.csv"]
    archives = sorted((folder / "epoch_photometry").glob("datalink_*.zip"))
    stars, g_curves = read_sample(survey("gaia_dr3"), "G", lists, archives)
    stars = stars[stars["star_id"].isin(g_curves["star_id"]) & (stars["status"] == "ok")]
    stars = stars.reset_index(drop=True)
    fits, _ = fit_stars(stars, g_curves, {}, SEED)
    relation = read_relations(ROOT / "resources" / "relations.yaml")["muraveva2025"]
    labels = estimate_metallicity(fits, stars, "muraveva2025", relation, phi31="archive", band="G")
    labels = labels.set_index("star_id").loc[stars["star_id"]].reset_index()
    known = (labels["status"] == "ok") & (labels["feh_err"] < LARGEST_ERROR)
    table = stars[["star_id", "ra", "dec", "period", "pulsation_type"]].assign(
        feh=labels["feh"].where(known), feh_err=labels["feh_err"].where(known)
    )
    _, light_curves = read_sample(survey("gaia_dr3"), band, lists, archives)
    return table, light_curves


def prepare_gaia_g(mirror: Path, number: int = 265, noise: float = 0.2) -> Tables:
    """Return random stars of the G-band development set, with phases as times of period 1.

    Their true times are not in the mirror: a light curve is laid out over 1,000 cycles.
    """
    stars, light_curves = read_gaia_dr2(mirror)
    random = np.random.default_rng(SEED)
    chosen = np.sort(random.choice(len(stars), number, replace=False))
    table = stars.iloc[chosen][["star_id", "ra", "dec", "period", "pulsation_type"]].assign(
        feh=stars["archive_feh"].iloc[chosen] + random.normal(0, noise, number), feh_err=noise
    )
    table = table[table["period"].notna()]
    points = light_curves[light_curves["star_id"].isin(table["star_id"])]
    period = points["star_id"].map(table.set_index("star_id")["period"])
    cycle = random.integers(0, 1000, len(points))
    return table, points.assign(time=points["time"] + cycle * period)


SURVEYS: Mapping[str, tuple[str, Callable[[Path], Tables]]] = {
    "asas_i": ("I", prepare_asas),
    "gaia_bp": ("BP", lambda mirror: prepare_gaia_dr3(mirror, "BP")),
    "gaia_rp": ("RP", lambda mirror: prepare_gaia_dr3(mirror, "RP")),
    "gaia_g_265": ("G", prepare_gaia_g),
}
"""Band of each survey, and what makes its tables."""


def run(name: str, folder: Path, cores: int) -> pd.DataFrame:
    """Run the configuration on a survey; return its table of cross-validations."""
    band, prepare = SURVEYS[name]
    folder.mkdir(parents=True, exist_ok=True)
    stars, light_curves = prepare(find_mirror())
    stars.to_csv(folder / "stars.csv", index=False)
    columns = ["star_id", "time", "mag", "mag_err"]
    light_curves[columns].dropna(subset=["time", "mag"]).to_csv(
        folder / "light_curves.csv", index=False
    )
    command = [
        *(sys.executable, "-m", "snakemake", "--cores", str(cores), "--snakefile"),
        *(str(ROOT / "Snakefile"), "--configfile", str(CONFIGURATION), "--config"),
        *(f"study={name}", f"stars={folder / 'stars.csv'}"),
        *(f"lightcurves={folder / 'light_curves.csv'}", f"band={band}"),
        f"output={folder / 'metallicities.csv'}",
    ]
    log = folder / "run.log"
    with log.open("w") as file:
        done = subprocess.run(command, cwd=folder, stdout=file, stderr=subprocess.STDOUT)
    if done.returncode:
        raise SystemExit(f"{name}: the run failed; see {log}")
    table = pd.read_csv(folder / "results" / name / "tables" / "cross_validation.csv")
    return table.assign(survey=name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--surveys", nargs="+", choices=SURVEYS, default=list(SURVEYS))
    parser.add_argument("--folder", type=Path, help="where to work; a temporary one by default")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--table", type=Path, help="CSV file for the table")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="own_survey_"))
    try:
        parts = []
        for name in arguments.surveys:
            parts.append(run(name, (folder / name).resolve(), arguments.cores))
            print(parts[-1].drop(columns="note").to_string(index=False), flush=True)
        if arguments.table:
            pd.concat(parts, ignore_index=True).to_csv(arguments.table, index=False)
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
