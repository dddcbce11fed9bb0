"""What a study asks for."""

from pathlib import Path

import pytest

from metalyra.study.configuration import read_yaml, resolve_config
from metalyra.study.study import Study

ROOT = Path(__file__).parents[2]
SEQUENCE = {"recipe": "gp_curve", "points": 20}
NETWORK = {"kind": "gru"}
STACK = {"regressors": {"trees": {"kind": "boosted_trees"}}}


def sample(**settings) -> dict:
    return {
        "survey": "gaia_dr3",
        "band": "G",
        "stars": ["stars.csv"],
        "light_curves": ["curves.zip"],
        **settings,
    }


def make_study(**keys) -> Study:
    trained = {"sample": "a", "relation": "muraveva2025"}
    network = {**trained, "sequence": SEQUENCE, "network": NETWORK}
    published = {"published": "paper/g", "band": "G", "members": 2, "relation": "muraveva2025"}
    config = {
        "study": "asked",
        "fit": {"draws": 30},
        "samples": {
            "a": sample(),
            "b": sample(
                stars=["more.csv", "stars.csv"],
                match={"reference": "a", "radius": 2.0},
                fit={"draws": 40},
            ),
            "c": sample(light_curves=["others.zip"]),
        },
        "labels": {"a": "muraveva2025"},
        "models": {
            "usual": {**network, "folds": 4, "repeats": 2},
            "rare": {**network, "folds": 5, "members_per_job": 2, "optional": True},
            "stack": {**trained, "folds": 2, "stack": {**STACK, "published": "paper"}},
            "alone": {**trained, "folds": 2, "stack": STACK},
            "paper": {**published, "sequence": SEQUENCE, "training_stars": "paper/stars.csv"},
            "other": {"trained": "results/other/models/m", "band": "G", "relation": "muraveva2025"},
        },
        "searches": {
            "grid": {"model": "rare", "ranges": {"training.batch_size": [8, 16, 32]}},
            "seldom": {
                "model": "usual",
                "ranges": {"training.batch_size": [8, 16]},
                "optional": True,
            },
        },
        "predict": [
            {"model": "usual", "sample": "b", "cuts": {"snr": [20, None]}},
            {"model": "paper", "sample": "b"},
        ],
        **keys,
    }
    relations = read_yaml(ROOT / "resources/relations.yaml")
    return Study(resolve_config(config, relations=relations), relations)


@pytest.fixture(scope="module")
def study() -> Study:
    return make_study()


@pytest.fixture(scope="module")
def own_stars() -> Study:
    config = read_yaml(ROOT / "config/apply.yaml") | {
        "stars": "mine.csv",
        "lightcurves": "curves",
        "model": "dg22_g",
        "band": "G",
        "output": "feh.csv",
    }
    relations = read_yaml(ROOT / "resources/relations.yaml")
    return Study(resolve_config(config, relations=relations))


def test_models_are_told_apart_by_their_origin(study):
    assert study.trained_models() == ["usual", "rare", "stack", "alone"]
    assert study.usual_models() == ["usual", "stack", "alone"]
    assert study.network_models() == ["usual", "rare"]
    assert study.stacked_models() == ["stack", "alone"]
    assert study.published_models() == ["paper"]


@pytest.mark.parametrize(
    ("model", "number"), [("usual", 8), ("rare", 5), ("stack", 2), ("paper", 2), ("other", 0)]
)
def test_a_model_has_a_member_for_every_fold_or_published_network(study, model, number):
    assert study.members(model) == range(number)


def test_every_member_is_trained_in_one_job(study):
    assert not study.trains_in_batches("usual")
    assert study.training_jobs("usual") == [str(member) for member in range(8)]
    assert study.trains_in_batches("rare")
    assert study.batches("rare") == {
        "0_to_1": range(2),
        "2_to_3": range(2, 4),
        "4_to_4": range(4, 5),
    }
    assert study.training_jobs("rare") == list(study.batches("rare"))
    for member in study.members("rare"):
        assert member in study.batches("rare")[study.batch_of("rare", member)]


def test_a_model_has_the_relation_and_the_band_of_what_it_has_learnt(study):
    assert study.relation_of("usual") == "muraveva2025"
    labelled = make_study(
        models={"m": {"sample": "b", "labels": "a", "sequence": SEQUENCE, "network": NETWORK}},
        searches={},
        predict=[],
    )
    assert labelled.relation_of("m") == "muraveva2025"
    assert {study.band_of(model) for model in ("usual", "stack", "paper", "other")} == {"G"}


def test_a_stack_may_join_a_published_model(study):
    assert study.joined_by("stack") == "paper"
    assert study.joined_by("alone") is None


