"""Proposals of the language model: architectures of the space, and components that it lacks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from agents.designer.briefing import effects_text, failed_writing, failures_text, results_text, task_text
from agents.designer.vocabulary import ROLES, Sentence, Vocabulary
from agents.literature import Brief
from agents.llm.base import ModelError
from agents.llm.client import LanguageModel
from neuramosaic.components.card import Card
from neuramosaic.components.spec import CostClass, Slot
from neuramosaic.errors import NeuraMosaicError
from neuramosaic.space.architecture import Architecture
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.store.records import TrialRecord, WritingRecord, WritingState
from neuramosaic.study import StudyConfig

ATTEMPTS = 2
"""How often it is asked for one slot, if what it says cannot be used."""
MAX_TOKENS = 400
"""The most tokens of an answer."""
#: Slots that a new component may fill, if the space has a choice there.
INVENTED = (Slot.MIXER, Slot.CHANNEL, Slot.MODULATOR)


@dataclass(frozen=True)
class Designed:
    """What the language model came up with.

    Attributes:
        value: The architecture or the card; None if nothing that it said can be used.
        proposal: What the record keeps: `why`, `predicted_loss`, `tokens_in`, `tokens_out`.
        refused: Why nothing can be used; empty if something can.
    """

    value: Architecture | Card | None
    proposal: dict[str, Any] = field(default_factory=dict)
    refused: str = ""


class Architect:
    """Asks a language model. What it says that cannot be used is said back to it once, then given up.

    Args:
        space: The space of the study.
        config: Its configuration.
        model: Who is asked.
        brief: The literature of the components, or None.
    """

    def __init__(
        self, space: ArchitectureSpace, config: StudyConfig, model: LanguageModel, brief: Brief | None
    ) -> None:
        self._space, self._config, self._model = space, config, model
        self._vocabulary = Vocabulary(space)
        self._parts = self._vocabulary.describe(brief)
        self._slots = [slot for slot in INVENTED if space.components(slot)]
        self._card_schema = _card_schema(self._slots)

    def architecture(
        self, trials: Sequence[TrialRecord], writings: Sequence[WritingRecord], number: int, training: dict[str, float]
    ) -> Designed:
        """Ask for an architecture that no trial of the first rung has.

        Args:
            trials: All trials of the study, by number; at least one.
            writings: Its writings.
            number: Number of the trial that it is for.
            training: Training numbers that hold where the answer sets none.

        Raises:
            BudgetSpentError: If the call could exceed a cap.
        """
        known = {trial.architecture_id for trial in trials if trial.rung == 0}
        designs = {_design(Architecture.from_json(trial.architecture)) for trial in trials if trial.rung == 0}
        variables = {
            "task": task_text(self._space, self._config),
            "vocabulary": self._parts,
            "results": results_text(trials, self._vocabulary),
            "effects": effects_text(trials, self._config.seed),
            "failures": failures_text(trials, writings, self._vocabulary),
        }

        def use(answer: BaseModel) -> Architecture | str:
            architecture = self._vocabulary.read(answer, training)
            if architecture is None:
                return f"it cannot be made with {self._config.params:,} parameters"
            said = self._vocabulary.describe_architecture(architecture)
            if architecture.id in known or (
                _design(architecture) in designs and not self._vocabulary.sets_training(answer)
            ):
                return f"it was tried already: {said}"
            return architecture

        purpose = "propose architecture"
        return self._ask(f"{trials[0].study}.{number}", purpose, variables, self._vocabulary.schema, use)

    def card(self, trials: Sequence[TrialRecord], writings: Sequence[WritingRecord], number: int) -> Designed:
        """Ask for a component that does not exist yet.

        Args:
            trials: All trials of the study, by number; at least one.
            writings: Its writings.
            number: Number of the writing that it is for.

        Raises:
            BudgetSpentError: If the call could exceed a cap.
        """
        failed = [writing for writing in writings if writing.state is WritingState.FAILED]
        variables = {
            "task": task_text(self._space, self._config),
            "known": "\n".join(
                f"{slot} ({ROLES[slot]}): "
                + "; ".join(f"{spec.name} ({spec.summary})" for spec in self._space.components(slot))
                for slot in self._slots
            ),
            "slots": " or ".join(self._slots),
            "results": results_text(trials, self._vocabulary),
            "failures": "\n".join(failed_writing(writing) for writing in failed) or "nothing",
        }

        def use(answer: BaseModel) -> Card | str:
            said = answer.model_dump()
            slot, name = said["slot"], re.sub(r"[^a-z0-9]+", "_", said["name"].lower()).strip("_")
            if name in {spec.name for spec in self._space.catalogue.slot(slot)}:
                return f"there is a {slot} {name!r} already: propose another part"
            if (slot, name) in {(writing.slot, writing.name) for writing in writings}:
                return f"{slot} {name!r} was tried already: propose another part"
            try:
                return Card(
                    name=name,
                    slot=Slot(slot),
                    summary=said["summary"],
                    equations=said["equations"],
                    cost=CostClass(said["cost"]),
                )
            except (NeuraMosaicError, ValueError) as error:
                return " ".join(str(error).split())

        return self._ask(f"{trials[0].study}.c{number}", "propose component", variables, self._card_schema, use)

    def _ask(self, trial: str, purpose: str, variables: dict[str, str], schema: type[BaseModel], use: Any) -> Designed:
        problem = ""
        for _ in range(ATTEMPTS):
            refused = f"Your last answer was refused: {problem}." if problem else ""
            try:
                answer = self._model.ask(
                    purpose.replace(" ", "_"),
                    {**variables, "refused": refused},
                    schema,
                    purpose=purpose,
                    trial=trial,
                    occurrence=0,
                    max_tokens=MAX_TOKENS,
                )
            except ModelError as error:
                return Designed(None, self._used(trial), f"{error.kind}: {error}")
            value = use(answer)
            if not isinstance(value, str):
                said = answer.model_dump()
                told = {key: said[key] for key in ("why", "predicted_loss")}
                return Designed(value, {**told, **self._used(trial)})
            problem = value
        return Designed(None, self._used(trial), problem)

    def _used(self, trial: str) -> dict[str, int]:
        usage = self._model.used(trial)
        return {"tokens_in": usage.tokens_in, "tokens_out": usage.tokens_out}


def _design(architecture: Architecture) -> str:
    """Return what tells architectures apart whose training numbers do not matter."""
    return replace(architecture, training={}).id


def _card_schema(slots: Sequence[Slot]) -> type[BaseModel]:
    """Return what an answer with a component has to be."""
    fields: dict[str, Any] = {
        "why": (Sentence, ...),
        "slot": (Literal[tuple(str(slot) for slot in slots)], ...),
        "name": (Sentence, ...),
        "summary": (Sentence, ...),
        "equations": (Annotated[list[Sentence], Field(min_length=1, max_length=4)], ...),
        "cost": (Literal["linear", "quadratic"], ...),
        "predicted_loss": (Annotated[float, Field(gt=0, lt=100, allow_inf_nan=False)], ...),
    }
    return create_model("ProposedComponent", __config__=ConfigDict(extra="ignore", frozen=True), **fields)
