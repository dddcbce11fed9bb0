"""Results of a study that no workflow has run, for the tests of the results page."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from metalyra.products.catalogue import COLUMNS
from metalyra.products.ledger import StageTable, make_ledger
from metalyra.products.results_page.light_curves import choose_stars
from metalyra.products.results_page.page import StudyResults
from metalyra.products.results_page.summaries import read_costs

SAMPLE = {"survey": "own", "band": "G", "lister": "own", "predicted": True}
CITATION = {"message": "Please cite it.", "title": "MetaLyra", "version": "0", "references": []}


def make_catalogue(stars: int, seed: int = 1) -> pd.DataFrame:
    """Return a catalogue of stars in the bulge and in the halo, every tenth without a value."""
    rng = np.random.default_rng(seed)
    feh = rng.normal(-1.5, 0.35, stars)
    period = 10 ** rng.normal(-0.26, 0.06, stars)
    table = pd.DataFrame({name: pd.Series(np.nan, index=range(stars)) for name in COLUMNS})
    table = table.assign(
        sample="mine",
        star_id=[f"star {number}" for number in range(stars)],
        band="G",
        ra=np.where(rng.random(stars) < 0.5, rng.normal(268, 5, stars), rng.uniform(0, 360, stars)),
        dec=np.clip(rng.normal(-25, 15, stars), -90, 90),
        period=period,
        pulsation_type=rng.choice(["RRab", "RRc"], stars, p=[0.8, 0.2]),
        feh=feh,
        feh_err=rng.uniform(0.1, 0.3, stars),
        mean_mag=rng.normal(16, 1, stars),
        amplitude=np.clip(rng.normal(0.7, 0.2, stars) - 2 * np.log10(period / 0.55), 0.05, None),
        n_epochs=60,
        in_training=False,
        status="ok",
        **dict.fromkeys(("relation", "model", "out_of_domain", "reference_id", "reason"), ""),
    )
    failed = np.arange(stars) % 10 == 9
    table.loc[failed, ["feh", "feh_err", "mean_mag", "amplitude"]] = np.nan
    table.loc[failed, ["status", "reason"]] = ["no_light_curve", "There is no such file."]
    return table


def fill_catalogue(catalogue: pd.DataFrame, seed: int = 1) -> pd.DataFrame:
    """Return a catalogue with a value in every column, and names as long as Gaia's."""
    rng = np.random.default_rng(seed)
    empty = [name for name in catalogue if catalogue[name].isna().all()]
    return catalogue.assign(
        **{name: rng.normal(0, 1, len(catalogue)) for name in empty},
        star_id=[str(4 * 10**18 + number) for number in range(len(catalogue))],
        reference_id=[f"OGLE-BLG-RRLYR-{number:06d}" for number in range(len(catalogue))],
    )


def make_results(
    folder: Path, catalogue: pd.DataFrame, epochs: int = 60, **further: Any
) -> StudyResults:
    """Return results with this catalogue, whose fits and light curves are written to a folder."""
    chosen = choose_stars(catalogue)
    phase = np.arange(100) / 100
    curve = np.float32(0.3 * np.sin(2 * np.pi * phase))
    fits = pd.DataFrame(
        {
            "star_id": chosen["star_id"],
            "mean_mag": chosen["mean_mag"],
            "phase_of_maximum": 0.75,
            **{f"a{k}": 0.3 / k for k in range(1, 7)},
            **{f"a{k}_err": 0.01 for k in range(1, 7)},
            **{name: 1.0 for k in range(2, 7) for name in (f"phi{k}1", f"phi{k}1_err")},
            "phi1": 0.0,
            "phi1_err": 0.01,
            "curve": [curve] * len(chosen),
            "curve_err": [0 * curve + 0.01] * len(chosen),
        }
    )
    times = np.arange(epochs) / epochs
    folded = pd.DataFrame(
        {
            "star_id": np.repeat(chosen["star_id"].to_numpy(object), epochs),
            "phase": np.tile(times, len(chosen)),
            "mag": np.repeat(chosen["mean_mag"].to_numpy(float), epochs)
            + np.tile(0.3 * np.sin(2 * np.pi * times), len(chosen)),
            "mag_err": 0.02,
            "kept": np.tile(np.arange(epochs) != 7, len(chosen)),
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in (("fits", fits), ("folded", folded)):
        pq.write_table(
            pa.Table.from_pandas(table, preserve_index=False), folder / f"{name}.parquet"
        )
    settings = {
        "study": "simulated",
        "samples": {"mine": SAMPLE},
        "catalogue": catalogue,
        "ledger": make_ledger([StageTable("stars", "mine", catalogue)]),
        "fits": {"mine": [folder / "fits.parquet"]},
        "folded": {"mine": [folder / "folded.parquet"]},
        "costs": read_costs(folder),
        "configuration": {"study": "simulated"},
        "citation": CITATION,
    }
    return StudyResults(**{**settings, **further})
