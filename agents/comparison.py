"""The comparison: trains given architectures over given seeds, where a designer would search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from agents.designer.proposals import Proposal
from neuramosaic.analysis.leaderboard import BASELINE_SOURCE, COMPARISON_SOURCE
from neuramosaic.components.spec import Slot
from neuramosaic.errors import UsageError
from neuramosaic.space.architecture import Architecture, Choice
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.store.records import TrialRecord, WritingRecord
from neuramosaic.study import ComponentName, StudyConfig


class Comparison:
    """Proposes the baseline and the baseline with one component in its slot, for each seed, all at one fidelity.

    It has the contract of the designer: a function of the trials so far and of nothing else.

    Args:
        space: The study's space.
        config: The study's configuration; it has a comparison.

    Raises:
        UnknownNameError: If there is no such component.
        UsageError: If the baseline has it already, or no model with it meets the parameter budget.
    """

    def __init__(self, space: ArchitectureSpace, config: StudyConfig) -> None:
        assert config.comparison is not None
        self._component = config.comparison.component
        self._seeds = config.comparison.seeds
        self._baseline = space.baseline()
        self._candidate = with_component(self._baseline, self._component, space)
        if self._candidate == self._baseline:
            raise UsageError(
                f"{self._component.slot} {self._component.name!r} is what the baseline has: compare another with it"
            )

    def propose(
        self, trials: Sequence[TrialRecord], writings: Sequence[WritingRecord] = ()
    ) -> Proposal | Literal["wait", "done"]:
        """Return the next trial, "wait" if only running trials are left, or "done".

        The pair of a seed stands side by side, so that a comparison that is stopped holds whole pairs.

        Args:
            trials: All trials of the study, by number.
            writings: None: a comparison has nothing written.
        """
        number = len(trials)
        if number == 2 * len(self._seeds):
            return "done" if all(trial.state.finished for trial in trials) else "wait"
        seed, changed = self._seeds[number // 2], number % 2 == 1
        name = f"{self._component.slot} {self._component.name}"
        return Proposal(
            number=number,
            architecture=self._candidate if changed else self._baseline,
            source=COMPARISON_SOURCE if changed else BASELINE_SOURCE,
            rung=0,
            asked=0,
            parent=None,
            why=f"the baseline{f' with {name}' if changed else ''}, seed {seed}",
            seed=seed,
        )


def with_component(baseline: Architecture, component: ComponentName, space: ArchitectureSpace) -> Architecture:
    """Return the baseline with a component, with its defaults, in its slot: in every block, where blocks have it.

    The depth stays; the width is solved anew, so that the parameters match.

    Raises:
        UnknownNameError: If there is no such component.
        UsageError: If no width meets the parameter budget, or the space excludes it.
    """
    spec = space.catalogue.get(component.slot, component.name)
    choice = Choice(spec.name, spec.defaults())
    changes: dict[str, Any] = {str(spec.slot): choice}
    if spec.slot in (Slot.POSITION, Slot.RESIDUAL):
        return space.canonicalise(replace(baseline, **changes))
    return space.canonicalise(replace(baseline, blocks=tuple(replace(block, **changes) for block in baseline.blocks)))
