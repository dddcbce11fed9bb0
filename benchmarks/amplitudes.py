"""Amplitudes of the same RRab stars in V, I and G: the ratios by which Oosterhoff lines are moved.

    python -m benchmarks.amplitudes

Amplitudes in I are OGLE-III's, those in V of Dékány et al.'s fits of OGLE-IV light curves of the
bulge, those in G of Gaia DR3; stars are joined by name, or by position and period.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.crossmatch import CELL_RADIUS, read_gaia
from benchmarks.real_light_curves import find_mirror
from metalyra.match import match_stars
from metalyra.surveys import check_stars, survey

PERIOD_TOLERANCE = 2e-5
"""Largest difference (d) of the periods of the same star."""

COLOURS = (0.0, 0.5, 0.65, 0.8, 9.0)
"""Edges of groups of stars by V - I (mag): beyond 0.8 they are reddened, as in the bulge."""


def read_ogle(mirror: Path) -> pd.DataFrame:
    """Return the RRab stars of OGLE-III with an amplitude in I, and V - I (mag)."""
    path = mirror / "ogle_ocvs/ogle3_rrlyr.txt.gz"
    stars = check_stars(survey("ogle").read_stars([path]))
    lines = pd.read_csv(path, sep="\t", comment="#", header=None, usecols=[0, 12, 13])
    lines = lines.set_axis(["star_id", "mean_i", "mean_v"], axis=1)
    stars = stars.merge(lines, on="star_id", validate="one_to_one")
    known = (stars[["mean_i", "mean_v"]] > 0).all(axis=1)
    stars["colour"] = (stars["mean_v"] - stars["mean_i"]).where(known)
    return stars[(stars["pulsation_type"] == "RRab") & (stars["archive_amplitude"] > 0)]


def read_bulge_in_v(mirror: Path) -> pd.DataFrame:
    """Return name and amplitude in V (mag) of the well measured stars of the bulge."""
    path = mirror / "dekany_2021_ifeh/o4rrab_bulge_v_gpr_dff_param.dat"
    with path.open(encoding="utf-8") as file:
        names = file.readline().lstrip("#").split()
        fits = pd.read_csv(file, sep=r"\s+", header=None, names=names)
    fits = fits[(fits["phcov"] > 0.9) & (fits["snr"] > 50) & (fits["Nep"] > 60)]
    names_of_ogle = "OGLE-BLG-RRLYR-" + fits["id"].str[1:]
    return pd.DataFrame({"star_id": names_of_ogle, "amplitude_v": fits["totamp"]})


def print_ratio(name: str, ratio: pd.Series) -> None:
    """Print the median ratio of some stars, with the standard error of a median."""
    values = ratio.to_numpy(dtype=float)
    spread = 1.4826 * np.median(np.abs(values - np.median(values)))
    error = 1.2533 * spread / np.sqrt(len(values))
    print(f"{name:28s} {len(values):6,d} {np.median(values):8.3f} {error:7.3f}")


def main() -> None:
    """Print the table."""
    mirror = find_mirror()
    ogle = read_ogle(mirror)
    print(f"{'':28s} {'stars':>6s} {'ratio':>8s} {'error':>7s}")
    bulge = read_bulge_in_v(mirror).merge(ogle, on="star_id", validate="one_to_one")
    print_ratio("A_V / A_I, bulge", bulge["amplitude_v"] / bulge["archive_amplitude"])

    gaia = match_stars(
        read_gaia(mirror), ogle, 1.0, cell_radius=CELL_RADIUS, period_tolerance=PERIOD_TOLERANCE
    )
    gaia = gaia[gaia["archive_amplitude"].notna()].rename(columns={"archive_amplitude": "g"})
    both = gaia[["reference_id", "g"]].merge(ogle, left_on="reference_id", right_on="star_id")
    ratio = both["g"] / both["archive_amplitude"]
    for field, name in (("LMC", "LMC"), ("SMC", "SMC"), ("BLG", "bulge")):
        print_ratio(f"A_G / A_I, {name}", ratio[both["star_id"].str.contains(field)])
    for low, high in pairwise(COLOURS):
        inside = both["colour"].between(low, high, inclusive="left")
        print_ratio(f"A_G / A_I, V - I {low:g} to {high:g}", ratio[inside])


if __name__ == "__main__":
    main()
