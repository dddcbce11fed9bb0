"""Where the files of a study are, and what the rules look up of their sample or model.

What a study asks for is known by `study`; here are the paths. They are relative to
<results>, and a sample, model or search is given by its name.
"""

from functools import cache

from metalyra.acquire import (
    describe_configuration,
    find_mirror,
    find_query,
    list_ingredients,
    read_registry,
)
from metalyra.products import read_paper
from metalyra.study import identify, list_light_curves

targets = []
"""What a run of the whole study makes; every file of rules adds its own."""


def by_attempt(amount):
    """Return a resource that every attempt of a job asks more of."""
    return lambda wildcards, attempt: amount * attempt


def sources(paths):
    """Return where acquired sources lie."""
    return [f"<results>/sources/{path}" for path in paths]


def sample_files(sample, key):
    """Return the files of a sample that have its stars or its light curves."""
    names = config["samples"][sample][key]
    return names if study.is_own(sample) else sources(names)


def folder_contents(sample):
    """Return the light-curve files in the folders of a sample of a user's own stars."""
    folders = config["samples"][sample]["light_curves"] if study.is_own(sample) else []
    return [file for folder in folders for file in list_light_curves(folder)]


def listed_stars(sample):
    """Return the stars of a list: with the period of its match, if it has one."""
    stage = "matched" if study.is_matched(sample) else "stars"
    return f"<results>/{stage}/{sample}.parquet"


def star_table(sample):
    """Return the star table of a sample: with the periods that are found, if they are."""
    if study.finds_periods(sample):
        return f"<results>/periods/{sample}.parquet"
    return listed_stars(sample)


def chunk_files(stage, sample):
    """Return the files that a stage writes for a sample, one a chunk."""
    chunks = range(config["samples"][sample]["chunks"])
    return [f"<results>/{stage}/{sample}/{chunk}.parquet" for chunk in chunks]


def other_bands(wildcards):
    """Return the light curves in other bands that join the search of periods; none without."""
    path = f"<results>/light_curves_of_other_bands/{wildcards.sample}/{wildcards.chunk}.parquet"
    return [path] if study.period_bands_of(wildcards.sample) else []


def folded_in_other_bands_of(wildcards):
    """Return the folded light curves in other bands that the rule's model learns from, if any."""
    if not study.reads_other_bands(wildcards.model):
        return []
    sample = config["models"][wildcards.model]["sample"]
    return chunk_files("folded_in_other_bands", sample)


def folded_in_other_bands(wildcards):
    """Return the folded light curves in other bands that the rule's prediction reads, if any."""
    path = f"<results>/folded_in_other_bands/{wildcards.sample}/{wildcards.chunk}.parquet"
    return [path] if study.reads_other_bands(wildcards.model) else []


def relation_files(relation):
    """Return the files that have a relation: the published ones and, if need be, our own."""
    calibrated = relation in config["calibrate"]
    return [
        RELATIONS,
        *([f"<results>/calibration/{relation}/relations.yaml"] if calibrated else []),
    ]


def labelled_stars(wildcards):
    """Return the star table whose own [Fe/H] the rule's calibration is on; none if it has spectra."""
    calibration = config["calibrate"][wildcards.calibration]
    return [star_table(calibration["sample"])] if "labels" in calibration else []


def training_benchmarks(model):
    """Return what the jobs that train a model have taken."""
    return [f"<benchmarks>/train/{model}/{job}.tsv" for job in study.training_jobs(model)]


def best_settings(model):
    """Return the file with the settings of a model that a search finds; none for others."""
    search = config["models"][model].get("from_search")
    return [f"<results>/searches/{search}/best.yaml"] if search else []


def development_set(model):
    """Return the table and the sequences of the stars that a model is developed with."""
    return {
        "table": f"<results>/development/{model}.parquet",
        "sequences": f"<results>/development/{model}.npz",
    }


def model_folder(model):
    """Return the folder of a model, which may be another study's, or shipped."""
    settings = config["models"][model]
    if "shipped" in settings:
        return str(RESOURCES / "models" / settings["shipped"])
    return settings.get("trained", f"<results>/models/{model}")


