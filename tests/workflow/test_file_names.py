"""Whatever the names of a study, no two of its files have the same one."""

import itertools
import re
from collections import Counter
from pathlib import PurePosixPath

import pytest
from snakemake.io import get_wildcard_constraints
from snakemake.iocontainers import Wildcards

from tests.workflow.parsing import parse_workflow

# Each of these was, or could be, one of two parts that together make another name.
SAMPLES = ("a", "a_b", "b", "g", "dr3_g", "histogram_a", "match", "recovery", "searches", "stack")
NETWORKS = ("a", "a_b", "b", "histogram_a", "m", "m_dr3", "models", "recovery", "searches")
STACKS = ("stack", "stack_a", "b_stack")
PUBLISHED = ("g", "dr3_g", "published")
SHARED_JOBS = ("a_0_to_1", "m_0_to_1")
PRODUCTS = ("a", "a_b", "b", "truth", "match", "metallicities", "bailey_a", "match_a")
ACCURACIES = ("a_b_c", "truth_a", "epochs")
CALIBRATIONS = ("metalyra", "metalyra_a", "a_b")
AXES = {"first": {"a": {}, "a_b": {}}, "second": {"c": {}, "d_c": {}}}


def adversarial_study(**keys) -> dict:
    """Return a study with everything that a study can have, under names that invite mix-ups."""
    samples = {
        name: {
            "survey": "gaia_dr3",
            "band": "G",
            "stars": [f"{name}/stars.csv"],
            "light_curves": [f"{name}/curves.zip"],
            "chunks": 2,
        }
        for name in SAMPLES
    }
    for name in ("b", "dr3_g"):
        samples[name]["match"] = {"reference": "a"}
    trained = {"sample": "a", "folds": 2}
    sequence = {"sequence": {"recipe": "gp_curve", "points": 20}}
    network = {**trained, **sequence, "network": {"kind": "gru"}}
    stack = {
        **trained,
        "relation": "muraveva2025",
        "stack": {"regressors": {"a": {"kind": "boosted_trees"}}, "published": "g"},
    }
    published = {"band": "G", "members": 2, "relation": "muraveva2025", **sequence}
    models = {
        **dict.fromkeys(NETWORKS, network),
        **dict.fromkeys(STACKS, stack),
        **{
            name: {
                **published,
                "published": f"published/{name}",
                "published_predictions": {"training": "t.dat", "validation": "v.dat"},
            }
            for name in PUBLISHED
        },
        **{name: {**network, "members_per_job": 2} for name in SHARED_JOBS},
    }
    search = {"model": "a", "ranges": {"training.batch_size": [8, 16]}, "method": "hyperband"}
    labels = dict.fromkeys(SAMPLES, "muraveva2025")
    return {
        "study": "names",
        "samples": samples,
        "labels": labels,
        "models": models,
        "experiments": {"e": {"shared": network, "axes": AXES}},
        "searches": dict.fromkeys(("a", "a_b", "best", "models", "searches"), search),
        "calibrate": {name: {"spectra": ["s.dat"], "sample": "a"} for name in CALIBRATIONS},
        "predict": [
            {"model": model, "sample": sample}
            for model in (*NETWORKS, *STACKS, *PUBLISHED)
            for sample in SAMPLES
        ],
        "tables": {
            **{name: {"sample": "a"} for name in PRODUCTS},
            **{f"models_{name}": {"models": ["a", "g"]} for name in PRODUCTS},
        },
        "accuracy_by_epochs": {
            name: {"sample": "a", "models": ["a", "a_b"]} for name in ACCURACIES
        },
        "sky_maps": {name: {"sample": "a"} for name in PRODUCTS},
        "archive_comparisons": list(SAMPLES),
        "comparisons": {
            name: {"of": {"sample": "a", "model": "a"}, "against": {"sample": "a"}}
            for name in (*PRODUCTS, "steps", "a_discrepant", "discrepant")
        },
        "distributions": {name: {"of": [{"sample": "a"}]} for name in PRODUCTS},
        **keys,
    }


@pytest.fixture(
    scope="module",
    params=[{}, {"simulate": {"n_rrab": 9, "n_rrab_field": 9, "n_rrc": 9}}],
    ids=["acquired", "simulated"],
)
def workflow(request, tmp_path_factory):
    """The rules of a study, as Snakemake reads them."""
    folder = tmp_path_factory.mktemp("names")
    with parse_workflow(adversarial_study(**request.param), folder) as parsed:
        yield parsed


