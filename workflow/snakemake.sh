#!/bin/sh
# The command snakemake of the environment: see command_line.py.
bin=$(dirname "$(readlink -f "$0")")
exec "$bin/python" "$bin/../../workflow/command_line.py" "$@"
