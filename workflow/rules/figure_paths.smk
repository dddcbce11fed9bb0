"""What figures are of, where they are and what they read: for the rules of figures.smk."""

import itertools
import re

from metalyra.products import LAYOUTS, choose_layout

SUBJECTS = {
    "study": ("", lambda: [{}]),
    "sample": ("{sample}", lambda: each(sample=config["samples"])),
    "compared sample": ("{sample}", lambda: each(sample=config["archive_comparisons"])),
    "matched sample": ("{sample}", lambda: each(sample=study.matched_samples())),
    "sample with metallicities": (
        "{sample}",
        lambda: each(sample=study.samples_with_metallicities()),
    ),
    "simulated sample": (
        "{sample}",
        lambda: each(sample=study.samples_with_metallicities() if study.is_simulated else []),
    ),
    "model": ("{model}", lambda: each(model=study.models_with_predictions("validation"))),
    "model with training predictions": (
        "{model}",
        lambda: each(model=study.models_with_predictions("training")),
    ),
    "model trained here": ("{model}", lambda: each(model=study.usual_models())),
    "network or published model": (
        "{model}",
        lambda: each(
            model=[
                *[name for name in study.usual_models() if name in study.network_models()],
                *study.published_models(),
            ]
        ),
    ),
    "network": (
        "{model}",
        lambda: each(
            model=[name for name in study.usual_models() if name in study.network_models()]
        ),
    ),
    "accuracy by epochs": ("{accuracy}", lambda: each(accuracy=config["accuracy_by_epochs"])),
    "comparison": ("{comparison}", lambda: each(comparison=config["comparisons"])),
    "distribution": ("{distribution}", lambda: each(distribution=config["distributions"])),
    "sky map": ("{sky_map}", lambda: each(sky_map=config["sky_maps"])),
    "calibration": (
        "{calibration}_{type}",
        lambda: each(calibration=config["calibrate"], type=["RRab", "RRc"]),
    ),
    "search": (
        "{search}",
        lambda: each(search=study.usual_searches()),
    ),
}
"""What there are figures of: the names of their files, and those of a run of the whole study."""

FILES = {
    "catalogue": lambda names: "<results>/catalogue/metallicities.parquet",
    "truth": lambda names: "<results>/tables/truth.parquet",
    "listed": lambda names: f"<results>/stars/{names.sample}.parquet",
    "stars": lambda names: star_table(drawn_sample(names)),
    "pairs": lambda names: f"<results>/accuracy_by_epochs/{names.accuracy}.parquet",
    "metallicities": lambda names: product_files("sky_maps", "sky_map")(names)["metallicities"],
    "fits": lambda names: of_sample_or_model(names, "fits", fits_of),
    "folded": lambda names: of_sample_or_model(names, "folded", folded_of),
    "feh": lambda names: metallicities_of(names.sample),
    "distributed": lambda names: f"<results>/distributions/{names.distribution}.parquet",
    "compared": lambda names: f"<results>/comparisons/{names.comparison}.parquet",
    "reference": lambda names: star_table(study.reference_of(names.sample)),
    "matched": lambda names: f"<results>/matched/{names.sample}.parquet",
    "by_chance": lambda names: f"<results>/chance_matches/{names.sample}.parquet",
    "training_set": lambda names: f"<results>/development/{names.model}.parquet",
    "sequences": lambda names: f"<results>/development/{names.model}.npz",
    "in_fold": lambda names: f"<results>/models/{names.model}/in_fold.parquet",
    "layers": lambda names: f"<results>/models/{names.model}/layers.parquet",
    "out_of_fold": lambda names: f"<results>/models/{names.model}/out_of_fold.parquet",
    "histories": lambda names: member_files(names.model, "history", "parquet"),
    "draws": lambda names: f"<results>/calibration/{names.calibration}/draws.parquet",
    "trials": lambda names: f"<results>/searches/{names.search}/results.parquet",
    "relations": lambda names: RELATIONS,
    "regions": lambda names: REGIONS,
}
"""What figures read, by the names of what they are of."""

SETTINGS = {
    "sample": "samples",
    "model": "models",
    "accuracy": "accuracy_by_epochs",
    "sky_map": "sky_maps",
    "calibration": "calibrate",
    "search": "searches",
    "comparison": "comparisons",
    "distribution": "distributions",
}
"""The key of the configuration that says what something of a name is."""


def is_drawn(figure):
    """Say whether a run of the whole study draws a figure."""
    chosen = config["figures"]
    usual = not figure.optional if chosen is None else figure.name in chosen
    return usual or figure.name in config["further_figures"]


def each(**names):
    """Return all combinations of names."""
    return [dict(zip(names, some)) for some in itertools.product(*names.values())]


def drawn_sample(names):
    """Return the sample that a figure shows: its own, its map's or its comparison's."""
    if "sky_map" in names.keys():
        return config["sky_maps"][names.sky_map]["sample"]
    if "comparison" in names.keys():
        return config["comparisons"][names.comparison]["of"]["sample"]
    return names.sample


def metallicities_of(sample):
    """Return the files with the [Fe/H] of a sample: of its models, or of its relation; or none."""
    predicted = [
        file for model in study.predictions_of(sample) for file in prediction_files(model, sample)
    ]
    labels = [f"<results>/labels/{sample}.parquet"] if sample in config["labels"] else []
    return predicted or labels


def of_sample_or_model(names, stage, of_model):
    """Return what a stage wrote of the sample that a figure is of, or of the model's samples."""
    return of_model(names) if "model" in names.keys() else chunk_files(stage, drawn_sample(names))


def figure_path(figure):
    """Return the path of a figure, with wildcards for the names of what it is of."""
    path = Path("<results>/figures", figure.name, SUBJECTS[figure.of][0])
    return path.as_posix()


def figure_files(figure):
    """Return a function that gives what a figure reads."""
    return lambda wildcards: {name: FILES[name](wildcards) for name in figure.reads}


def figure_settings(figure):
    """Return a function that looks up the settings that a figure depends on."""

    def settings(wildcards):
        [section] = [
            config[key][wildcards[name]]
            for name, key in SETTINGS.items()
            if name in wildcards.keys()
        ] or [{}]
        return {key: section.get(key) for key in figure.settings}

    return settings


def figure_labels(figure):
    """Return the labels of a figure in the report: what it is of, and what it shows."""
    words = {"calibration": "relation", "sky_map": "map"}
    names = re.findall(r"{(\w+)}", figure_path(figure))
    return {
        **{words.get(name, name): f"{{{name}}}" for name in names if name != "type"},
        "product": figure.product,
    }


def describe_layouts():
    """Return title and notes of the paper tables of the study, by name."""
    layouts = {name: LAYOUTS[choose_layout(table)] for name, table in config["tables"].items()}
    return {name: [layout.title, list(layout.notes)] for name, layout in layouts.items()}


def layout_of_table(wildcards):
    """Return the layout of the rule's paper table."""
    return choose_layout(config["tables"][wildcards.table])
