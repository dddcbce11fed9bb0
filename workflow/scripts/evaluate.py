"""Evaluate an ensemble on the stars that its members were not trained on."""

from job import logged
from metalyra.ensembles import describe_training, make_card, write_card
from metalyra.sequences import read_sequences
from metalyra.tables import read_table, read_tables, write_table

with logged(snakemake):
    params = snakemake.params
    out_of_fold = read_tables(snakemake.input.out_of_fold)
    provenance = describe_training(
        read_table(snakemake.input.table),
        *read_sequences(snakemake.input.sequences),
        params.training,
        params.seed,
    )
    card = make_card(
        name=snakemake.wildcards.model,
        band=params.band,
        relation=params.relation,
        network=params.network,
        sequence=params.sequence,
        members=range(len(snakemake.input.out_of_fold)),
        provenance=provenance,
        out_of_fold=out_of_fold,
    )
    write_table(out_of_fold, snakemake.output.out_of_fold)
    write_card(card, snakemake.output.card)
