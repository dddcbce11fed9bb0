import os
import shutil
from pathlib import Path

import pytest

from metalyra.core.resources import MIRROR_VARIABLE
from metalyra.predict.shipped import SHIPPED_MODELS, read_shipped_cards
from metalyra.study.configuration import read_yaml, resolve_config
from metalyra.study.given_paths import (
    find_wrong_paths,
    identify,
    list_light_curves,
)

ROOT = Path(__file__).parents[2]
RELATIONS = read_yaml(ROOT / "resources/relations.yaml")
TRAINED = {
    "trained": "results/dg22/models/metalyra_g",
    "band": "G",
    "relation": "dekany2021",
}


@pytest.fixture
def given(tmp_path, monkeypatch):
    """What a user gives for their own stars, in the present folder."""
    monkeypatch.chdir(tmp_path)
    Path("curves").mkdir()
    for star in ("a", "b"):
        Path(f"curves/{star}.csv").write_text("time,mag\n1,15\n2,16\n")
    Path("stars.csv").write_text("star_id,period\na,0.5\nb,0.6\n")
    return {
        **{"stars": "stars.csv", "lightcurves": "curves", "model": "dg22_g", "band": "G"},
        "output": "feh.csv",
    }


def resolve(study: str, **keys) -> dict:
    study = read_yaml(ROOT / f"config/{study}.yaml")
    return resolve_config({**study, **keys}, RELATIONS, shipped=read_shipped_cards())


def problems_of(keys: dict, **environment: str) -> list[str]:
    return find_wrong_paths(resolve("apply", **keys), environment)


def test_paths_that_lead_somewhere_are_no_problem(given):
    assert problems_of(given) == []
    assert problems_of({**given, "lightcurves": "stars.csv"}) == []
    assert find_wrong_paths(resolve("config"), {MIRROR_VARIABLE: "nowhere"}) == []


def test_an_image_that_is_a_file_must_be_there():
    assert find_wrong_paths(resolve("config", container="docker-archive://metalyra.tar"), {}) == []
    [problem] = find_wrong_paths(resolve("config", container="metalyra.sif"), {})
    assert problem.startswith("container: there is no 'metalyra.sif'; build it as docs/")


def test_the_paths_of_the_example_are_made_and_those_of_yours_looked_at(given):
    assert find_wrong_paths(resolve("own_survey"), {}) == []
    mine = {"stars": "star.csv", "lightcurves": "curves"}
    [problem] = find_wrong_paths(resolve("own_survey", **mine), {})
    assert problem.startswith("stars: there is no 'star.csv'; did you mean stars.csv?")


@pytest.mark.parametrize(
    ("key", "path", "message"),
    [
        ("stars", "star.csv", "stars: there is no 'star.csv'; did you mean stars.csv? give a tab"),
        (
            "stars",
            "curves",
            "stars: 'curves' is a folder; give a table (CSV, FITS, VOTable, Parquet) with",
        ),
        (
            "lightcurves",
            "curve",
            "lightcurves: there is no 'curve'; did you mean curves? give a fo",
        ),
        (
            "lightcurves",
            "x/y",
            "lightcurves: there is no 'x/y'; give a folder or archive of <star_",
        ),
        ("mirror", "miror", "mirror: there is no folder 'miror'; correct it, or leave it out"),
        ("output", "stars.csv", "output: 'stars.csv' is the file of the key stars; give another"),
        ("output", "curves/f.csv", "output: 'curves/f.csv' would be one of the light curves in"),
    ],
)
def test_a_path_that_leads_nowhere_is_named_with_its_key(given, key, path, message):
    [problem] = problems_of({**given, key: path})
    assert problem.startswith(message)


def test_every_wrong_path_is_named_at_once(given):
    Path("out.csv").mkdir()
    wrong = {"stars": "s.csv", "lightcurves": "l", "mirror": "m", "output": "out.csv"}
    problems = problems_of({**given, **wrong})
    assert sorted(problem.partition(":")[0] for problem in problems) == sorted(wrong)


def test_a_link_that_leads_nowhere_is_named(given):
    Path("curves/c.csv").symlink_to("/nowhere/c.csv")
    [problem] = problems_of(given)
    assert problem.startswith("lightcurves: the link 'curves/c.csv' leads nowhere; mend it, or del")
    Path("curves/d.csv").symlink_to("/nowhere/d.csv")
    [problem] = problems_of(given)
    assert problem.startswith(
        "lightcurves: 2 links lead nowhere, the first is 'curves/c.csv'; mend"
    )
    Path("list.csv").symlink_to("/nowhere/list.csv")
    problem = problems_of({**given, "stars": "list.csv"})[0]
    assert problem.startswith("stars: the link 'list.csv' leads nowhere, to '/nowhere/list.csv'; ")


