import os
from pathlib import Path

import pandas as pd
import pytest

from testbench.simulate import simulate_stars


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """Of another Python that uses this library, whichever is installed."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "workflow")}


@pytest.fixture(scope="session")
def simulated() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Four RRab stars and their light curves in G, BP and RP."""
    return simulate_stars(4, seed=3, n_epochs=60)


@pytest.fixture(scope="session")
def stars(simulated) -> pd.DataFrame:
    return simulated[0]


@pytest.fixture(scope="session")
def light_curves(simulated) -> pd.DataFrame:
    return simulated[1]


@pytest.fixture(scope="session")
def in_g(light_curves) -> pd.DataFrame:
    """The light curves in G, without the column that says so."""
    return light_curves[light_curves["band"] == "G"].drop(columns="band").reset_index(drop=True)


@pytest.fixture(scope="session")
def curve(in_g, stars) -> pd.DataFrame:
    """The light curve of the first star: time, mag, mag_err."""
    return in_g[in_g["star_id"] == stars["star_id"][0]].drop(columns="star_id")


@pytest.fixture(scope="session")
def period(stars) -> float:
    """The period of the first star."""
    return float(stars["period"][0])