def test_every_source_is_needed_once(study):
    assert study.sample_sources() == ["stars.csv", "curves.zip", "more.csv", "others.zip"]
    paper = ["paper/g/model.json", "paper/g/weights_0.h5", "paper/g/weights_1.h5"]
    assert study.needed_sources() == [*study.sample_sources(), *paper, "paper/stars.csv"]


def test_published_predictions_are_needed_and_known_by_part(study):
    assert study.predicted_parts("paper") == []
    assert study.predicted_parts("usual") == ["training", "validation"]
    assert study.predicted_parts("stack") == ["validation"]
    models = {**study.config["models"]}
    models["paper"] = {
        **models["paper"],
        "published_predictions": {"training": "t.dat", "validation": "v.dat"},
    }
    told = Study({**study.config, "models": models})
    assert told.predicted_parts("paper") == ["training", "validation"]
    assert told.models_with_predictions("training") == ["usual", "paper"]
    assert set(told.models_with_predictions("validation")) == {*told.usual_models(), "paper"}
    assert {"t.dat", "v.dat"} <= set(told.needed_sources())


def test_a_comparison_needs_its_tables_and_knows_what_was_calibrated_on():
    sides = {"of": {"sample": "a"}, "against": {"tables": ["hds/one.dat"]}}
    study = make_study(
        calibrate={"ours": {"spectra": ["s.dat"], "sample": "a"}},
        labels={"a": "ours", "b": "muraveva2025"},
        comparisons={
            "labels": sides,
            "named": {**sides, "of": {"sample": "b"}, "calibrators": ["c.dat"]},
            "models": {"of": {"sample": "b", "model": "usual"}, "against": {"model": "paper"}},
        },
    )
    assert study.calibrators_of("labels") == ["s.dat"]
    assert study.calibrators_of("named") == ["c.dat"]
    assert study.calibrators_of("models") == []
    assert {"hds/one.dat", "s.dat", "c.dat"} < {*study.needed_sources()}


def test_the_sides_of_a_comparison_have_titles_that_tell_them_apart():
    sides = {
        "labels": ({"sample": "a"}, {"tables": ["one.dat"]}),
        "relation": ({"sample": "b", "relation": "muraveva2025"}, {"model": "usual"}),
        "named": ({"sample": "a"}, {"tables": ["one.dat"], "title": "spectra"}),
        "alike": ({"sample": "a"}, {"sample": "b", "relation": "muraveva2025"}),
    }
    study = make_study(
        comparisons={name: {"of": of, "against": other} for name, (of, other) in sides.items()}
    )
    titles = {
        name: [study.comparison(name)[side]["title"] for side in ("of", "against")]
        for name in sides
    }
    assert titles == {
        "labels": ["Muraveva et al. (2025)", "the literature"],
        "relation": ["Muraveva et al. (2025)", "GRU network on Gaia DR3, G band (a), RRab (usual)"],
        "named": ["Muraveva et al. (2025)", "spectra"],
        "alike": [
            "Muraveva et al. (2025), Gaia DR3, G band (a)",
            "Muraveva et al. (2025), Gaia DR3, G band (b)",
        ],
    }
    assert study.comparison("relation")["of"]["labelling"]["band"] == "G"


def test_a_query_and_a_calibration_need_their_sources():
    query = {"archive": "gaia_dr3", "product": "epoch_photometry", "stars": ["asked.csv"]}
    study = make_study(
        queries={"asked.zip": query}, calibrate={"ours": {"spectra": ["s.dat"], "sample": "a"}}
    )
    assert {"asked.csv", "s.dat"} <= set(study.needed_sources())
    assert "asked.zip" not in study.needed_sources()


def test_a_sample_is_matched_with_its_reference(study):
    assert study.matched_samples() == ["b"]
    assert study.reference_of("b") == "a"
    assert study.matching_of("b")["radius"] == 2.0
    assert "reference" not in study.matching_of("b")


def test_periods_are_needed_where_no_match_brings_them(study):
    assert study.needs_periods("a")
    assert not study.needs_periods("b")


def test_a_sample_may_be_fitted_in_a_way_of_its_own(study):
    assert study.fitting_of("a")["draws"] == 30
    assert study.fitting_of("b")["draws"] == 40
    assert study.fitting_of("a")["phases"] == "measured"


def test_labels_are_for_the_band_of_the_sample(study):
    assert study.labelling_of("a")["band"] == "G"


def test_samples_have_metallicities_from_labels_or_predictions(study):
    assert study.predictions_of("b") == ["usual", "paper"]
    assert study.samples_with_metallicities() == ["a", "b"]


