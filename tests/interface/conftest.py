import numpy as np
import pandas as pd
import pytest

from testbench.simulate.observations import observe_gaia
from testbench.simulate.pulsation import draw_rrab

ZERO = 2455197.5
"""Julian date of Gaia's time 0."""


@pytest.fixture(scope="session")
def stars() -> pd.DataFrame:
    """Four simulated RRab stars."""
    rng = np.random.default_rng(3)
    drawn = [draw_rrab(rng, {"G": 15.5, "I": 15.0, "Ks": 14.5}) for _ in range(4)]
    return pd.DataFrame(
        {
            "star_id": [f"star {number}" for number in range(len(drawn))],
            "period": [star.period for star in drawn],
            "pulsation_type": "RRab",
            "simulated": drawn,
        }
    )


@pytest.fixture(scope="session")
def light_curves(stars) -> pd.DataFrame:
    """Their light curves in G, BP and RP, in one table."""
    rng = np.random.default_rng(7)
    parts = [
        observe_gaia(star, rng, "gaia_dr3", 60).assign(star_id=name)
        for name, star in zip(stars["star_id"], stars["simulated"], strict=True)
    ]
    table = pd.concat(parts, ignore_index=True).dropna(subset="mag")
    table["mag_err"] = 2.5 / np.log(10) / table["flux_over_error"]
    return table[["star_id", "band", "time", "mag", "mag_err"]]


@pytest.fixture(scope="session")
def in_g(light_curves) -> pd.DataFrame:
    """Those in G, without the column that says so."""
    return light_curves[light_curves["band"] == "G"].drop(columns="band").reset_index(drop=True)


@pytest.fixture(scope="session")
def curve(in_g) -> pd.DataFrame:
    """The light curve of the first star: time, mag, mag_err."""
    return in_g[in_g["star_id"] == "star 0"].drop(columns="star_id")


@pytest.fixture(scope="session")
def period(stars) -> float:
    """The period of the first star."""
    return float(stars["period"][0])
