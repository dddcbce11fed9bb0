"""What the model of a study's configuration is made of: types, parts and settings.

A setting that becomes an argument of a function has its type, bounds, default and
description there, and nowhere else.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Literal

from annotated_types import MaxLen, MinLen
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    create_model,
)
from pydantic_core import PydanticCustomError

ABSENT: Any = None
"""Default of a key that a complete configuration need not have."""


class Part(BaseModel):
    """A group of keys; no others are allowed, and no text is taken for a number."""

    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Return the values of the keys that a complete configuration has, if not given."""
        return {
            name: field.get_default(call_default_factory=True)
            for name, field in cls.model_fields.items()
            if not field.is_required() and not is_absent(field)
        }


def is_absent(field: Any) -> bool:
    """Tell whether a complete configuration does without a key that is not given."""
    return bool((field.json_schema_extra or {}).get("absent"))


def absent(description: str | None = None, **bounds: Any) -> Any:
    """Return the field of a key that a complete configuration need not have."""
    return Field(
        default=ABSENT, description=description, json_schema_extra={"absent": True}, **bounds
    )


def group(description: str, default: Any = None) -> Any:
    """Return the field of a group of keys, which is complete where it is not given."""
    return Field(default={} if default is None else default, description=description)


def setting(function: Callable[..., Any], name: str, description: str = "", **bounds: Any) -> Any:
    """Return the field of an argument of a function, with its default there.

    Parameters
    ----------
    function
        A function or dataclass.
    name
        Of one of its arguments.
    description
        By default that of its docstring.
    bounds
        Of the value, where the configuration is narrower than the function.
    """
    default = inspect.signature(function).parameters[name].default
    text = description or describe_parameters(function).get(name)
    return Field(default=default, description=text, **bounds)


@cache
def settings_model(
    name: str,
    function: Callable[..., Any],
    choice: str | None = None,
    value: str | None = None,
    more: tuple[tuple[str, Any, str], ...] = (),
) -> type[Part]:
    """Return a part of which each key is a keyword-only argument of a function.

    Keys that are not given stay absent: what is completed where it is used has its
    defaults there.

    Parameters
    ----------
    name
        Of the part.
    function
        A function or dataclass.
    choice, value
        A key that has this value alone, and says that these settings are meant.
    more
        Name, type and description of other keys.
    """
    texts = describe_parameters(function)
    fields: dict[str, Any] = {}
    if choice is not None:
        fields[choice] = (Literal[value], Field())
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            fields[parameter.name] = (
                parameter.annotation,
                Field(
                    default=ABSENT,
                    description=texts.get(parameter.name),
                    json_schema_extra={"absent": True, "used": _plain(parameter.default)},
                ),
            )
    for key, annotation, text in more:
        fields[key] = (annotation, absent(text))
    model: type[Part] = create_model(name, __base__=Part, __doc__=None, **fields)
    return model


def one_of(names: Iterable[str]) -> Any:
    """Return the type of a text that is one of a registry's names."""
    allowed = tuple(names)

    def check(value: str) -> str:
        if value not in allowed:
            raise PydanticCustomError("one_of", "unknown", {"allowed": allowed})
        return value

    return Annotated[
        str, AfterValidator(check), WithJsonSchema({"type": "string", "enum": [*allowed]})
    ]


@cache
def describe_parameters(function: Callable[..., Any]) -> Mapping[str, str]:
    """Return what the docstring of a function, in NumPy's style, says of its arguments."""
    texts: dict[str, str] = {}
    lines = inspect.cleandoc(function.__doc__ or "").splitlines()
    names: list[str] = []
    inside = False
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if re.fullmatch(r"-+", following):
            inside = line in ("Parameters", "Attributes")
            names = []
        elif inside and line and not line.startswith((" ", "-")):
            names = [name.strip() for name in line.partition(":")[0].split(",")]
        elif inside and names and line.strip():
            for name in names:
                texts[name] = f"{texts.get(name, '')} {line.strip()}".strip()
    return {name: text for name, text in texts.items() if not text.startswith("See `")}


def _plain(value: Any) -> Any:
    """Return a default as YAML and JSON have it."""
    return [_plain(entry) for entry in value] if isinstance(value, tuple | list) else value


NAME_PATTERN = "^[a-z0-9][a-z0-9_]*$"
"""What a name may be."""

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""Name of something in a study: lower-case letters, digits and underscores."""

Source = Annotated[
    str,
    StringConstraints(min_length=1),
    Field(
        description="Path of a source within the mirror, as registered in resources/sources.yaml; "
        "of any file of yours where the survey is `own`."
    ),
]
Sources = Annotated[list[Source], MinLen(1)]

Text = Annotated[str, StringConstraints(min_length=1)]

Bounds = Annotated[list[float | None], MinLen(2), MaxLen(2)]
"""Lower and upper bound; null where there is none."""

Band = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.+'/-]{0,39}$"),
]
"""Name of a photometric band, which `metalyra.surveys.bands.resolve_band` makes one of."""

Bands = Annotated[list[Band], MinLen(1)]

Columns = dict[Text, Text]
"""Columns of a user's tables, by our names."""
PulsationType = Literal["RRab", "RRc"]
