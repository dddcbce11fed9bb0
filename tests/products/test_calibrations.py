"""The corner figure shows every parameter and pair, and its contours hold what they say."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.path import Path as Outline

from metalyra.products.figures.calibrations import corner_figure
from metalyra.products.figures.style import save_figure

COVARIANCE = np.array([[1.0, 0.8, 0.0], [0.8, 1.0, 0.0], [0.0, 0.0, 0.04]])


@pytest.fixture(scope="module")
def draws() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    table = pd.DataFrame(
        rng.multivariate_normal([0.0, 5.0, 1.0], COVARIANCE, size=20_000),
        columns=["intercept", "period", "scatter"],
    )
    return table.assign(error_scale=1.0)


def visible_panels(figure) -> list:
    return [axes for axes in figure.axes if axes.get_frame_on()]


def test_constant_parameters_are_left_out(draws):
    assert len(visible_panels(corner_figure({"one": draws}))) == 6


def test_a_parameter_that_one_regression_lacks_is_still_shown(draws):
    without = draws.assign(scatter=0.0)
    figure = corner_figure({"one": draws, "other": without})
    assert len(visible_panels(figure)) == 6


def test_contours_hold_their_share_of_the_draws(draws):
    figure = corner_figure({"one": draws})
    panel = next(axes for axes in visible_panels(figure) if axes.get_ylabel().startswith("$P$"))
    lines = next(c for c in panel.collections if not c.get_fill() and len(c.get_paths()) == 2)
    points = draws[["intercept", "period"]].to_numpy()
    held = []
    for path in lines.get_paths():
        outline = max(path.to_polygons(), key=len)
        held.append(np.mean(Outline(outline).contains_points(points)))
    np.testing.assert_allclose(held, [0.865, 0.393], atol=0.03)


def test_published_values_are_marked(draws):
    figure = corner_figure({"one": draws}, {"period": 5.5})
    marked = [
        line.get_xdata()[0]
        for axes in visible_panels(figure)
        for line in axes.lines
        if line.get_xdata()[0] == line.get_xdata()[1] != 0
    ]
    assert marked == [5.5, 5.5]  # its own panel and the one below


def test_the_same_draws_give_the_same_bytes(draws, tmp_path):
    for name in ("first.png", "second.png"):
        save_figure(
            corner_figure({"one": draws.head(2000)}, {"period": 5.5}, "RRab"), tmp_path / name
        )
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
