import inspect
import sys
from types import ModuleType

import pytest

from metalyra.core.callable_packages import make_callable


@pytest.fixture
def package(monkeypatch) -> ModuleType:
    made = ModuleType("made", "A package.")
    made.inside = 3
    monkeypatch.setitem(sys.modules, "made", made)
    make_callable("made", "metalyra.core.chunks.chunk_of")
    return made


def test_a_call_is_that_of_the_function(package):
    from metalyra.core.chunks import chunk_of

    assert package("a star", chunks=7) == chunk_of("a star", 7)
    assert inspect.signature(package) == inspect.signature(chunk_of)


def test_help_is_that_of_both(package):
    assert package.__doc__.startswith("A package.")
    assert "Return the chunk" in package.__doc__
    assert "chunk_of" not in dir(package)


def test_it_is_still_a_package(package):
    assert inspect.ismodule(package)
    assert package.inside == 3
    assert not hasattr(package, "outside")
