"""The configuration of a study: checked, completed, and in one form.

`metalyra.study.model` says what each key may be and what it is by default,
`metalyra.study.checks` what one key says about another (a label's sample is one of the
samples). Every message names the key, says what is wrong, and what is allowed.
"""

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import ValidationError

from metalyra.acquire.queries import expand_batches
from metalyra.predict.shipped import OTHER_MODELS
from metalyra.study.checks import (
    OWN_SAMPLE,
    READING_KEYS,
    check_together,
    check_unambiguous,
    is_of_example,
    is_own,
)
from metalyra.study.experiments import EFFORTS, expand_experiment, merge_settings
from metalyra.study.fields import Part
from metalyra.study.messages import ConfigurationError, explain, unknown
from metalyra.study.model import MEMBERS_PER_GPU, Configuration
from metalyra.surveys import SURVEYS
from metalyra.surveys.bands import resolve_band

_OWN_KEYS = ("stars", "lightcurves", "model", "band", "output")
_HOW_TO_APPLY = "stars=<csv> lightcurves=<folder or table> model=<{}> band=<band> output=<csv>"

_STUDIED_KEYS = ("stars", "lightcurves", "band")
_HOW_TO_STUDY = "stars=<csv> lightcurves=<folder or table> band=<band>"

RELEASE_MARK = "{release}"
"""Stands in a configuration for the value of its key `release`; `{RELEASE}` for its capitals."""

Config = dict[str, Any]


def read_yaml(path: Path) -> Config:
    """Read a YAML file, such as the configuration of a study."""
    contents: Config = yaml.load(path.read_text(), yaml.CSafeLoader)
    return contents


def resolve_config(
    config: Mapping[str, Any],
    relations: Mapping[str, Mapping[str, Any]],
    archives: Mapping[str, Any] | None = None,
    shipped: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    has_mirror: bool = False,
) -> Config:
    """Check a study's configuration and complete it with the defaults.

    A user's own stars (the keys `stars`, `lightcurves`, `model`, `band`, `output`) become
    the sample `own_stars`, to which the model is applied. Without the key `model`, what the
    study says of the sample `own_stars` is done: see `names_own_stars`. A shipped model gets
    band, relation and pulsation type of its card.

    Parameters
    ----------
    config
        As a file of config/ and the command line give it; left as it is.
    relations
        The metallicity relations there are, as resources/relations.yaml has them.
    archives
        The archives that queries may ask; any will do if None.
    shipped
        The cards of the models that are shipped, by name; none if None.
    has_mirror
        Whether a mirror stands in for the archives, so that what the key `on_mirror` says of the
        study's release counts.

    Returns
    -------
    dict
        The configuration with every default filled in; each sample has its own `fit`
        and `chunks`.

    Raises
    ------
    ConfigurationError
        With every problem found.
    """
    config = _fill_in_release(config)
    _check_keys(config)
    resolved = copy.deepcopy(dict(config))
    changes = resolved.pop("on_mirror", {})
    if has_mirror:
        resolved = _change(resolved, changes.get(resolved.get("release"), {}))
        _check_keys(resolved)
    effort = resolved.get("effort", _default("effort"))
    _raise_any(_expand_experiments(resolved, effort))
    _take_effort(resolved, effort)
    _check_keys(resolved)
    _raise_any(_apply_to_own_stars(resolved, shipped or {}))
    _resolve_bands(resolved)
    _raise_any(_describe_shipped(resolved, shipped or {}))
    for sample in resolved.get("samples", {}).values():
        sample.setdefault("chunks", resolved.get("chunks", _default("chunks")))
        sample["fit"] = {**resolved.get("fit", {}), **sample.get("fit", {})}
    on_gpu = bool(resolved.get("gpu", _default("gpu")))
    for model in resolved.get("models", {}).values():
        model.setdefault("members_per_job", MEMBERS_PER_GPU if on_gpu else 1)
    _complete(resolved, Configuration)
    _raise_any(check_together(resolved, relations, archives))
    _expand_batches(resolved)
    return resolved


