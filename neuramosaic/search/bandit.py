"""A bandit that divides a budget among sources of proposals by what each has paid off per unit of cost.

Thompson sampling for arms that differ in cost (Xia et al. 2015, arXiv 1505.00146): the arm with the greatest ratio of a
payoff drawn from its posterior to its mean cost plays next. Old results count less (Raj and Kalyani 2017,
arXiv 1707.09727), since sources learn and the others' results move the yardstick. Each arm keeps a floor of the plays,
so that one that was unlucky, or that gets better, is found out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neuramosaic.errors import InvalidValueError

FLOOR = 0.1
"""Share of the plays that every arm is given."""
DISCOUNT = 0.98
"""Weight of a result relative to the one after it."""
PRIOR = (1.0, 2.0)
"""Of the Beta distribution of an arm's payoff. Its mean is 1/3, as that of `rank_payoff` over all that are ranked."""


@dataclass(frozen=True)
class Play:
    """One use of an arm.

    Attributes:
        arm: Which.
        payoff: What it brought, in [0, 1]; None while that is not known.
        cost: What it took, in any unit that is the same for all arms; None while that is not known.
    """

    arm: str
    payoff: float | None = None
    cost: float | None = None


@dataclass(frozen=True)
class Standing:
    """What is known of an arm when the next play is decided.

    Attributes:
        arm: Which.
        plays: How often it was played, plays under way among them.
        payoff: Mean of the posterior of its payoff.
        cost: Its mean cost, relative to that of all plays together; 1 before anything is known.
        drawn: The ratio of payoff to cost that was drawn for this decision.
    """

    arm: str
    plays: int
    payoff: float
    cost: float
    drawn: float


@dataclass(frozen=True)
class Choice:
    """The arm that plays next.

    Attributes:
        arm: Which.
        floor: Whether it plays because it had less than its floor.
        standings: What is known of each arm, in the order given.
    """

    arm: str
    floor: bool
    standings: tuple[Standing, ...]

    def why(self) -> str:
        """Return the reason in a few words, for the journal."""
        own = next(standing for standing in self.standings if standing.arm == self.arm)
        total = sum(standing.plays for standing in self.standings)
        if self.floor:
            return f"slot to {self.arm}: it had {own.plays} of {total}, less than its floor of {FLOOR:.0%}"
        means = ", ".join(f"{item.arm} {item.payoff / item.cost:.2f}" for item in self.standings)
        return f"slot to {self.arm}: payoff per cost {means}; drawn {own.drawn:.2f} for {self.arm}"


def rank_payoff(value: float, others: Sequence[float]) -> float:
    """Return what a result is worth among others: the square of the share of them that it beats, in [0, 1].

    A rank has no unit and does not care how far losses lie apart; the square favours a source that now and then finds
    one of the best over one that is always a little above the middle. Of many results the mean is 1/3.

    Args:
        value: The result, minimised.
        others: The results that it is ranked among, without it; a tie counts half.
    """
    if not others:
        return PRIOR[0] / sum(PRIOR)
    beaten = sum(1.0 if value < other else 0.5 if value == other else 0.0 for other in others)
    return (beaten / len(others)) ** 2


def choose(
    plays: Sequence[Play],
    arms: Sequence[str],
    rng: np.random.Generator,
    *,
    floor: float = FLOOR,
    discount: float = DISCOUNT,
) -> Choice:
    """Decide which arm plays next: a function of its arguments alone.

    Args:
        plays: All plays so far, the oldest first. One whose payoff is not known counts as bringing what its arm is
            expected to bring; plays of arms that are not among `arms` only bear on the mean cost.
        arms: The arms to choose from.
        rng: Source of the draws.
        floor: Share of the plays that every arm is given; the first plays go to the arms in the order given.
        discount: Weight of a play relative to the one after it, in (0, 1].

    Raises:
        InvalidValueError: If there is no arm, or a number is out of its range.
    """
    if not arms or len(set(arms)) != len(arms):
        raise InvalidValueError("arms", list(arms), "at least one name, each once")
    if not 0.0 <= floor <= 1.0 / len(arms):
        raise InvalidValueError("floor", floor, f"a share from 0 to 1/{len(arms)}")
    if not 0.0 < discount <= 1.0:
        raise InvalidValueError("discount", discount, "a number above 0, at most 1")
    known = [play.cost for play in plays if play.cost is not None]
    usual = float(np.mean(known)) if known and np.mean(known) > 0 else 1.0
    standings = tuple(_standing(arm, plays, usual, rng, discount) for arm in arms)
    total = sum(standing.plays for standing in standings)
    starved = [item for item in standings if item.plays < floor * (total + 1)]
    if starved:
        return Choice(min(starved, key=lambda item: item.plays).arm, True, standings)
    return Choice(max(standings, key=lambda item: item.drawn).arm, False, standings)


def _standing(arm: str, plays: Sequence[Play], usual: float, rng: np.random.Generator, discount: float) -> Standing:
    own = [(discount ** (len(plays) - 1 - index), play) for index, play in enumerate(plays) if play.arm == arm]
    told = [(weight, play.payoff) for weight, play in own if play.payoff is not None]
    won = PRIOR[0] + sum(weight * payoff for weight, payoff in told)
    lost = PRIOR[1] + sum(weight * (1.0 - payoff) for weight, payoff in told)
    mean = won / (won + lost)
    pending = sum(weight for weight, play in own if play.payoff is None)
    costs = [play.cost / usual for _, play in own if play.cost is not None]
    cost = max(float(np.mean(costs)), 1e-3) if costs else 1.0
    drawn = float(rng.beta(won + pending * mean, lost + pending * (1.0 - mean)))
    return Standing(arm, len(own), mean, cost, drawn / cost)
