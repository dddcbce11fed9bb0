"""How many threads linear algebra uses."""

import sys
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def on_one_thread(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Let a function's linear algebra use one thread, whatever it uses outside.

    The matrices of a star are so small that more threads only wait for each other: two make a
    fit cost twice the CPU time. A job has one core, whatever its matrices. To look for the
    libraries takes milliseconds, so it is done once and after imports, which may load another.
    """

    @wraps(function)
    def run(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        with _find_libraries(len(sys.modules)).limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return run


@lru_cache(maxsize=1)
def _find_libraries(modules: int) -> ThreadpoolController:
    """Return the libraries of threads that a number of imported modules have loaded."""
    return ThreadpoolController()
