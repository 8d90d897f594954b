"""Scrambled Sobol points: random search that leaves no holes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from neuramosaic.errors import UsageError
from neuramosaic.search.base import Point
from neuramosaic.search.history import ATTEMPTS, HistorySampler
from neuramosaic.seeds import stream_seed
from neuramosaic.space.parameters import Key, ParameterSpace


class SobolSequence:
    """The scrambled Sobol sequence of a space's unit cube (Owen 1998, doi 10.1006/jcom.1998.0487), decoded.

    Args:
        space: The space.
        seed: Seed of the scrambling.

    Raises:
        UsageError: If the space has more dimensions than the sequence.
    """

    def __init__(self, space: ParameterSpace, seed: int) -> None:
        if space.dimension > torch.quasirandom.SobolEngine.MAXDIM:
            raise UsageError(f"Sobol points have at most {torch.quasirandom.SobolEngine.MAXDIM} dimensions")
        self.space = space
        self._engine: Any = torch.quasirandom.SobolEngine(space.dimension, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
        self._points: list[Point] = []

    def __getitem__(self, index: int) -> Point:
        """Return the point at `index`, counted from 0."""
        while len(self._points) <= index:
            self._points += [self.space.decode(row) for row in self._engine.draw(16, dtype=torch.float64).numpy()]
        return self._points[index]

    def first_unseen(self, start: int, taken: set[Key]) -> Point:
        """Return the first point from `start` on that is not taken, or that at `start` if it would be far to go."""
        for index in range(start, start + ATTEMPTS):
            if self.space.key(self[index]) not in taken:
                return self[index]
        return self[start]


class SobolSampler(HistorySampler):
    """Proposes the Sobol points in order, without those that are known already."""

    name = "sobol"

    def __init__(self, space: ParameterSpace, *, seed: int = 0) -> None:
        super().__init__(space, seed=seed)
        self._sequence = SobolSequence(space, stream_seed(seed, "search", self.name))

    def propose(self, rng: np.random.Generator, pending: Sequence[Point], taken: set[Key]) -> Point:
        """Return the next point of the sequence."""
        return dict(self._sequence.first_unseen(self.asked, taken))
