"""Bayesian optimisation with a Gaussian process, over any parameter space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from neuramosaic.errors import InvalidValueError
from neuramosaic.search.base import Point
from neuramosaic.search.candidates import CandidateSearch
from neuramosaic.search.history import HistorySampler
from neuramosaic.search.objectives import scalarise, winsorised
from neuramosaic.search.sobol import SobolSequence
from neuramosaic.search.surrogate import Feasibility, Surrogate
from neuramosaic.seeds import stream_seed
from neuramosaic.space.parameters import Key, ParameterSpace


class BayesSampler(HistorySampler):
    """Proposes the point of greatest expected improvement under a Gaussian process.

    Inactive parameters stand at their defaults. Pending points count as measured, with the value that the process
    expects. The improvement is weighted by the probability of finishing once trials have failed. Several objectives are
    scalarised with new random weights for each point (ParEGO).

    Args:
        space: Where to search.
        seed: Seed of the study.
        initial: How many points with a value are wanted before the process decides; until then, scrambled Sobol points.
    """

    name = "bayes"

    def __init__(self, space: ParameterSpace, *, seed: int = 0, initial: int = 8) -> None:
        super().__init__(space, seed=seed)
        if type(initial) is not int or initial < 2:
            raise InvalidValueError("initial", initial, "a whole number, at least 2")
        self.initial = initial
        self._sequence = SobolSequence(space, stream_seed(seed, "search", self.name, "initial"))
        self._search = CandidateSearch(space)
        # Fits of the data they were made from: several asks in a row share them.
        self._surrogates: tuple[bytes, Surrogate] | None = None
        self._feasibility: tuple[int, Feasibility] | None = None

    def propose(self, rng: np.random.Generator, pending: Sequence[Point], taken: set[Key]) -> Point:
        """Return a Sobol point at first, then the point of greatest expected improvement."""
        finished = self.finished
        values = scalarise([told.values for told in finished if told.values is not None], rng) if finished else None
        if values is None or np.ptp(values) == 0 or self._starts(pending):
            return dict(self._sequence.first_unseen(self.asked, taken))
        surrogate = self._fitted(self._encoded([told.point for told in finished]), winsorised(values))
        surrogate.believe(self._encoded(pending))
        feasibility = self._fitted_feasibility()

        def acquisition(units: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
            improvement = surrogate.log_improvement(units)
            return improvement if feasibility is None else improvement + feasibility.log_probability(units)

        incumbents = [finished[index].point for index in np.argsort(values, kind="stable")]
        best = self._search.best(acquisition, incumbents, taken, rng, self.log_weight)
        return self.space.sample(rng) if best is None else dict(best)

    def next_point(self, rng: np.random.Generator, pending: Sequence[Point], taken: set[Key]) -> Point:
        """Return the point of greatest improvement; weights are part of what is maximised (arXiv 2204.11051)."""
        values = {told.values for told in self.finished}
        if self.log_weight is None or self._starts(pending) or len(values) < 2:
            return super().next_point(rng, pending, taken)
        return self._unseen(self.propose(rng, pending, taken), rng, taken)

    def _starts(self, pending: Sequence[Point]) -> bool:
        """Whether there are too few values for a process to decide by."""
        finished = len(self.finished)
        return finished + len(pending) < self.initial or finished < 2

    def _encoded(self, points: Sequence[Point]) -> npt.NDArray[np.float64]:
        return np.array([self.space.encode(point) for point in points]).reshape(len(points), self.space.dimension)

    def _fitted(self, units: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> Surrogate:
        data = units.tobytes() + values.tobytes()
        if self._surrogates is None or self._surrogates[0] != data:
            self._surrogates = data, Surrogate(self.space, units, values)
        return self._surrogates[1]

    def _fitted_feasibility(self) -> Feasibility | None:
        finished = np.array([told.values is not None for told in self.history])
        if finished.all():
            return None
        data = self._encoded([told.point for told in self.history])
        key = hash(data.tobytes() + finished.tobytes())
        if self._feasibility is None or self._feasibility[0] != key:
            self._feasibility = key, Feasibility(self.space, data, finished)
        return self._feasibility[1]
