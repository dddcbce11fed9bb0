"""Train one trial of a search."""

import json
import shutil
from pathlib import Path

from job import logged
from metalyra.core import read_table, write_table
from metalyra.train import keep_states, name_device, read_sequences, take_states, train_trial

with logged(snakemake):
    params, place = snakemake.params, Path(snakemake.output.metrics)
    trial = read_table(snakemake.input.trials).iloc[[int(snakemake.wildcards.slot)]]
    named = trial["trial"].item()
    checkpoints = Path(params.checkpoints) / snakemake.wildcards.search / place.stem
    take_states(named, snakemake.input.states, checkpoints)
    name_device(snakemake.resources.get("gpu", 0))
    metrics = train_trial(
        read_table(snakemake.input.table),
        *read_sequences(snakemake.input.sequences),
        network=params.network,
        training=params.training,
        changes=json.loads(trial["changes"].item()),
        epochs=params.epochs,
        all_epochs=params.all_epochs,
        folds=params.folds,
        trained_folds=params.trained_folds,
        seed=params.seed,
        weights=params.weights,
        checkpoints=checkpoints,
    )
    about = {name: int(snakemake.wildcards[name]) for name in ("bracket", "round", "slot")}
    write_table(trial.assign(**about, epochs=params.epochs, **metrics), place)
    if params.all_epochs is None:
        shutil.rmtree(checkpoints, ignore_errors=True)
    keep_states(named, checkpoints, Path(snakemake.output.states))
