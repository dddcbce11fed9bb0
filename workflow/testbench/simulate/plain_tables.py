"""Simulated stars as a user has theirs: a table of stars, and one of light curves."""

import numpy as np
import pandas as pd

from testbench.simulate.observations import observe_gaia
from testbench.simulate.pulsation import Star, draw_rrab, draw_rrc

_TYPES = {"RRab": draw_rrab, "RRc": draw_rrc}


def simulate_stars(
    n_rrab: int, n_rrc: int = 0, seed: int = 1, n_epochs: int | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw stars, and observe them as Gaia does.

    Parameters
    ----------
    n_rrab, n_rrc
        Number of stars of each type.
    seed
        Of the random draws.
    n_epochs
        Transits of every star; by default as many as stars of Gaia DR3 have.

    Returns
    -------
    stars
        star_id, period (d), pulsation_type and the true metallicity, feh_true (dex).
    light_curves
        star_id, band (G, BP, RP), time (BJD - 2455197.5), mag, mag_err.
    """
    rng = np.random.default_rng(seed)
    kinds = ["RRab"] * n_rrab + ["RRc"] * n_rrc
    drawn = [_draw_star(rng, kind) for kind in kinds]
    names = [f"{kind} {number + 1:03d}" for number, kind in enumerate(kinds)]
    stars = pd.DataFrame(
        {
            "star_id": names,
            "period": [star.period for star in drawn],
            "pulsation_type": kinds,
            "feh_true": [star.feh for star in drawn],
        }
    )
    observed = [
        observe_gaia(star, rng, "gaia_dr3", n_epochs).assign(star_id=name)
        for name, star in zip(names, drawn, strict=True)
    ]
    table = pd.concat(observed, ignore_index=True).dropna(subset="mag")
    table = table.assign(mag_err=2.5 / np.log(10) / table["flux_over_error"])
    columns = ["star_id", "band", "time", "mag", "mag_err"]
    return stars, table[columns].reset_index(drop=True)


def _draw_star(rng: np.random.Generator, kind: str) -> Star:
    magnitude = rng.uniform(14, 17)
    bands = ("G", "I", "Ks") if kind == "RRab" else ("G", "I")
    return _TYPES[kind](rng, dict.fromkeys(bands, magnitude))
