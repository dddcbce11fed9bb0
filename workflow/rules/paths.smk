"""Where the files of a sample or a model are, for the rules that read them."""

from metalyra.study import name_models
from metalyra.core import fingerprint
from metalyra.study import identify, list_light_curves
from metalyra.train import plan_search
from metalyra.acquire import find_query


def sources(paths):
    """Return where acquired sources lie."""
    return [f"<results>/sources/{path}" for path in paths]


def query_of(wildcards):
    """Return the query that makes the rule's source, with its batch; None if none does."""
    return find_query(wildcards.source, config["queries"])


def stars_of_query(wildcards):
    """Return the star files that a query waits for."""
    query, _ = query_of(wildcards) or ({}, 0)
    return sources(query.get("stars", []))


def sample_files(sample, key):
    """Return the files of a sample that have its stars or its light curves."""
    settings = config["samples"][sample]
    return settings[key] if settings["survey"] == "own" else sources(settings[key])


def folder_contents(sample):
    """Return the light-curve files in the folders of a sample of a user's own stars."""
    settings = config["samples"][sample]
    folders = settings["light_curves"] if settings["survey"] == "own" else []
    return [file for folder in folders for file in list_light_curves(folder)]


def given_files(sample):
    """Return a function that tells what a user gave for a sample; nothing for an archive's.

    It is asked only where a rule of the sample is looked at.
    """

    def files(wildcards):
        settings = config["samples"][sample]
        if settings["survey"] != "own":
            return []
        return [identify(path) for key in ("stars", "light_curves") for path in settings[key]]

    return files


def star_table(sample):
    """Return the star table of a sample: with the period of its match, if it has one."""
    stage = "matched" if "match" in config["samples"][sample] else "stars"
    return f"<results>/{stage}/{sample}.parquet"


def chunk_files(stage, sample):
    """Return the files that a stage writes for a sample, one a chunk."""
    chunks = range(config["samples"][sample]["chunks"])
    return [f"<results>/{stage}/{sample}/{chunk}.parquet" for chunk in chunks]


def relation_files(relation):
    """Return the files that have a relation: the published ones and, if need be, our own."""
    calibrated = relation in config["calibrate"]
    return [
        RELATIONS,
        *([f"<results>/calibration/{relation}/relations.yaml"] if calibrated else []),
    ]


def of_sample(key):
    """Return a function that looks up a setting of the rule's sample."""
    return lambda wildcards: config["samples"][wildcards.sample][key]


def label_settings(wildcards):
    """Return how the rule's sample is labelled, and the band that its relation should have."""
    sample = config["samples"][wildcards.sample]
    return {**sample["labelling"], "band": sample["band"]}


def of_model(key):
    """Return a function that looks up a setting of the rule's model."""
    return lambda wildcards: config["models"][wildcards.model].get(key)


def trained_models():
    """Return the models that this study trains."""
    return [name for name, model in config["models"].items() if "sample" in model]


def usual_models():
    """Return the models that a run of the whole study trains."""
    return [name for name in trained_models() if not config["models"][name]["optional"]]


def network_models():
    """Return the models that this study trains as ensembles of networks."""
    return [name for name in trained_models() if "stack" not in config["models"][name]]


def stacked_models():
    """Return the models that this study trains as stacks."""
    return [name for name in trained_models() if "stack" in config["models"][name]]


def published_models():
    """Return the models that were published."""
    return [name for name, model in config["models"].items() if "published" in model]


def members(model):
    """Return the numbers of the members of an ensemble; none of another study's."""
    settings = config["models"][model]
    if "trained" in settings:
        return range(0)
    if "members" in settings:
        return range(settings["members"])
    return range(settings["folds"] * settings["repeats"])


def trained_singly():
    """Return the ensembles of networks whose members have a job each."""
    return [model for model in network_models() if config["models"][model]["members_per_job"] == 1]


def trained_in_batches():
    """Return the ensembles of networks of which a job trains several members."""
    return [model for model in network_models() if model not in trained_singly()]


def batches_of(model):
    """Return the members of each batch of an ensemble."""
    size, numbers = config["models"][model]["members_per_job"], members(model)
    return [numbers[first : first + size] for first in numbers[::size]]


def members_of_batch(wildcards):
    """Return the members of the rule's batch."""
    return list(range(int(wildcards.first), int(wildcards.last) + 1))


def batch_of_member(wildcards):
    """Return the folder of the batch that the rule's member is trained in."""
    [batch] = [batch for batch in batches_of(wildcards.model) if int(wildcards.member) in batch]
    return f"<results>/models/{wildcards.model}/batches/{batch[0]}_to_{batch[-1]}"


def training_benchmarks(model):
    """Return what the jobs that train a model have taken."""
    jobs = members(model)
    if model in trained_in_batches():
        jobs = [f"{batch[0]}_to_{batch[-1]}" for batch in batches_of(model)]
    return [f"<benchmarks>/train/{model}/{job}.tsv" for job in jobs]


