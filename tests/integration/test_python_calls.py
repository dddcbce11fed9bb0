"""The calls in Python give what the workflow gives, to the last bit and in the same words."""

import io

import pandas as pd
import pytest

import metalyra
from testbench.simulate import simulate_stars

pytestmark = pytest.mark.study

APPLY = ["--cores", "all", "--configfile", "config/apply.yaml", "--config"]


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """The files of a small survey, with stars and measurements that are not as they should be."""
    folder = tmp_path_factory.mktemp("survey")
    stars, light_curves = simulate_stars(12, 2, seed=4)
    stars = stars.drop(columns="feh_true").assign(cluster="M 3")
    stars.loc[4, "period"] /= 2
    stars.loc[5, "pulsation_type"] = "RRd"
    light_curves = light_curves[light_curves["star_id"] != "RRab 003"].astype({"mag": object})
    light_curves.loc[(light_curves["star_id"] == "RRab 007").idxmax(), "mag"] = "cloudy"
    stars.to_csv(folder / "stars.csv", index=False)
    light_curves.to_csv(folder / "light_curves.csv", index=False)
    return folder


def read(text) -> pd.DataFrame:
    return pd.read_csv(text, dtype={"star_id": str}, keep_default_na=False, na_values=[""])


@pytest.mark.parametrize("periods", ["given", "check"])
def test_the_calls_agree_with_the_workflow(new_project, survey, periods):
    project = new_project()
    stars, curves = survey / "stars.csv", survey / "light_curves.csv"
    output = survey / f"{periods}.csv"
    given = [f"stars={stars}", f"lightcurves={curves}", f"output={output}"]
    given += [] if periods == "given" else [f"periods={periods}"]
    project.run(*APPLY, *given, "model=metalyra_g", "band=G")
    called = metalyra.predict(stars, curves, "metalyra_g", band="G", periods=periods)
    called = read(io.StringIO(called.to_csv(index=False)))
    pd.testing.assert_frame_equal(called, read(output), check_exact=True)
    assert called["status"].nunique() >= 4
    assert (called["status"] == "ok").sum() >= 5
