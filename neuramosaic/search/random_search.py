"""Random search: every point drawn from the space, whatever was told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuramosaic.search.base import Point
from neuramosaic.search.history import HistorySampler
from neuramosaic.space.parameters import Key


class RandomSampler(HistorySampler):
    """Draws each parameter from its domain."""

    name = "random"

    def propose(self, rng: np.random.Generator, pending: Sequence[Point], taken: set[Key]) -> Point:
        """Draw a point."""
        return self.space.sample(rng)