def published_file(model, name):
    """Return where a file of a published model lies."""
    return f"<results>/sources/{config['models'][model]['published']}/{name}"


def published_training_stars(model):
    """Return the list of the stars that a published model was trained on, if it is known."""
    settings = config["models"][model]
    return sources([settings["training_stars"]] if "training_stars" in settings else [])


def published_in_stack(wildcards):
    """Return the files of the published model that joins the rule's stack."""
    return model_files(config["models"][wildcards.model]["stack"]["published"])


def joined_folder(model):
    """Return the folder of the published model in that of a stack that it joins; else none."""
    joined = config["models"][model]["stack"].get("published")
    return [f"<results>/models/{model}/published"] if joined else []


def checkpoint_folder(wildcards):
    """Return where the members of a model that are being trained keep their state.

    Not among the outputs, for Snakemake deletes those of a job that was killed.
    """
    return f"results/{config['study']}/checkpoints/models/{wildcards.model}"


def relation_of(model):
    """Return the relation that a model has learnt: its own, or that of its labels."""
    settings = config["models"][model]
    return settings.get("relation") or config["labels"][settings["labels"]]


def best_settings(model):
    """Return the file with the settings of a model that a search finds; none for others."""
    search = config["models"][model].get("from_search")
    return [f"<results>/searches/{search}/best.yaml"] if search else []


def of_search(wildcards):
    """Return the settings of the rule's search."""
    return config["searches"][wildcards.search]


def of_searched_model(key):
    """Return a function that looks up a setting of the model that the rule's search is for."""
    return lambda wildcards: config["models"][of_search(wildcards)["model"]][key]


def search_folds(wildcards):
    """Return the number of folds that the rule's search splits the stars into: its model's."""
    model = config["models"][of_search(wildcards)["model"]]
    return model.get("members", model["folds"])


def plan_of(search):
    """Return the rounds of each bracket of a search."""
    settings = config["searches"][search]
    return plan_search(settings, config["models"][settings["model"]]["training"])


def search_round(wildcards):
    """Return the size of the rule's round."""
    return plan_of(wildcards.search)[int(wildcards.bracket)][int(wildcards.round)]


def searched_stars(wildcards):
    """Return the development set of the model that the rule's search is for."""
    model = of_search(wildcards)["model"]
    return {
        "table": f"<results>/development/{model}.parquet",
        "sequences": f"<results>/development/{model}.npz",
    }


def trial_files(search, bracket, number):
    """Return the results of the trials of a round."""
    trials = plan_of(search)[bracket][number].trials
    return [
        f"<results>/searches/{search}/trials/{bracket}_{number}_{slot}.parquet"
        for slot in range(trials)
    ]


def trials_before(wildcards):
    """Return the results of the trials of the round before the rule's."""
    return trial_files(wildcards.search, int(wildcards.bracket), int(wildcards.round) - 1)


def all_trials(wildcards):
    """Return the results of all trials of the rule's search."""
    return [
        file
        for bracket, rounds in enumerate(plan_of(wildcards.search))
        for number in range(len(rounds))
        for file in trial_files(wildcards.search, bracket, number)
    ]


def model_folder(model):
    """Return the folder of a model, which may be another study's."""
    return config["models"][model].get("trained", f"<results>/models/{model}")


def member_files(model, name="member", suffix=None, numbers=None):
    """Return the files that each member of an ensemble has, by default what it has learnt."""
    suffix = suffix or ("npz" if model in stacked_models() else "keras")
    numbers = members(model) if numbers is None else numbers
    return [f"<results>/models/{model}/{name}_{number}.{suffix}" for number in numbers]


def model_files(model):
    """Return the files of a model that a prediction waits for."""
    return [f"{model_folder(model)}/card.json", *member_files(model)]


def sample_sources():
    """Return the names of the sources of all samples, each once."""
    names = [
        name
        for sample in config["samples"].values()
        for key in ("stars", "light_curves")
        for name in sample[key]
        if sample["survey"] != "own"
    ]
    return list(dict.fromkeys(names))


def needed_sources():
    """Return the names of all sources of the study, each once."""
    names = sample_sources()
    names += [name for query in config["queries"].values() for name in query.get("stars", [])]
    names += [name for group in config["calibrate"].values() for name in group["spectra"]]
    for model in published_models():
        folder = config["models"][model]["published"]
        weights = (f"weights_{member}.h5" for member in members(model))
        names += [f"{folder}/{file}" for file in ("model.json", *weights)]
        if "training_stars" in config["models"][model]:
            names.append(config["models"][model]["training_stars"])
    return list(dict.fromkeys(names))


def simulated_sources():
    """Return the sources of all samples."""
    return sources(sample_sources())


def prediction_files(model, sample):
    """Return what a model predicts for a sample, one file a chunk."""
    return chunk_files(f"predictions/{model}", sample)


