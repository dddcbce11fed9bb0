"""What it costs to train the papers' networks as published: one fold of each, to its own end.

    python -m benchmarks.full_effort --folder FOLDER [MODEL ...]

runs the studies with `effort: full`, in a copy of the project in FOLDER and on one core, as far as
the network that does not see fold 0. Network, training and stars are those of the studies. What is
finished in FOLDER is not run again. The hours are those of all members of the model, if each takes
as long; what a paper's number of stars would take follows from the milliseconds a star and epoch.
"""

import argparse
import re
from pathlib import Path
from typing import Any

import pandas as pd
from tests.integration.conftest import Project

from benchmarks.real_light_curves import find_mirror
from metalyra.predict import read_shipped_cards
from metalyra.study import Study, read_yaml, resolve_config

MODELS = {
    "table1_rrab": "monti25",
    "dg22_g_retrained": "dg22",
    "table_a1_preprocessed_fcn": "monti24",
}
"""The study of each model: the GRU of 2025, the BiLSTM of DG22 for G, an FCN of 2024."""

ROOT = Path(__file__).parents[1]
_TOOK = re.compile(r"took ([\d.]+) s of CPU")
_GOES_ON = re.compile(r"going on after epoch (\d+)")


def train_as_published(project: Project, study: str, model: str) -> None:
    """Run a study as far as the first member of a model."""
    project.start(
        *(f"results/{study}/models/{model}/member_0.keras", "--cores", "1", "--quiet", "all"),
        *("--configfile", f"config/{study}.yaml", "--config", "effort=full"),
        **{"METALYRA_MIRROR": str(find_mirror()), "OMP_NUM_THREADS": "1"},
        PYTHONPATH=str(project.path("workflow")),
    ).communicate()


def measure_training(results: Path, model: str, members: int) -> dict[str, Any]:
    """Return what the training of the first member took, and how good it is out of fold."""
    folder, log = results / "models" / model, results / "logs/train" / model / "0.log"
    if not (folder / "metrics_0.parquet").exists():
        raise SystemExit(f"{model} was not trained: see {results / 'logs'}")
    metrics = pd.read_parquet(folder / "metrics_0.parquet").set_index("part")
    history, said = pd.read_parquet(folder / "history_0.parquet"), log.read_text()
    stars, epochs = int(metrics["n"]["training"]), len(history)
    # Of a training that was killed, the log has the seconds of the last part alone.
    timed = epochs - max(map(int, _GOES_ON.findall(said)), default=0)
    seconds = float(_TOOK.findall(said)[-1]) * epochs / timed
    return {
        "model": model,
        "stars": stars,
        "held_out": int(metrics["n"]["held_out"]),
        "epochs": epochs,
        "timed": timed,
        "best_epoch": int(history["val_loss"].to_numpy().argmin() + 1),
        "cpu_s": seconds,
        "ms_a_star_and_epoch": 1000 * seconds / epochs / stars,
        **{name: metrics[name]["held_out"] for name in ("r2", "rmse", "mae")},
        "members": members,
        "cpu_h_of_all": members * seconds / 3600,
    }


def count_members(study: str, model: str) -> int:
    """Return the number of members of a model: folds times repeats, with full effort."""
    config = read_yaml(ROOT / f"config/{study}.yaml") | {"effort": "full"}
    relations = read_yaml(ROOT / "resources/relations.yaml")
    resolved = resolve_config(config, relations, shipped=read_shipped_cards(), has_mirror=True)
    return len(Study(resolved).members(model))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", default=list(MODELS), metavar="MODEL")
    parser.add_argument("--folder", type=Path, required=True, help="where everything is written")
    options = parser.parse_args()
    if strange := {*options.models} - {*MODELS}:
        parser.error(f"no model {min(strange)}; there are {', '.join(MODELS)}")
    project = Project(options.folder / "clone")
    rows = []
    for model in options.models:
        study = MODELS[model]
        train_as_published(project, study, model)
        members = count_members(study, model)
        rows.append(measure_training(project.path(f"results/{study}"), model, members))
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.4g}".format))


if __name__ == "__main__":
    main()
