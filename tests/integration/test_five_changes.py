"""What is touched by a change that many will make, in a copy of the repository.

CONTRIBUTING.md has a table of five such changes. The first three are made here, and run.
"""

import subprocess
import textwrap

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.integration.conftest import Project

pytestmark = pytest.mark.study

SURVEY = '''
"""Light curves of a telescope of our own: one text file of stars, one of magnitudes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from metalyra.surveys.interface import MAGNITUDES, LightCurve, Survey, register


def read_stars(paths: Sequence[Path]) -> pd.DataFrame:
    """Read files with name, right ascension, declination (deg) and period (d)."""
    columns = ["star_id", "ra", "dec", "period"]
    tables = [pd.read_csv(path, sep=" ", names=columns, dtype={"star_id": str}) for path in paths]
    return pd.concat(tables, ignore_index=True).assign(pulsation_type="RRab")


def read_light_curves(
    paths: Sequence[Path], stars: pd.DataFrame, band: str
) -> Iterator[LightCurve]:
    """Read files with name, time (HJD), magnitude and its error."""
    for path in paths:
        table = pd.read_csv(path, sep=" ", names=["star_id", *MAGNITUDES], dtype={"star_id": str})
        for star_id, rows in table[table["star_id"].isin(stars["star_id"])].groupby("star_id"):
            yield LightCurve(str(star_id), rows[[*MAGNITUDES]].reset_index(drop=True))


TELESCOPE = register(
    Survey("telescope", ("V",), "HJD", MAGNITUDES, read_stars, read_light_curves), __name__
)
'''

NETWORK = '''
"""A network that knows nothing of the order of the points."""

from typing import TYPE_CHECKING

from metalyra.core.bounds import Count
from metalyra.train.networks import network

if TYPE_CHECKING:
    import keras


@network("bag_of_points")
def bag_of_points(
    sequences: "keras.KerasTensor", mask: "keras.KerasTensor", *, width: Count = 8
) -> "keras.KerasTensor":
    """Average features of the points.

    Parameters
    ----------
    sequences, mask
        See `metalyra.train.networks.build_network`.
    width
        Number of features.
    """
    from keras import layers

    features = layers.Dense(width, activation="tanh", name="features")(sequences)
    return layers.GlobalAveragePooling1D(name="mean")(features)
'''

FIGURE = '''
"""Figures of periods."""

from matplotlib.figure import Figure

from metalyra.products.figures.drawing import Subject, figure


@figure("periods", of="sample", reads=("fits",), category="Light curves", product="periods")
def draw_periods(subject: Subject) -> Figure:
    """Draw the distribution of the periods of a sample."""
    drawing = Figure()
    axes = drawing.add_subplot(xlabel="Period (d)", ylabel="Stars")
    axes.hist(subject.read("fits")["period"], bins=20)
    return drawing
'''

STUDY = {
    "study": "changed",
    "chunks": 1,
    "fit": {"harmonics": 12, "draws": 20, "folds": 3},
    "samples": {
        "telescope_v": {
            "survey": "telescope",
            "band": "V",
            "stars": ["telescope/stars.txt"],
            "light_curves": ["telescope/magnitudes.txt"],
        }
    },
    "figures": ["periods"],
}


SOURCES = """
  Our telescope:
    citation: Nobody (2026)
    licence: MIT
    files:
      telescope/stars.txt:
        origin: The stars of this test
      telescope/magnitudes.txt:
        origin: Their light curves
"""


def write(project: Project, name: str, text: str) -> None:
    path = project.path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text).lstrip())


def touched(project: Project) -> set[str]:
    """Return the files of the project that are new or changed, results and mirror apart."""
    status = subprocess.run(
        ["git", "status", "--short", "--untracked-files=all", "--porcelain"],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return {
        line[3:] for line in status.splitlines() if not line[3:].startswith((".snakemake", "sky"))
    }


@pytest.fixture
def project(new_project) -> Project:
    """A copy of the project whose changes git counts."""
    project = new_project()
    identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "Copy"]):
        subprocess.run(["git", *command], cwd=project.folder, check=True)
    return project


