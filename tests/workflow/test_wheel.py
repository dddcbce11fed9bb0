"""The library as a wheel, in an environment that knows nothing of this repository."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

USE = """
import importlib.util
import pkgutil
import sys
import numpy as np
import pandas as pd
import metalyra
from metalyra.core.resources import RESOURCES
from metalyra.fit import fit_stars
from metalyra.label import read_relations
from metalyra.predict import list_models, locate_model

assert sys.prefix in metalyra.__file__, metalyra.__file__
assert importlib.util.find_spec("testbench") is None
assert importlib.util.find_spec("snakemake") is not None
for module in pkgutil.walk_packages(metalyra.__path__, "metalyra."):
    importlib.import_module(module.name)
assert not [name for name in sys.modules if name.startswith("snakemake")]
assert read_relations(RESOURCES / "relations.yaml")
assert {"metalyra_g", "metalyra_g_rrc", "metalyra_i"} <= {*list_models()["name"]}
assert locate_model("metalyra_g").is_relative_to(sys.prefix)

time = np.sort(np.random.default_rng(1).uniform(0, 100, 60))
mag = 15 + 0.4 * np.sin(2 * np.pi * time / 0.55) + 0.1 * np.sin(4 * np.pi * time / 0.55 + 1)
stars = pd.DataFrame(
    {"star_id": ["one"], "period": [0.55], "pulsation_type": ["RRab"], "status": ["ok"]}
)
curves = pd.DataFrame(
    {"star_id": "one", "band": "G", "time": time, "mag": mag, "mag_err": 0.01}
)
fits, folded = fit_stars(stars, curves, {}, seed=1)
assert fits["status"].to_list() == ["ok"], fits.T
print(metalyra.__version__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True)
    [path] = folder.glob("metalyra-*.whl")
    return path


def test_it_holds_the_library_and_its_registries_alone(wheel):
    with zipfile.ZipFile(wheel) as contents:
        names = contents.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {name for name in tops if not name.endswith(".dist-info")} == {"metalyra"}
    assert {f"metalyra/resources/{path.name}" for path in (ROOT / "resources").glob("*.yaml")} <= {
        *names
    }
    models = [path for path in (ROOT / "resources/models").rglob("*") if path.is_file()]
    assert {f"metalyra/{path.relative_to(ROOT)}" for path in models} <= {*names}
    assert models
    assert {
        f"metalyra/{path.parent.name}/__init__.pyi"
        for path in (ROOT / "workflow/metalyra").glob("*/__init__.pyi")
    } <= {*names}


def test_it_works_in_a_clean_environment(wheel, bare_python, tmp_path):
    install = ["install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    pip = [sys.executable, "-m", "pip", "--python", str(bare_python)]
    subprocess.run([*pip, *install], check=True)
    done = subprocess.run(
        [bare_python, "-I", "-W", "ignore", "-c", USE],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in wheel.name
