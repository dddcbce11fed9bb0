"""Print what the archives would be asked for a study."""

from pathlib import Path

from job import logged
from metalyra.acquire import Places, describe_queries, find_mirror, find_services, read_archives
from metalyra.core import replace_when_complete

with logged(snakemake):
    archives = read_archives(Path(snakemake.input.archives))
    places = Places(
        Path(snakemake.params.folder),
        find_mirror(snakemake.config["mirror"]),
        archives["archives"],
        find_services(snakemake.config["archives"], archives["services"]),
    )
    text = "\n\n".join(describe_queries(snakemake.config["queries"], places)) + "\n"
    print(text)
    with replace_when_complete(Path(snakemake.output[0])) as temporary:
        temporary.write_text(text)
