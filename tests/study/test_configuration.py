import copy
import dataclasses
import inspect
import json
import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from metalyra.fit.fourier import RegressionSettings
from metalyra.fit.gp import KERNELS
from metalyra.fit.settings import FitSettings
from metalyra.label.relations import estimate_metallicity
from metalyra.match.crossmatch import match_stars
from metalyra.predict.shipped import read_shipped_cards
from metalyra.study import messages
from metalyra.study.checks import band_of_model, further_bands_of_model
from metalyra.study.configuration import read_yaml, resolve_config
from metalyra.study.experiments import EFFORTS
from metalyra.study.messages import ConfigurationError
from metalyra.study.model import (
    Configuration,
    Experiment,
    FirstOvertoneFit,
    Fit,
    Labelling,
    Match,
    Model,
    Training,
    Weights,
)
from metalyra.study.study import Study
from metalyra.surveys import SURVEYS
from metalyra.train.networks import KINDS, complete_network
from metalyra.train.sequences import RECIPES, complete_recipe
from metalyra.train.training_settings import TrainingSettings
from metalyra.train.weights import make_weights
from tests.papers import DEKANY_GREBEL_2022, MONTI_2024_SEQUENCES, MONTI_2025_SEQUENCES
from tests.papers import MONTI_2024 as MONTI_2024_NETWORKS

ROOT = Path(__file__).parents[2]

RELATIONS = read_yaml(ROOT / "resources/relations.yaml")
SHIPPED = read_shipped_cards()
STUDIES = sorted((ROOT / "config").glob("*.yaml"))
OWN_SAMPLE = {"survey": "own", "band": "G", "stars": ["s.csv"], "light_curves": ["curves"]}
OWN = {
    **{"stars": "s.csv", "lightcurves": "curves", "model": "dg22_g", "band": "G"},
    "output": "feh.csv",
}


def load(name: str, **keys) -> dict:
    study = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())
    # What the file repeats by an alias must not change together.
    return {**json.loads(json.dumps(study)), **keys}


def resolve(config: dict, **options) -> dict:
    return resolve_config(config, RELATIONS, shipped=SHIPPED, **options)


def problems_of(config: dict) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        resolve(config)
    return caught.value.problems


def changed(name: str, path: str, value) -> dict:
    """Return a study with one key, named with dots, changed."""
    config = load(name)
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    group = config
    for key in parents:
        group = group[key]
    group[last] = value
    return config


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_that_is_shipped_is_valid(path):
    own = OWN if path.stem == "apply" else {}
    resolve(load(path.stem, **own))


def test_the_given_configuration_is_left_as_it_is():
    config = load("config")
    before = copy.deepcopy(config)
    resolve(config)
    assert config == before


def test_a_mirror_changes_what_the_study_says_of_its_release():
    archives, mirror = resolve(load("gaia")), resolve(load("gaia"), has_mirror=True)
    assert archives["queries"]
    assert not mirror["queries"]
    assert archives["samples"]["ogle_i"]["light_curves"]
    assert not mirror["samples"]["ogle_i"]["light_curves"]
    # Keys that the mirror says nothing of stay.
    assert mirror["samples"]["gaia_g"]["match"] == archives["samples"]["gaia_g"]["match"]
    assert "gaia_dr2_g" in mirror["samples"]
    # Of another release it says nothing.
    assert resolve(load("gaia", release="dr4"), has_mirror=True) == resolve(
        load("gaia", release="dr4")
    )


def test_what_is_wrong_with_the_changes_of_a_mirror_is_said():
    with pytest.raises(ConfigurationError, match=r"on_mirror.*dr5"):
        resolve(load("gaia", on_mirror={"dr5": {}}))
    changes = {"samples": {"gaia_g": {"periods": "guess"}}}
    with pytest.raises(ConfigurationError, match=r"samples.gaia_g.periods.*guess"):
        resolve(load("gaia", on_mirror={"dr3": changes}), has_mirror=True)


def test_samples_that_are_joined_are_labelled_and_of_one_band():
    def problem(**changes):
        config = load("gaia")
        model = config["models"]["metalyra_rrab"] | {"further_samples": ["ogle_i"]} | changes
        config["models"]["metalyra_rrab"] = model
        return problems_of(config)[0]

    assert "ogle_i is in band I, gaia_g in G" in problem()
    assert "gaia_g is there twice" in problem(further_samples=["gaia_g"])
    assert "further_samples" in problem(further_samples=["gaia_dr2"])
    published = problem(further_samples=["gaia_g"], folds="published", members=8)
    assert "allowed with a number of folds" in published


def test_a_data_release_is_one_word():
    for release in ("dr3", "dr4"):
        resolved = resolve(load("gaia", release=release))
        assert resolved["study"] == f"gaia_{release}"
        assert f"Gaia {release.upper()}" in resolved["data_release"]["title"]
        assert resolved["samples"]["gaia_g"]["survey"] == f"gaia_{release}"
        assert f"gaia_{release}/epoch_photometry/49.zip" in str(resolved["samples"])
        assert {query["archive"] for query in resolved["queries"].values()} == {f"gaia_{release}"}
    with pytest.raises(ConfigurationError, match=r"release.*dr5"):
        resolve(load("gaia", release="dr5"))


def test_resolving_twice_changes_nothing():
    resolved = resolve(load("config"))
    assert resolve(resolved) == resolved


def test_a_sample_has_the_settings_of_the_study_but_for_its_own():
    config = load("config", fit={"draws": 77, "folds": 6}, chunks=9)
    config["samples"]["ogle_i"] |= {"fit": {"folds": 4}, "chunks": 2}
    samples = resolve(config)["samples"]
    assert (samples["ogle_i"]["fit"]["draws"], samples["ogle_i"]["fit"]["folds"]) == (77, 4)
    assert (samples["vvv_ks"]["fit"]["draws"], samples["vvv_ks"]["fit"]["folds"]) == (77, 6)
    assert (samples["ogle_i"]["chunks"], samples["vvv_ks"]["chunks"]) == (2, 9)


def test_a_job_with_a_gpu_trains_several_networks_if_nothing_else_is_said():
    config = load("config")
    config["models"]["demo_g"]["members_per_job"] = 2
    on_cores, on_gpus = resolve(config)["models"], resolve(config | {"gpu": 1})["models"]
    assert {model["members_per_job"] for model in on_cores.values()} == {1, 2}
    assert {model["members_per_job"] for model in on_gpus.values()} == {5, 2}
    assert on_gpus["demo_g"]["members_per_job"] == 2


