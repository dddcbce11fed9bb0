from pathlib import Path

import pandas as pd
import pytest

from metalyra.fit.fitting import fit_stars
from metalyra.study.configuration import read_yaml, resolve_config
from metalyra.study.cuts import FIT_COLUMNS, LABEL_COLUMNS, is_measured, list_columns
from metalyra.surveys import SURVEYS, survey

ROOT = Path(__file__).parents[2]
STUDY = resolve_config(
    read_yaml(ROOT / "config/config.yaml"),
    read_yaml(ROOT / "resources/relations.yaml"),
)
TEXTS_AND_CURVES = {"star_id", "band", "curve", "curve_err", "status", "alignment", "variation"}
LISTS = {
    "ogle": [
        "ogle_ocvs/ogle4/blg/ident_edit.dat",
        "ogle_ocvs/ogle4/blg/RRc.dat",
        "ogle_ocvs/ogle3_rrlyr.txt.gz",
        "lcfit_examples/test1.lst",
    ],
    "gaia_dr3": [
        "gaia_dr3/vari_rrlyrae_subset.csv.gz",
        "gaia_dr3/ogle_periods_for_gaia_dr3.csv",
    ],
    "vvv": ["lcfit_examples/test2.lst"],
    "dg22": [
        "dekany_grebel_2022/inner_bulge_new_rrab.dat",
        "dekany_grebel_2022/g_dev_reconstructed.csv",
    ],
    "ifeh": ["dekany_2021_ifeh/CHR_X_phot_single.dat", "dekany_2021_ifeh/photometry.tar.gz"],
}
"""Star lists of the mirror by survey."""


def test_columns_of_the_fits_are_known_before_there_are_any():
    stars = pd.DataFrame({"star_id": [], "period": [], "pulsation_type": [], "status": []})
    points = pd.DataFrame({"star_id": [], "time": [], "mag": [], "mag_err": []})
    sample = STUDY["samples"]["ogle_i"]
    fits, _ = fit_stars(stars, points, {**sample["fit"], "phases": sample["phases"]}, 1)
    assert set(fits) - TEXTS_AND_CURVES <= set(FIT_COLUMNS)
    # The phase of maximum light goes with the alignment.
    assert set(FIT_COLUMNS) - set(fits) <= {"phase_of_maximum"}
    assert all(map(is_measured, (*FIT_COLUMNS, *LABEL_COLUMNS)))
    assert not any(map(is_measured, (*TEXTS_AND_CURVES, "archive_feh")))


@pytest.mark.parametrize("name", LISTS)
def test_the_published_columns_of_a_survey_are_those_of_its_star_lists(mirror, name):
    stars = survey(name).read_stars([mirror / path for path in LISTS[name]])
    published = {column for column in stars if column.startswith("archive_")}
    assert published <= set(survey(name).archive_columns) <= set(list_columns([(name, name)]))
    # The mirror's answer of Gaia's archive has some of the columns, and nobody's list the other.
    absent = {"archive_blazhko_probability"} if name == "ogle" else set()
    assert published | absent == set(survey(name).archive_columns) or name == "gaia_dr3"
    assert stars[sorted(published)].dtypes.map(pd.api.types.is_numeric_dtype).all()


def test_every_survey_says_what_it_publishes():
    for name, found in SURVEYS.items():
        assert all(column.startswith("archive_") for column in found.archive_columns), name
    assert list_columns([("vvv", "vvv")]) == [*FIT_COLUMNS, *LABEL_COLUMNS]
    of_stars = ["archive_period_err", "archive_blazhko_probability"]
    assert list_columns([("vvv", "ogle")]) == [*FIT_COLUMNS, *LABEL_COLUMNS, *of_stars]
    published = ["archive_feh", "archive_feh_err"]
    assert list_columns([("own", "own")]) == [*FIT_COLUMNS, *LABEL_COLUMNS, *published]
