"""How much of a study is left, from its budget and from what its finished trials took."""

from __future__ import annotations

from collections.abc import Sequence

from neuramosaic.store.records import TrialRecord, TrialState
from neuramosaic.study import StudyConfig


def planned_trials(config: StudyConfig) -> list[int]:
    """Return how many trials each rung will have had at the end, the baseline among them.

    Of a rung's architectures the best one in `eta` are promoted, at least one, and the baseline follows them. It is an
    expectation: decided while others still run, a few more may be promoted. A comparison has two trials a seed.
    """
    if config.comparison is not None:
        return [2 * len(config.comparison.seeds)]
    planned = [config.trials]
    for _ in range(config.rungs - 1):
        planned.append(max(1, planned[-1] // config.eta))
    return [architectures + 1 for architectures in planned]


def total_trials(config: StudyConfig, trials: Sequence[TrialRecord]) -> int:
    """Return how many trials the study will have, never fewer than it has."""
    return max(sum(planned_trials(config)), len(trials))


def seconds_left(config: StudyConfig, trials: Sequence[TrialRecord], running_s: float, workers: int) -> float | None:
    """Return the seconds that a study still needs; None before any trial has finished.

    Args:
        config: Its configuration.
        trials: All its trials.
        running_s: Seconds that the running trials have been at work, together.
        workers: Trials trained at once.
    """
    done = [(trial, trial.outcome.seconds) for trial in trials if trial.outcome is not None]
    tokens = sum(trial.fidelity_tokens for trial, _ in done if trial.state is TrialState.COMPLETE)
    spent = sum(seconds for _, seconds in done)
    if not tokens or not spent:
        return None
    left = 0.0
    for rung, planned in enumerate(planned_trials(config)):
        here = [seconds for trial, seconds in done if trial.rung == rung]
        each = sum(here) / len(here) if here else spent / tokens * config.fidelity(rung)
        left += max(0, planned - len(here)) * each
    return max(0.0, left - running_s) / max(1, workers)
