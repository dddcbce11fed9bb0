"""Small studies over HTTP from the loopback archive, and from files: the same bytes.

Over HTTP there is nothing but the configuration: lists of stars come by TAP, light curves by
DataLink, from OGLE's tree and from the authors' repositories. The files are written straight
from the mirror, or are those that the study itself simulates.
"""

import argparse
import os
import resource
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from tests.integration.conftest import ROOT, Project

from metalyra.acquire import find_mirror
from metalyra.core import chunk_of
from metalyra.surveys.gaia import locate_source
from testbench.loopback import VARIABLE, LoopbackArchive
from testbench.simulate import simulate_sky, write_archives

PRODUCTS = (
    "catalogue/metallicities.parquet",
    "catalogue/metallicities.csv",
    "catalogue/metallicities.vot",
    "ledger.csv",
)

REGION = {"ra": 268.956, "dec": -31.017, "radius": 0.5}
"""The field of the Gaia queries of the studies (deg)."""

OGLE_URL = "https://www.astrouw.edu.pl/ogle/ogle4/OCVS/blg/rrlyr/"


def run(
    project: Project, study: str, cores: int = 2, **environment: str
) -> tuple[dict[str, bytes], float]:
    """Run a study; return its products and the seconds of CPU."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    products = [f"results/{study}/{name}" for name in PRODUCTS]
    project.run(
        "--cores", str(cores), "--configfile", CONFIGS[study], "--", *products, **environment
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = sum(getattr(after, name) - getattr(before, name) for name in ("ru_utime", "ru_stime"))
    return {
        name: project.path(f"results/{study}/{name}").read_bytes() for name in PRODUCTS
    }, seconds


def write_gaia_files(
    mirror: Path, folder: Path, types: Sequence[str], stars: str, curves: Sequence[str]
) -> None:
    """Write what queries of `REGION` should give, straight from the mirror's files.

    Parameters
    ----------
    mirror, folder
        Where to read and to write.
    types
        Of the stars.
    stars
        Name of their list.
    curves
        Names of the light curves' files, one for each batch.
    """
    table = pd.read_csv(
        mirror / "gaia_dr3/vari_rrlyrae_subset.csv.gz", dtype=str, keep_default_na=False
    )
    ra, dec = locate_source(table["source_id"])
    across = (ra - REGION["ra"]) * np.cos(np.radians(REGION["dec"]))
    near = np.hypot(across, dec - REGION["dec"]) < REGION["radius"]
    table = table[near & table["best_classification"].isin(types)]
    table = table.loc[table["source_id"].astype("int64").sort_values().index]
    (folder / stars).parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / stars, index=False)
    wanted, members = set(table["source_id"]), {}
    for path in sorted((mirror / "gaia_dr3/epoch_photometry").glob("*.zip")):
        with zipfile.ZipFile(path) as products:
            for name in products.namelist():
                source = name.removesuffix(".csv").rpartition(" ")[2]
                if source in wanted:
                    members[source] = name, products.read(name)
    for batch, curve in enumerate(curves):
        (folder / curve).parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(folder / curve, "w") as products:
            for source in sorted(members):
                if chunk_of(source, len(curves)) == batch:
                    products.writestr(*members[source])


def prepare_monti25(project: Project, mirror: Path, folder: Path) -> Path:
    """Write the files of the study, and return what the archives hold."""
    curves = [f"gaia_dr3/epoch_photometry/{batch}.zip" for batch in range(2)]
    write_gaia_files(mirror, folder, ("RRab", "RRc"), "gaia_dr3/rrlyrae.csv.gz", curves)
    return mirror


def prepare_dg22(project: Project, mirror: Path, folder: Path) -> Path:
    """Write the files of the study, and return what the archives hold."""
    shutil.copytree(mirror, folder, copy_function=os.symlink, dirs_exist_ok=True)
    curves = ["gaia_dr3/rrab_epoch_photometry.zip"]
    write_gaia_files(mirror, folder, ("RRab",), "gaia_dr3/rrab.csv.gz", curves)
    with zipfile.ZipFile(folder / "ogle_ocvs/ogle4/blg/phot_i.zip", "w") as products:
        for path in sorted((mirror / "ogle_ocvs/lightcurves").glob("*.o4")):
            products.writestr(f"phot/I/OGLE-BLG-RRLYR-{path.stem}.dat", path.read_bytes())
    return mirror


def prepare_simulated(study: str, project: Project, mirror: Path, folder: Path) -> Path:
    """Give the archives the simulated files, and the study the addresses of these."""
    path = project.path(CONFIGS[study])
    settings = yaml.safe_load(path.read_text())
    write_archives(simulate_sky(settings.pop("simulate"), settings["seed"]), folder)
    path.write_text(yaml.safe_dump(settings, sort_keys=False))  # the samples' order is the rows'
    register_simulated(project, folder)
    return folder


def register_simulated(project: Project, folder: Path) -> Path:
    """Let the project's registry of sources know simulated files by what they are; return it."""
    entries = {}
    for file in sorted(folder.rglob("*.*")):
        name = file.relative_to(folder).as_posix()
        _, _, rest = name.partition("ogle4/blg/")
        entries[name] = {"url": OGLE_URL + rest} if rest else {"origin": "simulated"}
    collection = {"citation": "simulated", "licence": "MIT", "files": entries}
    registry = project.path("resources/sources.yaml")
    registry.write_text(yaml.safe_dump({"collections": {"simulated": collection}}))
    return registry


CONFIGS = {
    "small": "tests/integration/small.yaml",
    "demo": "config/config.yaml",
    "small_dg22": "tests/integration/small_dg22.yaml",
    "small_dg22_full": "tests/integration/small_dg22_full.yaml",
    "small_monti25": "tests/integration/small_monti25.yaml",
}

STUDIES: dict[str, Callable[[Project, Path, Path], Path]] = {
    "small": partial(prepare_simulated, "small"),
    "demo": partial(prepare_simulated, "demo"),
    "small_dg22": prepare_dg22,
    "small_monti25": prepare_monti25,
}


def main() -> None:
    """Print whether the studies end with the same bytes both ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="*", help=f"default: {', '.join(STUDIES)}")
    options = parser.parse_args()
    if strange := {*options.studies} - {*STUDIES}:
        parser.error(f"no study {min(strange)!r}; there are {', '.join(STUDIES)}")
    mirror = find_mirror(ROOT.parent / "shared/mirror")
    different = 0
    for study in options.studies or STUDIES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            asked, read = Project(folder / "asked"), Project(folder / "read")
            holdings = STUDIES[study](asked, mirror, folder / "files")
            registry = asked.path("resources/sources.yaml")
            offline = {"METALYRA_OFFLINE": "1", "METALYRA_MIRROR": str(folder / "files")}
            with LoopbackArchive(holdings, registry=registry) as archive:
                network = {
                    VARIABLE: archive.address,
                    "METALYRA_MIRROR": "",
                    "no_proxy": "127.0.0.1",
                }
                over_http, seconds = run(asked, study, **network)
                sent = sum(entry.sent for entry in archive.log)
                requests = len(archive.log)
            from_files, _ = run(read, study, **offline)
            unequal = [name for name in PRODUCTS if over_http[name] != from_files[name]]
            different += bool(unequal)
            print(
                f"{study}: {requests} requests, {sent / 1e6:.1f} MB, {seconds:.0f} s of CPU; "
                f"{'different: ' + ', '.join(unequal) if unequal else 'the same bytes'}",
                flush=True,
            )
    raise SystemExit(bool(different))


if __name__ == "__main__":
    main()
