"""Packages that can be called: ``metalyra.fit(...)`` beside ``metalyra.fit.fit_stars``."""

import importlib
import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


class CallablePackage(ModuleType):
    """A package whose call is that of a function, which is imported with the first one."""

    _place: str

    @property
    def _function(self) -> Callable[..., Any]:
        module, _, name = self._place.rpartition(".")
        function: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self._function(*args, **kwargs)

    # What help(metalyra.fit) and metalyra.fit? in a notebook show.
    @property
    def __doc__(self) -> str:  # type: ignore[override]
        own = self.__dict__.get("__doc__") or ""
        return f"{own}\n\n{inspect.getdoc(self._function) or ''}".strip()

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self._function)


def make_callable(package: str, function: str) -> None:
    """Make a package call a function.

    Parameters
    ----------
    package
        Full name of the package, its ``__name__``, which is being imported.
    function
        Full name of the function; its module may import the package.
    """
    module = sys.modules[package]
    module.__class__ = CallablePackage
    module.__dict__["_place"] = function
