"""What the library does, as a short text that changes when the code does.

Snakemake sees changes of a rule's script but not of the library it calls; the rules
therefore carry the fingerprint of their part of the library as a parameter. Comments,
docstrings and layout do not enter it.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parent


def fingerprint(*modules: str) -> str:
    """Return the fingerprint of modules of this package and of all they import from it.

    A package that a module is in is not part of it, unless it is imported by its name.

    Parameters
    ----------
    modules
        Names within the package, such as ``surveys.ogle``.

    Raises
    ------
    ModuleNotFoundError
        If there is no such module.
    """
    pending, seen = set(modules), set()
    while pending:
        module = pending.pop()
        seen.add(module)
        pending |= _imports(module) - seen
    digest = hashlib.sha256()
    for module in sorted(seen):
        digest.update(f"{module}\n{_normalised(module)}\n".encode())
    return digest.hexdigest()[:12]


def _path(module: str) -> Path | None:
    """Return the file of a module, or None if there is no such module."""
    path = _ROOT.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


@cache
def _parse(module: str) -> ast.Module:
    path = _path(module)
    if path is None:
        raise ModuleNotFoundError(f"no module metalyra.{module}")
    return ast.parse(path.read_text(), str(path))


@cache
def _imports(module: str) -> frozenset[str]:
    """Return the modules of this package that a module imports, wherever in its code."""
    names = set()
    for node in ast.walk(_parse(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    own = {name.removeprefix("metalyra.") for name in names if name.startswith("metalyra.")}
    return frozenset(name for name in own if _path(name) is not None)


@cache
def _normalised(module: str) -> str:
    """Return a module's code without comments, docstrings and layout."""
    tree = _parse(module)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return ast.dump(tree)
