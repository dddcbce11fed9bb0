"""Experiments: one model for every combination of settings, compared in one table.

An experiment names settings that all its models share, and axes: the settings that are
tried of one thing, such as the network or the sequences. Each is a part of a model of the
configuration.
"""

import itertools
from collections.abc import Mapping
from typing import Any

Settings = Mapping[str, Any]

EFFORTS = ("quick", "full")
"""What an experiment may change of itself, so that it takes less time or is as published."""


def expand_experiment(name: str, experiment: Settings, effort: str) -> dict[str, dict[str, Any]]:
    """Return the models of an experiment, by name.

    Parameters
    ----------
    name
        Of the experiment; those of its models follow from it, see `name_models`.
    experiment
        ``shared``, parts of a model that all have; ``axes``, the parts by axis and name;
        under the name of an effort, what it changes of these two.
    effort
        One of `EFFORTS`.

    Returns
    -------
    dict
        Of an entry that two parts set, that of the later axis counts, and that of any axis
        more than the shared one.

    Raises
    ------
    ValueError
        If the effort changes an axis, or a setting of it, that there is not, or two models
        would have the same name.
    """
    changes = experiment.get(effort, {})
    axes = experiment["axes"]
    for axis, changed in changes.get("axes", {}).items():
        for setting in changed if axis in axes else [axis]:
            known = axes.get(axis, axes)
            if setting not in known:
                raise ValueError(f"{setting!r} is unknown; allowed: {', '.join(known)}")
    shared = merge_settings(experiment.get("shared", {}), changes.get("shared", {}))
    axes = merge_settings(axes, changes.get("axes", {}))
    return {
        model: merge_settings(
            shared, *(axes[axis][setting] for axis, setting in combination.items())
        )
        for model, combination in name_models(name, experiment).items()
    }


def name_models(name: str, experiment: Settings) -> dict[str, dict[str, str]]:
    """Return what each model of an experiment is made of: the setting of every axis.

    The models come in the order of a table whose last axis changes from row to row. They
    are named after the experiment and their settings.

    Raises
    ------
    ValueError
        If two models would have the same name.
    """
    axes = experiment["axes"]
    models: dict[str, dict[str, str]] = {}
    for settings in itertools.product(*axes.values()):
        model = "_".join((name, *settings))
        if model in models:
            raise ValueError(f"two models would have the name {model}; rename a setting")
        models[model] = dict(zip(axes, settings, strict=True))
    return models


def merge_settings(*parts: Settings) -> dict[str, Any]:
    """Return settings of which those of a later part count, group of keys by group."""
    merged: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            if isinstance(value, Mapping):
                earlier = merged.get(key)
                merged[key] = merge_settings(earlier if isinstance(earlier, Mapping) else {}, value)
            else:
                merged[key] = value
    return merged
