"""Describe the tables of papers that a study writes, byte by byte."""

from pathlib import Path

import metalyra
from job import logged
from metalyra.core import replace_when_complete
from metalyra.products import WrittenTable, describe_tables, read_written_table

with logged(snakemake):
    described = snakemake.params.described
    tables = {
        name: WrittenTable(title, read_written_table(path), notes)
        for (name, (title, notes)), path in zip(described.items(), snakemake.input, strict=True)
    }
    text = describe_tables(snakemake.params.study, metalyra.__version__, tables)
    with replace_when_complete(Path(snakemake.output[0])) as temporary:
        temporary.write_text(text, encoding="utf-8")
