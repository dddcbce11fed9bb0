"""Snakemake's command line, where a target may follow a configuration file.

Snakemake takes all that follows --configfile for configuration files, so that

    snakemake --cores all --configfile config/dg22.yaml results/dg22/tables/table5.csv

fails for want of a configuration file table5.csv. `make setup` lets the command of its
environment come here; everything else is Snakemake's own.
"""

import sys
from pathlib import PurePath

from snakemake.cli import main

CONFIGFILE_OPTIONS = ("--configfile", "--configfiles")
CONFIGFILE_SUFFIXES = (".yaml", ".yml", ".json")


def separate_targets(arguments: list[str]) -> list[str]:
    """Return the arguments with the targets among the configuration files at their end.

    After the first file that follows ``--configfile``, what lies in results/ or is not
    named like a YAML or JSON file is a target. Targets at the end stand behind ``--``,
    where Snakemake takes them for nothing else.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    kept, moved = [], []
    option, values = "", 0
    for argument in arguments[:end]:
        if argument.startswith("-"):
            option, values = argument, 0
        else:
            values += 1
        is_target = (
            option in CONFIGFILE_OPTIONS
            and values > 1
            and (
                PurePath(argument).suffix not in CONFIGFILE_SUFFIXES
                or PurePath(argument).parts[:1] == ("results",)
            )
        )
        (moved if is_target else kept).append(argument)
    return [*kept, "--", *moved, *arguments[end + 1 :]] if moved else arguments


if __name__ == "__main__":
    sys.argv[1:] = separate_targets(sys.argv[1:])
    main()
