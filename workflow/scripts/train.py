"""Train members of an ensemble, one after the other."""

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
    train_member,
)

with logged(snakemake):
    params, folder = snakemake.params, Path(snakemake.params.folder)
    network, training = take_best(snakemake.input.best, params.network, params.training)
    stars = (read_table(snakemake.input.table), *read_sequences(snakemake.input.sequences))
    device = name_device(snakemake.resources.get("gpu", 0))
    for member in params.members:
        checkpoint = Checkpoint(Path(params.checkpoints) / f"{member}.npz")
        trained, history, out_of_fold = train_member(
            *stars,
            member,
            network,
            training,
            params.seed,
            checkpoint,
            weights=params.weights,
        )
        parts = predict_parts(trained, *stars, member, training, params.seed)
        save_network(trained, folder / f"member_{member}.keras")
        write_table(history, folder / f"history_{member}.parquet")
        write_table(out_of_fold, folder / f"out_of_fold_{member}.parquet")
        write_table(parts["training"], folder / f"in_fold_{member}.parquet")
        write_table(measure_parts(parts), folder / f"metrics_{member}.parquet", {"device": device})
    # Snakemake deletes the outputs of a job that is killed before its last member.
    for member in params.members:
        Checkpoint(Path(params.checkpoints) / f"{member}.npz").remove()
