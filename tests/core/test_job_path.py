import os
import subprocess
import sys

from metalyra.core.job_path import look_first_in


def test_jobs_look_there_first_and_keep_what_they_had(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    for name in ("json", "a_module_of_ours"):
        (tmp_path / f"{name}.py").write_text("origin = 'the folder'\n")
    look_first_in(tmp_path)
    look_first_in(tmp_path)
    assert os.environ["PYTHONPATH"].split(os.pathsep) == [str(tmp_path), "/somewhere"]
    code = "import a_module_of_ours, json; print(a_module_of_ours.origin, json.origin)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "the folder the folder"
