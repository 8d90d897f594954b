"""Maximising an acquisition function over a parameter space: over all points, or by local search from the best."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from neuramosaic.search.base import Point
from neuramosaic.search.history import LogWeight
from neuramosaic.space.domains import Categorical
from neuramosaic.space.parameters import Key, ParameterSpace

Units = npt.NDArray[np.float64]
Acquisition = Callable[[Units], npt.NDArray[np.float64]]

LISTABLE = 20_000  # Spaces up to this size are scored whole.
RANDOM = 400  # Points drawn from the whole space, for what lies far from the incumbents.
STARTS = 5  # Points from which the local search climbs.
ROUNDS = 8  # Steps that it climbs at most.
FINE_SCALES = (0.05, 0.01)  # Standard deviations of the numeric moves beside the neighbours' fixed steps.
FINE_MOVES = 8  # Of each scale, per step.


class CandidateSearch:
    """Finds the untaken point with the greatest acquisition.

    Which candidates are scored matters more than the model that scores them: a finite space of moderate size is scored
    whole; in a larger one the search climbs, by one-parameter changes, from the incumbents and from the best of many
    random points.

    Args:
        space: Where to search.
    """

    def __init__(self, space: ParameterSpace) -> None:
        self.space = space
        self._all: tuple[list[Point], list[Key], Units] | None = None
        self._log_weight: LogWeight | None = None
        if space.size is not None and space.size <= LISTABLE:
            points = list(space.points())
            units = np.array([space.encode(point) for point in points])
            self._all = points, [space.key(point) for point in points], units

    def best(
        self,
        acquisition: Acquisition,
        incumbents: Sequence[Point],
        taken: set[Key],
        rng: np.random.Generator,
        log_weight: LogWeight | None = None,
    ) -> Point | None:
        """Return the best candidate that is not taken; None if every point is.

        Args:
            acquisition: Maps units of shape `(n, dimension)` to the values to maximise, shape `(n,)`.
            incumbents: Good points, the best first: where the climbing starts.
            taken: Keys of the points that are out of the question.
            rng: Source of the random candidates.
            log_weight: What is added to the acquisition of a point, as by a preference; None adds nothing.
        """
        if self._all is not None:
            return self._best_of_all(acquisition, taken, log_weight)
        self._log_weight = log_weight
        return self._climb(acquisition, incumbents, taken, rng)

    def _best_of_all(self, acquisition: Acquisition, taken: set[Key], log_weight: LogWeight | None) -> Point | None:
        assert self._all is not None
        points, keys, units = self._all
        free = np.array([index for index, key in enumerate(keys) if key not in taken], dtype=int)
        if not len(free):
            return None
        values = acquisition(units[free])
        if log_weight is not None:
            values = values + np.array([log_weight(points[index]) for index in free])
        return points[int(free[np.argmax(values)])]

    def _climb(
        self, acquisition: Acquisition, incumbents: Sequence[Point], taken: set[Key], rng: np.random.Generator
    ) -> Point | None:
        scored: dict[Key, tuple[float, Point]] = {}
        climbers = list(incumbents[:STARTS])
        self._score([self.space.sample(rng) for _ in range(RANDOM)], acquisition, scored)
        self._score(climbers, acquisition, scored)
        climbers += [point for _, point in sorted(scored.values(), key=lambda item: -item[0])[:STARTS]]
        visited: set[Key] = set()
        for _ in range(ROUNDS):
            higher = []
            for climber in climbers:
                if self.space.key(climber) not in visited:
                    visited.add(self.space.key(climber))
                    higher += self._step(climber, acquisition, scored, rng)
            climbers = higher
        free = [(value, point) for key, (value, point) in scored.items() if key not in taken]
        return max(free, key=lambda item: item[0])[1] if free else None

    def _step(
        self, point: Point, acquisition: Acquisition, scored: dict[Key, tuple[float, Point]], rng: np.random.Generator
    ) -> list[Point]:
        """Return the best point of the neighbourhood if it is better than `point`, else nothing."""
        moves = [*self.space.neighbours(point), *self._fine_moves(point, rng)]
        self._score(moves, acquisition, scored)
        value, best = max((scored[self.space.key(move)] for move in [point, *moves]), key=lambda item: item[0])
        return [best] if value > scored[self.space.key(point)][0] else []

    def _fine_moves(self, point: Point, rng: np.random.Generator) -> list[Point]:
        """Return small random moves of all active numeric parameters at once."""
        numeric = np.array(
            [parameter.name in point and not isinstance(parameter, Categorical) for parameter in self.space.parameters]
        )
        if not numeric.any():
            return []
        unit = self.space.encode(point)
        scales = np.repeat(FINE_SCALES, FINE_MOVES)[:, None]
        steps = scales * rng.standard_normal((len(scales), len(unit)))
        return [self.space.decode(unit + numeric * step) for step in steps]

    def _score(self, points: list[Point], acquisition: Acquisition, scored: dict[Key, tuple[float, Point]]) -> None:
        fresh = {self.space.key(point): point for point in points}
        fresh = {key: point for key, point in fresh.items() if key not in scored}
        if not fresh:
            return
        values = acquisition(np.array([self.space.encode(point) for point in fresh.values()]))
        if self._log_weight is not None:
            values = values + np.array([self._log_weight(point) for point in fresh.values()])
        for (key, point), value in zip(fresh.items(), values.tolist(), strict=True):
            scored[key] = (value, point)
