"""What one key of a study says about another: the checks that no key can have of itself."""

import itertools
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from pydantic import ValidationError

from metalyra.acquire.queries import BATCH
from metalyra.products.paper_tables.layouts import KEYS_OF, LAYOUTS, choose_layout
from metalyra.study.cuts import is_measured, list_columns
from metalyra.study.messages import explain, unknown
from metalyra.study.model import Model
from metalyra.surveys import SURVEYS, SurveyError
from metalyra.train.search import RANGES, apply_changes, find_ranges
from metalyra.train.training_settings import TrainingSettings

Config = dict[str, Any]

OWN_SAMPLE = "own_stars"
"""Name of the sample that a user's own stars become."""

RESERVED_TABLES = {"recovery": "the comparison of a simulated sky with its truth"}
"""Tables that studies write by themselves; no other may have their name."""

_ORIGINS = ("sample", "published", "trained", "shipped")


READING_KEYS = ("columns", "time_scale", "magnitude_zero_point")
"""How the tables of a user's own stars are read."""


def is_own(sample: Mapping[str, Any]) -> bool:
    """Say whether a sample is of a user's own stars, in files of theirs."""
    return SURVEYS[sample["survey"]].of_user


def is_of_example(config: Mapping[str, Any], path: str) -> bool:
    """Say whether a path is one of the simulated example that a study makes itself."""
    folder = PurePosixPath("results", str(config.get("study")), "example")
    return "example" in config and PurePosixPath(path).is_relative_to(folder)


def band_of_model(config: Mapping[str, Any], model: str) -> str | None:
    """Return the band a model is for: its own, or that of the sample it is trained on."""
    settings = config["models"][model]
    band: str | None = settings.get("band")
    if band is None:
        band = config["samples"].get(settings.get("sample"), {}).get("band")
    return band


def labels_of_sample(config: Mapping[str, Any], sample: str) -> str:
    """Return the labelled sample that has the metallicities of a sample: itself, or its match."""
    if sample in config["labels"]:
        return sample
    return str(config["samples"][sample].get("match", {}).get("reference", sample))


def further_bands_of_model(config: Mapping[str, Any], model: str) -> list[str]:
    """Return the bands that a model reads beside its own; often none."""
    settings = config["models"][model]
    bands: list[str] = settings.get("bands") or settings.get("stack", {}).get("bands") or []
    return bands[1:]


def check_together(
    config: Config,
    relations: Mapping[str, Mapping[str, Any]],
    archives: Mapping[str, Any] | None,
) -> Iterator[str]:
    """Yield what is wrong between the keys of a complete configuration.

    Parameters
    ----------
    config
        With every default filled in.
    relations, archives
        See `metalyra.study.configuration.resolve_config`.
    """
    yield from _check_names(config, relations)
    yield from _check_searches(config)
    yield from _check_queries(config, archives)


def check_unambiguous(key: str, name: str, expanded: Config, given: Config) -> Iterator[str]:
    """Say if a model of `models` with the name of an experiment's comes from elsewhere."""
    for origin in _ORIGINS:
        explicit = given.get(name, {}).get(origin)
        if explicit not in (None, expanded.get(origin)):
            yield (
                f"models.{name}.{origin}: {explicit!r} makes another model than the one of this "
                f"name that {key} has; rename one of the two"
            )


