"""Draw the predictions of an ensemble for the stars that its members were not trained on."""

from job import logged
from metalyra.core import read_table
from metalyra.products import predicted_against_true, save_figure

with logged(snakemake):
    stars = read_table(snakemake.input[0])
    figure = predicted_against_true(
        stars["feh"],
        stars["feh_predicted"],
        title=snakemake.wildcards.model,
        true_label="[Fe/H] of the label (dex)",
    )
    save_figure(figure, snakemake.output[0])
