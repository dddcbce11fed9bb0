"""Evaluate an ensemble on the stars that its members were not trained on."""

import pandas as pd

from job import logged
from metalyra.core import read_metadata, read_table, read_tables, write_table
from metalyra.predict import (
    evaluate_ensemble,
    make_card,
    measure_training_range,
    read_cuts,
    write_card,
)
from metalyra.train import describe_training, read_sequences, select_training_set, take_best

with logged(snakemake):
    params = snakemake.params
    network, training = take_best(snakemake.input.best, params.network, params.training)
    development, fits = read_table(snakemake.input.table), read_tables(snakemake.input.fits)
    used = select_training_set(development)
    out_of_fold = read_tables(snakemake.input.out_of_fold)
    in_fold = read_tables(snakemake.input.in_fold)
    provenance = describe_training(
        development,
        *read_sequences(snakemake.input.sequences),
        training,
        params.seed,
        weights=params.weights,
        search=params.search,
        devices=[read_metadata(path)["device"] for path in snakemake.input.metrics],
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
        domain=measure_training_range(fits[fits["star_id"].isin(used["star_id"])]),
        member_metrics=pd.concat(map(read_table, snakemake.input.metrics), ignore_index=True),
        pulsation_type=params.pulsation_type,
        **read_cuts(snakemake.input.table),
        fit=params.fit,
    )
    write_table(evaluate_ensemble(out_of_fold), snakemake.output.out_of_fold)
    write_table(in_fold, snakemake.output.in_fold)
    write_table(used, snakemake.output.training_set)
    write_card(card, snakemake.output.card)
