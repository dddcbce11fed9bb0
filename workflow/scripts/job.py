"""What every script does around its call of the library: threads, log file, errors.

Must be imported before the library: TensorFlow reads its settings once.
"""

import logging
import os
import re
import resource
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

# NumPy's threads are limited by Snakemake, to the threads of the rule.
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")

import metalyra
from metalyra.core import mark_job

WORKFLOW = Path(__file__).resolve().parents[1]

if WORKFLOW not in Path(metalyra.__file__).resolve().parents:
    raise SystemExit(
        f"MetaLyra: the job has found the library in {Path(metalyra.__file__).parent}, which is "
        f"not that of this workflow, {WORKFLOW / 'metalyra'}; uninstall the other one "
        "(pip uninstall metalyra) in the environment that the job runs in"
    )

if TYPE_CHECKING:
    from snakemake.iocontainers import Snakemake


@contextmanager
def logged(snakemake: "Snakemake") -> Iterator[None]:
    """Log to the rule's log file, and say in one line what has gone wrong.

    The log file has the whole traceback; the terminal has the message and the name of
    the log file. What a job took is in its log file as well: Snakemake's benchmarks look at it
    every now and then, and miss the end.
    """
    study = Path("results") / snakemake.config["study"]
    log = Path(snakemake.log[0])
    logging.basicConfig(
        filename=log, filemode="w", level=logging.INFO, format="%(levelname)s %(name)s: %(message)s"
    )
    logging.captureWarnings(True)
    # Who has reserved a GPU needs to know at once that it is not used.
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.WARNING)
    terminal.setFormatter(logging.Formatter(f"\nMetaLyra, {snakemake.rule}: %(message)s"))
    logging.getLogger("metalyra.train.devices").addHandler(terminal)
    warnings.simplefilter("default")
    try:
        with mark_job(study):
            yield
        logging.info(
            "took %.2f s of CPU and %.0f MB of memory", time.process_time(), _peak_memory()
        )
    except Exception as error:
        logging.exception("the job failed")
        wildcards = ", ".join(map(str, snakemake.wildcards))
        job = f"{snakemake.rule} {wildcards}".strip()
        reason = str(error) or type(error).__name__
        print(f"\nMetaLyra, {job}: {reason}\n  (log: {log})", file=sys.stderr)
        raise SystemExit(1) from None


def _peak_memory() -> float:
    """Return the most memory (MB) that this process has had; elsewhere than on Linux about that."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    # The other number is at least what the process that has started this one had.
    peak = int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024
