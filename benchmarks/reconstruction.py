"""How much of what the mirror alone has is found in public lists.

The mirror's g_dev_reconstructed.csv and ogle_periods_for_gaia_dr3.csv are made again from its
lists of OGLE stars: OGLE-III, the disk of OGLE-IV, and the bulge of OGLE-IV without its RRab.dat,
which the archive has. A period is the same within 1e-4.
"""

import pandas as pd
from tests.integration.conftest import ROOT

from metalyra.acquire import find_catalogued_periods, find_development_periods, find_mirror
from metalyra.surveys import survey

OGLE = (
    *("ogle4/gd/RRab.dat", "ogle4/gd/RRc.dat", "ogle4/gd/ident.dat"),
    *("ogle4/blg/RRc.dat", "ogle4/blg/ident_edit.dat", "ogle3_rrlyr.txt.gz"),
)


def main() -> None:
    """Print how many periods are found, and how many of them are those of the mirror."""
    mirror = find_mirror(None) or ROOT.parent / "shared/mirror"
    stars = survey("ogle").read_stars([mirror / "ogle_ocvs" / name for name in OGLE])
    folder = mirror / "dekany_grebel_2022"
    known = pd.read_csv(folder / "g_dev_reconstructed.csv", dtype=str)
    report("development set", find_development_periods(known.drop(columns="period"), stars), known)
    known = pd.read_csv(mirror / "gaia_dr3/ogle_periods_for_gaia_dr3.csv", dtype=str)
    paths = sorted((mirror / "gaia_dr3/epoch_photometry").glob("*.zip"))
    gaia = survey("gaia_dr3")
    curves = gaia.read_light_curves(paths, gaia.read_stars(paths), "G")
    names = {"source_id": "id", "ogle_period": "period"}
    found = find_catalogued_periods(curves, stars)
    report("Gaia DR3", found.rename(columns=names), known.rename(columns=names))


def report(what: str, found: pd.DataFrame, known: pd.DataFrame) -> None:
    """Print how many stars of `known` have been found with the same period."""
    both = found.merge(known, on="id", suffixes=("", "_known"))
    ratio = both["period"].astype(float) / both["period_known"].astype(float)
    same = (ratio - 1).abs() < 1e-4
    print(
        f"{what}: {same.sum()} of {len(known)} periods are the same, {(~same).sum()} others, "
        f"{len(known) - len(both)} not found; {len(found) - len(both)} stars besides"
    )


if __name__ == "__main__":
    main()
