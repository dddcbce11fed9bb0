"""What figures call samples and models: words instead of the names of the configuration."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from metalyra.surveys import SURVEYS

Settings = Mapping[str, Any]


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

    Those that come from elsewhere keep their names, which their authors know.
    """
    titles = title_samples(samples)
    return _tell_apart({name: _title_model(name, model, titles) for name, model in models.items()})


def _title_model(name: str, model: Settings, samples: Mapping[str, str]) -> str:
    if model.get("sample") not in samples:
        return name
    kind = "stack" if "stack" in model else "network"
    if "kind" in (network := model.get("network") or {}):
        kind = f"{network['kind'].replace('_', ' ')} network"
    kind = f"{kind[0].upper()}{kind[1:]}"
    types = f", {model['pulsation_type']}" if model.get("pulsation_type") else ""
    return f"{kind} on {samples[model['sample']]}{types}"


def _tell_apart(titles: Mapping[str, str]) -> dict[str, str]:
    """Return titles of which those that are alike have the names beside them."""
    times = Counter(titles.values())
    return {
        name: f"{title} ({name})" if times[title] > 1 else title for name, title in titles.items()
    }