def _check_names(config: Config, published: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the names that are of nothing, and what is applied to the wrong thing."""
    samples, models = config["samples"], config["models"]
    for name, sample in samples.items():
        yield from _check_sample(f"samples.{name}", name, sample, samples)
    for name, calibration in config["calibrate"].items():
        yield from _check_calibration(f"calibrate.{name}", name, calibration, config, published)
    relations = {**published, **_relations_of_study(config)}
    yield from _check_labels(config, relations)
    stacks = [name for name, model in models.items() if "stack" in model]
    for name in config["ship"]:
        if name not in stacks:
            yield unknown("ship: the stack", name, stacks)
        elif "description" not in models[name]:
            yield f"models.{name}: the key description is missing; a model that is shipped needs it"
    for name in config["archive_comparisons"]:
        if name not in samples:
            yield unknown("archive_comparisons: the sample", name, samples)
    for name, model in models.items():
        if model.get("relation") not in (None, *relations):
            yield unknown(f"models.{name}.relation:", model["relation"], relations)
        yield from _check_model(f"models.{name}", model, config)
    yield from _check_predictions(config)
    yield from _check_products(config)
    for name, comparison in config["comparisons"].items():
        yield from _check_comparison(f"comparisons.{name}", comparison, config, relations)
    for name, distribution in config["distributions"].items():
        for place, side in enumerate(distribution["of"]):
            yield from _check_side(f"distributions.{name}.of[{place}]", side, config, relations)


def _check_labels(config: Config, relations: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    samples = config["samples"]
    for name, relation in config["labels"].items():
        if name not in samples:
            yield unknown("labels: the sample", name, samples)
        if relation not in relations:
            yield unknown(f"labels.{name}: the relation", relation, relations)
        elif name in samples:
            yield from _check_band_of_labels(name, samples[name], relation, relations)


def _check_predictions(config: Config) -> Iterator[str]:
    applied: dict[tuple[str, str], int] = {}
    for place, prediction in enumerate(config["predict"]):
        model, sample = prediction["model"], prediction["sample"]
        first = applied.setdefault((model, sample), place)
        if first != place:
            yield (
                f"predict[{place}]: predict[{first}] applies the model {model} to the sample "
                f"{sample} already; leave one of the two out"
            )
        yield from _check_prediction(f"predict[{place}]", prediction, config)


def _check_products(config: Config) -> Iterator[str]:
    for name, sky_map in config["sky_maps"].items():
        yield from _check_product(f"sky_maps.{name}", sky_map, config)
    for name, table in config["tables"].items():
        yield from _check_table(f"tables.{name}", table, config)
    for name, product in config["accuracy_by_epochs"].items():
        yield from _check_accuracy(f"accuracy_by_epochs.{name}", product, config)
        if others := [group for group in ("tables", "experiments") if name in config[group]]:
            yield f"accuracy_by_epochs.{name}: {others[0]} has this name, too; choose another name"
    for name in config.get("data_release", {}).get("samples") or ():
        if name not in config["samples"]:
            yield unknown("data_release.samples: the sample", name, config["samples"])
    for group in ("tables", "experiments", "accuracy_by_epochs"):
        for name in config[group]:
            if name in RESERVED_TABLES:
                yield (
                    f"{group}.{name}: tables/{name}.csv is {RESERVED_TABLES[name]}; choose another "
                    "name"
                )


def _check_table(key: str, table: Config, config: Config) -> Iterator[str]:
    """Check that a table of a paper has what its layout is of, and that the study has it."""
    layout = choose_layout(table)
    of = LAYOUTS[layout].of
    missing = [name for name in KEYS_OF[of] if name not in table]
    strange = [name for name in ("sample", "model", "models") if name in {*table} - {*KEYS_OF[of]}]
    if missing:
        yield f"{key}.layout: {layout} is of {of} and needs the key {' and '.join(missing)}"
    if strange:
        yield f"{key}.layout: {layout} is of {of} and takes no {' and no '.join(strange)}"
    if "sample" in table and not strange:
        yield from _check_product(key, table, config)
    if "models" in table and "sample" not in table and not strange:
        yield from _check_compared_models(key, table, config)


def _check_compared_models(key: str, table: Config, config: Config) -> Iterator[str]:
    """Check that a study has what a table says of models."""
    models, of = config["models"], LAYOUTS[choose_layout(table)].of
    fitting = [
        name
        for name, model in models.items()
        if ("published" in model or "sample" in model)
        and not (of == "networks" and "stack" in model)
        and not (of == "cross-validations" and not {"sample", "published_predictions"} & set(model))
    ]
    for place, name in enumerate(table["models"]):
        if name in table["models"][:place]:
            yield f"{key}.models: {name} is given twice; leave one out"
        elif name not in fitting:
            what = "network" if of == "networks" else "model with predictions of known labels,"
            yield unknown(f"{key}.models: the {what}", name, fitting)


def _relations_of_study(config: Config) -> dict[str, Config]:
    """Return the relations that a study calibrates, with the bands of their samples."""
    relations = {}
    for name, calibration in config["calibrate"].items():
        sample = config["samples"].get(calibration["sample"], {})
        relations[name] = {kind: {"band": sample.get("band")} for kind in ("RRab", "RRc")}
    return relations


def _bands_of(relation: Mapping[str, Any]) -> list[str]:
    """Return the bands of a relation, of any pulsation type; none of one without a formula."""
    parts = [part for part in relation.values() if isinstance(part, Mapping)]
    return list(dict.fromkeys(part["band"] for part in parts if part.get("band")))


def _check_band_of_labels(
    name: str, sample: Config, relation: str, relations: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """Check that a sample is labelled by a relation of its band, unless it may be another."""
    bands, band = _bands_of(relations[relation]), sample["band"]
    if set(bands) <= {band} or sample["labelling"]["other_band"]:
        return
    fitting = [other for other, part in relations.items() if _bands_of(part) == [band]]
    yield (
        f"labels.{name}: the relation {relation} is for band {' and '.join(bands)}, the sample "
        f"{name} is in band {band}; relations for it: {', '.join(fitting) or 'none'}; "
        f"samples.{name}.labelling: {{other_band: true}} allows this one"
    )


def _check_cuts(key: str, cuts: Config | None, sample: str | None, config: Config) -> Iterator[str]:
    """Check that a sample has the columns of cuts; without a sample, that any could have them."""
    columns = [column for column in cuts or {} if not is_measured(column)]
    if not columns:
        return
    samples = config["samples"]
    known = list_columns(samples[name]["survey"] for name in ([sample] if sample else samples))
    for column in columns:
        if column not in known:
            whose = f" of the sample {sample}" if sample else ""
            yield unknown(f"{key}: the column{whose}", column, known)


def _check_sample(key: str, name: str, sample: Config, samples: Config) -> Iterator[str]:
    if sample["fit"]["order_min"] > sample["fit"]["order_max"]:
        yield f"{key}.fit: order_min is greater than order_max"
    prefix = "" if name == OWN_SAMPLE else f"{key}."
    yield from _check_reading(prefix, sample)
    if "period_bands" in sample:
        yield from _check_period_bands(f"{prefix}period_bands:", sample)
    if "shape_bands" in sample:
        yield from _check_shape_bands(f"{prefix}shape_bands:", sample)
    if not is_own(sample):
        for source in [*sample["stars"], *sample["light_curves"]]:
            yield from _check_source(key, source)
    if sample["periods"] != "given" and sample["phases"] == "published":
        yield f"{key}.periods: light curves with phases: published are folded; leave the key out"
    if "match" in sample:
        reference = sample["match"]["reference"]
        others = [other for other in samples if other != name and "match" not in samples[other]]
        if reference not in others:
            yield unknown(f"{key}.match.reference:", reference, others)


def _check_reading(key: str, sample: Config) -> Iterator[str]:
    """Check the band of a sample, and what its tables are said to be."""
    survey = SURVEYS[sample["survey"]]
    try:
        survey.check_band(sample["band"])
    except SurveyError as error:
        yield f"{key}band: {error}"
    reading = {name: sample[name] for name in READING_KEYS if name in sample}
    if not survey.of_user:
        for name in reading:
            yield f"{key}{name}: the survey {survey.name} says this itself; leave the key out"
    elif survey.read_with is not None:
        try:
            survey.read_with(**reading)
        except SurveyError as error:
            yield f"{key}{error}"


def _check_period_bands(key: str, sample: Config) -> Iterator[str]:
    """Check the further bands in which the periods of a sample are found."""
    if sample["periods"] == "given":
        yield (
            f"{key} where periods are given, none is looked for in any band; set periods to check "
            "or find, or leave the key out"
        )
    yield from _check_further_bands(key, sample, sample["period_bands"])


def _check_shape_bands(key: str, sample: Config) -> Iterator[str]:
    """Check the further bands whose light curves are folded."""
    if sample["phases"] == "published":
        yield f"{key} light curves with phases: published are folded; leave the key out"
    yield from _check_further_bands(key, sample, sample["shape_bands"])


def _check_further_bands(key: str, sample: Config, bands: list[str]) -> Iterator[str]:
    """Check bands that are read beside a sample's own, of the same files."""
    survey = SURVEYS[sample["survey"]]
    if survey.read_other_band is None:
        able = [name for name, other in SURVEYS.items() if other.read_other_band is not None]
        yield (
            f"{key} the light curves of the survey {survey.name} do not say which band they are "
            f"in; surveys whose do: {', '.join(able)}"
        )
    for place, band in enumerate(bands):
        if band == sample["band"]:
            yield f"{key} {band} is the band of the sample, which counts anyway; leave it out"
        elif band in bands[:place]:
            yield f"{key} {band} is named twice"
        try:
            survey.check_band(band)
        except SurveyError as error:
            yield f"{key} {error}"


def _check_queries(config: Config, archives: Mapping[str, Any] | None) -> Iterator[str]:
    queries = config["queries"]
    for name, query in queries.items():
        key = f"queries.{name}"
        yield from _check_source(key, name)
        if (BATCH in name) != ("batches" in query):
            yield f"{key}: {BATCH} in the path and the key batches go together"
        for source in query.get("stars", []):
            yield from _check_source(key, source)
        if archives is None:
            continue
        if query["archive"] not in archives:
            yield unknown(f"{key}.archive:", query["archive"], archives)
            continue
        products = archives[query["archive"]]["products"]
        if query["product"] not in products:
            yield unknown(f"{key}.product:", query["product"], products)
        elif products[query["product"]].get("of_stars", False) != bool(
            {"stars", "star_ids"} & {*query}
        ):
            what = "does not take" if "stars" in query else "needs"
            yield f"{key}: the product {query['product']} {what} the key stars or star_ids"
        suffixes = products.get(query["product"], {}).get("suffixes", [])
        if suffixes and not name.endswith(tuple(suffixes)):
            yield f"{key}: the path must end in {' or '.join(suffixes)}"
    for name, sample in config["samples"].items():
        for source in [*sample["stars"], *sample["light_curves"]]:
            if not is_own(sample) and BATCH in source and source not in queries:
                yield unknown(f"samples.{name}: the query", source, queries)


def _check_calibration(
    key: str, name: str, calibration: Config, config: Config, relations: Collection[str]
) -> Iterator[str]:
    if name in relations:
        yield f"{key}: the name {name} is that of a published relation; choose another"
    if calibration["compare_with"] not in relations:
        yield unknown(f"{key}.compare_with:", calibration["compare_with"], relations)
    if calibration["sample"] not in config["samples"]:
        yield unknown(f"{key}.sample:", calibration["sample"], config["samples"])
    if ("spectra" in calibration) == ("labels" in calibration):
        yield (
            f"{key}: needs one of the keys spectra (tables of spectroscopic metallicities) and "
            "labels (those of the sample's own star list)"
        )
    for option in ("features", "cuts"):
        if option in calibration and "labels" not in calibration:
            yield f"{key}.{option}: allowed with labels; with spectra all is as published"
    for source in calibration.get("spectra", []):
        yield from _check_source(key, source)
    if calibration["sample"] in config["samples"]:
        cuts = calibration.get("cuts")
        yield from _check_cuts(f"{key}.cuts", cuts, calibration["sample"], config)


def _check_source(key: str, source: str) -> Iterator[str]:
    path = PurePosixPath(source)
    if path.is_absolute() or ".." in path.parts or source != str(path):
        yield f"{key}: the source {source!r}; allowed is a path within the mirror, such as a/b.dat"


def _check_model(key: str, model: Config, config: Config) -> Iterator[str]:
    samples = config["samples"]
    origins = [origin for origin in _ORIGINS if origin in model]
    if len(origins) != 1:
        yield (
            f"{key}: needs one of the keys sample (trained here), published, trained (by another "
            "study) and shipped (with MetaLyra)"
        )
        return
    needed = {
        "published": ("band", "members", "relation", "sequence"),
        "trained": ("band", "relation"),
        "shipped": (),
        "sample": () if "stack" in model else ("sequence",),
    }[origins[0]]
    for name in needed:
        if name not in model:
            yield f"{key}: the key {name} is missing; this model needs it"
    if "published" in model:
        yield from _check_source(f"{key}.published", model["published"])
    if "training_stars" in model:
        yield from _check_source(f"{key}.training_stars", model["training_stars"])
    yield from _check_published_predictions(f"{key}.published_predictions", model)
    if model.get("sample") in (None, *samples):
        yield from _check_cuts(f"{key}.cuts", model["cuts"], model.get("sample"), config)
    if origins == ["sample"]:
        yield from _check_training_of_model(key, model, config)
        yield from _check_labels_of_model(key, model, config)
        yield from _check_bands_of_model(key, model, config)
    if "bands" in model and not {"trained", "shipped"} & set(origins):
        yield f"{key}.bands: of a stack that is trained here, they are in stack.bands"


def _check_published_predictions(key: str, model: Config) -> Iterator[str]:
    """Check that published predictions are of a published model, and name files."""
    if "published_predictions" not in model:
        return
    if "published" not in model:
        yield f"{key}: allowed for a published model alone; leave the key out"
    elif not model["published_predictions"]:
        yield f"{key}: needs one of the keys training and validation, or both"
    for part, source in model["published_predictions"].items():
        yield from _check_source(f"{key}.{part}", source)


def _check_training_of_model(key: str, model: Config, config: Config) -> Iterator[str]:
    """Check how a model is trained here."""
    if sum(name in model for name in ("network", "stack", "from_search")) != 1:
        yield (
            f"{key}: the key network is missing; a model trained here needs it, or a stack, or "
            "from_search"
        )
    if model.get("from_search") not in (None, *config["searches"]):
        yield unknown(f"{key}.from_search:", model["from_search"], config["searches"])
    joining = model.get("stack", {}).get("published")
    others = [name for name, other in config["models"].items() if "published" in other]
    if joining is not None and joining not in others:
        yield unknown(f"{key}.stack.published:", joining, others)
    yield from _check_training(key, model)
    yield from _check_repeats(key, model)
    if model["fewest_stars"] is not None and "stack" not in model:
        yield f"{key}.fewest_stars: allowed is null for networks; they fail without enough stars"
    if model["folds"] == "published" and "members" not in model:
        yield f"{key}: the key members is missing; it is the number of the published folds"


def _check_labels_of_model(key: str, model: Config, config: Config) -> Iterator[str]:
    """Check where the light curves and labels of a model that is trained here come from."""
    samples = config["samples"]
    if model["sample"] not in samples:
        yield unknown(f"{key}.sample:", model["sample"], samples)
        return
    labels = model.setdefault("labels", model["sample"])
    if labels not in config["labels"]:
        yield unknown(f"{key}.labels: the labelled sample", labels, config["labels"])
    reference = samples[model["sample"]].get("match", {}).get("reference")
    if labels not in (model["sample"], reference):
        allowed = [model["sample"], *([reference] if reference else [])]
        yield unknown(f"{key}.labels: not the sample or its match:", labels, allowed)
    yield from _check_further_samples(f"{key}.further_samples", model, config)
    yield from _check_unlabelled(key, model, config)


def _check_further_samples(key: str, model: Config, config: Config) -> Iterator[str]:
    """Check that the samples a model is trained on besides are labelled, and of its band."""
    samples, first = config["samples"], model["sample"]
    further = model.get("further_samples", [])
    if further and model["folds"] == "published":
        yield f"{key}: allowed with a number of folds, not with published ones"
    for name in further:
        if name not in samples:
            yield unknown(f"{key}:", name, samples)
            continue
        if name == first or further.count(name) > 1:
            yield f"{key}: {name} is there twice"
        if (band := samples[name]["band"]) != samples[first]["band"]:
            yield f"{key}: {name} is in band {band}, {first} in {samples[first]['band']}"
        if (labels := labels_of_sample(config, name)) not in config["labels"]:
            yield unknown(f"{key}: the labelled sample", labels, config["labels"])


def _check_unlabelled(key: str, model: Config, config: Config) -> Iterator[str]:
    """Check the samples that a stack's populations learn from besides."""
    samples = config["samples"]
    for name in model.get("stack", {}).get("unlabelled", []):
        if name not in samples:
            yield unknown(f"{key}.stack.unlabelled:", name, samples)
        elif (band := samples[name]["band"]) != samples[model["sample"]]["band"]:
            own = samples[model["sample"]]["band"]
            yield f"{key}.stack.unlabelled: {name} is in band {band}, {model['sample']} in {own}"


def _check_bands_of_model(key: str, model: Config, config: Config) -> Iterator[str]:
    """Check that the sample of a stack has all bands that it reads, its own first."""
    own, *further = model.get("stack", {}).get("bands") or [None]
    sample = config["samples"].get(model["sample"])
    if own is None or sample is None:
        return
    if own != sample["band"]:
        yield (
            f"{key}.stack.bands: {own} is first; allowed there is {sample['band']}, the band of "
            f"the sample {model['sample']}"
        )
    for place, band in enumerate(further):
        if band in (own, *further[:place]):
            yield f"{key}.stack.bands: {band} is named twice"
    yield from _check_sample_has_bands(f"{key}.stack.bands", further, model["sample"], config)


def _check_sample_has_bands(key: str, bands: list[str], name: str, config: Config) -> Iterator[str]:
    sample = config["samples"][name]
    missing = [band for band in bands if band not in sample.get("shape_bands", [])]
    if missing:
        where = "--config" if name == OWN_SAMPLE and "output" in config else f"samples.{name}:"
        yield (
            f"{key}: the sample {name} has no light curves in {', '.join(missing)}; add {where} "
            f"shape_bands: [{', '.join(bands)}]"
        )


def _check_searches(config: Config) -> Iterator[str]:
    models = {name: model for name, model in config["models"].items() if "network" in model}
    for name, search in config["searches"].items():
        key, ranges = f"searches.{name}", search["ranges"]
        if search["model"] not in models:
            yield unknown(f"{key}.model: the network", search["model"], models)
            continue
        model = models[search["model"]]
        folds = model.get("members", model["folds"])
        if isinstance(folds, int) and search["folds"] > folds:
            yield f"{key}.folds: {search['folds']} is more than the {folds} of {search['model']}"
        if search["continued"] and search["method"] != "hyperband":
            yield (
                f"{key}.continued: allowed with hyperband, whose trials have rounds; not with "
                + (f"{search['method']}")
            )
        if isinstance(ranges, str) and ranges not in RANGES:
            yield unknown(f"{key}.ranges: the paper", ranges, RANGES)
            continue
        yield from _check_ranges(f"{key}.ranges", search, model)


def _check_ranges(key: str, search: Config, model: Config) -> Iterator[str]:
    """Check every value that a search tries as if the model had it."""
    settings = {name: model[name] for name in ("network", "training")}
    for path, values in find_ranges(search["ranges"]).items():
        if path.partition(".")[0] not in settings:
            yield unknown(f"{key}: the key", path, ["network.<key>", "training.<key>"])
            continue
        if path == "training.epochs" and search["method"] == "hyperband":
            yield f"{key}: the key training.epochs; hyperband chooses the epochs itself"
        for value in values:
            try:
                changed = apply_changes(settings, {path: value})
                Model.model_validate(changed)
            except ValidationError as error:
                yield from (f"{key}.{problem}" for problem in explain(error, Model, changed))
            except ValueError as error:
                yield f"{key}: {error}"
            else:
                yield from _check_training(f"{key}.{path}: {value}", changed)


def _check_training(key: str, model: Config) -> Iterator[str]:
    """Check that the settings of a training do not contradict each other."""
    try:
        TrainingSettings(**model["training"])
    except ValueError as error:
        yield f"{key}.training: {error}"


def _check_repeats(key: str, model: Config) -> Iterator[str]:
    if model["repeats"] > 1 and ("stack" in model or model["folds"] == "published"):
        yield f"{key}.repeats: allowed is 1 for a stack and with published folds"


def _check_prediction(key: str, prediction: Config, config: Config) -> Iterator[str]:
    known = True
    for part, names in (("model", config["models"]), ("sample", config["samples"])):
        if prediction[part] not in names:
            known = False
            yield unknown(f"{key}.{part}:", prediction[part], names)
    if known:
        yield from _check_cuts(f"{key}.cuts", prediction["cuts"], prediction["sample"], config)
        yield from _check_band_of_prediction(key, prediction, config)
        bands = further_bands_of_model(config, prediction["model"])
        at = f"{key}: the model {prediction['model']} reads {', '.join(bands)} as well"
        yield from _check_sample_has_bands(at, bands, prediction["sample"], config)


def _check_band_of_prediction(key: str, prediction: Config, config: Config) -> Iterator[str]:
    """Check that a model is applied to a sample of its band, unless it may be another."""
    model, sample = prediction["model"], prediction["sample"]
    needed, band = band_of_model(config, model), config["samples"][sample]["band"]
    if needed in (None, band) or prediction["other_band"]:
        return
    allowance = "other_band: true in this entry"
    if sample == OWN_SAMPLE and "output" in config:
        key, allowance = "band", "--config other_band=true"
    fitting = [other for other in config["models"] if band_of_model(config, other) == band]
    yield (
        f"{key}: the model {model} is for band {needed}, the sample {sample} is in band {band}; "
        f"models for it: {', '.join(fitting) or 'none'}; {allowance} applies this one"
    )


def _check_product(key: str, product: Config, config: Config) -> Iterator[str]:
    """Check that a table or map shows values that the study has."""
    if product["sample"] not in config["samples"]:
        yield unknown(f"{key}.sample:", product["sample"], config["samples"])
    elif "model" in product and "models" in product:
        yield f"{key}: allowed is one of the keys model and models"
    elif "model" in product or "models" in product:
        yield from _check_predicted(key, product, config)
    elif product["sample"] not in config["labels"]:
        yield unknown(f"{key}.sample: the labelled sample", product["sample"], config["labels"])


def _check_predicted(key: str, product: Config, config: Config) -> Iterator[str]:
    """Check that the models of a product are applied to its sample."""
    applied = [
        entry["model"] for entry in config["predict"] if entry["sample"] == product["sample"]
    ]
    for name in ("model", "models"):
        models = product.get(name, [])
        for model in [models] if isinstance(models, str) else models:
            if model not in applied:
                yield unknown(f"{key}.{name}: the prediction for this sample of", model, applied)


def _check_accuracy(key: str, product: Config, config: Config) -> Iterator[str]:
    """Check that models and labels of a sample can be compared, in bins that ascend."""
    if product["sample"] not in config["samples"]:
        yield unknown(f"{key}.sample:", product["sample"], config["samples"])
        return
    if product["sample"] not in config["labels"]:
        yield unknown(f"{key}.sample: the labelled sample", product["sample"], config["labels"])
    yield from _check_predicted(key, product, config)
    models, edges = product["models"], product["edges"]
    if len(set(models)) < len(models):
        yield f"{key}.models: {', '.join(models)} name one twice"
    if any(low >= high for low, high in itertools.pairwise(edges)):
        yield f"{key}.edges: {edges} do not ascend"


SIDE_KEYS = ("model", "relation", "column", "tables")
"""What the [Fe/H] of one side of a comparison may come from, beside the labels."""


def _check_comparison(
    key: str, comparison: Config, config: Config, relations: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """Check both sides of a comparison, and complete the sample of the second."""
    of, against = comparison["of"], comparison["against"]
    if "tables" in of:
        yield f"{key}.of.tables: the literature is what a sample is compared with: against.tables"
        return
    if "tables" not in against and "sample" in of:
        against.setdefault("sample", of["sample"])
    for place, side in (("of", of), ("against", against)):
        yield from _check_side(f"{key}.{place}", side, config, relations)
    origins = [
        {name: value for name, value in side.items() if name != "title"} for side in (of, against)
    ]
    if origins[0] == origins[1]:
        yield f"{key}.against: the same as {key}.of; give it another model, relation or column"
    for source in comparison.get("calibrators", []):
        yield from _check_source(f"{key}.calibrators", source)
    by = comparison["match"].setdefault("by", _usual_match(of, against))
    if by == "name" and "tables" not in against:
        yield f"{key}.match.by: name is for the tables of the literature; use star_id or position"
    if of.get("sample") in config["samples"]:
        yield from _check_cuts(f"{key}.cuts", comparison["cuts"], of["sample"], config)


def _usual_match(of: Config, against: Config) -> str:
    """Return how the stars of two sides find each other if nothing is said."""
    return "star_id" if of.get("sample") == against.get("sample") else "position"


def _check_side(
    key: str, side: Config, config: Config, relations: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """Check that the study has the metallicities of one side of a comparison."""
    origins = [name for name in SIDE_KEYS if name in side]
    if len(origins) > 1:
        yield f"{key}: has {' and '.join(origins)}; allowed is one of {', '.join(SIDE_KEYS)}"
        return
    if origins == ["tables"]:
        if "sample" in side:
            yield f"{key}.sample: tables of the literature are of no sample; leave the key out"
        for source in side["tables"]:
            yield from _check_source(f"{key}.tables", source)
        return
    if "sample" not in side:
        yield f"{key}: the key sample is missing"
        return
    if origins in ([], ["model"]) or side["sample"] not in config["samples"]:
        yield from _check_product(key, side, config)
    elif origins == ["relation"]:
        yield from _check_relation_of_side(key, side, config, relations)
    else:
        known = list_columns([config["samples"][side["sample"]]["survey"]])
        published = [name for name in known if name.startswith("archive_")]
        if side["column"].startswith("archive_") and side["column"] not in published:
            whose = f"of the sample {side['sample']}"
            yield unknown(f"{key}.column: the column {whose}", side["column"], published)


def _check_relation_of_side(
    key: str, side: Config, config: Config, relations: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """Check that a relation can be applied to a sample that is compared."""
    relation, sample = side["relation"], config["samples"][side["sample"]]
    formulas = {name: part for name, part in relations.items() if _bands_of(part)}
    if relation not in formulas:
        yield unknown(f"{key}.relation:", relation, formulas)
    elif set(_bands_of(relations[relation])) != {sample["band"]}:
        bands = " and ".join(_bands_of(relations[relation]))
        if not sample["labelling"]["other_band"]:
            yield (
                f"{key}.relation: {relation} is for band {bands}, the sample {side['sample']} is "
                f"in band {sample['band']}; samples.{side['sample']}.labelling: {{other_band: "
                "true}} allows this one"
            )
