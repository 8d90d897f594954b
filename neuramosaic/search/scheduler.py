"""Asynchronous successive halving (ASHA: Li et al. 2018, arXiv 1810.05934) as a pure decision.

Every architecture starts at rung 0, the cheapest fidelity. The best 1/eta of those that finished at a rung go on to
the next one, as soon as they are among the best; nobody waits for a rung to fill. Whatever is promoted, the baseline
follows to the same rung, so that there is always something to compare with at equal fidelity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neuramosaic.errors import InvalidValueError


@dataclass(frozen=True)
class RungTrial:
    """What the decision has to know of a trial: one architecture at one rung.

    Attributes:
        number: Number of the trial; breaks ties.
        rung: Fidelity level, from 0.
        value: The objective, minimised; None while unknown, or if the trial failed.
        finished: Whether it has ended, well or badly.
        failed: Whether it ended without a value.
        promoted: Whether its architecture has a trial at the next rung.
        baseline: Whether it is the baseline, which takes no place among the best and none of the budget.
    """

    number: int
    rung: int
    value: float | None = None
    finished: bool = False
    failed: bool = False
    promoted: bool = False
    baseline: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether it ended with a value."""
        return self.finished and not self.failed and self.value is not None


@dataclass(frozen=True)
class Promote:
    """Start the architecture of `trial` at the next rung, and mark the trial as promoted."""

    trial: RungTrial


@dataclass(frozen=True)
class Sample:
    """Start a new architecture at rung 0."""


@dataclass(frozen=True)
class Wait:
    """Nothing to start until a running trial ends."""


@dataclass(frozen=True)
class Done:
    """Nothing is running, and nothing is left to start."""


Decision = Promote | Sample | Wait | Done


def decide(trials: Sequence[RungTrial], *, budget: int, rungs: int, eta: int) -> Decision:
    """Return what a free worker is to do next.

    Promotions go before new architectures, those from higher rungs first. A failed trial counts as one of its rung but
    is never promoted. Once a rung can receive no more trials, its best is promoted even if fewer than eta finished, so
    that a small study too reaches the highest rung. The caller starts the baseline at rung 0 (or has none).

    Args:
        trials: All trials so far, in any order.
        budget: How many architectures to sample besides the baseline.
        rungs: How many fidelity levels there are, at least 1.
        eta: One in how many is promoted, at least 2.

    Raises:
        InvalidValueError: If a number is out of range or a trial stands on no rung.
    """
    _check(trials, budget, rungs, eta)
    follower = _baseline_left_behind(trials)
    if follower is not None:
        return Promote(follower)
    sampled = sum(trial.rung == 0 and not trial.baseline for trial in trials)
    closed = sampled >= budget
    ready: list[RungTrial] = []
    for rung in range(rungs - 1):
        members = [trial for trial in trials if trial.rung == rung and not trial.baseline]
        closed = closed and all(trial.finished for trial in members)
        promotable = _promotable(members, eta, closed)
        ready += promotable[:1]
        closed = closed and not promotable
    if ready:
        return Promote(ready[-1])
    if sampled < budget:
        return Sample()
    return Done() if all(trial.finished for trial in trials) else Wait()


def _baseline_left_behind(trials: Sequence[RungTrial]) -> RungTrial | None:
    """Return a baseline trial below the highest rung in use that could be promoted, the lowest first."""
    top = max((trial.rung for trial in trials if not trial.baseline), default=0)
    behind = [t for t in trials if t.baseline and t.succeeded and not t.promoted and t.rung < top]
    return min(behind, key=lambda trial: (trial.rung, trial.number), default=None)


def _promotable(members: Sequence[RungTrial], eta: int, closed: bool) -> list[RungTrial]:
    """Return the members that are among the best 1/eta of the finished and not promoted yet, the best first."""
    finished = [trial for trial in members if trial.finished]
    places = len(finished) // eta
    if closed:
        places = max(places, 1)
    ranked = sorted(
        (trial.value, trial.number, trial) for trial in finished if trial.succeeded and trial.value is not None
    )
    return [trial for _, _, trial in ranked[:places] if not trial.promoted]


def _check(trials: Sequence[RungTrial], budget: int, rungs: int, eta: int) -> None:
    for name, number, least in (("budget", budget, 0), ("rungs", rungs, 1), ("eta", eta, 2)):
        if type(number) is not int or number < least:
            raise InvalidValueError(name, number, f"a whole number, at least {least}")
    for trial in trials:
        if not 0 <= trial.rung < rungs:
            raise InvalidValueError(f"rung of trial {trial.number}", trial.rung, f"a rung from 0 to {rungs - 1}")