def test_every_default_of_the_model_is_filled_in():
    config = load("config")
    del config["chunks"]
    resolved = resolve(config)
    assert set(Configuration.defaults()) <= set(resolved)
    assert resolved["samples"]["ogle_i"]["fit"] == {**Fit.defaults(), **config.get("fit", {})}
    assert resolved["samples"]["ogle_i"]["phases"] == "measured"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("sampels", {}, r"the key 'sampels' is unknown; did you mean samples\? allowed: study,"),
        ("fit", {"hubert": 1}, r"^fit: the key 'hubert' is unknown; did you mean huber\?"),
        ("samples.vvv_ks.radius", 1, r"^samples\.vvv_ks: the key 'radius' is unknown"),
        ("samples.vvv_ks.survey", "vv", r"^samples\.vvv_ks\.survey: 'vv' .*did you mean vvv\?"),
        ("fit", {"huber": "5e-2"}, r"^fit\.huber: the text '5e-2' \(YAML reads a number as"),
        ("seed", "many", r"^seed: the text 'many' where a whole number is expected"),
        ("seed", None, r"^seed: nothing where a whole number is expected"),
        ("chunks", 0, r"^chunks: 0 is less than the minimum of 1"),
        ("study", "My study", r"^study: the name 'My study'; allowed are lower-case letters"),
        ("samples.Big", OWN_SAMPLE, r"^samples: the name 'Big'; allowed are lower-case letters"),
        ("samples.vvv_ks", {"survey": "vvv"}, r"^samples\.vvv_ks: the key band, stars, light_cur"),
        ("predict.0", {"model": "demo_g"}, r"^predict\[0\]: the key sample is missing"),
        ("models.demo_g.cuts.snr", [30], r"^models\.demo_g\.cuts\.snr: \[30\] is too short"),
        ("models.demo_g.sequence.bins", 3, r"^models\.demo_g\.sequence: the key 'bins' is unkn"),
        ("models.demo_g.network.unit", 3, r"^models\.demo_g\.network: the key 'unit' is unknown"),
        ("models.demo_g.network.kind", "cnn", r"^models\.demo_g\.network\.kind: 'cnn' is unknown"),
        ("models.demo_g.training.epoch", 3, r"^models\.demo_g\.training: .*did you mean epochs\?"),
    ],
)
def test_a_key_that_breaks_the_schema_is_named(path, value, message):
    [problem] = problems_of(changed("config", path, value))
    assert re.search(message, problem)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("labels.ogle", "dekany2021", r"^labels: the sample 'ogle' .*did you mean ogle_i\?"),
        ("labels.ogle_i", "dekany2022", r"^labels\.ogle_i: .*did you mean dekany2021\?"),
        ("samples.ogle_i.stars", ["../ident.dat"], r"^samples\.ogle_i: the source '\.\./ident"),
        ("samples.ogle_i.stars", ["/etc/passwd"], r"^samples\.ogle_i: the source '/etc/passwd'"),
        ("samples.vvv_ks.match.reference", "vvv_ks", r"^samples\.vvv_ks\.match\.reference: 'vvv_k"),
        ("samples.vvv_ks.fit", {"order_min": 9}, r"^samples\.vvv_ks\.fit: order_min is greater"),
        ("models.demo_g.sample", "gaia", r"^models\.demo_g\.sample: 'gaia' is unknown"),
        ("models.demo_g.labels", "gaia_dr3_g", r"^models\.demo_g\.labels: not the sample or its"),
        ("models.demo_g.labels", "vvv_ks", r"^models\.demo_g\.labels: the labelled sample 'vvv_ks"),
        ("models.demo_g.published", "a", r"^models\.demo_g: needs one of the keys sample"),
        ("models.x", {"published": "a", "sequence": {"recipe": "dg22"}}, r"^models\.x: the key ba"),
        ("predict.0.model", "demo", r"^predict\[0\]\.model: 'demo' is unknown"),
        (
            "predict.0.sample",
            "vvv_ks",
            r"^predict\[0\]: the model demo_g is for band G, the sample",
        ),
        ("sky_maps.all", {"sample": "vvv_ks"}, r"^sky_maps\.all\.sample: the labelled sample"),
        ("tables", {"t": {"sample": "vvv_ks", "model": "demo_g"}}, r"^tables\.t\.model: the pred"),
    ],
)
def test_keys_that_contradict_each_other_are_named(path, value, message):
    assert any(
        re.search(message, problem) for problem in problems_of(changed("config", path, value))
    )


LITERATURE = {"tables": ["a.dat"]}


@pytest.mark.parametrize(
    ("comparison", "message"),
    [
        ({"of": {"sample": "ogle"}}, r"\.of\.sample: 'ogle' is unknown; did you mean ogle_i\?"),
        ({"of": {}}, r"\.of: the key sample is missing"),
        ({"of": LITERATURE}, r"\.of\.tables: the literature is what a sample is compared with"),
        ({"of": {"sample": "vvv_ks"}}, r"\.of\.sample: the labelled sample 'vvv_ks' is unknown"),
        ({"of": {"sample": "ogle_i", "model": "demo_g"}}, r"\.of\.model: the prediction for"),
        ({"of": {"sample": "ogle_i", "relation": "dekany"}}, r"\.of\.relation: 'dekany' is unk"),
        (
            {"of": {"sample": "ogle_i", "relation": "as_published"}},
            r"\.of\.relation: 'as_published' is unknown",
        ),
        (
            {"of": {"sample": "ogle_i", "relation": "muraveva2025"}},
            r"\.of\.relation: muraveva2025 is for band G, the sample ogle_i is in band I; samples",
        ),
        (
            {"of": {"sample": "ogle_i", "column": "archive_fe"}},
            r"\.of\.column: the column of the sample ogle_i 'archive_fe' is unknown",
        ),
        (
            {"of": {"sample": "ogle_i", "column": "a", "relation": "b"}},
            r"\.of: has relation and column; allowed is one of model, relation, column, tables",
        ),
        ({"against": {"tables": ["/a"]}}, r"\.against\.tables: the source '/a'; allowed is a path"),
        ({"against": {}}, r"\.against: the same as comparisons\.one\.of; give it another"),
        ({"against": {**LITERATURE, "sample": "ogle_i"}}, r"\.against\.sample: tables of the lit"),
        ({"match": {"by": "names"}}, r"\.match\.by: 'names' is unknown; did you mean name\?"),
        (
            {"against": {"relation": "dekany2021"}, "match": {"by": "name"}},
            r"\.match\.by: name is for the tables of the literature; use star_id or position",
        ),
        ({"cuts": {"srn": [1, None]}}, r"\.cuts: the column of the sample ogle_i 'srn' is unk"),
        ({"calibrators": ["../a.dat"]}, r"\.calibrators: the source '\.\./a\.dat'"),
        ({"discrepant": 0}, r"\.discrepant: 0 is less than the minimum of 1"),
    ],
)
def test_a_comparison_that_cannot_be_made_is_named(comparison, message):
    comparison = {"of": {"sample": "ogle_i"}, "against": LITERATURE, **comparison}
    problems = problems_of(load("config", comparisons={"one": comparison}))
    assert any(re.search(rf"^comparisons\.one{message}", problem) for problem in problems)


def test_what_a_distribution_is_of_is_looked_at():
    sides = [{"sample": "ogle_i"}, {"sample": "ogle_i", "relation": "dekany"}, {**LITERATURE}]
    [problem] = problems_of(load("config", distributions={"all": {"of": sides}}))
    assert problem.startswith("distributions.all.of[1].relation: 'dekany' is unknown")


def test_a_comparison_is_completed():
    sides = {"of": {"sample": "ogle_i"}, "against": {"relation": "smolec2005"}}
    other = {"of": {"sample": "ogle_i"}, "against": LITERATURE}
    resolved = resolve(load("config", comparisons={"one": sides, "two": other}))["comparisons"]
    assert resolved["one"]["against"] == {"relation": "smolec2005", "sample": "ogle_i"}
    assert resolved["one"]["match"] == {"by": "star_id", "radius": 2.0, "cell_radius": None}
    assert resolved["two"]["match"]["by"] == "position"
    assert (resolved["two"]["colour"], resolved["two"]["discrepant"]) == ("period", 6)
    applied = resolve(load("apply", **OWN, comparisons={"one": {**sides}}))
    assert applied["comparisons"] == {}


def test_all_problems_are_reported_at_once():
    config = load("config", seed=-1, chunks="four")
    config["samples"]["ogle_i"]["bands"] = "I"
    assert len(problems_of(config)) == 3


def test_own_stars_become_a_sample_to_which_the_model_is_applied():
    resolved = resolve(load("apply", **OWN))
    assert resolved["samples"]["own_stars"]["stars"] == ["s.csv"]
    assert resolved["samples"]["own_stars"]["light_curves"] == ["curves"]
    assert resolved["samples"]["own_stars"]["band"] == "G"
    assert resolved["predict"] == [
        {"model": "dg22_g", "sample": "own_stars", "cuts": None, "other_band": False}
    ]


