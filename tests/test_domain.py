import numpy as np
import pandas as pd

from metalyra.domain import COLUMNS, find_out_of_domain, measure_domain


def test_stars_of_the_training_are_inside_and_others_are_not():
    random = np.random.default_rng(1)
    training = pd.DataFrame({column: random.uniform(1, 2, 50) for column in COLUMNS})
    domain = measure_domain(training)
    assert set(find_out_of_domain(training, domain)) == {""}
    stars = pd.DataFrame({column: [1.5, 1.5, 1.5] for column in COLUMNS})
    stars.loc[1, "period"], stars.loc[1, "snr"] = 0.5, 2.5
    stars.loc[2, "amplitude"] = np.nan
    assert find_out_of_domain(stars, domain) == ["", "period,snr", "amplitude"]
