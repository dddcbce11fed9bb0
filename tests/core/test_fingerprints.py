import ast
import shutil
from pathlib import Path

import pytest

import metalyra
from metalyra.core import fingerprints


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A copy of a small library: `outer` uses `inner`, `other` stands alone."""
    for name, text in {
        "outer": '"""Doc."""\nfrom metalyra.inner import value\n\nresult = value + 1\n',
        "inner": "def measure():\n    from metalyra.rooms import first\n\nvalue = 1\n",
        "other": "value = 3\n",
        "rooms/__init__": "",
        "rooms/first": "value = 4\n",
    }.items():
        path = tmp_path / "metalyra" / f"{name}.py"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    monkeypatch.setattr(fingerprints, "_ROOT", tmp_path)
    forget()
    yield tmp_path
    forget()


def forget():
    for function in ("_read", "_origins"):
        getattr(fingerprints, function).cache_clear()


def changes(library: Path, file: str, old: str, new: str) -> bool:
    """Tell whether a change of a file changes the fingerprint of `outer`."""
    before = fingerprints.fingerprint("metalyra.outer")
    path = library / "metalyra" / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    forget()
    return fingerprints.fingerprint("metalyra.outer") != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("outer.py", "value + 1", "value + 2"),
        ("inner.py", "value = 1", "value = 2"),
        ("rooms/first.py", "value = 4", "value = 5"),
    ],
)
def test_code_that_is_used_changes_it(library, file, old, new):
    assert changes(library, file, old, new)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("outer.py", "Doc.", "Another docstring."),
        ("inner.py", "value = 1", "# why\nvalue = (\n    1\n)"),
        ("other.py", "value = 3", "value = 4"),
    ],
)
def test_comments_layout_and_other_modules_do_not(library, file, old, new):
    assert not changes(library, file, old, new)


def test_an_unknown_module_is_named():
    with pytest.raises(ModuleNotFoundError, match="photometry"):
        fingerprints.fingerprint("photometry")


def test_the_surveys_modules_have_fingerprints_of_their_own(tmp_path, monkeypatch):
    copy = tmp_path / "metalyra"
    shutil.copytree(Path(metalyra.__file__).parent, copy)
    monkeypatch.setattr(fingerprints, "_ROOT", tmp_path)
    forget()
    before = (
        fingerprints.fingerprint("metalyra.surveys.ogle"),
        fingerprints.fingerprint("metalyra.surveys.vvv"),
    )
    path = copy / "surveys/ogle.py"
    path.write_text(path.read_text() + "\nanother_constant = 1\n")
    forget()
    after = (
        fingerprints.fingerprint("metalyra.surveys.ogle"),
        fingerprints.fingerprint("metalyra.surveys.vvv"),
    )
    forget()
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_a_name_that_a_package_hands_on_counts_with_its_module_alone(library):
    rooms = library / "metalyra/rooms"
    (rooms / "__init__.pyi").write_text("from .first import value as value\n")
    (rooms / "second.py").write_text("other = 5\n")
    (library / "metalyra/outer.py").write_text("from metalyra.rooms import value\n")
    forget()
    assert fingerprints.trace_imports("metalyra.outer") == {
        "metalyra.outer",
        "metalyra.rooms.first",
    }
    assert changes(library, "rooms/first.py", "value = 4", "value = 5")
    assert not changes(library, "rooms/second.py", "other = 5", "other = 6")


def test_a_script_counts_with_the_scripts_that_it_imports(library):
    scripts = library / "scripts"
    scripts.mkdir()
    (scripts / "job.py").write_text("value = 1\n")
    (scripts / "fit.py").write_text("from job import value\nfrom metalyra.inner import value\n")
    forget()
    traced = fingerprints.trace_imports("fit.py")
    assert traced == {"scripts.fit", "scripts.job", "metalyra.inner", "metalyra.rooms.first"}


def test_what_newer_pythons_add_to_a_tree_does_not_count(library, monkeypatch):
    before = fingerprints.fingerprint("metalyra.inner")
    parse = ast.parse

    def parse_as_newer(*arguments):
        tree = parse(*arguments)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                node.type_params = []
        return tree

    monkeypatch.setattr(ast.FunctionDef, "_fields", (*ast.FunctionDef._fields, "type_params"))
    monkeypatch.setattr(ast, "parse", parse_as_newer)
    forget()
    assert any(
        "type_params" in node._fields for node in ast.walk(fingerprints._parse("metalyra.inner"))
    )
    assert fingerprints.fingerprint("metalyra.inner") == before
