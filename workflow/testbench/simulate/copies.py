"""As many Gaia stars as wanted, in the archive's native files: copies with new noise.

A few thousand stars are drawn as for the simulated sky, with their transits. Each copy has an
identifier and a position of its own, and its noise in every transit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from metalyra.core.randomness import generator
from metalyra.core.tables import replace_when_complete
from metalyra.surveys.gaia import cell_of_position
from testbench.simulate.archive_files import (
    GAIA_SOLUTION,
    name_epoch_photometry,
    pack_csv,
    pack_zip,
)
from testbench.simulate.observations import (
    GAIA_BANDS,
    draw_gaia_transits,
    gaia_magnitude,
    measure_gaia,
)
from testbench.simulate.pulsation import Star, draw_rrab, draw_rrc

STAR_LIST = "vari_rrlyrae.csv.gz"
BATCH = "epoch_photometry/{}.zip"
"""Names of the files, within the folder of the release."""

ABSENT = 1000
"""One star in so many has no light curve in the archive."""

_RRAB_SHARE = 0.65
_MAGNITUDES = (16.9, 1.2, 13.0, 18.5)  # mean, scatter and limits in G, as in `sky`


@dataclass(frozen=True)
class _Band:
    """The noiseless epochs of all drawn stars in one band, one star after the other.

    Attributes
    ----------
    transit, time, magnitude : array, shape (epochs,)
        Of `measure_gaia`.
    """

    transit: NDArray[np.float64]
    time: NDArray[np.float64]
    magnitude: NDArray[np.float64]


def write_copies(
    folder: Path, stars: int, batches: int, *, distinct: int = 3000, seed: int = 0
) -> None:
    """Write a star list and light curves of Gaia DR3 below ``gaia_dr3``.

    Parameters
    ----------
    folder
        Laid out as the mirror is.
    stars
        How many there are.
    batches
        Number of answers of DataLink, ``epoch_photometry/<batch>.zip`` counted from 0.
    distinct
        How many stars are drawn and then copied.
    seed
        Each batch has draws of its own.
    """
    release = "gaia_dr3"
    drawn, transits = _draw_stars(min(stars, distinct), release, seed)
    lengths = np.array([len(times) for times in transits])
    bands = {band: _observe_without_noise(drawn, transits, band, seed) for band in GAIA_BANDS}
    listed = _list_copies(drawn, lengths, stars, seed)
    with replace_when_complete(folder / release / STAR_LIST) as temporary:
        temporary.write_bytes(pack_csv(listed))
    for batch, rows in enumerate(np.array_split(np.arange(stars), batches)):
        rows = rows[rows % ABSENT != ABSENT - 1]
        members = _write_light_curves(
            listed["source_id"].to_numpy()[rows],
            rows % len(drawn),
            lengths,
            bands,
            generator(seed, "copies", f"batch {batch}"),
        )
        names = (name_epoch_photometry(release, source) for source in members)
        with replace_when_complete(folder / release / BATCH.format(batch)) as temporary:
            temporary.write_bytes(pack_zip(dict(zip(names, members.values(), strict=True))))


def _draw_stars(
    number: int, release: str, seed: int
) -> tuple[list[Star], list[NDArray[np.float64]]]:
    """Draw stars of both types, and their transits."""
    stars, transits = [], []
    mean, scatter, brightest, faintest = _MAGNITUDES
    for index in range(number):
        rng = generator(seed, "copies", f"star {index}")
        draw = draw_rrab if rng.uniform() < _RRAB_SHARE else draw_rrc
        magnitude = float(np.clip(rng.normal(mean, scatter), brightest, faintest))
        stars.append(draw(rng, {"G": magnitude}))
        transits.append(draw_gaia_transits(rng, release))
    return stars, transits


def _observe_without_noise(
    stars: list[Star], transits: list[NDArray[np.float64]], band: str, seed: int
) -> _Band:
    """Return when a band is observed, and what a telescope without noise would see."""
    transit = np.concatenate(transits)
    delay = generator(seed, "copies", f"times in {band}").uniform(0, 0.0004, len(transit))
    times = np.split(transit + delay, np.cumsum([len(part) for part in transits])[:-1])
    magnitudes = [gaia_magnitude(star, band, time) for star, time in zip(stars, times, strict=True)]
    return _Band(transit, np.concatenate(times), np.concatenate(magnitudes))


def _list_copies(
    drawn: list[Star], lengths: NDArray[np.int64], stars: int, seed: int
) -> pd.DataFrame:
    """Return the star list: columns of `vari_rrlyrae`, and positions all over the sky."""
    rng = generator(seed, "copies", "star list")
    of = np.arange(stars) % len(drawn)
    ra = rng.uniform(0, 360, stars)
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, stars)))
    fundamental = np.array([star.pulsation_type == "RRab" for star in drawn])[of]
    period = np.array([star.period for star in drawn])[of] + rng.normal(0, 2e-6, stars)
    return pd.DataFrame(
        {
            # The cell of the position, and a number in it that no other star has.
            "source_id": (cell_of_position(ra, dec) << 35) | (np.arange(1, stars + 1) << 7),
            "ra": ra,
            "dec": dec,
            "pf": np.where(fundamental, period, np.nan),
            "p1_o": np.where(fundamental, np.nan, period),
            "int_average_g": np.array([star.curves["G"].mean for star in drawn])[of],
            "peak_to_peak_g": np.array([star.curves["G"].peak_to_peak() for star in drawn])[of],
            "num_clean_epochs_g": lengths[of],
            "best_classification": np.where(fundamental, "RRab", "RRc"),
        }
    )


def _write_light_curves(
    sources: NDArray[np.int64],
    of: NDArray[np.int64],
    lengths: NDArray[np.int64],
    bands: Mapping[str, _Band],
    rng: np.random.Generator,
) -> dict[str, bytes]:
    """Return the file of each source with new noise.

    Parameters
    ----------
    sources, of : array, shape (n,)
        Identifiers, and the number of the star that each is a copy of.
    lengths : array, shape (number of stars drawn,)
        Their transits.
    bands
        Their epochs.
    rng
        Draws the noise.
    """
    counts, first = lengths[of], (np.cumsum(lengths) - lengths)[of]
    star = np.repeat(np.arange(len(sources)), counts)
    epoch = np.arange(counts.sum()) + np.repeat(first - (np.cumsum(counts) - counts), counts)
    parts = [
        measure_gaia(rng, band, known.transit[epoch], known.time[epoch], known.magnitude[epoch])
        for band, known in bands.items()
    ]
    order = np.argsort(np.tile(star, len(parts)), kind="stable")
    table = pd.concat(parts, ignore_index=True).iloc[order]
    table.insert(0, "source_id", sources[np.tile(star, len(parts))[order]])
    table = table.assign(solution_id=GAIA_SOLUTION)
    lines = pa.BufferOutputStream()
    options = pa.csv.WriteOptions(include_header=False, quoting_style="none")
    pa.csv.write_csv(pa.Table.from_pandas(table, preserve_index=False), lines, options)
    text = lines.getvalue().to_pybytes()
    header = (",".join(table) + "\n").encode()
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n")) + 1
    stops = ends[np.cumsum(counts * len(parts)) - 1].tolist()
    return {
        str(source): header + text[start:stop]
        for source, start, stop in zip(sources, [0, *stops], stops, strict=False)
    }
