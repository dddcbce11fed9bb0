import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.lcfit import check_lcfit, compare

from metalyra.fit import evaluate_harmonics

STAND_IN = Path(__file__).parent / "lcfit_stand_in"
SIGMA = 0.01


@pytest.fixture(scope="module")
def sample():
    """Light curves of three stars, 200 epochs each, with noise of `SIGMA`."""
    random = np.random.default_rng(3)
    coefficients = np.array([15.0, 0.3, 0.1, 0.15, 0.03, 0.06, -0.02])
    stars, curves = [], []
    for star in range(3):
        period = 0.5 + 0.03 * star
        time = np.sort(random.uniform(1000, 1500, 200))
        mag = evaluate_harmonics(time / period, 3) @ coefficients + random.normal(0, SIGMA, 200)
        stars.append((f"s{star}", 10.0, 10.0, period, "RRab", "ok"))
        curves.append(
            pd.DataFrame({"time": time, "mag": mag}).assign(
                star_id=f"s{star}", band="I", mag_err=SIGMA
            )
        )
    columns = ["star_id", "ra", "dec", "period", "pulsation_type", "status"]
    return pd.DataFrame(stars, columns=columns), pd.concat(curves, ignore_index=True)


def test_lcfits_files_are_written_and_read_and_its_curves_are_ours(sample, tmp_path):
    start = check_lcfit(STAND_IN, sys.executable)
    row = compare(*sample, STAND_IN, sys.executable, tmp_path, start)
    assert row["stars"] == 3
    assert row["epochs"] == 180
    assert row["ratio"] == row["lcfit ms"] / row["ours ms"]
    for name, limit in (("A1", 0.01), ("phi21", 0.1), ("phi31", 0.1), ("totamp", 0.05)):
        assert 0 < row[f"{name} largest"] < limit
    for program in ("lcfit", "ours"):
        assert row[f"held-out rms, {program}"] == pytest.approx(SIGMA, rel=0.3)


def test_what_keeps_lcfit_from_running_is_said_in_one_line(sample, tmp_path):
    with pytest.raises(SystemExit, match=r"there is no lcfit\.py in"):
        check_lcfit(tmp_path, sys.executable)
    broken = shutil.copytree(STAND_IN, tmp_path / "broken")
    (broken / "fourier.py").write_text("import a_library_that_is_missing\n")
    with pytest.raises(SystemExit, match="No module named 'a_library_that_is_missing'"):
        check_lcfit(broken, sys.executable)
    with pytest.raises(SystemExit, match="no_python cannot be run"):
        check_lcfit(STAND_IN, str(tmp_path / "no_python"))
    (broken / "lcfit.py").write_text("raise TypeError('an old function is gone')\n")
    folder = tmp_path / "run"
    folder.mkdir()
    with pytest.raises(SystemExit, match="an old function is gone"):
        compare(*sample, broken, sys.executable, folder, 0.0)
