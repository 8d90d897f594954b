"""Which components go with a lower loss: a first look, by comparing the trials with and without each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neuramosaic.analysis.leaderboard import Fidelity, Measured, completed, fidelity, measured

SMALLEST_GROUP = 3
"""Trials needed on either side: below that an interval means nothing."""
LARGE_GROUP = 500
"""From so many trials on, the means of resamples are drawn from the normal distribution that they have in the limit."""
Z95 = 1.96
"""Half the width of a 95 % interval of a normal distribution, in standard errors."""


@dataclass(frozen=True)
class Effect:
    """The difference that goes with a component; an association, since a search does not choose at random.

    Attributes:
        component: Its `slot:name`.
        fidelity: Where all trials compared were measured.
        difference: Mean loss with it minus mean loss without it, nats per token; negative favours it.
        low: Lower end of the interval.
        high: Upper end of the interval.
        n_with: Trials with it.
        n_without: Trials without it.
    """

    component: str
    fidelity: Fidelity
    difference: float
    low: float
    high: float
    n_with: int
    n_without: int


@dataclass(frozen=True)
class Interaction:
    """How far two components together differ from the sum of what goes with each; an association as well.

    Attributes:
        first: `slot:name` of one.
        second: `slot:name` of the other.
        difference: Mean loss with both, less that with the first alone, less that with the second alone, plus that with
            neither; negative: together they do better than their sum.
        low: Lower end of the 95 % interval.
        high: Upper end of it.
        n_both: Trials with both.
    """

    first: str
    second: str
    difference: float
    low: float
    high: float
    n_both: int


def component_effects(
    trials: Sequence[Measured], *, rng: np.random.Generator, level: float = 0.95, resamples: int = 2000
) -> list[Effect]:
    """Compare the trials with and without each component, at the lowest fidelity, where nearly all were measured.

    Args:
        trials: Trials of one study, in any order and state.
        rng: Source of the bootstrap's resamples.
        level: Coverage of the percentile intervals, in (0, 1).
        resamples: How many resamples.

    Returns:
        The components that at least three trials have and at least three lack, the most favourable first.
    """
    lowest, losses, members = _compared(trials)
    effects = []
    for component, has in members.items():
        with_it, without = losses[has], losses[~has]
        if min(len(with_it), len(without)) < SMALLEST_GROUP:
            continue
        resampled = _resampled_means(with_it, resamples, rng) - _resampled_means(without, resamples, rng)
        low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
        difference = float(with_it.mean() - without.mean())
        effects.append(Effect(component, lowest, difference, float(low), float(high), len(with_it), len(without)))
    return sorted(effects, key=lambda effect: (effect.difference, effect.component))


def component_interactions(trials: Sequence[Measured], most: int = 20) -> list[Interaction]:
    """Look for pairs of components that do better or worse together than the sum of what goes with each.

    Args:
        trials: Trials of one study, in any order and state; those of the lowest fidelity are compared.
        most: How many pairs are returned at most: those furthest from zero in standard errors.

    Returns:
        Pairs with at least three trials in each of the four groups, the most favourable first. The intervals are those
        of a normal distribution; among many pairs, some exclude zero by chance.
    """
    _, losses, members = _compared(trials)
    names = list(members)
    found: list[tuple[float, Interaction]] = []
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            a, b = members[first], members[second]
            groups = [losses[a & b], losses[a & ~b], losses[~a & b], losses[~a & ~b]]
            if min(map(len, groups)) < SMALLEST_GROUP:
                continue
            both, one, other, neither = (float(group.mean()) for group in groups)
            error = float(np.sqrt(sum(group.var(ddof=1) / len(group) for group in groups)))
            if error == 0:
                continue
            difference = both - one - other + neither
            ends = difference - Z95 * error, difference + Z95 * error
            found.append((abs(difference) / error, Interaction(first, second, difference, *ends, len(groups[0]))))
    strongest = sorted(found, key=lambda pair: -pair[0])[:most]
    return sorted((pair for _, pair in strongest), key=lambda pair: pair.difference)


def _compared(trials: Sequence[Measured]) -> tuple[Fidelity, np.ndarray, dict[str, np.ndarray]]:
    """Return the lowest fidelity, the losses measured there, and which of them each component has."""
    done = completed(trials)
    lowest = min((fidelity(trial) for trial in done), default=Fidelity(0, 0))
    done = [trial for trial in done if fidelity(trial) == lowest]
    sets = [set(trial.components) for trial in done]
    names = sorted(set().union(*sets))
    return lowest, np.array([measured(t) for t in done]), {name: np.array([name in s for s in sets]) for name in names}


def _resampled_means(values: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Return the means of resamples with replacement, shape `(resamples,)`."""
    if len(values) >= LARGE_GROUP:
        limit: np.ndarray = rng.normal(values.mean(), values.std() / np.sqrt(len(values)), size=resamples)
        return limit
    picks = rng.integers(len(values), size=(resamples, len(values)))
    means: np.ndarray = values[picks].mean(axis=1)
    return means
