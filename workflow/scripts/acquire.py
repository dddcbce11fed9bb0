"""Bring a source to the study: from the mirror or its archive, verified."""

from pathlib import Path

from job import logged
from metalyra.clients import acquire_query
from metalyra.downloads import make_courtesy
from metalyra.services import find_services, read_archives
from metalyra.sources import acquire, find_mirror, find_source

with logged(snakemake):
    archives = read_archives(Path(snakemake.input.archives))
    services = find_services(snakemake.config["archives"], archives["services"])
    courtesy = make_courtesy(snakemake.config["downloads"], Path(snakemake.params.slots))
    mirror = find_mirror(snakemake.config["mirror"])
    name, destination = snakemake.wildcards.source, Path(snakemake.output[0])
    if snakemake.params.query is None:
        source = find_source(name, Path(snakemake.input.registry), services)
        acquire(source, destination, mirror, **vars(courtesy))
    else:
        acquire_query(
            name,
            *snakemake.params.query,
            star_files=[Path(path) for path in snakemake.input.stars],
            destination=destination,
            mirror=mirror,
            replies=Path(snakemake.params.replies) / name,
            archives=archives["archives"],
            services=services,
            courtesy=courtesy,
        )
