"""Studies without the mirror: what it alone has is made from what archives have."""

import gzip
import io
import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from metalyra.core.tables import read_table
from metalyra.surveys import survey
from metalyra.surveys.gaia import cell_of_position, cell_of_source
from testbench.loopback import VARIABLE, LoopbackArchive

pytestmark = pytest.mark.study

DEV = "dekany_grebel_2022/g_dev_reconstructed.csv"
CURVES = "dekany_grebel_2022/lc_dev_g.tar.gz"
PERIODS = "gaia_dr3/ogle_periods_for_gaia_dr3.csv"
STARS = 150

# Of some dozen stars, and with fewer draws and epochs than any study would have.
QUICK = {
    "downloads": {"attempts": 4, "pause": 0.05, "timeout": 30.0},
    "fit": {"harmonics": 12, "draws": 20, "folds": 3},
}
DG22 = {
    **QUICK,
    "models": {
        "metalyra_g": {
            "members": 2,
            "stack": {"regressors": {"perceptrons": {"networks": 1, "epochs": 5}}},
        }
    },
}
MONTI25 = {
    **QUICK,
    "queries": {
        "gaia_dr3/vari_rrlyrae_subset.csv.gz": {
            "region": {"ra": 268.956, "dec": -31.017, "radius": 8.0}
        }
    },
    "experiments": {"table1": {"quick": {"shared": {"training": {"epochs": 2}}}}},
}


@pytest.fixture(scope="module")
def holdings(mirror, tmp_path_factory):
    """What archives have, with OGLE's lists as far as the mirror's answer of OGLE-III goes."""
    folder = tmp_path_factory.mktemp("holdings")
    for path in sorted(mirror.rglob("*")):
        name = path.relative_to(mirror)
        if path.is_file() and str(name) not in (DEV, CURVES, PERIODS):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(path.read_bytes())  # not its permissions
    write_ogle_lists(mirror, folder / "ogle_ocvs/ogle4")
    folds = pd.read_csv(
        mirror / "dekany_grebel_2022/results_g/best_model_g/published_val_predictions.csv",
        dtype=str,
    )
    # Most have their periods in OGLE-IV's list of the disk, which the mirror has.
    disk = [folder / f"ogle_ocvs/ogle4/gd/{name}.dat" for name in ("ident", "RRab")]
    stars = survey("ogle").read_stars(disk)
    cells = cell_of_position(stars["ra"].to_numpy(float), stars["dec"].to_numpy(float))
    listed = cell_of_source(folds["id"])
    chosen = folds[np.isin(listed, cells)].iloc[:STARS]
    columns = chosen.assign(fold=np.arange(len(chosen)) % 2)[
        ["id", "fold", "FeH", "published_val_pred"]
    ]
    columns.to_csv(
        folder / "dekany_grebel_2022/results_g/best_model_g/predict_val.dat",
        sep=" ",
        header=False,
        index=False,
    )
    copy_members(mirror / CURVES, folder / CURVES, {f"{star}_bin.dat" for star in chosen["id"]})
    return folder


def write_ogle_lists(mirror: Path, folder: Path) -> None:
    """Write the answer of the on-line catalogue in the layout of OGLE-IV's files."""
    text = gzip.decompress((mirror / "ogle_ocvs/ogle3_rrlyr.txt.gz").read_bytes()).decode()
    names = (
        next(line for line in text.splitlines() if line.startswith("# ID")).lstrip("# ").split("\t")
    )
    table = pd.read_csv(io.StringIO(text), sep="\t", names=names, comment="#", dtype=str)
    table = table[table["Subtype"].isin(["RRab", "RRc"])]
    for field in ("blg", "lmc", "smc"):
        own = table[table["ID"].str.contains(f"-{field.upper()}-")]
        (folder / field).mkdir(exist_ok=True)
        (folder / field / "ident.dat").write_text("".join(map(place, own.itertuples())))
        for kind, stars in own.groupby("Subtype"):
            (folder / field / f"{kind}.dat").write_text("".join(map(describe, stars.itertuples())))
    # The mirror has these of OGLE-IV itself.
    shutil.copyfile(mirror / "ogle_ocvs/ogle4/blg/RRc.dat", folder / "blg/RRc.dat")
    shutil.copyfile(mirror / "ogle_ocvs/ogle4/blg/ident_edit.dat", folder / "blg/ident.dat")


