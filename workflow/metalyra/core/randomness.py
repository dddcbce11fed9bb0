"""Random generators that depend on what is drawn, never on when or where it is drawn."""

import hashlib

import numpy as np


def derive_seed(seed: int, stage: str, key: str) -> int:
    """Return the 64-bit seed of one draw.

    Parameters
    ----------
    seed
        Seed of the study.
    stage
        Name of the stage that draws.
    key
        The star or ensemble member the draw is for.
    """
    digest = hashlib.sha256(f"{seed}/{stage}/{key}".encode()).digest()
    return int.from_bytes(digest[:8], "little")


def generator(seed: int, stage: str, key: str) -> np.random.Generator:
    """Return the generator of one draw; see `derive_seed` for the parameters."""
    return np.random.default_rng(derive_seed(seed, stage, key))
