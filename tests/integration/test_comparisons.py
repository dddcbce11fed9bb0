"""High-dispersion spectra beside the ASAS light curves of config/dekany21.yaml, on the mirror."""

import pandas as pd
import pytest

from metalyra.core.tables import read_table

pytestmark = pytest.mark.study

STUDY = ("--cores", "all", "--configfile", "config/dekany21.yaml")
FOLDER = "results/dekany21"
COMPARISON = f"{FOLDER}/comparisons/high_dispersion"
FIGURES = ("comparisons", "compared_distributions", "discrepant_stars")


@pytest.fixture(scope="module")
def finished(new_project, mirror):
    project = new_project()
    figures = [f"{FOLDER}/figures/{figure}/high_dispersion.png" for figure in FIGURES]
    project.run(*STUDY, "--", f"{COMPARISON}.csv", *figures, METALYRA_MIRROR=str(mirror))
    return project


def test_the_relation_is_compared_with_spectra_of_many_papers(finished):
    metrics = pd.read_csv(finished.path(f"{COMPARISON}.csv")).set_index("stars")
    assert {"all", "RRab", "RRc", "in_calibration", "not_in_calibration"} == {*metrics.index}
    assert metrics.loc[["RRab", "RRc"], "n"].tolist() == [39, 21]
    assert metrics.loc["all", ["n", "n_in_calibration"]].tolist() == [60, 54]
    assert metrics.loc["RRab", "scatter_mad"] < 0.3
    assert abs(metrics.loc["all", "bias_median"]) < 0.15
    stars = read_table(finished.path(f"{COMPARISON}.parquet"))
    assert stars["difference"].abs().is_monotonic_decreasing
    assert stars.loc[0, ["star_id", "reference_id"]].tolist() == ["120447-2740.7", "IK_Hya"]
    steps = pd.read_csv(finished.path(f"{COMPARISON}.steps.csv"))
    assert steps.loc[steps["step"] == "with a position", "stars"].tolist() == [129]
    assert finished.path(f"{FOLDER}/figures/discrepant_stars/high_dispersion.png").exists()


def test_a_comparison_without_a_star_says_where_they_went(finished, mirror):
    finished.path("cuts.yaml").write_text(
        "comparisons: {high_dispersion: {cuts: {snr: [9999, null]}}}"
    )
    status, output = finished.attempt(
        *(*STUDY, "cuts.yaml", "--", f"{COMPARISON}.csv"), METALYRA_MIRROR=str(mirror)
    )
    assert status != 0
    [line] = [line for line in output.splitlines() if line.startswith("MetaLyra, comparison")]
    assert "no star is left to compare; of: 2,330 stars of calibrators_i, 97 with" in line
    assert line.endswith("0 with snr in [9999, ]")
