"""List the layers of a network, which is built for that and not trained."""

from job import logged
from metalyra.core import write_table
from metalyra.train import describe_architecture, read_architecture, take_best

with logged(snakemake):
    params, published = snakemake.params, snakemake.input.architecture
    network, _ = take_best(snakemake.input.best, params.network, {})
    network = read_architecture(published[0]) if published else network
    write_table(describe_architecture(network, params.sequence), snakemake.output[0])
