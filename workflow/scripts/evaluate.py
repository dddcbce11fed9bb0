"""Evaluate an ensemble on the stars that its members were not trained on."""

import pandas as pd

from job import logged
from metalyra.cards import average_repeats, make_card, write_card
from metalyra.domain import measure_domain
from metalyra.ensembles import describe_training
from metalyra.search import take_best
from metalyra.sequences import read_sequences
from metalyra.tables import read_table, read_tables, write_table

with logged(snakemake):
    params = snakemake.params
    network, training = take_best(snakemake.input.best, params.network, params.training)
    development, fits = read_table(snakemake.input.table), read_tables(snakemake.input.fits)
    used = development.loc[development["fold"] >= 0, "star_id"]
    out_of_fold = read_tables(snakemake.input.out_of_fold)
    provenance = describe_training(
        development,
        *read_sequences(snakemake.input.sequences),
        training,
        params.seed,
    )
    card = make_card(
        name=snakemake.wildcards.model,
        band=params.band,
        relation=params.relation,
        network=network,
        sequence=params.sequence,
        members=range(len(snakemake.input.out_of_fold)),
        provenance=provenance,
        out_of_fold=out_of_fold,
        domain=measure_domain(fits[fits["star_id"].isin(used)]),
        member_metrics=pd.concat(map(read_table, snakemake.input.metrics), ignore_index=True),
    )
    write_table(average_repeats(out_of_fold), snakemake.output.out_of_fold)
    write_card(card, snakemake.output.card)
