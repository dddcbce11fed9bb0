"""Learn the weights of a stack from the stars that its members were not trained on."""

from job import logged
from metalyra.core import read_table, read_tables, write_table
from metalyra.predict import (
    evaluate_stack,
    make_stack_card,
    predict_published,
    read_cuts,
    write_card,
)
from metalyra.stack import COMBINATIONS, PUBLISHED, add_published, complete_stack
from metalyra.train import select_training_set

with logged(snakemake):
    params = snakemake.params
    development = read_table(snakemake.input.table)
    out_of_fold = read_tables(snakemake.input.out_of_fold)
    used = set(out_of_fold["star_id"])
    fits = read_tables(snakemake.input.fits, star_ids=used)
    stack = complete_stack(params.stack)
    names = list(stack["regressors"])
    if params.stack.get(PUBLISHED):
        folded = read_tables(snakemake.input.folded, star_ids=used)
        predictions = predict_published(snakemake.input.published[0], fits, folded)
        out_of_fold = add_published(out_of_fold, predictions)
        names.append(PUBLISHED)
    card = make_stack_card(
        out_of_fold,
        development,
        fits,
        name=snakemake.wildcards.model,
        band=params.band,
        relation=params.relation,
        stack=params.stack,
        seed=params.seed,
        weights=params.weights,
        pulsation_type=params.pulsation_type,
        **read_cuts(snakemake.input.table),
        fit=params.fit,
        fewest_stars=params.fewest_stars,
    )
    evaluated = evaluate_stack(out_of_fold, names, stack.get("combination", COMBINATIONS[0]))
    write_table(evaluated, snakemake.output.out_of_fold)
    write_table(select_training_set(development), snakemake.output.training_set)
    write_card(card, snakemake.output.card)
