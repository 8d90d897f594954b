"""Regularised evolution (Real et al. 2018, arXiv 1802.01548): the oldest dies, not the worst."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from neuramosaic.errors import InvalidValueError
from neuramosaic.search.base import Point
from neuramosaic.search.history import ATTEMPTS, HistorySampler
from neuramosaic.search.objectives import scalarise
from neuramosaic.space.parameters import Key, ParameterSpace


class EvolutionSampler(HistorySampler):
    """Mutates the best of a few random members of the youngest generation.

    The population is the last `population` trials that finished with a value; failed trials never enter it. Until it is
    full, points are drawn at random.

    Args:
        space: Where to search.
        seed: Seed of the study.
        population: How many trials live at once.
        tournament: How many of them compete to be the parent.
        crossover: Probability that the winner of a second tournament is crossed in before the mutation.
    """

    name = "evolution"

    def __init__(
        self,
        space: ParameterSpace,
        *,
        seed: int = 0,
        population: int = 10,
        tournament: int = 5,
        crossover: float = 0.0,
    ) -> None:
        super().__init__(space, seed=seed)
        if type(population) is not int or population < 1:
            raise InvalidValueError("population", population, "a whole number, at least 1")
        if type(tournament) is not int or not 1 <= tournament <= population:
            raise InvalidValueError("tournament", tournament, f"a whole number from 1 to the population, {population}")
        if not 0.0 <= crossover <= 1.0:
            raise InvalidValueError("crossover", crossover, "a probability")
        self.population = population
        self.tournament = tournament
        self.crossover = crossover

    def propose(self, rng: np.random.Generator, pending: Sequence[Point], taken: set[Key]) -> Point:
        """Draw a point while the population fills, then mutate a parent."""
        living = self.finished[-self.population :]
        if len(living) + len(pending) < self.population or not living:
            return self.space.sample(rng)
        values = scalarise([told.values for told in living if told.values is not None], rng)
        points = [told.point for told in living]
        child = self._child(points, values, rng)
        for _ in range(ATTEMPTS):
            if self.space.key(child) not in taken:
                break
            child = self._child(points, values, rng)
        return child

    def _child(self, points: list[Point], values: npt.NDArray[np.float64], rng: np.random.Generator) -> Point:
        parent = self._winner(points, values, rng)
        if rng.random() < self.crossover:
            parent = self.space.crossover(parent, self._winner(points, values, rng), rng)
        return self.space.mutate(parent, rng)

    def _winner(self, points: list[Point], values: npt.NDArray[np.float64], rng: np.random.Generator) -> Point:
        size = min(self.tournament, len(points))
        rivals = rng.choice(len(points), size=size, replace=False)
        return points[int(rivals[np.argmin(values[rivals])])]
