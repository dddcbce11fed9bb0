"""The command line, as ``python -m metalyra``."""

import sys

from metalyra.interface.command import main

if __name__ == "__main__":
    sys.exit(main())
