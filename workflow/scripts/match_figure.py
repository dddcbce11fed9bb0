"""Draw how good the cross-match of a sample is."""

from job import logged
from metalyra.core import read_table
from metalyra.match import PERIOD_AGREEMENT, SHIFTS, is_matched, period_differences
from metalyra.products import match_quality, save_figure

with logged(snakemake):
    stars, reference, matched, by_chance = (
        read_table(snakemake.input[name]) for name in ("stars", "reference", "matched", "by_chance")
    )
    figure = match_quality(
        matched["separation"][is_matched(matched)],
        by_chance["separation"],
        len(SHIFTS),
        period_differences(stars, reference, matched),
        PERIOD_AGREEMENT,
    )
    save_figure(figure, snakemake.output[0])
