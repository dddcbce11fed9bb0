"""Registries: what there are many of, found by name.

A survey, a network, a regressor or a figure is one module of a package. It registers
itself, and no list has to be kept of all.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar, cast

T = TypeVar("T")
Entry = TypeVar("Entry")


def ask_whether_meant(name: object, known: Iterable[str]) -> str:
    """Return the question whether a known name is meant, for a message; empty if none is near."""
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f"did you mean {close[0]}? " if close else ""


class UnknownNameError(KeyError, ValueError):
    """A name that nothing is registered under; the message says what there is."""

    def __str__(self) -> str:
        return str(self.args[0])


class Registry(Mapping[str, T]):
    """What the modules of a package register, by name.

    Parameters
    ----------
    kind
        What is registered, for messages.
    package
        Full name of the package, whose modules are imported when a name is first looked
        up. Modules of packages within it are not.
    locate
        A function that returns the full name of the module that registers a name, None for
        one that it does not know. That module alone is then imported to look the name up.

    Raises
    ------
    ValueError
        If two things are registered under one name.
    UnknownNameError
        If nothing is registered under a name that is looked up.
    """

    def __init__(
        self, kind: str, package: str, locate: Callable[[str], str | None] | None = None
    ) -> None:
        self.kind, self.package = kind, package
        self._locate = locate
        self._entries: dict[str, T] = {}
        self._modules: dict[str, str] = {}
        self._is_complete = self._is_importing = False

    def register(self, name: str, module: str) -> Callable[[Entry], Entry]:
        """Return a decorator that registers what it is applied to.

        Parameters
        ----------
        name
            That it is found by.
        module
            The module that does so, its ``__name__``.
        """

        def add(entry: Entry) -> Entry:
            if name in self._entries:
                raise ValueError(
                    f"the {self.kind} {name!r} is in {self._modules[name]} already; "
                    f"{module} has another one of this name"
                )
            # What is decorated keeps its own type, which is narrower than the registry's.
            self._entries[name] = cast(T, entry)
            self._modules[name] = module
            return entry

        return add

    def module_of(self, name: str) -> str:
        """Return the full name of the module that something is in."""
        self[name]
        return self._modules[name]

    def __getitem__(self, name: str) -> T:
        if self._locate and (module := self._locate(name)):
            importlib.import_module(module)
        else:
            self._complete()
        if name not in self._entries:
            meant = ask_whether_meant(name, self._entries)
            raise UnknownNameError(
                f"unknown {self.kind} {name!r}; {meant}known are {', '.join(self)}"
            )
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        self._complete()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._complete()
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        self._complete()
        return len(self._entries)

    def _complete(self) -> None:
        """Import all modules of the package, once."""
        if self._is_complete or self._is_importing:
            return
        self._is_importing = True
        try:
            for module in pkgutil.iter_modules(importlib.import_module(self.package).__path__):
                importlib.import_module(f"{self.package}.{module.name}")
            self._is_complete = True
        finally:
            self._is_importing = False
