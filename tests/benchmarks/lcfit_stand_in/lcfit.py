"""A stand-in for lcfit: its command line and files, but a plain Fourier fit.

It tests that the benchmark can run lcfit, not what lcfit finds.
"""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np

ORDER = 6

words = Path(sys.argv[1].removeprefix("@")).read_text().split()
options = dict(pairwise(words))
root = Path(options["--rootdir"])
grid = np.arange(120) / 100
lines = ["# id  Nep  period  totamp  A1  phi21  phi31  meanmag  phaseshift"]


def design(phase):
    angle = 2 * np.pi * np.outer(phase, np.arange(1, ORDER + 1))
    return np.column_stack([np.ones(len(phase)), np.sin(angle), np.cos(angle)])


for star in (root / options["--input_list"]).read_text().splitlines()[1:]:
    name, period = star.split()
    time, mag, _ = np.loadtxt(root / f"{name}{options['--input_lc_suffix']}", unpack=True)
    phase = (time - time[0]) / float(period) % 1
    found = np.linalg.lstsq(design(phase), mag, rcond=None)[0]
    sine, cosine = found[1 : ORDER + 1], found[ORDER + 1 :]
    angle, amplitude = np.arctan2(cosine, sine), np.hypot(sine, cosine)
    shift = angle[0] / (2 * np.pi)
    curve = design(grid - shift) @ found - found[0]
    np.savetxt(
        root / options["--output_syn_dir"] / f"{name}_gpr{options['--syn_suffix']}.dat",
        np.column_stack([grid, curve]),
    )
    phi21, phi31 = angle[1] - 2 * angle[0], angle[2] - 3 * angle[0]
    values = (np.ptp(curve), amplitude[0], phi21, phi31, found[0], shift)
    lines.append(f"{name} {len(mag)} {period} " + " ".join(map(str, values)))
(root / options["--output_param_file"]).write_text("\n".join(lines) + "\n")
