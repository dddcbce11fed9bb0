"""Draws depend on what is drawn, and on nothing else."""

import pandas as pd

from metalyra.core.chunks import chunk_of, select_chunk
from metalyra.core.randomness import derive_seed, generator


def test_a_draw_is_repeated_and_differs_from_every_other():
    assert generator(1, "fit", "a").random() == generator(1, "fit", "a").random()
    seeds = {derive_seed(seed, stage, key) for seed in (1, 2) for stage in "ab" for key in "xy"}
    assert len(seeds) == 8


def test_a_star_stays_in_its_chunk_when_others_come():
    few = pd.DataFrame({"star_id": [f"star{i}" for i in range(100)]})
    many = pd.DataFrame({"star_id": [f"star{i}" for i in range(1000)]})
    chunks = [set(select_chunk(many, chunk, 7)["star_id"]) for chunk in range(7)]
    assert sum(map(len, chunks)) == 1000
    for chunk in range(7):
        assert set(select_chunk(few, chunk, 7)["star_id"]) <= chunks[chunk]
    assert min(map(len, chunks)) > 100
    assert chunk_of("star7", 1) == 0
