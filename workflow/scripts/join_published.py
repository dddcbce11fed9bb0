"""Copy a published model into the folder of a stack that it joins."""

from pathlib import Path

from job import logged
from metalyra.predict import copy_published

with logged(snakemake):
    copy_published(Path(snakemake.input[0]).parent, Path(snakemake.output[0]))
