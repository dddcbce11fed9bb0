import sys

import pytest

from metalyra.core.registry import Registry, UnknownNameError


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A registry of a package that is made here, with two modules."""
    package = tmp_path / "shapes_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from metalyra.core.registry import Registry\n"
        "SHAPES = Registry('shape', 'shapes_of_a_test')\n"
    )
    for name in ("square", "circle"):
        (package / f"{name}.py").write_text(
            "from shapes_of_a_test import SHAPES\n\n"
            f"@SHAPES.register('{name}', __name__)\n"
            f"def draw():\n    return '{name}'\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    import shapes_of_a_test

    yield shapes_of_a_test.SHAPES
    for name in [name for name in sys.modules if name.startswith("shapes_of_a_test")]:
        del sys.modules[name]


def test_modules_are_found_by_what_they_register(registry):
    assert list(registry) == ["circle", "square"]
    assert len(registry) == 2
    assert registry["square"]() == "square"
    assert "circle" in registry
    assert registry.module_of("circle") == "shapes_of_a_test.circle"


def test_nothing_is_imported_before_a_name_is_looked_up(registry):
    assert "shapes_of_a_test.square" not in sys.modules
    assert "triangle" not in registry
    assert "shapes_of_a_test.square" in sys.modules


def test_an_unknown_name_is_said_with_those_that_are_known(registry):
    message = "unknown shape 'squere'; did you mean square[?] known are circle, square"
    with pytest.raises(UnknownNameError, match=message):
        registry["squere"]
    assert registry.get("squere") is None


def test_one_name_is_not_for_two():
    registry: Registry[int] = Registry("number", "metalyra.core")
    registry.register("one", "here")(1)
    registry.register("one", "here")(1)
    with pytest.raises(ValueError, match="the number 'one' is in here already; there has another"):
        registry.register("one", "there")(2)
