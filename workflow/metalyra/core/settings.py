"""Settings that stand in the configuration and become arguments of a function."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any


def complete_settings(
    function: Callable[..., Any], settings: Mapping[str, Any], what: str
) -> dict[str, Any]:
    """Return all keyword-only arguments of a function: those given, and the defaults.

    Parameters
    ----------
    function
        Takes the settings as keyword-only arguments with defaults.
    settings
        Values of some of them.
    what
        What is being set, for the message.

    Raises
    ------
    ValueError
        If a setting is unknown; the message names it and what is allowed.
    """
    defaults = {
        name: list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    if unknown := settings.keys() - defaults.keys():
        raise ValueError(
            f"unknown setting of {what}: {', '.join(sorted(unknown))}; "
            f"allowed are {', '.join(defaults)}"
        )
    return {**defaults, **settings}