def test_own_stars_may_be_cut_in_another_way_than_the_model_asks_for():
    resolved = resolve(load("apply", **OWN, cuts={"snr": [10, None]}))
    assert resolved["predict"][0]["cuts"] == {"snr": [10, None]}
    [problem] = problems_of(load("apply", **OWN, cuts={"sn": [10, None]}))
    assert problem.startswith("predict[0].cuts: the column of the sample own_stars 'sn' is unknown")


def test_own_stars_may_use_a_model_that_another_study_trains():
    resolved = resolve(load("config", **{**OWN, "model": "demo_ks", "band": "Ks"}))
    assert resolved["samples"]["own_stars"]["band"] == band_of_model(resolved, "demo_ks") == "Ks"
    [prediction] = resolved["predict"]
    assert (prediction["model"], prediction["sample"]) == ("demo_ks", "own_stars")


def test_further_bands_may_tell_the_periods():
    keys = {**OWN, "periods": "find", "period_bands": ["phot_bp", " RP"]}
    resolved = resolve(load("apply", **keys))
    assert resolved["samples"]["own_stars"]["period_bands"] == ["BP", "RP"]
    assert "period_bands" not in resolve(load("apply", **OWN))["samples"]["own_stars"]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"periods": "given"}, "where periods are given, none is looked for in any band; set per"),
        ({"period_bands": ["BP", "Gaia_BP"]}, "BP is named twice"),
        ({"period_bands": ["G"]}, "G is the band of the sample, which counts anyway; leave it out"),
        ({"survey": "gaia_dr3", "period_bands": ["r"]}, "survey 'gaia_dr3' has no band 'r'; its b"),
        (
            {"survey": "dg22", "period_bands": ["Ks"]},
            "the light curves of the survey dg22 do not say which band they are in; surv",
        ),
    ],
)
def test_further_bands_that_tell_no_period_are_refused(settings, problem):
    sample = {**OWN_SAMPLE, "periods": "find", "period_bands": ["BP"], **settings}
    problems = problems_of({"study": "mine", "samples": {"mine": sample}})
    of_bands = [text for text in problems if "period_bands" in text]
    assert len(of_bands) == 1
    assert of_bands[0].startswith(f"samples.mine.period_bands: {problem}")


def test_one_message_says_that_bands_are_searched_only_for_periods_to_find():
    assert problems_of(load("apply", **OWN, period_bands=["BP"])) == [
        "period_bands: where periods are given, none is looked for in any band; set periods to "
        "check or find, or leave the key out"
    ]


def with_bands(sample: dict, **stack) -> dict:
    """Return a study with a stack on a sample of own tables."""
    regressors = {"ridge": {"kind": "ridge"}}
    return {
        "study": "mine",
        "samples": {"mine": {**OWN_SAMPLE, **sample}, "other": OWN_SAMPLE},
        "labels": {"mine": "as_published"},
        "models": {"joint": {"sample": "mine", "stack": {"regressors": regressors, **stack}}},
        "predict": [{"model": "joint", "sample": "mine"}],
    }


def test_a_stack_may_read_several_bands_of_its_sample():
    study = with_bands({"shape_bands": ["phot_bp", "RP"]}, bands=["phot_g", "BP", "RP"])
    resolved = resolve(study)
    assert resolved["samples"]["mine"]["shape_bands"] == ["BP", "RP"]
    assert resolved["models"]["joint"]["stack"]["bands"] == ["G", "BP", "RP"]
    assert further_bands_of_model(resolved, "joint") == ["BP", "RP"]
    study["predict"].append({"model": "joint", "sample": "other"})
    assert problems_of(study) == [
        "predict[1]: the model joint reads BP, RP as well: the sample other has no light curves in "
        "BP, RP; add samples.other: shape_bands: [BP, RP]"
    ]
    own = {**OWN, "model": "joint", "models": {"joint": {"trained": "m", "relation": "dekany2021"}}}
    own["models"]["joint"] |= {"band": "G", "bands": ["G", "BP"]}
    assert problems_of(load("apply", **own)) == [
        "predict[0]: the model joint reads BP as well: the sample own_stars has no light curves in "
        "BP; add --config shape_bands: [BP]"
    ]
    assert resolve(load("apply", **own, shape_bands=["BP"]))["samples"]["own_stars"][
        "shape_bands"
    ] == ["BP"]


@pytest.mark.parametrize(
    ("sample", "bands", "problem"),
    [
        (
            {"shape_bands": ["BP"]},
            ["BP", "G"],
            "BP is first; allowed there is G, the band of the s",
        ),
        ({"shape_bands": ["BP"]}, ["G", "BP", "BP"], "BP is named twice"),
        ({"shape_bands": ["BP"]}, ["G", "RP"], "the sample mine has no light curves in RP; add"),
        ({}, ["G", "RP"], "the sample mine has no light curves in RP; add samples.mine: shape_b"),
    ],
)
def test_bands_that_a_stack_cannot_read_are_refused(sample, bands, problem):
    problems = problems_of(with_bands(sample, bands=bands))
    assert problems[0].startswith(f"models.joint.stack.bands: {problem}")


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"shape_bands": ["G"]}, "G is the band of the sample, which counts anyway; leave it out"),
        ({"phases": "published"}, "light curves with phases: published are folded; leave the key"),
        ({"survey": "dg22", "shape_bands": ["Ks"]}, "the light curves of the survey dg22 do not "),
    ],
)
def test_further_bands_that_cannot_be_folded_are_refused(settings, problem):
    sample = {**OWN_SAMPLE, "shape_bands": ["BP"], **settings}
    problems = problems_of({"study": "mine", "samples": {"mine": sample}})
    assert [text for text in problems if text.startswith("samples.mine.shape_bands:")] == problems
    assert problems[0].startswith(f"samples.mine.shape_bands: {problem}")


def test_own_stars_may_be_what_a_study_trains_on():
    given = {"stars": "s.csv", "lightcurves": "curves", "band": "r"}
    resolved = resolve(load("own_survey", **{**given, "band": "BP"}))
    sample = resolved["samples"]["own_stars"]
    assert (sample["stars"], sample["light_curves"], sample["band"]) == (
        ["s.csv"],
        ["curves"],
        "BP",
    )
    # Predictions are those of the study, one for each type.
    assert [entry["model"] for entry in resolved["predict"]] == ["own_rrab", "own_rrc"]
    assert band_of_model(resolved, "own_rrab") == "BP"
    assert resolve(resolved) == resolved


def test_a_study_that_trains_on_own_stars_needs_their_paths_and_no_model():
    config = load("own_survey", model="own_rrab")
    del config["lightcurves"]
    first, second = problems_of(config)
    assert first.startswith("the key lightcurves is missing; your own stars need all of stars=")
    assert second == "the key model is not for a study that trains on your own stars"


@pytest.mark.parametrize("key", ["stars", "lightcurves"])
def test_stars_of_yours_are_not_mixed_with_the_light_curves_of_the_example(key):
    [problem] = problems_of(load("own_survey", **{key: "mine.csv"}))
    [other] = {"stars", "lightcurves"} - {key}
    assert problem.startswith(f"{other}: 'results/own_survey/example/")
    assert f"is of the simulated example, {key} is not; give both" in problem


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("calibrate.own_relation.spectra", ["a.dat"], "needs one of the keys spectra"),
        ("calibrate.own_relation.features", ["period", "b1"], r"'b1' is unknown"),
        (
            "calibrate.own_relation.cuts",
            {"snrr": [1, None]},
            "column of the sample own_stars 'snrr'",
        ),
        ("models.own_rrab.stack.combination", "best", "'best'"),
        ("models.own_rrab.fewest_stars", 0, "0 is less than the minimum of 1"),
    ],
)
def test_settings_of_a_study_of_own_labels_are_checked(path, value, message):
    [problem] = problems_of(changed("own_survey", path, value))
    assert re.search(message, problem)


