#!/bin/sh
# The command snakemake of the environment: see command_line.py.
exec "$(dirname "$0")/python" "$(dirname "$0")/../../workflow/command_line.py" "$@"
