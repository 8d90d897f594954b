"""Which components go with a lower loss: a first look, by comparing the trials with and without each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neuramosaic.analysis.leaderboard import Fidelity, completed, fidelity, measured
from neuramosaic.store.records import TrialRecord

SMALLEST_GROUP = 3
"""Trials needed on either side: below that an interval means nothing."""


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


def component_effects(
    trials: Sequence[TrialRecord], *, rng: np.random.Generator, level: float = 0.95, resamples: int = 2000
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
    done = completed(trials)
    if not done:
        return []
    lowest = min(fidelity(trial) for trial in done)
    done = [trial for trial in done if fidelity(trial) == lowest]
    losses = np.array([measured(trial) for trial in done])
    effects = []
    for component in sorted({name for trial in done for name in trial.components}):
        has = np.array([component in trial.components for trial in done])
        with_it, without = losses[has], losses[~has]
        if min(len(with_it), len(without)) < SMALLEST_GROUP:
            continue
        resampled = _resampled_means(with_it, resamples, rng) - _resampled_means(without, resamples, rng)
        low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
        difference = float(with_it.mean() - without.mean())
        effects.append(Effect(component, lowest, difference, float(low), float(high), len(with_it), len(without)))
    return sorted(effects, key=lambda effect: (effect.difference, effect.component))


def _resampled_means(values: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Return the means of resamples with replacement, shape `(resamples,)`."""
    picks = rng.integers(len(values), size=(resamples, len(values)))
    means: np.ndarray = values[picks].mean(axis=1)
    return means