def member_files(model, name="member", suffix=None):
    """Return the files that each member of an ensemble has, by default what it has learnt."""
    suffix = suffix or ("npz" if model in study.stacked_models() else "keras")
    return [f"<results>/models/{model}/{name}_{number}.{suffix}" for number in study.members(model)]


def model_files(model):
    """Return the files of a model that a prediction waits for."""
    return [f"{model_folder(model)}/card.json", *member_files(model)]


def prediction_files(model, sample):
    """Return what a model predicts for a sample, one file a chunk."""
    return chunk_files(f"predictions/{model}", sample)


def query_of(wildcards):
    """Return the query that makes the rule's source, with its batch; None if none does."""
    return find_query(wildcards.source, config["queries"])


def stars_of_query(wildcards):
    """Return the star files that a query waits for."""
    query, _ = query_of(wildcards) or ({}, 0)
    return sources(query.get("stars", []))


@cache
def ingredients_of_source(name):
    """Return the sources that a source is made from; none if mirror or archive have it."""
    registry = known_sources()
    if name not in registry or find_query(name, config["queries"]) is not None:
        return {}
    return list_ingredients(registry[name], find_mirror(config["mirror"]))


@cache
def known_sources():
    """Return the registry of sources."""
    return read_registry(SOURCES)


def ingredients(wildcards):
    """Return the files that the rule's source is made from."""
    parts = ingredients_of_source(wildcards.source).values()
    return sources(name for part in parts for name in part)


def given_files(sample):
    """Return a function that tells what a user gave for a sample; nothing for an archive's.

    It is asked only where a rule of the sample is looked at.
    """

    def files(wildcards):
        # What is made here is an input like any other.
        if not study.is_own(sample) or study.has_example:
            return []
        settings = config["samples"][sample]
        return [identify(path) for key in ("stars", "light_curves") for path in settings[key]]

    return files


def match_inputs(wildcards):
    """Return the star tables of the rule's sample and of its reference."""
    return {
        "stars": f"<results>/stars/{wildcards.sample}.parquet",
        "reference": star_table(study.reference_of(wildcards.sample)),
    }


def joined_files(wildcards):
    """Return what the samples of the rule's model are made of, each input named <stage>_<sample>."""
    files = {}
    for sample, labels in study.training_samples(wildcards.model).items():
        files[f"stars_{sample}"] = star_table(sample)
        files[f"fits_{sample}"] = chunk_files("fits", sample)
        files[f"folded_{sample}"] = chunk_files("folded", sample)
        files[f"labels_{sample}"] = f"<results>/labels/{labels}.parquet"
    return files


def joined_tables(model, *stages):
    """Return the tables of the samples that a model is trained on, joined to one."""
    return {stage: f"<results>/joined/{model}/{stage}.parquet" for stage in stages}


def unlabelled_files(wildcards):
    """Return what is known of the samples that the rule's stack learns from without labels."""
    model = wildcards.model
    trained = star_table(config["models"][model]["sample"])
    if study.joins_samples(model):
        trained = joined_tables(model, "stars")["stars"]
    files = {"development": f"<results>/development/{model}.parquet", "trained": trained}
    for sample in study.unlabelled_samples(model):
        files[f"stars_{sample}"] = star_table(sample)
        files[f"fits_{sample}"] = chunk_files("fits", sample)
        files[f"folded_{sample}"] = chunk_files("folded", sample)
    return files


def unlabelled_tables(wildcards):
    """Return fits and folded light curves that the rule's stack learns from without labels."""
    model = wildcards.model
    if not study.unlabelled_samples(model):
        return []
    return [f"<results>/unlabelled/{model}/{stage}.parquet" for stage in ("fits", "folded")]


