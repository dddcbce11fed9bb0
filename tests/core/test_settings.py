import pytest

from metalyra.core.settings import complete_settings


def paint(surface, *, colour="white", sizes=(1, 2), coats: int | None = None): ...


def test_defaults_complete_what_is_given():
    assert complete_settings(paint, {"coats": 3}, "the painting") == {
        "colour": "white",
        "sizes": [1, 2],
        "coats": 3,
    }


def test_unknown_settings_are_named_with_what_is_allowed():
    message = "unknown setting of the painting: color, surface; allowed are colour, sizes, coats"
    with pytest.raises(ValueError, match=message):
        complete_settings(paint, {"color": "red", "surface": "wall"}, "the painting")
