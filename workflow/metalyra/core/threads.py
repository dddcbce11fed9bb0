"""How many threads linear algebra uses."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from threadpoolctl import threadpool_limits

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def on_one_thread(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Let a function's linear algebra use one thread, whatever it uses outside.

    The matrices of a star are so small that more threads only wait for each other: two make a
    fit cost twice the CPU time. A job has one core, whatever its matrices. It takes a
    millisecond, so it is for functions of many stars.
    """

    @wraps(function)
    def run(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        with threadpool_limits(1, user_api="blas"):
            return function(*args, **kwargs)

    return run
