"""What a study will cost, before it is begun: from its budget, and from what trials of this workspace took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neuramosaic.store.records import TrialRecord, TrialState
from neuramosaic.study import StudyConfig
from ui.estimate import planned_trials
from ui.figures import count, duration

#: Floating-point operations per parameter and token of training, forward and backward.
FLOPS_EACH = 6


@dataclass(frozen=True)
class Forecast:
    """What a study is expected to take.

    Attributes:
        trials: Trials at each rung, the baseline among them.
        tokens: Tokens of training, of all trials together.
        flops: Floating-point operations of their training, at six per parameter and token.
        seconds: Wall time, at most the study's limit; None if nothing of the kind was measured in this workspace.
        basis: What the wall time was measured on; empty if there is none.
        limited: Whether the limit of hours is what ends it.
    """

    trials: tuple[int, ...]
    tokens: int
    flops: float
    seconds: float | None = None
    basis: str = ""
    limited: bool = False

    def lines(self) -> list[str]:
        """Return it for people."""
        rungs = " + ".join(map(str, self.trials))
        told = [
            f"{sum(self.trials)} trials{f' ({rungs} by rung)' if len(self.trials) > 1 else ''}, "
            f"{count(self.tokens)} tokens of training, about {self.flops:.2g} FLOPs"
        ]
        if self.seconds is None:
            told.append("how long it takes is not known before its first trials: nothing like it ran here yet")
        elif self.limited:
            told.append(f"the limit ends it after {duration(self.seconds)}, before all trials are done; {self.basis}")
        else:
            told.append(f"about {duration(self.seconds)}; {self.basis}")
        return told


def forecast(config: StudyConfig, earlier: Sequence[TrialRecord], workers: int) -> Forecast:
    """Return what a study is expected to take.

    Args:
        config: Its configuration.
        earlier: Trials of the workspace on the same task, in any state; their time per token and parameter is the
            measure.
        workers: Trials trained at once.
    """
    planned = planned_trials(config)
    tokens = sum(number * config.fidelity(rung) for rung, number in enumerate(planned))
    flops = float(FLOPS_EACH) * tokens * config.params
    done = [trial for trial in earlier if trial.state is TrialState.COMPLETE and trial.outcome]
    if not done:
        return Forecast(tuple(planned), tokens, flops)
    measured = [(trial.fidelity_tokens * trial.params, trial.outcome.seconds) for trial in done if trial.outcome]
    each, per_work = _rates(measured)
    longest = config.trial_minutes * 60
    spent = sum(
        number * min(longest, each + per_work * config.fidelity(rung) * config.params)
        for rung, number in enumerate(planned)
    )
    seconds = spent / max(1, workers)
    basis = f"extrapolated from {len(done)} trials of this workspace, {workers} at once"
    limit = config.max_hours * 3600 if config.max_hours is not None else None
    limited = limit is not None and limit < seconds
    return Forecast(tuple(planned), tokens, flops, min(seconds, limit or seconds), basis, limited)


def _rates(measured: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return seconds of each trial and seconds per token and parameter, neither negative, by least squares.

    Args:
        measured: Tokens times parameters, and seconds, of each trial.
    """
    work, seconds = (np.array(column, dtype=float) for column in zip(*measured, strict=True))
    proportional = float(seconds.sum() / max(1.0, work.sum()))
    if len(set(work)) < 2:
        return 0.0, proportional
    slope, fixed = np.polyfit(work / work.max(), seconds, 1)
    if slope <= 0:
        return 0.0, proportional
    if fixed < 0:
        return 0.0, float((work * seconds).sum() / (work * work).sum())
    return float(fixed), float(slope / work.max())
