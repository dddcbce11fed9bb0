"""The files that a user gives: whether they are there, and what is in them.

Snakemake keeps an output whose input is missing, so that a run with a mistyped path would end
well, with the values of another run. Paths are therefore looked at before anything is planned,
and what is in the files is a parameter of the rules that read them.
"""

import difflib
import hashlib
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from metalyra.core.digests import digest_file
from metalyra.core.resources import MIRROR_VARIABLE
from metalyra.predict.shipped import SHIPPED_MODELS, find_damage
from metalyra.study.checks import is_of_example, is_own
from metalyra.surveys.formats.given_tables import strip_table_suffix

_STARS = "give a table (CSV, FITS, VOTable, Parquet) with the columns star_id and period"
_LIGHT_CURVES = (
    "give a folder or archive of <star_id>.csv (.dat, .fits, .parquet, ...), or one table of all"
)

Config = Mapping[str, Any]


def find_wrong_paths(config: Config, environment: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the paths of a configuration, one line a path.

    Parameters
    ----------
    config
        As `metalyra.study.configuration.resolve_config` returns it.
    environment
        The environment variables; that of the mirror counts unless the sky is simulated or
        the configuration names a mirror.

    Returns
    -------
    list of str
        The key, what is the matter with its path, and what to do.
    """
    problems = [
        *_check_container(config),
        *_check_mirror(config, environment),
        *_check_trained(config),
        *_check_shipped(config),
    ]
    for name, sample in config["samples"].items():
        if not is_own(sample):
            continue
        stars, light_curves = f"samples.{name}.stars", f"samples.{name}.light_curves"
        if sample["stars"] == [config.get("stars")]:
            stars, light_curves = "stars", "lightcurves"
        if is_of_example(config, sample["stars"][0]):
            continue
        for path in sample["stars"]:
            problems += _check_file(stars, Path(path), _STARS)
        for path in sample["light_curves"]:
            problems += _check_light_curves(light_curves, Path(path))
    problems += _check_output(config)
    return list(dict.fromkeys(problems))


def list_light_curves(path: Path | str) -> list[str]:
    """Return the light-curve files of a folder and its subfolders, in order; none of a file."""
    return sorted(
        os.path.join(folder, name)
        for folder, _, names in os.walk(Path(path))
        for name in names
        if strip_table_suffix(name) is not None
    )


def identify(path: Path | str) -> dict[str, Any]:
    """Return what tells a file or a folder of light curves from any other.

    Contents are read once a process, as long as neither size nor time of change differ.

    Parameters
    ----------
    path
        A file, or a folder of tables ``<star_id>.csv``, ``<star_id>.fits``, ...

    Returns
    -------
    dict
        `path`, `size` (bytes, all files together) and `sha256`: of a file's bytes, or of
        the names, sizes and digests of the files of a folder.
    """
    if not os.path.isdir(path):
        return {"path": str(path), "size": os.stat(path).st_size, "sha256": _digest(path)}
    size, together = 0, hashlib.sha256()
    for file in list_light_curves(path):
        length = os.stat(file).st_size
        size += length
        name = os.path.relpath(file, path)
        together.update(f"{name}\0{length}\0{_digest(file)}\n".encode(errors="surrogateescape"))
    return {"path": str(path), "size": size, "sha256": together.hexdigest()}


def _digest(path: Path | str) -> str:
    status = os.stat(path)
    return _digest_of_state(os.path.abspath(path), status.st_size, status.st_mtime_ns)


@cache
def _digest_of_state(path: str, size: int, mtime_ns: int) -> str:
    """Return the SHA-256 of a file as it is while size and time of change stay these."""
    del size, mtime_ns
    return digest_file(path)


def _check_file(key: str, path: Path, advice: str) -> Iterator[str]:
    """Say what is wrong with a path that must be a file."""
    if path.is_dir():
        yield f"{key}: {str(path)!r} is a folder; {advice}"
    else:
        yield from _check_presence(key, path, advice)


def _check_presence(key: str, path: Path, advice: str) -> Iterator[str]:
    if not path.exists():
        if path.is_symlink():
            yield f"{key}: the link {str(path)!r} leads nowhere, to {os.readlink(path)!r}; {advice}"
        else:
            yield f"{key}: there is no {str(path)!r}; {_guess(path)}{advice}"
    elif not os.access(path, os.R_OK):
        yield f"{key}: {str(path)!r} may not be read; change its permissions"


def _check_light_curves(key: str, path: Path) -> Iterator[str]:
    """Say what is wrong with a path that must have light curves."""
    yield from _check_presence(key, path, _LIGHT_CURVES)
    if not path.is_dir():
        return
    files = list_light_curves(path)
    if not files:
        yield f"{key}: the folder {str(path)!r} has no table; {_LIGHT_CURVES}"
    dangling = [file for file in files if not os.path.exists(file)]
    advice = "mend it, or delete it if the star has no light curve"
    if len(dangling) == 1:
        yield f"{key}: the link {dangling[0]!r} leads nowhere; {advice}"
    elif dangling:
        yield (f"{key}: {len(dangling)} links lead nowhere, the first is {dangling[0]!r}; {advice}")


def _check_container(config: Config) -> Iterator[str]:
    image = config.get("container", "")
    if image and "://" not in image:
        advice = "build it as docs/environments.md says, or give an address such as docker://..."
        yield from _check_file("container", Path(image), advice)


def _check_mirror(config: Config, environment: Mapping[str, str]) -> Iterator[str]:
    key, folder = "mirror", config["mirror"]
    if not folder and "simulate" not in config:
        key, folder = f"the variable {MIRROR_VARIABLE}", environment.get(MIRROR_VARIABLE)
    if folder and not Path(folder).is_dir():
        yield (
            f"{key}: there is no folder {folder!r}; {_guess(Path(folder))}correct it, or leave it "
            "out to ask the archives"
        )


def _check_trained(config: Config) -> Iterator[str]:
    """Say which models of other studies are wanted and not there."""
    for name in dict.fromkeys(entry["model"] for entry in config["predict"]):
        folder = config["models"][name].get("trained")
        if folder is None or (Path(folder) / "card.json").is_file():
            continue
        match Path(folder).parts:
            case ("results", study, "models", _):
                how = (
                    f"train it: snakemake --cores all --configfile config/{study}.yaml "
                    f"{folder}/card.json"
                )
            case _:
                how = "give the folder of a trained model, results/<study>/models/<name>"
        yield f"models.{name}.trained: there is no {folder}/card.json; {how}"


def _check_shipped(config: Config) -> Iterator[str]:
    """Say which files of the shipped models that are wanted are not as they were shipped."""
    for name in dict.fromkeys(entry["model"] for entry in config["predict"]):
        if shipped := config["models"][name].get("shipped"):
            yield from find_damage(SHIPPED_MODELS / shipped)


def _check_output(config: Config) -> Iterator[str]:
    """Say why own stars cannot be written where they shall be."""
    if "output" not in config:
        return
    output = Path(config["output"])
    if output.is_dir():
        yield f"output: {str(output)!r} is a folder; give a file, such as {output / 'feh.csv'}"
    for key in ("stars", "lightcurves"):
        if os.path.realpath(output) == os.path.realpath(config[key]):
            yield f"output: {str(output)!r} is the file of the key {key}; give another"
    if os.path.realpath(config["lightcurves"]) in map(str, Path(os.path.realpath(output)).parents):
        yield (
            f"output: {str(output)!r} would be one of the light curves in the folder of the key "
            "lightcurves; give another place"
        )


def _guess(path: Path) -> str:
    """Ask whether a file beside a missing path is meant."""
    try:
        beside = sorted(os.listdir(path.parent))
    except OSError:
        return ""
    close = difflib.get_close_matches(path.name, beside, n=1)
    return f"did you mean {path.parent / close[0]}? " if close else ""
