"""Proposals of the language model: architectures of the space, and components that it lacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from agents.card_edits import Edit, edits, menu
from agents.card_maker import LONGEST_NAME, UNREAD, CardMaker, MadeCard, edited_card, numbers
from agents.card_starts import starts
from agents.designer.briefing import effects_text, failed_writing, failures_text, results_text, start, task_text
from agents.designer.vocabulary import ROLES, Sentence, Vocabulary
from agents.literature import Brief
from agents.llm.base import ModelError
from agents.llm.client import LanguageModel
from neuramosaic.canonical import canonical_json
from neuramosaic.components.card import Card
from neuramosaic.components.spec import Slot
from neuramosaic.errors import UsageError
from neuramosaic.seeds import stream
from neuramosaic.space.architecture import Architecture
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.store.records import TrialRecord, WritingRecord, WritingState
from neuramosaic.study import StudyConfig
from neuramosaic.verify.ladder import HARNESS_SLOTS

ATTEMPTS = 2
"""How often it is asked for one slot, if what it says cannot be used."""
MAX_TOKENS = 400
"""The most tokens of an answer."""
#: How many well-formed edits a new component may be chosen from.
MENU = 10
MOST_CITED = 3
"""The most papers that an answer may name."""
#: Slots that a new component may fill, if the space has a component there and one can be verified.
INVENTED = tuple(slot for slot in (Slot.MIXER, Slot.CHANNEL, Slot.MODULATOR) if slot in HARNESS_SLOTS)


@dataclass(frozen=True)
class Designed:
    """What the language model came up with.

    Attributes:
        value: The architecture or the card; None if nothing that it said can be used.
        proposal: What the record keeps: `why`, `predicted_loss`, `papers` (ids of those that it follows, if any),
            `tokens_in`, `tokens_out`; of a card besides how it came about: `way`, `start`, `edits`.
        refused: Why nothing can be used; empty if something can.
    """

    value: Architecture | Card | None
    proposal: dict[str, Any] = field(default_factory=dict)
    refused: str = ""


class _ProposedComponent(BaseModel):
    """What an answer with a new component has to be, besides its choice."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    why: Sentence
    idea: Annotated[str, Field(max_length=240)] = ""
    predicted_loss: Annotated[float, Field(gt=0, lt=100, allow_inf_nan=False)]


