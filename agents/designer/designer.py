"""The designer: which architecture is tried next, at which fidelity, and who gets to propose it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from agents.designer.algorithms import Algorithms
from agents.designer.architect import Architect
from agents.designer.proposals import CardProposal, Proposal
from agents.designer.vocabulary import with_component
from agents.literature import Brief
from agents.llm.client import LanguageModel
from neuramosaic.analysis.leaderboard import BASELINE_SOURCE, leaderboard
from neuramosaic.analysis.payoff import LLM, plays, slot_of
from neuramosaic.components.card import Card
from neuramosaic.components.spec import Slot
from neuramosaic.search.bandit import choose
from neuramosaic.search.scheduler import Done, Promote, RungTrial, Sample, decide
from neuramosaic.seeds import stream
from neuramosaic.space.architecture import Architecture
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.steering import Constraint, Steering
from neuramosaic.store.records import TrialRecord, WritingRecord, WritingState
from neuramosaic.study import StudyConfig

#: The language model is asked for its first component at its slot of this index, and then every so many slots.
FIRST_CARD, CARD_EVERY = 1, 4
IDEA, PAPER = "idea", "paper"
"""Source of a component that a person had the idea of, and of its trial."""


class Designer:
    """Proposes trials as a function of the trials so far, the writings, the model's answers, and of nothing else.

    It keeps no state: after a crash the same trials and writings lead to the same proposal, and the ledger answers what
    was asked before. Promotions come from asynchronous successive halving (arXiv 1810.05934). New architectures come
    from the study's sampler; with a language model, sampler, evolution and language model compete for each slot in a
    bandit (`neuramosaic.search.bandit`), so that each earns its share or loses it.

    What a writing costs is bounded by `new_components` and the study's caps, and is not held against the language model
    in the bandit; the calls for a slot are.
    """

    def __init__(
        self,
        space: ArchitectureSpace,
        config: StudyConfig,
        *,
        model: LanguageModel | None = None,
        brief: Brief | None = None,
        steering: Steering | None = None,
    ) -> None:
        """Prepare to design for one study.

        Args:
            space: The space of the study, with the components that were written for it so far.
            config: Its configuration.
            model: The language model that competes; None leaves every decision to the algorithms.
            brief: The literature behind the components, for its prompt.
            steering: What a person asked for: it bears on what is proposed from now on, and on nothing that exists.

        Raises:
            UnknownNameError: If there is no such sampler.
            UnknownOptionError: If the sampler has no such setting.
        """
        self._space = space
        self._config = config
        self._steering = steering or Steering()
        # Without anything to heed there is no constraint, and every source proposes as it always did.
        self._constraint = Constraint(space, self._steering) if self._steering.constrains else None
        self._algorithms = Algorithms(space, config, self._constraint)
        self._architect = None if model is None else Architect(space, config, model, brief, self._constraint)

    def propose(
        self, trials: Sequence[TrialRecord], writings: Sequence[WritingRecord] = ()
    ) -> Proposal | CardProposal | Literal["wait", "done"]:
        """Return the next trial or the next component to be written, "wait" if only what runs can tell, or "done".

        Args:
            trials: All trials of the study, by number.
            writings: All its writings, by number. While one is OPEN, a slot is kept for its component.

        Raises:
            BudgetSpentError: If the language model's turn could exceed a spending cap.
        """
        if not trials:
            return Proposal(0, self._space.baseline(), "baseline", 0, 0, None, "the baseline, to compare with")
        counted = self._counted(trials)
        promoted = {trial.parent for trial in trials if trial.parent}
        wanted = self._wanted(trials, promoted)
        if wanted is not None:
            return self._promote(wanted, trials)
        decision = decide(
            [
                RungTrial(
                    number=trial.number,
                    rung=trial.rung,
                    value=trial.val_loss,
                    finished=trial.state.finished,
                    failed=trial.state.finished and (trial.val_loss is None or not self._promotable(trial)),
                    promoted=trial.id in promoted,
                    baseline=trial.source == "baseline",
                )
                for trial in counted
            ],
            budget=self._config.trials,
            rungs=self._config.rungs,
            eta=self._config.eta,
        )
        match decision:
            case Sample():
                used = sum(slot_of(trial) is not None for trial in counted)
                kept = sum(writing.state is WritingState.OPEN for writing in writings)
                return "wait" if used + kept >= self._config.trials else self._slot(trials, writings, used)
            case Promote():
                return self._promote(decision.trial.number, trials)
            case Done():
                return "done"
            case _:
                return "wait"

    def _wanted(self, trials: Sequence[TrialRecord], promoted: set[str]) -> int | None:
        """Return the number of a trial that a person wants promoted and that was not yet."""
        for number in self._steering.promoted:
            for trial in trials:
                if trial.number == number and trial.id not in promoted and trial.rung + 1 < self._config.rungs:
                    return number
        return None

    def _promotable(self, trial: TrialRecord) -> bool:
        """Whether more may be spent on a trial: none of what was ruled out since, unless it is the baseline."""
        if self._constraint is None or trial.source == BASELINE_SOURCE:
            return True
        return self._constraint.holds(Architecture.from_json(trial.architecture))

    def _counted(self, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
        """Return the trials that use up the budget: all but those that computed the same function as another.

        Of these no more are spared than the study has trials, so that it ends.
        """
        spared = [trial.id for trial in trials if trial.outcome and trial.outcome.duplicate_of][: self._config.trials]
        return [trial for trial in trials if trial.id not in spared]

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

    def _slot(
        self, trials: Sequence[TrialRecord], writings: Sequence[WritingRecord], used: int
    ) -> Proposal | CardProposal:
        """Fill a slot with a new architecture, or ask for a component first."""
        if self._architect is None:
            return self._sampled(trials, self._algorithms.sources[0], {}, "")
        written = self._written(trials, writings)
        if written is not None:
            return written
        number = trials[-1].number + 1
        played, seed = plays(trials), self._config.seed
        chosen = choose(played, (*self._algorithms.sources, LLM), stream(seed, "designer", "bandit", number))
        if chosen.arm != LLM:
            return self._sampled(trials, chosen.arm, {}, chosen.why())
        noted: dict[str, Any] = {}
        if self._architect.invents and self._card_is_due(trials, writings, used):
            card = self._architect.card(trials, writings, _next_number(writings))
            if isinstance(card.value, Card):
                why = f"{chosen.why()}; a new {card.value.slot}: {card.proposal['why']}"
                return CardProposal(_next_number(writings), card.value, why, card.proposal)
            noted["card_refused"] = card.refused
        designed = self._architect.architecture(trials, writings, number)
        noted |= designed.proposal
        if isinstance(designed.value, Architecture):
            why = f"{chosen.why()}; {designed.proposal['why']}"
            return Proposal(
                number, designed.value, LLM, 0, max(t.asked for t in trials), None, why, {"slot": LLM, **noted}
            )
        noted["refused"] = designed.refused
        other = choose(played, self._algorithms.sources, stream(seed, "designer", "bandit", number, "instead"))
        return self._sampled(trials, other.arm, noted, f"instead of {LLM} ({designed.refused}): {other.why()}")

    def _sampled(self, trials: Sequence[TrialRecord], source: str, noted: dict[str, Any], why: str) -> Proposal:
        sampled = self._algorithms.sample(trials, source)
        return Proposal(
            number=trials[-1].number + 1,
            architecture=sampled.architecture,
            source=sampled.source,
            rung=0,
            asked=sampled.asked,
            parent=None,
            why=f"{why}; {sampled.why}" if why else sampled.why,
            proposal={"slot": source, **noted} if self._architect is not None else {},
        )

    def _written(self, trials: Sequence[TrialRecord], writings: Sequence[WritingRecord]) -> Proposal | None:
        """Return the first trial of a component that was written and verified: in the best architecture that takes it.

        It is owed, whatever the bandit says: what was paid for is measured.
        """
        tried = {name for trial in trials for name in trial.components}
        for writing in writings:
            name = f"{writing.slot}:{writing.name}"
            source = writing.source if writing.source in (IDEA, PAPER) else LLM
            spec = next(
                (item for item in self._space.components(Slot(writing.slot)) if item.name == writing.name), None
            )
            if writing.state is not WritingState.VERIFIED or spec is None or name in tried:
                continue
            if self._constraint is not None and spec.name not in self._constraint.allowed[spec.slot]:
                continue
            for row in leaderboard(trials):
                architecture = with_component(self._space, Architecture.from_json(row.trial.architecture), spec)
                if architecture is not None and self._constraint is not None:
                    rng = stream(self._config.seed, "designer", "written", writing.number)
                    architecture = self._constraint.repair(architecture, rng, keep=name)
                if architecture is None:
                    continue
                told = {key: writing.proposal[key] for key in ("why", "predicted_loss") if key in writing.proposal}
                return Proposal(
                    number=trials[-1].number + 1,
                    architecture=architecture,
                    source=source,
                    rung=0,
                    asked=max(trial.asked for trial in trials),
                    parent=None,
                    why=f"{writing.slot} {writing.name} is verified: it is tried in trial {row.trial.number}",
                    proposal={"slot": source, "writing": writing.id, **told},
                )
        return None

    def _card_is_due(self, trials: Sequence[TrialRecord], writings: Sequence[WritingRecord], used: int) -> bool:
        """Return whether the language model is to be asked for a component in this slot of its."""
        own = [writing for writing in writings if writing.source == LLM]  # a person's ideas use up none of its turns
        if len(own) >= self._config.new_components or used >= self._config.trials - 1:
            return False
        if any(writing.state is WritingState.OPEN for writing in writings):
            return False
        asked = len(own) + sum("card_refused" in trial.proposal for trial in trials)
        turns = sum(slot_of(trial) == LLM or "refused" in trial.proposal for trial in trials)
        return turns >= FIRST_CARD + CARD_EVERY * asked


def _next_number(writings: Sequence[WritingRecord]) -> int:
    return max((writing.number for writing in writings), default=-1) + 1