@pytest.fixture
def sky(project) -> dict[str, str]:
    """A mirror with two stars of our telescope, as the environment of a run."""
    folder = project.path("sky/telescope")
    folder.mkdir(parents=True)
    random = np.random.default_rng(3)
    periods = {"one": 0.55, "two": 0.61}
    with (folder / "stars.txt").open("w") as file:
        for place, (name, period) in enumerate(periods.items()):
            file.write(f"{name} {10 + place} -20 {period}\n")
    with (folder / "magnitudes.txt").open("w") as file:
        for name, period in periods.items():
            time = np.sort(random.uniform(0, 200, 80))
            mag = 15 + 0.4 * np.sin(2 * np.pi * time / period)
            mag += 0.15 * np.sin(4 * np.pi * time / period + 2) + random.normal(0, 0.01, 80)
            file.writelines(
                f"{name} {t:.5f} {m:.4f} 0.01\n" for t, m in zip(time, mag, strict=True)
            )
    return {"METALYRA_MIRROR": str(project.path("sky")), "METALYRA_OFFLINE": "1"}


def test_a_survey_and_a_figure(project, sky):
    write(project, "workflow/metalyra/surveys/telescope.py", SURVEY)
    study = {key: value for key, value in STUDY.items() if key != "figures"}
    write(project, "config/changed.yaml", yaml.safe_dump(study, sort_keys=False))
    with project.path("resources/sources.yaml").open("a") as file:
        file.write(SOURCES)
    assert touched(project) == {
        "workflow/metalyra/surveys/telescope.py",
        "resources/sources.yaml",
        "config/changed.yaml",
    }
    arguments = ("--cores", "1", "--configfile", "config/changed.yaml")
    fits = "results/changed/fits/telescope_v/0.parquet"
    project.run(fits, *arguments, **sky)
    table = pd.read_parquet(project.path(fits))
    assert table["star_id"].to_list() == ["one", "two"]
    assert set(table["status"]) == {"ok"}

    # One function, a caption, and a line of the configuration.
    before = touched(project)
    write(project, "workflow/metalyra/products/figures/periods.py", FIGURE)
    write(project, "workflow/report/periods.rst", "Periods of {{ snakemake.wildcards.sample }}.\n")
    with project.path("config/changed.yaml").open("a") as file:
        file.write("figures: [periods]\n")
    assert touched(project) - before == {
        "workflow/metalyra/products/figures/periods.py",
        "workflow/report/periods.rst",
    }
    output = project.run("--dry-run", *arguments, **sky)
    assert "figure_periods" in output
    assert "figure_bailey" not in output
    figure = "results/changed/figures/periods/telescope_v.png"
    project.run(figure, *arguments, **sky)
    assert project.path(figure).read_bytes().startswith(b"\x89PNG")


def test_a_network(project):
    write(project, "workflow/metalyra/train/networks/bag_of_points.py", NETWORK)
    small = yaml.safe_load(project.path("tests/integration/small.yaml").read_text())
    small["models"]["small_g"]["network"] = {"kind": "bag_of_points", "width": 6}
    del small["searches"]
    write(project, "config/changed.yaml", yaml.safe_dump(small, sort_keys=False))
    assert touched(project) == {
        "workflow/metalyra/train/networks/bag_of_points.py",
        "config/changed.yaml",
    }
    member = "results/small/models/small_g/member_0.keras"
    arguments = ("--cores", "1", "--configfile", "config/changed.yaml")
    project.run(member, *arguments)
    assert project.path(member).is_file()
    status, output = project.attempt(
        "--dry-run", *arguments, "--config", "models={small_g: {network: {kind: bag, width: 0}}}"
    )
    assert status
    assert "bag_of_points" in output
