"""Draw how much each star of a development set counts in the training.

The weights are those of a training on all stars: each member learns its own, which differ a
little, from the stars that it is trained on.
"""

from job import logged
from metalyra.core import read_table
from metalyra.products import sample_weights, save_figure
from metalyra.train import make_weights

with logged(snakemake):
    stars = read_table(snakemake.input[0])
    stars = stars[stars["fold"] >= 0]
    settings = snakemake.params.weights
    labels = stars["feh"].to_numpy(dtype=float), stars["feh_err"].to_numpy(dtype=float)
    by_density = make_weights(*labels, **{**settings, "inverse_variance": False})
    final = make_weights(*labels, **settings)
    figure = sample_weights(labels[0], by_density, final, snakemake.wildcards.model)
    save_figure(figure, snakemake.output[0])
