"""Time, memory and correctness of the cross-match, on survey-sized lists and on real ones.

python -m benchmarks.crossmatch
"""

import resource
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.real_light_curves import find_mirror
from metalyra.core import generator
from metalyra.match import match_by_chance, match_stars, summarise_match
from metalyra.surveys import check_stars, survey

SIZES = (300_000, 70_000)
"""Stars and reference stars: Gaia's and OGLE's, as far as they are RR Lyrae."""

FIELD = ((255.0, 285.0), (-45.0, -15.0))
"""Right ascensions and declinations (deg): the bulge."""

CELL_RADIUS = 40.0
"""Distance (arcsec) from the centre of a source's cell that nearly all of the cell is within."""

ARCSEC = 1 / 3600


def make_survey(sizes: tuple[int, int] = SIZES) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return stars with proper motions, and those of them that were seen ten years earlier."""
    rng = generator(1, "crossmatch", "field")
    n = sizes[0]
    stars = pd.DataFrame(
        {
            "star_id": np.arange(n).astype(str),
            "ra": rng.uniform(*FIELD[0], n),
            "dec": rng.uniform(*FIELD[1], n),
            "period": rng.uniform(0.25, 0.9, n),
            "pulsation_type": "RRab",
            "pmra": rng.normal(0, 5, n),
            "pmdec": rng.normal(0, 5, n),
            "ref_epoch": 2016.0,
            "status": "ok",
        }
    )
    earlier = stars.sample(sizes[1], random_state=1)
    shift = earlier[["pmra", "pmdec"]].to_numpy() * -10.0 / 1000 * ARCSEC
    dec = earlier["dec"] + shift[:, 1]
    ra = earlier["ra"] + shift[:, 0] / np.cos(np.radians(dec))
    return stars, earlier.assign(ra=ra, dec=dec)[
        ["star_id", "ra", "dec", "period", "pulsation_type", "status"]
    ]


def find_nearest(star: pd.Series, reference: pd.DataFrame) -> tuple[str, float]:
    """Return the nearest reference star and its distance (arcsec), one by one."""
    ra, dec, to_ra, to_dec = map(
        np.radians, (star["ra"], star["dec"], reference["ra"], reference["dec"])
    )
    haversine = (
        np.sin((to_dec - dec) / 2) ** 2
        + np.cos(dec) * np.cos(to_dec) * np.sin((to_ra - ra) / 2) ** 2
    ).to_numpy()
    row = haversine.argmin()
    return reference["star_id"].iloc[row], np.degrees(2 * np.arcsin(haversine[row] ** 0.5)) / ARCSEC


def read_ogle(mirror: Path) -> pd.DataFrame:
    """Return all OGLE stars of the mirror that have a period, OGLE-IV before OGLE-III."""
    folder = mirror / "ogle_ocvs"
    disk = [folder / "ogle4/gd" / name for name in ("RRab.dat", "RRc.dat", "ident.dat")]
    bulge = [folder / "ogle4/blg" / name for name in ("RRc.dat", "ident_edit.dat")]
    lists = [disk, bulge, [folder / "ogle3_rrlyr.txt.gz"]]
    tables = pd.concat([survey("ogle").read_stars(paths) for paths in lists], ignore_index=True)
    return check_stars(tables.drop_duplicates("star_id"))


def read_gaia(mirror: Path) -> pd.DataFrame:
    """Return the Gaia stars of the mirror: with a position where it has one, or with a cell."""
    gaia = survey("gaia_dr3").read_stars([mirror / "gaia_dr3/vari_rrlyrae_subset.csv.gz"])
    measured = pd.read_csv(
        mirror / "muraveva_2025/table_a2_lmc.csv.gz", dtype={"source_id": str}
    ).set_index("source_id")
    known = gaia["star_id"].isin(measured.index)
    for ours, theirs in (("ra", "RA"), ("dec", "DEC")):
        gaia[ours] = gaia[ours].mask(known, gaia["star_id"].map(measured[theirs]))
    return check_stars(gaia.assign(position_from_cell=~known), periods_required=False)


def main() -> None:
    """Print the tables."""
    stars, reference = make_survey()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{len(stars):,} stars with proper motions x {len(reference):,}")
    for name, settings in (
        ("epoch", {"epoch": 2006.0}),
        ("epoch and period", {"epoch": 2006.0, "period_tolerance": 1e-4}),
    ):
        start = time.process_time()
        matched = match_stars(stars, reference, 1.0, **settings)
        seconds = time.process_time() - start
        right = (matched["reference_id"] == matched["star_id"]).sum()
        print(f"  {name:17s} {seconds:5.1f} s, {right:,} of {len(reference):,} found")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"  memory at most {peak / 1024:.0f} MB, {(peak - before) / 1024:.0f} MB of it the match's"
    )
    unmoved = match_stars(stars, reference, 5.0, ambiguous="nearest").set_index("star_id")
    wrong = 0
    for _, star in stars.sample(300, random_state=2).iterrows():
        name, distance = find_nearest(star, reference)
        found = unmoved.loc[star["star_id"], "reference_id"]
        wrong += pd.notna(found) != (distance <= 5.0) or (distance <= 5.0 and found != name)
    print(f"  brute force: {wrong} of 300 differ")

    mirror = find_mirror()
    gaia, ogle = read_gaia(mirror), read_ogle(mirror)
    print(f"\nGaia DR3 x OGLE: {len(gaia):,} x {len(ogle):,}")
    for tolerance in (None, 1e-4):
        settings = {"cell_radius": CELL_RADIUS, "period_tolerance": tolerance}
        matched = match_stars(gaia, ogle, 1.0, **settings)
        by_chance = match_by_chance(gaia, ogle, 1.0, **settings)
        print(f"\nperiod tolerance: {tolerance}")
        summary = summarise_match(gaia, ogle, matched, by_chance).set_index("positions")
        print(summary.T.to_string(float_format="%.4g"))


if __name__ == "__main__":
    main()
