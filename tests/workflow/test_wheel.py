"""The library as a wheel, in an environment that knows nothing of this repository."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
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

CALLS = """
import sys
for name in ("tensorflow", "keras", "h5py", "snakemake"):
    sys.modules[name] = None  # not installed
import numpy as np
import pandas as pd
import metalyra

assert sys.prefix in metalyra.__file__, metalyra.__file__
listed = metalyra.models().set_index("name")
assert all(folder.startswith(sys.prefix) for folder in listed["folder"]), listed
assert listed.loc["metalyra_g", "band"] == "G"

curve = pd.read_csv("rr_lyrae.csv")
star = metalyra.predict(metalyra.fit(curve, period=0.55, band="G", star_id="rr_lyrae"))
assert np.isfinite([star.feh, star.feh_err]).all(), star
assert star.metallicity["model"] == "metalyra_g"
stars = {"star_id": ["rr_lyrae"], "period": [0.55]}
table = metalyra.predict(stars, {"rr_lyrae": curve}, model="metalyra_g", band="G")
assert table["feh"][0] == star.feh
print(repr(star))
"""
"""The calls, with neither networks nor workflow."""


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


@pytest.fixture
def installed(wheel, bare_python) -> Path:
    """A Python with the wheel installed, and what it needs."""
    install = ["install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    pip = [sys.executable, "-m", "pip", "--python", str(bare_python)]
    subprocess.run([*pip, *install], check=True)
    return bare_python


def run(folder: Path, *command: str | Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_works_in_a_clean_environment(wheel, installed, tmp_path):
    assert run(tmp_path, installed, "-I", "-W", "ignore", "-c", USE) in wheel.name


def test_a_star_gets_its_metallicity_from_a_shipped_model(installed, tmp_path):
    time = np.sort(np.random.default_rng(1).uniform(0, 100, 60))
    angle = 2 * np.pi * time / 0.55
    mag = 15 + 0.3 * np.sin(angle) + 0.14 * np.sin(2 * angle + 2.6) + 0.09 * np.sin(3 * angle + 5.4)
    table = pd.DataFrame({"time": time, "mag": mag})
    table.to_csv(tmp_path / "rr_lyrae.csv", index=False)
    described = run(tmp_path, installed, "-I", "-c", CALLS)
    command = [installed.with_name("metalyra"), "star", "rr_lyrae.csv", "--period", "0.55"]
    printed = run(tmp_path, *command, "--band", "G", "--figure", "rr_lyrae.png")
    assert printed.startswith(described)
    assert (tmp_path / "rr_lyrae.png").read_bytes().startswith(b"\x89PNG")
    assert "metalyra_g" in run(tmp_path, installed.with_name("metalyra"), "models")


def test_it_needs_no_networks():
    """They are an extra, and everything that is needed is in the lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [re.split("[<>=]", entry)[0] for entry in project["dependencies"]]
    networks = [
        re.split("[<>=]", entry)[0] for entry in project["optional-dependencies"]["networks"]
    ]
    assert {"keras", "tensorflow"} <= set(networks)
    assert not set(networks) & set(names)
    locked = set(re.findall(r"^([\w-]+)==", (ROOT / "requirements.txt").read_text(), re.M))
    assert {*names, *networks} <= locked