def test_networks_cannot_be_left_untrained():
    [problem] = problems_of(changed("config", "models.demo_g.fewest_stars", 30))
    assert problem.startswith("models.demo_g.fewest_stars: allowed is null for networks")


def test_features_are_for_relations_on_labels():
    [problem] = problems_of(changed("dekany21", "calibrate.metalyra_i.features", ["period", "a1"]))
    assert "features: allowed with labels" in problem


def test_own_stars_need_all_their_keys():
    config = load("apply", stars="s.csv", model="dg22_g")
    [problem] = problems_of(config)
    assert problem.startswith("the key lightcurves, band, output is missing")


def test_an_unknown_model_for_own_stars_is_named_with_those_there_are():
    [problem] = problems_of(load("apply", **{**OWN, "model": "dg22_k"}))
    assert re.search(
        r"'dg22_k' is unknown; did you mean dg22_ks\? allowed: dg22_g, dg22_ks, metalyra_g, "
        r"metalyra_g_rrc, metalyra_i; others are trained by a study",
        problem,
    )


def test_a_study_without_samples_says_how_own_stars_are_given():
    [problem] = problems_of(load("apply"))
    assert (
        "stars=<csv> lightcurves=<folder or table> model=<dg22_g or dg22_ks or metalyra_g or "
        "metalyra_g_rrc or metalyra_i> band=<band> output=<csv>" in problem
    )


def test_a_shipped_model_is_applied_by_its_name():
    """Its card has all that the study needs to know of it."""
    config = resolve(load("apply", **{**OWN, "model": "metalyra_g_rrc"}))
    model = config["models"]["metalyra_g_rrc"]
    assert model["shipped"] == "metalyra_g_rrc"
    assert (model["band"], model["pulsation_type"]) == ("G", "RRc")
    assert model["relation"] == "muraveva2025"
    assert config["predict"][0]["model"] == "metalyra_g_rrc"


def test_a_shipped_model_may_have_another_name_but_not_another_band():
    config = load("monti25")
    config["models"]["ready"] = {"shipped": "metalyra_g"}
    assert resolve(config)["models"]["ready"]["relation"] == "dekany2021"
    config["models"]["ready"]["band"] = "V"
    config["models"]["absent"] = {"shipped": "metalyra_v"}
    assert [problem.partition(";")[0] for problem in problems_of(config)] == [
        "models.ready.band: 'V' is not that of the shipped model metalyra_g, 'G'",
        "models.absent.shipped: 'metalyra_v' is unknown",
    ]


def test_only_stacks_that_are_described_are_shipped():
    config = load("models")
    del config["models"]["metalyra_i"]["description"]
    config["ship"].append("metalyra_v")
    problems = problems_of(config)
    assert problems[0].startswith("models.metalyra_i: the key description is missing")
    assert problems[1].startswith("ship: the stack 'metalyra_v' is unknown")


def settings_of(function) -> set[str]:
    parameters = inspect.signature(function).parameters.values()
    return {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}


def parts_of(annotation) -> dict[str, set[str]]:
    """Return the keys of each alternative of a part, by the value of the key that chooses."""
    found = {}
    for part in get_args(annotation):
        (_, field), *others = part.model_fields.items()
        found[get_args(field.annotation)[0]] = {name for name, _ in others}
    return found


def test_the_model_knows_the_librarys_networks_and_recipes():
    networks = parts_of(Model.model_fields["network"].annotation)
    assert networks == {kind: settings_of(body) for kind, body in KINDS.items()}
    # The alignment is of the curves that a recipe gets.
    sequences = parts_of(Model.model_fields["sequence"].annotation)
    assert sequences == {
        recipe: settings_of(function) | {"alignment"} for recipe, function in RECIPES.items()
    }


def test_the_model_knows_the_settings_of_the_training_and_the_weights():
    assert set(Training.model_fields) == settings_of(TrainingSettings)
    assert set(Weights.model_fields) == settings_of(make_weights)


def test_an_experiment_becomes_models_as_the_effort_asks_for():
    quick, full = (resolve(load("monti24", effort=effort)) for effort in ("quick", "full"))
    assert quick == resolve(load("monti24"))
    networks = list(load("monti24")["experiments"]["table_a1"]["axes"]["network"])
    catalogues = ("raw", "preprocessed_without_mean", "preprocessed")
    names = [f"table_a1_{catalogue}_{network}" for catalogue in catalogues for network in networks]
    assert sorted(quick["models"]) == sorted(full["models"]) == sorted([*names, "dg22_g"])
    for resolved in (quick, full):
        assert resolved["models"]["table_a1_raw_lstm"]["network"] == {"kind": "lstm"}
        assert resolved["models"]["table_a1_raw_lstm"]["labels"] == "gaia_dr3_g"
    epochs = [
        resolved["models"]["table_a1_preprocessed_gru"]["training"]["epochs"]
        for resolved in (quick, full)
    ]
    assert epochs[0] < epochs[1]


def test_the_experiments_have_the_papers_networks_and_sequences():
    experiment = load("monti24")["experiments"]["table_a1"]["axes"]
    assert [entry["network"] for entry in experiment["network"].values()] == list(
        MONTI_2024_NETWORKS.values()
    )
    recipes = [complete_recipe(entry["sequence"]) for entry in experiment["catalogue"].values()]
    assert recipes == [complete_recipe(recipe) for recipe in MONTI_2024_SEQUENCES.values()]
    types = load("monti25")["experiments"]["table1"]["axes"]["pulsation_type"].values()
    recipes = [complete_recipe(entry["sequence"]) for entry in types]
    assert recipes == [complete_recipe(recipe) for recipe in MONTI_2025_SEQUENCES.values()]


@pytest.mark.parametrize(
    ("study", "name", "band", "threshold"),
    [
        ("dg22", "dg22_g_retrained", "G", 0.5),
        ("dg22_full", "own_g", "G", 0.5),
        ("dg22_full", "own_ks", "Ks", 0.9),
    ],
)
def test_the_papers_networks_are_trained_anew_as_they_were_published(study, name, band, threshold):
    models = resolve(load(study))["models"]
    network = complete_network(models[name]["network"])
    assert network == complete_network(DEKANY_GREBEL_2022[band])
    assert models[name]["sequence"] == models[f"dg22_{band.lower()}"]["sequence"]
    weights = models[name]["weights"]
    assert weights["density_threshold"] == threshold
    # The labels of the mirror's development set have no errors.
    assert weights["inverse_variance"] == (study == "dg22_full")
    assert models[name]["training"]["optimizer"] == "adam"


def test_what_models_says_of_a_model_of_an_experiment_counts():
    config = load("monti24")
    config["models"]["table_a1_raw_gru"] = {"folds": 4}
    resolved = resolve(config)
    assert resolved["models"]["table_a1_raw_gru"]["folds"] == 4
    assert resolve(resolved) == resolved


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "axes.network.gru",
            {"network": {"kind": "gro"}},
            r"^models\.table_a1_raw_gru\.network\.k",
        ),
        ("axes.network.gru", {"training": {"epoch": 1}}, r"^models\.table_a1_raw_gru\.training: "),
        ("shared.sample", "gaia", r"^models\.table_a1_raw_fcn\.sample: 'gaia' is unknown"),
        ("quick", {"axes": {"network": {"cnn": {}}}}, r"\.table_a1\.quick: 'cnn' is unknown"),
        ("full", {"axes": {"network": {"cnn": {}}}}, r"\.table_a1\.full: 'cnn' is unknown"),
        (
            "quicker",
            {},
            r"^experiments\.table_a1: the key 'quicker' is unknown; did you mean quick",
        ),
        ("axes", {}, r"^experiments\.table_a1\.axes: "),
    ],
)
def test_a_mistake_in_an_experiment_is_named(path, value, message):
    problems = problems_of(changed("monti24", f"experiments.table_a1.{path}", value))
    assert any(re.search(message, problem) for problem in problems)


