"""The configuration's reference, the schema for editors and the glossary, written from the code.

python -m metalyra.study.reference --write    writes them
python -m metalyra.study.reference --check    fails if one of them is not current
"""

import argparse
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from metalyra.study.configuration import RELEASE_MARK
from metalyra.study.fields import NAME_PATTERN
from metalyra.study.glossary import GLOSSARY, LIMITS, write_glossary, write_limits
from metalyra.study.model import Configuration

ROOT = Path(__file__).parents[3]
SCHEMA = ROOT / "config/schemas/study.schema.yaml"
REFERENCE = ROOT / "docs/configuration.md"

Schema = Mapping[str, Any]

_WRITTEN = "Written by `python -m metalyra.study.reference --write` from `metalyra.study.model`."

_INTRODUCTION = f"""# The configuration of a study

<!-- {_WRITTEN} -->

A study is a file of `config/`; `--config key=value` changes keys on the command line. A key that is
wrong is named before anything runs, with what is allowed. `<name>` is a name of your choice, of
lower-case letters, digits and underscores. A key in **bold** must be given.
"""


def make_schema() -> dict[str, Any]:
    """Return the JSON schema of a study, for editors."""
    schema = Configuration.model_json_schema()
    _forget_absent(schema)
    _allow_release(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _forget_absent(schema: Any) -> None:
    """Take out, in place, what only the model itself needs to know."""
    if isinstance(schema, dict):
        if schema.pop("absent", False):
            schema.pop("default", None)
        schema.pop("used", None)
        for inner in schema.values():
            _forget_absent(inner)
    elif isinstance(schema, list):
        for inner in schema:
            _forget_absent(inner)


def _allow_release(schema: Any) -> None:
    """Let names have the mark of the data release, which editors see before it is replaced."""
    if isinstance(schema, dict):
        if schema.get("pattern") == NAME_PATTERN:
            schema["pattern"] = rf"{NAME_PATTERN}|^([a-z0-9_]|{re.escape(RELEASE_MARK)})+$"
        if "gaia_dr4" in schema.get("enum", ()):
            marked = (name.replace("dr4", RELEASE_MARK) for name in schema["enum"])
            schema["enum"] += [name for name in marked if RELEASE_MARK in name]
        for inner in schema.values():
            _allow_release(inner)
    elif isinstance(schema, list):
        for inner in schema:
            _allow_release(inner)


def write_schema() -> str:
    """Return the schema as YAML."""
    text = yaml.safe_dump(make_schema(), sort_keys=False, allow_unicode=True, width=100)
    return f"# {_WRITTEN}\n{text}"


def write_reference() -> str:
    """Return the reference of all keys as Markdown."""
    schema = Configuration.model_json_schema()
    parts = schema["$defs"]
    sections = [_INTRODUCTION, "## The study\n", _write_table(schema, parts)]
    pending = list(_parts_of(schema))
    done: dict[str, None] = {}
    while pending:
        name = pending.pop(0)
        if name in done:
            continue
        done[name] = None
        part = parts[name]
        sections.append(f"## {_title(name)}\n")
        if text := part.get("description"):
            sections.append(f"{_escape(text)}\n")
        sections.append(_write_table(part, parts))
        pending = [*_parts_of(part), *pending]
    return "\n".join(sections)


def _parts_of(part: Schema) -> Iterator[str]:
    """Return the parts that the keys of a part hold, in their order."""
    for key in part.get("properties", {}).values():
        yield from _references(key)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"].removeprefix("#/$defs/")
        for name, inner in value.items():
            if name != "discriminator":
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _title(name: str) -> str:
    return name.rpartition("__")[2] if "__" in name else name


def _write_table(part: Schema, parts: Schema) -> str:
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    required = part.get("required", [])
    for name, key in part.get("properties", {}).items():
        shown = f"**`{name}`**" if name in required else f"`{name}`"
        default = "" if name in required else _write_default(key)
        part_of_key = parts.get(str(key.get("$ref", "")).removeprefix("#/$defs/"), {})
        meaning = " ".join(
            str(key.get("description") or part_of_key.get("description", "")).split()
        )
        cells = (shown, _write_type(key, parts), default, _escape(meaning))
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def _escape(text: str) -> str:
    """Return a text whose ``<name>`` is no tag of HTML; between backticks it is none anyway."""
    parts = text.split("`")
    return "`".join(
        [*(part if at % 2 else part.replace("<", "\\<") for at, part in enumerate(parts))]
    )


def _write_default(key: Schema) -> str:
    value = key.get("used") if key.get("absent") else key.get("default")
    if value is None:
        return "" if key.get("absent") else "`null`"
    text = yaml.safe_dump(value, default_flow_style=True, width=1000).replace("\n...", "")
    return f"`{text.strip()}`"


def _write_type(key: Schema, parts: Schema) -> str:
    """Return in words what a key may be."""
    if "type" in key and "enum" not in key and "const" not in key:
        return _write_plain_type(key, parts)
    if "$ref" in key:
        return _link(key["$ref"])
    if "const" in key:
        return f"`{key['const']}`"
    if "enum" in key:
        return ", ".join("`null`" if value is None else f"`{value}`" for value in key["enum"])
    if alternatives := key.get("anyOf") or key.get("oneOf"):
        words = dict.fromkeys(_write_type(inner, parts) for inner in alternatives)
        return " or ".join(words)
    return "any value"


def _write_plain_type(key: Schema, parts: Schema) -> str:
    match key["type"]:
        case "array":
            return f"list of {_write_type(key.get('items', {}), parts)}"
        case "object":
            entries = [*key.get("patternProperties", {}).values(), key.get("additionalProperties")]
            if not isinstance(entries[0], dict):
                return "group of keys"
            return f"`<name>`: {_write_type(entries[0], parts)}"
        case "integer":
            return f"whole number{_write_bounds(key)}"
        case "number":
            return f"number{_write_bounds(key)}"
        case "string":
            return "text"
        case "boolean":
            return "`true` or `false`"
        case "null":
            return "`null`"
        case _:
            return "any value"


def _write_bounds(key: Schema) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {key[name]:g}" for name, sign in signs.items() if name in key]
    return f" {', '.join(bounds)}" if bounds else ""


def _link(reference: str) -> str:
    title = _title(reference.removeprefix("#/$defs/"))
    return f"[{title}](#{title.lower()})"


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or tell whether they are current."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true")
    action.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    stale = 0
    written = {
        SCHEMA: write_schema(),
        REFERENCE: write_reference(),
        GLOSSARY: write_glossary(GLOSSARY.read_text()),
        LIMITS: write_limits(LIMITS.read_text()),
    }
    for path, text in written.items():
        if options.write:
            path.write_text(text)
        elif not path.is_file() or path.read_text() != text:
            stale = 1
            print(
                f"{path.relative_to(ROOT)} is not current: "
                "`python -m metalyra.study.reference --write` writes it",
                file=sys.stderr,
            )
    return stale


if __name__ == "__main__":
    raise SystemExit(main())
