import shutil
from pathlib import Path

import pytest
from benchmarks.checkouts import compare_checkouts

from tests.fit.test_fitting import make_chunk

HERE = Path(__file__).parents[2]


def test_fits_of_two_checkouts_are_timed_and_compared(tmp_path):
    library = Path("workflow", "metalyra")
    other = tmp_path / library
    shutil.copytree(HERE / library, other, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(HERE / "resources", tmp_path / "resources")
    samples = {"simulated": make_chunk(count=4)}
    configs = {"": {}, "errors": {"use_errors": True}}
    rows, stars = compare_checkouts(samples, configs, tmp_path, repeats=1)
    assert stars.empty
    assert (rows["median mag"] == 0).all()
    assert (rows[["other ms", "this ms"]] > 0).all(axis=None)
    # A checkout that clips much more keeps fewer epochs.
    fourier = other / "fit" / "fourier.py"
    clip = "sigma_clip: float | None = "
    text = fourier.read_text()
    assert f"{clip}3.0" in text
    fourier.write_text(text.replace(f"{clip}3.0", f"{clip}1.5"))
    rows, stars = compare_checkouts(samples, {"": {}}, tmp_path, repeats=1)
    assert rows["epochs differ"].item() == 4
    assert not stars["n_epochs"].any()
    with pytest.raises(SystemExit, match="no checkout"):
        compare_checkouts(samples, {"": {}}, tmp_path / "resources")