def test_the_model_knows_the_efforts_of_an_experiment():
    assert get_args(Configuration.model_fields["effort"].annotation) == EFFORTS
    assert set(EFFORTS) < set(Experiment.model_fields)


def test_an_experiment_and_a_table_need_different_names():
    config = load("monti24", tables={"table_a1": {"sample": "gaia_dr3_g"}})
    [problem] = problems_of(config)
    assert problem.startswith("experiments.table_a1: the name is that of a table")


def test_the_model_knows_the_settings_of_the_labels_and_of_a_match():
    # The band is that of the sample.
    assert set(Labelling.model_fields) | {"band"} == settings_of(estimate_metallicity)
    assert set(Match.model_fields) == {"reference", "radius"} | settings_of(match_stars)


def test_the_model_knows_the_settings_of_a_fit():
    general = {field.name for field in dataclasses.fields(FitSettings)}
    regression = {field.name for field in dataclasses.fields(RegressionSettings)}
    # The first-overtone stars' settings are the group rrc; the phases are the sample's.
    known = general | regression | {"rrc"} - {"regression", "rrc_regression", "phases"}
    assert set(Fit.model_fields) == known - {"regression", "rrc_regression", "phases"}
    assert set(FirstOvertoneFit.model_fields) == regression - {"published"}
    FitSettings.from_config(resolve(load("config"))["fit"])


@pytest.mark.parametrize(
    ("path", "value", "registry"),
    [("fit", {"kernel": "none"}, KERNELS), ("samples.ogle_i.survey", "none", SURVEYS)],
)
def test_what_a_registry_holds_is_allowed(path, value, registry):
    [problem] = problems_of(changed("config", path, value))
    assert problem.endswith(f"allowed: {', '.join(registry)}")


def test_a_key_that_was_renamed_has_its_new_name_in_the_message(monkeypatch):
    renamed = {"star_lists": "samples", "models.*.cut": "cuts"}
    monkeypatch.setattr(messages, "RENAMED", renamed)
    config = changed("config", "models.demo_g.cut", {}) | {"star_lists": {}}
    assert problems_of(config) == [
        "models.demo_g: the key 'cut' is called 'cuts' now",
        "the study: the key 'star_lists' is called 'samples' now",
    ]


SEARCH = {"model": "demo_g", "ranges": {"training.learning_rate": [0.01, 0.001]}}


def test_a_search_is_valid_and_complete():
    ranges = {"network": [{"dropout": 0.1}, {"kind": "gru", "units": [4]}]}
    searches = {
        "g": SEARCH,
        "h": SEARCH | {"method": "hyperband", "ranges": ranges},
        "d": {"model": "demo_g", "ranges": "dekany_grebel_2022_g"},
    }
    config = load("config", searches=searches)
    config["models"]["demo_g"]["network"] = {"kind": "bilstm"}
    config["models"]["found"] = {**config["models"]["demo_g"], "from_search": "g"}
    del config["models"]["found"]["network"], config["models"]["found"]["training"]
    searches["h"]["ranges"] = {"network": [{"dropout": 0.1}, {"units": [4]}]}
    resolved = resolve(config)
    assert resolved["searches"]["g"] == {
        **SEARCH,
        "method": "grid",
        "metric": "rmse",
        "trials": None,
        "folds": 1,
        "epochs": None,
        "reduction": 3,
        "seed": None,
        "continued": False,
        "optional": False,
    }
    assert resolve(resolved) == resolved


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "demo"}, r"^searches\.g\.model: the network 'demo' .*did you mean demo_g\?"),
        ({"method": "bayes"}, r"^searches\.g\.method: 'bayes' is unknown; allowed: grid"),
        ({"metric": "rsme"}, r"^searches\.g\.metric: 'rsme' is unknown; did you mean rmse\?"),
        ({"folds": 6}, r"^searches\.g\.folds: 6 is more than the 5 of demo_g"),
        ({"ranges": "monti"}, r"^searches\.g\.ranges: the paper 'monti' is unknown; .*monti_2025"),
        ({"ranges": {"training.epoch": [3]}}, r"^searches\.g\.ranges\.training: .*mean epochs\?"),
        (
            {"ranges": {"network.dropout": [0.1, 1.5]}},
            r"^searches\.g\.ranges\.network\.dropout: 1\.5",
        ),
        (
            {"ranges": {"training.warm_up": [90]}},
            r"^searches\.g\.ranges\.training\.warm_up: 90\.training: warm_up .* shorter",
        ),
        (
            {"ranges": {"sequence.points": [9]}},
            r"^searches\.g\.ranges: the key 'sequence\.points' .*allowed: network\.<key>, train",
        ),
        (
            {"ranges": {"network.kind.size": [3]}},
            r"^searches\.g\.ranges: the search changes network\.kind\.size, but kind",
        ),
        (
            {"method": "hyperband", "ranges": {"training.epochs": [3]}},
            r"^searches\.g\.ranges: the key training\.epochs; hyperband chooses the epochs",
        ),
    ],
)
def test_a_mistake_in_a_search_is_named(changes, message):
    [problem] = problems_of(load("config", searches={"g": SEARCH | changes}))
    assert re.search(message, problem)


def test_a_model_takes_its_settings_from_one_place():
    config = load("config", searches={"g": SEARCH})
    config["models"]["demo_ks"]["from_search"] = "g"
    [problem] = problems_of(config)
    assert problem.startswith("models.demo_ks: the key network is missing")
    del config["models"]["demo_ks"]["network"]
    config["models"]["demo_ks"]["from_search"] = "h"
    [problem] = problems_of(config)
    assert problem == "models.demo_ks.from_search: 'h' is unknown; allowed: g"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("models.demo_g.repeats", 0, r"^models\.demo_g\.repeats: 0 is less than the minimum of 1"),
        ("models.demo_g.members_per_job", 0, r"^models\.demo_g\.members_per_job: 0 is less than"),
        (
            "models.demo_g.training",
            {"validation": "none", "patience": 3},
            r"^models\.demo_g\.training: patience needs stars that validate the network",
        ),
    ],
)
def test_a_training_that_cannot_be_is_named(path, value, message):
    [problem] = problems_of(changed("config", path, value))
    assert re.search(message, problem)


def test_published_folds_are_not_repeated():
    config = load("dg22")
    config["models"]["metalyra_g"]["repeats"] = 2
    [problem] = problems_of(config)
    assert problem == "models.metalyra_g.repeats: allowed is 1 for a stack and with published folds"


@pytest.mark.parametrize(
    ("study", "path", "value", "message"),
    [
        (
            "config",
            "predict.1.sample",
            "gaia_dr3_g",
            "predict[1]: the model demo_ks is for band Ks, the sample gaia_dr3_g is in band G; "
            "models for it: demo_g; other_band: true in this entry applies this one",
        ),
        (
            "config",
            "labels.gaia_dr3_g",
            "dekany2021",
            "labels.gaia_dr3_g: the relation dekany2021 is for band I, the sample gaia_dr3_g is in "
            "band G; relations for it: muraveva2025; samples.gaia_dr3_g.labelling: {other_band: "
            "true} allows this one",
        ),
        (
            "dekany21",
            "samples.calibrators_v",
            {**OWN_SAMPLE, "band": "V"},
            "labels.calibrators_v: the relation metalyra_i is for band I, the sample calibrators_v "
            "is in band V; relations for it: jurcsik_kovacs1996, mullen2021; "
            "samples.calibrators_v.labelling: {other_band: true} allows this one",
        ),
    ],
)
def test_another_band_is_named_with_what_allows_it(study, path, value, message):
    config = changed(study, path, value)
    if study == "dekany21":
        config["labels"]["calibrators_v"] = "metalyra_i"
    assert message in problems_of(config)


