"""A figure is a decorated function, found by name and told apart without being imported."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from metalyra.core.registry import UnknownNameError
from metalyra.core.tables import write_table
from metalyra.products.figures.drawing import FIGURES, Subject, declared_figures, figure
from metalyra.study.configuration import read_yaml, resolve_config
from metalyra.study.messages import ConfigurationError

ROOT = Path(__file__).parents[2]
CAPTIONS = ROOT / "workflow/report"


def resolve(**changes):
    study = read_yaml(ROOT / "config/config.yaml") | changes
    return resolve_config(
        study,
        relations=read_yaml(ROOT / "resources/relations.yaml"),
        archives=read_yaml(ROOT / "resources/archives.yaml")["archives"],
    )


def test_what_is_declared_is_what_is_registered():
    assert {*declared_figures()} == {*FIGURES}
    for name, declaration in declared_figures().items():
        assert declaration.module == FIGURES.module_of(name)
        assert declaration.name == name
        assert declaration.reads


@pytest.mark.parametrize("name", sorted(declared_figures()))
def test_every_figure_has_a_caption(name):
    assert (CAPTIONS / f"{name}.rst").read_text().strip()


def test_the_declarations_are_read_without_the_libraries_that_draw():
    code = (
        "import sys; from metalyra.products import declared_figures; "
        "assert declared_figures(); "
        "print([name for name in ('matplotlib', 'corner', 'scipy.stats') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_figure_is_found_without_the_libraries_of_others():
    code = (
        "import sys; from metalyra.products import FIGURES; FIGURES['light_curves']; "
        "print([name for name in ('matplotlib', 'corner', 'astropy') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['matplotlib']"


def test_an_unknown_figure_is_an_error_that_says_which_there_are():
    with pytest.raises(UnknownNameError, match="unknown figure 'baily'; did you mean bailey"):
        FIGURES["baily"]
    with pytest.raises(ConfigurationError, match=r"figures.*baily.*bailey"):
        resolve(figures=["baily"])


def test_two_figures_of_one_name_are_an_error():
    assert "bailey" in FIGURES
    decorate = figure("bailey", of="sample", reads=("fits",), category="Metallicities")
    with pytest.raises(ValueError, match="bailey"):
        decorate(lambda subject: None)


def test_a_study_draws_all_figures_unless_it_says_which():
    assert resolve()["figures"] is None
    assert resolve(figures=["bailey"])["figures"] == ["bailey"]


def test_a_figure_that_is_drawn_only_where_it_is_named_is_declared_so():
    optional = {name for name, figure in declared_figures().items() if figure.optional}
    assert {"architecture", "in_fold", "phased_development_set", "snr"} <= optional
    assert not optional & {"bailey", "light_curves", "out_of_fold", "weights"}
    assert resolve()["further_figures"] == []
    with pytest.raises(ConfigurationError, match=r"further_figures.*sn.*did you mean snr"):
        resolve(further_figures=["sn"])


def test_chunks_are_read_as_one_table_and_a_single_file_in_its_order(tmp_path):
    write_table(pd.DataFrame({"star_id": ["b", "a"]}), tmp_path / "one.parquet")
    write_table(pd.DataFrame({"star_id": ["c"]}), tmp_path / "two.parquet")
    one, two = str(tmp_path / "one.parquet"), str(tmp_path / "two.parquet")
    subject = Subject({}, {"stars": one, "fits": [two, one]}, {})
    assert list(subject.read("stars")["star_id"]) == ["b", "a"]
    assert list(subject.read("fits")["star_id"]) == ["a", "b", "c"]
