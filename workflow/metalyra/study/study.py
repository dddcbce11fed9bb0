"""What a study asks for: which models it trains and on what, what it needs, what it makes.

A `Study` answers questions about a resolved configuration; it reads and writes nothing.
Where the files are is the workflow's business.
"""

import re
from collections.abc import Mapping
from typing import Any

from metalyra.core.tables import describe
from metalyra.stack.regressors import KINDS as REGRESSORS
from metalyra.study.checks import (
    OWN_SAMPLE,
    READING_KEYS,
    band_of_model,
    further_bands_of_model,
    is_of_example,
    is_own,
    labels_of_sample,
    lister_of_sample,
)
from metalyra.study.cuts import columns_of_labels
from metalyra.study.experiments import name_models
from metalyra.study.titles import (
    title_models,
    title_relations,
    title_samples,
    title_searches,
)
from metalyra.train.networks import KINDS as NETWORKS
from metalyra.train.search import Round, plan_search

Settings = dict[str, Any]


class Study:
    """A study, asked by the workflow.

    Parameters
    ----------
    config
        As `metalyra.study.configuration.resolve_config` returns it.
    relations
        The published relations, as resources/relations.yaml has them: figures call them by
        their papers.
    """

    def __init__(
        self, config: Mapping[str, Any], relations: Mapping[str, Settings] | None = None
    ) -> None:
        self.config = config
        self._relations = relations or {}
        self._samples: Mapping[str, Settings] = config["samples"]
        self._models: Mapping[str, Settings] = config["models"]

    # The whole study

    @property
    def is_simulated(self) -> bool:
        """Whether its sky is a simulated one."""
        return "simulate" in self.config

    @property
    def is_of_own_stars(self) -> bool:
        """Whether one table of a user's own stars is all that is asked for."""
        return "model" in self.config

    @property
    def writes_own_stars(self) -> bool:
        """Whether a table of a user's own stars is written."""
        return "output" in self.config

    @property
    def has_example(self) -> bool:
        """Whether a simulated survey stands in for a user's own stars."""
        return is_of_example(self.config, self.config.get("stars", ""))

    def sample_sources(self) -> list[str]:
        """Return the names of the sources of all samples, each once."""
        names = [
            name
            for sample in self._samples.values()
            if not is_own(sample)
            for key in ("stars", "light_curves")
            for name in sample[key]
        ]
        return list(dict.fromkeys(names))

    def needed_sources(self) -> list[str]:
        """Return the names of all sources of the study, each once."""
        names = self.sample_sources()
        names += [
            name for query in self.config["queries"].values() for name in query.get("stars", [])
        ]
        for calibration in self.config["calibrate"].values():
            names += calibration.get("spectra", [])
        for name, comparison in self.config["comparisons"].items():
            names += [*comparison["against"].get("tables", []), *self.calibrators_of(name)]
        for distribution in self.config["distributions"].values():
            names += [name for side in distribution["of"] for name in side.get("tables", [])]
        for model in self.published_models():
            names += [
                self.published_architecture(model),
                *(self.published_weights(model, member) for member in self.members(model)),
                *self.published_training_stars(model),
                *self.published_predictions(model).values(),
            ]
        return list(dict.fromkeys(names))

    def gaia_release(self) -> str | None:
        """Return the release of Gaia that it asks for, by the name of its survey; None if none.

        That of the key `release`, else of the first query or sample that is of one.
        """
        if "release" in self.config:
            return f"gaia_{self.config['release']}"
        names = [query["archive"] for query in self.config["queries"].values()]
        names += [sample["survey"] for sample in self._samples.values()]
        found = (re.match(r"gaia_dr\d", name) for name in names)
        return next((match[0] for match in found if match), None)

    # Samples

    def is_own(self, sample: str) -> bool:
        """Say whether a sample is of a user's own stars, in files of theirs."""
        return is_own(self._samples[sample])

    def reading_of(self, sample: str) -> Settings:
        """Return how the tables of a user's own stars are read, as far as they need to be told."""
        settings = self._samples[sample]
        return {key: settings[key] for key in READING_KEYS if key in settings}

    def lister_of(self, sample: str) -> str:
        """Return the survey whose star list a sample has."""
        return lister_of_sample(self._samples[sample])

    def surveys_of(self, sample: str) -> list[str]:
        """Return the surveys that a sample's files are of: that of its light curves first."""
        return list(dict.fromkeys([self._samples[sample]["survey"], self.lister_of(sample)]))

    def is_matched(self, sample: str) -> bool:
        """Say whether a sample has its periods from another one."""
        return "match" in self._samples[sample]

    def matched_samples(self) -> list[str]:
        """Return the samples that are matched with another one."""
        return [sample for sample in self._samples if self.is_matched(sample)]

    def samples_with_metallicities(self) -> list[str]:
        """Return the samples that have labels or predictions."""
        labels = self.config["labels"]
        return [name for name in self._samples if name in labels or self.predictions_of(name)]

    def catalogued_samples(self) -> list[str]:
        """Return the samples of the catalogue: a user's own stars alone, or all."""
        return [OWN_SAMPLE] if self.is_of_own_stars else list(self._samples)

    def finds_periods(self, sample: str) -> bool:
        """Say whether the periods of a sample are found or checked in its light curves."""
        return bool(self._samples[sample]["periods"] != "given")

    def period_bands_of(self, sample: str) -> list[str]:
        """Return the bands beside a sample's own in which its periods are found; often none."""
        return list(self._samples[sample].get("period_bands", []))

    def shape_bands_of(self, sample: str) -> list[str]:
        """Return the bands beside a sample's own whose light curves are folded; often none."""
        return list(self._samples[sample].get("shape_bands", []))

    def other_bands_of(self, sample: str) -> list[str]:
        """Return all bands beside a sample's own that are read; often none."""
        bands = [*self.period_bands_of(sample), *self.shape_bands_of(sample)]
        return list(dict.fromkeys(bands))

    def needs_periods(self, sample: str) -> bool:
        """Say whether the star list of a sample has to have periods."""
        settings = self._samples[sample]
        matched = settings.get("match", {}).get("periods") == "reference"
        measured = settings["phases"] == "measured"
        return measured and not matched and not self.finds_periods(sample)

    def reference_of(self, sample: str) -> str:
        """Return the sample that a sample is matched with."""
        return str(self._samples[sample]["match"]["reference"])

    def matching_of(self, sample: str) -> Settings:
        """Return how a sample is matched with its reference."""
        match = self._samples[sample]["match"]
        return {key: value for key, value in match.items() if key != "reference"}

    def fitting_of(self, sample: str) -> Settings:
        """Return how the light curves of a sample are fitted."""
        settings = self._samples[sample]
        return {**settings["fit"], "phases": settings["phases"]}

    def labelling_of(self, sample: str) -> Settings:
        """Return how a sample is labelled, and the band that its relation should have."""
        settings = self._samples[sample]
        return {**settings["labelling"], "band": settings["band"]}

    def catalogue_settings(self) -> Settings:
        """Return the part of the configuration that the catalogue depends on."""
        samples = {sample: self._samples[sample] for sample in self.catalogued_samples()}
        parts = {key: self.config[key] for key in ("labels", "models", "predict")}
        return {"samples": samples, **parts}

    # The results page

    def shown_samples(self) -> dict[str, Settings]:
        """Return what the results page says of the samples of the catalogue."""
        return {
            sample: {
                "survey": self._samples[sample]["survey"],
                "band": self._samples[sample]["band"],
                "lister": self.lister_of(sample),
                "predicted": bool(self.predictions_of(sample)),
            }
            for sample in self.catalogued_samples()
        }

    def shown_models(self) -> list[str]:
        """Return the models that a run trains or applies, each once."""
        samples = self.catalogued_samples()
        applied = [model for sample in samples for model in self.predictions_of(sample)]
        return list(dict.fromkeys([*applied, *self.usual_models()]))

    def titles_of(self, names: Settings) -> dict[str, str]:
        """Return what a figure calls the samples, models and relations that it is of.

        Parameters
        ----------
        names
            Of what the figure is of, by kind: sample, model, sky_map ...; without any it is of
            the whole study.
        """
        samples, origins = title_samples(self._samples), self._titles_of_origins()
        # A name that a sample shares with a model or a relation says for itself what it is.
        titles = samples | origins | {name: name for name in samples if name in origins}
        if "sky_map" in names:
            sky_maps = self.config["sky_maps"].items()
            titles |= {name: map_["title"] or samples[map_["sample"]] for name, map_ in sky_maps}
        if "search" in names:
            titles |= title_searches(self.config["searches"], origins)
        wanted = [*names.values()]
        if "accuracy" in names:
            wanted += self.config["accuracy_by_epochs"][names["accuracy"]]["models"]
        return {name: title for name, title in titles.items() if not names or name in wanted}

    def _titles_of_origins(self) -> dict[str, str]:
        """Return what models and relations are called, which metallicities come from."""
        relations = title_relations(self._relations, self.config["calibrate"])
        return relations | title_models(self._models, self._samples)

    # The data release

    @property
    def releases_data(self) -> bool:
        """Whether a data release is made of the catalogue."""
        return "data_release" in self.config

    def released_settings(self) -> Settings:
        """Return the part of the configuration that the data release depends on."""
        about = self.config["data_release"]
        names = about["samples"] or list(self._samples)
        predict = [entry for entry in self.config["predict"] if entry["sample"] in names]
        return {
            "samples": {name: self._samples[name] for name in names},
            "predict": predict,
            **{key: self.config[key] for key in ("labels", "models", "calibrate", "data_release")},
        }

    def released_models(self) -> list[str]:
        """Return the models whose values are released, each once."""
        entries = self.released_settings()["predict"]
        return list(dict.fromkeys(entry["model"] for entry in entries))

    def released_relations(self) -> list[str]:
        """Return the relations calibrated here that released values are on the scale of."""
        released = self.released_settings()
        used = [self.relation_of(model) for model in self.released_models()]
        used += [self.config["labels"].get(name) for name in released["samples"]]
        return [name for name in self.config["calibrate"] if name in used]

    # Predictions

    def predictions_of(self, sample: str) -> list[str]:
        """Return the models that are applied to a sample."""
        return [entry["model"] for entry in self.config["predict"] if entry["sample"] == sample]

    def prediction(self, model: str, sample: str) -> Settings:
        """Return how a model is applied to a sample, also if the study does not ask for it."""
        for entry in self.config["predict"]:
            if (entry["model"], entry["sample"]) == (model, sample):
                return dict(entry)
        return {"cuts": None, "other_band": False}

    # Comparisons

    def comparison(self, name: str) -> Settings:
        """Return the settings of a comparison, each side with its title and labelling."""
        settings = self.config["comparisons"][name]
        of, against = self._complete_sides([settings["of"], settings["against"]])
        return {**settings, "of": of, "against": against}

    def distribution(self, name: str) -> list[Settings]:
        """Return the sides of a distribution, each with its title and labelling."""
        return self._complete_sides(self.config["distributions"][name]["of"])

    def _complete_sides(self, sides: list[Settings]) -> list[Settings]:
        """Return sides with their labellings, and with titles that tell them apart."""
        titles = [self._title_of(side) for side in sides]
        samples = title_samples(self._samples)
        return [
            {
                **side,
                "title": f"{title}, {samples[side['sample']]}"
                if titles.count(title) > 1 and "sample" in side
                else title,
                **({"labelling": self.labelling_of(side["sample"])} if "relation" in side else {}),
            }
            for side, title in zip(sides, titles, strict=True)
        ]

    def _title_of(self, side: Settings) -> str:
        """Return what one side of a comparison is called."""
        if "tables" in side:
            return str(side.get("title", "the literature"))
        if "title" in side or "column" in side:
            return str(side.get("title") or describe(side["column"]).description)
        origin = side.get("model") or side.get("relation") or self.config["labels"][side["sample"]]
        return self._titles_of_origins().get(origin, str(origin))

    def calibrators_of(self, comparison: str) -> list[str]:
        """Return the tables of spectra that the relations of a comparison were calibrated on.

        Those that it names, and those of relations that this study calibrates on spectra.
        """
        settings = self.config["comparisons"][comparison]
        names = list(settings.get("calibrators", []))
        for side in (settings["of"], settings["against"]):
            relation = side.get("relation")
            if not {"relation", "model", "column", "tables"} & {*side}:
                relation = self.config["labels"][side["sample"]]
            names += self.config["calibrate"].get(relation, {}).get("spectra", [])
        return list(dict.fromkeys(names))

    # Models

    def trained_models(self) -> list[str]:
        """Return the models that this study trains."""
        return [name for name, model in self._models.items() if "sample" in model]

    def usual_models(self) -> list[str]:
        """Return the models that a run of the whole study trains."""
        return [name for name in self.trained_models() if not self._models[name]["optional"]]

    def own_models(self) -> list[str]:
        """Return the usual models that are trained on a user's own stars."""
        return [name for name in self.usual_models() if self.is_own(self._models[name]["sample"])]

    def own_relations(self) -> list[str]:
        """Return the relations that are calibrated on the [Fe/H] of a user's own stars."""
        calibrations = self.config["calibrate"].items()
        return [name for name, settings in calibrations if "labels" in settings]

    def network_models(self) -> list[str]:
        """Return the models that this study trains as ensembles of networks."""
        return [name for name in self.trained_models() if "stack" not in self._models[name]]

    def stacked_models(self) -> list[str]:
        """Return the models that this study trains as stacks."""
        return [name for name in self.trained_models() if "stack" in self._models[name]]

    def published_models(self) -> list[str]:
        """Return the models that were published."""
        return [name for name, model in self._models.items() if "published" in model]

    def members(self, model: str) -> range:
        """Return the numbers of the members of an ensemble; none of one from elsewhere."""
        settings = self._models[model]
        if {"trained", "shipped"} & set(settings):
            return range(0)
        if "members" in settings:
            return range(settings["members"])
        return range(settings["folds"] * settings["repeats"])

    def band_of(self, model: str) -> str | None:
        """Return the band that a model is for."""
        return band_of_model(self.config, model)

    def reads_other_bands(self, model: str) -> bool:
        """Say whether a model reads light curves in several bands."""
        return bool(further_bands_of_model(self.config, model))

    def relation_of(self, model: str) -> str:
        """Return the relation that a model has learnt: its own, or that of its labels."""
        settings = self._models[model]
        return str(settings.get("relation") or self.config["labels"][settings["labels"]])

    def training_samples(self, model: str) -> dict[str, str]:
        """Return the samples that a model is trained on, each with the one that has its labels."""
        settings = self._models[model]
        further = settings.get("further_samples", [])
        return {
            settings["sample"]: settings["labels"],
            **{name: labels_of_sample(self.config, name) for name in further},
        }

    def samples_labelled_through_match(self, model: str) -> list[str]:
        """Return the samples of a model whose labels are those of the stars of their match."""
        return [
            sample
            for sample, labels in self.training_samples(model).items()
            if self.is_matched(sample) and labels == self.reference_of(sample) != sample
        ]

    def is_labelled_through_match(self, model: str) -> bool:
        """Say whether the labels of a model trained on one sample come through its match."""
        through = self.samples_labelled_through_match(model)
        return not self.joins_samples(model) and bool(through)

    def label_columns(self, model: str) -> dict[str, str]:
        """Return the columns of the fits behind the labels that a model cuts on; often none.

        By the names that cuts have for them: see `metalyra.study.cuts.columns_of_labels`.
        """
        settings = self._models[model]
        band = self._samples[settings["labels"]]["band"]
        columns = columns_of_labels(band)
        return {name: columns[name] for name in settings["cuts"] if name in columns}

    def unlabelled_samples(self, model: str) -> list[str]:
        """Return the samples that a model's populations learn from besides; often none."""
        return list(self._models[model].get("stack", {}).get("unlabelled", []))

    def joins_samples(self, model: str) -> bool:
        """Say whether a model is trained on several samples."""
        return "further_samples" in self._models[model]

    def joined_by(self, stack: str) -> str | None:
        """Return the published model that a stack joins, if it does."""
        published: str | None = self._models[stack]["stack"].get("published")
        return published

    # Batches of members that one job trains, each named after its first and last member

    def trains_in_batches(self, model: str) -> bool:
        """Say whether a job trains several members of an ensemble of networks."""
        return model in self.network_models() and self._models[model]["members_per_job"] > 1

    def modules_of(self, model: str) -> list[str]:
        """Return the modules of the networks and regressors that a model is made of.

        What a search or a publication chooses, or another study has trained, may be any.
        """
        settings = self._models[model]
        if "shipped" in settings:
            return list(dict.fromkeys(REGRESSORS.module_of(kind) for kind in REGRESSORS))
        if "network" in settings:
            return [NETWORKS.module_of(settings["network"]["kind"])]
        any_network = [NETWORKS.module_of(kind) for kind in NETWORKS]
        if "stack" not in settings:
            return list(dict.fromkeys(any_network))
        modules = [
            REGRESSORS.module_of(regressor["kind"])
            for regressor in settings["stack"]["regressors"].values()
        ]
        modules += any_network if self.joined_by(model) else []
        return list(dict.fromkeys(modules))

    def batches(self, model: str) -> dict[str, range]:
        """Return the members that each job trains, by the name of the batch."""
        numbers, size = self.members(model), self._models[model]["members_per_job"]
        batches = [numbers[first : first + size] for first in numbers[::size]]
        return {f"{batch[0]}_to_{batch[-1]}": batch for batch in batches}

    def batch_of(self, model: str, member: int) -> str:
        """Return the name of the batch that a member is trained in."""
        return next(name for name, batch in self.batches(model).items() if member in batch)

    def training_jobs(self, model: str) -> list[str]:
        """Return the names of the jobs that train a model: of its batches, or its members."""
        if self.trains_in_batches(model):
            return list(self.batches(model))
        return [str(member) for member in self.members(model)]

    # Published models, in the files of their archive

    def published_architecture(self, model: str) -> str:
        """Return the source with the architecture of a published model."""
        return f"{self._models[model]['published']}/model.json"

    def published_weights(self, model: str, member: int) -> str:
        """Return the source with the weights of a member of a published model."""
        return f"{self._models[model]['published']}/weights_{member}.h5"

    def published_training_stars(self, model: str) -> list[str]:
        """Return the source with the stars that a published model was trained on, if known."""
        source = self._models[model].get("training_stars")
        return [source] if source else []

    def published_predictions(self, model: str) -> Settings:
        """Return the sources of the published predictions of a model by part, where it has any.

        The parts are training and validation.
        """
        return dict(self._models[model].get("published_predictions", {}))

    def predicted_parts(self, model: str) -> list[str]:
        """Return the parts of its stars that a model's predictions are known for.

        Those that its members were trained on (training), and those that they were not
        (validation).
        """
        if model in self.published_models():
            return list(self.published_predictions(model))
        if model in self.network_models():
            return ["training", "validation"]
        return ["validation"] if model in self.trained_models() else []

    def models_with_predictions(self, part: str) -> list[str]:
        """Return the models, of those that a run makes, whose predictions of a part are known."""
        models = [*self.usual_models(), *self.published_models()]
        return [name for name in models if part in self.predicted_parts(name)]

    # Searches and experiments

    def usual_searches(self) -> list[str]:
        """Return the searches that a run of the whole study makes."""
        searches = self.config["searches"]
        return [name for name, search in searches.items() if not search["optional"]]

    def searched_model(self, search: str) -> str:
        """Return the model that a search is for."""
        return str(self.config["searches"][search]["model"])

    def search_folds(self, search: str) -> int:
        """Return the number of folds that a search splits the stars into: its model's."""
        model = self._models[self.searched_model(search)]
        return int(model["members"] if "members" in model else model["folds"])

    def plan_of(self, search: str) -> list[list[Round]]:
        """Return the rounds of each bracket of a search."""
        training = self._models[self.searched_model(search)]["training"]
        return plan_search(self.config["searches"][search], training)

    def models_of(self, experiment: str) -> dict[str, dict[str, str]]:
        """Return the models of an experiment, each with its setting of every axis."""
        return name_models(experiment, self.config["experiments"][experiment])
