import re

import jsonschema
import pytest
import yaml

from metalyra.study import reference
from metalyra.study.model import Configuration

STUDIES = sorted((reference.ROOT / "config").glob("*.yaml"))


def test_schema_and_reference_are_current():
    assert reference.main(["--check"]) == 0


def test_a_stale_file_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    monkeypatch.setattr(reference, "REFERENCE", tmp_path / "reference.md")
    monkeypatch.setattr(reference, "SCHEMA", tmp_path / "schema.yaml")
    glossary = tmp_path / "glossary.md"
    glossary.write_text(reference.GLOSSARY.read_text().replace("| `ok` |", "| `fine` |"))
    monkeypatch.setattr(reference, "GLOSSARY", glossary)
    limits = tmp_path / "limits.md"
    limits.write_text(reference.LIMITS.read_text())
    monkeypatch.setattr(reference, "LIMITS", limits)
    assert reference.main(["--check"]) == 1
    said = capsys.readouterr().err
    assert "schema.yaml is not current" in said
    assert "glossary.md is not current" in said
    assert reference.main(["--write"]) == 0
    assert reference.main(["--check"]) == 0


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_editors_find_nothing_wrong_with_the_studies(path):
    jsonschema.validate(yaml.safe_load(path.read_text()), reference.make_schema())


def test_editors_find_what_is_wrong():
    wrong = {"study": "demo", "models": {"g": {"network": {"kind": "gru", "units": []}}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, reference.make_schema())


def test_the_reference_has_every_key_of_a_study_with_its_meaning():
    text = reference.REFERENCE.read_text().replace("\\<", "<")
    for name, field in Configuration.model_fields.items():
        [row] = [
            line
            for line in text.splitlines()
            if line.startswith((f"| `{name}` |", f"| **`{name}`** |"))
            and line.rstrip(" |").endswith(str(field.description).replace("|", "\\|"))
        ]
        assert field.description
        assert row.count("|") >= 5


def test_numbers_are_described_with_their_bounds():
    assert "| `chunks` | whole number ≥ 1, ≤ 100000 | `4` |" in reference.REFERENCE.read_text()


def test_names_in_angle_brackets_are_no_tags_of_html():
    text = reference.REFERENCE.read_text()
    assert "everything it writes is in results/\\<study>/." in text
    outside = "".join(text.replace(r"\<", "").split("`")[::2])
    assert re.findall(r"</?[a-z]+", outside) == []
