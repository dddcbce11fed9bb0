"""Bring a source to the study: from the mirror or its archive, verified."""

from pathlib import Path

from job import logged
from metalyra.acquire import (
    RetryPolicy,
    acquire,
    acquire_query,
    find_mirror,
    find_services,
    find_source,
    make_source,
    read_archives,
)

with logged(snakemake):
    archives = read_archives(Path(snakemake.input.archives))
    services = find_services(snakemake.config["archives"], archives["services"])
    policy = RetryPolicy(**snakemake.config["downloads"], slots=Path(snakemake.params.slots))
    mirror = find_mirror(snakemake.config["mirror"])
    name, destination = snakemake.wildcards.source, Path(snakemake.output[0])
    if snakemake.params.query is None:
        source = find_source(name, Path(snakemake.input.registry), services)
        folder, parts = Path(snakemake.params.sources), snakemake.params.ingredients
        if parts:
            files = {part: [folder / path for path in paths] for part, paths in parts.items()}
            make_source(source, files, destination)
        else:
            acquire(source, destination, mirror, policy)
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
            policy=policy,
        )