def place(star) -> str:
    """Return a line of ident.dat."""
    hours, degrees = float(star.RA), float(star.DECL)
    h, m, s = split(hours, 2)
    d, am, asec = split(abs(degrees), 1)
    sign = "-" if degrees < 0 else "+"
    position = f"{h:02d}:{m:02d}:{s:05.2f} {sign}{d:02d}:{am:02d}:{asec:04.1f}"
    return f"{star.ID}  {star.Subtype:<4}  {position}\n"


def split(value: float, digits: int) -> tuple[int, int, float]:
    """Split a number into whole units, minutes and seconds."""
    seconds = round(value * 3600, digits)
    return int(seconds // 3600), int(seconds % 3600 // 60), seconds % 60


def describe(star) -> str:
    """Return a line of RRab.dat."""
    numbers = [star.A_1, star.R21_1, star.phi21_1, star.R31_1, star.phi31_1]
    amplitude, *shape = ("-" if number == "-99.99" else number for number in numbers)
    r21, phi21, r31, phi31 = (f"{number:>5}" for number in shape)
    return (
        f"{star.ID}  {star.I:>6} {'-':>6}  {float(star.P_1):10.8f} {0.00001:10.8f}  "
        f"{7000.0:10.5f}  {amplitude:>5}  {r21} {phi21}  {r31} {phi31}\n"
    )


def copy_members(source: Path, destination: Path, names: set[str]) -> None:
    """Copy some members of an archive."""
    with tarfile.open(source) as whole, tarfile.open(destination, "w:gz") as part:
        for member in whole:
            if os.path.basename(member.name) in names:
                part.addfile(member, whole.extractfile(member))


def run(project, holdings, study, changes, targets):
    """Run a study over HTTP alone."""
    registry = project.path("resources/sources.yaml")
    known = yaml.safe_load(registry.read_text())
    entry = known["collections"]["Dekany & Grebel 2022"]["files"][CURVES]
    for key in ("size", "sha256"):
        del entry[key]  # some of the published light curves will do
    registry.write_text(yaml.safe_dump(known, sort_keys=False))
    project.path("changes.yaml").write_text(yaml.safe_dump(changes))
    with LoopbackArchive(holdings, registry=registry) as archive:
        environment = {VARIABLE: archive.address, "METALYRA_MIRROR": "", "no_proxy": "127.0.0.1"}
        configs = (f"config/{study}.yaml", "changes.yaml")
        project.run(
            *("--cores", "2", *(f"results/{study}/{target}" for target in targets)),
            *("--configfile", *configs),
            **environment,
        )


def test_dg22_is_trained_without_the_mirror(new_project, mirror, holdings):
    project = new_project()
    run(project, holdings, "dg22", DG22, ["models/metalyra_g/card.json"])
    made = pd.read_csv(project.path(f"results/dg22/sources/{DEV}"))
    both = made.merge(pd.read_csv(mirror / DEV), on="id", suffixes=("", "_mirror"))
    assert len(both) == len(made) > 0.95 * STARS
    np.testing.assert_allclose(both["period"], both["period_mirror"], rtol=1e-4)
    np.testing.assert_array_equal(both["FeH"], both["FeH_mirror"])
    development = read_table(project.path("results/dg22/development/metalyra_g.parquet"))
    assert (development["fold"] >= 0).sum() > 0.9 * STARS


def test_monti25_is_trained_without_the_mirror(new_project, mirror, holdings):
    project = new_project()
    run(
        project,
        holdings,
        "monti25",
        MONTI25,
        ["models/table1_rrc/card.json"],
    )
    made = pd.read_csv(project.path(f"results/monti25/sources/{PERIODS}"))
    both = made.merge(pd.read_csv(mirror / PERIODS), on="source_id", suffixes=("", "_mirror"))
    assert len(both) > 5
    np.testing.assert_allclose(both["ogle_period"], both["ogle_period_mirror"], rtol=1e-4)
    stars = read_table(project.path("results/monti25/stars/gaia_dr3_g.parquet"))
    assert (stars["status"] == "ok").sum() > 60
    development = read_table(project.path("results/monti25/development/table1_rrc.parquet"))
    assert (development["fold"] >= 0).sum() > 20
