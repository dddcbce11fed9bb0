"""Write where the sources, the models and the software of a study come from."""

import json
from pathlib import Path

from job import logged
from metalyra.acquire import (
    Places,
    describe_software,
    find_mirror,
    find_services,
    read_archives,
    trace_models,
    trace_sources,
)
from metalyra.core import replace_when_complete

with logged(snakemake):
    files, params = snakemake.input, snakemake.params
    archives = read_archives(Path(files.archives))
    sources = trace_sources(
        params.names,
        snakemake.config["queries"],
        Places(
            Path(params.sources),
            find_mirror(snakemake.config["mirror"]),
            archives["archives"],
            find_services(snakemake.config["archives"], archives["services"]),
            Path(files.registry),
        ),
        Path(params.replies),
        simulated=params.simulated,
    )
    provenance = {
        "software": describe_software(Path(params.root)),
        "configuration": params.configuration,
        "models": trace_models([Path(path) for path in files.cards]),
        "sources": sources,
    }
    with replace_when_complete(Path(snakemake.output[0])) as temporary:
        text = json.dumps(provenance, indent=2, ensure_ascii=False) + "\n"
        temporary.write_text(text, encoding="utf-8")
