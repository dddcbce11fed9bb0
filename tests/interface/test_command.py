"""The command ``metalyra``."""

import re
import subprocess
import sys

import pytest
from astropy.table import Table

import metalyra
from metalyra.interface.command import main


@pytest.fixture
def file(curve, tmp_path):
    path = tmp_path / "rr_lyrae.csv"
    curve.to_csv(path, index=False)
    return path


def run(capsys, *arguments) -> tuple[int, str, str]:
    status = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_it_prints_and_draws_a_star(capsys, file, curve, period, tmp_path):
    figure = tmp_path / "star.png"
    status, out, err = run(
        capsys, "star", file, "--period", period, "--band", "G", "--figure", figure
    )
    assert status == 0
    assert err == ""
    star = metalyra.predict(metalyra.fit(curve, period=period, band="G", star_id="rr_lyrae"))
    assert out.startswith(repr(star))
    assert f"drawn in {figure}" in out
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_it_reads_other_formats(capsys, light_curves, period, tmp_path):
    path = tmp_path / "epochs.fits"
    table = light_curves.rename(columns={"mag": "brightness", "star_id": "source_id"})
    Table.from_pandas(table).write(path)
    more = ["--star", "RRab 001", "--columns", "mag=brightness", "--band", "G"]
    status, out, _ = run(capsys, "star", path, "--period", period, *more)
    assert status == 0
    assert "StarFit of RRab 001: RRab, band G" in out
    assert "in band RP" in out
    assert "[Fe/H]" in out


def test_it_finds_a_period(capsys, file):
    status, out, _ = run(capsys, "star", file)
    assert status == 0
    assert "found; false-alarm probability" in out


def test_without_a_model_it_says_so(capsys, file, period):
    status, out, _ = run(capsys, "star", file, "--period", period, "--band", "W2")
    assert status == 0
    assert "no [Fe/H]: no shipped model is for RRab stars in W2" in out


def test_a_star_without_a_value_has_a_reason(capsys, file, period):
    status, out, _ = run(capsys, "star", file, "--period", 3.3, "--band", "G")
    assert status == 0
    assert "implausible_period" in out
    assert "No star of this pulsation type has such a period." in out


PROBLEMS = {
    "no file": (["star", "nowhere.csv", "--period", "0.5"], "there is no file 'nowhere.csv'"),
    "a picture": (["star", "{picture}", "--period", "0.5"], "not a table but a picture"),
    "another model": (
        ["star", "{file}", "--period", "0.5", "--model", "metalyra_x"],
        "model 'metalyra_x': neither a shipped model",
    ),
    "another band": (
        ["star", "{file}", "--period", "0.5", "--band", "V", "--model", "metalyra_g"],
        "metalyra_g is for G, the light curves are in V",
    ),
    "another type": (
        ["star", "{file}", "--period", "0.5", "--type", "EW"],
        "pulsation_type 'EW' is none of RRab, RRc",
    ),
    "another figure": (
        ["star", "{file}", "--period", "0.5", "--figure", "star.pdf"],
        "'star.pdf' does not end in .png",
    ),
    "a column without a name": (
        ["star", "{file}", "--period", "0.5", "--columns", "mag"],
        "--columns: 'mag' is not of the form OURS=YOURS",
    ),
}


@pytest.mark.parametrize("what", PROBLEMS)
def test_what_cannot_be_done_is_said_in_a_line(capsys, file, tmp_path, what):
    arguments, message = PROBLEMS[what]
    picture = tmp_path / "picture.csv"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")
    places = {"file": file, "picture": picture}
    status, out, err = run(capsys, *(text.format(**places) for text in arguments))
    assert status == 1
    assert out == ""
    assert err.startswith("metalyra: ")
    assert message in err
    assert err.count("\n") == 1


def test_models_are_listed(capsys):
    status, out, _ = run(capsys, "models")
    assert status == 0
    assert re.search(r"metalyra_g +G +RRab +\d+ +0\.\d+ +dekany2021", out)


@pytest.mark.parametrize("arguments", [["--help"], ["star", "--help"], ["models", "--help"]])
def test_help_is_there(capsys, arguments):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 0
    assert "usage: metalyra" in capsys.readouterr().out


def test_it_is_a_module_too(environment):
    command = [sys.executable, "-m", "metalyra", "--version"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"MetaLyra {metalyra.__version__}"
    done = subprocess.run(command[:-1], env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert "COMMAND" in done.stderr


def test_a_reader_may_leave_before_the_end():
    command = f"{sys.executable} -m metalyra models | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0"
    assert done.stderr == ""
