"""Simulate the archives' files of a small sky."""

from pathlib import Path

from job import logged
from testbench.simulate import simulate_sky, write_archives

with logged(snakemake):
    sky = simulate_sky(snakemake.params.settings, snakemake.params.seed)
    write_archives(sky, Path(snakemake.params.folder))
