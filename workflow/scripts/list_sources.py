"""Print where the sources of a study come from."""

from pathlib import Path

from job import logged
from metalyra.acquire import Places, find_mirror, find_services, list_sources, read_archives
from metalyra.core import write_csv

with logged(snakemake):
    archives = read_archives(Path(snakemake.input.archives))
    table = list_sources(
        snakemake.params.names,
        snakemake.config["queries"],
        Places(
            Path(snakemake.params.folder),
            find_mirror(snakemake.config["mirror"]),
            archives["archives"],
            find_services(snakemake.config["archives"], archives["services"]),
            Path(snakemake.input.registry),
        ),
    )
    print(table.to_string(index=False, na_rep="?"))
    write_csv(table, snakemake.output[0])
