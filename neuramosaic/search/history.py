"""What every sampler does alike: it keeps what it was told, checks it, and never proposes a point twice."""

from __future__ import annotations

import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuramosaic.errors import InvalidValueError
from neuramosaic.search.base import Point
from neuramosaic.seeds import stream
from neuramosaic.space.parameters import Key, ParameterSpace

Values = tuple[float, ...]

ATTEMPTS = 100  # Random draws that may repeat a known point before the space is searched in order.
WEIGHED = 200  # Proposals of which one is taken by its weight, before the best weighed of them is.

LogWeight = Callable[[Mapping[str, Any]], float]


@dataclass(frozen=True)
class Told:
    """A point with its values.

    Attributes:
        point: The point.
        values: One finite number per objective, each minimised; None for a failed trial.
    """

    point: Point
    values: Values | None


class HistorySampler(ABC):
    """A sampler that decides from its history; subclasses say how, in `propose`.

    The k-th point that is ever asked for comes from its own random stream, named by k, and from the history: so
    `ask(2)` is `ask(1)` and another `ask(1)` with the first point pending, and `restore` needs nothing but the count
    and the history.

    Args:
        space: Where to search.
        seed: Seed of the study; every draw is from a stream of it.
    """

    name: str

    def __init__(self, space: ParameterSpace, *, seed: int = 0) -> None:
        self.space = space
        self.seed = seed
        self.asked = 0
        self.history: list[Told] = []
        self.log_weight: LogWeight | None = None

    def weigh(self, log_weight: LogWeight | None) -> None:
        """Prefer some points to others from now on; without weights the sampler proposes as it always did.

        A proposal is taken with the probability of its weight, so that of two that the sampler would make equally
        often, one of twice the weight is made twice as often. If none of `WEIGHED` is taken, the one of the greatest
        weight is.

        Args:
            log_weight: Maps a point to the logarithm of its weight, at most 0; None ends the preference.
        """
        self.log_weight = log_weight

    @abstractmethod
    def propose(self, rng: np.random.Generator, pending: Sequence[Point], taken: set[Key]) -> Point:
        """Return the next point; one that is in `taken` is replaced by a near one that is not.

        Args:
            rng: The random stream of this point.
            pending: Points whose values are not known yet.
            taken: Keys of the points that were told or are pending.
        """

    def ask(self, n: int = 1, pending: Sequence[Mapping[str, Any]] = ()) -> list[Point]:
        """Propose `n` points; see `neuramosaic.search.base.Sampler`."""
        if type(n) is not int or n < 0:
            raise InvalidValueError("n", n, "a whole number of points, at least 0")
        waiting: list[Point] = []
        for point in pending:
            self.space.validate(point)
            waiting.append(dict(point))
        taken = {self.space.key(told.point) for told in self.history} | {self.space.key(point) for point in waiting}
        proposed: list[Point] = []
        for _ in range(n):
            rng = stream(self.seed, "search", self.name, self.asked)
            point = self.next_point(rng, [*waiting, *proposed], taken)
            taken.add(self.space.key(point))
            proposed.append(point)
            self.asked += 1
        return proposed

    def next_point(self, rng: np.random.Generator, pending: Sequence[Point], taken: set[Key]) -> Point:
        """Return a point that is not taken while there are others, by the weights if there are any."""
        if self.log_weight is None:
            return self._unseen(self.propose(rng, pending, taken), rng, taken)
        best: Point = {}
        greatest = -math.inf
        passed = set(taken)
        for _ in range(WEIGHED):
            point = self._unseen(self.propose(rng, pending, passed), rng, passed)
            weight = self.log_weight(point)
            if self.space.key(point) in taken and best:
                break  # nothing else is left
            if weight > greatest:
                best, greatest = point, weight
            if rng.random() < math.exp(min(weight, 0.0)):
                return point
            passed.add(self.space.key(point))
        return best

    def tell(self, point: Mapping[str, Any], value: float | Sequence[float] | None) -> None:
        """Learn the value of a point; see `neuramosaic.search.base.Sampler`."""
        self.space.validate(point)
        values = None if value is None else _checked(value)
        known = next((told.values for told in self.history if told.values is not None), None)
        if values is not None and known is not None and len(values) != len(known):
            raise InvalidValueError("value", value, f"{len(known)} objective(s), as told before")
        self.history.append(Told(dict(point), values))

    def restore(self, asked: int, history: Sequence[tuple[Mapping[str, Any], float | Sequence[float] | None]]) -> None:
        """Take over a search; see `neuramosaic.search.base.Sampler`."""
        if type(asked) is not int or asked < 0:
            raise InvalidValueError("asked", asked, "a whole number of points, at least 0")
        self.history = []
        for point, value in history:
            self.tell(point, value)
        self.asked = asked

    @property
    def finished(self) -> list[Told]:
        """The told points that have values, in the order in which they were told."""
        return [told for told in self.history if told.values is not None]

    def _unseen(self, point: Point, rng: np.random.Generator, taken: set[Key]) -> Point:
        """Return `point` if it is not taken, else one that is not: first from its surroundings, then from anywhere."""
        exhausted = self.space.size is not None and len(taken) >= self.space.size
        if exhausted or self.space.key(point) not in taken:
            return point
        for attempt in range(ATTEMPTS):
            other = self.space.mutate(point, rng, n=1 + attempt // 10) if attempt % 2 == 0 else self.space.sample(rng)
            if self.space.key(other) not in taken:
                return other
        # Listing meets at most len(taken) known points before the first unknown one.
        fresh = (other for other in self.space.points() if self.space.key(other) not in taken)
        return point if self.space.size is None else next(fresh)


def _checked(value: float | Sequence[float]) -> Values:
    items: tuple[Any, ...]
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        items = tuple(value)
    else:
        items = (value,)
    if not items or not all(_is_finite_number(item) for item in items):
        expected = "a finite number, a list of them for several objectives, or None for a failed trial"
        raise InvalidValueError("value", value, expected)
    return tuple(float(item) for item in items)


def _is_finite_number(item: Any) -> bool:
    return isinstance(item, numbers.Real) and not isinstance(item, bool) and math.isfinite(item)
