"""What figures call samples, models and relations: words instead of names of the configuration."""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from metalyra.surveys import SURVEYS

Settings = Mapping[str, Any]

_KINDS = {
    "lstm": "LSTM",
    "bilstm": "BiLSTM",
    "gru": "GRU",
    "bigru": "BiGRU",
    "fcn": "FCN",
    "resnet": "ResNet",
    "inception_time": "InceptionTime",
    "conv_lstm": "convolutional LSTM",
    "conv_gru": "convolutional GRU",
    "attention_gru": "attention GRU",
}
"""Kinds of networks whose names are not those of the configuration."""


def title_samples(samples: Mapping[str, Settings]) -> dict[str, str]:
    """Return what samples are called: survey and band, and the name where two are alike."""
    return _tell_apart(
        {
            name: f"{SURVEYS[sample['survey']].title or name}, {sample['band']} band"
            for name, sample in samples.items()
        }
    )


def title_models(models: Mapping[str, Settings], samples: Mapping[str, Settings]) -> dict[str, str]:
    """Return what models are called: their kind and what they are trained on.

    Those that come with MetaLyra keep their names, which are in its documentation.
    """
    titles = title_samples(samples)
    return _tell_apart({name: _title_model(name, model, titles) for name, model in models.items()})


def title_relations(
    published: Mapping[str, Settings], calibrated: Collection[str] = ()
) -> dict[str, str]:
    """Return what relations are called: those that are published by their papers.

    Parameters
    ----------
    published
        As resources/relations.yaml has them.
    calibrated
        Names of those that the study calibrates.
    """
    papers = {name: _cite(relation["source"]) for name, relation in published.items()}
    return _tell_apart({**papers, **dict.fromkeys(calibrated, "relation calibrated here")})


def title_searches(searches: Mapping[str, Settings], models: Mapping[str, str]) -> dict[str, str]:
    """Return what searches are called, by the titles of the models that they are for."""
    return _tell_apart(
        {name: f"Search for the {models[search['model']]}" for name, search in searches.items()}
    )


def _cite(source: str) -> str:
    """Return authors and year of a source; all of one that has no year."""
    found = re.match(r".*?\(\d{4}\)", source)
    return found[0] if found else source


def _title_model(name: str, model: Settings, samples: Mapping[str, str]) -> str:
    if "published" in model:
        return f"Published networks, {model['band']} band"
    if model.get("sample") not in samples:
        return name
    kind = "stack" if "stack" in model else "network"
    if "kind" in (network := model.get("network") or {}):
        kind = f"{_KINDS.get(network['kind'], network['kind'].replace('_', ' '))} network"
    kind = f"{kind[0].upper()}{kind[1:]}"
    types = f", {model['pulsation_type']}" if model.get("pulsation_type") else ""
    return f"{kind} on {samples[model['sample']]}{types}"


def _tell_apart(titles: Mapping[str, str]) -> dict[str, str]:
    """Return titles of which those that are alike have the names beside them."""
    times = Counter(titles.values())
    return {
        name: f"{title} ({name})" if times[title] > 1 else title for name, title in titles.items()
    }