def development_files(wildcards):
    """Return the tables that the development set of a model is made of."""
    if study.joins_samples(wildcards.model):
        return {
            **joined_tables(wildcards.model, "stars", "labels"),
            "fits": fits_of(wildcards),
            "folded": folded_of(wildcards),
        }
    model = config["models"][wildcards.model]
    sample, labels = model["sample"], model["labels"]
    cut = study.label_columns(wildcards.model)
    return {
        "stars": star_table(sample),
        "fits": chunk_files("fits", sample),
        "folded": chunk_files("folded", sample),
        "labels": f"<results>/labels/{labels}.parquet",
        # The fits behind the labels, where a cut is on one of their columns.
        "label_fits": chunk_files("fits", labels) if cut else [],
    }


def of_search(wildcards):
    """Return the settings of the rule's search."""
    return config["searches"][wildcards.search]


def of_searched_model(key):
    """Return a function that looks up a setting of the model that the rule's search is for."""
    return lambda wildcards: config["models"][study.searched_model(wildcards.search)][key]


def search_round(wildcards):
    """Return the size of the rule's round."""
    return study.plan_of(wildcards.search)[int(wildcards.bracket)][int(wildcards.round)]


def searched_stars(wildcards):
    """Return the development set of the model that the rule's search is for."""
    return development_set(study.searched_model(wildcards.search))


def trial_files(search, bracket, number):
    """Return the results of the trials of a round."""
    trials = study.plan_of(search)[bracket][number].trials
    return [
        f"<results>/searches/{search}/trials/{bracket}_{number}_{slot}.parquet"
        for slot in range(trials)
    ]


def trials_before(wildcards):
    """Return the results of the trials of the round before the rule's."""
    return trial_files(wildcards.search, int(wildcards.bracket), int(wildcards.round) - 1)


def states_before(wildcards):
    """Return the folders with the states from which the trials of the rule's round go on, if any."""
    if not of_search(wildcards)["continued"] or wildcards.round == "0":
        return []
    search, bracket, before = wildcards.search, int(wildcards.bracket), int(wildcards.round) - 1
    return [
        f"<results>/searches/{search}/states/{bracket}_{before}_{slot}"
        for slot in range(study.plan_of(search)[bracket][before].trials)
    ]


def all_epochs(wildcards):
    """Return the epochs of the training that the rule's trial is a part of; None of one alone."""
    bracket = study.plan_of(wildcards.search)[int(wildcards.bracket)]
    return bracket[-1].epochs if of_search(wildcards)["continued"] else None


def all_trials(wildcards):
    """Return the results of all trials of the rule's search."""
    return [
        file
        for bracket, rounds in enumerate(study.plan_of(wildcards.search))
        for number in range(len(rounds))
        for file in trial_files(wildcards.search, bracket, number)
    ]


def stars_of(wildcards):
    """Return the development set of the rule's model."""
    return development_set(wildcards.model)


def fits_of(wildcards):
    """Return the fits of the samples that the rule's model is trained on."""
    if study.joins_samples(wildcards.model):
        return [joined_tables(wildcards.model, "fits")["fits"]]
    return chunk_files("fits", config["models"][wildcards.model]["sample"])


def folded_of(wildcards):
    """Return the folded light curves of the samples that the rule's model is trained on."""
    if study.joins_samples(wildcards.model):
        return [joined_tables(wildcards.model, "folded")["folded"]]
    return chunk_files("folded", config["models"][wildcards.model]["sample"])


def batch_of(wildcards):
    """Return the members of the rule's batch."""
    return study.batches(wildcards.model)[wildcards.batch]


def batch_folder(wildcards):
    """Return the folder of the batch that the rule's member is trained in."""
    batch = study.batch_of(wildcards.model, int(wildcards.member))
    return f"<results>/batches/{wildcards.model}/{batch}"


def checkpoint_folder(wildcards):
    """Return where the members of a model that are being trained keep their state.

    Not among the outputs, for Snakemake deletes those of a job that was killed.
    """
    return f"results/{config['study']}/checkpoints/models/{wildcards.model}"


def joined_folder(wildcards):
    """Return the folder of the published model that joins the rule's stack; none if none does."""
    model = wildcards.model
    return [f"<results>/models/{model}/published"] if study.joined_by(model) else []


def architecture_of(wildcards):
    """Return the file with the architecture of the rule's published model."""
    return f"<results>/sources/{study.published_architecture(wildcards.model)}"


