"""A stack that reads two bands of own tables, from the files to the catalogue."""

import json

import numpy as np
import pandas as pd
import pytest

from metalyra.core.tables import read_tables
from tests.fit.test_periods import pulsating

pytestmark = pytest.mark.study

STUDY = """
study: joint
chunks: 2
samples:
  mine: {survey: own, band: g, shape_bands: [r], stars: [stars.csv], light_curves: [curves.csv]}
labels: {mine: as_published}
models:
  joint:
    sample: mine
    folds: 2
    stack:
      bands: [g, r]
      combination: mean
      population: {harmonics: 3, components: 1}
      regressors: {ridge: {kind: ridge}}
predict: [{model: joint, sample: mine}]
"""


def test_a_stack_reads_two_bands_and_does_without_one(new_project):
    project, random = new_project(), np.random.default_rng(1)
    period = random.uniform(0.45, 0.7, 40)
    curves = [
        pulsating(f"s{star}", "RRab", period[star], seed=10 * star + place, epochs=epochs).assign(
            filter=band
        )
        for star in range(40)
        for place, (band, epochs) in enumerate({"zg": 40, "zr": 25}.items())
        if (star, band) != (3, "zr")
    ]
    pd.concat(curves).to_csv(project.path("curves.csv"), index=False)
    feh = -1.5 - 3 * (period - 0.57) + random.normal(0, 0.1, 40)
    stars = pd.DataFrame({"star_id": [f"s{star}" for star in range(40)], "period": period})
    stars = stars.assign(pulsation_type="RRab", feh=feh, feh_err=0.1)
    stars.to_csv(project.path("stars.csv"), index=False)
    project.path("joint.yaml").write_text(STUDY)
    files = [f"results/joint/predictions/joint/mine/{chunk}.parquet" for chunk in range(2)]
    project.run(*files, "--cores", "1", "--configfile", "joint.yaml")
    card = json.loads(project.path("results/joint/models/joint/card.json").read_text())
    assert (card["band"], card["stack"]["bands"]) == ("g", ["g", "r"])
    values = read_tables([project.path(file) for file in files]).set_index("star_id")
    assert len(values) == 40
    assert values["feh"].notna().all()
    assert values["reason"]["s3"].startswith("no points in r") or values["status"]["s3"] != "ok"
    assert not values["reason"].drop("s3").str.contains("no points").any()
    error = values["feh"].reindex(stars["star_id"]).to_numpy() - feh
    assert np.sqrt(np.mean(error**2)) < 0.15
