"""Train members of an ensemble."""

from pathlib import Path

from job import logged
from metalyra.core import read_table, write_table
from metalyra.train import (
    Checkpoint,
    measure_parts,
    name_device,
    predict_parts,
    read_sequences,
    save_network,
    take_best,
    train_members,
)

with logged(snakemake):
    params, folder = snakemake.params, Path(snakemake.params.folder)
    network, training = take_best(snakemake.input.best, params.network, params.training)
    stars = (read_table(snakemake.input.table), *read_sequences(snakemake.input.sequences))
    device = name_device(snakemake.resources.get("gpu", 0))
    checkpoints = [
        Checkpoint(Path(params.checkpoints) / f"{member}.npz") for member in params.members
    ]
    ensemble = train_members(
        *stars,
        params.members,
        network,
        training,
        params.seed,
        checkpoints,
        weights=params.weights,
    )
    for member, (trained, history, out_of_fold) in zip(params.members, ensemble, strict=True):
        parts = predict_parts(trained, *stars, member, training, params.seed)
        save_network(trained, folder / f"member_{member}.keras")
        write_table(history, folder / f"history_{member}.parquet")
        write_table(out_of_fold, folder / f"out_of_fold_{member}.parquet")
        write_table(parts["training"], folder / f"in_fold_{member}.parquet")
        write_table(measure_parts(parts), folder / f"metrics_{member}.parquet", {"device": device})
    # Snakemake deletes the outputs of a job that is killed before its last member.
    for checkpoint in checkpoints:
        checkpoint.remove()