PREDICTED_PARTS = {"in_fold": "training", "out_of_fold": "validation"}
"""Files with predictions for stars of known [Fe/H], and what the members knew of these."""


def predictions_published(wildcards):
    """Return the file with the published predictions of the rule's model and part."""
    published = study.published_predictions(wildcards.model)
    return sources([published[PREDICTED_PARTS[wildcards.part]]])


def all_weights_of(wildcards):
    """Return the files with the published weights of all members of the rule's model."""
    model = wildcards.model
    return sources(study.published_weights(model, member) for member in study.members(model))


def measured_files():
    """Return what the catalogue is made of, each input named <stage>_<sample>.

    Names have no upper-case letters, so that _OF_ tells where that of a model ends.
    """
    files = {}
    for sample in study.catalogued_samples():
        files[f"stars_{sample}"] = star_table(sample)
        files[f"fits_{sample}"] = chunk_files("fits", sample)
        if sample in config["labels"]:
            files[f"labels_{sample}"] = f"<results>/labels/{sample}.parquet"
        for model in study.predictions_of(sample):
            files[f"predictions_{model}_OF_{sample}"] = prediction_files(model, sample)
    return files


def counted_files():
    """Return what the ledger counts besides: star lists and development sets."""
    samples = study.catalogued_samples()
    files = {f"listed_{sample}": f"<results>/stars/{sample}.parquet" for sample in samples}
    for sample in samples:
        if study.finds_periods(sample):
            files[f"before_periods_{sample}"] = listed_stars(sample)
    for model in study.usual_models():
        if config["models"][model]["sample"] in samples:
            files[f"development_{model}"] = f"<results>/development/{model}.parquet"
    return files


def released_cards(wildcards):
    """Return the cards of the models that a data release has values of."""
    if not study.releases_data:
        raise WorkflowError(
            "the key data_release is missing in the configuration of the study; it has the title "
            "and the authors of the release: see docs/data_release.md"
        )
    return [f"{model_folder(model)}/card.json" for model in study.released_models()]


def released_relations(wildcards):
    """Return the relations calibrated here that a data release has values of."""
    return [relation_files(relation)[-1] for relation in study.released_relations()]


def released_sources(wildcards):
    """Return the sources that a data release names, all of the study."""
    return sources(study.needed_sources())


def product_files(group, name):
    """Return a function that gives what a table or map of the configuration shows."""

    def files(wildcards):
        product = config[group][wildcards[name]]
        sample = product["sample"]
        models = product.get("models", [product["model"]] if "model" in product else [])
        predicted = [file for model in models for file in prediction_files(model, sample)]
        return {
            "stars": star_table(sample),
            "fits": chunk_files("fits", sample),
            "metallicities": predicted or [f"<results>/labels/{sample}.parquet"],
        }

    return files


def known_predictions(model):
    """Return the files with predictions of a model for stars of known [Fe/H], by part."""
    parts = study.predicted_parts(model)
    return {
        part: f"<results>/models/{model}/{file}.parquet"
        for file, part in PREDICTED_PARTS.items()
        if part in parts
    }


def compared_model_files(wildcards):
    """Return what a table of models is made of, each input named <what>_OF_<model>."""
    table, of = config["tables"][wildcards.table], LAYOUTS[layout_of_table(wildcards)].of
    files = {}
    for model in table["models"]:
        found = (
            {"layers": f"<results>/models/{model}/layers.parquet"}
            if of == "networks"
            else known_predictions(model)
        )
        files |= {f"{what}_OF_{model}": file for what, file in found.items()}
    return files


def compared_by_epochs(wildcards):
    """Return the fits, labels and predictions whose accuracy is measured by epochs."""
    settings = config["accuracy_by_epochs"][wildcards.accuracy]
    sample = settings["sample"]
    return {
        "fits": chunk_files("fits", sample),
        "labels": f"<results>/labels/{sample}.parquet",
        **{f"predictions_{model}": prediction_files(model, sample) for model in settings["models"]},
    }