def test_a_prediction_that_nobody_asked_for_has_no_cuts(study):
    assert study.prediction("usual", "b")["cuts"] == {"snr": [20, None]}
    assert study.prediction("rare", "c") == {"cuts": None, "other_band": False}


def test_the_catalogue_depends_on_nothing_but_its_samples_and_models(study):
    assert study.catalogued_samples() == ["a", "b", "c"]
    assert set(study.catalogue_settings()) == {"samples", "labels", "models", "predict"}


def test_a_search_is_planned_with_the_settings_of_its_model(study):
    assert study.usual_searches() == ["grid"]
    assert study.searched_model("grid") == "rare"
    assert study.search_folds("grid") == 5
    ((only,),) = study.plan_of("grid")
    assert only.trials == 3


def test_the_models_of_an_experiment_are_combinations_of_its_settings():
    shared = {"sample": "a", "labels": "a", "sequence": SEQUENCE, "network": NETWORK}
    axes = {"rate": {"low": {"training": {"learning_rate": 0.001}}, "high": {}}}
    study = make_study(experiments={"e": {"shared": shared, "axes": axes}})
    assert study.models_of("e") == {"e_low": {"rate": "low"}, "e_high": {"rate": "high"}}
    assert {"e_low", "e_high"} <= set(study.usual_models())


def test_own_stars_are_all_that_is_asked_for(own_stars):
    assert own_stars.is_of_own_stars
    assert own_stars.is_own("own_stars")
    assert own_stars.catalogued_samples() == ["own_stars"]
    assert set(own_stars.catalogue_settings()["samples"]) == {"own_stars"}
    assert own_stars.predictions_of("own_stars") == ["dg22_g"]
    assert not {"mine.csv", "curves"} & set(own_stars.sample_sources())


def test_a_study_of_own_labels_makes_all_and_writes_the_stars():
    relations = read_yaml(ROOT / "resources/relations.yaml")
    config = read_yaml(ROOT / "config/own_survey.yaml")
    study = Study(resolve_config(config, relations=relations))
    assert not study.is_of_own_stars
    assert study.writes_own_stars
    assert study.has_example
    assert study.own_models() == ["own_rrab", "own_rrc"]
    assert study.own_relations() == ["own_relation"]
    assert study.relation_of("own_rrc") == "as_published"
    assert study.needed_sources() == []
    given = {"stars": "mine.csv", "lightcurves": "curves"}
    assert not Study(resolve_config(config | given, relations=relations)).has_example


@pytest.mark.parametrize(("config", "simulated"), [("config", True), ("dg22", False)])
def test_a_study_is_of_a_simulated_sky_or_of_the_real_one(config, simulated):
    study = Study(
        resolve_config(
            read_yaml(ROOT / f"config/{config}.yaml"),
            relations=read_yaml(ROOT / "resources/relations.yaml"),
        )
    )
    assert study.is_simulated is simulated
    assert not study.is_of_own_stars


def test_the_modules_of_a_model_are_those_of_its_networks_and_regressors():
    network = {"sample": "a", "network": {"kind": "resnet"}}
    stack = {"sample": "a", "stack": {"regressors": {"r": {"kind": "ridge"}}}}
    joined = {"sample": "a", "stack": {**stack["stack"], "published": "p"}}
    models = {"n": network, "s": stack, "j": joined, "p": {"published": "p", "members": 2}}
    study = Study({"samples": {}, "models": models})
    assert study.modules_of("n") == ["metalyra.train.networks.residual"]
    assert study.modules_of("s") == ["metalyra.stack.regressors.linear"]
    # Which kind it is, is said by the files that were published.
    assert "metalyra.train.networks.recurrent" in study.modules_of("p")
    assert set(study.modules_of("j")) == {*study.modules_of("s"), *study.modules_of("p")}


def test_titles_are_those_of_what_a_figure_is_of():
    study = make_study(
        sky_maps={"b": {"sample": "b", "title": "The sky of b"}},
        labels={"a": "muraveva2025", "b": "muraveva2025"},
    )
    assert study.titles_of({"sample": "b"}) == {"b": "Gaia DR3, G band (b)"}
    assert study.titles_of({"sky_map": "b"}) == {"b": "The sky of b"}
    assert study.titles_of({})["b"] == "Gaia DR3, G band (b)"
    assert study.titles_of({"search": "grid"}) == {
        "grid": "Search for the GRU network on Gaia DR3, G band (a), RRab (rare)"
    }


def test_a_name_of_a_sample_and_a_model_is_its_own_title():
    network = {"sample": "a", "relation": "muraveva2025", "sequence": SEQUENCE, "network": NETWORK}
    study = make_study(models={"usual": network, "a": network}, searches={}, predict=[])
    assert study.titles_of({"sample": "a"}) == {"a": "a"}
