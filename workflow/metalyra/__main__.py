"""The command line, as ``python -m metalyra``."""

import sys

from metalyra.interface.command import main

sys.exit(main())
