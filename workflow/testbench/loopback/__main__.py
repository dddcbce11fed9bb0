"""Run the loopback archive: ``python -m testbench.loopback --mirror FOLDER``."""

import argparse
import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path

from metalyra.acquire.sources import find_mirror
from metalyra.core.resources import MIRROR_VARIABLE
from testbench.loopback.datalink import DR4_MODES, LAYOUTS, VOCABULARIES
from testbench.loopback.faults import KINDS, Faults
from testbench.loopback.server import VARIABLE, LoopbackArchive


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until interrupted, as the arguments of the command line say."""
    parser = argparse.ArgumentParser(prog="python -m testbench.loopback", description=__doc__)
    parser.add_argument(
        "--mirror", type=Path, default=find_mirror(None), help=f"default: {MIRROR_VARIABLE}"
    )
    parser.add_argument("--port", type=int, default=0, help="default: any free port")
    parser.add_argument("--layout", choices=LAYOUTS, default="bands", help="of epoch photometry")
    parser.add_argument(
        "--vocabulary", choices=VOCABULARIES, default="old", help="of Gaia's DataLink service"
    )
    parser.add_argument("--dr4", choices=DR4_MODES, default="as_dr3", help="names of Gaia DR4")
    parser.add_argument("--faults", nargs="*", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--rate", type=float, default=0.2, help="share of faults, default 0.2")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    options = parser.parse_args(arguments)
    if options.mirror is None or not options.mirror.is_dir():
        parser.error(f"--mirror or {MIRROR_VARIABLE} must name a folder, not {options.mirror}")
    faults = Faults()
    if options.faults is not None:
        kinds = tuple(options.faults) or KINDS
        faults = Faults(rate=options.rate, kinds=kinds, seed=options.seed)
    with LoopbackArchive(
        options.mirror,
        port=options.port,
        faults=faults,
        layout=options.layout,
        vocabulary=options.vocabulary,
        dr4=options.dr4,
    ) as archive:
        print(f"All archives are at {archive.address}; what was asked for, at /loopback/log there.")
        print(f"export {VARIABLE}={archive.address}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