def test_a_folder_without_light_curves_is_named(given):
    Path("empty").mkdir()
    Path("empty/readme.txt").write_text("no light curves")
    [problem] = problems_of({**given, "lightcurves": "empty"})
    assert problem.startswith("lightcurves: the folder 'empty' has no table; give a folder or")


def test_light_curves_in_subfolders_count(given):
    Path("curves/field").mkdir()
    Path("curves/field/c.csv").write_text("time,mag\n1,15\n")
    Path("curves/field/d.DAT.gz").write_text("")
    for no_light_curve in (".hidden.csv", "readme.txt", "a.py", ".csv"):
        Path(f"curves/{no_light_curve}").write_text("")
    found = ["a.csv", "b.csv", "field/c.csv", "field/d.DAT.gz"]
    assert list_light_curves("curves") == [f"curves/{name}" for name in found]
    assert list_light_curves("./curves/") == list_light_curves("curves")
    assert list_light_curves("stars.csv") == []


def test_the_mirror_of_the_environment_counts_unless_the_study_names_one(given):
    [problem] = problems_of(given, **{MIRROR_VARIABLE: "/nowhere"})
    assert problem.startswith("the variable METALYRA_MIRROR: there is no folder '/nowhere'; ")
    assert problems_of(given, **{MIRROR_VARIABLE: ""}) == []
    assert problems_of({**given, "mirror": "curves"}, **{MIRROR_VARIABLE: "/nowhere"}) == []


def test_every_file_of_a_sample_of_own_stars_is_looked_at(given):
    sample = {
        **{"survey": "own", "band": "G"},
        **{"stars": ["stars.csv", "more.csv"], "light_curves": ["curves", "more"]},
    }
    problems = find_wrong_paths(resolve("config", samples={"mine": sample}, **NOTHING), {})
    assert [problem.partition(";")[0] for problem in problems] == [
        "samples.mine.stars: there is no 'more.csv'",
        "samples.mine.light_curves: there is no 'more'",
    ]


NOTHING = {"labels": {}, "models": {}, "predict": [], "sky_maps": {}}


def test_a_model_of_another_study_must_have_been_trained(given):
    models = read_yaml(ROOT / "config/apply.yaml")["models"]
    given |= {"model": "other", "models": {**models, "other": TRAINED}}
    [problem] = problems_of(given)
    card = "results/dg22/models/metalyra_g/card.json"
    assert problem == (
        f"models.other.trained: there is no {card}; train it: snakemake --cores all "
        f"--configfile config/dg22.yaml {card}"
    )
    # One that is not applied need not be there.
    assert problems_of({**given, "model": "dg22_g"}) == []
    Path(card).parent.mkdir(parents=True)
    Path(card).write_text("{}")
    assert problems_of(given) == []


def test_a_shipped_model_must_be_as_it_was_shipped(given, tmp_path, monkeypatch):
    given |= {"model": "metalyra_i", "band": "I"}
    assert problems_of(given) == []
    shutil.copytree(SHIPPED_MODELS, tmp_path / "models")
    monkeypatch.setattr("metalyra.study.given_paths.SHIPPED_MODELS", tmp_path / "models")
    (tmp_path / "models/metalyra_i/member_1.npz").write_bytes(b"")
    [problem] = problems_of(given)
    assert "metalyra_i: the file member_1.npz is damaged; restore the model" in problem


def test_a_file_is_told_from_any_other(given):
    before = identify("stars.csv")
    assert before["path"] == "stars.csv"
    assert before["size"] == 27 == Path("stars.csv").stat().st_size
    assert identify("stars.csv") == before
    Path("copy.csv").write_bytes(Path("stars.csv").read_bytes())
    assert identify("copy.csv")["sha256"] == before["sha256"]
    Path("stars.csv").write_text("star_id,period\na,0.5\nb,0.7\n")
    os.utime("stars.csv", ns=(0, 0))
    assert identify("stars.csv")["sha256"] != before["sha256"]


@pytest.mark.parametrize("change", ["content", "name", "other"])
def test_a_folder_is_told_from_any_other(given, change):
    before = identify("curves")
    assert before == identify("curves")
    if change == "content":
        Path("curves/b.csv").write_text("time,mag\n1,15\n2,17\n")
        os.utime("curves/b.csv", ns=(0, 0))
    elif change == "name":
        Path("curves/b.csv").rename("curves/c.csv")
    else:
        Path("curves/c.csv").write_text("time,mag\n")
    after = identify("curves")
    assert after["sha256"] != before["sha256"]
    assert (after["size"] == before["size"]) == (change != "other")


def test_a_file_is_read_once_a_process(given, monkeypatch):
    identify("curves")
    monkeypatch.setattr("builtins.open", None)
    identify("curves")
