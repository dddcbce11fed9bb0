"""The archives on this machine, for tests and for work without a network.

``python -m testbench.loopback --mirror FOLDER`` serves the files of a folder under the addresses
that their archives give them, answers queries (TAP, VizieR) about the stars in them, and does
wrong on command what archives do wrong.
"""

from testbench.loopback.faults import KINDS, Faults
from testbench.loopback.server import VARIABLE, Entry, LoopbackArchive

__all__ = ["KINDS", "VARIABLE", "Entry", "Faults", "LoopbackArchive"]