def _fill_in_release(config: Mapping[str, Any]) -> Config:
    """Return the configuration with the data release in the place of its mark."""
    release = config.get("release")

    def fill_in(value: Any) -> Any:
        if isinstance(value, str):
            value = value.replace(RELEASE_MARK, str(release))
            return value.replace(RELEASE_MARK.upper(), str(release).upper())
        if isinstance(value, Mapping):
            return {fill_in(key): fill_in(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [fill_in(entry) for entry in value]
        return value

    filled: Config = fill_in(config) if release is not None else dict(config)
    return filled


def _change(config: Config, changes: Mapping[str, Any]) -> Config:
    """Return a configuration with changes, group of keys by group; null takes a group away."""
    changed = dict(config)
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(config.get(key), Mapping):
            changed[key] = _change(config[key], value)
        elif value is None:
            changed.pop(key, None)
        else:
            changed[key] = copy.deepcopy(value)
    return changed


def _raise_any(problems: Iterator[str]) -> None:
    if found := list(problems):
        raise ConfigurationError(found)


def _check_keys(config: Mapping[str, Any]) -> None:
    """Raise a `ConfigurationError` with all that does not fit the model of a study."""
    problems = []
    studied = names_own_stars(config)
    optional = ("other_band", "cuts", "survey", "periods", *_FURTHER_BANDS, *READING_KEYS)
    given = [key for key in (*_OWN_KEYS, *optional) if key in config]
    missing = [key for key in (_STUDIED_KEYS if studied else _OWN_KEYS) if key not in config]
    if (given or studied) and missing:
        how = _HOW_TO_STUDY if studied else _HOW_TO_APPLY.format("name")
        problems.append(
            f"the key {', '.join(missing)} is missing; your own stars need all of {how}"
        )
    problems += [
        f"the key {key} is not for a study that trains on your own stars"
        for key in ("model", "other_band", "cuts")
        if studied and key in config
    ]
    try:
        Configuration.model_validate(config)
    except ValidationError as error:
        problems += explain(error, Configuration, config)
    if problems:
        raise ConfigurationError(problems)


def _default(key: str) -> Any:
    return Configuration.model_fields[key].default


def _complete(value: Any, annotation: Any) -> None:
    """Fill in, in place, the defaults of one part of the model and of those below it."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        for name, default in annotation.defaults().items():
            value.setdefault(name, copy.deepcopy(default))
        for name, inner in value.items():
            if name in annotation.model_fields:
                _complete(inner, annotation.model_fields[name].annotation)
    elif get_origin(annotation) is dict and isinstance(value, dict):
        for inner in value.values():
            _complete(inner, get_args(annotation)[1])
    elif get_origin(annotation) is list and isinstance(value, list):
        for inner in value:
            _complete(inner, get_args(annotation)[0])


def _expand_experiments(config: Config, effort: str) -> Iterator[str]:
    """Add the models of the experiments; what `models` says of one of them stays."""
    given = config.get("models", {})
    owners: dict[str, str] = {}
    for name, experiment in config.get("experiments", {}).items():
        if name in config.get("tables", {}):
            yield f"experiments.{name}: the name is that of a table; choose another"
        expanded = {}
        for changes in EFFORTS:
            try:
                expanded[changes] = expand_experiment(name, experiment, changes)
            except ValueError as error:
                yield f"experiments.{name}.{changes}: {error}"
        for model, settings in expanded.get(effort, {}).items():
            other = owners.setdefault(model, name)
            if other != name:
                yield (
                    f"experiments.{name}: its model {model} has the name of one of the experiment "
                    f"{other}; rename an experiment or a setting"
                )
            yield from check_unambiguous(f"experiments.{name}", model, settings, given)
        config["models"] = merge_settings(expanded.get(effort, {}), config.get("models", {}))


def _take_effort(config: Config, effort: str) -> None:
    """Change each model as it says for the effort of the study."""
    for name, model in config.get("models", {}).items():
        changes = {key: model.pop(key, {}) for key in EFFORTS}
        config["models"][name] = merge_settings(model, changes[effort])


def _apply_to_own_stars(config: Config, shipped: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Turn the keys of a user's own stars into a sample and a prediction."""
    models = config.setdefault("models", {})
    known = list(dict.fromkeys([*models, *shipped]))
    studied = names_own_stars(config)
    if studied:
        yield from _check_example(config)
    if "stars" not in config:
        if not config.get("samples") and "papers" not in config:
            how = _HOW_TO_APPLY.format(" or ".join(known) or "name")
            yield f"the study has no samples; for your own stars give --config {how}"
        return
    if not studied:
        if config["model"] not in known:
            yield f"{unknown('model:', config['model'], known)}; {OTHER_MODELS}"
            return
        models.setdefault(config["model"], {"shipped": config["model"]})
    survey = config.get("survey", "own")
    if not SURVEYS[survey].of_user:
        ours = ", ".join(name for name, other in SURVEYS.items() if other.of_user)
        yield f"survey: {survey} is an archive's; allowed for your own files: {ours}"
        return
    samples = config.setdefault("samples", {})
    samples[OWN_SAMPLE] = {
        "survey": survey,
        "band": config["band"],
        "stars": [config["stars"]],
        "light_curves": [config["lightcurves"]],
        "periods": config.get("periods", "given"),
        **{key: config[key] for key in (*_FURTHER_BANDS, *READING_KEYS) if key in config},
    }
    if studied:
        return
    config["other_band"] = str(config.get("other_band", False)).lower() == "true"
    config["predict"] = [
        {
            "model": config["model"],
            "sample": OWN_SAMPLE,
            "cuts": config.get("cuts"),
            "other_band": config["other_band"],
        }
    ]
    # What the study makes of its other samples is not asked for now.
    for key in ("tables", "sky_maps", "accuracy_by_epochs", "comparisons", "distributions"):
        config[key] = {}
    config["archive_comparisons"] = []


def names_own_stars(config: Mapping[str, Any]) -> bool:
    """Say whether a study says itself what becomes of the user's own stars.

    Then its labels, calibrations or models name the sample `own_stars`.
    """
    if not all(isinstance(config.get(key, {}), dict) for key in ("labels", *_PARTS_OF_SAMPLES)):
        return False  # which the model of the configuration complains of
    entries = [entry for key in _PARTS_OF_SAMPLES for entry in config.get(key, {}).values()]
    named = [entry.get("sample") for entry in entries if isinstance(entry, dict)]
    return OWN_SAMPLE in (*config.get("labels", {}), *named)


_FURTHER_BANDS = ("period_bands", "shape_bands")
"""Keys of a sample that name bands beside its own."""

_PARTS_OF_SAMPLES = ("calibrate", "models")


def _check_example(config: Config) -> Iterator[str]:
    """Refuse a star list of the user's with light curves of the example, and the other way."""
    keys = ("stars", "lightcurves")
    examples = [key for key in keys if is_of_example(config, config[key])]
    if len(examples) == 1:
        [other] = {*keys} - {*examples}
        yield (
            f"{examples[0]}: {config[examples[0]]!r} is of the simulated example, {other} is not; "
            f"give both: --config {_HOW_TO_STUDY}"
        )


def _resolve_bands(config: Config) -> None:
    """Give, in place, every band its one name."""
    groups = [config, *config.get("samples", {}).values(), *config.get("models", {}).values()]
    for group in groups:
        if "band" in group:
            group["band"] = resolve_band(group["band"])
        stack = group.get("stack", {})
        for part in (group, stack):
            for key in ("bands", *_FURTHER_BANDS):
                if key in part:
                    part[key] = [resolve_band(band) for band in part[key]]


def _describe_shipped(config: Config, shipped: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Add, in place, what the cards of shipped models say of band, relation and type."""
    for name, model in config.get("models", {}).items():
        if "shipped" not in model:
            continue
        if model["shipped"] not in shipped:
            yield f"{unknown(f'models.{name}.shipped:', model['shipped'], shipped)}; {OTHER_MODELS}"
            continue
        card = shipped[model["shipped"]]
        if bands := card.get("stack", {}).get("bands"):
            model["bands"] = bands
        for key in ("band", "relation", "pulsation_type"):
            if model.setdefault(key, card[key]) != card[key]:
                yield (
                    f"models.{name}.{key}: {model[key]!r} is not that of the shipped model "
                    f"{model['shipped']}, {card[key]!r}; leave the key out"
                )


def _expand_batches(config: Config) -> None:
    """Put the files of all batches, in place, where a query of several files is named."""
    queries = config["queries"]
    samples = [sample for sample in config["samples"].values() if not is_own(sample)]
    for group in [*samples, *queries.values()]:
        for key in ("stars", "light_curves"):
            if key in group:
                group[key] = [
                    file for source in group[key] for file in expand_batches(source, queries)
                ]
