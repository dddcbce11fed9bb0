"""What a script does, as a short text that changes when its code does.

Snakemake sees changes of a rule's script but not of the library it calls; each rule
therefore carries the fingerprint of its script as a parameter: of the script and of all
modules of the library that it imports, directly or through others. Comments, docstrings
and layout do not enter it, nor does the version of Python.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

_ROOT = Path(__file__).parents[2]
"""Folder of the packages metalyra and testbench, and of scripts/."""

_PACKAGES = ("metalyra", "testbench")
_SCRIPTS = "scripts"
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
_IRRELEVANT = ("ctx", "kind", "type_comment")


def fingerprint(*sources: str) -> str:
    """Return the fingerprint of scripts and modules, and of all of ours that they import.

    A package that a module is in is not part of it, unless it is imported by its name. Of
    a package that hands on the names of its modules (its ``__init__.pyi`` says from
    where), the modules of the imported names are part of it and the others are not.

    Parameters
    ----------
    sources
        Scripts of workflow/scripts/, such as ``fit.py``, and full names of modules, such
        as ``metalyra.surveys.ogle``: those that a script finds by a name of the
        configuration.

    Raises
    ------
    ModuleNotFoundError
        If there is no such script or module.
    """
    digest = hashlib.sha256()
    for module in sorted(trace_imports(*sources)):
        digest.update(f"{module}\n{_read(module).code}\n".encode())
    return digest.hexdigest()[:12]


def trace_imports(*sources: str) -> set[str]:
    """Return scripts and modules, and all of ours that they import; see `fingerprint`."""
    pending = {f"{_SCRIPTS}.{name[:-3]}" if name.endswith(".py") else name for name in sources}
    seen: set[str] = set()
    while pending:
        module = pending.pop()
        seen.add(module)
        pending |= _read(module).imports - seen
    return seen


def find_module(module: str) -> Path | None:
    """Return the file of a module, or None if there is no such module."""
    path = _ROOT.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


class _Module(NamedTuple):
    """Our modules that a module imports, wherever in its code, and its code; see `_normalised`."""

    imports: frozenset[str]
    code: str


@cache
def _read(module: str) -> _Module:
    # The tree is not kept, for Python would look through all of them for garbage.
    tree = _parse(module)
    imports = frozenset(name for name in _named(tree) if find_module(name) is not None)
    return _Module(imports, _normalised(tree))


def _parse(module: str) -> ast.Module:
    path = find_module(module)
    if path is None:
        raise ModuleNotFoundError(f"no module or script {module}")
    return ast.parse(path.read_text(), str(path))


def _named(tree: ast.Module) -> Iterator[str]:
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _is_ours(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                yield from _sources(node.module, alias.name)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements within a node, and itself; looking at expressions takes much longer."""
    yield node
    for name in _BLOCKS:
        for statement in getattr(node, name, ()):
            yield from _statements(statement)


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in _PACKAGES


def _sources(package: str, name: str) -> Iterator[str]:
    """Return the modules that ``from package import name`` makes a part of the code."""
    if not _is_ours(package):
        # A script beside the script.
        yield f"{_SCRIPTS}.{package}"
    elif name in (origins := _origins(package)):
        yield origins[name]
    elif find_module(f"{package}.{name}") is not None:
        yield f"{package}.{name}"
    else:
        yield package


@cache
def _origins(package: str) -> dict[str, str]:
    """Return the modules that the names come from which a package hands on."""
    stub = _ROOT.joinpath(*package.split("."), "__init__.pyi")
    if not stub.is_file():
        return {}
    return {
        alias.asname or alias.name: f"{package}.{node.module}"
        for node in ast.parse(stub.read_text()).body
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }


def _normalised(tree: ast.Module) -> str:
    """Return a module's code without comments, docstrings and layout."""
    for node in _statements(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return _describe(tree)


def _describe(value: object) -> str:
    """Return a syntax tree as text; a field that is empty is as good as none.

    Python's own text of a tree has, from version to version, other empty fields.
    """
    if isinstance(value, ast.AST):
        fields = [
            f"{name}={_describe(entry)}"
            for name, entry in vars(value).items()
            if name in value._fields and name not in _IRRELEVANT and entry not in (None, [])
        ]
        return f"{type(value).__name__}({','.join(fields)})"
    if isinstance(value, list):
        return f"[{','.join([_describe(entry) for entry in value])}]"
    return repr(value)
