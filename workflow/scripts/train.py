"""Train one member of an ensemble."""

from job import logged
from metalyra.ensembles import save_network, train_member
from metalyra.sequences import read_sequences
from metalyra.tables import read_table, write_table

with logged(snakemake):
    network, history, out_of_fold = train_member(
        read_table(snakemake.input.table),
        *read_sequences(snakemake.input.sequences),
        int(snakemake.wildcards.member),
        snakemake.params.network,
        snakemake.params.training,
        snakemake.params.seed,
    )
    save_network(network, snakemake.output.network)
    write_table(history, snakemake.output.history)
    write_table(out_of_fold, snakemake.output.out_of_fold)