def test_another_band_may_be_allowed():
    config = changed("config", "predict.1.sample", "gaia_dr3_g")
    config["predict"][1]["other_band"] = True
    config["labels"]["gaia_dr3_g"] = "dekany2021"
    config["samples"]["gaia_dr3_g"]["labelling"] = {"other_band": True}
    del config["sky_maps"]["sky_map_ks"]
    resolved = resolve(config)
    assert [entry["other_band"] for entry in resolved["predict"]] == [False, True]
    assert resolve(resolved) == resolved


def test_labels_as_published_are_of_any_band():
    assert resolve(load("dg22"))["labels"]["gaia_dr2_g"] == "as_published"


def test_own_stars_of_another_band_than_the_models_are_named_with_what_allows_them():
    config = load("apply", **{**OWN, "band": "Ks"})
    assert problems_of(config) == [
        "band: the model dg22_g is for band G, the sample own_stars is in band Ks; models for it: "
        "dg22_ks; --config other_band=true applies this one"
    ]
    for text in ("true", "True", True):
        resolved = resolve({**config, "other_band": text})
        assert resolved["predict"][0]["other_band"] is resolved["other_band"] is True
        assert resolved["samples"]["own_stars"]["band"] == "Ks"
        assert resolve(resolved) == resolved
    assert problems_of({**config, "other_band": "false"}) == problems_of(config)
    [problem] = problems_of({**config, "other_band": "yes"})
    assert problem == "other_band: 'yes' is neither true nor false"
    [problem] = problems_of(load("apply", **{**OWN, "band": "K"}))
    assert problem.startswith("band: the model dg22_g is for band G, the sample own_stars is in ba")


def test_bands_have_one_name_each():
    config = load("apply", **{**OWN, "band": " phot_g ", "other_band": True})
    resolved = resolve(config)
    assert resolved["band"] == resolved["samples"]["own_stars"]["band"] == "G"
    config["band"] = "ZTF g"
    assert resolve(config)["samples"]["own_stars"]["band"] == "g"
    config["band"] = "my own filter"
    assert resolve(config)["samples"]["own_stars"]["band"] == "my own filter"
    for wrong in ("", "G;", "x" * 41):
        [problem] = problems_of({**config, "band": wrong})
        assert (
            problem
            == f"band: {wrong!r} is no name of a band, such as G, g, I, V, Ks, BP, W1 or TESS"
        )


def test_the_bands_of_an_archive_are_listed():
    config = load("config")
    config["samples"]["ogle_i"]["band"] = "G"
    problems = problems_of(config)
    assert "samples.ogle_i.band: survey 'ogle' has no band 'G'; its bands: I, V" in problems


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"columns": {"magg": "Imag"}}, "columns: 'magg' is unknown; did you mean mag? allowed: "),
        ({"columns": ["mag"]}, "columns: ['mag'] where a group of keys is expected"),
        ({"time_scale": "UTC"}, "time_scale: 'UTC' is unknown; it is like MJD UTC, MJD TAI"),
        ({"time_scale": "MJD to now"}, "time_scale: 'now' is unknown; it is like MJD UTC"),
        ({"magnitude_zero_point": "AB"}, "magnitude_zero_point: the text 'AB' where a number"),
        ({"survey": "gaia_dr3"}, "survey: gaia_dr3 is an archive's; allowed for your own files: "),
        ({"survey": "sdss"}, "survey: 'sdss' is unknown"),
    ],
)
def test_what_own_tables_are_said_to_be_is_checked(keys, message):
    [problem] = problems_of(load("apply", **OWN, **keys))
    assert problem.startswith(message)
    if "survey" not in keys:
        sample = {**OWN_SAMPLE, **keys}
        problems = problems_of({"study": "mine", "samples": {"mine": sample}})
        assert any(problem.startswith(f"samples.mine.{message}") for problem in problems)


def test_how_own_tables_are_read_travels_to_the_sample():
    keys = {"columns": {"mag": "Imag"}, "time_scale": "MJD UTC", "magnitude_zero_point": 25.0}
    sample = resolve(load("apply", **OWN, **keys))["samples"]["own_stars"]
    assert {key: sample[key] for key in keys} == keys
    assert sample["survey"] == "own"
    [problem] = problems_of(changed("config", "samples.ogle_i.time_scale", "MJD UTC"))
    assert (
        problem == "samples.ogle_i.time_scale: the survey ogle says this itself; leave the key out"
    )


@pytest.mark.parametrize(
    ("study", "path", "message"),
    [
        (
            "config",
            "models.demo_g.cuts.sn",
            "models.demo_g.cuts: the column of the sample gaia_dr2_g 'sn' is unknown; did you mean "
            "snr?",
        ),
        (
            "config",
            "models.demo_ks.cuts.archive_feh",
            "models.demo_ks.cuts: the column of the sample vvv_ks 'archive_feh' is unknown;",
        ),
        (
            "dg22",
            "models.dg22_g.cuts",
            "models.dg22_g.cuts: the column 'archive_fehh' is unknown; did you mean archive_feh?",
        ),
        (
            "dg22",
            "predict.2.cuts",
            "predict[2].cuts: the column of the sample vvv_inner_bulge 'archive_fehh' is unknown; "
            "did you mean archive_feh?",
        ),
        (
            "config",
            "models.demo_g.cuts.curve",
            "models.demo_g.cuts: the column of the sample gaia_dr2_g 'curve' is unknown;",
        ),
    ],
)
def test_a_cut_on_a_column_that_the_sample_does_not_have_is_named(study, path, message):
    value = {"archive_fehh": [None, 0]} if path.endswith("cuts") else [None, 0]
    [problem] = problems_of(changed(study, path, value))
    assert problem.startswith(message)


def test_cuts_may_be_on_what_the_archive_publishes():
    config = load("dg22")
    config["predict"][2]["cuts"] = {"archive_snr": [100, None], "phase_coverage": [0.85, None]}
    config["models"]["metalyra_g"]["cuts"] = {"archive_feh": [-2.7, 0.0], "training_err": [None, 1]}
    predict = resolve(config)["predict"]
    assert predict[2]["cuts"]["archive_snr"] == [100, None]
    assert predict[0]["cuts"] is None


@pytest.mark.parametrize("group", ["tables", "experiments"])
def test_no_table_has_the_name_of_one_that_studies_write_themselves(group):
    config = load("monti24", experiments={}, tables={}, predict=[])
    product = {"sample": "gaia_dr3_g"}
    if group == "experiments":
        product = load("monti24")["experiments"]["table_a1"]
    config[group] = {"recovery": product}
    [problem] = problems_of(config)
    assert problem == (
        f"{group}.recovery: tables/recovery.csv is the comparison of a simulated sky with its "
        "truth; choose another name"
    )


def test_models_of_two_experiments_need_different_names():
    config = load("monti24")
    experiment = config["experiments"]["table_a1"]
    raw = {**experiment["axes"], "catalogue": {"gru": experiment["axes"]["catalogue"]["raw"]}}
    raw["network"] = {"gru": {"network": {"kind": "gru"}}}
    other = {"shared": experiment["shared"], "axes": raw}
    config["experiments"] = {"e_gru": {**other, "axes": {"network": raw["network"]}}}
    config["experiments"]["e_gru"]["shared"] = experiment["shared"] | raw["catalogue"]["gru"]
    config["experiments"]["e"] = other
    [problem] = problems_of(config)
    assert problem == (
        "experiments.e: its model e_gru_gru has the name of one of the experiment e_gru; rename "
        "an experiment or a setting"
    )


