"""Look whether a release of Gaia is there, and as its names have been written down."""

from pathlib import Path

from job import logged
from metalyra.acquire import (
    AS_EXPECTED,
    RetryPolicy,
    check_release,
    find_services,
    read_archives,
)
from metalyra.core import replace_when_complete

with logged(snakemake):
    name, output = snakemake.params.release, Path(snakemake.output[0])
    if name is None:
        raise ValueError("the study asks for no release of Gaia; name one: --config release=dr3")
    archives = read_archives(Path(snakemake.input.archives))
    report = check_release(
        name,
        archives["archives"],
        find_services(snakemake.config["archives"], archives["services"]),
        RetryPolicy(**snakemake.config["downloads"], slots=Path(snakemake.params.slots)),
        output.parent,
        Path(snakemake.input.releases),
    )
    print(report.describe())
    if report.state != AS_EXPECTED:
        raise ValueError(f"{report.headline}; see {output.parent}/report.txt")
    with replace_when_complete(output) as temporary:
        temporary.write_text(report.describe())
