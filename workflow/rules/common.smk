"""Where the files of a study are, and what the rules look up of their sample or model.

What a study asks for is known by `study`; here are the paths. They are relative to
<results>, and a sample, model or search is given by its name.
"""

from metalyra.study import list_light_curves

targets = []
"""What a run of the whole study makes; every file of rules adds its own."""


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


def star_table(sample):
    """Return the star table of a sample: with the period of its match, if it has one."""
    stage = "matched" if study.is_matched(sample) else "stars"
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
    """Return the folder of a model, which may be another study's."""
    return config["models"][model].get("trained", f"<results>/models/{model}")


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
    for model in study.usual_models():
        if config["models"][model]["sample"] in samples:
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


def program(script, model=lambda wildcards: wildcards.model):
    """Return a function that tells what a script does with the rule's model.

    The script finds the networks and regressors of a model by their names.
    """
    return lambda wildcards: fingerprint(script, *study.modules_of(model(wildcards)))
