"""Named random streams of one seed, so that data, initialisation and search never share randomness."""

from __future__ import annotations

import hashlib

import numpy as np


def stream_seed(seed: int, *names: str | int) -> int:
    """Derive the 63-bit seed of a named stream; stable across processes, platforms and Python versions.

    Args:
        seed: Seed of the study or trial.
        names: What the stream is for, such as `("search", "ask", 3)`.
    """
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """Return the generator of a named stream of `seed`."""
    return np.random.default_rng(stream_seed(seed, *names))