def test_a_model_that_is_another_than_the_experiments_of_its_name_is_refused():
    published = {"published": "a", "band": "G", "members": 1, "relation": "muraveva2025"}
    config = load("monti24", models={"table_a1_raw_gru": published})
    [problem] = problems_of(config)
    assert problem.startswith("models.table_a1_raw_gru.published: 'a' makes another model than ")
    assert "experiments.table_a1" in problem


def test_a_sequence_may_be_aligned_and_a_published_model_name_its_training_stars():
    config = load("dg22")
    models = config["models"]
    models["dg22_g"]["sequence"]["alignment"] = "maximum"
    models["dg22_g"]["training_stars"] = "dekany_grebel_2022/g_dev_reconstructed.csv"
    resolved = resolve(config)["models"]
    assert resolved["dg22_g"]["sequence"]["alignment"] == "maximum"
    assert "alignment" not in resolved["dg22_ks"]["sequence"]
    models["dg22_g"]["training_stars"] = "../stars.csv"
    models["dg22_ks"]["sequence"]["alignment"] = "minimum"
    [problem] = problems_of(config)
    assert problem.startswith("models.dg22_ks.sequence.alignment: 'minimum' is unknown")
    del models["dg22_ks"]["sequence"]["alignment"]
    [problem] = problems_of(config)
    assert problem.startswith("models.dg22_g.training_stars: the source '../stars.csv'")


def test_a_model_is_applied_to_a_sample_once():
    config = load("config")
    config["predict"].append({**config["predict"][0], "cuts": {"snr": [50, None]}})
    assert problems_of(config) == [
        "predict[2]: predict[0] applies the model demo_g to the sample gaia_dr2_g already; leave "
        "one of the two out"
    ]


def test_own_stars_may_use_a_model_whose_labels_are_calibrated_in_its_study():
    config = load("dekany21", **{**OWN, "model": "own_i", "band": "I"})
    trained = load("config")["models"]["demo_g"]
    config["models"] = {"own_i": {**trained, "sample": "calibrators_i"}}
    del config["models"]["own_i"]["labels"]
    resolved = resolve(config)
    assert resolved["labels"] == {"calibrators_i": "metalyra_i"}
    assert list(resolved["calibrate"]) == ["metalyra_i"]


def test_a_calibration_without_its_sample_is_one_problem():
    [problem] = problems_of(changed("dekany21", "calibrate.metalyra_i.sample", "calibrators"))
    assert problem.startswith("calibrate.metalyra_i.sample: 'calibrators' is unknown; did you mean")


@pytest.mark.parametrize(
    "path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.stem
)
def test_no_stack_of_ours_takes_in_networks_that_have_chosen_their_epoch_on_its_folds(path):
    for model in read_yaml(path).get("models", {}).values():
        assert "published" not in model.get("stack", {})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"sample": "ogle_i", "layout": "dg22_table5"}, "is of predictions and needs the key"),
        (
            {"sample": "gaia_dr2_g", "model": "demo_g", "layout": "dg22_table1"},
            "is of labels and takes no model",
        ),
        ({"sample": "ogle_i", "layout": "dg22_table9"}, "'dg22_table9' is unknown; did you mean"),
        ({"models": ["demo_g"], "layout": "dg22_table5"}, "and needs the key sample and model"),
        ({"models": ["demo_g"], "sample": "ogle_i"}, "is of cross-validations and takes no sample"),
    ],
)
def test_a_layout_of_other_values_is_refused(table, message):
    problems = problems_of(load("config", tables={"t": table}))
    assert all(problem.startswith("tables.t.layout: ") for problem in problems)
    assert message in problems[0]


@pytest.mark.parametrize(
    ("models", "layout", "message"),
    [
        (["dg22_g", "dg22_x"], "dg22_table2", "the network 'dg22_x' is unknown; did you mean"),
        (["metalyra_g"], "dg22_table2", "the network 'metalyra_g' is unknown; allowed: dg22_g,"),
        (["dg22_g", "dg22_g"], "dg22_table3", "dg22_g is given twice; leave one out"),
        (["nothing"], "dg22_table3", "the model with predictions of known labels, 'nothing'"),
    ],
)
def test_a_table_of_models_is_of_models_that_the_study_has(models, layout, message):
    table = {"models": models, "layout": layout}
    [problem] = problems_of(changed("dg22", "tables.table3", table))
    assert problem.startswith("tables.table3.models: ")
    assert message in problem


def test_a_full_effort_trains_the_networks_of_dekany_and_grebel_as_published():
    quick = resolve(load("dg22"))["models"]["dg22_g_retrained"]
    full = resolve(load("dg22", effort="full"))["models"]["dg22_g_retrained"]
    assert (quick["training"]["batch_size"], quick["weights"]["scaling"]) == (64, "number")
    assert not {"quick", "full"} & ({*quick} | {*full})
    assert full["weights"] == {**quick["weights"], "scaling": "range"}
    training = TrainingSettings(**full["training"])
    assert (training.learning_rate, training.batch_size, training.patience) == (0.005, 256, 1000)
    assert (training.validation, training.schedule) == ("fold", "constant")
    assert training.clip_norm is None
    assert {training.standardise_inputs, training.standardise_labels} == {False}
    assert {key: full[key] for key in ("network", "sequence", "folds")} == {
        key: quick[key] for key in ("network", "sequence", "folds")
    }


@pytest.mark.parametrize("model", ["own_g", "own_ks"])
def test_the_networks_of_all_stars_are_trained_alike(model):
    reference = resolve(load("dg22", effort="full"))["models"]["dg22_g_retrained"]
    study = Study(resolve(load("dg22_full", effort="full")))
    trained = study.config["models"][model]
    assert trained["training"] == {**reference["training"]}
    assert trained["weights"]["inverse_variance"]
    assert trained["weights"]["scaling"] == "range"
    for search in (
        f"grid_{model.removeprefix('own_')}",
        f"grid_{model.removeprefix('own_')}_networks",
    ):
        assert study.searched_model(search) == model
    trials = {"own_g": 36, "own_ks": 9}
    [[first]] = study.plan_of(f"grid_{model.removeprefix('own_')}")
    assert first.trials == trials[model]


def test_what_an_effort_says_of_a_model_is_checked_with_any_effort():
    wrong = {"training": {"learning_rat": 0.1}}
    [problem] = problems_of(changed("dg22", "models.dg22_g_retrained.full", wrong))
    assert problem.startswith("models.dg22_g_retrained.full.training")
    assert "learning_rate" in problem


def test_a_published_model_without_predictions_is_not_compared():
    config = load("dg22")
    del config["models"]["dg22_ks"]["published_predictions"]
    [problem] = problems_of(config)
    assert problem.startswith("tables.table3.models: the model with predictions of known labels,")


