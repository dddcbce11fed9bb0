"""Write the results page of a study."""

import json
from pathlib import Path

import pandas as pd
import yaml

from job import logged
from metalyra.core import read_table
from metalyra.products import StudyResults, read_costs, write_results_page

with logged(snakemake):
    files, params = snakemake.input, snakemake.params
    samples = params.samples
    [published], [recovery] = (
        [pd.read_csv(path) for path in files[name]] or [None] for name in ("published", "recovery")
    )
    results = StudyResults(
        study=snakemake.config["study"],
        samples=samples,
        catalogue=read_table(files.catalogue),
        ledger=pd.read_csv(files.ledger),
        fits={sample: files[f"fits_{sample}"] for sample in samples},
        folded={sample: files[f"folded_{sample}"] for sample in samples},
        costs=read_costs(params.benchmarks),
        configuration=params.configuration,
        citation=yaml.safe_load(Path(files.citation).read_text(encoding="utf-8")),
        cards={
            name: json.loads(Path(card).read_text(encoding="utf-8"))
            for name, card in zip(params.models, files.cards, strict=True)
        },
        figures=dict(zip(params.figures, files.figures, strict=True)),
        sources=params.sources,
        published=published,
        recovery=recovery,
    )
    write_results_page(results, snakemake.output.page, snakemake.output.parts)
