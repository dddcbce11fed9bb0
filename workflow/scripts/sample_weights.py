"""Draw how much each star of a development set counts in the training."""

from job import logged
from metalyra.figures import sample_weights, save_figure
from metalyra.tables import read_table
from metalyra.weights import make_weights

with logged(snakemake):
    stars = read_table(snakemake.input[0])
    stars = stars[stars["weight"].notna()]
    by_density = make_weights(
        stars["feh"].to_numpy(),
        stars["feh_err"].to_numpy(),
        **{**snakemake.params.weights, "inverse_variance": False},
    )
    figure = sample_weights(stars["feh"], by_density, stars["weight"], snakemake.wildcards.model)
    save_figure(figure, snakemake.output[0])
