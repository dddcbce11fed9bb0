import os
import shutil
import subprocess
import sys
from pathlib import Path

import metalyra
from metalyra.core.resources import RESOURCES

NEW_SURVEY = '''
"""A survey of one star."""

import pandas as pd

from metalyra.surveys.interface import MAGNITUDES, LightCurve, Survey, register


def read_stars(paths):
    return pd.DataFrame({"star_id": ["only"], "period": [0.5]})


def read_light_curves(paths, stars, band):
    yield LightCurve("only", pd.DataFrame({"time": [1.0], "mag": [15.0], "mag_err": [0.1]}))


register(Survey("sdss", ("g",), "MJD", MAGNITUDES, read_stars, read_light_curves), __name__)
'''

ASK = """
from metalyra.study.model import SurveyName
from metalyra.surveys import SURVEYS, survey

assert "sdss" in str(SurveyName), SurveyName
assert SURVEYS.module_of("sdss") == "metalyra.surveys.sdss"
assert SURVEYS.module_of("gaia_dr3") == "metalyra.surveys.gaia"
stars = survey("sdss").read_stars([])
curve, = survey("sdss").read_light_curves([], stars, "g")
print(stars["star_id"][0], curve.table["mag"][0])
"""


def run(code: str, folder: Path) -> str:
    """Run Python with the library of a folder, and return what it prints."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(folder)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_a_survey_is_a_module_of_the_package_and_nothing_else(tmp_path):
    shutil.copytree(Path(metalyra.__file__).parent, tmp_path / "metalyra")
    shutil.copytree(RESOURCES, tmp_path / "metalyra/resources")
    (tmp_path / "metalyra/surveys/sdss.py").write_text(NEW_SURVEY)
    assert run(ASK, tmp_path) == "only 15.0\n"


def test_all_surveys_are_known_without_astropy():
    code = "import sys; from metalyra.surveys import SURVEYS; print(*SURVEYS, *sys.modules)"
    surveys = run(code, Path(metalyra.__file__).parents[1]).split()
    assert {"ogle", "gaia_dr2", "gaia_dr3", "gaia_dr4", "vvv", "dg22", "ifeh", "own"} < set(surveys)
    assert not [name for name in surveys if name.partition(".")[0].startswith("astropy")]
