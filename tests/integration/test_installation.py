"""How the jobs of a run find the library."""

import subprocess


def test_jobs_find_the_library_beside_the_workflow(new_project, bare_python, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    project = new_project()
    stars = "results/small/stars/gaia_dr2_g.parquet"
    command = [bare_python, "-m", "snakemake", "--cores", "1", stars]
    command += ["--configfile", "tests/integration/small.yaml"]
    done = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert project.path(stars).is_file()


def test_jobs_take_the_library_of_their_workflow_before_an_installed_one(new_project):
    """Here the library is installed, and that of the copy says something else."""
    project = new_project()
    path = project.path("workflow/testbench/simulate/sky.py")
    path.write_text(path.read_text() + "\nraise RuntimeError('the library of the copy')\n")
    command = ("--cores", "1", "--configfile", "tests/integration/small.yaml")
    status, output = project.attempt("results/small/sources/simulated/truth.csv", *command)
    assert status
    assert "Error in rule simulate" in output
    assert "the library of the copy" in output