class Architect:
    """Asks a language model. What it says that cannot be used is said back to it once, then given up.

    Args:
        space: The space of the study.
        config: Its configuration.
        model: Who is asked.
        brief: The literature: the papers behind the components, and what was found for the study; or None.
    """

    def __init__(
        self, space: ArchitectureSpace, config: StudyConfig, model: LanguageModel, brief: Brief | None
    ) -> None:
        self._space, self._config, self._model = space, config, model
        self._vocabulary = Vocabulary(space)
        self._parts = self._vocabulary.describe(brief)
        self._slots = [slot for slot in INVENTED if space.components(slot)]
        self._literature = brief.text() if brief else ""
        self._papers = brief.papers() if brief else ()

    @property
    def invents(self) -> bool:
        """Whether there is a slot that a new component may fill."""
        return bool(self._slots)

    def architecture(self, trials: Sequence[TrialRecord], writings: Sequence[WritingRecord], number: int) -> Designed:
        """Ask for an architecture that no trial of the first rung has.

        Its training numbers are those of the architecture that it starts from, where it sets none.

        Args:
            trials: All trials of the study, by number; at least one.
            writings: Its writings.
            number: Number of the trial that it is for.

        Raises:
            BudgetSpentError: If the call could exceed a cap.
        """
        first = [Architecture.from_json(trial.architecture) for trial in trials if trial.rung == 0]
        known, designs = {architecture.id for architecture in first}, {_design(item) for item in first}
        chosen = start(trials, number)
        begin = Architecture.from_json(chosen.architecture) if chosen else self._space.baseline()
        loss = f"loss {chosen.val_loss:.3f}" if chosen else "not measured yet"
        variables = {
            "task": task_text(self._space, self._config),
            "vocabulary": self._parts,
            "results": results_text(trials, self._vocabulary),
            "effects": effects_text(trials, self._config.seed),
            "literature": self._literature,
            "failures": failures_text(trials, writings, self._vocabulary),
            "loss": loss,
            "start": canonical_json(self._vocabulary.answer(begin)),
        }

        def use(answer: BaseModel) -> Architecture | str:
            architecture = self._vocabulary.read(answer, dict(begin.training))
            if architecture is None:
                return f"it cannot be made with {self._config.params:,} parameters"
            said = self._vocabulary.describe_architecture(architecture)
            if architecture.id in known or (
                _design(architecture) in designs and not self._vocabulary.sets_training(answer)
            ):
                return f"it was tried already: {said}"
            return architecture

        name = f"{trials[0].study}.{number}"
        return self._ask(name, "propose architecture", variables, self._citing(self._vocabulary.schema), use)

    def card(self, trials: Sequence[TrialRecord], writings: Sequence[WritingRecord], number: int) -> Designed:
        """Ask for a component that does not exist yet: one of some well-formed edits, or an idea in a sentence.

        The slots take turns, the mixer first: left to choose, a small model has the same idea again.

        Args:
            trials: All trials of the study, by number; at least one.
            writings: Its writings.
            number: Number of the writing that it is for.

        Raises:
            BudgetSpentError: If a call could exceed a cap.
        """
        slot = self._slots[number % len(self._slots)]
        failed = [writing for writing in writings if writing.state is WritingState.FAILED]
        variables = {
            "task": task_text(self._space, self._config),
            "slot": f"{slot}, which {ROLES[slot].partition(';')[0]}",
            "known": "\n".join(f"- {spec.name}: {spec.summary}" for spec in self._space.components(slot)),
            "results": results_text(trials, self._vocabulary),
            "literature": self._literature,
            "failures": "\n".join(failed_writing(writing) for writing in failed) or "nothing",
        }
        name = f"{trials[0].study}.c{number}"
        choices = self._menu(slot, writings, number)
        lines = [f"{place}. {edit.sentence}" for place, edit in enumerate(choices, 1)]
        variables["edits"] = "\n".join([*lines, "0. an idea of your own"])
        schema = create_model("Proposed", __base__=_ProposedComponent, choice=(numbers(len(choices)), ...))

        def use(answer: BaseModel) -> MadeCard | str:
            said = answer.model_dump()
            if said["choice"]:
                return edited_card([choices[said["choice"] - 1]], self._space.catalogue)
            try:
                made = CardMaker(self._model).card(said["idea"], self._space.catalogue, slot=slot, trial=name)
            except UsageError as error:
                return str(error)
            if made.way == UNREAD:  # nothing bounds what it means, so that proving it would prove little
                return f"the equations of your idea cannot be read ({made.problem}): choose a number"
            if made.card.name in {writing.name for writing in failed}:
                return f"{made.card.name!r} was tried already: have another idea"
            return made

        return self._ask(name, "propose component", variables, self._citing(schema), use)

    def _menu(self, slot: Slot, writings: Sequence[WritingRecord], number: int) -> list[Edit]:
        """Return edits of a slot's components that were not tried: which ones, depends on the study's seed alone."""
        tried = {writing.name for writing in writings}
        possible = [edit for start in starts(self._space.catalogue, slot) for edit in edits(start)]
        untried = [edit for edit in possible if f"{edit.name}_{edit.start.name}"[:LONGEST_NAME] not in tried]
        return menu(untried, MENU, stream(self._config.seed, "designer", "edits", number))

    def _ask(
        self,
        trial: str,
        purpose: str,
        variables: dict[str, str],
        schema: type[BaseModel],
        use: Callable[[BaseModel], Architecture | MadeCard | str],
    ) -> Designed:
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
                value = use(answer)
            except ModelError as error:
                return Designed(None, self._used(trial), f"{error.kind}: {error}")
            if not isinstance(value, str):
                said = answer.model_dump()
                told = {key: said[key] for key in ("why", "predicted_loss")}
                cited = {"papers": said["cites"]} if said.get("cites") else {}
                if isinstance(value, MadeCard):
                    return Designed(value.card, {**told, **cited, **value.told(), **self._used(trial)})
                return Designed(value, {**told, **cited, **self._used(trial)})
            problem = value
        return Designed(None, self._used(trial), problem)

    def _citing(self, schema: type[BaseModel]) -> type[BaseModel]:
        """Return a schema that may name papers of the brief as well; what it lacks is dropped, not refused."""
        if not self._papers:
            return schema
        known = self._papers

        def of_the_brief(value: Any) -> list[str]:
            named = value if isinstance(value, list) else []
            return list(dict.fromkeys(item for item in named if item in known))[:MOST_CITED]

        cites = Annotated[list[Literal[known]], Field(max_length=MOST_CITED), BeforeValidator(of_the_brief)]  # type: ignore[valid-type]
        return create_model(schema.__name__, __base__=schema, cites=(cites, Field(default_factory=list)))

    def _used(self, trial: str) -> dict[str, int]:
        usage = self._model.used(trial)
        return {"tokens_in": usage.tokens_in, "tokens_out": usage.tokens_out}


def _design(architecture: Architecture) -> str:
    """Return what tells architectures apart whose training numbers do not matter."""
    return replace(architecture, training={}).id
