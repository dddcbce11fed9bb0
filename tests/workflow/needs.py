"""What the scripts of rules need: modules of ours, and packages that others have made.

More than `metalyra.core.fingerprints` follows, which asks what changes a result: also the
packages that a module is in, whose own code runs before it, and what registers itself in a package
and is found by a name of the configuration.
"""

import ast
import importlib
import pkgutil
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator

from metalyra.core.fingerprints import find_module, trace_imports
from metalyra.core.registry import Registry
from tests.workflow.parsing import ROOT

OURS = {"metalyra", "testbench", "snakemake"}
OF_SCRIPTS = {path.stem for path in (ROOT / "workflow/scripts").glob("*.py")}
NAMED_OTHERWISE = {"sklearn": "scikit-learn", "yaml": "pyyaml"}
"""Packages by what they are imported as; others differ by an underscore at most."""

TELLING_VERSIONS = {"version", "library_versions"}
"""Functions that ask which version of a package is there, by its name."""


def packages_by_choice() -> set[str]:
    """Return the packages that a user may add, and that nothing needs: [dependency-groups]."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    return {re.match(r"[a-z0-9-]+", entry)[0] for group in groups.values() for entry in group}


def declared_requirements() -> dict[str, str]:
    """Return the bounds of what the library needs, by its name in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["networks"]]
    return dict(re.fullmatch(r"([a-z0-9-]+)(.*)", entry).groups() for entry in needed)


def locked_versions(python: tuple[int, int], lock: str = "requirements.txt") -> dict[str, str]:
    """Return the versions of a lock that are for a Python version."""
    versions = {}
    for line in (ROOT / lock).read_text().splitlines():
        match = re.match(r"([a-z0-9._-]+)==([^ ;]+)(?: ; (.*?))? \\$", line)
        if match:
            name, version, marker = match.groups()
            bound = re.fullmatch(r"python_full_version (<|>=) '3\.(\d+)'", marker or "")
            if bound and (python < (3, int(bound[2]))) != (bound[1] == "<"):
                continue
            versions[name] = version
    return versions


def trace_modules(scripts: Iterable[str]) -> set[str]:
    """Return the modules of ours that have to be there for scripts (`fit`) to run."""
    found: set[str] = set()
    pending = {f"{script}.py" for script in scripts}
    while pending:
        traced = trace_imports(*pending) - found
        found |= traced
        library = {module for module in traced if not module.startswith("scripts.")}
        further = {parent for module in library for parent in _parents(module)}
        further |= {name for module in library for name in _registered(module)}
        pending = {module for module in further - found if find_module(module)}
    return found


def list_imports(modules: Iterable[str]) -> set[str]:
    """Return the statements by which modules import what others have made, one a name.

    Those of packages that are a user's choice are left out.
    """
    statements = set()
    passed = sys.stdlib_module_names | OF_SCRIPTS | OURS | packages_by_choice()
    for node in _nodes(modules):
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.level == 0):
            for alias in node.names:
                statement = ast.unparse(type(node)(**{**vars(node), "names": [alias]}))
                if _top(statement) not in passed:
                    statements.add(statement)
    return statements


def list_packages(modules: Iterable[str]) -> set[str]:
    """Return the packages of others that modules import or ask the version of."""
    modules = sorted(modules)
    imported = {_top(statement) for statement in list_imports(modules)}
    packages = {NAMED_OTHERWISE.get(name, name.replace("_", "-")) for name in imported}
    known = declared_requirements()
    for module in modules:
        nodes = list(_nodes([module]))
        asked = {
            alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names
        }
        defined = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
        if (asked | defined) & TELLING_VERSIONS:
            constants = {node.value for node in nodes if isinstance(node, ast.Constant)}
            packages |= constants & set(known)
    return packages


def _top(statement: str) -> str:
    """Return the package of an import statement."""
    return re.split(r"[ .]", statement)[1]


def _nodes(modules: Iterable[str]) -> Iterator[ast.AST]:
    """Yield the syntax of modules, without what only type checkers read."""
    pending: list[ast.AST] = [ast.parse(find_module(module).read_text()) for module in modules]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            pending += node.orelse
            continue
        yield node
        pending += ast.iter_child_nodes(node)


def _parents(module: str) -> Iterator[str]:
    """Yield the packages that a module is in."""
    while module := module.rpartition(".")[0]:
        yield module


def _registered(module: str) -> Iterator[str]:
    """Yield the modules that may be found by a name in a registry that a module has."""
    for value in vars(importlib.import_module(module)).values():
        if isinstance(value, Registry):
            package = importlib.import_module(value.package)
            for found in pkgutil.iter_modules(package.__path__):
                yield f"{value.package}.{found.name}"
