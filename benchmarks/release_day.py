"""A Gaia data release that is to come, from nothing to the catalogue, over the loopback archive.

    python -m benchmarks.release_day [--rrab 1000] [--rrc 1000] [--archive draft] [--cores 2]

A simulated sky is served as Gaia DR4 (`--archive`: with the names of the draft, with these and
DR3's flags, or all as in DR3) and as OGLE-IV. config/gaia.yaml runs with `release: dr4` and neither
mirror nor source files: lists, light curves, match, fits, training, predictions and catalogue.

Printed are stars by status, the requests, time, and how far from the truth the models are, by
stars that they were trained on (the value of the members that have not seen them) and others.
"""

import argparse
import resource
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from tests.integration.conftest import Project

from benchmarks.archive_studies import register_simulated
from testbench.loopback import VARIABLE, LoopbackArchive
from testbench.simulate import simulate_sky, write_archives

BULGE = """
samples:
  ogle_i:
    stars:
      - ogle_ocvs/ogle4/blg/ident.dat
      - ogle_ocvs/ogle4/blg/RRab.dat
      - ogle_ocvs/ogle4/blg/RRc.dat
    light_curves: [ogle_ocvs/ogle4/blg/phot.tar.gz]
"""
"""The stars of OGLE: the simulated sky has no disk."""

STUDY = """
chunks: {chunks}
queries:
  "gaia_{{release}}/epoch_photometry/{{batch}}.zip": {{batches: 4}}
"""

SEED = 5


def prepare_archive(folder: Path, n_rrab: int, n_rrc: int) -> pd.DataFrame:
    """Write what the archives of a simulated sky hold, its DR3 as DR4 too; return the truth."""
    settings = {"n_rrab": 1, "n_rrab_field": 1, "n_rrab_dr3": n_rrab, "n_rrc": n_rrc}
    sky = simulate_sky(settings, SEED)
    write_archives(sky, folder)
    path = folder / "gaia_dr3/vari_rrlyrae.csv.gz"
    stars = pd.read_csv(path, dtype=str, keep_default_na=False)
    stars.drop_duplicates("source_id").to_csv(path, index=False)
    shutil.copytree(folder / "gaia_dr3", folder / "gaia_dr4")
    return sky.truth[sky.truth["survey"] == "gaia_dr3"]


def compare(estimates: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Return bias, scatter, RMSE and coverage by model and kind of star (dex)."""
    pairs = estimates[estimates["feh"].notna() & (estimates["model"] != "")]
    pairs = pairs.merge(truth[["star_id", "feh_true"]], on="star_id")
    rows = []
    for (model, trained), group in pairs.groupby(["model", "in_training"]):
        difference = group["feh"] - group["feh_true"]
        rows.append(
            {
                "model": model,
                "in training": trained,
                "stars": len(group),
                "ok": int((group["status"] == "ok").sum()),
                "bias": difference.median(),
                "scatter": 1.4826 * np.median(np.abs(difference - difference.median())),
                "rmse": np.sqrt((difference**2).mean()),
                "in 68 %": (difference.abs() <= group["feh_err"]).mean(),
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rrab", type=int, default=1000)
    parser.add_argument("--rrc", type=int, default=1000)
    parser.add_argument("--chunks", type=int, default=4)
    parser.add_argument("--cores", default="2")
    parser.add_argument(
        "--archive", default="draft", choices=["as_dr3", "draft", "draft_with_flags_of_dr3"]
    )
    parser.add_argument("--vocabulary", default="new", choices=["old", "new"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth = prepare_archive(folder / "archive", options.rrab, options.rrc)
        project = Project(folder / "project")
        project.path("release.yaml").write_text(STUDY.format(chunks=options.chunks) + BULGE)
        study = ["--configfile", "config/gaia.yaml", "release.yaml", "--config", "release=dr4"]
        registry = register_simulated(project, folder / "archive")
        with LoopbackArchive(
            folder / "archive",
            dr4=options.archive,
            vocabulary=options.vocabulary,
            registry=registry,
        ) as archive:
            environment = {
                VARIABLE: archive.address,
                "METALYRA_MIRROR": "",
                "no_proxy": "127.0.0.1",
            }
            began = time.monotonic()
            print(project.run("--cores", "1", "check_release", *study, **environment)[-400:])
            process = project.start("--cores", options.cores, *study, **environment)
            output, _ = process.communicate()
            wall, requests = time.monotonic() - began, len(archive.log)
        if process.returncode:
            raise SystemExit(output)
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = usage.ru_utime + usage.ru_stime
        results = project.path("results/gaia_dr4")
        catalogue = pd.read_csv(results / "catalogue/metallicities.csv")
        catalogue = catalogue[catalogue["sample"] == "gaia_g"]
        print(catalogue["status"].value_counts().to_string())
        print(f"{len(catalogue)} stars, {requests} requests, {cpu:.0f} s of CPU, {wall:.0f} s")
        estimates = pd.read_parquet(results / "catalogue/estimates.parquet")
        print(compare(estimates, truth).to_string(index=False, float_format="%.3f"))


if __name__ == "__main__":
    main()
