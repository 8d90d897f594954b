"""The designer: decides which architecture is tried next, and at which fidelity."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from neuramosaic.errors import InvalidArchitectureError
from neuramosaic.search.base import Sampler
from neuramosaic.search.registry import create_sampler
from neuramosaic.search.scheduler import Done, Promote, RungTrial, Sample, decide
from neuramosaic.seeds import stream
from neuramosaic.space.architecture import Architecture
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.store.records import TrialRecord
from neuramosaic.study import StudyConfig

#: How many points a sampler may offer that fall on an architecture already tried; then the last one is mutated.
MAX_DUPLICATES = 16


@dataclass(frozen=True)
class Proposal:
    """A trial that the designer wants.

    Attributes:
        number: Number of the trial in its study.
        architecture: What to try.
        source: Who thought of it: "baseline", or the sampler's name.
        rung: Index of the fidelity level.
        asked: How many points the sampler has been asked for, this one included.
        parent: The trial that this one promotes, or None.
        why: One line for the journal.
    """

    number: int
    architecture: Architecture
    source: str
    rung: int
    asked: int
    parent: str | None
    why: str


class Designer:
    """Proposes trials as a function of the trials so far and of nothing else.

    It keeps no state: after a crash the same trials lead to the same proposal. Points come from a sampler, promotions
    from asynchronous successive halving (arXiv 1810.05934).
    """

    def __init__(self, space: ArchitectureSpace, config: StudyConfig) -> None:
        """Prepare to design for one study.

        Raises:
            UnknownNameError: If there is no such sampler.
            UnknownOptionError: If the sampler has no such setting.
        """
        self._space = space
        self._config = config
        self._new_sampler()

    def _new_sampler(self) -> Sampler:
        config = self._config
        return create_sampler(config.sampler, self._space.parameters, seed=config.seed, **config.sampler_settings)

    def propose(self, trials: Sequence[TrialRecord]) -> Proposal | Literal["wait", "done"]:
        """Return the next trial, "wait" if only running trials can tell, or "done".

        Args:
            trials: All trials of the study, by number.
        """
        if not trials:
            return Proposal(0, self._space.baseline(), "baseline", 0, 0, None, "the baseline, to compare with")
        promoted = {trial.parent for trial in trials if trial.parent}
        decision = decide(
            [
                RungTrial(
                    number=trial.number,
                    rung=trial.rung,
                    value=trial.val_loss,
                    finished=trial.state.finished,
                    failed=trial.state.finished and trial.val_loss is None,
                    promoted=trial.id in promoted,
                    baseline=trial.source == "baseline",
                )
                for trial in trials
            ],
            budget=self._config.trials,
            rungs=self._config.rungs,
            eta=self._config.eta,
        )
        match decision:
            case Sample():
                return self._sample(trials)
            case Promote():
                return self._promote(decision.trial.number, trials)
            case Done():
                return "done"
            case _:
                return "wait"

    def _promote(self, number: int, trials: Sequence[TrialRecord]) -> Proposal:
        parent = next(trial for trial in trials if trial.number == number)
        tokens = self._config.fidelity(parent.rung + 1)
        return Proposal(
            number=trials[-1].number + 1,
            architecture=Architecture.from_json(parent.architecture),
            source=parent.source,
            rung=parent.rung + 1,
            asked=trials[-1].asked,
            parent=parent.id,
            why=f"promoted from trial {parent.number} to {tokens:,} tokens",
        )

    def _sample(self, trials: Sequence[TrialRecord]) -> Proposal:
        lowest = [trial for trial in trials if trial.rung == 0]
        point = self._points(lowest)
        told = sorted(
            (trial for trial in lowest if trial.state.finished and trial.id in point),
            key=lambda trial: trial.finish_order or 0,
        )
        pending = [point[trial.id] for trial in lowest if not trial.state.finished and trial.id in point]
        known = {trial.architecture_id for trial in lowest}
        asked = max(trial.asked for trial in trials)
        sampler = self._new_sampler()
        sampler.restore(asked, [(point[trial.id], trial.val_loss) for trial in told])
        source, architecture = sampler.name, self._space.baseline()
        for _ in range(MAX_DUPLICATES):
            (candidate,) = sampler.ask(1, pending)
            asked += 1
            architecture = self._space.from_point(candidate)
            if architecture.id not in known:
                break
            pending.append(candidate)
        else:
            rng = stream(self._config.seed, "designer", "duplicate", asked)
            source = "mutation"
            while architecture.id in known:
                architecture = self._space.mutate(architecture, rng)
        return Proposal(
            number=trials[-1].number + 1,
            architecture=architecture,
            source=source,
            rung=0,
            asked=asked,
            parent=None,
            why=f"{source} after {len(told)} results" + (f", {len(pending)} pending" if pending else ""),
        )

    def _points(self, trials: Sequence[TrialRecord]) -> dict[str, dict[str, Any]]:
        """Return the point of each trial in the space; the baseline may lie outside a restricted one."""
        points = {}
        for trial in trials:
            with suppress(InvalidArchitectureError):
                points[trial.id] = self._space.to_point(Architecture.from_json(trial.architecture))
        return points
