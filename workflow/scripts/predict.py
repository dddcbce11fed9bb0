"""Predict the metallicities of a chunk of a sample."""

from pathlib import Path

from job import logged
from metalyra.core import read_rows, read_table, write_table
from metalyra.label import read_relations, scatter_of
from metalyra.predict import locate_model, predict_stars, read_card
from metalyra.train import join_archive, select_stars

with logged(snakemake):
    params = snakemake.params
    model = locate_model(Path(snakemake.input.card).parent)
    relations = read_relations(*snakemake.input.relations)
    fits = read_table(snakemake.input.fits)
    stars = read_rows([snakemake.input.stars], fits["star_id"].tolist())
    fits = select_stars(fits, stars, params.pulsation_type)
    predictions = predict_stars(
        model,
        join_archive(fits, stars),
        read_table(snakemake.input.folded),
        cuts=params.prediction["cuts"],
        relation_scatter=scatter_of(relations, params.relation, params.pulsation_type),
        fit=params.fit,
        band=params.band,
        other_band=params.prediction["other_band"],
        sample=snakemake.wildcards.sample,
        others=read_table(*snakemake.input.others) if snakemake.input.others else None,
    )
    write_table(predictions, snakemake.output[0], {"relation": read_card(model)["relation"]})