def development_files(wildcards):
    """Return the tables that the development set of a model is made of."""
    model = config["models"][wildcards.model]
    sample, labels = model["sample"], model["labels"]
    return {
        "stars": star_table(sample),
        "fits": chunk_files("fits", sample),
        "folded": chunk_files("folded", sample),
        "labels": f"<results>/labels/{labels}.parquet",
    }


def match_settings(wildcards):
    """Return how the rule's sample is matched."""
    match = config["samples"][wildcards.sample]["match"]
    return {key: value for key, value in match.items() if key != "reference"}


def match_inputs(wildcards):
    """Return the star tables of the rule's sample and of its reference."""
    reference = config["samples"][wildcards.sample]["match"]["reference"]
    return {
        "stars": f"<results>/stars/{wildcards.sample}.parquet",
        "reference": star_table(reference),
    }


def fit_of(sample):
    """Return how the light curves of a sample are fitted."""
    settings = config["samples"][sample]
    return {**settings["fit"], "phases": settings["phases"]}


def fit_settings(wildcards):
    """Return how the light curves of the rule's sample are fitted."""
    return fit_of(wildcards.sample)


def catalogued_samples():
    """Return the samples of the catalogue: a user's own stars alone, or all."""
    return ["own_stars"] if "output" in config else list(config["samples"])


def catalogue_settings():
    """Return the part of the configuration that the catalogue depends on."""
    samples = {sample: config["samples"][sample] for sample in catalogued_samples()}
    return {"samples": samples, **{key: config[key] for key in ("labels", "models", "predict")}}


def prediction_settings(wildcards):
    """Return how the rule's model is applied to the rule's sample."""
    for entry in config["predict"]:
        if (entry["model"], entry["sample"]) == (wildcards.model, wildcards.sample):
            return entry
    return {"cuts": None, "other_band": False}


def predictions_of(sample):
    """Return the models that are applied to a sample."""
    return [entry["model"] for entry in config["predict"] if entry["sample"] == sample]


def measured_files():
    """Return what the catalogue is made of, each input named <stage>_<sample>.

    Names have no upper-case letters, so that _OF_ tells where that of a model ends.
    """
    files = {}
    for sample in catalogued_samples():
        files[f"stars_{sample}"] = star_table(sample)
        files[f"fits_{sample}"] = chunk_files("fits", sample)
        if sample in config["labels"]:
            files[f"labels_{sample}"] = f"<results>/labels/{sample}.parquet"
        for model in predictions_of(sample):
            files[f"predictions_{model}_OF_{sample}"] = prediction_files(model, sample)
    return files


def counted_files():
    """Return what the ledger counts besides: star lists and development sets."""
    files = {
        f"listed_{sample}": f"<results>/stars/{sample}.parquet" for sample in catalogued_samples()
    }
    for model in usual_models():
        if config["models"][model]["sample"] in catalogued_samples():
            files[f"development_{model}"] = f"<results>/development/{model}.parquet"
    return files


def product_files(group, name):
    """Return a function that gives what a table or map of the configuration shows."""

    def files(wildcards):
        product = config[group][wildcards[name]]
        sample, model = product["sample"], product.get("model")
        labels = f"<results>/labels/{sample}.parquet"
        return {
            "stars": star_table(sample),
            "fits": chunk_files("fits", sample),
            "metallicities": prediction_files(model, sample) if model else [labels],
        }

    return files


def experiment_files(wildcards):
    """Return the cards of an experiment's models, and how long each took to train."""
    models = name_models(wildcards.experiment, config["experiments"][wildcards.experiment])
    return {
        "cards": [f"<results>/models/{model}/card.json" for model in models],
        **{f"training_{model}": training_benchmarks(model) for model in models},
    }


def matched_samples():
    """Return the samples that are matched with another one."""
    return [name for name, sample in config["samples"].items() if "match" in sample]


def samples_with_metallicities():
    """Return the samples that have labels or predictions."""
    return [name for name in config["samples"] if name in config["labels"] or predictions_of(name)]


def final_targets():
    """Return everything that a study makes."""
    if "output" in config:
        return [config["output"]]
    targets = expand(
        "<results>/catalogue/metallicities.{suffix}", suffix=["parquet", "vot", "fits", "csv"]
    )
    targets.append("<results>/ledger.csv")
    targets += expand("<results>/tables/{table}.csv", table=config["tables"])
    targets += expand("<results>/tables/{experiment}.csv", experiment=config["experiments"])
    targets += expand("<results>/tables/match/{sample}.csv", sample=matched_samples())
    targets += figure_targets()
    searches = [name for name, search in config["searches"].items() if not search["optional"]]
    targets += expand("<results>/searches/{search}/best.yaml", search=searches)
    if "simulate" in config:
        targets.append("<results>/tables/recovery.csv")
    return targets
