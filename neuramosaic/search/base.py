"""The contract of a sampler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from neuramosaic.space.parameters import ParameterSpace

Point = dict[str, Any]


class Sampler(Protocol):
    """Decides what to try next; does no I/O; minimises.

    A sampler is a function of its seed, of how many points it has been asked for and of what it was told, and of
    nothing else: two samplers with the same seed, given the same calls, return the same points, in any process.
    `restore` brings a new sampler to the state that another had, so that a resumed study goes on as if it had never
    stopped.

    A point that was told, or is pending, is not proposed again while the space has others; once every point of a finite
    space is known, `ask` returns points again, for another measurement.
    """

    name: str
    space: ParameterSpace

    def ask(self, n: int = 1, pending: Sequence[Mapping[str, Any]] = ()) -> list[Point]:
        """Propose `n` points.

        Args:
            n: How many.
            pending: Points asked for earlier whose values are not known yet.

        Returns:
            Complete, valid points: every active parameter of the space, none that is inactive.
        """
        ...

    def tell(self, point: Mapping[str, Any], value: float | Sequence[float] | None) -> None:
        """Learn the value of a point, whoever proposed it.

        Args:
            point: A valid point.
            value: What was measured, minimised; a list for several objectives; None for a failed trial.

        Raises:
            InvalidValueError: If the value is not finite (a failed trial is told None), or the point is not valid.
        """
        ...

    def restore(self, asked: int, history: Sequence[tuple[Mapping[str, Any], float | Sequence[float] | None]]) -> None:
        """Take over a search: `asked` points had been asked for, `history` had been told, in this order."""
        ...