@pytest.mark.parametrize(
    ("model", "value", "message"),
    [
        ("metalyra_g", {"validation": "a.csv"}, "allowed for a published model alone"),
        ("dg22_g", {}, "needs one of the keys training and validation"),
        ("dg22_g", {"validation": "/a.csv"}, "'/a.csv'; allowed is a path within the mirror"),
    ],
)
def test_published_predictions_are_those_of_a_published_model(model, value, message):
    problems = problems_of(changed("dg22", f"models.{model}.published_predictions", value))
    assert any(
        problem.startswith(f"models.{model}.published_predictions") and message in problem
        for problem in problems
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sample": "gaia"}, r"sample: 'gaia' is unknown; allowed: gaia_dr3_g"),
        ({"models": ["table1_rrab", "table1"]}, r"models: the prediction for .* 'table1' is unkn"),
        ({"models": []}, r"models: "),
        ({"models": ["dg22_g", "dg22_g"]}, r"models: dg22_g, dg22_g name one twice$"),
        ({"edges": [20, 20]}, r"edges: \[20, 20\] do not ascend$"),
        ({"edges": [0]}, r"edges"),
    ],
)
def test_accuracy_by_epochs_is_of_models_that_are_applied(changes, message):
    accuracy = load("monti25")["accuracy_by_epochs"]["epochs"]
    assert resolve(load("monti25"))["accuracy_by_epochs"]["epochs"]["edges"][0] == 20
    [problem] = problems_of(load("monti25", accuracy_by_epochs={"a": {**accuracy, **changes}}))
    assert re.search(rf"^accuracy_by_epochs\.a\.{message}", problem)


def test_accuracy_by_epochs_needs_labels_and_a_name_of_its_own():
    config = load("monti25")
    config["accuracy_by_epochs"]["table1"] = config["accuracy_by_epochs"]["epochs"]
    assert problems_of(config) == [
        "accuracy_by_epochs.table1: experiments has this name, too; choose another name"
    ]
    config = load("gaia")
    config["accuracy_by_epochs"] = {"a": {"sample": "ogle_i", "models": ["metalyra_rrab"]}}
    assert [problem.partition(" '")[0] for problem in problems_of(config)] == [
        "accuracy_by_epochs.a.models: the prediction for this sample of"
    ]


@pytest.mark.parametrize(
    ("effort", "points", "epochs", "repeats"),
    [("full", {"rrab": 264, "rrc": 265}, 20000, 2), ("quick", {"rrab": 44, "rrc": 44}, 60, 1)],
)
def test_only_a_quick_effort_takes_fewer_points_and_epochs(effort, points, epochs, repeats):
    models = resolve(load("monti25", effort=effort))["models"]
    for kind, number in points.items():
        model = models[f"table1_{kind}"]
        assert model["sequence"]["points"] == number
        assert model["training"]["epochs"] == epochs
        assert model["repeats"] == repeats


def test_a_sky_map_shows_several_models_or_one():
    config = load("monti25")
    assert resolve(config)["sky_maps"]["sky_map_dr3"]["models"] == ["table1_rrab", "table1_rrc"]
    config["sky_maps"]["sky_map_dr3"]["models"].append("dg22_k")
    [problem] = problems_of(config)
    assert problem.startswith("sky_maps.sky_map_dr3.models: the prediction for this sample of")
    config["sky_maps"]["sky_map_dr3"] = {"sample": "gaia_dr3_g", "models": ["dg22_g"]}
    config["sky_maps"]["sky_map_dr3"]["model"] = "dg22_g"
    assert problems_of(config) == [
        "sky_maps.sky_map_dr3: allowed is one of the keys model and models"
    ]


def test_a_table_may_join_the_predictions_of_several_models():
    config = load("monti25")
    table = config["tables"]["predictions"]
    assert resolve(config)["tables"]["predictions"]["models"] == ["table1_rrab", "table1_rrc"]
    table["models"] = ["table1_rrab", "table1_rrd"]
    [problem] = problems_of(config)
    assert problem.startswith("tables.predictions.models: the prediction for this sample of")
    config["tables"]["predictions"] = {"sample": "gaia_dr3_g", "layout": table["layout"]}
    assert problems_of(config) == [
        "tables.predictions.layout: monti25_predictions is of joined predictions and needs the key "
        "models"
    ]


def test_trials_go_on_in_the_rounds_of_hyperband_alone():
    config = load("monti25")
    searches = resolve(config)["searches"]
    assert searches["rrc"] == {**searches["rrab"], "model": "table1_rrc"}
    assert searches["rrab"]["continued"]
    config["searches"]["rrc"]["method"] = "random"
    assert problems_of(config) == [
        "searches.rrc.continued: allowed with hyperband, whose trials have rounds; not with random"
    ]


def ks_of_ogle(model=None, **sample) -> dict:
    """Return the demo with Ks light curves of OGLE's stars, and a model trained on them."""
    config = load("config")
    config["samples"]["ks"] = {
        **{"survey": "vvv", "listed_by": "ogle", "band": "Ks", "light_curves": ["vvv/a.csv"]},
        "stars": ["ogle_ocvs/ogle4/blg/ident.dat", "ogle_ocvs/ogle4/blg/RRab.dat"],
        **sample,
    }
    config["models"]["ks"] = {
        **{"sample": "ks", "labels": "ogle_i", "network": {"kind": "gru"}},
        "sequence": {"recipe": "gp_curve"},
        **(model or {}),
    }
    return config


def test_a_sample_may_have_another_archives_star_list():
    cuts = {"cuts": {"amplitude": [None, 0.45], "amplitude_I": [None, 1.1]}}
    optional = {"optional_cuts": {"archive_blazhko_probability": [None, 0.7]}}
    resolved = resolve(ks_of_ogle({**cuts, **optional}))
    study = Study(resolved)
    assert study.lister_of("ks") == "ogle"
    assert study.surveys_of("ks") == ["vvv", "ogle"]
    assert study.surveys_of("ogle_i") == ["ogle"]
    assert study.needs_periods("ks")
    assert study.label_columns("ks") == {"amplitude_I": "amplitude"}
    assert study.label_columns("demo_g") == {}
    assert not study.is_labelled_through_match("ks")
    assert study.is_labelled_through_match("demo_g")


@pytest.mark.parametrize(
    ("model", "sample", "message"),
    [
        ({}, {"listed_by": "oggle"}, r"^samples\.ks\.listed_by: 'oggle' is unknown; did you mean"),
        ({}, {"listed_by": "own"}, r"^samples\.ks\.listed_by: own is for your own files; allowed"),
        (
            {},
            {"survey": "gaia_dr2", "band": "G"},
            r"^samples\.ks\.listed_by: the light curves of the survey gaia_dr2 go by its own star "
            "list; surveys whose go by position: vvv$",
        ),
        ({}, {"stars": ["a/RRab.dat"]}, r"^models\.ks\.labels: not the sample or its match, nor o"),
        ({}, {"listed_by": "vvv"}, r"^models\.ks\.labels: not the sample or its match, nor of the"),
        ({"cuts": {"amplitude_G": [0, 1]}}, {}, r"^models\.ks\.cuts: the column of the sample ks "),
        # OGLE's parameters are of its own light curves.
        ({"cuts": {"archive_r21": [0, 1]}}, {}, r"^models\.ks\.cuts: the column of the sample ks "),
        (
            {},
            {"labelling": {"phi31": "archive"}},
            r"^samples\.ks\.labelling\.phi31: those of ogle are of other light curves than these",
        ),
        (
            {"cuts": {"amplitude_I": [0, 1]}, "further_samples": ["vvv_ks"]},
            {},
            r"^models\.ks\.cuts: amplitude_I is of the light curves of the labels; allowed without",
        ),
        ({"optional_cuts": {"snr": [0, 1]}}, {}, r"^models\.ks\.optional_cuts: every sample has t"),
        (
            {"optional_cuts": {"archive_blazhko": [0, 1]}},
            {},
            r"^models\.ks\.optional_cuts: the column of the sample ks 'archive_blazhko' is unknown",
        ),
    ],
)
def test_a_star_list_that_cannot_be_another_archives_is_named(model, sample, message):
    problems = problems_of(ks_of_ogle(model, **sample))
    assert any(re.search(message, problem) for problem in problems), problems