def compared_files(wildcards):
    """Return what both sides of a comparison are made of, each input named <side>_<stage>."""
    comparison = config["comparisons"][wildcards.comparison]
    calibrators = study.calibrators_of(wildcards.comparison)
    files = {"calibrators": sources(calibrators)} if calibrators else {}
    for name in ("of", "against"):
        files |= {
            f"{name}_{stage}": paths for stage, paths in files_of_side(comparison[name]).items()
        }
    return files


def distributed_files(wildcards):
    """Return what the sides of a distribution are made of, each input named <side>_<stage>."""
    sides = config["distributions"][wildcards.distribution]["of"]
    return {
        f"side{place}_{stage}": paths
        for place, side in enumerate(sides)
        for stage, paths in files_of_side(side).items()
    }


def files_of_side(side):
    """Return what one side of a comparison is made of, by stage."""
    if "tables" in side:
        return {"tables": sources(side["tables"]), "positions": POSITIONS}
    sample = side["sample"]
    files = {"stars": star_table(sample), "fits": chunk_files("fits", sample)}
    if "model" in side:
        files["values"] = prediction_files(side["model"], sample)
    elif "relation" in side:
        files["relations"] = relation_files(side["relation"])
    elif "column" not in side:
        files["values"] = [f"<results>/labels/{sample}.parquet"]
    return files


def experiment_files(wildcards):
    """Return the cards of an experiment's models, and how long each took to train."""
    models = study.models_of(wildcards.experiment)
    return {
        "cards": [f"<results>/models/{model}/card.json" for model in models],
        **{f"training_{model}": training_benchmarks(model) for model in models},
    }


def of_sample(key):
    """Return a function that looks up a setting of the rule's sample."""
    return lambda wildcards: config["samples"][wildcards.sample][key]


def of_model(key):
    """Return a function that looks up a setting of the rule's model."""
    return lambda wildcards: config["models"][wildcards.model].get(key)


def modules_of_model(wildcards):
    """Return the modules of the networks and regressors of the rule's model."""
    return study.modules_of(wildcards.model)


def program(script, modules=modules_of_model):
    """Return a function that tells what a script does for the wildcards of its rule.

    The script finds modules by the names that the configuration has: those of the rule's
    model, or what `modules` says.
    """
    return lambda wildcards: fingerprint(script, *modules(wildcards))


def published_paper(wildcards):
    """Return the file with what the paper of the study prints."""
    if "reproduces" not in config:
        raise WorkflowError(
            "the key reproduces is missing in the configuration of the study; it names the paper "
            "of resources/published that the study is compared with"
        )
    return [RESOURCES / f"published/{config['reproduces']}.yaml"]


def reproducing_files(wildcards):
    """Return the products and figures that the paper of the study is compared with."""
    paper = read_paper(*published_paper(wildcards))
    return [f"<results>/{name}" for name in paper.list_files()]


def models_with_figure():
    """Return the models of the results page whose predictions out of fold a run draws."""
    out_of_fold = declared_figures()["out_of_fold"]
    if study.is_of_own_stars or not is_drawn(out_of_fold):
        return []
    drawn = study.models_with_predictions("validation")
    return [model for model in study.shown_models() if model in drawn]


def shown_files():
    """Return what the results page shows besides catalogue and ledger."""
    samples = study.catalogued_samples()
    return {
        **{f"fits_{sample}": chunk_files("fits", sample) for sample in samples},
        **{f"folded_{sample}": chunk_files("folded", sample) for sample in samples},
        "cards": [f"{model_folder(model)}/card.json" for model in study.shown_models()],
        "figures": [f"<results>/figures/out_of_fold/{model}.png" for model in models_with_figure()],
        "published": ["<results>/reproduction.csv"] if "reproduces" in config else [],
        "recovery": ["<results>/tables/recovery.csv"] if study.is_simulated else [],
    }


def cited_sources():
    """Return the citations of the data of the study, each once; none of a simulated sky."""
    names = [] if study.is_simulated else study.needed_sources()
    registry = known_sources()
    return list(dict.fromkeys(registry[name].citation for name in names if name in registry))
