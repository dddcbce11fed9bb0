"""What is wrong with a configuration, in the words of who wrote it."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Sequence as SequenceOf
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from metalyra.core.registry import ask_whether_meant

Place = tuple[str | int, ...]


class ConfigurationError(Exception):
    """What is wrong with a configuration, one line a problem."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(f"configuration: {problem}" for problem in self.problems))


RENAMED: Mapping[str, str] = {}
"""Keys that had another name in an earlier version, and how they are called now.

Keys below the study are written with those above them, a dot between; ``*`` for any name.
"""


def unknown(what: str, name: Any, allowed: Iterable[str]) -> str:
    """Say that a name is unknown, which ones are not, and which is meant."""
    allowed = list(allowed)
    meant = ask_whether_meant(name, allowed)
    return f"{what} {name!r} is unknown; {meant}allowed: {', '.join(allowed) or 'none'}"


def name_key(place: Iterable[str | int]) -> str:
    """Return how a key is written that is in a place of a configuration."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in place]
    return "".join(parts).removeprefix(".") or "the study"


def explain(error: ValidationError, model: type[BaseModel], given: Any) -> list[str]:
    """Return what breaks a model, one line a problem.

    Parameters
    ----------
    error
        Of the validation.
    model
        The model that was validated.
    given
        What did not fit it.
    """
    missing: dict[Place, list[str]] = {}
    problems: dict[str, None] = {}
    found = error.errors(include_url=False)
    said = {_clean(entry, given) for entry in found if not _is_of_type(entry["type"])}
    for entry in found:
        place = _clean(entry, given)
        if entry["type"] == "missing":
            missing.setdefault(place[:-1], []).append(str(place[-1]))
        # Of a value that may have several types, what is wrong with the one that it has.
        elif not (
            _is_of_type(entry["type"]) and any(other[: len(place)] == place for other in said)
        ):
            problems[_explain(entry, place, model)] = None
    for place, names in missing.items():
        problems[f"{name_key(place)}: the key {', '.join(names)} is missing"] = None
    return list(problems)


def _is_of_type(kind: str) -> bool:
    return kind.endswith("_type") or kind == "int_from_float"


def _clean(entry: Mapping[str, Any], given: Any) -> Place:
    """Return the place of an error in what was given, without the names of alternatives."""
    place: list[str | int] = []
    for part in entry["loc"]:
        if (isinstance(given, dict) and part in given) or (
            isinstance(given, list) and isinstance(part, int)
        ):
            place.append(part)
            given = given[part]
    if entry["type"] == "missing":
        place.append(entry["loc"][-1])
    return tuple(place)


def _explain(entry: Mapping[str, Any], place: Place, model: type[BaseModel]) -> str:
    """Say what one error is."""
    key, value, kind = name_key(place), entry["input"], entry["type"]
    context = entry.get("ctx") or {}
    match kind:
        case "extra_forbidden":
            if (renamed := _find_new_name(place)) is not None:
                return f"{name_key(place[:-1])}: the key {place[-1]!r} is called {renamed!r} now"
            part = _find(model, entry["loc"][:-1])
            group = f"{name_key(place[:-1])}: the key"
            return unknown(group, str(place[-1]), list(part.model_fields))
        case "one_of":
            return unknown(f"{key}:", value, context["allowed"])
        case "literal_error":
            return unknown(f"{key}:", value, _names_of(_find(model, entry["loc"])))
        case "union_tag_invalid":
            choice = context["discriminator"].strip("'")
            tags = [tag.strip(" '") for tag in context["expected_tags"].split(",")]
            return unknown(f"{key}.{choice}:", context["tag"], tags)
        case "union_tag_not_found":
            return f"{key}: the key {context['discriminator'].strip(chr(39))} is missing"
        case "string_pattern_mismatch" | "string_too_short" if place[-1:] == ("band",):
            return f"{key}: {value!r} is no name of a band, such as G, g, I, V, Ks, BP, W1 or TESS"
        case "string_pattern_mismatch":
            return _explain_pattern(key, value, place, is_key="[key]" in entry["loc"])
        case "said":
            return f"{key}: {entry['msg']}"
        case "expected":
            return f"{key}: {_show(value)} where {entry['msg']} is expected"
        case _ if _is_of_type(kind):
            words = " or ".join(_words(_find(model, entry["loc"])))
            return f"{key}: {_show(value)} where {words} is expected"
        case _:
            return f"{key}: {_explain_bound(kind, value, context) or entry['msg']}"


def _find_new_name(place: Place) -> str | None:
    """Return how a key is called now; None if it never had another name."""
    for old, new in RENAMED.items():
        steps = old.split(".")
        if len(steps) == len(place) and all(
            step in ("*", str(part)) for step, part in zip(steps, place, strict=True)
        ):
            return new
    return None


def _explain_bound(kind: str, value: Any, context: Mapping[str, Any]) -> str | None:
    """Say which bound a value breaks."""
    match kind:
        case "greater_than_equal":
            return f"{value!r} is less than the minimum of {context['ge']:g}"
        case "greater_than":
            return f"{value!r} is less than or equal to the minimum of {context['gt']:g}"
        case "less_than_equal":
            return f"{value!r} is greater than the maximum of {context['le']:g}"
        case "less_than":
            return f"{value!r} is greater than or equal to the maximum of {context['lt']:g}"
        case "too_short" | "string_too_short":
            return f"{value!r} is too short" if value else f"{value!r} should be non-empty"
        case "too_long":
            return f"{value!r} is too long"
        case _:
            return None


def _explain_pattern(key: str, value: Any, place: Place, *, is_key: bool) -> str:
    if is_key:
        key = name_key(place[:-1])
    elif key == "output":
        return f"{key}: {value!r} does not end in .csv"
    elif place[:1] == ("archives",):
        return f"{key}: {value!r} does not begin with http:// or https://"
    return f"{key}: the name {value!r}; allowed are lower-case letters, digits and underscores"


def _show(value: Any) -> str:
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            return f"the text {value!r}"
        return f"the text {value!r} (YAML reads a number as 1.0e-3, not 1e-3)"
    return "nothing" if value is None else repr(value)


def _find(annotation: Any, place: Iterable[str | int]) -> Any:
    """Return what a model says of a place in it: a part, or a type."""
    for step in place:
        inner = _step(annotation, step)
        if inner is None:
            break
        annotation = inner
    return _unwrap(annotation)


def _step(annotation: Any, step: str | int) -> Any:
    annotation = _unwrap(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(str(step))
        return field and field.annotation
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is dict:
        return arguments[1]
    if origin in (list, SequenceOf) and isinstance(step, int):
        return arguments[0]
    if origin in (Union, UnionType):
        for part in map(_unwrap, arguments):
            if isinstance(part, type) and issubclass(part, BaseModel):
                tags = [get_args(field.annotation) for field in part.model_fields.values()]
                if (step,) in tags:
                    return part
            elif (inner := _step(part, step)) is not None:
                return inner
    return None


def _unwrap(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def _names_of(annotation: Any) -> list[str]:
    """Return the values that are allowed where a few are."""
    annotation = _unwrap(annotation)
    if get_origin(annotation) is Literal:
        return ["null" if name is None else str(name) for name in get_args(annotation)]
    return [name for part in get_args(annotation) for name in _names_of(part)]


_WORDS: Mapping[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    list: "a list",
    SequenceOf: "a list",
    dict: "a group of keys",
    NoneType: "null",
}


def _words(annotation: Any) -> Collection[str]:
    """Return the types that are allowed, in words, each once."""
    return dict.fromkeys(_list_words(annotation))


def _list_words(annotation: Any) -> Iterator[str]:
    annotation = _unwrap(annotation)
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        for part in get_args(annotation):
            yield from _list_words(part)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield _WORDS[dict]
    else:
        yield _WORDS.get(origin or annotation, "another value")