def values_of(config: dict) -> dict[str, list[str]]:
    """Return what each wildcard of the rules may be."""
    numbers = ["0", "1", "2"]
    return {
        "sample": list(config["samples"]),
        "model": list(config["models"]),
        "table": list(config["tables"]),
        "experiment": list(config["experiments"]),
        "accuracy": list(config["accuracy_by_epochs"]),
        "sky_map": list(config["sky_maps"]),
        "calibration": list(config["calibrate"]),
        "search": list(config["searches"]),
        "comparison": list(config["comparisons"]),
        "distribution": list(config["distributions"]),
        "type": ["RRab", "RRc"],
        "part": ["in_fold", "out_of_fold"],
        "source": ["a/b.csv", "a/b_c", "a_b/c.log"],
        "batch": ["0_to_1"],
        **dict.fromkeys(("chunk", "member", "bracket", "round", "slot"), numbers),
    }


def list_jobs(workflow):
    """Give each rule with each choice of its wildcards that it allows."""
    values = values_of(workflow.globals["config"])
    for rule in workflow.rules:
        allowed = {name: values[name] for name in sorted(rule.wildcard_names)}
        for pattern in rule.output:
            for name, constraint in get_wildcard_constraints(str(pattern)).items():
                allowed[name] = [
                    value for value in allowed[name] if re.fullmatch(constraint, value)
                ]
        for choice in itertools.product(*allowed.values()):
            yield rule, dict(zip(allowed, choice, strict=True))


def files_of(rule, wildcards) -> list[str]:
    """Return all that a job writes."""
    output, _ = rule.expand_output(wildcards)
    benchmark = rule.expand_benchmark(wildcards)
    files = [*output, *rule.expand_log(wildcards), *([benchmark] if benchmark else [])]
    return list(map(str, files))


def test_no_two_jobs_write_the_same_file(workflow):
    counts = Counter(
        file for rule, wildcards in list_jobs(workflow) for file in files_of(rule, wildcards)
    )
    assert len(counts) > 1000
    assert [file for file, count in counts.items() if count > 1] == []
    # Nor is the file of one the folder of another.
    folders = {str(folder) for file in counts for folder in PurePosixPath(file).parents}
    assert folders & set(counts) == set()


def test_every_file_is_of_one_rule_and_its_own_wildcards(workflow):
    for rule, wildcards in list_jobs(workflow):
        for file in rule.expand_output(wildcards)[0]:
            makers = [
                (other.name, dict(found.groupdict()))
                for other in workflow.rules
                for pattern in other.output
                if (found := pattern.match(str(file)))
            ]
            assert makers == [(rule.name, wildcards)], file


def test_every_prediction_is_an_input_under_a_name_of_its_own(workflow):
    config = workflow.globals["config"]
    expected = {
        f"results/names/predictions/{entry['model']}/{entry['sample']}/{chunk}.parquet"
        for entry in config["predict"]
        for chunk in range(2)
    }
    for name in ("catalogue", "ledger"):
        inputs = workflow.get_rule(name).expand_input({})[0]
        given = {key: files for key, files in inputs.items() if key.startswith("predictions_")}
        assert len(given) == len(config["predict"])
        assert {str(file) for files in given.values() for file in files} == expected
        for sample in config["samples"]:
            assert str(inputs[f"labels_{sample}"]) == f"results/names/labels/{sample}.parquet"


def test_every_model_of_an_experiment_is_an_input_under_a_name_of_its_own(workflow):
    inputs = workflow.get_rule("experiment_table").expand_input({"experiment": "e"})[0]
    models = [f"e_{first}_{second}" for first in AXES["first"] for second in AXES["second"]]
    assert len(inputs["cards"]) == len(models)
    for model in models:
        assert all(f"/train/{model}/" in file for file in inputs[f"training_{model}"])


def test_members_in_training_keep_their_state_in_places_of_their_own(workflow):
    """A search named like a model, or a model named searches, shares no folder with it."""
    folders = [
        rule.params.checkpoints(Wildcards(fromdict=wildcards))
        for rule, wildcards in list_jobs(workflow)
        if rule.name == "train" and wildcards["member"] == "0"
    ]
    assert "results/names/checkpoints/models/searches" in folders
    assert len(set(folders)) == len(folders)
    assert all(folder.startswith("results/names/checkpoints/models/") for folder in folders)
